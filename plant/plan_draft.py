"""A problem and its plan while operations come in and fall out of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plant.disturbances import NewArc, NewMode, NewOperation
from plant.errors import Rejected
from plant.plan_problem import ALWAYS, Ints, Job, PlanProblem
from plant.plans import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """A problem with more operations, and where they are."""

    problem: PlanProblem
    plan: Plan
    rows: dict[str, int]
    """Of the new operations, by name."""


def row_of(problem: PlanProblem, job: str, operation: str) -> int:
    """Return the row of an operation."""
    number = job_of(problem, job)
    for row in np.flatnonzero(problem.operation_job == number).tolist():
        if problem.operation_name[row] == operation:
            return int(row)
    raise Rejected(f"job {job} has no operation {operation}")


def job_of(problem: PlanProblem, job: str) -> int:
    """Return the row of a job."""
    return _found([one.name for one in problem.jobs], job, "job")


def unit_of(problem: PlanProblem, unit: str) -> int:
    """Return the row of a work unit."""
    return _found([one.name for one in problem.units], unit, "work unit")


def resource_of(problem: PlanProblem, resource: str) -> int:
    """Return the row of a resource."""
    return _found([one.name for one in problem.resources], resource, "resource")


def modes_as_new(problem: PlanProblem, row: int) -> tuple[NewMode, ...]:
    """Return the modes of an operation as values, so that it can be done once more."""
    found = []
    for mode in np.flatnonzero(problem.mode_operation == row).tolist():
        needs = np.flatnonzero(problem.need_mode == mode).tolist()
        found.append(
            NewMode(
                unit=problem.units[problem.mode_unit[mode]].name,
                duration=int(problem.mode_duration[mode]),
                setup=int(problem.mode_setup[mode]),
                name=problem.mode_name[mode],
                needs=tuple((problem.resources[problem.need_resource[need]].name, int(problem.need_amount[need])) for need in needs),
            )
        )
    return tuple(found)


def with_job(problem: PlanProblem, job: Job) -> PlanProblem:
    """Return the problem with one more job; no operation is of it yet."""
    if any(one.name == job.name for one in problem.jobs):
        raise Rejected(f"there is a job {job.name} already")
    return replace(problem, jobs=(*problem.jobs, job))


def with_operations(problem: PlanProblem, plan: Plan, job: int, operations: Sequence[NewOperation]) -> Added:
    """Return problem and plan with operations added to a job at the end; the plan does not do them yet."""
    first, count = len(problem.operation_job), len(operations)
    modes = [(first + at, mode) for at, one in enumerate(operations) for mode in one.modes]
    for one in operations:
        if not one.modes:
            raise Rejected(f"operation {one.name} can be done nowhere")
    needs = [(len(problem.mode_operation) + at, need) for at, (_, mode) in enumerate(modes) for need in mode.needs]
    grown = replace(
        problem,
        operation_job=_with(problem.operation_job, [job] * count),
        operation_name=[*problem.operation_name, *(one.name for one in operations)],
        operation_branch=_with(problem.operation_branch, [ALWAYS] * count),
        mode_operation=_with(problem.mode_operation, [row for row, _ in modes]),
        mode_unit=_with(problem.mode_unit, [unit_of(problem, mode.unit) for _, mode in modes]),
        mode_duration=np.concatenate((problem.mode_duration, np.array([mode.duration for _, mode in modes], np.int64))),
        mode_setup=_with(problem.mode_setup, [mode.setup for _, mode in modes]),
        mode_name=[*problem.mode_name, *(mode.name for _, mode in modes)],
        need_mode=_with(problem.need_mode, [mode for mode, _ in needs]),
        need_resource=_with(problem.need_resource, [resource_of(problem, name) for _, (name, _) in needs]),
        need_amount=_with(problem.need_amount, [amount for _, (_, amount) in needs]),
        reference_mode=None if problem.reference_mode is None else _with(problem.reference_mode, [-1] * count),
        reference_start=None if problem.reference_start is None else np.concatenate((problem.reference_start, np.zeros(count, np.int64))),
    )
    none = np.zeros(count, np.int64)
    longer = Plan(_with(plan.mode, [-1] * count), np.concatenate((plan.start, none)), np.concatenate((plan.end, none)), plan.trips)
    return Added(grown, longer, {one.name: first + at for at, one in enumerate(operations)})


def with_arcs(problem: PlanProblem, arcs: Iterable[tuple[int, int, int, int]]) -> PlanProblem:
    """Return the problem with more arcs: before, after, least, most."""
    rows = np.array([*arcs], np.int64).reshape(-1, 4)
    return replace(
        problem,
        arc_before=np.concatenate((problem.arc_before, rows[:, 0].astype(np.int32))),
        arc_after=np.concatenate((problem.arc_after, rows[:, 1].astype(np.int32))),
        arc_least=np.concatenate((problem.arc_least, rows[:, 2])),
        arc_most=np.concatenate((problem.arc_most, rows[:, 3])),
    )


def with_named_arcs(problem: PlanProblem, rows: dict[str, int], arcs: Iterable[NewArc]) -> PlanProblem:
    """Return the problem with arcs between operations known by name; where both are known."""
    known = [one for one in arcs if one.before in rows and one.after in rows]
    return with_arcs(problem, [(rows[one.before], rows[one.after], one.least, one.most) for one in known])


def without_operations(problem: PlanProblem, plan: Plan, rows: Collection[int]) -> tuple[PlanProblem, Plan, Ints]:
    """Return problem and plan without operations, and where each of the others is now (-1: it fell away).

    What came before one of them comes before what came after it.
    """
    if not rows:
        return problem, plan, np.arange(len(problem.operation_job), dtype=np.int32)
    problem = with_arcs(problem, _over(problem, rows))
    stays = np.ones(len(problem.operation_job), np.bool_)
    stays[sorted(rows)] = False
    place = _places(stays)
    mode_stays = stays[problem.mode_operation]
    mode_place = _places(mode_stays)
    need_stays = mode_stays[problem.need_mode]
    arc_stays = stays[problem.arc_before] & stays[problem.arc_after]
    kept = replace(
        problem,
        operation_job=problem.operation_job[stays],
        operation_name=[name for name, one in zip(problem.operation_name, stays, strict=True) if one],
        operation_branch=problem.operation_branch[stays],
        mode_operation=place[problem.mode_operation[mode_stays]],
        mode_unit=problem.mode_unit[mode_stays],
        mode_duration=problem.mode_duration[mode_stays],
        mode_setup=problem.mode_setup[mode_stays],
        mode_name=[name for name, one in zip(problem.mode_name, mode_stays, strict=True) if one],
        need_mode=mode_place[problem.need_mode[need_stays]],
        need_resource=problem.need_resource[need_stays],
        need_amount=problem.need_amount[need_stays],
        arc_before=place[problem.arc_before[arc_stays]],
        arc_after=place[problem.arc_after[arc_stays]],
        arc_least=problem.arc_least[arc_stays],
        arc_most=problem.arc_most[arc_stays],
        locks=tuple(
            replace(lock, operation=int(place[lock.operation]), mode=int(mode_place[lock.mode]))
            for lock in problem.locks
            if stays[lock.operation]
        ),
        reference_mode=None if problem.reference_mode is None else _moved_modes(problem.reference_mode[stays], mode_place),
        reference_start=None if problem.reference_start is None else problem.reference_start[stays],
    )
    trips = tuple(replace(trip, operation=int(place[trip.operation])) for trip in plan.trips if stays[trip.operation])
    return kept, Plan(_moved_modes(plan.mode[stays], mode_place), plan.start[stays], plan.end[stays], trips), place


def _over(problem: PlanProblem, rows: Collection[int]) -> list[tuple[int, int, int, int]]:
    """Return arcs that lead around operations that fall away."""
    after: dict[int, list[int]] = {}
    for first, then in zip(problem.arc_before.tolist(), problem.arc_after.tolist(), strict=True):
        after.setdefault(first, []).append(then)
    gone, found = set(rows), []
    for first in {first for first, then in zip(problem.arc_before.tolist(), problem.arc_after.tolist(), strict=True) if then in gone}:
        if first in gone:
            continue
        seen: set[int] = set()
        look = [then for then in after[first] if then in gone]
        while look:
            for then in after.get(look.pop(), ()):
                if then not in seen:
                    seen.add(then)
                    if then in gone:
                        look.append(then)
                    else:
                        found.append((first, then, 0, -1))
    return found


def _found(names: list[str], name: str, what: str) -> int:
    if name not in names:
        raise Rejected(f"there is no {what} named {name}")
    return names.index(name)


def _with(column: Ints, more: Sequence[int]) -> Ints:
    return np.concatenate((column, np.array(more, np.int32))).astype(np.int32)


def _places(stays: NDArray[np.bool_]) -> Ints:
    return np.where(stays, np.cumsum(stays) - 1, -1).astype(np.int32)


def _moved_modes(mode: Ints, place: Ints) -> Ints:
    return np.where(mode >= 0, place[mode], np.int32(-1)).astype(np.int32)
