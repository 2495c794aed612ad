"""A first plan within a moment, by plain Python: who can be done first is done next, preferences are drawn at random, the best is kept."""

from __future__ import annotations

import heapq
import random
import time
from bisect import bisect_right
from typing import Final

import numpy as np

from optimizer.plan_laying import NOT_SO, lay
from optimizer.plan_shop import FAR, Shop
from plant.plan_problem import Ints

_ROUNDS: Final = 24


def dispatched(shop: Shop, *, seed: int, rounds: int = _ROUNDS, seconds: float = 0.3) -> tuple[Ints, Ints, int] | None:
    """Return order, modes and what the best of some rounds costs; None where none came out. The first round is always finished.

    How many rounds are done depends on the machine only where ``seconds`` end before them.
    """
    choice, table = random.Random(seed), _Table(shop)  # noqa: S311
    best: tuple[Ints, Ints, int] | None = None
    begun = time.monotonic()
    start, end, job_free = np.zeros(len(shop.job), np.int64), np.zeros(len(shop.job), np.int64), np.zeros(len(shop.release), np.int64)
    for turn in range(rounds):
        order, mode = _one_round(table, choice, turn)
        cost = lay(shop, order, mode, start, end, job_free)
        if cost != NOT_SO and (best is None or cost < best[2]):
            best = (order, mode, cost)
        if time.monotonic() - begun > seconds:
            break
    return best


class _Table:
    """The columns as lists, which plain Python reads faster."""

    def __init__(self, shop: Shop) -> None:
        self.count, self.units = len(shop.job), len(shop.setup_at)
        self.job, self.unit, self.duration = shop.job.tolist(), shop.unit.tolist(), shop.duration.tolist()
        self.state, self.earliest = shop.state.tolist(), shop.earliest.tolist()
        at, fixed = shop.mode_at.tolist(), shop.fixed_mode.tolist()
        self.modes = [list(range(at[v], at[v + 1])) if fixed[v] < 0 else [fixed[v]] for v in range(self.count)]
        at, after, least = shop.after_at.tolist(), shop.after.tolist(), shop.after_least.tolist()
        self.after = [[(after[k], least[k]) for k in range(at[v], at[v + 1])] for v in range(self.count)]
        self.waits = np.diff(shop.before_at).tolist()
        self.fixed_start, self.fixed_end = shop.fixed_start.tolist(), shop.fixed_end.tolist()
        self.first_state, self.now = shop.first_state.tolist(), shop.now
        self.setup = [
            None if at < 0 else shop.setup[at : at + size * size].reshape(size, size).tolist()
            for at, size in zip(shop.setup_at.tolist(), shop.setup_states.tolist(), strict=True)
        ]
        at = shop.closed_at.tolist()
        self.closed_from = [shop.closed_from[at[u] : at[u + 1]].tolist() for u in range(self.units)]
        self.closed_to = [shop.closed_to[at[u] : at[u + 1]].tolist() for u in range(self.units)]
        self.pauses, self.one = shop.pauses.tolist(), shop.one_at_a_time.tolist()
        self.travel = shop.travel.tolist() if len(shop.travel) else None
        self.place, self.first_place = shop.place.tolist(), shop.first_place
        self.jobs, self.release = len(shop.release), shop.release.tolist()
        due, weight = shop.due.tolist(), shop.weight.tolist()
        shortest = [min(self.duration[m] for m in modes) for modes in self.modes]
        self.left = shortest[:]
        """Of each operation: the least time from its start to the end of its job."""
        for v in reversed(self._in_order()):
            self.left[v] = shortest[v] + max((least + self.left[w] for w, least in self.after[v]), default=0)
        self.by_due = bool(shop.weights[1]) and any(when < FAR for when in due)
        far = max((when for when in due if when < FAR), default=0) + sum(shortest)
        heaviest = max(weight, default=1)
        self.wanted = [(due[j] if due[j] < FAR else far) - self.left[v] for v, j in enumerate(self.job)]
        """When each operation should start at the latest."""
        self.light = [heaviest / max(weight[j], 1) for j in self.job]
        self.scale = max(1.0, sum(shortest) / max(self.count, 1))

    def _in_order(self) -> list[int]:
        waits = self.waits[:]
        order = [v for v in range(self.count) if not waits[v]]
        for v in order:
            for w, _ in self.after[v]:
                waits[w] -= 1
                if not waits[w]:
                    order.append(w)
        return order

    def fit(self, u: int, s: int, lasts: int, gap: int) -> tuple[int, int]:
        """Return start and end of the first time from ``s`` on that is open."""
        begins, ends = self.closed_from[u], self.closed_to[u]
        e = s + lasts
        for k in range(bisect_right(ends, s - gap), len(begins)):
            if begins[k] >= e:
                break
            if self.pauses[u] and begins[k] > s:
                e += ends[k] - begins[k]
            elif ends[k] > s - gap:
                s = ends[k] + gap
                e = s + lasts
        return s, e


def _one_round(table: _Table, choice: random.Random, turn: int) -> tuple[Ints, Ints]:
    free, states = [table.now] * table.units, table.first_state[:]
    ready, waits = table.earliest[:], table.waits[:]
    job_free, job_place = [0] * table.jobs, [table.first_place] * table.jobs
    ahead = choice.uniform(0.0, 1.0) if turn else 0.5
    urgent = choice.choice((0.0, 0.5, 1.0, 2.0)) if turn else 1.0
    noise = table.scale * (choice.uniform(0.0, 0.5) if turn else 0.0)
    busy = choice.uniform(0.0, 0.3) if turn else 0.0
    load = [0] * table.units

    def look(v: int) -> tuple[float, int, int, int]:
        if table.fixed_start[v] >= 0:
            return -1.0, v, table.modes[v][0], table.fixed_end[v]
        j = table.job[v]
        at = max(ready[v], job_free[j]) if table.one[j] else ready[v]
        best, best_m, best_e = 0.0, -1, 0
        for m in table.modes[v]:
            u, lasts = table.unit[m], table.duration[m]
            square, gap = table.setup[u], 0
            if square is not None and states[u] >= 0 and table.state[m] >= 0:
                gap = square[states[u]][table.state[m]]
            there = at if table.travel is None else max(at, max(job_free[j], table.release[j]) + table.travel[job_place[j]][table.place[u]])
            s, e = max(there, free[u] + gap), 0
            s, e = table.fit(u, s, lasts, gap)
            worth = e + busy * load[u] + 0.5 * gap
            if best_m < 0 or worth < best:
                best, best_m, best_e = worth, m, e
        key = best + urgent * table.wanted[v] * table.light[v] ** 0.25 if table.by_due else best - ahead * table.left[v]
        return key + noise * drawn[v], v, best_m, best_e

    drawn = [choice.random() for _ in range(table.count)] if noise else [0.0] * table.count
    heap = [look(v) for v in range(table.count) if not waits[v]]
    heapq.heapify(heap)
    order, mode = np.zeros(table.count, np.int32), np.zeros(table.count, np.int32)
    done = 0
    while heap:
        seen = heapq.heappop(heap)
        again = look(seen[1])
        if heap and again > heap[0] and again[0] > seen[0]:
            heapq.heappush(heap, again)
            continue
        _, v, m, e = again
        u, j = table.unit[m], table.job[v]
        order[done], mode[v] = v, m
        done += 1
        free[u], states[u], job_place[j] = max(free[u], e), table.state[m], table.place[u]
        load[u] += table.duration[m]
        job_free[j] = max(job_free[j], e)
        for w, least in table.after[v]:
            ready[w] = max(ready[w], e + least)
            waits[w] -= 1
            if not waits[w]:
                heapq.heappush(heap, look(w))
    return order, mode
