# mypy: disable-error-code="return-value, no-any-return, assignment"
"""Moves of critical operations, compiled: each is taken out and put in anywhere it may go, on any of its units, and the best is done.

After Mastrolilli and Gambardella (2000): with the operation taken out, heads and tails of all others are exact, so the length of the
longest way through each place it could go to is exact too, also with setups. Tabu: an operation does not go back to the unit it left,
and two operations of a unit do not change places again, for some moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled
from plant.plan_problem import Ints, Ticks


class Line(NamedTuple):
    """A shop whose jobs are lines of operations, and whose units work one after the other."""

    previous: Ints
    """(operations,): the one before in its job, or -1."""
    following: Ints
    lag: Ticks
    """(operations,): least time after the one before."""
    head: Ticks
    """(operations,): no earlier start."""
    mode_at: Ints
    unit: Ints
    duration: Ticks
    state: Ints
    setup_at: Ticks
    setup_states: Ints
    setup: Ticks
    first_state: Ints
    still: NDArray[np.bool_]
    """(operations,): its time is fixed."""
    fixed_mode: Ints
    now: int


class Walk(NamedTuple):
    """Where a walk stands; it changes as the walk goes on."""

    mode: Ints
    sequence: Ints
    """(units, operations): the order on each unit, the first ``filled`` of a row."""
    filled: Ints
    best_mode: Ints
    best_order: Ints
    """All operations in an order that gives the best plan."""
    tabu_unit: Ticks
    """(operations, units): until which move it does not go there."""
    tabu_pair: Ticks
    """(operations, operations): until which move the first does not come before the second; (0, 0) where there are too many."""
    figures: Ticks
    """Moves done, best length, length now, move of the best."""
    luck: NDArray[np.uint64]
    """(1,): drawn from, never 0."""


@compiled
def _setup(line: Line, unit: int, before: int, after: int) -> int:
    at = line.setup_at[unit]
    if at < 0 or before < 0 or after < 0:
        return 0
    return line.setup[at + before * line.setup_states[unit] + after]


@compiled
def _draw(luck: NDArray[np.uint64], below: int) -> int:
    x = luck[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    luck[0] = x
    return np.int64((x >> np.uint64(20)) % np.uint64(below))


@compiled
def walk_on(line: Line, walk: Walk, moves: int, patience: int, target: int, tenure: int, most_tried: int) -> int:  # noqa: C901, PLR0912, PLR0915
    """Walk on for so many moves, or until so many brought nothing better, or the target is met; say the best length."""
    n, units = line.previous.shape[0], walk.filled.shape[0]
    mode, sequence, count, figures, luck = walk.mode, walk.sequence, walk.filled, walk.figures, walk.luck
    pairs = walk.tabu_pair.shape[0] > 0
    r, q, p = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    rn, qn = np.zeros(n, np.int64), np.zeros(n, np.int64)
    marked_r, marked_q = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    place, spot, waits = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    before, after, state = np.full(n, -1, np.int32), np.full(n, -1, np.int32), np.zeros(n, np.int32)
    gap_before = np.zeros(n, np.int64)
    order, path, on = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    ends = np.flatnonzero(line.following < 0)
    firm = np.zeros(units, np.int32)
    for u in range(units):
        while firm[u] < count[u] and line.still[sequence[u, firm[u]]]:
            firm[u] += 1
        for i in range(count[u]):
            v = sequence[u, i]
            on[v] = u
            place[v] = i
            p[v] = line.duration[mode[v]]
            state[v] = line.state[mode[v]]
            before[v] = sequence[u, i - 1] if i else -1
            after[v] = sequence[u, i + 1] if i + 1 < count[u] else -1
            gap_before[v] = _setup(line, u, state[before[v]] if i else line.first_state[u], state[v])
    serial = np.int64(0)
    for _ in range(moves):
        # heads, in an order that keeps all arcs
        filled = 0
        for v in range(n):
            waits[v] = (line.previous[v] >= 0) + (before[v] >= 0)
            if not waits[v]:
                order[filled] = v
                filled += 1
        done, length = 0, 0
        while done < filled:
            v = order[done]
            spot[v] = done
            done += 1
            start = line.head[v]
            if not line.still[v]:
                o = line.previous[v]
                if o >= 0:
                    start = max(start, r[o] + p[o] + line.lag[v])
                o = before[v]
                start = max(start, (r[o] + p[o] if o >= 0 else line.now) + gap_before[v])
            r[v] = start
            length = max(length, start + p[v])
            o = line.following[v]
            if o >= 0:
                waits[o] -= 1
                if not waits[o]:
                    order[filled] = o
                    filled += 1
            o = after[v]
            if o >= 0:
                waits[o] -= 1
                if not waits[o]:
                    order[filled] = o
                    filled += 1
        if filled < n:
            return np.int64(-1)
        figures[2] = length
        if length < figures[1]:
            figures[1] = length
            figures[3] = figures[0]
            walk.best_mode[:] = mode
            # by start: a list that any decoder can follow
            walk.best_order[:] = order
            if length <= target:
                return length
        if figures[0] - figures[3] >= patience:
            return figures[1]
        figures[0] += 1
        now = figures[0]
        # tails
        for i in range(n - 1, -1, -1):
            v = order[i]
            tail = np.int64(0)
            o = line.following[v]
            if o >= 0:
                tail = line.lag[o] + p[o] + q[o]
            o = after[v]
            if o >= 0:
                tail = max(tail, gap_before[o] + p[o] + q[o])
            q[v] = tail
        # one critical path, from its end
        v, seen = -1, 0
        for o in ends:
            if r[o] + p[o] == length:
                seen += 1
                if _draw(luck, seen) == 0:
                    v = o
        steps = 0
        while v >= 0:
            if not line.still[v]:
                path[steps] = v
                steps += 1
            by_job, by_unit = False, False
            o, b = line.previous[v], before[v]
            if not line.still[v]:
                by_job = o >= 0 and r[o] + p[o] + line.lag[v] == r[v]
                by_unit = b >= 0 and r[b] + p[b] + gap_before[v] == r[v]
            if by_job and (not by_unit or _draw(luck, 2) == 0):
                v = o
            elif by_unit:
                v = b
            else:
                v = -1
        if steps == 0:
            return figures[1]
        tried = steps
        if steps > most_tried:
            tried = most_tried
            for i in range(tried):
                j = i + _draw(luck, steps - i)
                path[i], path[j] = path[j], path[i]
        best_value, best_way, ties = np.int64(1) << 60, np.int64(1) << 60, 0
        best_v, best_m, best_i = -1, -1, -1
        any_v, any_m, any_i, anys = -1, -1, -1, 0
        for t in range(tried):
            v = path[t]
            serial += 1
            home, old_place = on[v], place[v]
            a, b = before[v], after[v]
            # without v on its unit, and v taking no time
            ready, rest = line.head[v], np.int64(0)
            o = line.previous[v]
            if o >= 0:
                ready = max(ready, r[o] + p[o] + line.lag[v])
            o = line.following[v]
            if o >= 0:
                rest = line.lag[o] + p[o] + q[o]
            closing = np.int64(0)
            if b >= 0:
                closing = _setup(line, home, state[a] if a >= 0 else line.first_state[home], state[b])
            for i in range(spot[v] + 1, n):
                x = order[i]
                o, w = line.previous[x], before[x]
                if x == b:
                    w = a
                elif o == v:
                    pass
                elif (o < 0 or marked_r[o] != serial) and (w < 0 or marked_r[w] != serial):
                    continue
                if line.still[x]:
                    continue
                start = line.head[x]
                if o == v:
                    start = max(start, ready + line.lag[x])
                elif o >= 0:
                    start = max(start, (rn[o] if marked_r[o] == serial else r[o]) + p[o] + line.lag[x])
                gap = closing if x == b else gap_before[x]
                start = max(start, ((rn[w] if marked_r[w] == serial else r[w]) + p[w] if w >= 0 else line.now) + gap)
                if start != r[x]:
                    rn[x] = start
                    marked_r[x] = serial
            for i in range(spot[v] - 1, -1, -1):
                x = order[i]
                o, w = line.following[x], after[x]
                if x == a:
                    w = b
                elif o == v:
                    pass
                elif (o < 0 or marked_q[o] != serial) and (w < 0 or marked_q[w] != serial):
                    continue
                tail = np.int64(0)
                if o == v:
                    tail = line.lag[v] + rest
                elif o >= 0:
                    tail = line.lag[o] + p[o] + (qn[o] if marked_q[o] == serial else q[o])
                if w >= 0:
                    gap = closing if x == a else gap_before[w]
                    tail = max(tail, gap + p[w] + (qn[w] if marked_q[w] == serial else q[w]))
                if tail != q[x]:
                    qn[x] = tail
                    marked_q[x] = serial
            others = np.int64(0)
            for x in ends:
                if x != v:
                    others = max(others, (rn[x] if marked_r[x] == serial else r[x]) + p[x])
            for m in range(line.mode_at[v], line.mode_at[v + 1]):
                if line.fixed_mode[v] >= 0 and line.fixed_mode[v] != m:
                    continue
                u, taken, mine = line.unit[m], line.duration[m], line.state[m]
                there = count[u] - (u == home)
                # first that may come after v, and how many may come before it
                low, high = firm[u], there
                while low < high:
                    middle = (low + high) // 2
                    x = sequence[u, middle + (u == home and middle >= old_place)]
                    if (rn[x] if marked_r[x] == serial else r[x]) + p[x] > ready:
                        high = middle
                    else:
                        low = middle + 1
                first_late, low, high = low, firm[u], there
                while low < high:
                    middle = (low + high) // 2
                    x = sequence[u, middle + (u == home and middle >= old_place)]
                    if (qn[x] if marked_q[x] == serial else q[x]) + p[x] > rest:
                        low = middle + 1
                    else:
                        high = middle
                low, high = min(first_late, low), max(first_late, low)
                for i in range(low, high + 1):
                    if u == home and i == old_place and m == mode[v]:
                        continue
                    w = sequence[u, i - 1 + (u == home and i - 1 >= old_place)] if i else -1
                    x = sequence[u, i + (u == home and i >= old_place)] if i < there else -1
                    if w >= 0:
                        early = (rn[w] if marked_r[w] == serial else r[w]) + p[w] + _setup(line, u, state[w], mine)
                    else:
                        early = line.now + _setup(line, u, line.first_state[u], mine)
                    late = np.int64(0)
                    if x >= 0:
                        late = (qn[x] if marked_q[x] == serial else q[x]) + p[x] + _setup(line, u, mine, state[x])
                    way = max(early, ready) + taken + max(late, rest)
                    value = max(way, others)
                    if value > best_value or (value == best_value and way > best_way):
                        continue
                    forbidden = walk.tabu_unit[v, u] > now
                    if pairs and u == home and not forbidden:
                        for k in range(i, old_place):
                            if walk.tabu_pair[v, sequence[u, k]] > now:
                                forbidden = True
                                break
                        for k in range(old_place + 1, i + 1):
                            if walk.tabu_pair[sequence[u, k], v] > now:
                                forbidden = True
                                break
                    if forbidden and value >= figures[1]:
                        anys += 1
                        if _draw(luck, anys) == 0:
                            any_v, any_m, any_i = v, m, i
                        continue
                    if value == best_value and way == best_way:
                        ties += 1
                        if _draw(luck, ties) != 0:
                            continue
                    else:
                        ties = 1
                    best_value, best_way = value, way
                    best_v, best_m, best_i = v, m, i
        if best_v < 0:
            best_v, best_m, best_i = any_v, any_m, any_i
            if best_v < 0:
                return figures[1]
        # the move
        v, u, home, old_place = best_v, line.unit[best_m], on[best_v], place[best_v]
        until = now + tenure + _draw(luck, tenure // 2 + 1)
        if u != home:
            walk.tabu_unit[v, home] = until
        elif pairs:
            for k in range(best_i, old_place):
                walk.tabu_pair[sequence[u, k], v] = until
            for k in range(old_place + 1, best_i + 1):
                walk.tabu_pair[v, sequence[u, k]] = until
        else:
            walk.tabu_unit[v, home] = until
        for k in range(old_place, count[home] - 1):
            sequence[home, k] = sequence[home, k + 1]
        count[home] -= 1
        for k in range(count[u], best_i, -1):
            sequence[u, k] = sequence[u, k - 1]
        sequence[u, best_i] = v
        count[u] += 1
        mode[v], on[v], p[v], state[v] = best_m, u, line.duration[best_m], line.state[best_m]
        for side in range(2):
            k0 = home if side == 0 else u
            for k in range(count[k0]):
                x = sequence[k0, k]
                place[x] = k
                before[x] = sequence[k0, k - 1] if k else -1
                after[x] = sequence[k0, k + 1] if k + 1 < count[k0] else -1
                gap_before[x] = _setup(line, k0, state[before[x]] if k else line.first_state[k0], state[x])
    return figures[1]
