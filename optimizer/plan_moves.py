# ruff: noqa: C901, PLR0912, PLR0915, PLR1730, FURB136, SIM110, I001 - compiled: plain loops and comparisons are made fast, and made soon
# mypy: disable-error-code="return-value, no-any-return, assignment"
"""Moves of critical operations, compiled: each is taken out and put in anywhere it may go, on any of its units, and the best is done.

After Mastrolilli and Gambardella (2000): with the operation taken out, heads and tails of all others are exact, so the length of the
longest way through each place it could go to is exact too, also with setups. Tabu: an operation does not go back to the unit it left,
and two operations of a unit do not change places again, for some moves.

The functions are many and take few, equal arrays: compiling takes longer than in proportion to length and to the number of types.
Compiled code is kept until this file changes: when a row of ``plan_walk`` gets another number, change this file too.
"""

from __future__ import annotations

# fmt: off
from optimizer.plan_compiling import compiled, compiled_within
from optimizer.plan_walk import (
    AFTER, ANY, BEFORE, BEST, BEST_MODE, BEST_ORDER, CHANGED, CHOSEN, CHOSEN_MODE, CHOSEN_SPOT, DURATION, ENDS, FILLED, FIRM,
    FIRST_STATE, FOLLOWING, FOUND_AT, GAP, HEAD, LAG, LENGTH, LUCK, MODE, MODE_AT, MODE_TO, MOVES, NEEDS, ON, ONLY, OPENS, ORDER, OTHER,
    OTHER_MODE, OTHER_SPOT, PATH, PREVIOUS, QN, RANK, RN, SETUP_AT, SPOT, STATE, STATES, STILL, TIES, UNIT, VALUE, WAITS, WAY, P, Q, R,
    Table, Walk,
)
from plant.plan_problem import Ticks
# fmt: on


@compiled_within
def _draw(figures: Ticks, below: int) -> int:
    x = figures[LUCK]
    x ^= x << 13
    x ^= (x >> 7) & 0x01FFFFFFFFFFFFFF
    x ^= x << 17
    figures[LUCK] = x
    return ((x >> 20) & 0x7FFFFFFF) % below


@compiled_within
def _setup(units: Table, setup: Ticks, unit: int, before: int, after: int) -> int:
    at = units[SETUP_AT, unit]
    if at < 0 or before < 0 or after < 0:
        return 0
    return setup[at + before * units[STATES, unit] + after]


@compiled_within
def _settle(cells: Table, units: Table, setup: Ticks, sequence: Table, u: int) -> None:
    """Write down who follows whom on a unit."""
    last, stands = -1, units[FIRST_STATE, u]
    for i in range(units[FILLED, u]):
        v = sequence[u, i]
        cells[SPOT, v] = i
        cells[ON, v] = u
        cells[BEFORE, v] = last
        cells[AFTER, v] = -1
        if last >= 0:
            cells[AFTER, last] = v
        cells[GAP, v] = _setup(units, setup, u, stands, cells[STATE, v])
        last, stands = v, cells[STATE, v]


@compiled_within
def _heads(cells: Table, units: Table) -> int:
    """Return the length, -1 where operations wait for each other in a circle; heads are filled in, in an order that keeps all arcs."""
    n = cells.shape[1]
    order, waits, r, p, previous, before = cells[ORDER], cells[WAITS], cells[R], cells[P], cells[PREVIOUS], cells[BEFORE]
    following, after, rank, gap = cells[FOLLOWING], cells[AFTER], cells[RANK], cells[GAP]
    filled, done, length = 0, 0, 0
    for v in range(n):
        waits[v] = (previous[v] >= 0) + (before[v] >= 0)
        if waits[v] == 0:
            order[filled] = v
            filled += 1
    while done < filled:
        v = order[done]
        rank[v] = done
        done += 1
        start = cells[HEAD, v]
        if cells[STILL, v] == 0:
            o = previous[v]
            if o >= 0 and r[o] + p[o] + cells[LAG, v] > start:
                start = r[o] + p[o] + cells[LAG, v]
            o = before[v]
            other = units[OPENS, cells[ON, v]] if o < 0 else r[o] + p[o]
            if other + gap[v] > start:
                start = other + gap[v]
        r[v] = start
        cells[RN, v] = start
        if start + p[v] > length:
            length = start + p[v]
        o = following[v]
        if o >= 0:
            waits[o] -= 1
            if waits[o] == 0:
                order[filled] = o
                filled += 1
        o = after[v]
        if o >= 0:
            waits[o] -= 1
            if waits[o] == 0:
                order[filled] = o
                filled += 1
    return length if filled == n else -1


@compiled_within
def _tails(cells: Table) -> None:
    p, q, gap = cells[P], cells[Q], cells[GAP]
    for i in range(cells.shape[1] - 1, -1, -1):
        v = cells[ORDER, i]
        tail = 0
        o = cells[FOLLOWING, v]
        if o >= 0:
            tail = cells[LAG, o] + p[o] + q[o]
        o = cells[AFTER, v]
        if o >= 0 and gap[o] + p[o] + q[o] > tail:
            tail = gap[o] + p[o] + q[o]
        q[v] = tail
        cells[QN, v] = tail


@compiled_within
def _critical(cells: Table, figures: Ticks, length: int) -> int:
    """Return how many operations one critical path has that can be moved; they stand in its row."""
    r, p = cells[R], cells[P]
    v, seen, steps = -1, 0, 0
    for i in range(cells.shape[1]):
        o = cells[ENDS, i]
        if o < 0:
            break
        if r[o] + p[o] == length:
            seen += 1
            if _draw(figures, seen) == 0:
                v = o
    while v >= 0 and cells[STILL, v] == 0:
        cells[PATH, steps] = v
        steps += 1
        o, b = cells[PREVIOUS, v], cells[BEFORE, v]
        by_job = o >= 0 and r[o] + p[o] + cells[LAG, v] == r[v]
        by_unit = b >= 0 and r[b] + p[b] + cells[GAP, v] == r[v]
        if by_job and by_unit:
            v = o if _draw(figures, 2) == 0 else b
        elif by_job:
            v = o
        elif by_unit:
            v = b
        else:
            v = -1
    return steps


@compiled_within
def _sooner(cells: Table, units: Table, v: int, ready: int, closing: int) -> int:
    """Return how many heads changed: those without ``v`` on its unit, and ``v`` taking no time."""
    r, p, rn, previous, before = cells[R], cells[P], cells[RN], cells[PREVIOUS], cells[BEFORE]
    order, changed, changes = cells[ORDER], cells[CHANGED], 0
    a, b = before[v], cells[AFTER, v]
    for i in range(cells[RANK, v] + 1, cells.shape[1]):
        x = order[i]
        o, w = previous[x], before[x]
        if x != b and o != v and (o < 0 or rn[o] == r[o]) and (w < 0 or rn[w] == r[w]):
            continue
        if cells[STILL, x] == 1:
            continue
        gap = cells[GAP, x]
        if x == b:
            w, gap = a, closing
        start = cells[HEAD, x]
        if o >= 0:
            end = ready if o == v else rn[o] + p[o]
            if end + cells[LAG, x] > start:
                start = end + cells[LAG, x]
        end = units[OPENS, cells[ON, x]] if w < 0 else rn[w] + p[w]
        if end + gap > start:
            start = end + gap
        if start != r[x]:
            rn[x] = start
            changed[changes] = x
            changes += 1
    return changes


@compiled_within
def _later(cells: Table, v: int, rest: int, closing: int, changes: int) -> int:
    """Return how many have changed now: tails without ``v``."""
    q, p, qn, following, after = cells[Q], cells[P], cells[QN], cells[FOLLOWING], cells[AFTER]
    order, changed = cells[ORDER], cells[CHANGED]
    a, b = cells[BEFORE, v], after[v]
    for i in range(cells[RANK, v] - 1, -1, -1):
        x = order[i]
        o, w = following[x], after[x]
        if x != a and o != v and (o < 0 or qn[o] == q[o]) and (w < 0 or qn[w] == q[w]):
            continue
        if x == a:
            w = b
        tail = 0
        if o >= 0:
            tail = cells[LAG, o] + (rest if o == v else p[o] + qn[o])
        if w >= 0:
            other = (closing if x == a else cells[GAP, w]) + p[w] + qn[w]
            if other > tail:
                tail = other
        if tail != q[x]:
            qn[x] = tail
            changed[changes] = x
            changes += 1
    return changes


@compiled_within
def _forbidden(sequence: Table, tabu_pair: Table, u: int, v: int, old: int, i: int, now: int) -> bool:
    """Return whether to go to place ``i`` on its own unit would turn a pair that was turned lately."""
    for k in range(i, old):
        if tabu_pair[v, sequence[u, k]] > now:
            return True
    for k in range(old + 1, i + 1):
        if tabu_pair[sequence[u, k], v] > now:
            return True
    return False


@compiled_within
def _look(walk: Walk, v: int, ready: int, rest: int, others: int) -> None:
    """See where on the units of its modes the operation would best stand."""
    cells, units, sequence, figures, setup = walk.cells, walk.units, walk.sequence, walk.figures, walk.setup
    rn, qn, p, state = cells[RN], cells[QN], cells[P], cells[STATE]
    now = figures[MOVES]
    for m in range(cells[MODE_AT, v], cells[MODE_TO, v]):
        if cells[ONLY, v] >= 0 and cells[ONLY, v] != m:
            continue
        u, lasts, mine = walk.modes[UNIT, m], walk.modes[DURATION, m], walk.modes[NEEDS, m]
        home = u == cells[ON, v]
        skip = cells[SPOT, v] if home else units[FILLED, u]
        there = units[FILLED, u] - home
        low, high = units[FIRM, u], there
        while low < high:
            middle = (low + high) // 2
            x = sequence[u, middle + (middle >= skip)]
            if rn[x] + p[x] > ready:
                high = middle
            else:
                low = middle + 1
        late, low, high = low, units[FIRM, u], there
        while low < high:
            middle = (low + high) // 2
            x = sequence[u, middle + (middle >= skip)]
            if qn[x] + p[x] <= rest:
                high = middle
            else:
                low = middle + 1
        high = late if late > low else low
        low = late if late < low else low
        tabu = walk.tabu_unit[v, u] > now
        for i in range(low, high + 1):
            if i == skip and m == cells[MODE, v]:
                continue
            left = 0
            if i > 0:
                x = sequence[u, i - 1 + (i - 1 >= skip)]
                begin = rn[x] + p[x] + _setup(units, setup, u, state[x], mine)
            else:
                begin = units[OPENS, u] + _setup(units, setup, u, units[FIRST_STATE, u], mine)
            if i < there:
                x = sequence[u, i + (i >= skip)]
                left = _setup(units, setup, u, mine, state[x]) + p[x] + qn[x]
            way = (begin if begin > ready else ready) + lasts + (left if left > rest else rest)
            value = way if way > others else others
            if value > figures[VALUE] or (value == figures[VALUE] and way > figures[WAY]):
                continue
            if value >= figures[BEST]:
                no = tabu
                if home and walk.tabu_pair.shape[0] > 0 and not no:
                    no = _forbidden(sequence, walk.tabu_pair, u, v, skip, i, now)
                if no:
                    figures[ANY] += 1
                    if _draw(figures, figures[ANY]) == 0:
                        figures[OTHER], figures[OTHER_MODE], figures[OTHER_SPOT] = v, m, i
                    continue
            if value == figures[VALUE] and way == figures[WAY]:
                figures[TIES] += 1
                if _draw(figures, figures[TIES]) != 0:
                    continue
            else:
                figures[TIES] = 1
            figures[VALUE], figures[WAY] = value, way
            figures[CHOSEN], figures[CHOSEN_MODE], figures[CHOSEN_SPOT] = v, m, i


@compiled_within
def _weigh(walk: Walk, v: int) -> None:
    """See where an operation would best stand."""
    cells, units = walk.cells, walk.units
    r, p, rn = cells[R], cells[P], cells[RN]
    home, a, b = cells[ON, v], cells[BEFORE, v], cells[AFTER, v]
    ready, rest, closing = cells[HEAD, v], 0, 0
    o = cells[PREVIOUS, v]
    if o >= 0 and r[o] + p[o] + cells[LAG, v] > ready:
        ready = r[o] + p[o] + cells[LAG, v]
    o = cells[FOLLOWING, v]
    if o >= 0:
        rest = cells[LAG, o] + p[o] + cells[Q, o]
    if b >= 0:
        closing = _setup(units, walk.setup, home, units[FIRST_STATE, home] if a < 0 else cells[STATE, a], cells[STATE, b])
    heads = _sooner(cells, units, v, ready, closing)
    others = 0
    for i in range(cells.shape[1]):
        x = cells[ENDS, i]
        if x < 0:
            break
        if x != v and rn[x] + p[x] > others:
            others = rn[x] + p[x]
    changes = heads
    if others <= walk.figures[VALUE]:
        changes = _later(cells, v, rest, closing, heads)
        _look(walk, v, ready, rest, others)
    for i in range(changes):
        x = cells[CHANGED, i]
        rn[x] = r[x]
        cells[QN, x] = cells[Q, x]


@compiled_within
def _move(walk: Walk, v: int, m: int, i: int, until: int) -> None:
    cells, units, sequence, modes = walk.cells, walk.units, walk.sequence, walk.modes
    u, home, old = modes[UNIT, m], cells[ON, v], cells[SPOT, v]
    if u == home and walk.tabu_pair.shape[0] > 0:
        for k in range(i, old):
            walk.tabu_pair[sequence[u, k], v] = until
        for k in range(old + 1, i + 1):
            walk.tabu_pair[v, sequence[u, k]] = until
    else:
        walk.tabu_unit[v, home] = until
    for k in range(old, units[FILLED, home] - 1):
        sequence[home, k] = sequence[home, k + 1]
    units[FILLED, home] -= 1
    for k in range(units[FILLED, u], i, -1):
        sequence[u, k] = sequence[u, k - 1]
    sequence[u, i] = v
    units[FILLED, u] += 1
    cells[MODE, v], cells[P, v], cells[STATE, v] = m, modes[DURATION, m], modes[NEEDS, m]
    _settle(cells, units, walk.setup, sequence, home)
    if u != home:
        _settle(cells, units, walk.setup, sequence, u)


@compiled
def walk_on(walk: Walk, moves: int, patience: int, target: int, tenure: int, most_tried: int) -> int:
    """Walk on for so many moves, or until so many brought nothing better, or the target is met; say the best length, -1: no plan."""
    figures, cells = walk.figures, walk.cells
    for u in range(walk.units.shape[1]):
        _settle(cells, walk.units, walk.setup, walk.sequence, u)
    for _ in range(moves):
        length = _heads(cells, walk.units)
        if length < 0:
            return -1
        figures[LENGTH] = length
        if length < figures[BEST]:
            figures[BEST], figures[FOUND_AT] = length, figures[MOVES]
            for i in range(cells.shape[1]):
                cells[BEST_MODE, i] = cells[MODE, i]
                cells[BEST_ORDER, i] = cells[ORDER, i]
        if length <= target or figures[MOVES] - figures[FOUND_AT] >= patience:
            break
        figures[MOVES] += 1
        _tails(cells)
        steps = _critical(cells, figures, length)
        figures[VALUE] = figures[WAY] = 1 << 60
        figures[ANY], figures[TIES], figures[CHOSEN], figures[OTHER] = 0, 0, -1, -1
        for i in range(min(steps, most_tried)):
            if steps > most_tried:
                j = i + _draw(figures, steps - i)
                cells[PATH, i], cells[PATH, j] = cells[PATH, j], cells[PATH, i]
            _weigh(walk, cells[PATH, i])
        until = figures[MOVES] + tenure + _draw(figures, tenure // 2 + 1)
        if figures[CHOSEN] >= 0:
            _move(walk, figures[CHOSEN], figures[CHOSEN_MODE], figures[CHOSEN_SPOT], until)
        elif figures[OTHER] >= 0:
            _move(walk, figures[OTHER], figures[OTHER_MODE], figures[OTHER_SPOT], until)
        else:
            break
    return figures[BEST]
