"""The plan that stands, moved to the right as far as it must: feasible at once, whatever has happened.

Modes, the order on each unit, the order of each part and the vehicle of each trip stay. Nothing starts earlier than it did. What is
locked to its start stays exactly there, and what is not locked goes after it where it does not fit before it any more. Where a lock
cannot be kept at all, the shift tells which, and what stands against it: the plan it returns is one for the problem without that lock,
never a plan that breaks it in silence.

Only what is moved is looked at: each operation waits for few others, and the later of two always gives way, so that times only grow and
the search ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from plant.plan_holds import Holds
from plant.plan_problem import PlanProblem
from plant.plans import Plan
from plant.shift_lines import ShiftLines, shift_lines
from plant.shift_needs import Needs, needs_of
from plant.shift_tables import ShiftTables, shift_tables
from plant.shift_trips import ShiftTrips, shift_trips

_NEVER = 1 << 60
_LOOKS = 400
"""Looks at each operation, on average, before a shift is given up: orders that wait for each other in a circle never come to rest."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What moved an operation: a rule, and the operation, unit or resource that it comes from (-1: none)."""

    holds: Holds
    operation: int = -1
    unit: int = -1
    resource: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Where everything stands after a shift, or why it came to no rest."""

    plan: Plan
    loosed: Mapping[int, int]
    """Locked operations that cannot stay, and the earliest start they would have."""
    lapsed: tuple[int, ...]
    """Arcs whose most time cannot be kept, because what they follow has happened."""
    causes: Mapping[int, Cause]
    """Of each operation that was moved: what moved it last."""
    stuck: int = -1
    """The operation that found no place; -1: all did."""


def settle(problem: PlanProblem, plan: Plan, loosed: frozenset[int] = frozenset(), lapsed: frozenset[int] = frozenset()) -> Settled:
    """Return the plan moved to the right; ``loosed`` and ``lapsed`` are locks and most times that do not count any more."""
    return _Shift(problem, plan, loosed, lapsed).settled()


class _Shift:
    """Operations on their way to the right."""

    def __init__(self, problem: PlanProblem, plan: Plan, loosed: frozenset[int], lapsed: frozenset[int]) -> None:
        self.problem, self.plan, self.now = problem, plan, problem.now
        self.its: ShiftTables = shift_tables(problem, plan, loosed)
        self.start, self.end = list(self.its.start), list(self.its.end)
        self.trips: ShiftTrips = shift_trips(problem, plan, self.its)
        self.needs: Needs = needs_of(problem, self.its.mode, self.its.lasts, self.its.calendar, self.its.turn)
        for row in self.its.done:
            if self.needs.of[row]:
                self.needs.put(row, self.start[row], self.end[row])
        self.lines: ShiftLines = shift_lines(self.its, self.start, self.end, self.now)
        self.room_of: dict[int, list[int]] = rooms(problem, self.its, self.trips)
        self.end_by = [0] * len(self.start)
        """The earliest end that what comes after allows."""
        self.end_for = [Holds.MOST] * len(self.start)
        self.not_with = lapsed
        self.loosed: dict[int, int] = {}
        self.lapsed: set[int] = set()
        self.causes: dict[int, Cause] = {}
        self.there: dict[int, int] = {}
        """Of what is locked: when its part is there."""

    def settled(self) -> Settled:
        """Move until all is well."""
        its, stuck = self.its, -1
        place = {row: at for at, row in enumerate(its.done)}
        queue = [at for at, row in enumerate(its.done) if not its.fact[row]]
        waiting, looks = set(queue), len(queue) * _LOOKS + 10_000
        far = _far(self.problem, its)
        while queue:
            at = heappop(queue)
            waiting.discard(at)
            row = its.done[at]
            for other in self._hold(row) if its.held[row] else self._move(row):
                if place[other] not in waiting and not its.fact[other]:
                    waiting.add(place[other])
                    heappush(queue, place[other])
            looks -= 1
            if looks < 0 or self.start[row] > far:
                stuck = row
                break
        if stuck < 0 and not self.loosed:
            self.loosed.update((row, self.start[row]) for row in self.lines.unset(self.there))
        taken = np.array(its.mode, np.int32)
        start, end = np.array(self.start, np.int64), np.array(self.end, np.int64)
        shifted = Plan(taken, np.where(taken >= 0, start, 0), np.where(taken >= 0, end, 0), self.trips.trips())
        return Settled(shifted, self.loosed, tuple(sorted(self.lapsed)), self.causes, stuck)

    def _ready(self, row: int) -> tuple[int, int, Cause, list[int]]:
        """Return from when on an operation can be done, when its part is there, what that comes from, and whose trips to look at again."""
        its, again = self.its, []
        before = its.part_before[row]
        there, cause = its.release[row], Cause(Holds.RELEASE)
        if before >= 0 and self.end[before] > there:
            there, cause = self.end[before], Cause(Holds.PART, before)
        if self.problem.transport is not None:
            origin, goal = its.way(row, self.problem.transport.start)
            if self.trips.free(row):
                ready = there if its.held[row] else max(there, self.now)
                if self.trips.carry(row, ready):
                    again = [one for one in (self.trips.before.get(row, -1), self.trips.after.get(row, -1)) if one >= 0]
                if self.trips.leaves[row] > ready:
                    cause = Cause(Holds.VEHICLE, self.trips.before.get(row, -1))
                there = self.trips.arrives(row)
            elif row in self.trips.vehicle:
                there = max(there, self.trips.arrives(row))
            elif origin != goal:
                there += its.travel[origin][goal]
        ready = there
        for other, least, _, _ in its.arcs_in[row]:
            if self.end[other] + least > ready:
                ready, cause = self.end[other] + least, Cause(Holds.LEAST if least else Holds.PART, other)
        return ready, there, cause, again

    def _move(self, row: int) -> Iterator[int]:
        """Move an operation as far to the right as it must; yield those to look at again."""
        its, lines = self.its, self.lines
        ready, there, cause, again = self._ready(row)
        yield from again
        start = max(self.start[row], self.now)
        moved_by = cause if ready > start else None
        start = max(start, ready)
        calendar = its.calendar[its.unit[row]]
        while True:
            first, at, holds, other = lines.first_fit(row, start, there)
            if first > start:
                moved_by = Cause(holds, other, its.unit[row])
            start, end = first, calendar.end(first, its.lasts[row])
            lack = self.needs.first_fit(row, start, end) if self.needs.of[row] else None
            if lack is not None:
                start, moved_by = lack[0], Cause(Holds.RESOURCE, lack[2], -1, lack[1])
            elif end < self.end_by[row]:
                start, moved_by = start + self.end_by[row] - end, Cause(self.end_for[row], its.part_after[row])
            else:
                break
            if start >= _NEVER:
                break
        if moved_by is not None:
            self.causes[row] = moved_by
        if (start, end, at) != (self.start[row], self.end[row], lines.at[row]):
            elsewhere = lines.at[row] != at
            self.start[row], self.end[row], lines.at[row] = start, end, at
            if elsewhere and lines.before[row] >= 0:
                yield lines.before[row]
            yield from lines.following(row)
            yield from self._followers(row)
        yield from self._pull(row)

    def _hold(self, row: int) -> Iterator[int]:
        """Look whether what is locked can stay; where it cannot, yield those to look at again."""
        its = self.its
        ready, self.there[row], cause, again = self._ready(row)
        yield from again
        start = self.start[row]
        first = max(start, ready)
        calendar = its.calendar[its.unit[row]]
        lasts = self.end[row] - start if its.known_end[row] else its.lasts[row]
        for other, clear, holds in (self.lines.clear(row), (-1, calendar.first_fit(start, 0, lasts), Holds.CLOSED)):
            if clear > first:
                first, cause = clear, Cause(holds, other, its.unit[row])
        lack = self.needs.first_fit(row, start, self.end[row]) if self.needs.of[row] else None
        if lack is not None and lack[0] > first:
            first, cause = lack[0], Cause(Holds.RESOURCE, lack[2], -1, lack[1])
        if self.end_by[row] > self.end[row] and start + self.end_by[row] - self.end[row] > first:
            first, cause = start + self.end_by[row] - self.end[row], Cause(self.end_for[row], its.part_after[row])
        if first > start:
            self.causes[row] = cause
            self.loosed[row] = self.start[row] = first
            self.end[row] = calendar.end(calendar.first_fit(first, 0, its.lasts[row]), its.lasts[row])
            yield from self._followers(row)
        yield from self._pull(row)

    def _followers(self, row: int) -> Iterator[int]:
        its = self.its
        if its.part_after[row] >= 0:
            yield its.part_after[row]
        for other, _, _, _ in its.arcs_out[row]:
            yield other
        if self.needs.of[row]:
            self.needs.put(row, self.start[row], self.end[row])
            for other in list(self.needs.near(row, self.start[row], self.end[row])):
                if its.turn[other] > its.turn[row]:
                    yield other

    def _pull(self, row: int) -> Iterator[int]:
        """Draw to the right what must not end too long before this operation starts, or come before there is room."""
        its, start = self.its, self.start[row]
        for other, _, most, arc in its.arcs_in[row]:
            if most >= 0 and arc not in self.not_with and start > self.end[other] + most:
                if its.fact[other]:
                    self.lapsed.add(arc)
                elif start - most > self.end_by[other]:
                    self.end_by[other], self.end_for[other] = start - most, Holds.MOST
                    yield other
        for other in self.room_of.get(row, ()):
            before = its.part_before[other]
            if self.trips.free(other):
                origin, goal = self.trips.ways[other]
                if start - its.travel[origin][goal] > self.trips.not_before.get(other, 0):
                    self.trips.not_before[other] = start - its.travel[origin][goal]
                    yield other
            elif other not in self.trips.vehicle:
                origin, goal = its.way(other, 0)
                by = start - (its.travel[origin][goal] if origin != goal else 0)
                if by > self.end_by[before]:
                    self.end_by[before], self.end_for[before] = by, Holds.BUFFER
                    yield before


def rooms(problem: PlanProblem, its: ShiftTables, trips: ShiftTrips) -> dict[int, list[int]]:
    """Return for operations before which parts wait: whose parts come no earlier than it starts, so that there is room for them.

    With room for three, the fourth that comes waits for the first start, the fifth for the second, in whatever order they come.
    """
    found: dict[int, list[int]] = {}
    start_place = 0 if problem.transport is None else problem.transport.start

    def there(row: int) -> int:
        if row in trips.vehicle:
            return trips.arrives(row)
        origin, goal = its.way(row, start_place)
        return its.end[its.part_before[row]] + (its.travel[origin][goal] if origin != goal else 0)

    for number, unit in enumerate(problem.units):
        if unit.buffer is None:
            continue
        starts = [row for row in its.done if its.unit[row] == number and its.part_before[row] >= 0]
        comes = sorted(starts, key=lambda row: (there(row), its.start[row]))
        for first, row in zip(starts, comes[unit.buffer :], strict=False):
            if not its.fact[its.part_before[row]]:
                found.setdefault(first, []).append(row)
    return found


def _far(problem: PlanProblem, its: ShiftTables) -> int:
    """Return a time by which everything can be done, one after the other."""
    last = max((its.end[row] for row in its.done), default=0)
    last = max(last, problem.now, *(job.release for job in problem.jobs), *(end for one in its.calendar for end in one.ends), 0)
    last = max((last, *(end for one in problem.resources for _, end, _ in one.closed)))
    each = max((int(unit.setup.max(initial=0)) for unit in problem.units if unit.setup is not None), default=0)
    each += 3 * max((max(line) for line in its.travel), default=0) + int(problem.arc_least.max(initial=0))
    return last + sum(its.lasts) + each * len(its.done) + 1
