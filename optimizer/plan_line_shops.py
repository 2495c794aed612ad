"""The shops before and behind a line: each part goes on, in the order given, to the unit where its next operation is done soonest."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np

from optimizer.plan_closed import clear, opens, paused_end
from plant.errors import Rejected
from plant.plan_problem import PlanProblem
from plant.plans import Plan

_A_PLACE: Final = 10
"""What a place in the order counts where a unit chooses among parts, in ticks."""
_LOOKED_AT: Final = 12
"""Of so many parts that are there a unit chooses."""
_Mode = tuple[int, int, int, int]
"""Mode, unit, ticks, setup state."""


@dataclass(slots=True, eq=False)
class Standing:
    """How all units and parts stand while a plan is laid out."""

    free: list[int]
    state: list[int]
    part_free: list[int]
    part_unit: list[int]
    """Of each job the unit it was last in, -1 at first."""
    mode: list[int]
    start: list[int]
    end: list[int]

    def put(self, row: int, mode: int, start: int, end: int) -> None:
        """Note where and when an operation is done."""
        self.mode[row], self.start[row], self.end[row] = mode, start, end

    def left(self, job: int, unit: int, end: int) -> None:
        """Note when a part leaves a unit."""
        self.part_free[job], self.part_unit[job] = end, unit

    def plan(self) -> Plan:
        """Return all that was laid out."""
        return Plan(np.array(self.mode, np.int32), np.array(self.start, np.int64), np.array(self.end, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Shops:
    """A problem as plain lists, job by job."""

    problem: PlanProblem
    before: tuple[tuple[int, ...], ...]
    """Of each job the operations before the line ..."""
    stations: tuple[tuple[int, ...], ...]
    """... on it, station by station ..."""
    after: tuple[tuple[int, ...], ...]
    """... and behind it."""
    modes: tuple[tuple[_Mode, ...], ...]
    needs: tuple[tuple[tuple[int, int], ...], ...]
    """Of each operation those that must have ended, and how long before."""
    setup: tuple[list[list[int]] | None, ...]
    place: tuple[int, ...]
    travel: list[list[int]]
    first_place: int

    @classmethod
    def of(cls, problem: PlanProblem, line: tuple[int, ...]) -> Shops:
        """Return a problem's shops; Rejected where it has what this way of planning does not know, or jobs do not pass the line."""
        _knows(problem)
        count, transport = len(problem.operation_name), problem.transport
        modes: list[list[_Mode]] = [[] for _ in range(count)]
        columns = (problem.mode_operation, problem.mode_unit, problem.mode_duration, problem.mode_setup)
        for mode, (operation, unit, ticks, state) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            modes[operation].append((mode, unit, ticks, state))
        needs: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for first, then, least in zip(problem.arc_before.tolist(), problem.arc_after.tolist(), problem.arc_least.tolist(), strict=True):
            needs[then].append((first, least))
        station = {unit: at for at, unit in enumerate(line)}
        jobs: list[list[int]] = [[] for _ in problem.jobs]
        for row, job in enumerate(problem.operation_job.tolist()):
            jobs[job].append(row)
        parts = [_parted(problem, rows, modes, needs, station) for rows in jobs]
        return cls(
            problem=problem,
            before=tuple(part[0] for part in parts),
            stations=tuple(part[1] for part in parts),
            after=tuple(part[2] for part in parts),
            modes=tuple(tuple(one) for one in modes),
            needs=tuple(tuple(one) for one in needs),
            setup=tuple(None if unit.setup is None else unit.setup.tolist() for unit in problem.units),
            place=(0,) * len(problem.units) if transport is None else tuple(transport.place.tolist()),
            travel=[[0]] if transport is None else transport.travel.tolist(),
            first_place=0 if transport is None else transport.start,
        )

    def standing(self) -> Standing:
        """Return how all stands at the beginning."""
        problem, count = self.problem, len(self.modes)
        jobs = problem.jobs
        return Standing(
            free=[problem.now] * len(problem.units),
            state=[unit.setup_state for unit in problem.units],
            part_free=[max(job.release, problem.now) for job in jobs],
            part_unit=[-1] * len(jobs),
            mode=[-1] * count,
            start=[0] * count,
            end=[0] * count,
        )

    def way(self, origin: int, destination: int) -> int:
        """Return the ticks from unit to unit."""
        return self.travel[self.place[origin] if origin >= 0 else self.first_place][self.place[destination]]

    def station(self, job: int, at: int) -> tuple[int, int, int]:
        """Return a job's operation at a station, its mode and how long it takes."""
        row = self.stations[job][at]
        mode, _, ticks, _ = self.modes[row][0]
        return row, mode, ticks

    def fitting(self, unit: int, start: int, ticks: int, setup: int = 0) -> tuple[int, int]:
        """Return from when to when work is done that starts no earlier and touches no closed time, nor its setup."""
        its = self.problem.units[unit]
        if not its.closed:
            return start, start + ticks
        while True:
            until = clear(start - setup, start, its.closed)
            if until is None:
                until = opens(start, its.closed) if its.pauses else clear(start, start + ticks, its.closed)
                if until is None or until == start:
                    return start, paused_end(start, ticks, its.closed) if its.pauses else start + ticks
                start = until
            else:
                start = until + setup

    def before_line(self, order: Sequence[int], standing: Standing, setup_counts: float) -> list[int]:
        """Lay out what is done before the line; return when the part at each place of the order is there.

        Wherever a unit gets free it takes one of the first parts in the order of those that are there, rather one that needs no setup.
        """
        place_of = {job: at for at, job in enumerate(order)}
        waiting: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
        left = {job: list(self.before[job]) for job in order}
        events = [(standing.part_free[job], place_of[job], job) for job in order]
        heapify(events)
        freed: list[int] = []
        while events or freed:
            now = min([one[0] for one in events[:1]] + freed[:1])
            while freed and freed[0] <= now:
                heappop(freed)
            while events and events[0][0] <= now:
                job = heappop(events)[2]
                for row in self._open(left[job]):
                    key = tuple(unit for _, unit, _, _ in self.modes[row])
                    come = max((standing.end[before] + least for before, least in self.needs[row]), default=0)
                    there = max(come, standing.part_free[job] + self.way(standing.part_unit[job], key[0]))
                    insort(waiting.setdefault(key, []), (place_of[job], row, there))
                    if there > now:
                        heappush(freed, there)
            for key in list(waiting):
                while (taken := self._taken(waiting[key], now, standing, setup_counts)) is not None:
                    row, mode, unit, start, end, state = taken
                    job = int(self.problem.operation_job[row])
                    for other in waiting.values():
                        other[:] = [one for one in other if one[0] != place_of[job]]
                    left[job].remove(row)
                    standing.put(row, mode, start, end)
                    standing.left(job, unit, end)
                    standing.free[unit] = end
                    standing.state[unit] = state if state >= 0 else standing.state[unit]
                    heappush(events, (end, place_of[job], job))
                    heappush(freed, end)
        line = [self.modes[self.stations[job][0]][0][1] for job in order]
        return [standing.part_free[job] + self.way(standing.part_unit[job], unit) for job, unit in zip(order, line, strict=True)]

    def _open(self, left: list[int]) -> list[int]:
        return [row for row in left if not any(before in left for before, _ in self.needs[row])]

    def _taken(
        self, queue: list[tuple[int, int, int]], now: int, standing: Standing, setup_counts: float
    ) -> tuple[int, int, int, int, int, int] | None:
        """Return what a free unit of a shop takes: operation, mode, unit, start, end and setup state."""
        best: tuple[float, int, int, int, int, int, int] | None = None
        seen = 0
        for rank, row, there in queue:
            if there > now:
                continue
            seen += 1
            for mode, unit, ticks, state in self.modes[row]:
                if standing.free[unit] > now:
                    continue
                setup = self._setup(standing, unit, state)
                since = there if self.problem.units[unit].setup_with_part else standing.free[unit]
                start, end = self.fitting(unit, max(now, since + setup), ticks, setup)
                worth = start + setup_counts * setup + _A_PLACE * rank
                if best is None or worth < best[0]:
                    best = worth, row, mode, unit, start, end, state
            if seen == _LOOKED_AT:
                break
        return None if best is None else best[1:]

    def _setup(self, standing: Standing, unit: int, state: int) -> int:
        between, now = self.setup[unit], standing.state[unit]
        return between[now][state] if between is not None and now >= 0 and state >= 0 else 0

    def after_line(self, job: int, standing: Standing, setup_counts: float) -> None:
        """Lay out what is done to a job behind the line."""
        self._lay(job, list(self.after[job]), standing, setup_counts)

    def _lay(self, job: int, left: list[int], standing: Standing, setup_counts: float) -> None:
        """Append a job's operations, of those that can be next always the one that is done soonest."""
        while left:
            open_ = self._open(left)
            _, end, start, row, mode, unit, state = min(self._ways(job, open_, standing, setup_counts))
            left.remove(row)
            standing.put(row, mode, start, end)
            standing.left(job, unit, end)
            standing.free[unit] = end
            if state >= 0:
                standing.state[unit] = state

    def _ways(
        self, job: int, open_: Sequence[int], standing: Standing, setup_counts: float
    ) -> list[tuple[float, int, int, int, int, int, int]]:
        found = []
        for row in open_:
            come = max((standing.end[before] + least for before, least in self.needs[row]), default=0)
            for mode, unit, ticks, state in self.modes[row]:
                there = max(come, standing.part_free[job] + self.way(standing.part_unit[job], unit))
                setup = self._setup(standing, unit, state)
                begin = there + setup if self.problem.units[unit].setup_with_part else there
                start, end = self.fitting(unit, max(begin, standing.free[unit] + setup), ticks, setup)
                found.append((end + setup_counts * setup, end, start, row, mode, unit, state))
        return found

    def bound(self, problem: PlanProblem) -> int:
        """Return what no plan can cost less than: each job alone in the plant, by flow and tardiness."""
        quickest = np.array([min(ticks for _, _, ticks, _ in modes) for modes in self.modes], np.int64)
        needed = np.bincount(problem.operation_job, weights=quickest, minlength=len(problem.jobs)).astype(np.int64)
        late = sum(
            job.weight * max(0, job.release + int(ticks) - job.due)
            for job, ticks in zip(problem.jobs, needed, strict=True)
            if job.due is not None
        )
        last = max(job.release + int(ticks) for job, ticks in zip(problem.jobs, needed, strict=True))
        counts = problem.objective
        return counts.flow * int(needed.sum()) + counts.tardiness * late + counts.makespan * last


def _knows(problem: PlanProblem) -> None:
    if len(problem.need_mode) or len(problem.branch_choice) or problem.locks or (problem.arc_most >= 0).any():
        raise Rejected(f"{problem.name}: people, fixtures, choices, locks and longest waits are not planned along a line")
    if problem.transport is not None and problem.transport.vehicles is not None:
        raise Rejected(f"{problem.name}: vehicles are not planned along a line; only the time of the way counts")
    if any(not job.one_at_a_time for job in problem.jobs):
        raise Rejected(f"{problem.name}: parts that undergo several operations at once are not planned along a line")


def _parted(
    problem: PlanProblem, rows: list[int], modes: list[list[_Mode]], needs: list[list[tuple[int, int]]], station: dict[int, int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return a job's operations before the line, on it in the order of the stations, and behind it."""
    name = problem.jobs[problem.operation_job[rows[0]]].name if rows else "a job"
    on = {station[modes[row][0][1]]: row for row in rows if len(modes[row]) == 1 and modes[row][0][1] in station}
    if len(on) != len(station):
        raise Rejected(f"{name} has operations at {len(on)} of the line's {len(station)} stations")
    ahead: set[int] = set()
    look = [on[0]]
    while look:
        look = [before for row in look for before, _ in needs[row] if before not in ahead]
        ahead.update(look)
    line = set(on.values())
    after = [row for row in rows if row not in ahead and row not in line]
    return tuple(row for row in rows if row in ahead), tuple(on[at] for at in range(len(station))), tuple(after)
