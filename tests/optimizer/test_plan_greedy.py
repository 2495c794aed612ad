"""The first plan and the layout behind it: every rule kept, never better than the optimum, the same for the same seed, and soon."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from optimizer.plan_closed import clear, merged, opens, paused_end, without
from optimizer.plan_decoding import Stuck, decode
from optimizer.plan_greedy import first_plan, improve_lists
from optimizer.plan_model import solve
from optimizer.plan_shape import Shape, shape_of
from optimizer.plan_timetables import Profile, Vehicles
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import Lock, LockReason, Objective, PlanProblem, Resource, Transport, WorkUnit
from plant.plans import Infeasible, Plan
from tests.optimizer.drawn_problems import drawn_problem, shop


def laid(problem: PlanProblem, order: list[int], mode: list[int] | None = None) -> Plan:
    """Return the plan of a list that must give one, without fault."""
    shape = shape_of(problem)
    assert isinstance(shape, Shape)
    plan = decode(shape, order, mode if mode is not None else [found[0] for found in shape.modes])
    assert isinstance(plan, Plan), plan
    assert not plan_faults(problem, plan)
    return plan


def line(jobs: int, *durations: int) -> PlanProblem:
    """Return jobs that all pass the same units in one order."""
    one = shop(jobs=jobs, steps=len(durations), units=1, seed=1)
    steps = len(durations)
    return replace(
        one,
        units=tuple(WorkUnit(f"unit-{at}") for at in range(steps)),
        mode_unit=np.tile(np.arange(steps), jobs).astype(np.int32),
        mode_duration=np.tile(np.array(durations), jobs).astype(np.int64),
    )


def test_a_part_that_may_wait_nowhere_starts_later_instead() -> None:
    problem = line(2, 2, 5)
    problem = replace(problem, units=(problem.units[0], WorkUnit("oven", buffer=0)))
    plan = laid(problem, [0, 1, 2, 3])
    assert plan.start.tolist() == [0, 2, 5, 7]


def test_one_place_before_a_unit_is_enough_for_one_part() -> None:
    problem = line(3, 2, 5)
    problem = replace(problem, units=(problem.units[0], WorkUnit("oven", buffer=1)))
    plan = laid(problem, [0, 1, 2, 3, 4, 5])
    assert plan.start.tolist() == [0, 2, 2, 7, 5, 12]


def test_a_longest_time_between_moves_what_comes_before() -> None:
    problem = line(2, 2, 5)
    plan = laid(replace(problem, arc_most=np.ones(2, np.int64)), [0, 1, 2, 3])
    assert plan.start.tolist() == [0, 2, 4, 7]


def test_people_are_free_while_work_pauses_and_a_fixture_is_not() -> None:
    problem = line(2, 4)
    night = WorkUnit("unit-0", closed=((2, 10),), pauses=True)
    units = (night, WorkUnit("unit-1"))
    problem = replace(
        problem,
        units=units,
        mode_unit=np.array([0, 1], np.int32),
        need_mode=np.array([0, 1], np.int32),
        need_resource=np.zeros(2, np.int32),
        need_amount=np.ones(2, np.int32),
    )
    people = laid(replace(problem, resources=(Resource("welder", 1),)), [0, 1])
    fixture = laid(replace(problem, resources=(Resource("jig", 1, kind="fixture"),)), [0, 1])
    assert (people.start.tolist(), people.end.tolist()) == ([0, 2], [12, 6])
    assert fixture.start.tolist() == [0, 12]


def test_a_setup_that_needs_the_part_begins_when_it_is_there_and_one_that_does_not_before() -> None:
    problem = replace(line(1, 6, 3), mode_setup=np.array([-1, 1], np.int32))
    setup = np.array([[0, 4], [4, 0]], np.int64)
    before = laid(replace(problem, units=(problem.units[0], WorkUnit("press", setup=setup, setup_state=0))), [0, 1])
    after = laid(replace(problem, units=(problem.units[0], WorkUnit("press", setup=setup, setup_state=0, setup_with_part=True))), [0, 1])
    assert before.start.tolist() == [0, 6]
    assert after.start.tolist() == [0, 10]


def test_a_part_is_carried_by_the_vehicle_that_brings_it_first_and_each_carries_one() -> None:
    way = np.array([[0, 3], [3, 0]], np.int64)
    problem = replace(line(2, 2), transport=Transport(way, np.array([1], np.int32), 0, 1))
    plan = laid(problem, [0, 1])
    assert [(trip.leaves, trip.arrives) for trip in plan.trips] == [(0, 3), (6, 9)]
    two = laid(replace(problem, transport=Transport(way, np.array([1], np.int32), 0, 2)), [0, 1])
    assert two.start.tolist() == [3, 5]


def test_what_is_locked_stays_and_others_are_laid_around_it() -> None:
    problem = replace(line(3, 4), locks=(Lock(1, 1, 5, LockReason.PERSON),))
    plan = laid(problem, [0, 2, 1])
    assert plan.start.tolist() == [0, 5, 9]


def test_a_list_that_cannot_be_says_where_it_ends() -> None:
    problem = replace(line(1, 4, 4), locks=(Lock(1, 1, 2, LockReason.PERSON),))
    shape = shape_of(problem)
    assert isinstance(shape, Shape)
    stuck = decode(shape, [0, 1], [0, 1])
    assert isinstance(stuck, Stuck)
    assert "step-0" in stuck.why
    assert "step-1" in stuck.why


def test_the_same_seed_gives_the_same_first_plan() -> None:
    problem = drawn_problem(11)
    one, two = first_plan(problem, seed=4, seconds=60), first_plan(problem, seed=4, seconds=60)
    assert isinstance(one, Plan)
    assert isinstance(two, Plan)
    assert (one.start == two.start).all()
    assert (one.mode == two.mode).all()


def test_a_first_plan_is_found_of_nearly_every_problem_that_has_one() -> None:
    problems = [drawn_problem(seed) for seed in range(300, 315)]
    without = [problem for problem in problems if isinstance(first_plan(problem, seed=1, seconds=60), Infeasible)]
    there = [solve(problem, seconds=120, seed=1, workers=1).plan is not None for problem in without]
    assert sum(there) <= 1


def test_other_lists_make_a_plan_better() -> None:
    problem = shop(jobs=12, steps=6, units=5, seed=2)
    first = first_plan(problem, seed=1, seconds=0.0)
    assert isinstance(first, Plan)
    costs: list[int] = []
    tries = iter(range(60))
    improve_lists(problem, seed=1, stop=lambda: next(tries, None) is None, on_plan=lambda plan: costs.append(objective_of(problem, plan)))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < objective_of(problem, first)


@pytest.mark.heavy
def test_ten_thousand_operations_with_people_setups_and_shifts_are_planned_within_seconds() -> None:
    problem = shop(jobs=1000, steps=10, units=50, seed=1)
    random = np.random.default_rng(1)
    setup = random.integers(1, 9, (4, 4)).astype(np.int64)
    nights = tuple((day * 1440 + 960, day * 1440 + 1440) for day in range(60))
    units = tuple(WorkUnit(f"unit-{at}", setup=setup if at % 3 == 0 else None, closed=nights, pauses=at % 2 == 0) for at in range(50))
    needs = np.flatnonzero(random.random(len(problem.mode_unit)) < 0.3).astype(np.int32)
    problem = replace(
        problem,
        units=units,
        mode_setup=np.where(problem.mode_unit % 3 == 0, random.integers(0, 4, len(problem.mode_unit)), -1).astype(np.int32),
        resources=(Resource("welders", 12),),
        need_mode=needs,
        need_resource=np.zeros(len(needs), np.int32),
        need_amount=np.ones(len(needs), np.int32),
        objective=Objective(1, 1, 1),
    )
    began = process_time()
    plan = first_plan(problem, seed=1)
    assert isinstance(plan, Plan)
    assert not plan_faults(problem, plan)
    assert process_time() - began < 15


def test_what_is_taken_of_a_resource_is_given_back() -> None:
    profile = Profile(2)
    profile.add(2, 6, 1)
    profile.add(4, 8, 1)
    assert profile.full(0, 4, 1) is None
    assert profile.full(3, 9, 1) == 6
    assert profile.full(0, 20, 2) == 8
    profile.add(4, 8, -1)
    profile.add(2, 6, -1)
    assert profile.ticks == Profile(2).ticks
    assert profile.full(0, 20, 2) is None


def test_a_vehicle_takes_a_ride_between_two_others_where_it_fits() -> None:
    vehicles = Vehicles([[0, 2], [2, 0]], 0, [[]])
    for ready in (0, 20):
        vehicles.add(*vehicles.fitting(0, 1, ready, ready))
    _, ride = vehicles.fitting(1, 0, 5, 7)
    assert (ride.leaves, ride.arrives) == (5, 7)
    _, late = vehicles.fitting(0, 1, 17, 8)
    assert late.leaves == 24


def test_work_pauses_over_closed_time_and_does_not_start_in_it() -> None:
    closed = ((5, 8), (10, 12))
    assert paused_end(3, 4, closed) == 10
    assert paused_end(3, 5, closed) == 13
    assert paused_end(3, 2, closed) == 5
    assert opens(6, closed) == 8
    assert clear(3, 6, closed) == 8
    assert clear(8, 10, closed) is None
    assert merged([(4, 6), (1, 2), (6, 9), (3, 3)]) == ((1, 2), (4, 9))
    assert without([(0, 10)], [(2, 3), (8, 12)]) == ((0, 2), (3, 8))
