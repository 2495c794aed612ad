"""A list of operations laid out in time, each as early as it can be after those before it in the list, with every rule of a problem kept.

It is plain and complete where the compiled layout of the search is fast. What binds an operation to the end of the one before it (a place
before its unit, a longest time) makes both one *block*, moved as a whole until all of it fits: a list seldom ends in a dead end.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from optimizer.plan_blocks import blocks
from optimizer.plan_closed import clear, opens, paused_end, without
from optimizer.plan_shape import Shape, words
from optimizer.plan_timetables import Profile, Ride, Tail, Vehicles
from plant.plans import Plan, Trip

_MOST_MOVES: Final = 150
"""So often the parts of a block are moved one against the other; then it goes behind everything."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A list ends here: why, and at which operation."""

    why: str
    operation: int
    block: tuple[int, ...] = ()
    """What was to be put together."""


@dataclass(frozen=True, slots=True)
class _Late:
    """An operation fits only where one before it starts later."""

    operation: int
    start: int


@dataclass(frozen=True, slots=True)
class _Put:
    """What was put, as it must be taken back."""

    operation: int
    unit: int
    free: int
    state: int
    passed: int
    ride: tuple[int, Ride] | None
    waits: tuple[tuple[int, int, int], ...]


def decode(shape: Shape, order: Sequence[int], mode: Sequence[int]) -> Plan | Stuck:
    """Return the plan that a list of all operations that are done gives; ``mode`` is of all operations, -1 where one is not done.

    Of what is bound in a job by arcs, what comes before stands before in the list. What is locked to a time may stand anywhere.
    """
    layout = Layout(shape, list(mode))
    stuck = layout.fix()
    if stuck is not None:
        return stuck
    for block in blocks(shape, order, layout.mode):
        stuck = layout.put(block)
        if stuck is not None:
            return stuck
    return layout.finished()


@dataclass(slots=True)
class Layout:
    """A plan while it is laid out."""

    shape: Shape
    mode: list[int]
    start: list[int] = field(init=False)
    end: list[int] = field(init=False)
    put_: list[bool] = field(init=False)
    tails: list[Tail] = field(init=False)
    spans: list[list[tuple[int, int, int]]] = field(init=False)
    """Of each job start, end and operation of what is put, in order."""
    taken: list[Profile] = field(init=False)
    waiting: dict[int, Profile] = field(init=False)
    vehicles: Vehicles | None = field(init=False)
    setups: list[list[list[int]] | None] = field(init=False)
    places: list[int] = field(init=False)
    travel: list[list[int]] = field(init=False)
    latest: int = 0

    def __post_init__(self) -> None:
        problem, count = self.shape.problem, len(self.shape.job)
        self.start, self.end, self.put_ = [0] * count, [0] * count, [False] * count
        self.tails = [Tail(-(2**60), unit.setup_state, [], 0, self.shape.closed(row)) for row, unit in enumerate(problem.units)]
        self.spans = [[] for _ in problem.jobs]
        self.taken = [Profile(resource.capacity) for resource in problem.resources]
        for profile, resource in zip(self.taken, problem.resources, strict=True):
            for low, high, away in resource.closed:
                profile.add(low, high, away)
        self.waiting = {row: Profile(unit.buffer) for row, unit in enumerate(problem.units) if unit.buffer is not None}
        self.setups = [None if unit.setup is None else unit.setup.tolist() for unit in problem.units]
        transport = problem.transport
        self.vehicles = None
        self.places = transport.place.tolist() if transport is not None else []
        if transport is not None and transport.vehicles is not None:
            self.vehicles = Vehicles(transport.travel.tolist(), int(transport.start), [[] for _ in range(transport.vehicles)])
        self.travel = transport.travel.tolist() if transport is not None else []

    def fix(self) -> Stuck | None:
        """Put what is locked to a time; return what cannot be."""
        shape = self.shape
        fixed = sorted((start, shape.end[at] or start, at) for at, start in enumerate(shape.start) if start is not None)
        for start, end, at in fixed:
            mode = self.mode[at] = shape.modes[at][0]
            unit = shape.unit[mode]
            self.tails[unit].fixed.append((start, end, mode, at))
            self._take(mode, start, end, 1)
            self._note(at, start, end)
            if not shape.started[at] and self._closed_for(unit, start, end) is not None:
                return Stuck(f"{words(shape.problem, at)} is locked to closed time of {shape.problem.units[unit].name}", at)
        for start, _, at in fixed:
            unit = shape.unit[self.mode[at]]
            before = self._before(at, start)
            if unit in self.waiting and before is not None:
                self.waiting[unit].add(before[1] + self._way(before[2], unit), start, 1)
        closed = [to for tail in self.tails for _, to in tail.closed]
        away = [profile.ticks[-1] for profile in self.taken]
        self.latest = max([self.latest, shape.problem.now, *(job.release for job in shape.problem.jobs), *closed, *away])
        return None

    def put(self, block: Sequence[int]) -> Stuck | None:
        """Put operations that are bound to each other where all of them fit; return what cannot be."""
        for least in ({}, {block[0]: self.latest}):
            lower: dict[int, int] = dict(least)
            for _ in range(_MOST_MOVES):
                late = self._put_all(block, lower)
                if late is None:
                    return None
                if isinstance(late, Stuck):
                    return late
                if late.operation not in block:
                    name = words(self.shape.problem, late.operation)
                    return Stuck(f"{name} stands fixed, and what must follow it in time does not fit", late.operation)
                moved = lower.get(late.operation)
                lower[late.operation] = late.start if moved is None else max(late.start, moved + 1)
        return Stuck(f"{words(self.shape.problem, block[0])} and what is bound to it fit nowhere together", block[0], tuple(block))

    def finished(self) -> Plan | Stuck:
        """Return the plan, with the rides of what is locked to a time."""
        shape = self.shape
        for at, start in enumerate(shape.start):
            if start is None or shape.started[at] or self.vehicles is None:
                continue
            unit, before = shape.unit[self.mode[at]], self._before(at, start)
            origin = self.places[shape.unit[self.mode[before[2]]]] if before is not None else self.vehicles.start
            if origin != self.places[unit]:
                ready = before[1] if before is not None else shape.problem.jobs[shape.job[at]].release
                vehicle, ride = self.vehicles.fitting(origin, self.places[unit], ready, at)
                if ride.arrives > start:
                    return Stuck(f"no vehicle brings the part of {words(shape.problem, at)} to where it is locked", at)
                self.vehicles.add(vehicle, ride)
        trips = tuple(
            Trip(vehicle, ride.operation, ride.origin, ride.destination, ride.leaves, ride.arrives)
            for vehicle, rides in enumerate(self.vehicles.rides if self.vehicles is not None else ())
            for ride in rides
        )
        mode = np.array([way if done else -1 for way, done in zip(self.mode, self.put_, strict=True)], np.int32)
        return Plan(mode, np.array(self.start, np.int64), np.array(self.end, np.int64), trips)

    def _put_all(self, block: Sequence[int], lower: dict[int, int]) -> _Late | Stuck | None:
        done: list[_Put] = []
        for at in block:
            found = self._place(at, lower.get(at, -(2**60)))
            if not isinstance(found, _Put):
                for one in reversed(done):
                    self._take_back(one)
                return found
            done.append(found)
        return None

    def _place(self, at: int, least: int) -> _Put | _Late | Stuck:  # noqa: C901 - one loop over all that can push it on
        """Put an operation as early as all rules allow; or return which one before it would have to start later."""
        shape = self.shape
        mode = self.mode[at]
        unit, job = shape.unit[mode], shape.job[at]
        place, tail, state = shape.problem.units[unit], self.tails[unit], shape.state[mode]
        setups, single = self.setups[unit], shape.problem.jobs[job].one_at_a_time
        free, stands, passed = tail.free, tail.state, tail.passed
        start = max(shape.earliest(at), least, self._after_arcs(at, shape.duration[mode]))
        lasts = shape.duration[mode]
        asked: tuple[int, int] | None = None
        ride: tuple[int, Ride] | None = None
        there = start
        while True:
            gap = setups[stands][state] if setups is not None and stands >= 0 and state >= 0 else 0
            before = self._before(at, start)
            if asked is None or (before[2] if before else -1) != asked[0]:
                there, ride = self._comes(at, unit, before)
                asked = (before[2] if before else -1, there)
            first = max(start, there + gap if place.setup_with_part and gap else there, free + gap, shape.problem.now + gap)
            first, end = self._open(unit, first, lasts, gap)
            if passed < len(tail.fixed):
                _, ends, other, _ = tail.fixed[passed]
                if not self._room(unit, end, state if state >= 0 else stands, tail.fixed[passed]):
                    free, passed = max(free, ends), passed + 1
                    stands = shape.state[other] if shape.state[other] >= 0 else stands
                    continue
            moved = self._job_clash(job, first - (gap if place.setup_with_part else 0), end, unit) if single else None
            if moved is None:
                moved = self._lacking(mode, first, end)
            if moved is not None and moved > first:
                start = moved
                continue
            if self._before(at, first) != before:
                start = first
                continue
            break
        late = self._too_late(at, first, unit, before, there) or self._before_fixed(at, end)
        if late is not None:
            return late
        waits = ((unit, there, first),) if before is not None and unit in self.waiting and there < first else ()
        put = _Put(at, unit, tail.free, tail.state, tail.passed, ride, waits)
        tail.free, tail.passed, tail.state = end, passed, state if state >= 0 else stands
        if ride is not None and self.vehicles is not None:
            self.vehicles.add(*ride)
        for row, low, high in waits:
            self.waiting[row].add(low, high, 1)
        self._take(mode, first, end, 1)
        self._note(at, first, end)
        return put

    def _after_arcs(self, at: int, lasts: int) -> int:
        """Return the earliest start by what comes before, and by what stands fixed behind it and may not wait long."""
        shape, start = self.shape, -(2**60)
        for before, least, _ in shape.before[at]:
            if self.put_[before]:
                start = max(start, self.end[before] + least)
        for after, _, most in shape.after[at]:
            fixed = shape.start[after]
            if fixed is not None and most >= 0:
                start = max(start, fixed - most - lasts)
        return start

    def _comes(self, at: int, unit: int, before: tuple[int, int, int] | None) -> tuple[int, tuple[int, Ride] | None]:
        """Return when the part comes to a unit, and how it is carried."""
        shape = self.shape
        ready = before[1] if before is not None else shape.problem.jobs[shape.job[at]].release
        if not self.travel:
            return ready, None
        origin = self.places[shape.unit[self.mode[before[2]]]] if before is not None else int(shape.problem.transport.start)  # type: ignore[union-attr]
        if self.vehicles is None or origin == self.places[unit]:
            return ready + self.travel[origin][self.places[unit]] * (origin != self.places[unit]), None
        vehicle, ride = self.vehicles.fitting(origin, self.places[unit], max(ready, shape.problem.now), at)
        return ride.arrives, (vehicle, ride)

    def _open(self, unit: int, start: int, lasts: int, gap: int) -> tuple[int, int]:
        """Return start and end of the first time from ``start`` on that is open for work and for the setup before it."""
        closed, pauses = self.tails[unit].closed, self.shape.problem.units[unit].pauses
        if not closed:
            return start, start + lasts
        while True:
            at = opens(start, closed) if pauses else start
            until = clear(at - gap, at, closed) if gap else None
            if until is None and not pauses:
                until = clear(at, at + lasts, closed)
            if until is None:
                return at, paused_end(at, lasts, closed) if pauses else at + lasts
            start = until + gap

    def _closed_for(self, unit: int, start: int, end: int) -> int | None:
        closed = self.tails[unit].closed
        if self.shape.problem.units[unit].pauses:
            until = opens(start, closed)
            return until if until != start else None
        return clear(start, end, closed)

    def _room(self, unit: int, end: int, state: int, fixed: tuple[int, int, int, int]) -> bool:
        """Tell whether what stands fixed can still be set up for after ``end``."""
        begins, _, mode, at = fixed
        setups, other = self.setups[unit], self.shape.state[mode]
        turn = setups[state][other] if setups is not None and state >= 0 and other >= 0 and not self.shape.started[at] else 0
        return end + turn <= begins and (not turn or clear(begins - turn, begins, self.tails[unit].closed) is None)

    def _job_clash(self, job: int, begins: int, end: int, unit: int) -> int | None:
        """Return the end of what is done to the part in [begins, end), or of what comes after it and would not be reached."""
        for start, until, other in self.spans[job]:
            if start < end and until > begins and (until > start or start > begins):
                return until
            if self.shape.start[other] is not None and not self.shape.started[other] and start >= end:
                way = self._way_between(unit, self.shape.unit[self.mode[other]])
                if end + way > start:
                    return until
                break
        return None

    def _lacking(self, mode: int, start: int, end: int) -> int | None:
        """Return until when people or fixtures are missing in [start, end)."""
        shape, found = self.shape, None
        for resource, amount in shape.needs[mode]:
            for low, high in self._worked(mode, resource, start, end):
                until = self.taken[resource].full(low, high, amount)
                if until is not None:
                    found = max(found or until, until)
        return found

    def _worked(self, mode: int, resource: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        unit = self.shape.problem.units[self.shape.unit[mode]]
        if unit.pauses and unit.closed and self.shape.problem.resources[resource].kind != "fixture":
            return without([(start, end)], unit.closed)
        return ((start, end),)

    def _too_late(self, at: int, start: int, unit: int, before: tuple[int, int, int] | None, there: int) -> _Late | None:
        """Return which operation before would have to start later, so that nothing waits too long, or with too many."""
        shape = self.shape
        for other, _, most in shape.before[at]:
            if most >= 0 and self.put_[other] and start > self.end[other] + most:
                return _Late(other, self.start[other] + start - self.end[other] - most)
        if before is not None and unit in self.waiting and not shape.started[before[2]]:
            until = self.waiting[unit].full(there, start, 1)
            if until is not None:
                return _Late(before[2], before[0] + min(until, start) - there)
        return None

    def _before_fixed(self, at: int, end: int) -> Stuck | None:
        shape = self.shape
        for after, least, _ in shape.after[at]:
            fixed = shape.start[after]
            if fixed is not None and end + least > fixed:
                problem = shape.problem
                return Stuck(f"{words(problem, at)} cannot be done before {words(problem, after)}, which is locked to its time", at)
        return None

    def _before(self, at: int, start: int) -> tuple[int, int, int] | None:
        """Return start, end and operation of what is done to the part before."""
        spans = self.spans[self.shape.job[at]]
        row = bisect_right(spans, start, key=lambda span: span[0]) - 1
        while row >= 0 and spans[row][2] == at:
            row -= 1
        return spans[row] if row >= 0 else None

    def _way(self, before: int, unit: int) -> int:
        return self._way_between(self.shape.unit[self.mode[before]], unit)

    def _way_between(self, origin: int, unit: int) -> int:
        if not self.travel or self.places[origin] == self.places[unit]:
            return 0
        return self.travel[self.places[origin]][self.places[unit]]

    def _take(self, mode: int, start: int, end: int, times: int) -> None:
        for resource, amount in self.shape.needs[mode]:
            for low, high in self._worked(mode, resource, start, end):
                self.taken[resource].add(low, high, amount * times)

    def _note(self, at: int, start: int, end: int) -> None:
        self.start[at], self.end[at], self.put_[at] = start, end, True
        insort(self.spans[self.shape.job[at]], (start, end, at))
        self.latest = max(self.latest, end)

    def _take_back(self, put: _Put) -> None:
        at, tail = put.operation, self.tails[put.unit]
        self._take(self.mode[at], self.start[at], self.end[at], -1)
        self.spans[self.shape.job[at]].remove((self.start[at], self.end[at], at))
        tail.free, tail.state, tail.passed = put.free, put.state, put.passed
        if put.ride is not None and self.vehicles is not None:
            self.vehicles.remove(*put.ride)
        for row, low, high in put.waits:
            self.waiting[row].add(low, high, -1)
        self.put_[at], self.start[at], self.end[at] = False, 0, 0
