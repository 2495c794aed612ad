"""The exact model: plans without fault, optima that are optima, windows, and an end when it is asked for."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.plan_greedy import first_plan
from optimizer.plan_model import solve
from optimizer.plan_route_bounds import route_bound
from optimizer.plan_shape import shape_of
from optimizer.plan_solver import SolveStatus
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import ALWAYS, Job, Lock, LockReason, Objective, PlanProblem, WorkUnit
from plant.plans import Infeasible, Plan
from tests.optimizer.drawn_problems import drawn_problem, shop, with_locks

_TICKS = 9
"""How far brute force looks."""


def best_by_trying_all(problem: PlanProblem) -> int | None:
    """Return the least cost of all plans that end within some ticks: every mode at every time, judged by the check of plans alone."""
    modes_of = problem.modes_of
    choices: list[list[tuple[int, int, int]]] = []
    for at in range(len(problem.operation_job)):
        found = [] if problem.operation_branch[at] == ALWAYS else [(-1, 0, 0)]
        for mode in range(modes_of[at], modes_of[at + 1]):
            unit = problem.units[problem.mode_unit[mode]]
            for start in range(_TICKS):
                end, left = start, int(problem.mode_duration[mode])
                while left:
                    left -= not (unit.pauses and any(low <= end < high for low, high in unit.closed))
                    end += 1
                if end <= _TICKS:
                    found.append((mode, start, end))
        choices.append(found)
    best = None
    for one in itertools.product(*choices):
        columns = np.array(one, np.int64)
        plan = Plan(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2])
        cost = objective_of(problem, plan)
        if (best is None or cost < best) and not plan_faults(problem, plan):
            best = cost
    return best


def held_against_all(seed: int) -> bool:
    """Hold the optimum of a tiny problem against all plans there are; return whether it was tiny enough."""
    problem = drawn_problem(seed, jobs=2, most=1, tiny=True, vehicles=False)
    if len(problem.operation_job) > 3 or len(problem.mode_operation) > 5:
        return False
    answer = solve(problem, seconds=120, seed=1, workers=1)
    least = best_by_trying_all(problem)
    assert answer.status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE}
    if answer.plan is None:
        assert least is None
        assert isinstance(first_plan(problem, seed=1), Infeasible)
        return True
    assert not plan_faults(problem, answer.plan)
    assert answer.objective == objective_of(problem, answer.plan) == answer.bound
    if least is not None:
        assert answer.objective <= least
    if answer.plan.end.max(initial=0) <= _TICKS:
        assert answer.objective == least
    return True


def keeps_all_promises(problem: PlanProblem) -> Plan | None:
    """Hold the first plan and the exact model's against the check and each other; return a plan if there is one."""
    first = first_plan(problem, seed=1, seconds=0.02)
    hint = None if isinstance(first, Infeasible) else first
    answer = solve(problem, seconds=120, seed=1, workers=1, hint=hint)
    vehicles = problem.transport is not None and problem.transport.vehicles is not None
    assert answer.status is not SolveStatus.UNKNOWN
    if hint is not None:
        assert not plan_faults(problem, hint)
        assert answer.status is not SolveStatus.INFEASIBLE
        assert answer.bound <= objective_of(problem, hint)
    if answer.plan is None:
        return hint
    shape = shape_of(problem)
    assert not isinstance(shape, Infeasible)
    assert route_bound(shape) <= (answer.objective or 0)
    if not vehicles:
        assert not plan_faults(problem, answer.plan)
        assert answer.objective == objective_of(problem, answer.plan)
        return answer.plan
    return hint


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_plans_have_no_fault_and_no_plan_is_below_the_bound_whatever_is_mixed(seed: int) -> None:
    problem = drawn_problem(seed, jobs=2)
    plan = keeps_all_promises(problem)
    if plan is not None and not plan.trips:
        keeps_all_promises(with_locks(problem, plan, seed))


@pytest.mark.heavy
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=80)
def test_plans_of_larger_problems_have_no_fault_and_none_is_below_the_bound(seed: int) -> None:
    problem = drawn_problem(seed)
    plan = keeps_all_promises(problem)
    if plan is not None and not plan.trips:
        keeps_all_promises(with_locks(problem, plan, seed))


def test_an_optimum_is_the_least_of_all_plans_that_can_be_tried() -> None:
    assert sum(held_against_all(seed) for seed in range(24)) >= 3


@pytest.mark.heavy
def test_every_optimum_of_tiny_problems_is_the_least_of_all_plans() -> None:
    assert sum(held_against_all(seed) for seed in range(100, 200)) >= 10


def test_a_window_changes_the_free_operations_only_and_keeps_who_follows_whom() -> None:
    problem = shop(jobs=5, steps=4, units=4, seed=3)
    first = first_plan(problem, seed=1, seconds=0.0)
    assert isinstance(first, Plan)
    free = np.zeros(len(first.mode), np.bool_)
    free[np.argsort(first.start)[6:12]] = True
    answer = solve(problem, seconds=10, seed=1, workers=1, hint=first, free=free, upper=objective_of(problem, first))
    assert answer.plan is not None
    assert not plan_faults(problem, answer.plan)
    assert (answer.plan.mode == first.mode)[~free].all()
    unit = answer.plan.unit(problem)
    for row in range(len(problem.units)):
        kept = np.flatnonzero(~free & (unit == row))
        assert (np.argsort(answer.plan.start[kept]) == np.argsort(first.start[kept])).all()
    whole = solve(problem, seconds=10, seed=1, workers=1, hint=first)
    assert (whole.objective or 0) <= (answer.objective or 0) <= objective_of(problem, first)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_window_of_any_problem_has_no_fault_and_loses_nothing(seed: int) -> None:
    problem = drawn_problem(seed, vehicles=False)
    first = first_plan(problem, seed=1, seconds=0.0)
    random = np.random.default_rng(seed)
    if isinstance(first, Infeasible):
        return
    if random.random() < 0.3:
        problem = with_locks(problem, first, seed)
    free = random.random(len(first.mode)) < 0.5
    if random.random() < 0.5:
        free &= first.start >= np.median(first.start[first.mode >= 0])
    if plan_faults(problem, first) or not free.any():
        return
    answer = solve(problem, seconds=120, seed=1, workers=1, hint=first, free=free, upper=objective_of(problem, first))
    assert answer.plan is not None
    assert not plan_faults(problem, answer.plan)
    assert answer.objective == objective_of(problem, answer.plan)
    assert (answer.plan.mode == first.mode)[~free].all()


def test_a_hint_is_never_lost() -> None:
    problem = shop(jobs=4, steps=4, units=3, seed=5)
    first = first_plan(problem, seed=1)
    assert isinstance(first, Plan)
    answer = solve(problem, seconds=5, seed=1, workers=1, hint=first, upper=objective_of(problem, first))
    assert answer.objective is None or answer.objective <= objective_of(problem, first)


def test_a_search_ends_soon_after_it_is_told_to_and_what_it_heard_is_told_in_the_callers_thread() -> None:
    problem = shop(jobs=20, steps=10, units=8, seed=7)
    heard: list[tuple[int, int, int]] = []

    def told(plan: Plan, objective: int, bound: int) -> None:
        assert objective >= objective_of(problem, plan)
        heard.append((objective, bound, threading.get_ident()))

    began = process_time()
    answer = solve(problem, seconds=600, seed=1, workers=1, on_plan=told, stop=lambda: len(heard) > 0)
    assert process_time() - began < 60
    assert heard
    assert answer.status in {SolveStatus.FEASIBLE, SolveStatus.OPTIMAL}
    assert all(bound <= objective and thread == threading.get_ident() for objective, bound, thread in heard)


def test_an_interrupt_while_it_searches_comes_through() -> None:
    problem = shop(jobs=20, steps=10, units=8, seed=7)

    def interrupted(_plan: Plan, _objective: int, _bound: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(problem, seconds=600, seed=1, workers=1, on_plan=interrupted)


_TWO = shop(jobs=2, steps=1, units=1, seed=1)
_NO_PLAN = {
    "locked to the same time": (
        replace(_TWO, locks=(Lock(0, 0, 3, LockReason.PERSON), Lock(1, 1, 3, LockReason.PERSON))),
        "locked to unit-0 at the same time",
    ),
    "nobody is there to do it": (
        replace(
            drawn_problem(3),
            resources=(),
            need_mode=np.empty(0, np.int32),
            need_resource=np.empty(0, np.int32),
            need_amount=np.empty(0, np.int32),
            mode_operation=drawn_problem(3).mode_operation + 1,
        ),
        "no way to be done",
    ),
    "operations that wait for each other": (
        replace(
            shop(jobs=1, steps=2, units=1, seed=1),
            arc_before=np.array([0, 1], np.int32),
            arc_after=np.array([1, 0], np.int32),
            arc_least=np.zeros(2, np.int64),
            arc_most=np.full(2, -1, np.int64),
        ),
        "in a circle",
    ),
}


@pytest.mark.parametrize("what", _NO_PLAN)
def test_what_cannot_be_planned_is_said_with_its_reason_by_greedy_and_by_the_exact_model(what: str) -> None:
    problem, words = _NO_PLAN[what]
    greedy, exact = first_plan(problem, seed=1), solve(problem, seconds=5, seed=1, workers=1)
    assert isinstance(greedy, Infeasible)
    assert any(words in why for why in greedy.why)
    assert exact.status is SolveStatus.INFEASIBLE
    assert any(words in why for why in exact.why)


def test_an_operation_locked_before_what_it_needs_can_be_done_is_infeasible_and_the_reason_names_both() -> None:
    line = shop(jobs=1, steps=2, units=2, seed=1)
    problem = replace(line, locks=(Lock(1, int(line.modes_of[1]), 0, LockReason.FROZEN),))
    greedy, exact = first_plan(problem, seed=1), solve(problem, seconds=5, seed=1, workers=1)
    assert exact.status is SolveStatus.INFEASIBLE
    assert isinstance(greedy, Infeasible)
    assert any("step-0" in why and "step-1" in why for why in greedy.why)


def test_a_part_undergoes_one_operation_at_a_time_unless_its_job_says_otherwise() -> None:
    line = shop(jobs=1, steps=3, units=3, seed=1)
    free = replace(
        line,
        mode_operation=np.arange(3, dtype=np.int32),
        mode_unit=np.arange(3, dtype=np.int32),
        mode_duration=np.array([4, 5, 6], np.int64),
        mode_setup=np.full(3, -1, np.int32),
        mode_name=[""] * 3,
        arc_before=np.empty(0, np.int32),
        arc_after=np.empty(0, np.int32),
        arc_least=np.empty(0, np.int64),
        arc_most=np.empty(0, np.int64),
    )
    assert solve(free, seconds=60, seed=1, workers=1).objective == 15
    parallel = replace(free, jobs=(Job("job-0", one_at_a_time=False),))
    assert solve(parallel, seconds=60, seed=1, workers=1).objective == 6


def test_lateness_is_weighed_by_who_waits() -> None:
    both = PlanProblem(
        name="two at one unit",
        units=(WorkUnit("press"),),
        jobs=(Job("small", due=4, weight=1), Job("urgent", due=4, weight=5)),
        operation_job=np.array([0, 1], np.int32),
        operation_name=["press", "press"],
        operation_branch=np.full(2, ALWAYS, np.int32),
        mode_operation=np.array([0, 1], np.int32),
        mode_unit=np.zeros(2, np.int32),
        mode_duration=np.array([4, 4], np.int64),
        mode_setup=np.full(2, -1, np.int32),
        mode_name=["", ""],
        arc_before=np.empty(0, np.int32),
        arc_after=np.empty(0, np.int32),
        arc_least=np.empty(0, np.int64),
        arc_most=np.empty(0, np.int64),
        objective=Objective(makespan=0, tardiness=1),
    )
    answer = solve(both, seconds=5, seed=1, workers=1)
    assert answer.plan is not None
    assert answer.objective == 4
    assert answer.plan.start.tolist() == [4, 0]
