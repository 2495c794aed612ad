"""How a plant did: lead time, lateness, the takt that machines left the line in, and how many were in work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import PlanProblem
from plant.plans import Plan


@dataclass(frozen=True, slots=True)
class PlantFigures:
    """Of all jobs; times in ticks."""

    lead_mean: float
    """From release to the end of the last operation."""
    lead_p95: float
    late_share: float
    late_mean: float
    """Of all jobs, those in time with 0."""
    late_worst: int
    makespan: int
    work_mean: float
    """Jobs begun and not ended, on the average over the time from the first start to the last end."""
    work_most: int
    interval_least: int
    """Between machines that leave the line one after the other."""
    interval_most: int
    in_takt: float
    """Share of those intervals that lie within takt +-10 %."""
    missed: int


def plant_figures(problem: PlanProblem, done: Plan, last_station: int, takt: int) -> PlantFigures:
    """Return the figures of what was done (or planned); ``last_station``: the unit at which machines leave the line."""
    jobs = len(problem.jobs)
    begins, ends = np.full(jobs, np.iinfo(np.int64).max), np.zeros(jobs, np.int64)
    rows = done.mode >= 0
    np.minimum.at(begins, problem.operation_job[rows], done.start[rows])
    np.maximum.at(ends, problem.operation_job[rows], done.end[rows])
    release = np.array([job.release for job in problem.jobs], np.int64)
    late = np.array(
        [max(0, int(end) - job.due) if job.due is not None else 0 for job, end in zip(problem.jobs, ends, strict=True)], np.int64
    )
    lead = ends - release
    intervals = leaving(problem, done, last_station)
    within = (intervals >= 0.9 * takt) & (intervals <= 1.1 * takt)
    times = np.concatenate([begins, ends])
    change = np.concatenate([np.ones(jobs, np.int64), -np.ones(jobs, np.int64)])
    in_order = np.lexsort((change, times))
    return PlantFigures(
        lead_mean=float(lead.mean()),
        lead_p95=float(np.quantile(lead, 0.95)),
        late_share=float((late > 0).mean()),
        late_mean=float(late.mean()),
        late_worst=int(late.max()),
        makespan=int(ends.max()),
        work_mean=float((ends - begins).sum() / (ends.max() - begins.min())),
        work_most=int(np.cumsum(change[in_order]).max()),
        interval_least=int(intervals.min(initial=takt)),
        interval_most=int(intervals.max(initial=takt)),
        in_takt=float(within.mean()) if len(intervals) else 1.0,
        missed=int((~within).sum()),
    )


def leaving(problem: PlanProblem, done: Plan, last_station: int) -> NDArray[np.int64]:
    """Return the ticks between machines that leave the line, one after the other."""
    return np.diff(np.sort(done.end[(done.mode >= 0) & (done.unit(problem) == last_station)]))


def station_loads(problem: PlanProblem, done: Plan, line: Sequence[int], takt: int, window: int) -> NDArray[np.float64]:
    """Return (stations, windows): planned work as a share of takt, of each ``window`` machines in a row in the order of the line."""
    loads = []
    units = done.unit(problem)
    for unit in line:
        rows = np.flatnonzero((done.mode >= 0) & (units == unit))
        work = problem.mode_duration[done.mode[rows[np.argsort(done.start[rows], kind="stable")]]].astype(np.float64)
        loads.append(np.convolve(work, np.ones(window) / window, "valid") / takt)
    return np.array(loads)
