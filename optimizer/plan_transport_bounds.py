"""What no plan with vehicles is below, told at once: the work and the way of each part, of each unit, and what vehicles have to drive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plant.plan_problem import Ints, Job, PlanProblem, Ticks, Transport

_LARGEST_BOUND = 1_200
"""Trips: the bound by assignment takes seconds for more."""


def vehicle_bound(problem: PlanProblem) -> int:
    """Return what no plan is below because of what vehicles have to drive, laden and empty; 0 where that says nothing.

    It is told of the makespan, of parts that are carried in a known order: each trip follows another of its vehicle, over at least the
    least way between where that one can end and this one can begin, and after the last trip something is still done.
    """
    from scipy.optimize import linear_sum_assignment

    transport, objective = problem.transport, problem.objective
    plain = not len(problem.branch_choice) and not problem.locks and objective.makespan > 0
    if transport is None or transport.vehicles is None or not plain:
        return 0
    trips = [] if not _chains(problem) else list(_sure_trips(problem, transport))
    if not trips or len(trips) > _LARGEST_BOUND:
        return 0
    size, vehicles = len(trips), min(transport.vehicles, len(trips))
    laden = sum(way for _, _, way, _ in trips)
    sets: dict[tuple[int, ...], int] = {(transport.start,): 0}
    begins = [sets.setdefault(tuple(origins.tolist()), len(sets)) for origins, _, _, _ in trips]
    ends = [sets.setdefault(tuple(places.tolist()), len(sets)) for _, places, _, _ in trips]
    least = np.array([[transport.travel[np.ix_(one, other)].min() for other in sets] for one in sets], np.int64)
    costs = np.zeros((size + vehicles, size + vehicles), np.int64)
    costs[:size, :size] = least[np.ix_(ends, begins)]
    costs[size:, :size] = least[0, begins]
    np.fill_diagonal(costs[:size, :size], 1 << 40)
    rows, columns = linear_sum_assignment(costs)
    driven = laden + int(costs[rows, columns].sum())
    rest = min(after for _, _, _, after in trips)
    return objective.makespan * (-(-driven // transport.vehicles) + rest)


def way_bound(problem: PlanProblem) -> int:
    """Return what no plan is below because each part has its work and its way, were it alone; 0 where that says nothing."""
    transport, objective, modes = problem.transport, problem.objective, problem.modes_of
    if transport is None or len(problem.branch_choice) or problem.locks or not _chains(problem):
        return 0
    heads, tails = _heads(problem, transport), _tails(problem, transport)
    shortest = np.minimum.reduceat(problem.mode_duration, modes[:-1])
    ends = np.array([job.release for job in problem.jobs], np.int64)
    np.maximum.at(ends, problem.operation_job, heads + shortest + tails)
    makespan = max(int(ends.max()), _busiest(problem, heads, tails))
    jobs = zip(problem.jobs, ends.tolist(), strict=True)
    late, flow = (sum(part) for part in zip(*((_late(job, end), end - job.release) for job, end in jobs), strict=True))
    return int(objective.makespan * makespan + objective.tardiness * late + objective.flow * flow)


def _heads(problem: PlanProblem, transport: Transport) -> Ticks:
    """Return before when no operation can start, were its part alone."""
    modes, job_of = problem.modes_of, problem.operation_job
    found = np.zeros(len(job_of), np.int64)
    for row, job in enumerate(job_of):
        if row == 0 or job_of[row - 1] != job:
            reached = np.array([max(problem.jobs[job].release, problem.now)], np.int64)
            places = np.array([transport.start], np.int32)
        ways = slice(int(modes[row]), int(modes[row + 1]))
        there = transport.place[problem.mode_unit[ways]]
        comes = (reached[:, None] + transport.travel[np.ix_(places, there)]).min(axis=0)
        found[row], reached, places = comes.min(), comes + problem.mode_duration[ways], there
    return found


def _tails(problem: PlanProblem, transport: Transport) -> Ticks:
    """Return how long a part has at least to go on after each operation."""
    modes, job_of = problem.modes_of, problem.operation_job
    found = np.zeros(len(job_of), np.int64)
    rest: Ticks = np.zeros(0, np.int64)
    places: Ints = np.zeros(0, np.int32)
    for row in range(len(job_of) - 1, -1, -1):
        ways = slice(int(modes[row]), int(modes[row + 1]))
        here = transport.place[problem.mode_unit[ways]]
        goes = np.zeros(len(here), np.int64)
        if row + 1 < len(job_of) and job_of[row + 1] == job_of[row]:
            goes = (transport.travel[np.ix_(here, places)] + rest).min(axis=1)
        found[row], rest, places = goes.min(), goes + problem.mode_duration[ways], here
    return found


def _busiest(problem: PlanProblem, heads: Ticks, tails: Ticks) -> int:
    """Return before when no unit is done with what only it can do."""
    modes = problem.modes_of
    alone = np.flatnonzero(np.diff(modes) == 1)
    unit, lasts = problem.mode_unit[modes[alone]], problem.mode_duration[modes[alone]]
    best = 0
    for one in np.unique(unit):
        here = np.flatnonzero(unit == one)
        here = here[np.argsort(-heads[alone[here]], kind="stable")]
        # of those that come last: the first of them, all of their work, and the least that follows
        work, after = np.cumsum(lasts[here]), np.minimum.accumulate(tails[alone[here]])
        best = max(best, int((heads[alone[here]] + work + after).max()))
    return best


def _late(job: Job, end: int) -> int:
    return 0 if job.due is None else max(end - job.due, 0) * job.weight


def _chains(problem: PlanProblem) -> bool:
    """Return whether the operations of each job follow each other, as arcs tell."""
    follows = set(zip(problem.arc_before.tolist(), problem.arc_after.tolist(), strict=True))
    job = problem.operation_job
    return all((row, row + 1) in follows for row in range(len(job) - 1) if job[row] == job[row + 1]) and bool((np.diff(job) >= 0).all())


def _sure_trips(problem: PlanProblem, transport: Transport) -> Iterator[tuple[Ints, Ints, int, int]]:
    """Yield the trips that each plan has: where they can begin and end, how long they are at least, what is done after them at least."""
    modes, job = problem.modes_of, problem.operation_job
    shortest = np.minimum.reduceat(problem.mode_duration, modes[:-1])
    for row in range(len(job)):
        places = np.unique(transport.place[problem.mode_unit[modes[row] : modes[row + 1]]])
        first = row == 0 or job[row - 1] != job[row]
        origins = np.array([transport.start], np.int32)
        if not first:
            origins = np.unique(transport.place[problem.mode_unit[modes[row - 1] : modes[row]]])
        if np.intersect1d(places, origins).size:
            continue
        rest = int(shortest[row:][job[row:] == job[row]].sum())
        yield origins, places, int(transport.travel[np.ix_(origins, places)].min()), rest
