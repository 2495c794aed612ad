"""Compiled local search: plans are walked from by moves of critical operations, and the best of several walks are crossed.

A cross of two plans is a list in which each operation stands between its places in both, so it keeps all that both keep
(path relinking); from there a new walk begins. Walks of several threads share one ``Pool``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer import plan_walk as moves
from optimizer.plan_laying import plan_of
from optimizer.plan_moves import walk_on
from optimizer.plan_shop import Shop, shop_of, speaks
from optimizer.plan_walk import Walk
from plant.plan_problem import Ints, PlanProblem
from plant.plans import Plan

_STEPS: Final = 400_000
"""Operations looked at between two looks at the clock, about: some hundredths of a second."""
_MOST_PAIRS: Final = 3_000
_POOL: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A plan as a list of operations and their modes."""

    length: int
    mode: Ints
    order: Ints
    rank: NDArray[np.float64]


@dataclass(slots=True)
class Pool:
    """The best lists found, different from each other; threads share it."""

    size: int = _POOL
    lists: list[Listed] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    born: int = 0

    def take_in(self, new: Listed) -> bool:
        """Keep a list if it is good or different enough; say whether it was kept."""
        with self.lock:
            twins = [one for one in self.lists if _alike(one, new)]
            if twins:
                worst = max(twins, key=lambda one: one.length)
                if new.length >= worst.length:
                    return False
                self.lists.remove(worst)
            elif len(self.lists) >= self.size:
                worst = max(self.lists, key=lambda one: one.length)
                if new.length > worst.length:
                    return False
                self.lists.remove(worst)
            self.lists.append(new)
            return True

    def full(self) -> bool:
        """Return whether there are enough to cross."""
        with self.lock:
            return len(self.lists) >= self.size

    def two(self, random: np.random.Generator) -> tuple[Listed, Listed] | None:
        """Return two of the lists."""
        with self.lock:
            if len(self.lists) < 2:
                return None
            one, other = random.choice(len(self.lists), 2, replace=False)
            return self.lists[one], self.lists[other]


def _alike(one: Listed, other: Listed) -> bool:
    return bool((one.mode == other.mode).mean() > 0.98 and np.abs(one.rank - other.rank).mean() < 0.004 * len(one.mode))


def walkable(problem: PlanProblem, shop: Shop) -> bool:
    """Return whether moves of critical operations are exact for it: lines of operations, only the end of all counts."""
    counts = problem.objective
    lines = bool((np.diff(shop.before_at) <= 1).all() and (np.diff(shop.after_at) <= 1).all()) and bool(shop.one_at_a_time.all())
    heads = np.bincount(shop.job[np.diff(shop.before_at) == 0], minlength=len(shop.release)) if len(shop.job) else np.ones(1)
    fixed = shop.fixed_start >= 0
    early = not bool((fixed[shop.after] & ~fixed[np.repeat(np.arange(len(shop.job)), np.diff(shop.after_at))]).any())
    return bool(
        counts.makespan > 0
        and counts.tardiness == counts.setup == counts.moved == counts.flow == 0
        and lines
        and (heads <= 1).all()
        and (shop.duration > 0).all()
        and not len(shop.closed_from)
        and not len(shop.travel)
        and not (shop.with_part & (shop.setup_at >= 0)).any()
        and early
    )


def cells_of(shop: Shop) -> NDArray[np.int64]:
    """Return what the shop says of each operation, with rows left for a walk."""
    count, still = len(shop.job), shop.fixed_start >= 0
    cells = np.full((moves.ROWS, count), -1, np.int64)
    has = np.flatnonzero(np.diff(shop.before_at))
    at = shop.before_at[has]
    cells[moves.PREVIOUS, has], cells[moves.LAG, has] = shop.before[at], shop.before_least[at]
    cells[moves.FOLLOWING, shop.before[at]] = has
    cells[moves.HEAD] = np.where(still, shop.fixed_start, shop.earliest)
    cells[moves.STILL], cells[moves.ONLY] = still, shop.fixed_mode
    cells[moves.MODE_AT], cells[moves.MODE_TO] = shop.mode_at[:-1], shop.mode_at[1:]
    ends = np.flatnonzero(cells[moves.FOLLOWING] < 0)
    cells[moves.ENDS, : len(ends)] = ends
    return cells


def walk_from(shop: Shop, cells: NDArray[np.int64], mode: Ints, order: Ints, seed: int) -> Walk:
    """Return the beginning of a walk; what is fixed stands first on its unit."""
    count, units = len(mode), len(shop.setup_at)
    modes = np.stack([shop.unit, shop.duration, shop.state]).astype(np.int64)
    timed = shop.fixed
    modes[moves.DURATION, shop.fixed_mode[timed]] = shop.fixed_end[timed] - shop.fixed_start[timed]
    still = shop.fixed_start[order] >= 0
    fixed = order[still]
    ahead = np.concatenate([fixed[np.argsort(shop.fixed_start[fixed], kind="stable")], order[~still]])
    sequence, filled, firm = np.zeros((units, count), np.int64), np.zeros(units, np.int64), np.zeros(units, np.int64)
    for v in ahead.tolist():
        u = shop.unit[mode[v]]
        sequence[u, filled[u]] = v
        filled[u] += 1
        firm[u] += shop.fixed_start[v] >= 0
    cells = cells.copy()
    cells[moves.MODE] = cells[moves.BEST_MODE] = mode
    cells[moves.BEST_ORDER] = order
    cells[moves.P], cells[moves.STATE] = modes[moves.DURATION, mode], modes[moves.NEEDS, mode]
    figures = np.zeros(moves.FIGURES, np.int64)
    figures[moves.BEST], figures[moves.LUCK] = 1 << 60, seed
    pairs = count if count <= _MOST_PAIRS else 0
    return Walk(
        cells=cells,
        modes=modes,
        units=np.stack([shop.setup_at, shop.setup_states, shop.first_state, np.full(units, shop.now), filled, firm]).astype(np.int64),
        setup=shop.setup,
        sequence=sequence,
        tabu_unit=np.zeros((count, units), np.int64),
        tabu_pair=np.zeros((pairs, pairs), np.int64),
        figures=figures,
    )


def crossed(one: Listed, other: Listed, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Return modes and order between two lists."""
    share = random.uniform(0.3, 0.5)
    key = (1 - share) * one.rank + share * other.rank
    mode = np.where(random.random(len(key)) < share, other.mode, one.mode).astype(np.int32)
    return mode, np.argsort(key, kind="stable").astype(np.int32)


def listed(length: int, mode: Ints, order: Ints) -> Listed:
    """Return a list with the place of each operation in it."""
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    return Listed(length, mode.astype(np.int32), order.astype(np.int32), rank)


def improve(  # noqa: C901 - one loop, read from above
    problem: PlanProblem,
    plan: Plan,
    *,
    seed: int,
    stop: Callable[[], bool],
    on_plan: Callable[[Plan], None],
    target: int = 0,
    pool: Pool | None = None,
    fresh: Callable[[int], tuple[Ints, Ints] | None] | None = None,
    known: Callable[[], Plan | None] | None = None,
    walks: int | None = None,
) -> None:
    """Search on from a plan until ``stop`` says so, the target is met, or so many walks are done; each better plan is told.

    The same seed gives the same plans where ``walks`` ends it and the pool is its own. ``fresh`` gives lists to begin other walks with;
    ``known`` is the best plan of all who search: where others found a better one, it is crossed too.
    """
    shop = shop_of(problem)
    cells, units, count = cells_of(shop), len(problem.units), len(shop.job)
    random, pool = np.random.default_rng(seed), pool or Pool()
    tenure, patience = max(8, int(0.6 * count / max(units, 1))), max(2_000, 20 * count)
    most_tried = max(3, 60_000 // max(count, 1))
    best = int(plan.end.max(initial=0))
    mode, order = plan.mode.astype(np.int32), _by_start(plan)
    done = 0
    while walks is None or done < walks:
        walk = walk_from(shop, cells, mode, order, int(random.integers(1, 1 << 62)))
        told = best
        # the first look is soon, so that a short search has something; how fast it goes shows by then
        slice_moves = max(20, _STEPS // (count * min(most_tried, 20)))
        while True:
            before = int(walk.figures[moves.MOVES])
            got = int(walk_on(walk, slice_moves, patience, target, tenure, most_tried))
            if got < 0:
                break
            if got < told:
                told = best = got
                found = plan_of(shop, walk.cells[moves.BEST_ORDER].astype(np.int32), walk.cells[moves.BEST_MODE].astype(np.int32))
                if found is not None:
                    on_plan(found)
            if stop() or got <= target:
                return
            if int(walk.figures[moves.MOVES]) - before < slice_moves:
                break
        done += 1
        if got >= 0:
            pool.take_in(listed(int(walk.figures[moves.BEST]), walk.cells[moves.BEST_MODE], walk.cells[moves.BEST_ORDER]))
        other = None if known is None else known()
        if other is not None and int(other.end.max(initial=0)) < best:
            best = int(other.end.max(initial=0))
            pool.take_in(listed(best, other.mode, _by_start(other)))
        pair = pool.two(random) if pool.full() else None
        begun = None if pair is not None or fresh is None else fresh(int(random.integers(1 << 31)))
        if pair is not None:
            mode, order = crossed(*pair, random)
        elif begun is not None:
            mode, order = begun
        else:
            return


def _by_start(plan: Plan) -> Ints:
    return np.lexsort((plan.end, plan.start)).astype(np.int32)


def searchable(problem: PlanProblem) -> bool:
    """Return whether ``improve`` can be asked."""
    return speaks(problem) and walkable(problem, shop_of(problem))
