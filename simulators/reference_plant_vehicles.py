"""Vehicles that carry parts in a simulated plant: the nearest that stands still comes, or the one that a plan says."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import Any

import simpy

from plant.plan_problem import Transport
from plant.plans import Trip


class Vehicles:
    """A fleet, each vehicle carrying one part at a time."""

    def __init__(
        self, env: simpy.Environment, transport: Transport | None, trips: Sequence[Trip], vehicles: int | None, *, hold: bool
    ) -> None:
        self._env, self._transport, self._hold = env, transport, hold
        known = None if transport is None else transport.vehicles
        fleet = vehicles if known is None else known
        self._idle: list[int] | None = None if transport is None or fleet is None else [transport.start] * fleet
        self._calls: list[tuple[simpy.Event, int]] = []
        self._trip = {trip.operation: trip for trip in trips}
        self._before: dict[int, Trip] = {}
        """Of each trip by its operation: the one that its vehicle makes before."""
        self._arrived = {trip.operation: env.event() for trip in trips}
        for vehicle in {trip.vehicle for trip in trips}:
            own = sorted((trip for trip in trips if trip.vehicle == vehicle), key=lambda trip: trip.leaves)
            self._before |= {then.operation: first for first, then in pairwise(own)}

    def carry(self, operation: int, origin: int, destination: int) -> Generator[simpy.Event, Any, None]:
        """Carry the part of an operation; over when it is there."""
        if self._transport is None:
            return
        travel = self._transport.travel
        if operation in self._trip:
            yield from self._as_planned(self._trip[operation])
            return
        if self._idle is not None:
            place = yield from self._called(origin)
            yield self._env.timeout(int(travel[place, origin]))
        yield self._env.timeout(int(travel[origin, destination]))
        if self._idle is not None:
            self._free(destination)

    def _as_planned(self, trip: Trip) -> Generator[simpy.Event, Any, None]:
        assert self._transport is not None  # noqa: S101 - asked before
        travel, env = self._transport.travel, self._env
        before = self._before.get(trip.operation)
        place, free = self._transport.start, 0
        if before is not None:
            free = yield self._arrived[before.operation]
            place = before.destination
        # the vehicle drives there as soon as it is free; the part may have waited longer
        leaves = max(int(env.now), free + int(travel[place, trip.origin]), trip.leaves if self._hold else 0)
        yield env.timeout(leaves - env.now + int(travel[trip.origin, trip.destination]))
        self._arrived[trip.operation].succeed(int(env.now))

    def _called(self, origin: int) -> Generator[simpy.Event, Any, int]:
        assert self._idle is not None and self._transport is not None  # noqa: S101, PT018 - asked before
        if not self._idle:
            call = self._env.event()
            self._calls.append((call, origin))
            place: int = yield call
            return place
        travel = self._transport.travel
        nearest = min(range(len(self._idle)), key=lambda at: (int(travel[self._idle[at], origin]), at))  # type: ignore[index]
        return self._idle.pop(nearest)

    def _free(self, place: int) -> None:
        assert self._idle is not None  # noqa: S101 - asked before
        if self._calls:
            self._calls.pop(0)[0].succeed(place)
        else:
            self._idle.append(place)
