"""Plans with vehicles: proved optimal on the shared plate shop, every rule kept on drawn ones, whatever else binds them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan_transport import variant
from optimizer.plan_carrying import carry, laid
from optimizer.plan_formats import load_instance, read_instance
from optimizer.plan_transport import carried, needs_vehicles, plan_with_vehicles, quick_shop, without_vehicles
from optimizer.plan_transport_bounds import vehicle_bound, way_bound
from optimizer.planning import plan
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import Lock, LockReason, Objective, PlanProblem, Transport
from plant.plans import Infeasible, Outcome, Plan, Solved
from tests.plant.slow_plan import random_problem

_PLATES = (
    Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data")
    / "optimizer"
    / "transport"
    / "plate_shop.json"
)


@pytest.mark.parametrize(("jobs", "best"), [(10, 42998), (20, 63542)])
def test_the_plate_shop_is_planned_with_proof(jobs: int, best: int) -> None:
    if not _PLATES.is_file():
        words = f"{_PLATES} is missing; LEADHAND_SHARED_DATA names the folder of shared data"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(words)
    problem, _ = load_instance(_PLATES, jobs=jobs)

    found = plan(problem, seconds=90, seed=1, workers=2)

    assert isinstance(found, Solved)
    assert (found.objective, found.bound, found.proved) == (best, best, True)
    assert plan_faults(problem, found.plan) == ()


def _relaxed_first(problem: PlanProblem, **_: object) -> Outcome:
    """Plan without vehicles one job after the other: a poor plan that has nothing proved."""
    from optimizer.plan_greedy import first_plan

    found = first_plan(problem, seed=1, seconds=0.01)
    return found if isinstance(found, Infeasible) else Solved(found, objective_of(problem, found), 0, 0.0, 0.0)


@pytest.mark.parametrize("part", range(2))
def test_drawn_shops_with_vehicles_keep_every_rule(part: int) -> None:
    found = 0
    for seed in range(part * 25, part * 25 + 25):
        problem = _with_vehicles(seed)
        made = plan_with_vehicles(problem, seconds=0.0, seed=1, workers=1, clock=time.monotonic, relaxed=_relaxed_first)
        if isinstance(made, Solved):
            found += 1
            assert plan_faults(problem, made.plan) == (), seed
            assert made.bound <= made.objective
            assert vehicle_bound(problem) <= made.objective, seed
            assert way_bound(problem) <= made.objective, seed
    assert found > 10


def _with_vehicles(seed: int) -> PlanProblem:
    random = np.random.default_rng(seed)
    problem = random_problem(random)
    travel = random.integers(1, 6, (4, 4)).astype(np.int64)
    np.fill_diagonal(travel, 0)
    vehicles = int(random.integers(1, 3))
    return replace(
        problem,
        transport=Transport(travel, np.arange(1, 4, dtype=np.int32), 0, vehicles),
        jobs=tuple(replace(job, one_at_a_time=True) for job in problem.jobs),
    )


def test_a_list_is_laid_out_without_fault_and_for_what_it_says_it_costs() -> None:
    for number in range(6):
        problem = replace(variant(number), objective=Objective(makespan=1, tardiness=2, flow=1))
        shop = quick_shop(problem)
        assert shop is not None
        random = np.random.default_rng(number)
        order = np.argsort(random.random(len(problem.operation_job)), kind="stable").astype(np.int32)
        jobs = problem.operation_job[order]
        turns = {job: iter(np.flatnonzero(problem.operation_job == job).tolist()) for job in range(len(problem.jobs))}
        order = np.array([next(turns[int(job)]) for job in jobs], np.int32)
        mode = random.integers(problem.modes_of[:-1], problem.modes_of[1:]).astype(np.int32)
        found = carried(problem, shop, order, mode)
        assert plan_faults(problem, found) == ()
        assert problem.transport is not None
        cost, _ = carry(shop, problem.transport.vehicles or 1, order, mode, laid(len(mode)), np.inf)
        assert cost == objective_of(problem, found)


SMALL = """{"agvs": 1, "travel": [[0, 5, 5], [5, 0, 1], [5, 1, 0]],
 "jobs": [[{"machines": [1], "time": 2}], [{"machines": [2], "time": 2}], [{"machines": [1, 2], "time": 2}]]}"""


def test_what_a_vehicle_has_to_drive_is_a_bound_of_its_own() -> None:
    problem = read_instance(SMALL, "small.json", "transport")
    assert vehicle_bound(problem) == 5 + 5 + 5 + 5 + 5 + 2
    found = plan(problem, seconds=30, seed=1)
    assert isinstance(found, Solved)
    assert (found.objective, found.proved) == (27, True)
    assert sorted(trip.leaves for trip in found.plan.trips) == [0, 10, 20]


def test_the_way_and_the_work_of_each_part_are_a_bound() -> None:
    problem = read_instance(SMALL, "small.json", "transport")
    assert way_bound(problem) == 5 + 2
    due = replace(
        problem, objective=Objective(makespan=1, tardiness=10, flow=1), jobs=tuple(replace(job, due=4, weight=2) for job in problem.jobs)
    )
    assert way_bound(due) == 7 + 10 * 3 * 3 * 2 + 3 * 7


def test_with_more_vehicles_nothing_becomes_worse() -> None:
    problem = read_instance(SMALL, "small.json", "transport")
    assert problem.transport is not None
    two = replace(problem, transport=replace(problem.transport, vehicles=2))
    spare = replace(problem, transport=replace(problem.transport, vehicles=None))
    assert not needs_vehicles(spare)
    one = plan(problem, seconds=30, seed=1)
    assert isinstance(one, Solved)
    more = plan(two, seconds=1, seed=1, begin_with=one.plan)
    free = plan(spare, seconds=30, seed=1)
    assert isinstance(more, Solved)
    assert isinstance(free, Solved)
    assert (one.objective, free.objective) == (27, 9)
    assert 17 <= more.objective <= 27


def test_locks_stay_where_they_are_while_vehicles_are_dispatched() -> None:
    problem = read_instance(SMALL, "small.json", "transport")
    locked = replace(problem, locks=(Lock(1, 1, 40, LockReason.PERSON),))
    found = plan(locked, seconds=1, seed=1)
    assert isinstance(found, Solved)
    assert found.plan.start[1] == 40
    assert plan_faults(locked, found.plan) == ()


def test_a_plan_that_is_begun_with_is_never_made_worse() -> None:
    problem = read_instance(SMALL, "small.json", "transport")
    best = plan(problem, seconds=30, seed=1)
    assert isinstance(best, Solved)
    again = plan_with_vehicles(problem, seconds=0.0, seed=1, workers=1, clock=time.monotonic, relaxed=_relaxed_first, begin_with=best.plan)
    assert isinstance(again, Solved)
    assert again.objective == best.objective
    assert isinstance(again.plan, Plan)
    assert without_vehicles(problem).transport is not None


@pytest.mark.heavy
def test_the_search_over_lists_and_vehicles_finds_what_the_dispatch_does_not() -> None:
    from optimizer.plan_carrying import walk_from
    from optimizer.plan_carrying_walk import anneal

    problem = variant(5)
    assert problem.transport is not None
    shop = quick_shop(problem)
    assert shop is not None
    order = np.arange(len(problem.operation_job), dtype=np.int32)
    mode = problem.modes_of[:-1].copy()
    first = carried(problem, shop, order, mode)
    before = float(objective_of(problem, first))
    walk = walk_from(order, mode, 1)
    found = anneal(shop, problem.transport.vehicles or 1, walk, laid(len(mode)), 3000, 0.03 * before, 0.0003 * before, before, 0.0)
    made = carried(problem, shop, walk.best_order, walk.best_mode)
    assert plan_faults(problem, made) == ()
    assert objective_of(problem, made) == found
    assert found < 0.8 * before
