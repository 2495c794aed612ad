"""A plan that stands, brought over into a problem that was made anew: by the names of jobs, operations, units and alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plant.plan_problem import Ints, PlanProblem
from plant.plans import Plan, Trip
from plant.unit_calendars import open_times


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands, by names and in microseconds."""

    unit: str
    alternative: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A plan that stands, with its problem and the number it is kept by."""

    number: int | None
    problem: PlanProblem
    plan: Plan


def places(problem: PlanProblem, plan: Plan) -> dict[tuple[str, str], Place]:
    """Return where each operation that is done stands, by job and operation."""
    origin, tick = clock_of(problem)
    found = {}
    for row in np.flatnonzero(plan.mode >= 0).tolist():
        mode = int(plan.mode[row])
        found[problem.jobs[problem.operation_job[row]].name, problem.operation_name[row]] = Place(
            problem.units[problem.mode_unit[mode]].name,
            problem.mode_name[mode],
            origin + int(plan.start[row]) * tick,
            origin + int(plan.end[row]) * tick,
        )
    return found


def carried(standing: Standing | None, problem: PlanProblem, now: int) -> Plan:
    """Return the plan that stands in the rows of another problem; what is not in it is not placed.

    What has begun and not ended ends as its duration says: what came between is applied anew each time.
    """
    count = len(problem.operation_job)
    mode, start, end = np.full(count, -1, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64)
    if standing is None:
        return Plan(mode, start, end)
    origin, tick = clock_of(problem)
    stood = places(standing.problem, standing.plan)
    ways = _ways(problem)
    rows: dict[tuple[str, str], int] = {}
    for row in range(count):
        key = (problem.jobs[problem.operation_job[row]].name, problem.operation_name[row])
        rows[key] = row
        place = stood.get(key)
        at = None if place is None else ways.get((row, place.unit, place.alternative), ways.get((row, place.unit, "")))
        if place is None or at is None:
            continue
        mode[row], start[row] = at, round((place.start_us - origin) / tick)
        end[row] = round((place.end_us - origin) / tick)
        if not start[row] < end[row] <= now:
            calendar = open_times(problem.units[problem.mode_unit[at]])
            end[row] = calendar.end(int(start[row]), int(problem.mode_duration[at]))
    return Plan(mode, start, end, _trips(standing, problem, mode, rows))


def moved_count(before: Mapping[tuple[str, str], Place], after: Mapping[tuple[str, str], Place]) -> int:
    """Return how many operations of both stand elsewhere, or at another time."""
    return sum((place.unit, place.start_us) != (before[key].unit, before[key].start_us) for key, place in after.items() if key in before)


def is_other(before: Standing | None, after: Standing, now_us: int, room_us: int = 0) -> bool:
    """Whether a plan says anything else than the one before, times within ``room_us`` being the same; what has ended may be missing."""
    if before is None:
        return True
    old, new = places(before.problem, before.plan), places(after.problem, after.plan)
    if any(old[key].end_us > now_us for key in old.keys() - new.keys()) or new.keys() - old.keys():
        return True
    return any(
        (place.unit, place.alternative) != (old[key].unit, old[key].alternative)
        or max(abs(place.start_us - old[key].start_us), abs(place.end_us - old[key].end_us)) > room_us
        for key, place in new.items()
    )


def clock_of(problem: PlanProblem) -> tuple[int, int]:
    """Return the origin of a problem and its tick in microseconds."""
    if problem.origin_us is None or problem.tick_s is None:
        raise ValueError(f"problem '{problem.name}' has no clock")
    return problem.origin_us, round(problem.tick_s * 1e6)


def _ways(problem: PlanProblem) -> dict[tuple[int, str, str], int]:
    found: dict[tuple[int, str, str], int] = {}
    for mode in range(len(problem.mode_operation)):
        row, unit = int(problem.mode_operation[mode]), problem.units[problem.mode_unit[mode]].name
        found.setdefault((row, unit, problem.mode_name[mode]), mode)
        found.setdefault((row, unit, ""), mode)
    return found


def _trips(standing: Standing, problem: PlanProblem, mode: Ints, rows: Mapping[tuple[str, str], int]) -> tuple[Trip, ...]:
    before, after = standing.problem.transport, problem.transport
    if not standing.plan.trips or before is None or after is None or before.vehicles != after.vehicles:
        return ()
    if before.travel.shape != after.travel.shape or not (before.travel == after.travel).all():
        return ()
    (old, tick), (origin, _) = clock_of(standing.problem), clock_of(problem)
    found = []
    for trip in standing.plan.trips:
        key = (standing.problem.jobs[standing.problem.operation_job[trip.operation]].name, standing.problem.operation_name[trip.operation])
        row = rows.get(key)
        if row is not None and mode[row] >= 0:
            leaves, arrives = (round((old + time * tick - origin) / tick) for time in (trip.leaves, trip.arrives))
            found.append(Trip(trip.vehicle, row, trip.origin, trip.destination, leaves, arrives))
    return tuple(found)
