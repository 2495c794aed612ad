"""Two plans side by side: what moved, what came and went, which orders end later or earlier.

Operations are known by job and name, so that plans of different problems compare too. Two counts of moved operations are told, because
they mean different things to people on the floor:

* *placed anew*: the operation has another unit, or was taken out of the order of its unit and put in elsewhere: material, programs and
  people go elsewhere, or in another order. Of each unit the most operations that still follow each other as before count as staying;
  so one that was moved counts once, and not each that it passed.
* *shifted*: its place in the order is the same, and its start differs by more than a tolerance.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plant.plan_check import PlanMeasures, measures
from plant.plan_problem import PlanProblem
from plant.plans import Plan

Name = tuple[str, str]
"""Job, operation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands."""

    unit: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MovedOperation:
    """An operation that stands elsewhere."""

    job: str
    operation: str
    before: Place
    after: Place
    anew: bool
    """It has another unit, or another place in the order of its unit; else it is only shifted."""

    @property
    def ticks(self) -> int:
        """How much later it starts; less than 0: earlier."""
        return self.after.start - self.before.start


@dataclass(frozen=True, slots=True)
class MovedJob:
    """A job that ends at another time."""

    job: str
    end_before: int
    end_after: int
    late_before: int
    late_after: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs between two plans."""

    same: int
    moved: tuple[MovedOperation, ...]
    """What stands elsewhere, by how much, most first."""
    added: tuple[tuple[Name, Place], ...]
    removed: tuple[tuple[Name, Place], ...]
    jobs: tuple[MovedJob, ...]
    """Jobs that end later, most first, then those that end earlier."""
    measures_before: PlanMeasures
    measures_after: PlanMeasures

    @property
    def placed_anew(self) -> int:
        """Operations with another unit or another place in the order."""
        return sum(one.anew for one in self.moved)

    @property
    def shifted(self) -> int:
        """Operations that only start at another time."""
        return len(self.moved) - self.placed_anew


def compared(one: tuple[PlanProblem, Plan], other: tuple[PlanProblem, Plan], *, tolerance: int = 0, offset: int = 0) -> Compared:
    """Return what differs from one plan to the other; ``offset`` is the tick of the first that is tick 0 of the other."""
    before, after = _places(*one, offset=offset), _places(*other, offset=0)
    moved: list[MovedOperation] = []
    same = 0
    came = after.keys() - before.keys()
    gone = before.keys() - after.keys()
    stay = _in_order({name: (place.unit, place.start, place.end) for name, place in before.items()}, after)
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        anew = name not in stay
        if anew or abs(now.start - was.start) > tolerance:
            moved.append(MovedOperation(*name, was, now, anew))
        else:
            same += 1
    moved.sort(key=lambda row: (-abs(row.ticks), row.job, row.operation))
    return Compared(
        same=same,
        moved=tuple(moved),
        added=tuple((name, after[name]) for name in sorted(came)),
        removed=tuple((name, before[name]) for name in sorted(gone)),
        jobs=tuple(sorted(_jobs(one, other, offset), key=lambda row: (row.end_before - row.end_after, row.job))),
        measures_before=measures(*one),
        measures_after=measures(*other),
    )


def moved_count(problem: PlanProblem, before: Plan, after: Plan, *, tolerance: int = 0) -> tuple[int, int]:
    """Return how many operations of one problem are placed anew, and how many only start at another time."""
    both = (before.mode >= 0) & (after.mode >= 0)
    ordered = np.lexsort((after.end, after.start))
    unit_before, unit_after = before.unit(problem), after.unit(problem)
    kept = np.zeros(len(both), np.bool_)
    place = np.empty(len(both), np.int64)
    place[np.lexsort((before.end, before.start))] = np.arange(len(both))
    for unit in np.unique(unit_after[both]).tolist():
        rows = ordered[(both & (unit_before == unit) & (unit_after == unit))[ordered]].tolist()
        kept[[rows[at] for at in _longest_rise([int(place[row]) for row in rows])]] = True
    shifted = both & kept & (np.abs(after.start - before.start) > tolerance)
    return int((both & ~kept).sum()), int(shifted.sum())


def _in_order(before: dict[Name, tuple[str, int, int]], after: dict[Name, Place]) -> set[Name]:
    """Return the operations that stay on their unit in the order that they had: as many as there can be of each unit."""
    rank = {name: at for at, name in enumerate(sorted(before, key=lambda name: (before[name][1], before[name][2], name)))}
    lines: dict[str, list[Name]] = {}
    for name in sorted(after, key=lambda name: (after[name].start, after[name].end, rank.get(name, -1))):
        if name in before and before[name][0] == after[name].unit:
            lines.setdefault(after[name].unit, []).append(name)
    return {line[at] for line in lines.values() for at in _longest_rise([rank[name] for name in line])}


def _longest_rise(values: list[int]) -> list[int]:
    """Return the places of a longest rising part of a row of different numbers."""
    tails: list[int] = []
    lasts: list[int] = []
    before = [-1] * len(values)
    for at, value in enumerate(values):
        slot = bisect_left(tails, value)
        before[at] = lasts[slot - 1] if slot else -1
        tails[slot : slot + 1] = [value]
        lasts[slot : slot + 1] = [at]
    found: list[int] = []
    at = lasts[-1] if lasts else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]


def _places(problem: PlanProblem, plan: Plan, *, offset: int) -> dict[Name, Place]:
    units = [unit.name for unit in problem.units]
    jobs = [problem.jobs[job].name for job in problem.operation_job.tolist()]
    unit = plan.unit(problem).tolist()
    start, end = (plan.start - offset).tolist(), (plan.end - offset).tolist()
    return {
        (jobs[row], problem.operation_name[row]): Place(units[unit[row]], start[row], end[row])
        for row in np.flatnonzero(plan.mode >= 0).tolist()
    }


def _ends(problem: PlanProblem, plan: Plan, offset: int) -> dict[str, tuple[int, int]]:
    """Return end and lateness of each job."""
    found: dict[str, tuple[int, int]] = {}
    done = plan.mode >= 0
    ends = np.full(len(problem.jobs), -1, np.int64)
    np.maximum.at(ends, problem.operation_job[done], plan.end[done])
    for job, end in zip(problem.jobs, ends.tolist(), strict=True):
        if end >= 0:
            found[job.name] = (end - offset, 0 if job.due is None else max(end - job.due, 0))
    return found


def _jobs(one: tuple[PlanProblem, Plan], other: tuple[PlanProblem, Plan], offset: int) -> Iterator[MovedJob]:
    before, after = _ends(*one, offset), _ends(*other, 0)
    for name in before.keys() & after.keys():
        (end_before, late_before), (end_after, late_after) = before[name], after[name]
        if end_before != end_after:
            yield MovedJob(name, end_before, end_after, late_before, late_after)
