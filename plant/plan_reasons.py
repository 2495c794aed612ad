"""Why each operation of a plan stands where it stands, and why a job is late: read from the plan alone, whoever made it.

``plan_story`` reads a plan once; then each question is answered at once. An operation starts when the last of what it waits for is
there: that is what holds it. The chain of a late job goes from its end back, from each operation to what held it, to where nothing
more is waited for: its root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from plant.plan_holds import Holds
from plant.plan_order import plan_order
from plant.plan_problem import LockReason, PlanProblem
from plant.plans import Plan
from plant.right_shift import rooms
from plant.shift_needs import Needs, needs_of
from plant.shift_tables import ShiftTables, shift_tables
from plant.shift_trips import ShiftTrips, shift_trips

_LOCKS = {LockReason.STARTED: Holds.STARTED, LockReason.FROZEN: Holds.FROZEN, LockReason.PERSON: Holds.LOCK}
_FIRST = (
    Holds.PART,
    Holds.WAY,
    Holds.LEAST,
    Holds.VEHICLE,
    Holds.SETUP,
    Holds.UNIT,
    Holds.RESOURCE,
    Holds.BUFFER,
    Holds.MOST,
    Holds.CLOSED,
    Holds.STARTED,
    Holds.LOCK,
    Holds.FROZEN,
    Holds.NOW,
    Holds.RELEASE,
    Holds.NOTHING,
)
"""Of several that hold at the same time, which a chain follows."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One thing that an operation waits for."""

    holds: Holds
    at: int
    """It lets the operation start then."""
    operation: int = -1
    """The operation that it comes from; -1: none."""
    unit: int = -1
    resource: int = -1


@dataclass(frozen=True, slots=True)
class Why:
    """Why an operation starts when it starts."""

    operation: int
    start: int
    bounds: tuple[Bound, ...]
    """What holds its start, what a chain follows first; with ``CLOSED`` also what held it until the unit closed."""
    earliest: int
    """When it could start, with all others where they are; before ``start`` where nothing holds it there."""
    slack: int | None
    """How much later it could start before its unit, its part or an arc moves another; None: nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another way to do an operation, with all others where they are."""

    mode: int
    unit: int
    start: int
    end: int
    later: int
    """Ticks that it would end later than as planned; less than 0: earlier."""
    holds: Bound | None
    """What it would wait for on that unit; None: nothing but its part."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that a job lost before an operation, though its part was ready."""

    operation: int
    bound: Bound
    ticks: int


@dataclass(frozen=True, slots=True)
class Late:
    """Why a job ends after its due date."""

    job: int
    ticks: int
    """So much after it."""
    chain: tuple[tuple[int, Bound], ...]
    """From its last operation back to the root: each operation and what held it."""
    waits: tuple[Wait, ...]
    """Where its part waited, the longest first."""
    work: int
    """Ticks from the start to the end of each of its operations, added up."""
    impossible: bool
    """Whether its work alone takes longer than there was from its release to the due date."""

    @property
    def root(self) -> tuple[int, Bound]:
        """The operation at which the chain ends, and what held that."""
        return self.chain[-1]


@dataclass(slots=True, eq=False)
class PlanStory:
    """A plan, read so that questions about it are answered at once."""

    problem: PlanProblem
    plan: Plan
    its: ShiftTables
    trips: ShiftTrips
    needs: Needs
    unit_before: list[int]
    unit_after: list[int]
    setup: list[int]
    locks: dict[int, LockReason]
    room: dict[int, int]
    """Of operations before which few parts can wait: the one whose start makes room for its part."""
    lines: list[list[int]]
    """Of each unit: its operations by start."""
    trip_before: dict[int, int]
    of_job: list[list[int]]
    answered: dict[int, Why]


def plan_story(problem: PlanProblem, plan: Plan) -> PlanStory:
    """Return a plan as it can be asked about. It is expected to be one without faults."""
    kept = {row.operation for row in problem.locks if row.start is not None and plan.start[row.operation] != row.start}
    its = shift_tables(problem, plan, frozenset(kept))
    its.start, its.end = plan.start.tolist(), plan.end.tolist()
    trips = shift_trips(problem, plan, its)
    turn = [-1] * len(its.start)
    for at, row in enumerate(its.done):
        turn[row] = at
    needs = needs_of(problem, its.mode, its.lasts, its.calendar, turn)
    for row in its.done:
        if needs.of[row]:
            needs.put(row, its.start[row], its.end[row])
    order = plan_order(problem, plan)
    before = order.before_on_unit.tolist()
    after = [-1] * len(before)
    for row, one in enumerate(before):
        if one >= 0:
            after[one] = row
    lines: list[list[int]] = [[] for _ in problem.units]
    for row in sorted(its.done, key=lambda row: (its.start[row], its.end[row], row)):
        lines[its.unit[row]].append(row)
    room = {row: first for first, rows in rooms(problem, its, trips).items() for row in rows}
    trip_before = {other.operation: one.operation for one, other in pairwise(trips.trips()) if one.vehicle == other.vehicle}
    locks = {lock.operation: lock.reason for lock in problem.locks if lock.start is not None}
    of_job: list[list[int]] = [[] for _ in problem.jobs]
    for row in its.done:
        of_job[int(problem.operation_job[row])].append(row)
    return PlanStory(problem, plan, its, trips, needs, before, after, order.setup.tolist(), locks, room, lines, trip_before, of_job, {})


def why_here(story: PlanStory, row: int) -> Why:
    """Return why an operation that is done starts when it starts."""
    if row not in story.answered:
        story.answered[row] = _why(story, row)
    return story.answered[row]


def elsewhere(story: PlanStory, row: int) -> tuple[Elsewhere, ...]:
    """Return what the other ways to do an operation would come to, the earliest end first."""
    modes = range(int(story.problem.modes_of[row]), int(story.problem.modes_of[row + 1]))
    found = [_as_mode(story, row, mode) for mode in modes if mode != story.its.mode[row]]
    return tuple(sorted(found, key=lambda one: (one.end, one.start, one.mode)))


def why_late(story: PlanStory, job: int) -> Late | None:
    """Return why a job is late; None where it is not."""
    problem, its = story.problem, story.its
    due = problem.jobs[job].due
    rows = story.of_job[job]
    if due is None or not rows:
        return None
    last = max(rows, key=lambda row: its.end[row])
    if its.end[last] <= due:
        return None
    work = sum(its.end[row] - its.start[row] for row in rows)
    alone = sum(its.lasts[row] for row in rows) if problem.jobs[job].one_at_a_time else max(its.lasts[row] for row in rows)
    waits = sorted(_waits(story, rows), key=lambda one: -one.ticks)
    return Late(job, its.end[last] - due, _chain(story, last), tuple(waits), work, problem.jobs[job].release + alone > due)


def late_jobs(story: PlanStory) -> tuple[Late, ...]:
    """Return all late jobs with why, the latest first."""
    found = [late for job in range(len(story.problem.jobs)) if (late := why_late(story, job)) is not None]
    return tuple(sorted(found, key=lambda one: -one.ticks))


def _why(story: PlanStory, row: int) -> Why:
    its, start = story.its, story.its.start[row]
    unit, lasts, setup = its.unit[row], its.lasts[row], story.setup[row]
    simple = list(_simple(story, row))
    first = max(one.at for one in simple)
    bounds = [one for one in simple if one.at == first]
    calendar = its.calendar[unit]
    earliest = calendar.first_fit(first, setup, lasts)
    if first < earliest <= start:
        bounds.insert(0, Bound(Holds.CLOSED, earliest, -1, unit))
    while earliest < start and story.needs.of[row]:
        lack = story.needs.first_fit(row, earliest, calendar.end(earliest, lasts))
        if lack is None or lack[0] > start:
            break
        bounds = [Bound(Holds.RESOURCE, lack[0], lack[2], -1, lack[1])]
        earliest = calendar.first_fit(lack[0], setup, lasts)
    if earliest < start:
        drawn = list(_drawn(story, row))
        spare = min((start - one.at for one in drawn), default=start)
        if spare <= 0:
            bounds, earliest = [replace(one, at=start) for one in drawn if one.at >= start], start
        elif row not in story.locks:
            earliest = calendar.first_fit(max(earliest, start - spare), setup, lasts)
            bounds = [Bound(Holds.NOTHING, earliest)]
    if row in story.locks:
        coincide = [one for one in bounds if one.at == start] if story.locks[row] is not LockReason.STARTED else []
        bounds = [Bound(_LOCKS[story.locks[row]], start), *coincide]
    bounds.sort(key=lambda one: (one.holds not in _LOCKS.values(), one.holds is not Holds.CLOSED, _FIRST.index(one.holds)))
    return Why(row, start, tuple(bounds), min(earliest, start), _slack(story, row))


def _simple(story: PlanStory, row: int) -> Iterator[Bound]:
    """Yield what depends on one other operation or on none."""
    its, setup = story.its, story.setup[row]
    yield Bound(Holds.NOW, story.problem.now + setup)
    before = its.part_before[row]
    ready = Bound(Holds.RELEASE, its.release[row])
    yield ready
    if before >= 0:
        ready = Bound(Holds.PART, its.end[before], before)
    if row in story.trips.vehicle:
        left = story.trips.leaves[row] > ready.at
        there = Bound(Holds.VEHICLE if left else Holds.WAY, story.trips.arrives(row), story.trip_before.get(row, -1) if left else before)
    else:
        there = ready
        origin, goal = its.way(row, 0 if story.problem.transport is None else story.problem.transport.start)
        if origin != goal:
            there = Bound(Holds.WAY, ready.at + its.travel[origin][goal], before)
    yield replace(there, at=there.at + setup) if setup and its.with_part[its.unit[row]] else there
    for other, least, _, _ in its.arcs_in[row]:
        yield Bound(Holds.LEAST if least else Holds.PART, its.end[other] + least, other)
    other = story.unit_before[row]
    if other >= 0:
        yield Bound(Holds.SETUP if setup else Holds.UNIT, its.end[other] + setup, other, its.unit[row])


def _drawn(story: PlanStory, row: int) -> Iterator[Bound]:
    """Yield what keeps an operation from ending earlier, with the start that it allows at the earliest."""
    its, lasts = story.its, story.its.end[row] - story.its.start[row]
    after = its.part_after[row]
    if after in story.room and after not in story.trips.vehicle:
        origin, goal = its.way(after, 0)
        way = its.travel[origin][goal] if origin != goal else 0
        yield Bound(Holds.BUFFER, its.start[story.room[after]] - way - lasts, story.room[after], its.unit[after])
    for other, _, most, _ in its.arcs_out[row]:
        if most >= 0:
            yield Bound(Holds.MOST, its.start[other] - most - lasts, other)


def _slack(story: PlanStory, row: int) -> int | None:
    its = story.its
    after, left = story.unit_after[row], []
    if after >= 0:
        left.append(its.start[after] - story.setup[after] - its.end[row])
    after = its.part_after[row]
    if after in story.trips.vehicle:
        left.append(story.trips.leaves[after] - its.end[row])
    elif after >= 0:
        origin, goal = its.way(after, 0)
        left.append(its.start[after] - (its.travel[origin][goal] if origin != goal else 0) - its.end[row])
    left += [its.start[other] - least - its.end[row] for other, least, _, _ in its.arcs_out[row]]
    return max(min(left), 0) if left else None


def _as_mode(story: PlanStory, row: int, mode: int) -> Elsewhere:
    problem, its = story.problem, story.its
    unit, lasts = int(problem.mode_unit[mode]), int(problem.mode_duration[mode])
    calendar, ready = its.calendar[unit], story.problem.now
    for one in _simple(_on(story, row, unit), row):
        if one.holds not in {Holds.NOW, Holds.UNIT, Holds.SETUP}:
            ready = max(ready, one.at)
    start, before, held = ready, -1, None
    for other in (one for one in story.lines[unit] if one != row):
        setup = _setup(story, unit, before, mode)
        start = calendar.first_fit(max(start, setup + (its.end[before] if before >= 0 else problem.now)), setup, lasts)
        if calendar.end(start, lasts) + _setup_to(story, unit, mode, other) <= its.start[other]:
            break
        if its.end[other] >= ready:
            held = Bound(Holds.UNIT, its.end[other], other, unit)
        start, before = max(start, its.end[other]), other
    else:
        setup = _setup(story, unit, before, mode)
        start = calendar.first_fit(max(start, setup + (its.end[before] if before >= 0 else problem.now)), setup, lasts)
    if start > ready and held is None:
        held = Bound(Holds.CLOSED, start, -1, unit)
    end = calendar.end(start, lasts)
    return Elsewhere(mode, unit, start, end, end - its.end[row], held if start > ready else None)


def _on(story: PlanStory, row: int, unit: int) -> PlanStory:
    """Return the story as if an operation were done on another unit, for its ways; without a trip of its own."""
    units = list(story.its.unit)
    units[row] = unit
    trips = replace(story.trips, vehicle={one: vehicle for one, vehicle in story.trips.vehicle.items() if one != row})
    setups = list(story.setup)
    setups[row] = 0
    return replace(story, its=replace(story.its, unit=units), trips=trips, setup=setups)


def _setup(story: PlanStory, unit: int, before: int, mode: int) -> int:
    matrix, state = story.its.setup[unit], int(story.problem.mode_setup[mode])
    if matrix is None or state < 0:
        return 0
    line = story.lines[unit]
    stands = story.its.stands[unit]
    for other in line[: line.index(before) + 1] if before >= 0 else ():
        if story.its.state[other] >= 0:
            stands = story.its.state[other]
    return matrix[stands][state] if stands >= 0 else 0


def _setup_to(story: PlanStory, unit: int, mode: int, other: int) -> int:
    matrix, state = story.its.setup[unit], int(story.problem.mode_setup[mode])
    wanted = story.its.state[other]
    return matrix[state][wanted] if matrix is not None and state >= 0 and wanted >= 0 else 0


def _waits(story: PlanStory, rows: list[int]) -> Iterator[Wait]:
    """Yield where a part was ready and not worked on."""
    its = story.its
    for row in rows:
        before = its.part_before[row]
        ready = max([its.release[row], *([its.end[before]] if before >= 0 else []), *(its.end[one[0]] for one in its.arcs_in[row])])
        if its.start[row] > ready:
            bound = next((one for one in why_here(story, row).bounds if one.holds not in {Holds.PART, Holds.RELEASE}), None)
            if bound is not None:
                yield Wait(row, bound, its.start[row] - ready)


def _chain(story: PlanStory, row: int) -> tuple[tuple[int, Bound], ...]:
    chain: list[tuple[int, Bound]] = []
    seen: set[int] = set()
    while row >= 0 and row not in seen:
        seen.add(row)
        bounds = why_here(story, row).bounds
        if bounds[0].holds is Holds.CLOSED:
            chain.append((row, bounds[0]))
            bounds = bounds[1:] or bounds
        follow = next((one for one in bounds if one.operation >= 0), bounds[0])
        if not chain or chain[-1] != (row, follow):
            chain.append((row, follow))
        row = follow.operation
    return tuple(chain)
