"""Whether a plan keeps every rule of its problem, judged from the plan alone and by no code of a solver; and what it is worth.

What started before (``LockReason.STARTED``) is a fact: it is held against the rules only where something that was planned
breaks them with it. A setup that belongs to nothing locked begins no earlier than ``now``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.plan_check_branches import branch_faults
from plant.plan_check_capacity import buffer_faults, resource_faults
from plant.plan_check_trips import arrivals, trip_faults
from plant.plan_order import PlanOrder, ends_by_calendar, plan_order, touches_closed
from plant.plan_problem import LockReason, PlanProblem, Ticks
from plant.plan_words import Whole, operation_words, span_words, time_words
from plant.plans import Plan

_SHOWN = 20
_Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PlanMeasures:
    """What a plan is worth, in ticks and counts."""

    makespan: int
    """When the last operation ends."""
    tardiness: int
    """Of all jobs with a due date, each tick late times the job's weight."""
    late_jobs: int
    setup: int
    moved: int
    """Operations that left mode or start of the reference plan."""
    flow: int
    """Of all jobs, from release to end."""


def plan_faults(problem: PlanProblem, plan: Plan) -> tuple[str, ...]:
    """Return what is wrong with a plan, in words that name operations, rules and times; empty where nothing is."""
    misfit = tuple(_misfits(problem, plan))
    if misfit:
        return misfit
    order = plan_order(problem, plan)
    started = np.zeros(len(plan.mode), np.bool_)
    held = np.zeros(len(plan.mode), np.bool_)
    on_its_way = np.zeros(len(plan.mode), np.bool_)
    for lock in problem.locks:
        held[lock.operation] |= lock.start is not None
        on_its_way[lock.operation] |= lock.reason is LockReason.FROZEN  # also without a time: the part is being carried there
        started[lock.operation] |= lock.reason is LockReason.STARTED
    checked = _Checked(problem, plan, order, started, held, arrivals(problem, plan, order))
    rules: tuple[Callable[[_Checked], Iterator[str]], ...] = (
        _lock_faults,
        _time_faults,
        _calendar_faults,
        _unit_faults,
        _part_faults,
        _arc_faults,
    )
    found = [fault for rule in rules for fault in _some(rule(checked))]
    found += _some(branch_faults(problem, plan))
    found += _some(trip_faults(problem, plan, order, started, held | on_its_way))
    found += _some(buffer_faults(problem, plan, order, started, checked.there))
    found += _some(resource_faults(problem, plan, order, started))
    return tuple(found)


def measures(problem: PlanProblem, plan: Plan) -> PlanMeasures:
    """Return what a plan is worth."""
    done = plan.mode >= 0
    ends = np.zeros(len(problem.jobs), np.int64)
    np.maximum.at(ends, problem.operation_job[done], plan.end[done])
    made = np.zeros(len(problem.jobs), np.bool_)
    made[problem.operation_job[done]] = True
    late = np.array([0 if job.due is None else max(int(end) - job.due, 0) for job, end in zip(problem.jobs, ends, strict=True)], np.int64)
    weight = np.array([job.weight for job in problem.jobs], np.int64)
    release = np.array([job.release for job in problem.jobs], np.int64)
    moved = 0
    if problem.reference_mode is not None and problem.reference_start is not None:
        there = problem.reference_mode >= 0
        moved = int((there & ((plan.mode != problem.reference_mode) | (plan.start != problem.reference_start))).sum())
    return PlanMeasures(
        makespan=int(plan.end[done].max(initial=0)),
        tardiness=int((late * weight).sum()),
        late_jobs=int((late > 0).sum()),
        setup=int(plan_order(problem, plan).setup.sum()),
        moved=moved,
        flow=int((ends - release)[made].sum()),
    )


def objective_of(problem: PlanProblem, plan: Plan) -> int:
    """Return what the plan costs by the objective of its problem; less is better."""
    worth, counts = measures(problem, plan), problem.objective
    return (
        counts.makespan * worth.makespan
        + counts.tardiness * worth.tardiness
        + counts.setup * worth.setup
        + counts.moved * worth.moved
        + counts.flow * worth.flow
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    problem: PlanProblem
    plan: Plan
    order: PlanOrder
    started: _Rows
    held: _Rows
    there: Ticks
    """When each operation's part is at its unit."""

    def op(self, row: Whole) -> str:
        return operation_words(self.problem, row)

    def at(self, tick: Whole) -> str:
        return time_words(self.problem, tick)

    def starts(self, row: Whole) -> str:
        return f"{self.op(row)} starts at {self.at(self.plan.start[row])} on {self.problem.units[self.order.unit[row]].name}"


def _some(faults: Iterator[str]) -> list[str]:
    told = list(faults)
    return told if len(told) <= _SHOWN else [*told[:_SHOWN], f"... and {len(told) - _SHOWN:,} more of this kind"]


def _misfits(problem: PlanProblem, plan: Plan) -> Iterator[str]:
    count = len(problem.operation_job)
    for name, column in (("mode", plan.mode), ("start", plan.start), ("end", plan.end)):
        if column.shape != (count,):
            yield f"the plan has {len(column):,} rows of {name}, the problem has {count:,} operations"
            return
    outside = (plan.mode < -1) | (plan.mode >= len(problem.mode_operation))
    for row in np.flatnonzero(outside)[:_SHOWN]:
        yield f"{operation_words(problem, row)} is done in mode {plan.mode[row]}, and there are {len(problem.mode_operation):,} modes"
    if outside.any():
        return
    foreign = (plan.mode >= 0) & (problem.mode_operation[plan.mode] != np.arange(count))
    for row in np.flatnonzero(foreign)[:_SHOWN]:
        other = operation_words(problem, problem.mode_operation[plan.mode[row]])
        yield f"{operation_words(problem, row)} is done in mode {plan.mode[row]}, which is one of {other}"


def _lock_faults(its: _Checked) -> Iterator[str]:
    plan, problem = its.plan, its.problem
    for lock in problem.locks:
        row, why = lock.operation, f"it is locked ({lock.reason.value})"
        if plan.mode[row] != lock.mode:
            wanted = problem.units[problem.mode_unit[lock.mode]].name
            found = "is not done" if plan.mode[row] < 0 else f"is done on {problem.units[its.order.unit[row]].name}"
            yield f"{its.op(row)} {found}, and {why} to mode {lock.mode} on {wanted}"
        elif lock.start is not None and plan.start[row] != lock.start:
            yield f"{its.starts(row)}, and {why} to {its.at(lock.start)}"
        elif lock.end is not None and plan.end[row] != lock.end:
            yield f"{its.op(row)} ends at {its.at(plan.end[row])}, and {why} to end at {its.at(lock.end)}"


def _time_faults(its: _Checked) -> Iterator[str]:
    plan, problem = its.plan, its.problem
    free = (plan.mode >= 0) & ~its.held
    begins = plan.start - its.order.setup
    for row in np.flatnonzero(free & (begins < problem.now)):
        if plan.start[row] < problem.now:
            yield f"{its.starts(row)}, before now, {its.at(problem.now)}"
        else:
            yield f"{its.starts(row)}, and its setup would have to begin at {its.at(begins[row])}, before now, {its.at(problem.now)}"
    release = np.array([job.release for job in problem.jobs], np.int64)[problem.operation_job]
    for row in np.flatnonzero((plan.mode >= 0) & ~its.started & (plan.start < release)):
        yield f"{its.starts(row)}, before its job is released at {its.at(release[row])}"
    for row in np.flatnonzero((plan.mode < 0) & ((plan.start != 0) | (plan.end != 0))):
        yield f"{its.op(row)} is not done, and yet has times"


def _calendar_faults(its: _Checked) -> Iterator[str]:
    plan, problem = its.plan, its.problem
    known_end = np.zeros(len(plan.mode), np.bool_)
    for lock in problem.locks:
        known_end[lock.operation] |= lock.end is not None
    for number, unit in enumerate(problem.units):
        rows = np.flatnonzero(its.order.unit == number)
        starts, ends = plan.start[rows], plan.end[rows]
        lasts = problem.mode_duration[plan.mode[rows]]
        wrong = (ends_by_calendar(unit, starts, lasts) != ends) & ~known_end[rows]
        ends_by = ends_by_calendar(unit, starts, lasts)
        for at in np.flatnonzero(wrong):
            over = " and closed time between" if unit.pauses and ends_by[at] - starts[at] != lasts[at] else ""
            takes = f"it takes {span_words(problem, lasts[at])}{over}"
            yield f"{its.starts(rows[at])} and ends at {its.at(ends[at])}; {takes}, to {its.at(ends_by[at])}"
        touched = touches_closed(unit, starts, starts + 1 if unit.pauses else ends)
        touched[its.started[rows]] = -1
        for at in np.flatnonzero(touched >= 0):
            begin, end = unit.closed[touched[at]]
            what = "starts" if unit.pauses else f"lasts to {its.at(ends[at])} and is"
            yield f"{its.starts(rows[at])}; it {what} in closed time, {its.at(begin)} to {its.at(end)}"
        setup = its.order.setup[rows]
        touched = np.where((setup > 0) & ~its.started[rows], touches_closed(unit, starts - setup, starts), -1)
        for at in np.flatnonzero(touched >= 0):
            begin, end = unit.closed[touched[at]]
            words = f"its setup of {span_words(problem, setup[at])} lies in closed time, {its.at(begin)} to {its.at(end)}"
            yield f"{its.starts(rows[at])}; {words}"


def _unit_faults(its: _Checked) -> Iterator[str]:
    plan, before, setup = its.plan, its.order.before_on_unit, its.order.setup
    rows = np.flatnonzero(before >= 0)
    early = (plan.start[rows] - setup[rows] < plan.end[before[rows]]) & ~its.started[rows]
    early |= (plan.start[rows] < plan.end[before[rows]]) & ~(its.started[rows] & its.started[before[rows]])
    for row in rows[early]:
        needs = f" and a setup of {span_words(its.problem, setup[row])} lies between" if setup[row] else ""
        yield f"{its.starts(row)}, where {its.op(before[row])} ends at {its.at(plan.end[before[row]])}{needs}"


def _part_faults(its: _Checked) -> Iterator[str]:
    plan, problem, before = its.plan, its.problem, its.order.before_of_part
    single = np.array([job.one_at_a_time for job in problem.jobs], np.bool_)[problem.operation_job]
    rows = np.flatnonzero(before >= 0)
    early = single[rows] & (plan.start[rows] < plan.end[before[rows]]) & ~(its.started[rows] & its.started[before[rows]])
    for row in rows[early]:
        yield f"{its.starts(row)}, while {its.op(before[row])} is being done to the same part until {its.at(plan.end[before[row]])}"
    with_part = np.array([unit.setup_with_part for unit in problem.units], np.bool_)[its.order.unit]
    waits = (plan.mode >= 0) & with_part & (its.order.setup > 0) & ~its.started & (plan.start - its.order.setup < its.there)
    for row in np.flatnonzero(waits):
        words = f"its setup of {span_words(problem, its.order.setup[row])} needs the part, which is there at {its.at(its.there[row])}"
        yield f"{its.starts(row)}; {words}"


def _arc_faults(its: _Checked) -> Iterator[str]:
    plan, problem = its.plan, its.problem
    first, then = problem.arc_before, problem.arc_after
    both = (plan.mode[first] >= 0) & (plan.mode[then] >= 0) & ~(its.started[first] & its.started[then])
    between = plan.start[then] - plan.end[first]
    for arc in np.flatnonzero(both & (between < problem.arc_least)):
        least = f" and {span_words(problem, problem.arc_least[arc])} at least must lie between" if problem.arc_least[arc] else ""
        yield f"{its.starts(then[arc])}, and comes after {its.op(first[arc])}, which ends at {its.at(plan.end[first[arc]])}{least}"
    for arc in np.flatnonzero(both & (problem.arc_most >= 0) & (between > problem.arc_most)):
        most = f"{span_words(problem, problem.arc_most[arc])} at most may lie between"
        yield f"{its.starts(then[arc])}, and {its.op(first[arc])} ends at {its.at(plan.end[first[arc]])}; {most}"
