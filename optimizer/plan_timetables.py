"""What is taken when: of people and fixtures, of places before a unit, of vehicles; and where more still fits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from optimizer.plan_closed import Span


@dataclass(slots=True)
class Profile:
    """How much of something is taken at each time."""

    capacity: int
    ticks: list[int] = field(default_factory=lambda: [-(2**62)])
    taken: list[int] = field(default_factory=lambda: [0])

    def add(self, start: int, end: int, amount: int) -> None:
        """Take ``amount`` more from start to end; less where it is negative."""
        if end <= start:
            return
        first, last = self._cut(start), self._cut(end)
        for row in range(first, last):
            self.taken[row] += amount
        for row in (last, first):
            if row and self.taken[row] == self.taken[row - 1]:
                del self.ticks[row], self.taken[row]

    def full(self, start: int, end: int, amount: int) -> int | None:
        """Return when the last stretch in [start, end) in which ``amount`` is not there ends, None where it is there throughout."""
        if end <= start:
            return None
        for row in range(bisect_left(self.ticks, end) - 1, bisect_right(self.ticks, start) - 2, -1):
            if self.taken[row] + amount > self.capacity:
                return self.ticks[row + 1] if row + 1 < len(self.ticks) else end
        return None

    def _cut(self, at: int) -> int:
        row = bisect_left(self.ticks, at)
        if row == len(self.ticks) or self.ticks[row] != at:
            self.ticks.insert(row, at)
            self.taken.insert(row, self.taken[row - 1])
        return row


@dataclass(frozen=True, slots=True, order=True)
class Ride:
    """A part is carried from one place to another."""

    leaves: int
    arrives: int
    origin: int
    destination: int
    operation: int


@dataclass(slots=True)
class Vehicles:
    """The rides of each vehicle, in order."""

    travel: Sequence[Sequence[int]]
    start: int
    rides: list[list[Ride]]

    def fitting(self, origin: int, destination: int, ready: int, operation: int) -> tuple[int, Ride]:
        """Return the vehicle that brings a part first, and the ride: after its last, or between two where that fits."""
        way = self.travel[origin][destination]
        best: tuple[int, Ride] | None = None
        for vehicle, rides in enumerate(self.rides):
            row = max(bisect_right(rides, ready, key=lambda ride: ride.leaves) - 1, 0)
            while True:
                before = rides[row - 1] if row else None
                free, place = (before.arrives, before.destination) if before else (0, self.start)
                leaves = max(ready, free + self.travel[place][origin])
                after = rides[row] if row < len(rides) else None
                if after is None or leaves + way + self.travel[destination][after.origin] <= after.leaves:
                    break
                row += 1
            if best is None or leaves < best[1].leaves:
                best = (vehicle, Ride(leaves, leaves + way, origin, destination, operation))
        if best is None:
            raise ValueError("there are no vehicles")
        return best

    def add(self, vehicle: int, ride: Ride) -> None:
        """Let a vehicle do a ride that fits."""
        self.rides[vehicle].insert(bisect_right(self.rides[vehicle], ride), ride)

    def remove(self, vehicle: int, ride: Ride) -> None:
        """Take a ride back."""
        self.rides[vehicle].remove(ride)


@dataclass(slots=True)
class Tail:
    """How a unit stands after all that was put on it."""

    free: int
    state: int
    fixed: list[tuple[int, int, int, int]]
    """Start, end, mode, operation of what stands fixed on it, by time."""
    passed: int = 0
    """How many of these lie behind."""
    closed: tuple[Span, ...] = ()
