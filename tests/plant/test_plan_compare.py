"""Two plans side by side."""

from __future__ import annotations

from dataclasses import replace

from plant.plan_compare import compared, moved_count
from plant.plan_problem import PlanProblem
from tests.plant.small_shop import shop, stands


def _three() -> PlanProblem:
    return shop({name: [("weld", [("weld", 4), ("weld 2", 4)])] for name in ("A", "B", "C", "D")})


def test_one_that_jumps_the_queue_counts_once_and_those_it_passed_are_only_shifted() -> None:
    problem = _three()
    before, after = stands(problem, 0, 4, 8, 12), stands(problem, 4, 8, 12, 0)
    found = compared((problem, before), (problem, after))
    assert [(one.job, one.ticks, one.anew) for one in found.moved] == [("D", -12, True), ("A", 4, False), ("B", 4, False), ("C", 4, False)]
    assert (found.placed_anew, found.shifted, found.same) == (1, 3, 0)
    assert moved_count(problem, before, after) == (1, 3)


def test_another_unit_is_a_new_place_and_small_shifts_can_be_overlooked() -> None:
    problem = _three()
    before, after = stands(problem, 0, 4, 8, 12), stands(problem, 0, 5, 8, 12, modes=[0, 0, 1, 0])
    found = compared((problem, before), (problem, after), tolerance=1)
    assert [(one.job, one.before.unit, one.after.unit) for one in found.moved] == [("C", "weld", "weld 2")]
    assert found.same == 3
    assert moved_count(problem, before, after, tolerance=1) == (1, 0)


def test_what_came_and_went_and_orders_that_end_later_are_told() -> None:
    problem = _three()
    other = replace(problem, jobs=tuple(replace(job, name="E" if job.name == "D" else job.name, due=6) for job in problem.jobs))
    found = compared((problem, stands(problem, 0, 4, 8, 12)), (other, stands(other, 0, 8, 4, 12)))
    assert [name for name, _ in found.added] == [("E", "weld")]
    assert [name for name, _ in found.removed] == [("D", "weld")]
    assert [(one.job, one.end_before, one.end_after, one.late_after) for one in found.jobs] == [("B", 8, 12, 6), ("C", 12, 8, 2)]
    assert found.measures_after.late_jobs == 3


def test_plans_whose_time_begins_elsewhere_are_brought_together() -> None:
    problem = _three()
    found = compared((problem, stands(problem, 10, 14, 18, 22)), (problem, stands(problem, 0, 4, 8, 12)), offset=10)
    assert found.same == 4
