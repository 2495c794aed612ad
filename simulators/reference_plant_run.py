"""What happens in a plant when it works by a rule or by a plan: a simulation of a ``PlanProblem`` (simpy), operation by operation.

First in first out and earliest due date take, wherever a unit gets free, one of the parts that wait for it. Following a plan keeps the
plan's units and its order on each unit; units that are *held* start nothing before its planned time either. A part stays in its unit's
way while no more may wait at the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import simpy
from numpy.typing import NDArray

from plant.errors import Rejected
from plant.plan_problem import PlanProblem
from plant.plans import Plan
from simulators.reference_plant_chance import Chance, no_chance
from simulators.reference_plant_vehicles import Vehicles

_Steps: TypeAlias = Generator[simpy.Event, Any, None]
_Spans: TypeAlias = list[tuple[int, int]]


class Rule(StrEnum):
    """Which of the parts that wait a unit takes."""

    FIFO = "fifo"
    """The one that came first."""
    EDD = "edd"
    """The one with the earliest due date."""


@dataclass(frozen=True, slots=True, eq=False)
class Follow:
    """A plan that is followed."""

    plan: Plan
    held: frozenset[int] | None = None
    """Units that start nothing before its planned time; None: all of them."""
    passing: bool = False
    """Whether a part that is there may pass one that is late; held units then keep the planned times, whichever part it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Prefer:
    """A plan that says what comes first: of the parts that wait a unit takes the one that the plan begins first, a setup counted as time.

    Which of several units does it is left open, and nothing comes in before its planned time.
    """

    plan: Plan
    held: frozenset[int] = frozenset()
    """Units that keep the planned times, whichever part it is."""


@dataclass(frozen=True, slots=True, eq=False)
class PlantRun:
    """What happened."""

    done: Plan
    """When and where each operation was really done."""
    setup: NDArray[np.int64]
    """(operations,): ticks of setup before each."""
    blocked: NDArray[np.int64]
    """(operations,): ticks that the part then stood in its unit's way, because no more could wait at the next."""


def run_plant(problem: PlanProblem, policy: Rule | Follow | Prefer, chance: Chance | None = None, vehicles: int | None = None) -> PlantRun:
    """Return what happens; ``vehicles``: how many carry parts where the problem says there is always one.

    Raises Rejected for what is not simulated, and where nothing goes on any more.
    """
    floor = _Floor(problem, policy, chance or no_chance(problem), vehicles)
    floor.env.run()
    stuck = next((row for row in floor.todo if floor.end[row] < 0), None)
    if stuck is not None:
        name = problem.jobs[problem.operation_job[stuck]].name
        raise Rejected(f"nothing goes on any more, and '{problem.operation_name[stuck]}' of {name} is not done")
    rows = np.array(floor.todo)
    mode, start, end = np.full(len(floor.end), -1, np.int32), np.zeros(len(floor.end), np.int64), np.zeros(len(floor.end), np.int64)
    mode[rows], start[rows], end[rows] = np.array(floor.mode)[rows], np.array(floor.start)[rows], np.array(floor.end)[rows]
    return PlantRun(Plan(mode, start, end), np.array(floor.setup, np.int64), np.array(floor.blocked, np.int64))


class _Floor:
    """All that stands and moves while the simulation runs."""

    def __init__(self, problem: PlanProblem, policy: Rule | Follow | Prefer, chance: Chance, vehicles: int | None) -> None:
        if len(problem.need_mode):
            raise Rejected(f"{problem.name}: people and fixtures are not simulated")
        if any(not job.one_at_a_time for job in problem.jobs):
            raise Rejected(f"{problem.name}: parts that undergo several operations at once are not simulated")
        self.problem, self.chance = problem, chance
        self.rule = policy if isinstance(policy, Rule) else None
        self.plan = policy.plan if isinstance(policy, Follow) else None
        self.wish = policy.plan if isinstance(policy, Prefer) else None
        if self.plan is None and len(problem.branch_choice):
            raise Rejected(f"{problem.name}: which branch of a choice is taken only a plan can say")
        count, units = len(problem.operation_job), len(problem.units)
        held = frozenset() if isinstance(policy, Rule) else policy.held
        self.held = frozenset(range(units)) if held is None else held
        self.env = env = simpy.Environment()
        self.mode, self.start, self.end = [-1] * count, [-1] * count, [-1] * count
        self.setup, self.blocked = [0] * count, [0] * count
        self.modes = _by_unit(problem)
        self.todo = list(range(count))
        self.turn: list[list[int]] = [[] for _ in range(units)]
        if self.plan is not None:
            self.todo = [int(row) for row in np.lexsort((self.plan.end, self.plan.start)) if self.plan.mode[row] >= 0]
            for row in reversed(self.todo):
                self.turn[problem.mode_unit[self.plan.mode[row]]].append(row)
        self.passing = isinstance(policy, Follow) and policy.passing
        self.ends = [deque(int(self.plan.end[row]) for row in reversed(rows)) if self.plan is not None else deque() for rows in self.turn]
        if self.wish is not None:
            place = self.wish.unit(problem)
            self.ends = [deque(np.sort(self.wish.end[place == unit]).tolist()) for unit in range(units)]
        self.queue: list[dict[int, int]] = [{} for _ in range(units)]
        self.came: list[simpy.Event] = [env.event() for _ in range(units)]
        self.room: list[simpy.Event] = [env.event() for _ in range(units)]
        self.coming, self.busy = [0] * units, [False] * units
        self.state = [unit.setup_state for unit in problem.units]
        self.stops = [_stops(problem, at, chance) for at in range(units)]
        self.done: dict[int, simpy.Event] = {}
        self.gone: dict[int, simpy.Event] = {}
        self.vehicles = Vehicles(env, problem.transport, () if self.plan is None else self.plan.trips, vehicles, hold=bool(self.held))
        for at in range(units):
            env.process(self.unit(at))
        rows_of: dict[int, list[int]] = {}
        for row in self.todo:
            rows_of.setdefault(int(problem.operation_job[row]), []).append(row)
        for job in sorted(rows_of):
            env.process(self.part(job, rows_of[job]))

    def part(self, job: int, rows: list[int]) -> _Steps:
        """A part's way, operation by operation."""
        problem, env = self.problem, self.env
        chosen = set(rows)
        needs = {row: [] for row in rows}  # type: dict[int, list[tuple[int, int]]]
        for arc in np.flatnonzero(np.isin(problem.arc_after, rows)):
            if int(problem.arc_before[arc]) in chosen:
                needs[int(problem.arc_after[arc])].append((int(problem.arc_before[arc]), int(problem.arc_least[arc])))
        yield env.timeout(max(problem.jobs[job].release, 0 if self.wish is None else int(self.wish.start[rows].min())))
        place = None if problem.transport is None else problem.transport.start
        last, left = -1, list(rows)
        while left:
            row = self._next(left, needs)
            left.remove(row)
            units = self._units(row)
            yield from self._carried(row, units, place, last)
            lag = max((self.end[before] + least for before, least in needs[row]), default=0) - env.now
            if lag > 0:
                yield env.timeout(lag)
            self.done[row], self.gone[row] = env.event(), env.event()
            for unit in units:
                self.queue[unit][row] = int(env.now)
                self.came[unit] = _told(env, self.came[unit])
            yield self.done[row]
            last = row
            if problem.transport is not None:
                place = int(problem.transport.place[problem.mode_unit[self.mode[row]]])
        self.gone[last].succeed()

    def _next(self, left: Sequence[int], needs: dict[int, list[tuple[int, int]]]) -> int:
        """Return the operation that a part undergoes next: the plan's, else of those that can be the one with the shortest queue."""
        if self.plan is not None:
            return left[0]
        can = [row for row in left if all(self.end[before] >= 0 for before, _ in needs[row])]
        if self.wish is not None:
            wish = self.wish
            return min(can, key=lambda row: (wish.start[row], row))
        return min(can, key=lambda row: (sum(len(self.queue[unit]) for unit in self.modes[row]) / len(self.modes[row]), row))

    def _units(self, row: int) -> list[int]:
        if self.plan is not None:
            return [int(self.problem.mode_unit[self.plan.mode[row]])]
        units = list(self.modes[row])
        if len(units) > 1 and any(self.problem.units[unit].buffer is not None for unit in units):
            raise Rejected(f"{self.problem.units[units[0]].name}: limited places before one of several units that a part may go to")
        transport = self.problem.transport
        if transport is not None and len({int(transport.place[unit]) for unit in units}) > 1:
            raise Rejected(f"'{self.problem.operation_name[row]}' can be done in several places; which, only a plan can say")
        return units

    def _carried(self, row: int, units: list[int], place: int | None, last: int) -> _Steps:
        """Bring a part to where its next operation is done; the unit where it was gets free when it leaves."""
        transport, unit = self.problem.transport, units[0]
        far = transport is not None and place is not None and place != transport.place[unit]
        if not far:
            yield from self._let_in(unit)
        if last >= 0:
            self.blocked[last] = int(self.env.now) - self.end[last]
            self.gone[last].succeed()
        if far and transport is not None and place is not None:
            yield from self.vehicles.carry(row, place, int(transport.place[unit]))
            yield from self._let_in(unit)

    def _let_in(self, unit: int) -> _Steps:
        """Wait until one more may wait at a unit; where it stands still, it has room for one itself."""
        buffer = self.problem.units[unit].buffer
        if buffer is None:
            return
        while self.coming[unit] >= buffer + (not self.busy[unit]):
            yield self.room[unit]
        self.coming[unit] += 1

    def unit(self, at: int) -> _Steps:
        """A work unit's day, operation by operation."""
        env = self.env
        free = 0
        while True:
            row = self._pick(at)
            if row is None:
                yield from self._waited(at)
                continue
            mode = self.modes[row][at] if self.plan is None else int(self.plan.mode[row])
            start, end = self._times(at, row, mode, free)
            for other in self._units(row):
                del self.queue[other][row]
            if start > env.now:
                yield env.timeout(start - env.now)
            self.mode[row], self.start[row], self.busy[at] = mode, start, True
            if self.problem.units[at].buffer is not None:
                self.coming[at] -= 1
                self.room[at] = _told(env, self.room[at])
            yield env.timeout(end - start)
            self.end[row] = end
            self.done[row].succeed()
            yield self.gone[row]
            self.busy[at] = False
            free = int(env.now)
            self.room[at] = _told(env, self.room[at])

    def _waited(self, at: int) -> _Steps:
        """Wait until a part comes; where one that is there may pass the next by the plan, until that is late."""
        expected = self.turn[at][-1] if self.turn[at] and self.passing else None
        if expected is None or self.plan is None or self.plan.start[expected] < self.env.now or not self.queue[at]:
            yield self.came[at]
        else:
            yield self.came[at] | self.env.timeout(int(self.plan.start[expected]) + 1 - self.env.now)

    def _pick(self, at: int) -> int | None:
        queue = self.queue[at]
        if self.plan is not None:
            return self._by_plan(at)
        if not queue:
            return None
        if self.wish is not None:
            wish = self.wish
            return min(queue, key=lambda row: (int(wish.start[row]) + self._setup(at, self.modes[row][at]), row))
        if self.rule is Rule.FIFO:
            return min(queue, key=lambda row: (queue[row], row))
        jobs, job = self.problem.jobs, self.problem.operation_job
        return min(queue, key=lambda row: (jobs[job[row]].due is None, jobs[job[row]].due or 0, queue[row], row))

    def _by_plan(self, at: int) -> int | None:
        """Return the next by the plan where it is there; where it is late and may be passed, the first that is there."""
        turn, queue = self.turn[at], self.queue[at]
        if not turn or self.plan is None:
            return None
        if turn[-1] in queue:
            return turn.pop()
        late = self.passing and self.plan.start[turn[-1]] < self.env.now
        found = next((row for row in reversed(turn) if row in queue), None) if late else None
        if found is not None:
            turn.remove(found)
        return found

    def _setup(self, at: int, mode: int) -> int:
        """Return the ticks of setup that a unit needs for a mode as it stands."""
        state, setup = int(self.problem.mode_setup[mode]), self.problem.units[at].setup
        return int(setup[self.state[at], state]) if state >= 0 and setup is not None and self.state[at] >= 0 else 0

    def _times(self, at: int, row: int, mode: int, free: int) -> tuple[int, int]:
        """Return from when to when an operation is done that a unit takes now, where it has been free since ``free``."""
        problem, unit, now = self.problem, self.problem.units[at], int(self.env.now)
        state, setup = int(problem.mode_setup[mode]), self._setup(at, mode)
        if state >= 0:
            self.state[at] = state
        self.setup[row] = setup
        # who follows a plan knows what comes next, and sets up before it is there
        begin = now if self.plan is None or unit.setup_with_part else max(free, problem.now)
        duration = round(int(problem.mode_duration[mode]) * self.chance.factor[row])
        planned = 0
        if self.plan is not None and at in self.held:
            planned = self.ends[at].popleft() - int(problem.mode_duration[mode]) if self.passing else int(self.plan.start[row])
        elif self.wish is not None and at in self.held:
            planned = self.ends[at].popleft() - int(problem.mode_duration[mode])
        start = max(_worked(self.stops[at], begin, setup), now, planned)
        start = max(_open(self.stops[at], start), _fitting(problem, at, start, setup, duration))
        return start, _worked(self.stops[at], start, duration)


def _told(env: simpy.Environment, event: simpy.Event) -> simpy.Event:
    """Wake those who wait for an event; return the next one to wait for."""
    event.succeed()
    return env.event()


def _by_unit(problem: PlanProblem) -> list[dict[int, int]]:
    """Return for each operation its mode on each unit, the quickest where there are several."""
    found: list[dict[int, int]] = [{} for _ in problem.operation_name]
    for row in np.argsort(problem.mode_duration, kind="stable"):
        found[problem.mode_operation[row]].setdefault(int(problem.mode_unit[row]), int(row))
    return [dict(sorted(one.items())) for one in found]


def _stops(problem: PlanProblem, at: int, chance: Chance) -> _Spans:
    """Return when work stands still and goes on afterwards, in order and apart."""
    unit = problem.units[at]
    spans = sorted([*chance.down[at], *(unit.closed if unit.pauses else ())])
    joined: _Spans = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _open(stops: _Spans, tick: int) -> int:
    """Return the first tick from then on at which work does not stand still."""
    at = bisect_right(stops, (tick, 1 << 62)) - 1
    return stops[at][1] if at >= 0 and tick < stops[at][1] else tick


def _worked(stops: _Spans, start: int, ticks: int) -> int:
    """Return when so many ticks of work are done."""
    if ticks == 0:
        return start
    end = _open(stops, start) + ticks
    for begin, until in stops[bisect_right(stops, (_open(stops, start), 0)) :]:
        if begin >= end:
            break
        end += until - begin
    return end


def _fitting(problem: PlanProblem, at: int, start: int, setup: int, duration: int) -> int:
    """Return the first start from then on whose setup, and whose work where it cannot pause, touches no closed time."""
    unit = problem.units[at]
    for begin, until in unit.closed:
        if start - setup < until and begin < max(start + (1 if unit.pauses else duration), start):
            start = until + setup
    return start
