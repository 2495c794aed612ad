"""What follows what in a plan: the operation before on the unit and of the part, setups, ways; derived from times alone, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import Ints, PlanProblem, Ticks, WorkUnit
from plant.plans import Plan


@dataclass(frozen=True, slots=True, eq=False)
class PlanOrder:
    """Columns over the operations of a problem."""

    unit: Ints
    """-1 where it is not done."""
    before_on_unit: Ints
    """The operation before it on its unit; -1: it is the first, or not done."""
    before_of_part: Ints
    """The operation of the same job before it, by time; -1: it is the first, or not done."""
    setup: Ticks
    """Ticks of setup that lie directly before its start."""
    origin: Ints
    """The place the part comes from; -1 without transport or where it is not done."""
    place: Ints
    """The place where it is done; likewise."""

    @property
    def carried(self) -> NDArray[np.bool_]:
        """Where the part changes place before the operation."""
        return np.asarray((self.place >= 0) & (self.origin != self.place), np.bool_)


def plan_order(problem: PlanProblem, plan: Plan) -> PlanOrder:
    """Return what follows what. At equal starts what ends first comes first."""
    unit = plan.unit(problem)
    done = np.flatnonzero(plan.mode >= 0).astype(np.int32)
    before_on_unit = _before(done, unit, plan)
    before_of_part = _before(done, problem.operation_job, plan)
    origin, place = _places(problem, done, unit, before_of_part)
    return PlanOrder(unit, before_on_unit, before_of_part, _setups(problem, plan, done, unit), origin, place)


def open_time(unit: WorkUnit, at: Ticks) -> Ticks:
    """Return the ticks of open time from 0 to each of the times."""
    closed = np.array(unit.closed, np.int64).reshape(-1, 2)
    gone = np.concatenate(([0], np.cumsum(closed[:, 1] - closed[:, 0])))
    window = np.searchsorted(closed[:, 0], at, "right")
    ends = np.concatenate(([-(1 << 62)], closed[:, 1]))
    return np.asarray(at - gone[window] + np.maximum(ends[window] - at, 0), np.int64)


def ends_by_calendar(unit: WorkUnit, starts: Ticks, durations: Ticks) -> Ticks:
    """Return when work ends that begins at open times: over closed time a unit that pauses goes on after it."""
    if not unit.pauses or not unit.closed:
        return starts + durations
    closed = np.array(unit.closed, np.int64)
    worked = open_time(unit, starts) + durations
    opened_before = open_time(unit, closed[:, 0])
    window = np.searchsorted(opened_before, worked, "left")
    gone = np.concatenate(([0], np.cumsum(closed[:, 1] - closed[:, 0])))
    return np.where(durations > 0, worked + gone[window], starts)


def touches_closed(unit: WorkUnit, starts: Ticks, ends: Ticks) -> NDArray[np.int64]:
    """Return for each span the row of the first closed time that it touches, -1 where it touches none."""
    if not unit.closed:
        return np.full(len(starts), -1, np.int64)
    closed = np.array(unit.closed, np.int64)
    window = np.searchsorted(closed[:, 1], starts, "right")
    inside = np.minimum(window, len(closed) - 1)
    return np.where((window < len(closed)) & (closed[inside, 0] < ends), inside, -1)


def _before(done: Ints, group: Ints, plan: Plan) -> Ints:
    ordered = done[np.lexsort((done, plan.end[done], plan.start[done], group[done]))]
    before = np.full(len(plan.mode), -1, np.int32)
    same = group[ordered[1:]] == group[ordered[:-1]]
    before[ordered[1:][same]] = ordered[:-1][same]
    return before


def _setups(problem: PlanProblem, plan: Plan, done: Ints, unit: Ints) -> Ticks:
    found = np.zeros(len(plan.mode), np.int64)
    if all(one.setup is None for one in problem.units):
        return found
    stated = done[problem.mode_setup[plan.mode[done]] >= 0]
    ordered = stated[np.lexsort((stated, plan.end[stated], plan.start[stated], unit[stated]))]
    state = problem.mode_setup[plan.mode[ordered]]
    stands = np.array([one.setup_state for one in problem.units], np.int32)[unit[ordered]]
    follows = np.concatenate(([False], unit[ordered[1:]] == unit[ordered[:-1]])) if len(ordered) else np.empty(0, np.bool_)
    before = np.where(follows, np.roll(state, 1), stands)
    for row, one in enumerate(problem.units):
        if one.setup is not None:
            here = (unit[ordered] == row) & (before >= 0)
            found[ordered[here]] = one.setup[before[here], state[here]]
    return found


def _places(problem: PlanProblem, done: Ints, unit: Ints, before: Ints) -> tuple[Ints, Ints]:
    place = np.full(len(unit), -1, np.int32)
    origin = np.full(len(unit), -1, np.int32)
    if problem.transport is not None:
        place[done] = problem.transport.place[unit[done]]
        origin[done] = np.where(before[done] >= 0, place[before[done]], np.int32(problem.transport.start))
    return origin, place
