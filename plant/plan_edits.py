"""What a person does to a plan, as a value; applied at once, with what is wrong with it.

A moved operation stands where it was dropped, locked by the person, and everything else stands as it did: ``faults`` tell what that
breaks. ``pushed`` is the same with the others moved to the right out of its way, which has no faults, or cannot be done and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from plant.plan_check import plan_faults
from plant.plan_draft import without_operations
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plan_shift import Loosed, Unsettled, loosed_words, shifted
from plant.plan_words import operation_words
from plant.plans import Plan
from plant.unit_calendars import open_times


@dataclass(frozen=True, slots=True)
class Move:
    """Do an operation in a mode, starting then. It is locked there by the person."""

    operation: int
    mode: int
    start: int


@dataclass(frozen=True, slots=True)
class LockPlace:
    """Keep an operation where it is."""

    operation: int
    time: bool = True
    """Also its start; else only its unit."""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Let the planner move an operation again."""

    operation: int


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Let a tick of a job's tardiness count so much."""

    job: int
    weight: int


@dataclass(frozen=True, slots=True)
class SetDue:
    """Give a job another due date; None: none."""

    job: int
    due: int | None


@dataclass(frozen=True, slots=True)
class RemoveJob:
    """Do no more of a job; what has started stays."""

    job: int


Edit: TypeAlias = Move | LockPlace | Unlock | SetPriority | SetDue | RemoveJob


@dataclass(frozen=True, slots=True, eq=False)
class Edited:
    """A plan with a person's edit."""

    problem: PlanProblem
    plan: Plan
    faults: tuple[str, ...]
    """What is wrong with it now, in words; empty: nothing."""
    pushed: int = 0
    """Operations that gave way."""


def edited(problem: PlanProblem, plan: Plan, edit: Edit) -> Edited:
    """Return the plan with an edit, and what is wrong with it; nothing else is moved."""
    refused = _refused(problem, plan, edit)
    if refused:
        return Edited(problem, plan, refused)
    changed, stands = _applied(problem, plan, edit)
    return Edited(changed, stands, plan_faults(changed, stands))


def pushed(problem: PlanProblem, plan: Plan, edit: Edit) -> Edited:
    """Return the plan with an edit, and all others moved to the right as far as they must give way.

    A lock of somebody else that would have to give way is a fault: it is never moved in silence. The plan is then the one before.
    """
    refused = _refused(problem, plan, edit)
    if refused:
        return Edited(problem, plan, refused)
    changed, stands = _applied(problem, plan, edit)
    found = shifted(changed, stands)
    if isinstance(found, Unsettled):
        return Edited(problem, plan, found.why)
    if found.loosed or found.lapsed:
        words = [*_told(changed, found.loosed)]
        words += [
            f"{operation_words(problem, one.after)} would come too late after {operation_words(problem, one.before)}"
            for one in found.lapsed
        ]
        return Edited(problem, plan, tuple(words))
    other = (found.plan.mode != stands.mode) | (found.plan.start != stands.start)
    return Edited(found.problem, found.plan, (), int(other.sum()))


def _told(problem: PlanProblem, loosed: Sequence[Loosed]) -> list[str]:
    return [loosed_words(problem, one) for one in loosed]


def _refused(problem: PlanProblem, plan: Plan, edit: Edit) -> tuple[str, ...]:
    """Return why an edit cannot be made at all."""
    if isinstance(edit, SetPriority | SetDue | RemoveJob):
        return () if 0 <= edit.job < len(problem.jobs) else (f"there is no job {edit.job}",)
    row = edit.operation
    if not 0 <= row < len(plan.mode):
        return (f"there is no operation {row}",)
    name = operation_words(problem, row)
    if plan.mode[row] < 0 and not isinstance(edit, Move):
        return (f"{name} is not done in this plan",)
    if any(lock.operation == row and lock.reason is LockReason.STARTED for lock in problem.locks):
        return (f"{name} has started",)
    if isinstance(edit, Move):
        if not 0 <= edit.mode < len(problem.mode_operation) or problem.mode_operation[edit.mode] != row:
            return (f"mode {edit.mode} is no way to do {name}",)
        if edit.start < problem.now:
            return (f"{name} cannot start in the past",)
    if isinstance(edit, Unlock) and not any(lock.operation == row and lock.reason is LockReason.PERSON for lock in problem.locks):
        return (f"{name} is not locked by a person",)
    return ()


def _applied(problem: PlanProblem, plan: Plan, edit: Edit) -> tuple[PlanProblem, Plan]:
    match edit:
        case Move():
            return _moved(problem, plan, edit)
        case LockPlace():
            row = edit.operation
            lock = Lock(row, int(plan.mode[row]), int(plan.start[row]) if edit.time else None, LockReason.PERSON)
            return _locked(problem, lock), plan
        case Unlock():
            left = tuple(lock for lock in problem.locks if lock.operation != edit.operation or lock.reason is not LockReason.PERSON)
            return replace(problem, locks=left), plan
        case SetPriority():
            return _with_job(problem, edit.job, weight=edit.weight), plan
        case SetDue():
            jobs = list(problem.jobs)
            jobs[edit.job] = replace(jobs[edit.job], due=edit.due)
            return replace(problem, jobs=tuple(jobs)), plan
        case RemoveJob():
            begun = {lock.operation for lock in problem.locks if lock.reason is LockReason.STARTED}
            rows = [row for row in np.flatnonzero(problem.operation_job == edit.job).tolist() if row not in begun]
            changed, stands, _ = without_operations(problem, plan, rows)
            return changed, stands


def _moved(problem: PlanProblem, plan: Plan, edit: Move) -> tuple[PlanProblem, Plan]:
    row = edit.operation
    columns = plan.mode.copy(), plan.start.copy(), plan.end.copy()
    calendar = open_times(problem.units[problem.mode_unit[edit.mode]])
    end = calendar.end(edit.start, int(problem.mode_duration[edit.mode]))
    columns[0][row], columns[1][row], columns[2][row] = edit.mode, edit.start, end
    # a person may pull what is frozen out of its zone: it is the planner that may not
    return _locked(problem, Lock(row, edit.mode, edit.start, LockReason.PERSON)), replace(
        plan, mode=columns[0], start=columns[1], end=columns[2]
    )


def _locked(problem: PlanProblem, lock: Lock) -> PlanProblem:
    others = tuple(one for one in problem.locks if one.operation != lock.operation)
    return replace(problem, locks=(*others, lock))


def _with_job(problem: PlanProblem, row: int, *, weight: int) -> PlanProblem:
    jobs = list(problem.jobs)
    jobs[row] = replace(jobs[row], weight=weight)
    return replace(problem, jobs=tuple(jobs))
