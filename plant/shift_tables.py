"""A problem and the plan that stands, as lists that are fast to walk one operation at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import Ints, LockReason, PlanProblem, Ticks
from plant.plans import Plan
from plant.unit_calendars import OpenTimes, open_times

Matrix = list[list[int]]
Arcs = list[list[tuple[int, int, int, int]]]
"""Of each operation: the other one, least, most, row of the arc."""


@dataclass(slots=True)
class ShiftTables:
    """Lists over the operations; -1 where there is none."""

    done: list[int]
    """Operations in the order of the plan: no operation stands before one that it waits for."""
    turn: list[int]
    """Place of each in that order; what is fixed has a place before all that is not."""
    mode: list[int]
    unit: list[int]
    lasts: list[int]
    state: list[int]
    """Setup state it needs; -1: none."""
    release: list[int]
    fact: list[bool]
    held: list[bool]
    """Locked to its start, and not begun."""
    start: list[int]
    end: list[int]
    known_end: list[bool]
    part_before: list[int]
    part_after: list[int]
    arcs_in: Arcs
    arcs_out: Arcs
    calendar: list[OpenTimes]
    setup: list[Matrix | None]
    stands: list[int]
    """Setup state of each unit at the beginning."""
    with_part: list[bool]
    place: list[int]
    """Of each unit; empty without transport."""
    travel: Matrix

    def way(self, row: int, start_place: int) -> tuple[int, int]:
        """Return from where to where the part goes before an operation; without transport nowhere."""
        if not self.place:
            return 0, 0
        before = self.part_before[row]
        return (self.place[self.unit[before]] if before >= 0 else start_place), self.place[self.unit[row]]


def shift_tables(problem: PlanProblem, plan: Plan, loosed: frozenset[int]) -> ShiftTables:
    """Return the lists. ``loosed`` are operations whose lock does not count any more."""
    count = len(problem.operation_job)
    mode, start, end = plan.mode.copy(), plan.start.copy(), plan.end.copy()
    fact, held, known = ([False] * count for _ in range(3))
    for lock in problem.locks:
        row = lock.operation
        if row in loosed or lock.start is None:
            continue
        mode[row], start[row] = lock.mode, lock.start
        fact[row] = fact[row] or lock.reason is LockReason.STARTED
        known[row] = known[row] or lock.end is not None
        if lock.end is not None:
            end[row] = lock.end
    calendar = [open_times(unit) for unit in problem.units]
    for lock in problem.locks:
        row = lock.operation
        if row not in loosed and lock.start is not None:
            held[row] = not fact[row]
            if not known[row]:
                end[row] = calendar[int(problem.mode_unit[lock.mode])].end(lock.start, int(problem.mode_duration[lock.mode]))
    rows = np.flatnonzero(mode >= 0)
    done = _in_order(problem, rows, start, end > start).tolist()
    turn = [-1] * count
    for at, row in enumerate(done):
        turn[row] = at - (2 * count if fact[row] else count if held[row] else 0)
    arcs_in, arcs_out = _arcs(problem, mode)
    part_before, part_after = _parts(problem, done)
    return ShiftTables(
        done=done,
        turn=turn,
        mode=mode.tolist(),
        unit=np.where(mode >= 0, problem.mode_unit[mode], -1).tolist(),
        lasts=np.where(mode >= 0, problem.mode_duration[mode], 0).tolist(),
        state=np.where(mode >= 0, problem.mode_setup[mode], -1).tolist(),
        release=np.array([job.release for job in problem.jobs], np.int64)[problem.operation_job].tolist(),
        fact=fact,
        held=held,
        start=start.tolist(),
        end=end.tolist(),
        known_end=known,
        part_before=part_before,
        part_after=part_after,
        arcs_in=arcs_in,
        arcs_out=arcs_out,
        calendar=calendar,
        setup=[None if unit.setup is None else unit.setup.tolist() for unit in problem.units],
        stands=[unit.setup_state for unit in problem.units],
        with_part=[unit.setup_with_part for unit in problem.units],
        place=[] if problem.transport is None else problem.transport.place.tolist(),
        travel=[] if problem.transport is None else problem.transport.travel.tolist(),
    )


def _in_order(problem: PlanProblem, rows: NDArray[np.int64], start: Ticks, lasting: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return operations by start, where a person's move has not put one before what it waits for."""
    done = np.zeros(len(start), np.bool_)
    done[rows] = True
    both = done[problem.arc_before] & done[problem.arc_after]
    before, after = problem.arc_before[both], problem.arc_after[both]
    begins, depth = start.copy(), np.zeros(len(start), np.int64)
    for _ in range(len(rows)):
        later, deeper = begins.copy(), depth.copy()
        np.maximum.at(later, after, begins[before] + lasting[before])
        np.maximum.at(deeper, after, depth[before] + 1)
        if (later == begins).all() and (deeper == depth).all():
            break
        begins, depth = later, deeper
    return rows[np.lexsort((rows, depth[rows], lasting[rows], begins[rows]))]


def _arcs(problem: PlanProblem, mode: Ints) -> tuple[Arcs, Arcs]:
    into: Arcs = [[] for _ in range(len(mode))]
    out: Arcs = [[] for _ in range(len(mode))]
    columns = (problem.arc_before, problem.arc_after, problem.arc_least, problem.arc_most)
    both = (mode[problem.arc_before] >= 0) & (mode[problem.arc_after] >= 0)
    rows = np.flatnonzero(both).tolist()
    for arc, before, after, least, most in zip(rows, *(column[both].tolist() for column in columns), strict=True):
        into[after].append((before, least, most, arc))
        out[before].append((after, least, most, arc))
    return into, out


def _parts(problem: PlanProblem, done: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return what is done to the same part before and after.

    Where nothing is carried, waits in a buffer or is set up with its part, and a job is done in several places at once, arcs alone
    count.
    """
    count = len(problem.operation_job)
    before, after = [-1] * count, [-1] * count
    chained = problem.transport is not None or any(unit.buffer is not None or unit.setup_with_part for unit in problem.units)
    job = problem.operation_job.tolist()
    last: dict[int, int] = {}
    for row in done:
        if not chained and not problem.jobs[job[row]].one_at_a_time:
            continue
        if job[row] in last:
            before[row] = last[job[row]]
            after[last[job[row]]] = row
        last[job[row]] = row
    return before, after
