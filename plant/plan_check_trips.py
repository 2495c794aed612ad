"""Whether every part that changes place is carried, by a vehicle that can be there, in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plant.plan_order import PlanOrder
from plant.plan_problem import PlanProblem, Ticks
from plant.plan_words import Whole, operation_words, time_words
from plant.plans import Plan, Trip

_Rows = NDArray[np.bool_]


def arrivals(problem: PlanProblem, plan: Plan, order: PlanOrder) -> Ticks:
    """Return when the part of each operation is at its unit: after what was done before, and the way."""
    release = np.array([job.release for job in problem.jobs], np.int64)[problem.operation_job]
    before = order.before_of_part
    there = np.where(before >= 0, plan.end[before], release)
    if problem.transport is not None:
        way = order.carried
        there[way] += problem.transport.travel[order.origin[way], order.place[way]]
        for trip in plan.trips:
            if 0 <= trip.operation < len(there) and way[trip.operation]:
                there[trip.operation] = max(int(there[trip.operation]), trip.arrives)
    return there


def trip_faults(problem: PlanProblem, plan: Plan, order: PlanOrder, started: _Rows, locked: _Rows) -> Iterator[str]:
    """Yield ways without a trip, trips without a way, trips that begin too early or end too late, vehicles in two places."""
    transport = problem.transport
    if transport is None:
        if plan.trips:
            yield f"the plan has {len(plan.trips):,} trips, and the problem has no transport"
        return
    way = order.carried
    carried = np.zeros(len(plan.mode), np.int64)
    sound: list[Trip] = []
    for trip in plan.trips:
        wrong = _misfit(problem, plan, order, trip)
        if wrong:
            yield wrong
            continue
        sound.append(trip)
        carried[trip.operation] += 1
        yield from _time_faults(problem, plan, order, trip, started, locked)
    if transport.vehicles is None:
        starts_early = way & ~started & (carried == 0)
        there = arrivals(problem, plan, order)
        for row in np.flatnonzero(starts_early & (plan.start < there)):
            starts = f"{operation_words(problem, row)} starts at {time_words(problem, plan.start[row])}"
            yield f"{starts}, and its part is there at {time_words(problem, there[row])}"
        return
    for row in np.flatnonzero(way & ~started & (carried == 0)):
        yield f"the part of {operation_words(problem, row)} must get from {_ways(order, row)}, and there is no trip"
    for row in np.flatnonzero(carried > 1):
        yield f"the part of {operation_words(problem, row)} is carried {carried[row]} times"
    yield from _vehicle_faults(problem, sound)


def _ways(order: PlanOrder, row: Whole) -> str:
    return f"place {order.origin[row]} to place {order.place[row]}"


def _misfit(problem: PlanProblem, plan: Plan, order: PlanOrder, trip: Trip) -> str | None:
    assert problem.transport is not None  # noqa: S101 - the caller asked
    vehicles = problem.transport.vehicles
    if not 0 <= trip.operation < len(plan.mode):
        return f"a trip is to operation {trip.operation}, and there are {len(plan.mode):,} operations"
    name = operation_words(problem, trip.operation)
    if plan.mode[trip.operation] < 0:
        return f"the part of {name} is carried, and the operation is not done"
    if (trip.origin, trip.destination) != (order.origin[trip.operation], order.place[trip.operation]):
        went = f"place {trip.origin} to place {trip.destination}"
        return f"the part of {name} must get from {_ways(order, trip.operation)}, and its trip is from {went}"
    if not order.carried[trip.operation]:
        return f"the part of {name} is carried, and does not change place"
    if vehicles is not None and not 0 <= trip.vehicle < vehicles:
        return f"the part of {name} is carried by vehicle {trip.vehicle + 1}, and there are {vehicles}"
    return None


def _time_faults(problem: PlanProblem, plan: Plan, order: PlanOrder, trip: Trip, started: _Rows, locked: _Rows) -> Iterator[str]:
    assert problem.transport is not None  # noqa: S101 - the caller asked
    row, before = trip.operation, order.before_of_part[trip.operation]
    takes = int(problem.transport.travel[trip.origin, trip.destination])
    leaves, arrives = time_words(problem, trip.leaves), time_words(problem, trip.arrives)
    head = f"the trip to {operation_words(problem, row)} leaves at {leaves}"
    if trip.arrives - trip.leaves != takes:
        yield f"{head} and arrives at {arrives}; the way from {_ways(order, row)} takes {takes:,}"
    if started[row]:
        return
    job = problem.jobs[problem.operation_job[row]]
    if before >= 0 and trip.leaves < plan.end[before]:
        yield f"{head}, before {operation_words(problem, before)} has ended at {time_words(problem, plan.end[before])}"
    elif before < 0 and trip.leaves < job.release:
        yield f"{head}, before its job is released at {time_words(problem, job.release)}"
    if trip.leaves < problem.now and not locked[row]:
        yield f"{head}, before now, {time_words(problem, problem.now)}"
    if plan.start[row] < trip.arrives:
        starts = f"{operation_words(problem, row)} starts at {time_words(problem, plan.start[row])}"
        yield f"{starts}, and its part is there at {arrives}"


def _vehicle_faults(problem: PlanProblem, trips: list[Trip]) -> Iterator[str]:
    assert problem.transport is not None  # noqa: S101 - the caller asked
    ordered = sorted(trips, key=lambda trip: (trip.vehicle, trip.leaves, trip.arrives))
    last: Trip | None = None
    for trip in ordered:
        follows = last is not None and last.vehicle == trip.vehicle
        stands, free = (last.destination, last.arrives) if last is not None and follows else (problem.transport.start, 0)
        there = free + int(problem.transport.travel[stands, trip.origin])
        if trip.leaves < there:
            head = f"vehicle {trip.vehicle + 1} leaves place {trip.origin} at {time_words(problem, trip.leaves)}"
            coming = f"coming empty from place {stands} it is there at {time_words(problem, there)}"
            yield f"{head} with the part of {operation_words(problem, trip.operation)}; {coming}"
        last = trip
