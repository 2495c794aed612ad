# ruff: noqa: C901, PLR0912, PLR0915 - compiled: plain loops are made fast, and made soon
"""Simulated annealing of lists, compiled: operations change places in the list and modes, and each list is laid out anew.

Any list of a shop can be laid out, so this searches where moves of critical operations are not exact: calendars, due dates, setups that
count, ways, few moves. Where an objective counts late jobs, their operations are looked at more often.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled
from optimizer.plan_laying import lay, plan_of
from optimizer.plan_shop import Shop
from plant.plan_problem import Ints, Ticks
from plant.plans import Plan

NOW: Final = 0
BEST: Final = 1
LUCK: Final = 2
_laid = compiled(lay)
_SLICE_S: Final = 0.05
_FIRST_CYCLE_S: Final = 1.0


@compiled
def anneal(
    shop: Shop,
    order: Ints,
    mode: Ints,
    place: Ints,
    best_order: Ints,
    best_mode: Ints,
    figures: Ticks,
    flexible: Ints,
    heat: float,
    moves: int,
) -> int:
    """Do so many moves at one temperature; say how many were taken. At a heat below 0 nothing is taken: it says the mean loss of moves."""
    n, x = order.shape[0], figures[LUCK]
    start, end, ends = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(shop.release.shape[0], np.int64)
    _laid(shop, order, mode, start, end, ends)
    kept = ends.copy()
    taken, loss, losses = 0, 0, 0
    reach = max(2, min(n // 4, 3 * shop.setup_at.shape[0] + 20))
    for _ in range(moves):
        x ^= x << 13
        x ^= (x >> 7) & 0x01FFFFFFFFFFFFFF
        x ^= x << 17
        draw = (x >> 8) & 0x7FFFFFFFFFFF
        v = draw % n
        if shop.weights[1] > 0 and kept[shop.job[v]] <= shop.due[shop.job[v]] and (draw >> 20) % 4 != 0:
            # what is late is looked at more often
            v = (draw >> 12) % n
            if kept[shop.job[v]] <= shop.due[shop.job[v]] and (draw >> 24) % 2 != 0:
                v = (draw >> 16) % n
        was, changes_mode = mode[v], False
        if flexible.shape[0] > 0 and (draw >> 30) % 5 < 2:
            v = flexible[(draw >> 4) % flexible.shape[0]]
            was = mode[v]
            choices = shop.mode_at[v + 1] - shop.mode_at[v]
            other = shop.mode_at[v] + (was - shop.mode_at[v] + 1 + (draw >> 26) % (choices - 1)) % choices
            mode[v], changes_mode = other, True
        a = place[v]
        b = a
        if not changes_mode or (draw >> 33) % 2 == 0:
            b = min(n - 1, max(0, a - reach + (draw >> 14) % (2 * reach + 1)))
            for k in range(shop.before_at[v], shop.before_at[v + 1]):
                b = max(b, place[shop.before[k]] + 1)
            for k in range(shop.after_at[v], shop.after_at[v + 1]):
                b = min(b, place[shop.after[k]] - 1)
        if b == a and not changes_mode:
            continue
        step = 1 if b > a else -1
        for i in range(a, b, step):
            order[i] = order[i + step]
            place[order[i]] = i
        order[b] = v
        place[v] = b
        cost = _laid(shop, order, mode, start, end, ends)
        worse = cost - figures[NOW]
        takes = cost >= 0 and worse <= 0
        if cost >= 0 and worse > 0:
            loss += worse
            losses += 1
            if heat > 0:
                chance = ((x >> 10) & 0xFFFFFFFF) / 4294967296.0
                takes = worse < 30 * heat and chance < math.exp(-worse / heat)
        if takes and heat >= 0:
            taken += 1
            figures[NOW] = cost
            kept[:] = ends
            if cost < figures[BEST]:
                figures[BEST] = cost
                best_order[:] = order
                best_mode[:] = mode
        else:
            mode[v] = was
            for i in range(b, a, -step):
                order[i] = order[i - step]
                place[order[i]] = i
            order[a] = v
            place[v] = a
    figures[LUCK] = x
    if heat < 0:
        return loss // max(losses, 1)
    return taken


def soften(
    shop: Shop,
    plan: Plan,
    *,
    seed: int,
    left: Callable[[], float],
    stop: Callable[[], bool],
    on_plan: Callable[[Plan], None],
    best_of_all: Callable[[], Plan | None],
    rounds: int | None = None,
) -> None:
    """Search on from a plan, in cycles of cooling that become longer, each from the best of all; each better plan is told.

    The same seed gives the same plans where ``rounds`` ends it: then a cycle has so many steps of cooling, whatever the time.
    """
    random = np.random.default_rng(seed)
    flexible = np.flatnonzero((np.diff(shop.mode_at) > 1) & (shop.fixed_mode < 0)).astype(np.int32)
    current, cycle, count = plan, _FIRST_CYCLE_S, len(shop.job)
    while not stop() and (rounds is not None or left() > 0.05):
        order, mode = _list_of(shop, current), current.mode.astype(np.int32)
        start, end, ends = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(len(shop.release), np.int64)
        cost = lay(shop, order, mode, start, end, ends)
        if cost < 0:
            return
        place = np.empty(count, np.int32)
        place[order] = np.arange(count, dtype=np.int32)
        best_order, best_mode = order.copy(), mode.copy()
        figures = np.array([cost, cost, random.integers(1, 1 << 62)], np.int64)
        told = cost

        def run(heat: float, moves: int) -> int:
            return anneal(shop, order, mode, place, best_order, best_mode, figures, flexible, heat, moves)  # noqa: B023 - used here only

        loss = run(-1.0, 100)
        moves, begun = (50 if rounds is None else 2_000), time.monotonic()
        span, done = min(cycle, left()), 0
        while True:
            share = (time.monotonic() - begun) / max(span, 0.01) if rounds is None else done / rounds
            if share >= 1 or stop():
                break
            lap = time.monotonic()
            # where there is time for few moves an operation it only goes down
            expected = done * moves / max(share, 0.01) if rounds is None else rounds * moves
            run(max(0.01, 0.15 * loss * min(1.0, expected / (100 * count))) * 0.004**share, moves)
            lap = time.monotonic() - lap
            if rounds is None:
                moves = int(np.clip(moves * _SLICE_S / max(lap, 1e-6), 10, 4 * moves))
            done += 1
            if figures[BEST] < told:
                told = int(figures[BEST])
                found = plan_of(shop, best_order, best_mode)
                if found is not None:
                    on_plan(found)
                    current = found
        if rounds is not None:
            return
        cycle *= 2
        best = best_of_all()
        current = current if best is None else best


def _list_of(shop: Shop, plan: Plan) -> Ints:
    """Return the operations by start, none before what its arcs demand: what takes no time stands after what it waits for."""
    depth = np.zeros(len(plan.mode), np.int64)
    if (shop.duration == 0).any():
        for v in np.lexsort((plan.end, plan.start)).tolist():
            for k in range(shop.after_at[v], shop.after_at[v + 1]):
                depth[shop.after[k]] = max(depth[shop.after[k]], depth[v] + 1)
    order: NDArray[np.int32] = np.lexsort((depth, plan.end, plan.start)).astype(np.int32)
    return order
