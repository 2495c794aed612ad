"""A person's edit of a plan, checked at once."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from plant.plan_check import plan_faults
from plant.plan_edits import Edit, LockPlace, Move, RemoveJob, SetDue, SetPriority, Unlock, edited, pushed
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plan_shift import Shifted, shifted
from plant.plans import Plan
from tests.plant.small_shop import large_shop, nothing, shop, stands


def _two() -> tuple[PlanProblem, Plan]:
    problem = shop({name: [("saw", [("saw", 4)]), ("weld", [("weld", 5), ("weld 2", 5)])] for name in ("A", "B")})
    return problem, stands(problem, 0, 4, 4, 9)


def test_a_drag_stands_where_it_was_dropped_and_what_it_breaks_is_told() -> None:
    problem, plan = _two()
    found = edited(problem, plan, Move(4 - 1, 4, 8))
    assert found.plan.start.tolist() == [0, 4, 4, 8]
    assert "weld of B starts at 8 on weld, where weld of A ends at 9" in found.faults[0]
    assert found.problem.locks == (Lock(3, 4, 8, LockReason.PERSON),)


def test_a_drag_to_a_free_unit_has_no_faults() -> None:
    problem, plan = _two()
    found = edited(problem, plan, Move(3, 5, 8))
    assert found.faults == ()
    assert found.plan.unit(problem)[3] == 2


def test_others_are_pushed_out_of_the_way_where_that_is_wanted() -> None:
    problem, plan = _two()
    found = pushed(problem, plan, Move(3, 4, 8))
    assert found.faults == ()
    assert found.plan.start.tolist() == [0, 13, 4, 8]
    assert found.pushed == 1
    assert plan_faults(found.problem, found.plan) == ()


def test_a_lock_of_somebody_is_not_pushed_away() -> None:
    problem, plan = _two()
    held = replace(problem, locks=(Lock(1, 1, 4, LockReason.PERSON),))
    found = pushed(held, plan, Move(3, 4, 8))
    assert "weld of" in found.faults[0]
    assert "locked by a person" in found.faults[0]
    assert (found.plan.start == plan.start).all()


def test_a_drag_before_what_must_come_first_is_told() -> None:
    problem, plan = _two()
    assert "can start there at 8 at the earliest: the part is busy with saw of B" in pushed(problem, plan, Move(3, 5, 6)).faults[0]


def test_locks_priorities_due_dates_and_jobs_are_edited() -> None:
    problem, plan = _two()
    locked = edited(problem, plan, LockPlace(1)).problem
    assert locked.locks == (Lock(1, 1, 4, LockReason.PERSON),)
    assert edited(problem, plan, LockPlace(1, time=False)).problem.locks == (Lock(1, 1, None, LockReason.PERSON),)
    assert edited(locked, plan, Unlock(1)).problem.locks == ()
    assert edited(problem, plan, SetPriority(1, 7)).problem.jobs[1].weight == 7
    assert edited(problem, plan, SetDue(1, 30)).problem.jobs[1].due == 30
    found = edited(problem, plan, RemoveJob(0))
    assert found.plan.start.tolist() == [4, 9]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Move(0, 0, 9), "saw of A has started"),
        (Move(3, 1, 9), "mode 1 is no way to do weld of B"),
        (Move(3, 4, 0), "weld of B cannot start in the past"),
        (Move(9, 1, 9), "there is no operation 9"),
        (Unlock(3), "weld of B is not locked by a person"),
        (SetPriority(4, 2), "there is no job 4"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(edit: Edit, why: str) -> None:
    problem, plan = _two()
    begun = replace(problem, locks=(Lock(0, 0, 0, LockReason.STARTED, 4),), now=1)
    for found in (edited(begun, plan, edit), pushed(begun, plan, edit)):
        assert found.faults == (why,)
        assert found.plan is plan


def test_a_thousand_operations_are_checked_at_once() -> None:
    problem = large_shop(100, 10, 20)
    first = shifted(problem, nothing(problem))
    assert isinstance(first, Shifted)
    began = time.process_time()
    found = edited(problem, first.plan, Move(500, int(first.plan.mode[500]), int(first.plan.start[500]) + 40))
    assert found.faults
    assert time.process_time() - began < 0.5
    assert pushed(problem, first.plan, Move(500, int(first.plan.mode[500]), int(first.plan.start[500]) + 40)).faults == ()
