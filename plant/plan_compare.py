"""Two plans side by side: what moved, what came and went, which orders end later or earlier.

Operations are known by job and name, so that plans of different problems compare too. Two counts of moved operations are told, because
they mean different things to people on the floor:

* *placed anew*: the operation has another unit, or another operation directly before it on its unit: material, programs and people go
  elsewhere, or in another order.
* *shifted*: its place in the order is the same, and its start differs by more than a tolerance.
"""

from __future__ import annotations

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
    follows: Name | None
    """The operation directly before it on its unit."""


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
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        anew = was.unit != now.unit or not _follows_alike(was.follows, now.follows, came, gone)
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
    anew = both & (before.unit(problem) != after.unit(problem))
    anew |= both & (_follows(problem, before) != _follows(problem, after))
    shifted = both & ~anew & (np.abs(after.start - before.start) > tolerance)
    return int(anew.sum()), int(shifted.sum())


def _follows_alike(was: Name | None, now: Name | None, came: set[Name], gone: set[Name]) -> bool:
    """Return whether the operation before is the same; one that came in or fell away moves nobody behind it."""
    return was == now or (now is not None and now in came) or (was is not None and was in gone)


def _follows(problem: PlanProblem, plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    done = np.flatnonzero(plan.mode >= 0)
    unit = plan.unit(problem)
    ordered = done[np.lexsort((done, plan.end[done], plan.start[done], unit[done]))]
    follows = np.full(len(plan.mode), -1, np.int32)
    same = unit[ordered[1:]] == unit[ordered[:-1]]
    follows[ordered[1:][same]] = ordered[:-1][same]
    return follows


def _places(problem: PlanProblem, plan: Plan, *, offset: int) -> dict[Name, Place]:
    units = [unit.name for unit in problem.units]
    jobs = [problem.jobs[job].name for job in problem.operation_job.tolist()]
    follows, unit = _follows(problem, plan).tolist(), plan.unit(problem).tolist()
    start, end = (plan.start - offset).tolist(), (plan.end - offset).tolist()
    names = [(job, problem.operation_name[row]) for row, job in enumerate(jobs)]
    return {
        names[row]: Place(units[unit[row]], start[row], end[row], names[follows[row]] if follows[row] >= 0 else None)
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
