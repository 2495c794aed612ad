"""By when an order is ready, with which probability: a plan's times drawn many times over, held against what earlier promises became.

A plan's units and orders of work are kept; durations vary as measurements say, parts of one product together, and what was not right the
first time takes longer. All draws go through the plan at once: a column per operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plans import Plan

Floats = npt.NDArray[np.float64]

LEVELS: Final = (0.01, *(round(0.05 * step, 2) for step in range(1, 20)), 0.99)
"""Of the quantiles that are kept of a promise."""
TOLD: Final = (0.5, 0.8, 0.95)
"""Probabilities for which a date is told."""
_NORMAL_95: Final = 1.6448536269514722
_MODEL_WEIGHT: Final = 20
"""The model counts as so many orders beside those that ended, and one less for each two of them."""
_LEAST_SPREAD: Final = 0.005
_MOST_SCORES: Final = 400


@dataclass(frozen=True, slots=True)
class Spread:
    """How far what an operation takes may be off: columns over the modes of a problem."""

    log_sd: Floats
    """Of the logarithm of the duration."""
    rework: Floats
    """Probability that it is not right the first time, ..."""
    rework_ticks: Floats
    """... and what that takes."""
    scrap: Floats
    """Probability that the part is lost and is begun anew."""


@dataclass(frozen=True, slots=True)
class Promise:
    """By when an order is ready."""

    order: str
    made_us: int
    planned_end_us: int
    ready_us: tuple[int, int, int]
    """By these times with 50, 80 and 95 % probability."""
    due_probability: float | None
    """That it is ready by its due time; None where it has none."""
    quantiles_us: tuple[int, ...]
    """At ``LEVELS``, as the model alone has them."""
    calibrated_by: int
    """So many orders that ended spoke for it."""


@dataclass(frozen=True, slots=True)
class KeptShare:
    """Of promises with a probability, how many were kept."""

    promised: float
    kept: float
    orders: int


def no_spread(problem: PlanProblem) -> Spread:
    """Return a spread of a problem whose times are certain."""
    nothing = np.zeros(len(problem.mode_unit))
    return Spread(nothing, nothing, nothing, nothing)


def drawn_ends(problem: PlanProblem, plan: Plan, spread: Spread, *, draws: int = 400, seed: int = 0, shared: float = 0.5) -> Floats:
    """Return when each job ends, in ticks: (jobs, draws). ``shared``: the part of the variance that is common to a product."""
    chance = np.random.default_rng(seed)
    products = {name: chance.standard_normal(draws) for name in dict.fromkeys(job.product for job in problem.jobs)}
    locks = {lock.operation: lock for lock in problem.locks}
    calendars = [_OpenTime(unit.closed) for unit in problem.units]
    before = _before(problem, plan)
    carried = {trip.operation: trip.arrives - trip.leaves for trip in plan.trips}
    waits = set(np.unique(problem.need_mode).tolist())
    ends = np.zeros((len(problem.operation_job), draws))
    job_ends = np.tile(np.array([[float(job.release)] for job in problem.jobs]).reshape(-1, 1), (1, draws))
    for row in _in_order(plan):
        mode = int(plan.mode[row])
        unit, job = int(problem.mode_unit[mode]), int(problem.operation_job[row])
        lock = locks.get(row)
        nominal = float(problem.mode_duration[mode])
        took = _drawn(spread, mode, nominal, products[problem.jobs[job].product], chance, shared)
        if lock is not None and lock.reason is LockReason.STARTED:
            ends[row] = _under_way(lock, calendars[unit], took, problem.now, float(plan.end[row]))
        else:
            begin = np.full(draws, float(max(problem.now, problem.jobs[job].release)))
            for other, lag in before[row]:
                np.maximum(begin, ends[other] + lag, out=begin)
            np.maximum(begin, job_ends[job] + carried.get(row, 0), out=begin)
            if (lock is not None and lock.start is not None) or mode in waits:
                # other parts wait for the same people, and a person's lock holds
                np.maximum(begin, float(plan.start[row]), out=begin)
            ends[row] = calendars[unit].end(calendars[unit].start(begin, nominal, pauses=problem.units[unit].pauses), took)
        np.maximum(job_ends[job], ends[row], out=job_ends[job])
    _lose(problem, plan, spread, job_ends, chance)
    return job_ends


def promise(
    order: str,
    ends_us: Floats,
    *,
    made_us: int,
    planned_end_us: int,
    due_us: int | None,
    scores: Sequence[float] = (),
) -> Promise:
    """Return what can be promised of an order whose end was drawn. ``scores``: of orders that ended, by ``score``."""
    lead = np.maximum(np.asarray(ends_us, np.float64) - made_us, 1.0)
    raw = np.quantile(lead, LEVELS)
    middle, width = _shape(raw)
    used = np.asarray(scores[-_MOST_SCORES:], np.float64)
    weight = max(0, _MODEL_WEIGHT - len(used) // 2)
    steps = np.quantile(lead, (np.arange(weight) + 0.5) / max(weight, 1))
    known = np.sort(np.concatenate([(np.log(steps) - np.log(middle)) / width, used]))
    places = (np.arange(len(known)) + 0.5) / len(known)
    ready = [made_us + int(middle * np.exp(width * np.interp(level, places, known))) for level in TOLD]
    probability = None
    if due_us is not None:
        left = due_us - made_us
        probability = 0.0 if left <= 0 else float(np.interp((np.log(left) - np.log(middle)) / width, *_ascending(known, places)))
    return Promise(
        order,
        made_us,
        planned_end_us,
        (ready[0], ready[1], ready[2]),
        probability,
        tuple(int(made_us + value) for value in raw),
        len(used),
    )


def score(promised: Promise, ended_us: int) -> float:
    """Return how far an order's end was from its promise's middle, in widths of it; above 0 it was later."""
    lead = np.maximum(np.array(promised.quantiles_us, np.float64) - promised.made_us, 1.0)
    middle, width = _shape(lead)
    return float(np.clip((np.log(max(ended_us - promised.made_us, 1)) - np.log(middle)) / width, -20.0, 20.0))


def kept_shares(ended: Sequence[tuple[Promise, int]]) -> tuple[KeptShare, ...]:
    """Return, for each probability for which a date is told, the share of orders that were ready by that date."""
    return tuple(
        KeptShare(level, sum(end <= one.ready_us[at] for one, end in ended) / len(ended) if ended else 0.0, len(ended))
        for at, level in enumerate(TOLD)
    )


def _shape(quantiles: Floats) -> tuple[float, float]:
    """Middle of a lead time, and the spread of its logarithm."""
    middle, high = float(quantiles[LEVELS.index(0.5)]), float(quantiles[LEVELS.index(0.95)])
    return middle, max(float(np.log(high) - np.log(middle)) / _NORMAL_95, _LEAST_SPREAD)


def _ascending(known: Floats, places: Floats) -> tuple[Floats, Floats]:
    """Beyond what was ever seen, certainty comes slowly."""
    gap = 1.0
    return np.concatenate([[known[0] - gap], known, [known[-1] + gap]]), np.concatenate([[0.0], places, [1.0 - 0.25 / len(known)]])


def _in_order(plan: Plan) -> list[int]:
    done = np.flatnonzero(plan.mode >= 0)
    return [int(row) for row in done[np.lexsort((plan.end[done], plan.start[done]))]]


def _before(problem: PlanProblem, plan: Plan) -> Mapping[int, list[tuple[int, float]]]:
    """By operation: what must have ended before it, and how long before."""
    found: dict[int, list[tuple[int, float]]] = {row: [] for row in range(len(problem.operation_job))}
    last: dict[int, tuple[int, int]] = {}
    for row in _in_order(plan):
        mode = int(plan.mode[row])
        unit, state = int(problem.mode_unit[mode]), int(problem.mode_setup[mode])
        previous = last.get(unit)
        setup = problem.units[unit].setup
        if previous is not None:
            needs = setup is not None and state >= 0 and previous[1] >= 0
            found[row].append((previous[0], float(setup[previous[1], state]) if needs and setup is not None else 0.0))
        last[unit] = (row, state if state >= 0 or previous is None else previous[1])
    for first, then, least in zip(problem.arc_before, problem.arc_after, problem.arc_least, strict=True):
        if plan.mode[first] >= 0 and plan.mode[then] >= 0:
            found[int(then)].append((int(first), float(least)))
    return found


def _drawn(spread: Spread, mode: int, nominal: float, common: Floats, chance: np.random.Generator, shared: float) -> Floats:
    draws = len(common)
    width = float(spread.log_sd[mode])
    own = chance.standard_normal(draws)
    factor = np.exp(width * (np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own) - width * width / 2)
    again = chance.random(draws) < float(spread.rework[mode])
    return np.asarray(nominal * factor + again * float(spread.rework_ticks[mode]), np.float64)


def _under_way(lock: Lock, calendar: _OpenTime, took: Floats, now: int, planned: float) -> Floats:
    """What has begun ends no sooner than now; what has ended has ended."""
    if planned <= now:
        return np.full(len(took), planned)
    begin = np.full(len(took), float(lock.start if lock.start is not None else now))
    return np.maximum(calendar.end(begin, took), float(now))


def _lose(problem: PlanProblem, plan: Plan, spread: Spread, job_ends: Floats, chance: np.random.Generator) -> None:
    """A part that is lost takes its whole time once more."""
    done = plan.mode >= 0
    lost = np.where(done, spread.scrap[plan.mode], 0.0)
    kept = np.ones(len(problem.jobs))
    np.multiply.at(kept, problem.operation_job, 1.0 - lost)
    begun = np.full(len(problem.jobs), np.inf)
    np.minimum.at(begun, problem.operation_job[done], plan.start[done].astype(np.float64))
    for job in np.flatnonzero(kept < 1.0):
        again = chance.random(job_ends.shape[1]) < 1.0 - kept[job]
        job_ends[job] += again * (job_ends[job] - min(float(begun[job]), float(problem.now)))


class _OpenTime:
    """A unit's calendar for many times at once."""

    def __init__(self, closed: Sequence[tuple[int, int]]) -> None:
        self._from = np.array([begin for begin, _ in closed], np.float64)
        self._to = np.array([end for _, end in closed], np.float64)
        self._gone = np.concatenate([[0.0], np.cumsum(self._to - self._from)])
        self._open_from = self._from - self._gone[:-1]

    def start(self, begin: Floats, nominal: float, *, pauses: bool) -> Floats:
        """Return the first times from ``begin`` on at which work can start: in open time, and where it fits unless it pauses."""
        if not len(self._from):
            return begin
        times = begin
        for _ in range(len(self._from) + 1):
            at = np.searchsorted(self._to, times, side="right")
            there = at < len(self._from)
            next_from = np.where(there, self._from[np.minimum(at, len(self._from) - 1)], np.inf)
            moved = there & (times + (0.0 if pauses else nominal) > next_from) if not pauses else there & (times >= next_from)
            if not moved.any():
                break
            times = np.where(moved, self._to[np.minimum(at, len(self._from) - 1)], times)
        return times

    def end(self, start: Floats, took: Floats) -> Floats:
        """Return when work ends that goes on over closed time."""
        if not len(self._from):
            return start + took
        at = np.searchsorted(self._to, start, side="right")
        work = start - self._gone[at] + took
        return np.asarray(work + self._gone[np.searchsorted(self._open_from, work, side="left")], np.float64)
