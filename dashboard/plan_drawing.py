"""A plan as the schedule page draws it: columns of whole ticks, so that ten thousand operations travel and are drawn at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plant.plan_order import plan_order
from plant.plan_problem import LockReason, PlanProblem, Ticks
from plant.plans import Plan

USUAL_TICK_US = 60_000_000
"""A tick of a plan without a clock, so that it can be drawn all the same."""
LOCK_CODES = {None: 0, LockReason.STARTED: 1, LockReason.FROZEN: 2, LockReason.PERSON: 3}


@dataclass(frozen=True, slots=True)
class UnitLane:
    """A work unit with the times at which it does not work."""

    name: str
    group: str
    closed: list[tuple[int, int]]
    stops: list[tuple[int, int, str]]
    """Breakdowns, with words: from, to in ticks."""


@dataclass(frozen=True, slots=True)
class JobColumns:
    """The parts that are made, as columns."""

    name: list[str]
    order: list[str]
    product: list[str]
    family: list[str]
    due: list[int | None]
    end: list[int]
    late: list[int]
    """Ticks that it ends after its due date; 0 where it is in time."""


@dataclass(frozen=True, slots=True)
class OperationColumns:
    """What is done, as columns; ``row`` is the operation's row in the plan's problem, by which it is asked for."""

    row: list[int]
    job: list[int]
    name: list[str]
    unit: list[int]
    setup: list[int]
    """When its setup begins; its start where it needs none."""
    start: list[int]
    end: list[int]
    lock: list[int]
    """0 free, 1 started, 2 frozen, 3 locked by a person."""
    moved: list[int]
    """Ticks that it starts later than in the reference plan; less than 0: earlier."""
    elsewhere: list[int]
    """1 where it is done on another unit than in the reference plan, or is not in it."""


@dataclass(frozen=True, slots=True)
class TripColumns:
    """What vehicles carry, as columns; ``operation`` is the place of the operation in its columns."""

    vehicle: list[int]
    operation: list[int]
    origin: list[int]
    destination: list[int]
    leaves: list[int]
    arrives: list[int]


@dataclass(frozen=True, slots=True)
class PlanDrawing:
    """All that is drawn of one version of the plan. Times are ticks: microseconds are ``origin_us + tick * tick_us``."""

    plan: int
    kind: str
    origin_us: int
    tick_us: int
    frozen_until_us: int | None
    units: list[UnitLane]
    jobs: JobColumns
    operations: OperationColumns
    trips: TripColumns


@dataclass(frozen=True, slots=True)
class Span:
    """A time at which a unit stands still, and why."""

    unit: str
    from_us: int
    to_us: int
    words: str


def clock_of(problem: PlanProblem, made_us: int) -> tuple[int, int]:
    """Return the time of tick 0 and the length of a tick, both in microseconds."""
    if problem.tick_s is None or problem.origin_us is None:
        return made_us, USUAL_TICK_US
    return problem.origin_us, round(problem.tick_s * 1_000_000)


def drawing(
    number: int,
    kind: str,
    made_us: int,
    problem: PlanProblem,
    plan: Plan,
    *,
    frozen_until_us: int | None = None,
    stops: Sequence[Span] = (),
    reference: Mapping[tuple[str, str], tuple[str, int]] | None = None,
) -> PlanDrawing:
    """Return what is drawn. ``reference``: unit and start (microseconds) of operations by job and name, in the plan to compare with."""
    origin_us, tick_us = clock_of(problem, made_us)
    order = plan_order(problem, plan)
    done = np.flatnonzero(plan.mode >= 0)
    moved, elsewhere = _moved(problem, plan, done, origin_us, tick_us, reference)
    return PlanDrawing(
        plan=number,
        kind=kind,
        origin_us=origin_us,
        tick_us=tick_us,
        frozen_until_us=frozen_until_us,
        units=_units(problem, stops, origin_us, tick_us),
        jobs=_jobs(problem, plan, done),
        operations=OperationColumns(
            row=done.tolist(),
            job=problem.operation_job[done].tolist(),
            name=[problem.operation_name[row] for row in done.tolist()],
            unit=order.unit[done].tolist(),
            setup=(plan.start[done] - order.setup[done]).tolist(),
            start=plan.start[done].tolist(),
            end=plan.end[done].tolist(),
            lock=_locks(problem)[done].tolist(),
            moved=moved,
            elsewhere=elsewhere,
        ),
        trips=_trips(plan, done),
    )


def starts_by_name(problem: PlanProblem, plan: Plan, made_us: int) -> dict[tuple[str, str], tuple[str, int]]:
    """Return unit and start of each operation that is done, by job and name: rows differ from plan to plan, names do not."""
    origin_us, tick_us = clock_of(problem, made_us)
    unit, jobs = plan.unit(problem), problem.jobs
    return {
        (jobs[problem.operation_job[row]].name, problem.operation_name[row]): (
            problem.units[unit[row]].name,
            origin_us + int(plan.start[row]) * tick_us,
        )
        for row in np.flatnonzero(plan.mode >= 0).tolist()
    }


def job_ends(problem: PlanProblem, plan: Plan) -> Ticks:
    """Return when each job ends; -1 where nothing of it is done."""
    ends = np.full(len(problem.jobs), -1, np.int64)
    done = plan.mode >= 0
    np.maximum.at(ends, problem.operation_job[done], plan.end[done])
    return ends


def _locks(problem: PlanProblem) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    found = np.zeros(len(problem.operation_job), np.int8)
    for lock in problem.locks:
        found[lock.operation] = LOCK_CODES[lock.reason]
    return found


def _units(problem: PlanProblem, stops: Sequence[Span], origin_us: int, tick_us: int) -> list[UnitLane]:
    of_unit: dict[str, list[tuple[int, int, str]]] = {}
    for one in stops:
        span = ((one.from_us - origin_us) // tick_us, -(-(one.to_us - origin_us) // tick_us), one.words)
        of_unit.setdefault(one.unit, []).append(span)
    return [
        UnitLane(unit.name, unit.group, [(int(a), int(b)) for a, b in unit.closed], sorted(of_unit.get(unit.name, [])))
        for unit in problem.units
    ]


def _jobs(problem: PlanProblem, plan: Plan, done: np.ndarray[tuple[int], np.dtype[np.intp]]) -> JobColumns:
    ends = job_ends(problem, plan).tolist() if len(done) else [-1] * len(problem.jobs)
    jobs = problem.jobs
    return JobColumns(
        name=[job.name for job in jobs],
        order=[job.order for job in jobs],
        product=[job.product for job in jobs],
        family=[job.family for job in jobs],
        due=[job.due for job in jobs],
        end=ends,
        late=[0 if job.due is None else max(0, end - job.due) for job, end in zip(jobs, ends, strict=True)],
    )


def _moved(
    problem: PlanProblem,
    plan: Plan,
    done: np.ndarray[tuple[int], np.dtype[np.intp]],
    origin_us: int,
    tick_us: int,
    reference: Mapping[tuple[str, str], tuple[str, int]] | None,
) -> tuple[list[int], list[int]]:
    if reference is None:
        return [0] * len(done), [0] * len(done)
    unit, moved, elsewhere = plan.unit(problem), [], []
    for row in done.tolist():
        before = reference.get((problem.jobs[problem.operation_job[row]].name, problem.operation_name[row]))
        if before is None:
            moved.append(0)
            elsewhere.append(1)
        else:
            moved.append(round((origin_us + int(plan.start[row]) * tick_us - before[1]) / tick_us))
            elsewhere.append(int(before[0] != problem.units[unit[row]].name))
    return moved, elsewhere


def _trips(plan: Plan, done: np.ndarray[tuple[int], np.dtype[np.intp]]) -> TripColumns:
    place = {row: n for n, row in enumerate(done.tolist())}
    trips = [trip for trip in plan.trips if trip.operation in place]
    return TripColumns(
        [trip.vehicle for trip in trips],
        [place[trip.operation] for trip in trips],
        [trip.origin for trip in trips],
        [trip.destination for trip in trips],
        [trip.leaves for trip in trips],
        [trip.arrives for trip in trips],
    )
