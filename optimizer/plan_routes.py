"""Routes, ways and order searched at once: where a problem leaves branches to choose, for jobs whose operations can go in many orders."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from optimizer.plan_route_moves import Lists, RouteShop, anneal, lay_routes, take
from optimizer.plan_shape import Shape, shape_of
from plant.plan_problem import ALWAYS, PlanProblem
from plant.plans import Infeasible, Plan

_STEPS: Final = 4_000
"""Between two looks at the clock: some hundredths of a second."""
_HOT: Final = 0.012
"""How much of the makespan a change may cost at the beginning of a walk, about; and ..."""
_COLD: Final = 0.0006
"""... at its end."""
_FIRST_S: Final = 1.0
_LONGEST_S: Final = 12.0
"""How long a walk is; each is twice as long as the one before."""


def speaks_routes(problem: PlanProblem) -> bool:
    """Return whether this search knows all that the problem asks: routes, ways, order, releases, least times between; the makespan."""
    counts = problem.objective
    return not (
        not counts.makespan
        or counts.tardiness
        or counts.setup
        or counts.moved
        or counts.flow
        or problem.locks
        or problem.transport is not None
        or len(problem.need_mode)
        or any(unit.setup is not None or unit.closed or unit.buffer is not None for unit in problem.units)
        or any(not job.one_at_a_time for job in problem.jobs)
        or bool((problem.arc_most >= 0).any() or (problem.arc_least < 0).any())
    )


def improve_routes(
    problem: PlanProblem,
    plan: Plan,
    *,
    seed: int,
    stop: Callable[[], bool],
    on_plan: Callable[[Plan], None],
    target: Callable[[], int] = lambda: 0,
    seconds: float = float("inf"),
    known: Callable[[], Plan | None] = lambda: None,
) -> Plan:
    """Return the best plan found from ``plan`` on, until time is over, ``stop`` says so, or nothing better than ``target`` can be.

    ``known`` gives the best plan of others who search beside; a new walk begins there where it is better. Ask ``speaks_routes`` before.
    """
    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return plan
    shop = route_shop(shape)
    random = np.random.default_rng(seed)
    until = time.monotonic() + seconds
    best = lists_of(shape, shop, plan)
    far = 2**60
    best_is = lay_routes(shop, best, far)
    lasts = _FIRST_S
    steps, rate = _STEPS, 0.0
    while best_is > target() and not stop() and time.monotonic() < until:
        other = known()
        if other is not None and int(other.end.max()) < best_is:
            best = lists_of(shape, shop, other)
            best_is = lay_routes(shop, best, far)
        now = _copied(best)
        now_is = best_is
        walk = max(lasts, 0.05) * random.uniform(0.7, 1.3)
        began = time.monotonic()
        hot, cold = _HOT * best_is * random.uniform(0.5, 1.5), max(_COLD * best_is, 0.05)
        while (spent := time.monotonic() - began) < walk and best_is > target() and not stop() and time.monotonic() < until:
            first = hot * (cold / hot) ** (spent / walk)
            share = 1.0 if not rate else min(1.0, (spent + steps / rate) / walk)
            last = hot * (cold / hot) ** share
            looked = time.monotonic()
            before = best_is
            now_is, best_is = anneal(shop, now, best, now_is, best_is, target(), first, last, steps, int(random.integers(2**31)))
            took = max(time.monotonic() - looked, 1e-6)
            rate = steps / took if rate else steps / max(took, 0.2)
            steps = int(min(max(rate * 0.05, 500), 1_000_000))
            if best_is < before:
                on_plan(plan_of_lists(shop, best))
        lasts = min(lasts * 2, _LONGEST_S)
    return plan_of_lists(shop, best)


def route_shop(shape: Shape) -> RouteShop:
    """Return a problem as the columns of this search."""
    problem = shape.problem
    count = len(shape.job)
    before_at = np.cumsum([0, *(len(found) for found in shape.before)]).astype(np.int32)
    after_at = np.cumsum([0, *(len(found) for found in shape.after)]).astype(np.int32)
    modes = [mode for found in shape.modes for mode in found]
    branches = [branch for found in shape.choices for branch in found]
    possible = set(branches)
    return RouteShop(
        job=np.array(shape.job, np.int32),
        branch=np.array(shape.branch, np.int32),
        mode_at=np.cumsum([0, *(len(found) for found in shape.modes)]).astype(np.int32),
        mode_operation=np.array(modes, np.int32),
        unit=np.array([shape.unit[mode] for mode in modes], np.int32),
        duration=np.array([shape.duration[mode] for mode in modes], np.int64),
        before_at=before_at,
        before=np.array([other for found in shape.before for other, _, _ in found], np.int32),
        least=np.array([least for found in shape.before for _, least, _ in found], np.int64),
        after_at=after_at,
        after=np.array([other for found in shape.after for other, _, _ in found], np.int32),
        choice_of=np.array(shape.choice_of, np.int32),
        parent=problem.choice_branch.astype(np.int32),
        branch_at=np.cumsum([0, *(len(found) for found in shape.choices)]).astype(np.int32),
        branches=np.array(branches, np.int32),
        depth_first=np.array(sorted(possible, key=lambda branch: len(shape.above[branch])), np.int32),
        earliest=np.array([shape.earliest(at) for at in range(count)], np.int64),
        units=len(problem.units),
        jobs=len(problem.jobs),
    )


def lists_of(shape: Shape, shop: RouteShop, plan: Plan) -> Lists:
    """Return a plan as a list: by start, and what is not done where its arcs allow."""
    count = len(shape.job)
    when: dict[int, float] = {}
    mode_row = {int(mode): row for row, mode in enumerate(shop.mode_operation.tolist())}
    mode = shop.mode_at[:-1].copy()
    for rows in shape.operations_of:
        for at in rows:
            reached = max((when[before] for before, _, _ in shape.before[at]), default=-1.0)
            done = plan.mode[at] >= 0
            when[at] = max(float(plan.start[at]), reached) if done else reached
            if done:
                mode[at] = mode_row[int(plan.mode[at])]
    rank = {at: row for rows in shape.operations_of for row, at in enumerate(rows)}
    order = np.array(sorted(range(count), key=lambda at: (when[at], float(plan.end[at]), rank[at])), np.int32)
    order = _keeping_arcs(shape, order.tolist())
    place = np.empty(count, np.int32)
    place[order] = np.arange(count, dtype=np.int32)
    done_branches = {shape.branch[at] for at in range(count) if plan.mode[at] >= 0 and shape.branch[at] != ALWAYS}
    done_branches |= {above for branch in done_branches for above in shape.above[branch]}
    chosen = np.array(
        [next((branch for branch in found if branch in done_branches), found[0] if found else -1) for found in shape.choices], np.int32
    )
    taken = np.zeros(len(shape.above), np.bool_)
    zeros = np.zeros(count, np.int64)
    lists = Lists(order, place, mode.astype(np.int32), chosen, taken, zeros, zeros.copy(), np.full(count, -1, np.int32))
    take(shop, lists)
    return lists


def _keeping_arcs(shape: Shape, wanted: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return operations as near to the order that is wanted as arcs allow."""
    waits = [len(found) for found in shape.before]
    rank = {at: row for row, at in enumerate(wanted)}
    heap = [rank[at] for at in wanted if not waits[at]]
    heapq.heapify(heap)
    out = []
    while heap:
        at = wanted[heapq.heappop(heap)]
        out.append(at)
        for other, _, _ in shape.after[at]:
            waits[other] -= 1
            if not waits[other]:
                heapq.heappush(heap, rank[other])
    return np.array(out, np.int32)


def _copied(lists: Lists) -> Lists:
    return Lists(
        lists.order.copy(),
        lists.place.copy(),
        lists.mode.copy(),
        lists.chosen.copy(),
        lists.taken.copy(),
        lists.start.copy(),
        lists.end.copy(),
        lists.cause.copy(),
    )


def plan_of_lists(shop: RouteShop, lists: Lists) -> Plan:
    """Return a list as a plan."""
    done = (shop.branch < 0) | (lists.taken[shop.branch] if len(lists.taken) else True)
    mode = np.where(done, shop.mode_operation[lists.mode], -1).astype(np.int32)
    return Plan(mode, np.where(done, lists.start, 0), np.where(done, lists.end, 0))
