"""Random plants to which random things happen, one after the other; and whether replanning broke a promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from plant.disturbances import (
    Absence,
    Breakdown,
    Cancelled,
    DesignChanged,
    Disturbance,
    Hold,
    Interrupted,
    LateMaterial,
    NewArc,
    NewMode,
    NewOperation,
    Progress,
    QualityHold,
    Queue,
    RushJob,
    SlowUnit,
)
from plant.errors import Rejected
from plant.plan_check import plan_faults
from plant.plan_problem import Job, Lock, LockReason, PlanProblem
from plant.plan_shift import Shifted, Unsettled, lapsed_words, loosed_words, shifted
from plant.plans import Plan
from plant.remaining import Disturbed, applied
from tests.plant.slow_plan import random_plan, random_problem
from tests.plant.small_shop import nothing


@dataclass(frozen=True, slots=True, eq=False)
class Replan:
    """One thing that happened, and what became of the plan."""

    problem: PlanProblem
    plan: Plan
    disturbances: tuple[Disturbance, ...]
    now: int
    frozen: int
    disturbed: Disturbed
    found: Shifted | Unsettled


def replans(seed: int, *, steps: int = 4) -> Iterator[Replan]:
    """Yield what happens in one random plant, each thing to the plan that the one before left."""
    random = np.random.default_rng(seed)
    problem = random_problem(random, jobs=int(random.integers(3, 7)), units=int(random.integers(3, 5)))
    plan = _first(problem, random) if seed % 4 else random_plan(problem, random)
    if plan is None:
        return
    problem = replace(problem, locks=_by_people(plan, random))
    now = problem.now
    for _ in range(steps):
        now += int(random.integers(0, 6))
        frozen = int(random.integers(0, 6))
        try:
            told = tuple(_something(problem, plan, now, random) for _ in range(int(random.integers(1, 3))))
            disturbed = applied(problem, plan, told, now, frozen=frozen)
        except Rejected:
            continue
        found = shifted(disturbed.problem, disturbed.plan, urgent=disturbed.urgent)
        yield Replan(problem, plan, told, now, frozen, disturbed, found)
        if isinstance(found, Unsettled) or not (found.plan.mode >= 0).any():
            return
        problem, plan = found.problem, found.plan


def broken(one: Replan) -> list[str]:
    """Return which promise a replanning broke: rules, locks, the frozen zone, what started, and that nothing is loosed in silence."""
    if isinstance(one.found, Unsettled):
        return [] if one.found.why else ["no plan, and no word why"]
    problem, plan = one.disturbed.problem, one.found.plan
    told = [f"fault: {fault}" for fault in plan_faults(one.found.problem, plan)]
    loosed = {each.lock.operation for each in one.found.loosed}
    for lock in problem.locks:
        as_locked = plan.mode[lock.operation] == lock.mode and lock.start in {None, int(plan.start[lock.operation])}
        as_locked &= lock.end in {None, int(plan.end[lock.operation])}
        if lock.reason is LockReason.STARTED and lock.operation in loosed:
            told.append(f"what started was loosed: {lock}")
        if not as_locked and lock.operation not in loosed:
            told.append(f"a lock was broken in silence: {lock}")
    told += [f"loosed without words: {each}" for each in one.found.loosed if not loosed_words(problem, each)]
    told += [f"lapsed without words: {each}" for each in one.found.lapsed if not lapsed_words(problem, each)]
    return told + _frozen_moved(one, loosed) + _people_forgotten(one, loosed)


def _frozen_moved(one: Replan, loosed: set[int]) -> list[str]:
    """What stood in the frozen zone stands there still, but for what was told, reported, or taken out by what happened."""
    assert isinstance(one.found, Shifted)
    reported = {each.operation for each in one.disturbances if isinstance(each, Progress)}
    found = []
    near = (one.plan.mode >= 0) & (one.plan.start >= one.now) & (one.plan.start < one.now + one.frozen)
    for before in np.flatnonzero(near).tolist():
        row = int(one.disturbed.row[before])
        if row < 0 or row in loosed or reported:
            continue
        if one.found.plan.start[row] != one.plan.start[before] and one.disturbed.problem.locks:
            found.append(f"operation {before} left the frozen zone: {one.plan.start[before]} to {one.found.plan.start[row]}")
    return found


def _people_forgotten(one: Replan, loosed: set[int]) -> list[str]:
    locks = {lock.operation for lock in one.disturbed.problem.locks}
    rows = [int(one.disturbed.row[lock.operation]) for lock in one.problem.locks if lock.reason is LockReason.PERSON]
    return [f"a person's lock was forgotten: {row}" for row in rows if row >= 0 and row not in locks and row not in loosed]


def _first(problem: PlanProblem, random: np.random.Generator) -> Plan | None:
    del random
    found = shifted(problem, nothing(problem))
    return None if isinstance(found, Unsettled) or found.loosed or found.lapsed else found.plan


def _by_people(plan: Plan, random: np.random.Generator) -> tuple[Lock, ...]:
    rows = [row for row in np.flatnonzero(plan.mode >= 0).tolist() if random.random() < 0.15]
    return tuple(Lock(row, int(plan.mode[row]), int(plan.start[row]) if random.random() < 0.7 else None, LockReason.PERSON) for row in rows)


def _new(problem: PlanProblem, count: int, now: int, random: np.random.Generator) -> tuple[NewOperation, ...]:
    def modes() -> tuple[NewMode, ...]:
        units = random.permutation(len(problem.units))[: int(random.integers(1, 3))].tolist()
        return tuple(
            NewMode(
                problem.units[unit].name,
                int(random.integers(1, 5)),
                int(random.integers(-1, 3)) if problem.units[unit].setup is not None else -1,
            )
            for unit in units
        )

    return tuple(NewOperation(f"new {now}-{at}-{int(random.integers(1_000_000))}", modes()) for at in range(count))


def _something(problem: PlanProblem, plan: Plan, now: int, random: np.random.Generator) -> Disturbance:
    row = int(random.choice(np.flatnonzero(plan.mode >= 0)))
    job, operation = problem.jobs[problem.operation_job[row]].name, problem.operation_name[row]
    unit = problem.units[int(random.integers(len(problem.units)))].name
    ago, lasts = int(random.integers(0, 6)), int(random.integers(1, 12))
    kind = int(random.integers(0, 13))
    if kind == 0:
        return Breakdown(unit, now - ago, now + lasts)
    if kind == 1:
        return Breakdown(unit, now, None, lasts, list(Interrupted)[int(random.integers(3))])
    if kind == 2:
        return SlowUnit(unit, 1.5, now, now + lasts if random.random() < 0.5 else None)
    if kind == 3:
        return Queue(unit, now, lasts)
    if kind == 4 and problem.resources:
        return Absence(problem.resources[int(random.integers(2))].name, 1, now, now + lasts)
    if kind == 5:
        return LateMaterial(job, now + lasts)
    if kind == 6:
        return QualityHold(job, operation, Hold.REPEAT)
    if kind == 7:
        return QualityHold(job, operation, Hold.REWORK, _new(problem, 2, now, random))
    if kind == 8:
        return QualityHold(job, operation, Hold.SCRAP)
    if kind == 9:
        news = _new(problem, 2, now, random)
        return DesignChanged(job, news, (NewArc(news[0].name, news[1].name),))
    if kind == 10:
        news = _new(problem, 3, now, random)
        arcs = (NewArc(news[0].name, news[1].name), NewArc(news[1].name, news[2].name))
        return RushJob(Job(f"rush {now}-{int(random.integers(1_000_000))}", release=now, due=now + 10, weight=9), news, arcs)
    if kind == 11:
        return Cancelled(job)
    return Progress(job, operation, max(0, now - ago) if random.random() < 0.7 else None)
