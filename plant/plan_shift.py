"""A plan for what has changed, at once: everything stays that can, the rest moves to the right; and what could not be kept, in words.

Rules where a lock and what happened stand against each other:

* What has started is a fact. It is never moved; what comes after it gives way.
* A frozen operation that cannot be done where it stands (its unit is down, its part does not come) loses its lock, and is told.
* A person's lock that cannot be kept loses its time, keeps its unit, and is told: it is the person who decides what becomes of it.
* A most time after something that has already ended (paint within two hours after blasting) can only be told when it passes.

Whoever gets a ``Shifted`` with something told has a plan that holds for ``Shifted.problem``, where the locks told are open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from plant.plan_check import plan_faults
from plant.plan_holds import Holds
from plant.plan_inserting import with_inserted
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plan_words import operation_words, time_words
from plant.plans import Plan
from plant.right_shift import Cause, Settled, settle

_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Loosed:
    """A lock that could not be kept, and what stands against it."""

    lock: Lock
    earliest: int
    """Where the operation could start at the earliest, with everything else in its order."""
    chain: tuple[tuple[int, Cause], ...]
    """From the operation back to the root: each operation, and what moved it."""


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A most time that could not be kept, after something that has already been done."""

    before: int
    after: int
    most: int
    between: int


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """A plan without fault for ``problem``."""

    problem: PlanProblem
    """As it was asked, without the locks and most times that could not be kept."""
    plan: Plan
    loosed: tuple[Loosed, ...]
    lapsed: tuple[Lapsed, ...]
    causes: Mapping[int, Cause]
    """Of each operation that was moved: what moved it."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """With every unit's and every part's order kept there is no plan; another order may do."""

    why: tuple[str, ...]


def shifted(problem: PlanProblem, plan: Plan, *, urgent: Collection[int] = ()) -> Shifted | Unsettled:
    """Return the plan moved to the right as far as it must be; new operations come in, those of ``urgent`` jobs before others."""
    standing, loosed, lapsed, told = plan, frozenset[int](), frozenset[int](), dict[int, Loosed]()
    causes: dict[int, Cause] = {}
    inserted = False
    for _ in range(_ROUNDS):
        if urgent and not inserted:
            standing, inserted = with_inserted(problem, standing, urgent=urgent), True
        found = settle(problem, standing, loosed, lapsed)
        causes = {**causes, **found.causes}
        for row, earliest in found.loosed.items():
            told[row] = Loosed(_lock_of(problem, row), earliest, _chain(found.causes, row))
        if found.loosed or set(found.lapsed) - lapsed:
            loosed, lapsed = loosed | found.loosed.keys(), lapsed.union(found.lapsed)
            continue
        if found.stuck >= 0:
            return Unsettled((_stuck_words(problem, found),))
        standing = found.plan
        if not inserted:
            standing, inserted = with_inserted(problem, standing, urgent=urgent), True
            if standing is not found.plan:
                continue
        left = _without(problem, standing, loosed, lapsed)
        faults = plan_faults(left, standing)
        if not faults:
            passed = tuple(_lapsed(problem, standing, arc) for arc in sorted(lapsed))
            return Shifted(left, standing, tuple(told.values()), passed, causes)
    return Unsettled(faults[:5] if found.loosed == {} else ("locks stand against each other",))


def loosed_words(problem: PlanProblem, loosed: Loosed) -> str:
    """Return which lock could not be kept, and what stands against it."""
    lock = loosed.lock
    locked = {LockReason.PERSON: "locked by a person", LockReason.FROZEN: "frozen", LockReason.STARTED: "started"}[lock.reason]
    head = f"{operation_words(problem, lock.operation)} is {locked} on {problem.units[problem.mode_unit[lock.mode]].name}"
    head += f" at {time_words(problem, lock.start or 0)}, and can start there at {time_words(problem, loosed.earliest)} at the earliest"
    reasons = [cause_words(problem, cause) for _, cause in loosed.chain]
    return f"{head}: {', because '.join(reasons)}" if reasons else head


def lapsed_words(problem: PlanProblem, lapsed: Lapsed) -> str:
    """Return which part waited too long."""
    between = f"{lapsed.between:,} instead of at most {lapsed.most:,} ticks"
    head = f"{operation_words(problem, lapsed.after)} comes {between} after {operation_words(problem, lapsed.before)}, which has been done"
    return f"{head}; whether the part can be used a person must say"


def cause_words(problem: PlanProblem, cause: Cause) -> str:
    """Return what moved an operation."""
    other = operation_words(problem, cause.operation) if cause.operation >= 0 else ""
    unit = problem.units[cause.unit].name if cause.unit >= 0 else "its unit"
    resource = problem.resources[cause.resource].name if cause.resource >= 0 else "a resource"
    words: dict[Holds, str] = {
        Holds.RELEASE: "its job is released later",
        Holds.PART: f"the part is busy with {other}",
        Holds.LEAST: f"a least time lies after {other}",
        Holds.MOST: f"{other} must follow soon",
        Holds.VEHICLE: "no vehicle brings the part before",
        Holds.WAY: "the part is on its way",
        Holds.UNIT: f"{unit} is busy with {other}",
        Holds.SETUP: f"{unit} is set up after {other}",
        Holds.NEXT_LOCKED: f"it does not fit on {unit} before {other}, which is locked",
        Holds.CLOSED: f"{unit} is closed",
        Holds.RESOURCE: f"{resource} is needed for {other}" if other else f"there is too little of {resource}",
        Holds.BUFFER: f"there is no room before the unit of {other}",
    }
    return words.get(cause.holds, cause.holds.value)


def _chain(causes: Mapping[int, Cause], row: int) -> tuple[tuple[int, Cause], ...]:
    found: list[tuple[int, Cause]] = []
    seen: set[int] = set()
    while row >= 0 and row in causes and row not in seen:
        seen.add(row)
        found.append((row, causes[row]))
        row = causes[row].operation
    return tuple(found)


def _lock_of(problem: PlanProblem, row: int) -> Lock:
    return next(lock for lock in problem.locks if lock.operation == row and lock.start is not None)


def _without(problem: PlanProblem, plan: Plan, loosed: frozenset[int], lapsed: frozenset[int]) -> PlanProblem:
    if not loosed and not lapsed:
        return problem
    on_their_way = {trip.operation for trip in plan.trips if trip.leaves < problem.now}
    locks = [
        lock
        if lock.operation not in loosed
        else replace(lock, start=None, end=None, reason=LockReason.FROZEN if lock.operation in on_their_way else lock.reason)
        for lock in problem.locks
        if lock.operation not in loosed or lock.reason is LockReason.PERSON or lock.operation in on_their_way
    ]
    most = problem.arc_most.copy()
    most[sorted(lapsed)] = -1
    return replace(problem, locks=tuple(locks), arc_most=most)


def _lapsed(problem: PlanProblem, plan: Plan, arc: int) -> Lapsed:
    before, after = int(problem.arc_before[arc]), int(problem.arc_after[arc])
    return Lapsed(before, after, int(problem.arc_most[arc]), int(plan.start[after] - plan.end[before]))


def _stuck_words(problem: PlanProblem, found: Settled) -> str:
    reasons = [cause_words(problem, cause) for _, cause in _chain(found.causes, found.stuck)][:4]
    return f"{operation_words(problem, found.stuck)} finds no place while all orders are kept: {', because '.join(reasons)}"
