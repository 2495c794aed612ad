"""What is left to plan, once something has happened: what started is a fact, the near future is frozen, the rest is open.

Rules:

* What starts before now by the plan has started, unless its progress was reported otherwise; so it ends as planned.
* What is being done on a unit that breaks down goes on when the unit is up again, from where it was (``Interrupted.RESUMES``); a person
  can say that it starts again, or that it is freed to be done elsewhere.
* What starts within the frozen zone keeps unit and start. Whether it can, ``plant.plan_shift`` finds out, and tells.
* A part that a vehicle is bringing keeps its unit.
* A person's lock stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from plant.disturbances import (
    Absence,
    Breakdown,
    Cancelled,
    DesignChanged,
    Disturbance,
    Hold,
    Interrupted,
    LateMaterial,
    NewArc,
    NewOperation,
    Progress,
    QualityHold,
    Queue,
    RushJob,
    SlowUnit,
)
from plant.errors import Rejected
from plant.plan_draft import (
    job_of,
    modes_as_new,
    resource_of,
    row_of,
    unit_of,
    with_arcs,
    with_job,
    with_named_arcs,
    with_operations,
    without_operations,
)
from plant.plan_problem import ALWAYS, Ints, Lock, LockReason, PlanProblem
from plant.plans import Plan
from plant.unit_calendars import OpenTimes, closed_with, open_times


@dataclass(frozen=True, slots=True, eq=False)
class Disturbed:
    """The problem of what remains, and the plan that stands in its rows; the plan may break its rules by now."""

    problem: PlanProblem
    plan: Plan
    row: Ints
    """Of each operation before: where it is now; -1: it fell away."""
    urgent: tuple[int, ...]
    """Jobs that came in and go first."""
    interrupted: tuple[int, ...]
    """Operations that were being done on a unit that broke down: a person may know better what becomes of them."""


def applied(problem: PlanProblem, plan: Plan, disturbances: Sequence[Disturbance], now: int, *, frozen: int = 0) -> Disturbed:
    """Return what remains to be planned at a time, after what happened, with so many ticks from now on frozen.

    Raises ``Rejected`` where a disturbance names what is not there.
    """
    its = _Applying(problem, plan, now)
    ordered = sorted(disturbances, key=lambda one: not isinstance(one, Progress))  # what has started is asked for by others
    for one in ordered:
        its.apply(one)
    return its.disturbed(frozen)


class _Applying:
    """A problem while disturbances are applied to it, one after the other."""

    def __init__(self, problem: PlanProblem, plan: Plan, now: int) -> None:
        self.problem, self.plan, self.now = replace(problem, now=max(now, problem.now)), plan, now
        self.row = np.arange(len(problem.operation_job), dtype=np.int32)
        self.ends: dict[int, int] = {}
        """Of what started and ends otherwise than by its duration."""
        self.starts: dict[int, int] = {}
        self.ended: set[int] = set()
        self.expected: set[int] = set()
        """Of what started: what was reported to have ended, and when others will."""
        self.open: set[int] = set()
        """What has not started, whatever the plan says."""
        self.interrupted: list[int] = []
        self.urgent: list[int] = []
        mode = plan.mode.copy()
        for lock in problem.locks:
            if lock.reason is LockReason.STARTED and lock.start is not None:
                mode[lock.operation] = lock.mode
                self.starts[lock.operation] = lock.start
                self.ends[lock.operation] = self._end(lock.mode, lock.start) if lock.end is None else lock.end
        for row in np.flatnonzero((plan.mode >= 0) & (plan.start < now)).tolist():
            self.starts.setdefault(row, int(plan.start[row]))
            self.ends.setdefault(row, int(plan.end[row]))
        self.plan = replace(plan, mode=mode)

    def apply(self, one: Disturbance) -> None:  # noqa: C901 - one case for each kind
        """Apply one disturbance."""
        match one:
            case Progress():
                self._progress(one)
            case Breakdown():
                self._breakdown(one)
            case SlowUnit():
                self._slow(one)
            case Queue():
                self._queue(one)
            case Absence():
                self._absence(one)
            case LateMaterial():
                self._late(one)
            case QualityHold():
                self._quality(one)
            case DesignChanged():
                self._design(one)
            case RushJob():
                self.problem = with_job(self.problem, one.job)
                self.urgent.append(len(self.problem.jobs) - 1)
                self._add(len(self.problem.jobs) - 1, one.operations, one.arcs)
            case Cancelled():
                self._drop(self._left_of(job_of(self.problem, one.job)))

    def disturbed(self, frozen: int) -> Disturbed:
        """Return all of it, with locks for what started and what is frozen."""
        plan, now = self.plan, self.now
        start, end = plan.start.copy(), plan.end.copy()
        locks: list[Lock] = []
        for row in sorted(self.starts.keys() - self.open):
            start[row], end[row] = self.starts[row], self.ends[row]
            locks.append(Lock(row, int(plan.mode[row]), self.starts[row], LockReason.STARTED, self.ends[row]))
        begun = {lock.operation for lock in locks}
        locks += [lock for lock in self.problem.locks if lock.reason is LockReason.PERSON and lock.operation not in begun]
        by_person = {lock.operation for lock in locks if lock.start is not None}
        near = (plan.mode >= 0) & (plan.start >= now) & (plan.start < now + frozen)
        near[sorted(self.open | by_person)] = False
        locks += [Lock(row, int(plan.mode[row]), int(plan.start[row]), LockReason.FROZEN) for row in np.flatnonzero(near).tolist()]
        timed = {lock.operation for lock in locks if lock.start is not None}
        locks += [
            Lock(trip.operation, int(plan.mode[trip.operation]), None, LockReason.FROZEN)
            for trip in plan.trips
            if trip.leaves < now and trip.operation not in timed
        ]
        reference = np.where(plan.mode >= 0, plan.start, 0)
        problem = replace(self.problem, locks=tuple(locks), reference_mode=plan.mode, reference_start=reference)
        stands = Plan(plan.mode, start, end, plan.trips)
        return Disturbed(problem, stands, self.row, tuple(self.urgent), tuple(self.interrupted))

    def _end(self, mode: int, start: int) -> int:
        calendar = open_times(self.problem.units[self.problem.mode_unit[mode]])
        return calendar.end(start, int(self.problem.mode_duration[mode]))

    def _progress(self, one: Progress) -> None:
        row = row_of(self.problem, one.job, one.operation)
        if one.started is None:
            for after in self.problem.arc_after[self.problem.arc_before == row].tolist():
                if after in self.starts.keys() - self.open:
                    behind = self.problem.operation_name[after]
                    raise Rejected(f"{one.operation} of {one.job} cannot be waiting: {behind}, which comes after it, has started")
            self.open.add(row)
            return
        self.open.discard(row)
        mode = self._mode(row, one.unit)
        columns = self.plan.mode.copy(), self.plan.start.copy(), self.plan.end.copy()
        self.starts[row] = one.started
        by_plan = self._end(mode, one.started)
        if one.ended is not None:
            self.ended.add(row)
        elif one.expected is not None:
            self.expected.add(row)
        self.ends[row] = one.ended if one.ended is not None else max(one.expected if one.expected is not None else by_plan, self.now)
        columns[0][row], columns[1][row], columns[2][row] = mode, one.started, self.ends[row]
        self.plan = Plan(*columns, self.plan.trips)
        for before in self.problem.arc_before[self.problem.arc_after == row].tolist():
            self._has_ended(before, one.started)

    def _has_ended(self, row: int, by: int) -> None:
        """Take it that an operation has ended, because one that waits for it has started."""
        mode = int(self.plan.mode[row])
        if mode < 0 and self.problem.operation_branch[row] == ALWAYS:
            mode = self._mode(row, "")
            column = self.plan.mode.copy()
            column[row] = mode
            self.plan = replace(self.plan, mode=column)
        if mode < 0 or (row in self.starts and row not in self.open and self.ends[row] <= by):
            return
        self.open.discard(row)
        self.starts[row] = min(self.starts.get(row, by), max(by - int(self.problem.mode_duration[mode]), 0))
        self.ends[row] = by
        for before in self.problem.arc_before[self.problem.arc_after == row].tolist():
            self._has_ended(before, self.starts[row])

    def _mode(self, row: int, unit: str) -> int:
        modes = np.flatnonzero(self.problem.mode_operation == row)
        if unit:
            here = modes[self.problem.mode_unit[modes] == unit_of(self.problem, unit)]
            if len(here):
                return int(here[0])
        return int(self.plan.mode[row]) if self.plan.mode[row] >= 0 else int(modes[0])

    def _running(self, unit: int, at: int) -> list[int]:
        """Return what has started on a unit and has not ended at a time."""
        begun = [row for row in self.starts.keys() - self.open if self.plan.mode[row] >= 0 and self.starts[row] < at < self.ends[row]]
        return [row for row in begun if self.problem.mode_unit[self.plan.mode[row]] == unit]

    def _close(self, unit: int, begin: int, end: int) -> None:
        units = list(self.problem.units)
        units[unit] = replace(units[unit], closed=closed_with(units[unit].closed, begin, end))
        self.problem = replace(self.problem, units=tuple(units))

    def _breakdown(self, one: Breakdown) -> None:
        unit = unit_of(self.problem, one.unit)
        end = one.end if one.end is not None else max(self.now, one.begin) + max(one.assumed, 1)
        for row in self._running(unit, one.begin):
            self.interrupted.append(row)
            if one.interrupted is Interrupted.FREED:
                self.open.add(row)
                continue
            # from its start on, so that a breakdown that is told again, or ends at another time, counts once
            start, lasts = self.starts[row], int(self.problem.mode_duration[self.plan.mode[row]])
            if one.interrupted is Interrupted.STARTS_AGAIN:
                start = end
            closed = closed_with(self.problem.units[unit].closed, one.begin, end)
            calendar = OpenTimes(tuple(at for at, _ in closed), tuple(at for _, at in closed), pauses=True)
            self._ends_at(row, calendar.end(calendar.first_fit(start, 0, lasts), lasts))
        self._close(unit, one.begin, end)

    def _ends_at(self, row: int, end: int) -> None:
        """Say when something that has begun will end; that it has ended, or will end later, is known from who reported it."""
        if row not in self.ended:
            self.ends[row] = max(end, self.ends[row]) if row in self.expected else end
            self.expected.add(row)  # of several things that happened to it the worst counts

    def _slow(self, one: SlowUnit) -> None:
        unit = unit_of(self.problem, one.unit)
        if one.end is not None and one.end <= self.now:
            return
        for row in self._running(unit, max(one.begin, self.now)):
            start, work = self.starts[row], int(self.problem.mode_duration[self.plan.mode[row]])
            begin = max(one.begin, start)
            left = work - (begin - start)
            slowly = float(left) if one.end is None else min(left, (one.end - begin) / one.factor)
            self._ends_at(row, begin + ceil(slowly * one.factor + left - slowly))
        lasts = self.problem.mode_duration.copy()
        of = self.problem.mode_operation
        here = (self.problem.mode_unit == unit) & ~np.isin(of, sorted(self.starts.keys() - self.open))
        planned_here = np.zeros(len(lasts), np.bool_)
        planned_here[self.plan.mode[self.plan.mode >= 0]] = True
        within = (self.plan.start[of] >= one.begin) & (self.plan.start[of] < (one.end if one.end is not None else np.iinfo(np.int64).max))
        slow = here & (within | ~planned_here)
        lasts[slow] = np.ceil(lasts[slow] * one.factor).astype(np.int64)
        self.problem = replace(self.problem, mode_duration=lasts)

    def _queue(self, one: Queue) -> None:
        unit = unit_of(self.problem, one.unit)
        begin = max([one.begin, *(self.ends[row] for row in self._running(unit, one.begin))])
        if one.ticks > 0:
            self._close(unit, begin, begin + one.ticks)

    def _absence(self, one: Absence) -> None:
        resources = list(self.problem.resources)
        at = resource_of(self.problem, one.resource)
        resources[at] = replace(resources[at], closed=(*resources[at].closed, (one.begin, one.end, one.amount)))
        self.problem = replace(self.problem, resources=tuple(resources))

    def _late(self, one: LateMaterial) -> None:
        jobs = list(self.problem.jobs)
        at = job_of(self.problem, one.job)
        jobs[at] = replace(jobs[at], release=max(jobs[at].release, one.release))
        self.problem = replace(self.problem, jobs=tuple(jobs))

    def _left_of(self, job: int) -> list[int]:
        """Return the operations of a job that have not started."""
        begun = self.starts.keys() - self.open
        return [row for row in np.flatnonzero(self.problem.operation_job == job).tolist() if row not in begun]

    def _drop(self, rows: Sequence[int]) -> None:
        self.problem, self.plan, place = without_operations(self.problem, self.plan, rows)
        self.row = np.where(self.row >= 0, place[self.row], np.int32(-1)).astype(np.int32)
        self.starts = {int(place[row]): at for row, at in self.starts.items() if place[row] >= 0}
        self.ends = {int(place[row]): at for row, at in self.ends.items() if place[row] >= 0}
        self.open = {int(place[row]) for row in self.open if place[row] >= 0}
        self.ended = {int(place[row]) for row in self.ended if place[row] >= 0}
        self.expected = {int(place[row]) for row in self.expected if place[row] >= 0}
        self.interrupted = [int(place[row]) for row in self.interrupted if place[row] >= 0]

    def _add(self, job: int, operations: Sequence[NewOperation], arcs: Sequence[NewArc]) -> dict[str, int]:
        added = with_operations(self.problem, self.plan, job, operations)
        self.problem, self.plan = with_named_arcs(added.problem, added.rows, arcs), added.plan
        return added.rows

    def _quality(self, one: QualityHold) -> None:
        row, job = row_of(self.problem, one.job, one.operation), job_of(self.problem, one.job)
        if row not in self.starts.keys() - self.open:
            raise Rejected(f"{one.operation} of {one.job} has not been done, so that nothing can be wrong with it")
        if one.hold is Hold.SCRAP:
            self._remake(one.job)
            return
        again = one.rework
        if one.hold is Hold.REPEAT:
            again = (NewOperation(self._name(job, f"{one.operation} again"), modes_as_new(self.problem, row)),)
        rows = list(self._add(job, again, ()).values())
        behind = [other for other in self._left_of(job) if other not in rows]
        direct = set(self.problem.arc_after[self.problem.arc_before == row].tolist())
        follows = [other for other in behind if other in direct] or behind
        chain = [row, *rows]
        arcs = [(before, after, 0, -1) for before, after in pairwise(chain)]
        self.problem = with_arcs(self.problem, arcs + [(chain[-1], other, 0, -1) for other in follows])

    def _name(self, job: int, name: str) -> str:
        names = {self.problem.operation_name[row] for row in np.flatnonzero(self.problem.operation_job == job).tolist()}
        number = 2
        found = name
        while found in names:
            found, number = f"{name} {number}", number + 1
        return found

    def _remake(self, name: str) -> None:
        """Make a part anew: all that was done or is left of it, as a job of its own; of the old one only what was done stays."""
        problem, job = self.problem, job_of(self.problem, name)
        done = [row for row in np.flatnonzero(problem.operation_job == job).tolist() if self.plan.mode[row] >= 0]
        operations = tuple(NewOperation(problem.operation_name[row], modes_as_new(problem, row)) for row in done)
        place = set(done)
        columns = [column.tolist() for column in (problem.arc_before, problem.arc_after, problem.arc_least, problem.arc_most)]
        inside = [arc for arc in zip(*columns, strict=True) if arc[0] in place and arc[1] in place]
        names = problem.operation_name
        arcs = tuple(NewArc(names[before], names[after], least, most) for before, after, least, most in inside)
        taken, number = {one.name for one in problem.jobs}, 2
        while f"{name} remake {number}" in taken:
            number += 1
        remade = replace(problem.jobs[job], name=f"{name} remake {number}", release=self.now)
        self.problem = with_job(problem, remade)
        jobs = list(self.problem.jobs)
        jobs[job] = replace(jobs[job], due=None)
        self.problem = replace(self.problem, jobs=tuple(jobs))
        self._drop(self._left_of(job))
        self._add(len(self.problem.jobs) - 1, operations, arcs)
        self.urgent.append(len(self.problem.jobs) - 1)

    def _design(self, one: DesignChanged) -> None:
        job = job_of(self.problem, one.job)
        wanted = {new.name: new for new in one.operations}
        left = self._left_of(job)
        names = {row: self.problem.operation_name[row] for row in np.flatnonzero(self.problem.operation_job == job).tolist()}
        stay = {names[row] for row in names.keys() - set(left)}
        stay |= {names[row] for row in left if names[row] in wanted and modes_as_new(self.problem, row) == wanted[names[row]].modes}
        self._drop([row for row in left if names[row] not in stay])
        added = self._add(job, [new for new in one.operations if new.name not in stay], ())
        rows = {self.problem.operation_name[row]: row for row in np.flatnonzero(self.problem.operation_job == job).tolist()}
        of_job = set(rows.values())
        begun = self.starts.keys() - self.open
        keeps = np.array([int(row) not in of_job or int(row) in begun for row in self.problem.arc_after], np.bool_)
        columns = {name: getattr(self.problem, name)[keeps] for name in ("arc_before", "arc_after", "arc_least", "arc_most")}
        self.problem = with_named_arcs(replace(self.problem, **columns), rows, one.arcs)
        for row in added.values():
            first = [(other, row, 0, -1) for other in sorted(begun & of_job)]
            self.problem = with_arcs(self.problem, first)
