"""What an operation would be at another unit or time, and what would be wrong with that: the check that a drag gets at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import clock_of
from dashboard.views_plan import CheckDraft, CheckedEdit
from plant.errors import Rejected
from plant.plan_check import plan_faults
from plant.plan_order import ends_by_calendar
from plant.plan_problem import LockReason, PlanProblem
from plant.plans import Plan


def checked(one: ReadPlan, draft: CheckDraft, now_us: int) -> CheckedEdit:
    """Return where an operation would come to and what is wrong with it. Raises Rejected for an operation that is not in the plan."""
    problem, plan, row = one.problem, one.plan, draft.operation
    if row >= len(plan.mode) or plan.mode[row] < 0:
        raise Rejected(f"plan {one.version.id} has no operation {row}")
    origin_us, tick_us = clock_of(problem, one.version.made_us)
    held = {lock.reason for lock in problem.locks if lock.operation == row}
    here = problem.units[problem.mode_unit[plan.mode[row]]].name
    start_us, end_us = (origin_us + int(column[row]) * tick_us for column in (plan.start, plan.end))
    if draft.act == "unlock":
        faults = () if LockReason.PERSON in held else ("nobody has locked it",)
        return CheckedEdit(faults, here, start_us, end_us, 0)
    if LockReason.STARTED in held:
        return CheckedEdit(("it has started already",), here, start_us, end_us, 0)
    if draft.act == "lock":
        return CheckedEdit((), here, start_us, end_us, 0)
    unit = draft.unit or here
    start = int(plan.start[row]) if draft.start_us is None else round((draft.start_us - origin_us) / tick_us)
    mode = _mode(problem, plan, row, unit)
    if mode is None:
        return CheckedEdit((f"{unit} cannot do this operation",), unit, None, None, 0)
    if origin_us + start * tick_us < now_us:
        return CheckedEdit(("that is in the past",), unit, None, None, 0)
    moved = _moved(problem, plan, row, mode, start)
    free = replace(problem, locks=tuple(lock for lock in problem.locks if lock.operation != row or lock.reason is not LockReason.PERSON))
    ends = origin_us + int(moved.end[row]) * tick_us
    return CheckedEdit(plan_faults(free, moved), unit, origin_us + start * tick_us, ends, 0)


def _mode(problem: PlanProblem, plan: Plan, row: int, unit: str) -> int | None:
    """The way to do it on a unit: as planned where it stays there, else the quickest."""
    first, last = problem.modes_of[row], problem.modes_of[row + 1]
    found = [mode for mode in range(int(first), int(last)) if problem.units[problem.mode_unit[mode]].name == unit]
    if int(plan.mode[row]) in found:
        return int(plan.mode[row])
    return min(found, key=lambda mode: int(problem.mode_duration[mode]), default=None)


def _moved(problem: PlanProblem, plan: Plan, row: int, mode: int, start: int) -> Plan:
    modes, starts, ends = plan.mode.copy(), plan.start.copy(), plan.end.copy()
    unit = problem.units[problem.mode_unit[mode]]
    modes[row], starts[row] = mode, start
    ends[row] = ends_by_calendar(unit, np.array([start], np.int64), np.array([problem.mode_duration[mode]], np.int64))[0]
    return replace(plan, mode=modes, start=starts, end=ends)
