"""Trips of vehicles on their way to the right: each vehicle keeps its trips and their order."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from plant.plan_problem import PlanProblem
from plant.plans import Plan, Trip
from plant.shift_tables import Matrix, ShiftTables


@dataclass(slots=True)
class ShiftTrips:
    """Trips by the operation that they carry a part to."""

    travel: Matrix
    start: int
    vehicle: dict[int, int] = field(default_factory=dict)
    ways: dict[int, tuple[int, int]] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    """How many of the fixed trips of the vehicle come before it."""
    fixed: list[list[int]] = field(default_factory=list)
    """Of each vehicle: operations whose trips stay, in order."""
    fixed_leaves: list[list[int]] = field(default_factory=list)
    not_before: dict[int, int] = field(default_factory=dict)

    def arrives(self, row: int) -> int:
        """Return when the part is there."""
        origin, goal = self.ways[row]
        return self.leaves[row] + self.travel[origin][goal]

    def free(self, row: int) -> bool:
        """Return whether an operation has a trip that can be moved."""
        return row in self.at

    def carry(self, row: int, ready: int) -> bool:
        """Move a trip as far to the right as it must, and return whether it moved."""
        fixed, begins = self.fixed[self.vehicle[row]], self.fixed_leaves[self.vehicle[row]]
        origin, goal = self.ways[row]
        leaves = max(ready, self.leaves[row], self.not_before.get(row, 0))
        at = max(self.at[row], bisect_left(begins, leaves))
        before, after = self.before.get(row, -1), self.after.get(row, -1)
        while True:
            last = before if before >= 0 and self.at[before] >= at else fixed[at - 1] if at else -1
            stands, clear = (self.ways[last][1], self.arrives(last)) if last >= 0 else (self.start, 0)
            leaves = max(leaves, clear + self.travel[stands][origin])
            passed = bisect_left(begins, leaves, at)
            if passed == at and passed < len(fixed) and (after < 0 or self.at[after] > at):
                then = self.ways[fixed[at]][0]
                passed += leaves + self.travel[origin][goal] + self.travel[goal][then] > begins[at]
            if passed == at:
                break
            at = passed
        moved = (leaves, at) != (self.leaves[row], self.at[row])
        self.leaves[row], self.at[row] = leaves, at
        return moved

    def trips(self) -> tuple[Trip, ...]:
        """Return all trips, by vehicle and time."""
        ordered = sorted(self.vehicle, key=lambda row: (self.vehicle[row], self.leaves[row], self.arrives(row)))
        return tuple(Trip(self.vehicle[row], row, *self.ways[row], self.leaves[row], self.arrives(row)) for row in ordered)


def shift_trips(problem: PlanProblem, plan: Plan, its: ShiftTables) -> ShiftTrips:
    """Return the trips of a plan; where an operation needs one that the plan does not have, some vehicle gets it."""
    transport = problem.transport
    if transport is None or transport.vehicles is None:
        return ShiftTrips(its.travel, 0 if transport is None else transport.start)
    found = ShiftTrips(its.travel, transport.start)
    planned = {trip.operation: trip for trip in plan.trips}
    carried = {row: way for row in its.done if (way := its.way(row, transport.start))[0] != way[1]}
    for row, way in carried.items():
        trip = planned.get(row)
        if trip is not None and trip.vehicle < transport.vehicles and (not its.fact[row] or way == (trip.origin, trip.destination)):
            found.ways[row], found.vehicle[row], found.leaves[row] = way, trip.vehicle, trip.leaves
    chains: list[list[int]] = [[] for _ in range(transport.vehicles)]
    for row, vehicle in found.vehicle.items():
        chains[vehicle].append(row)
    for row, way in carried.items():
        if row not in found.vehicle and not its.fact[row]:
            before = its.part_before[row]
            ready = its.end[before] if before >= 0 else its.release[row]
            leaves = max(its.start[row] - its.travel[way[0]][way[1]], ready)
            vehicle = min(range(transport.vehicles), key=lambda one: _free_at(found, chains[one], leaves, way[0]))
            found.ways[row], found.vehicle[row], found.leaves[row] = way, vehicle, leaves
            chains[vehicle].append(row)
    for chain in chains:
        _stand(problem, found, its, planned, sorted(chain, key=lambda row: (found.leaves[row], found.arrives(row))))
    return found


def _free_at(trips: ShiftTrips, chain: list[int], leaves: int, place: int) -> int:
    """Return when a vehicle could be at a place, as far as its trips that leave before go."""
    return max((trips.arrives(row) + trips.travel[trips.ways[row][1]][place] for row in chain if trips.leaves[row] <= leaves), default=0)


def _stand(problem: PlanProblem, trips: ShiftTrips, its: ShiftTables, planned: dict[int, Trip], chain: list[int]) -> None:
    """Tell the trips of one vehicle that stay from those that can move."""
    fixed: list[int] = []
    last = -1
    for row in chain:
        before, trip = its.part_before[row], planned.get(row)
        same = trip is not None and trips.ways[row] == (trip.origin, trip.destination)
        kept = its.held[row] and (before < 0 or its.fact[before] or its.held[before])
        possible = same and trips.leaves[row] >= (its.end[before] if before >= 0 else its.release[row])
        if its.fact[row] or (possible and (kept or trips.leaves[row] < problem.now)):
            fixed.append(row)
            continue
        trips.at[row] = len(fixed)
        if last >= 0:
            trips.before[row], trips.after[last] = last, row
        last = row
    trips.fixed.append(fixed)
    trips.fixed_leaves.append([trips.leaves[row] for row in fixed])
