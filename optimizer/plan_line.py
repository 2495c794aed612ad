"""A plan for a plant with a mixed-model line: the order on the line first, then the shops before it, then machines that leave by the takt.

Planning ten thousand operations at once decides nothing well. Here the order of the machines is decided for the line (``sequencing``);
the shops before it take the parts in that order, each to the unit where it is done soonest, setups counted; machines pass the line as
soon as they can, within the places for waiting, and leave it one takt apart. The takt is hung as early as the latest machine allows, plus
a slack that absorbs what varies. Shops, line and order are tried anew until the time is over; the best plan that has no fault is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_line_shops import Shops, Standing
from optimizer.sequencing import Sequence, sequence
from plant.errors import Rejected
from plant.model_mix import Mix, mix_measures, sequence_faults
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import PlanProblem
from plant.plans import Infeasible, Plan, Solved

_SETUP_COUNTS: Final = (0.5, 1.0, 2.0)
_ORDER_SHARE: Final = 0.3
"""Of the time: how long the level order is searched at most ..."""
_SEARCH_SHARE: Final = 0.8
"""... and until when the line and the shops are tried in turns."""
_TURNS: Final = 8
_TRIES_A_MACHINE: Final = 700
_HEAT: Final = 60.0
"""Of the first turn, in takts of all machines' cost; ..."""
_COOLER: Final = 0.45
"""... and of each turn after it, as a share of the turn before."""
_SOON: Final = 0.5
"""Share of the machines that are there for the line sooner after their release than is hoped for of all."""
_COLD: Final = 4.0
_TRIES_TO_POLISH: Final = 300
"""How the order on the line is made better once more when the shops stay as they are."""
_HUNG_ANEW: Final = 25
"""How often the takt is hung anew for machines that are held up; then it is missed where they are."""
_RATIO_TAKTS: Final = 20_000.0
"""What a broken ratio costs, in takts of lead time."""
_SPREAD: Final = 8
"""Places that a machine may come behind its turn by due date in the level order."""
_NEVER: Final = 2**60


@dataclass(frozen=True, slots=True)
class Line:
    """A line of stations that machines pass one after the other."""

    units: tuple[int, ...]
    """Work units, first to last; each machine has one operation on each."""
    takt: int
    """Ticks between machines that leave it."""
    slack: int = 0
    """Ticks that machines leave later than they could: what may go wrong without a machine missing its takt."""
    tolerance: float = 0.08
    """How far from the takt, as a share of it, the time between two machines may lie: so a late one need not hold up all before it."""

    @property
    def least(self) -> int:
        """Ticks between machines at least."""
        return round(self.takt * (1 - self.tolerance))

    @property
    def most(self) -> int:
        """Ticks between machines at most."""
        return round(self.takt * (1 + self.tolerance))


@dataclass(frozen=True, slots=True, eq=False)
class LinePlan:
    """What was planned, and the order that it is built on."""

    outcome: Solved | Infeasible
    sequence: Sequence
    leaves: NDArray[np.int64]
    """When the machine at each place of the order leaves the line."""


def plan_line(
    problem: PlanProblem,
    line: Line,
    mix: Mix,
    *,
    seconds: float,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    stop: Callable[[], bool] = lambda: False,
) -> LinePlan:
    """Return a plan in which machines leave the line by the takt; rows of ``mix`` are the problem's jobs.

    The same arguments give the same plan where the time is enough for the same number of tries.
    """
    begun, cpu = clock(), time.process_time()
    if len(mix.machines) != len(problem.jobs):
        raise Rejected(f"{problem.name}: {len(problem.jobs)} jobs, and {len(mix.machines)} machines in the mix")
    shops = Shops.of(problem, line.units)
    level = sequence(_with_windows(problem, line, mix), seconds=_ORDER_SHARE * seconds, seed=seed, stop=stop, clock=clock)

    def worth(one: _Try) -> tuple[int, int]:
        return sum(mix_measures(mix, one.order).too_many.values()), one.cost

    starts = [
        _tried(problem, shops, line, order, counts) for order in (level.order, *_plain_orders(problem)) for counts in _SETUP_COUNTS[:2]
    ]
    now = min(starts, key=lambda one: one.cost)
    best = min(starts, key=worth)
    for turn in range(_TURNS):
        if clock() >= begun + _SEARCH_SHARE * seconds or stop():
            break
        how = (_hoped(problem, now, turn), _HEAT * _COOLER**turn, _TRIES_A_MACHINE)
        order = _better(problem, shops, line, mix, now, how, seed + turn)
        now = min((_tried(problem, shops, line, order, counts) for counts in _SETUP_COUNTS), key=worth)
        now = min(now, _polished(problem, shops, line, mix, now, seed + turn), key=worth)
        best = min(best, now, key=worth)
    faults = plan_faults(problem, best.plan)
    if faults:
        return LinePlan(Infeasible(faults), _told(mix, level, best.order), best.leaves)
    wall, used = clock() - begun, time.process_time() - cpu
    return LinePlan(Solved(best.plan, best.cost, shops.bound(problem), wall, used, "line"), _told(mix, level, best.order), best.leaves)


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    plan: Plan
    cost: int
    shops_order: NDArray[np.int32]
    """The order that the shops take machines in."""
    setup_counts: float
    order: NDArray[np.int32]
    """The order on the line."""
    ready: NDArray[np.int64]
    """When each machine is there for the line."""
    leaves: NDArray[np.int64]


def _tried(
    problem: PlanProblem, shops: Shops, line: Line, order: NDArray[np.int32], setup_counts: float, on_line: NDArray[np.int32] | None = None
) -> _Try:
    standing = shops.standing()
    ready = np.zeros(len(problem.jobs), np.int64)
    ready[order] = shops.before_line(order.tolist(), standing, setup_counts)
    passing = order if on_line is None else on_line
    leaves = _pass_line(problem, shops, line, passing, ready[passing].tolist(), standing)
    for job in passing:
        shops.after_line(int(job), standing, setup_counts)
    plan = standing.plan()
    return _Try(plan, objective_of(problem, plan), order, setup_counts, passing, ready, leaves)


def _polished(problem: PlanProblem, shops: Shops, line: Line, mix: Mix, now: _Try, seed: int) -> _Try:
    """Return the same with an order on the line that is better where the shops stay as they are."""
    order = _better(problem, shops, line, mix, now, (now.ready, _COLD, _TRIES_TO_POLISH), seed)
    return _tried(problem, shops, line, now.shops_order, now.setup_counts, order)


def _better(
    problem: PlanProblem, shops: Shops, line: Line, mix: Mix, now: _Try, how: tuple[NDArray[np.int64], float, int], seed: int
) -> NDArray[np.int32]:
    """Return a better order for the line; ``how``: when machines are there, the heat in takts of all, and the tries for each machine."""
    # compiled when first used: nobody else pays for it
    from optimizer.plan_line_exchanges import Passing, better_order

    jobs, stations = len(problem.jobs), len(line.units)
    ready, heat, tries = how
    ends = np.zeros(jobs, np.int64)
    np.maximum.at(ends, problem.operation_job, now.plan.end)
    behind = np.zeros(jobs, np.int64)
    behind[now.order] = ends[now.order] - now.leaves
    counts, weight = problem.objective, np.array([job.weight for job in problem.jobs], np.float64)
    passing = Passing(
        ready=ready,
        work=np.array([[shops.station(job, at)[2] for job in range(jobs)] for at in range(stations)], np.int64),
        waits=np.array([jobs if (most := problem.units[unit].buffer) is None else max(most, 1) for unit in line.units], np.int64),
        way=np.array([0, *(shops.way(unit, then) for unit, then in pairwise(line.units))], np.int64),
        least=line.least,
        most=line.most,
        slack=line.slack,
        behind=behind,
        due=np.array([_NEVER if job.due is None else job.due for job in problem.jobs], np.int64),
        late_cost=counts.tardiness * weight,
        lead_cost=float(max(counts.flow, 1)),
        has=mix.has[mix.model],
        ratios=np.array([(option.at_most, option.of) for option in mix.options], np.int64).reshape(len(mix.options), 2),
        ratio_cost=_RATIO_TAKTS * line.takt,
    )
    hot = line.takt * heat
    return better_order(passing, now.order, tries * jobs, (hot, hot / 50), seed)[0]


def _hoped(problem: PlanProblem, now: _Try, turn: int) -> NDArray[np.int64]:
    """Return when machines could be there for the line: in the first turn most would be there sooner than they are, if they came early."""
    if turn:
        return now.ready
    release = np.array([job.release for job in problem.jobs], np.int64)
    return np.minimum(now.ready, release + int(np.quantile(now.ready - release, _SOON)))


def _told(mix: Mix, level: Sequence, order: NDArray[np.int32]) -> Sequence:
    """Return an order with what it is like, beside the level one that it came from."""
    return replace(level, order=order, measures=mix_measures(mix, order), faults=sequence_faults(mix, order), by="line")


def _pass_line(
    problem: PlanProblem, shops: Shops, line: Line, order: NDArray[np.int32], ready: list[int], standing: Standing
) -> NDArray[np.int64]:
    """Lay out the stations as early as they can be, the last by the takt; return when each machine leaves."""
    _, ends = _stations(problem, shops, line, order, ready, None)
    leaves = _hung(ends[-1] + line.slack, line)
    starts, ends = _stations(problem, shops, line, order, ready, leaves)
    for _ in range(_HUNG_ANEW):
        if (ends[-1] == leaves).all():
            break
        # machines that wait at the end hold up those behind them; then some must leave a little later
        leaves = _hung(np.maximum(leaves, ends[-1]), line)
        starts, ends = _stations(problem, shops, line, order, ready, leaves)
    for at, job in enumerate(order):
        for station in range(len(line.units)):
            row, mode, _ = shops.station(int(job), station)
            standing.put(row, mode, int(starts[station, at]), int(ends[station, at]))
        standing.left(int(job), line.units[-1], int(ends[-1, at]))
    left: NDArray[np.int64] = ends[-1]
    return left


def _hung(soonest: NDArray[np.int64], line: Line) -> NDArray[np.int64]:
    """Return the earliest times to leave, none before it can be, from one to the next a takt within the tolerance."""
    least, most = line.least, line.most
    places = np.arange(len(soonest))
    # backward: nobody leaves so early that the one behind could not follow in time; forward: nor too close behind the one before
    pulled = np.maximum.accumulate((soonest - most * places)[::-1])[::-1] + most * places
    return np.asarray(np.maximum.accumulate(pulled - least * places) + least * places, np.int64)


def _stations(
    problem: PlanProblem, shops: Shops, line: Line, order: NDArray[np.int32], ready: list[int], leaves: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (stations, places) starts and ends; ``leaves``: when each machine leaves the line, or later; else as soon as it can."""
    last = len(line.units) - 1
    ways = [shops.way(unit, then) for unit, then in pairwise(line.units)]
    waits = [problem.units[unit].buffer for unit in line.units]
    starts = [[0] * len(order) for _ in line.units]
    ends = [[0] * len(order) for _ in line.units]
    for at, job in enumerate(order):
        start = ready[at]
        for station, unit in enumerate(line.units):
            ticks = shops.station(int(job), station)[2]
            start = max(start, ends[station][at - 1] if at else problem.now)
            if station == last:
                start = start if leaves is None else max(start, int(leaves[at]) - ticks)
            elif (most := waits[station + 1]) is not None and at >= max(most, 1):
                # it must not come to the next station while as many wait there as can
                start = max(start, starts[station + 1][at - max(most, 1)] - ticks - ways[station])
            starts[station][at], ends[station][at] = shops.fitting(unit, start, ticks)
            start = ends[station][at] + (ways[station] if station < last else 0)
    return np.array(starts, np.int64), np.array(ends, np.int64)


def _with_windows(problem: PlanProblem, line: Line, mix: Mix) -> Mix:
    """Return the mix with places that machines should have: none before its release, none far behind its turn by due date."""
    jobs = len(problem.jobs)
    release = np.array([job.release for job in problem.jobs], np.int64)
    due = np.array([_NEVER if job.due is None else job.due for job in problem.jobs], np.int64)
    turn = np.empty(jobs, np.int64)
    turn[np.lexsort((release, due))] = np.arange(jobs)
    earliest = np.minimum((release - release.min()) // line.takt, jobs - 1)
    latest = np.clip(np.maximum(turn, earliest) + _SPREAD, 0, jobs - 1)
    return replace(mix, earliest=earliest.astype(np.int32), latest=latest.astype(np.int32))


def _plain_orders(problem: PlanProblem) -> tuple[NDArray[np.int32], ...]:
    """Return the machines by due date, by release, and by the middle of both."""
    due = np.array([_NEVER if job.due is None else job.due for job in problem.jobs], np.float64)
    release = np.array([job.release for job in problem.jobs], np.float64)
    return tuple(np.lexsort((due, by)).astype(np.int32) for by in (due, release, due + release))
