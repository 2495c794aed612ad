"""What an operation would be at another unit or time, and what would be wrong with that: the check that a drag gets at once."""

from __future__ import annotations

from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import clock_of
from dashboard.views_plan import CheckDraft, CheckedEdit
from plant.errors import Rejected
from plant.plan_edits import Edit, LockPlace, Move, Unlock, pushed
from plant.plan_problem import PlanProblem
from plant.plans import Plan


def checked(one: ReadPlan, draft: CheckDraft, now_us: int) -> CheckedEdit:
    """Return where an operation would come to, how many others would give way, and what is wrong with it.

    Raises Rejected for an operation that is not in the plan.
    """
    problem, plan, row = one.problem, one.plan, draft.operation
    if row >= len(plan.mode) or plan.mode[row] < 0:
        raise Rejected(f"plan {one.version.id} has no operation {row}")
    origin_us, tick_us = clock_of(problem, one.version.made_us)
    here = problem.units[problem.mode_unit[plan.mode[row]]].name
    unit = draft.unit or here if draft.act == "move" else here
    edit: Edit = LockPlace(row) if draft.act == "lock" else Unlock(row)
    if draft.act == "move":
        start = int(plan.start[row]) if draft.start_us is None else round((draft.start_us - origin_us) / tick_us)
        mode = _mode(problem, plan, row, unit)
        if mode is None:
            return CheckedEdit((f"{unit} cannot do this operation",), unit, None, None, 0)
        if origin_us + start * tick_us < now_us:
            return CheckedEdit(("that is in the past",), unit, None, None, 0)
        edit = Move(row, mode, start)
    found = pushed(problem, plan, edit)
    if found.faults:
        return CheckedEdit(found.faults, unit, None, None, 0)
    start_us, end_us = (origin_us + int(column[row]) * tick_us for column in (found.plan.start, found.plan.end))
    return CheckedEdit((), unit, start_us, end_us, found.pushed)


def _mode(problem: PlanProblem, plan: Plan, row: int, unit: str) -> int | None:
    """The way to do it on a unit: as planned where it stays there, else the quickest."""
    first, last = problem.modes_of[row], problem.modes_of[row + 1]
    found = [mode for mode in range(int(first), int(last)) if problem.units[problem.mode_unit[mode]].name == unit]
    if int(plan.mode[row]) in found:
        return int(plan.mode[row])
    return min(found, key=lambda mode: int(problem.mode_duration[mode]), default=None)
