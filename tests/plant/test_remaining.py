"""What is left to plan after something has happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.disturbances import (
    Absence,
    Breakdown,
    Cancelled,
    DesignChanged,
    Hold,
    Interrupted,
    LateMaterial,
    NewArc,
    NewMode,
    NewOperation,
    Progress,
    QualityHold,
    Queue,
    RushJob,
    SlowUnit,
)
from plant.errors import Rejected
from plant.plan_check import plan_faults
from plant.plan_problem import Job, Lock, LockReason, PlanProblem, Resource
from plant.plan_shift import Shifted, shifted
from plant.plans import Plan
from plant.remaining import Disturbed, applied
from tests.plant.small_shop import shop, stands


def _plant() -> tuple[PlanProblem, Plan]:
    problem = shop(
        {name: [("saw", [("saw", 4), ("saw 2", 6)]), ("weld", [("weld", 5)]), ("paint", [("paint", 2)])] for name in ("A", "B")},
        resources=(Resource("welder", 1),),
    )
    return problem, stands(problem, 0, 4, 9, 4, 9, 14)


def _planned(disturbed: Disturbed) -> Plan:
    found = shifted(disturbed.problem, disturbed.plan, urgent=disturbed.urgent)
    assert isinstance(found, Shifted), found
    assert plan_faults(found.problem, found.plan) == ()
    return found.plan


def _locks(disturbed: Disturbed) -> list[tuple[int, int | None, str, int | None]]:
    return [(lock.operation, lock.start, lock.reason.value, lock.end) for lock in disturbed.problem.locks]


def test_what_started_is_locked_and_what_is_near_is_frozen() -> None:
    problem, plan = _plant()
    assert _locks(applied(problem, plan, [], 5, frozen=5)) == [
        (0, 0, "started", 4),
        (1, 4, "started", 9),
        (3, 4, "started", 8),
        (2, 9, "frozen", None),
        (4, 9, "frozen", None),
    ]


@pytest.mark.parametrize(
    ("becomes", "end"), [(Interrupted.RESUMES, 13), (Interrupted.STARTS_AGAIN, 15), (Interrupted.FREED, None)], ids=str
)
def test_work_on_a_unit_that_breaks_down_goes_on_starts_again_or_is_freed(becomes: Interrupted, end: int | None) -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [Breakdown("weld", 6, 10, interrupted=becomes)], 6)
    assert disturbed.interrupted == (1,)
    assert next((lock.end for lock in disturbed.problem.locks if lock.operation == 1), None) == end
    assert _planned(disturbed).end[1] == (end or 15)


def test_what_is_told_again_at_each_look_counts_once() -> None:
    problem, plan = _plant()
    cases: tuple[tuple[tuple[Breakdown | SlowUnit, ...], tuple[int, ...]], ...] = (
        ((Breakdown("weld", 6, 10), Breakdown("weld", 6, 10), Breakdown("weld", 6, 12), Breakdown("weld", 6, 8)), (13, 13, 15, 11)),
        ((SlowUnit("weld", 2.0, 6), SlowUnit("weld", 2.0, 6), SlowUnit("weld", 2.0, 6, 8), SlowUnit("weld", 1.0, 6)), (12, 12, 10, 9)),
    )
    for told, ends in cases:
        stands_now = plan
        for one, end in zip(told, ends, strict=True):
            stands_now = _planned(applied(problem, stands_now, [one], 7))
            assert stands_now.end[1] == end


def test_what_was_reported_to_have_ended_is_not_made_longer_by_what_happened_meanwhile() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [Breakdown("weld", 6, 10), Progress("A", "weld", 4, 8)], 30)
    assert (1, 4, "started", 8) in _locks(disturbed)
    by_plan = applied(problem, plan, [Breakdown("weld", 6, 10)], 30)
    assert (1, 4, "started", 13) in _locks(by_plan), "it went on after the breakdown, and has ended long since"


def test_a_breakdown_of_unknown_end_lasts_as_long_as_is_assumed_from_now() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [Breakdown("weld", 6, None, assumed=20)], 8)
    assert disturbed.problem.units[2].closed == ((6, 28),)


def test_a_slow_unit_slows_what_runs_and_what_comes() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [SlowUnit("weld", 2.0, 6)], 6)
    assert [lock.end for lock in disturbed.problem.locks if lock.operation == 1] == [12], "three were left, and take six"
    assert _planned(disturbed).end[4] == 22


def test_a_queue_keeps_a_unit_busy_after_what_is_being_done() -> None:
    problem, plan = _plant()
    assert applied(problem, plan, [Queue("weld", 6, 4)], 6).problem.units[2].closed == ((9, 13),)


def test_absence_and_late_material_are_applied_by_name() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [Absence("welder", 1, 5, 9), LateMaterial("B", 20)], 2)
    assert disturbed.problem.resources[0].closed == ((5, 9, 1),)
    assert _planned(disturbed).start[3] == 20


def test_a_repeated_operation_comes_before_what_waits_for_it() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [QualityHold("A", "saw", Hold.REPEAT)], 4)
    assert disturbed.problem.operation_name[6] == "saw again"
    planned = _planned(disturbed)
    assert planned.start[6] >= 4
    assert planned.start[1] >= planned.end[6]


def test_rework_is_done_one_after_the_other() -> None:
    problem, plan = _plant()
    rework = (NewOperation("grind", (NewMode("saw 2", 3),)), NewOperation("measure", (NewMode("paint", 1),)))
    planned = _planned(applied(problem, plan, [QualityHold("A", "saw", Hold.REWORK, rework)], 4))
    assert planned.start[7] >= planned.end[6] >= 7
    assert planned.start[1] >= planned.end[7]


def test_scrap_is_made_anew_as_a_job_of_its_own_with_the_due_date_of_the_old() -> None:
    problem, plan = _plant()
    problem = shop_with_due(problem)
    disturbed = applied(problem, plan, [QualityHold("A", "weld", Hold.SCRAP)], 9)
    assert [job.name for job in disturbed.problem.jobs] == ["A", "B", "A remake 2"]
    assert [job.due for job in disturbed.problem.jobs] == [None, 30, 30]
    assert disturbed.row.tolist() == [0, 1, -1, 2, 3, 4], "what was left of the old part falls away"
    assert disturbed.urgent == (2,)
    planned = _planned(disturbed)
    assert (planned.mode >= 0).all()
    assert planned.start[5] >= 9


def shop_with_due(problem: PlanProblem) -> PlanProblem:
    return replace(problem, jobs=tuple(replace(job, due=30) for job in problem.jobs))


def test_nothing_is_wrong_with_what_has_not_been_done() -> None:
    problem, plan = _plant()
    with pytest.raises(Rejected, match="paint of A has not been done"):
        applied(problem, plan, [QualityHold("A", "paint", Hold.REPEAT)], 4)


def test_a_changed_design_keeps_what_is_alike_where_it_is_planned() -> None:
    problem, plan = _plant()
    weld = NewOperation("weld", (NewMode("weld", 5),))
    drill = NewOperation("drill", (NewMode("saw 2", 3),))
    disturbed = applied(problem, plan, [DesignChanged("B", (weld, drill), (NewArc("weld", "drill"),))], 2)
    names = [disturbed.problem.operation_name[row] for row in np.flatnonzero(disturbed.problem.operation_job == 1).tolist()]
    assert names == ["weld", "drill"]
    planned = _planned(disturbed)
    assert planned.start[disturbed.row[4]] == 9, "it stays"
    assert planned.start[5 - 1] >= 14


def test_a_rush_job_goes_first_and_a_cancelled_one_falls_away() -> None:
    problem, plan = _plant()
    rush = RushJob(Job("R", release=5, due=12, weight=9), (NewOperation("weld", (NewMode("weld", 3),)),))
    disturbed = applied(problem, plan, [rush, Cancelled("A")], 5)
    assert disturbed.row.tolist() == [0, 1, -1, 2, 3, 4]
    planned = _planned(disturbed)
    assert planned.start[5] == 9, "right after what is being welded"
    assert planned.start[3] == 12


def test_what_was_reported_counts_more_than_the_plan() -> None:
    problem, plan = _plant()
    told = [Progress("A", "saw", 1, 6, unit="saw 2"), Progress("B", "saw", None)]
    disturbed = applied(problem, plan, told, 7)
    assert _locks(disturbed)[0] == (0, 1, "started", 6)
    assert disturbed.plan.mode[0] == 1
    assert _planned(disturbed).start[3] >= 7


def test_what_started_says_that_what_comes_before_has_ended() -> None:
    problem, plan = _plant()
    disturbed = applied(problem, plan, [Progress("B", "weld", 3)], 4)
    assert (3, 0, "started", 3) in [
        (lock.operation, max(lock.start or 0, 0), lock.reason.value, lock.end) for lock in disturbed.problem.locks
    ]


def test_a_persons_lock_stays_until_its_operation_starts() -> None:
    problem, plan = _plant()
    locked = replace(problem, locks=(Lock(5, 7, 20, LockReason.PERSON), Lock(4, 6, None, LockReason.PERSON)))
    disturbed = applied(locked, plan, [], 10)
    assert [(lock.operation, lock.reason.value) for lock in disturbed.problem.locks if lock.operation in {4, 5}] == [
        (4, "started"),
        (5, "person"),
    ]


@pytest.mark.parametrize("wrong", [Breakdown("nowhere", 1, 2), LateMaterial("Z", 4), Absence("nobody", 1, 2, 3), Progress("A", "fly", 1)])
def test_what_is_not_there_is_told_by_name(wrong: Breakdown | LateMaterial | Absence | Progress) -> None:
    problem, plan = _plant()
    with pytest.raises(Rejected, match=r"nowhere|Z|nobody|fly"):
        applied(problem, plan, [wrong], 3)
