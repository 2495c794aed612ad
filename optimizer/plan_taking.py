"""The plan that stands against the plant as it is: what began is a fact, what came between is applied, the rest moves to the right.

Everything here is quick and leaves a plan without fault, or says why there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from optimizer.ordering import Ordered, ordered, origin_of
from optimizer.plan_standing import Standing, carried, clock_of, places
from optimizer.plan_world import World
from plant.customer_orders import JobOrder
from plant.disturbances import (
    Absence,
    Breakdown,
    Disturbance,
    Hold,
    Interrupted,
    LateMaterial,
    Progress,
    QualityHold,
    Queue,
    SlowUnit,
)
from plant.errors import Rejected
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plan_shift import Shifted, Unsettled, shifted
from plant.planning_rules import PlanningRules
from plant.plans import Plan
from plant.remaining import Disturbed, applied
from storage.disturbances import NewDisturbance
from storage.plan_edits import NewEdit

STRUCTURAL: Final = frozenset({"quality_hold"})
"""Kinds that bring new operations: applied first, so that the plan that stands finds them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is thought of beside what storage holds: a what-if, or an edit that is tried."""

    jobs: tuple[JobOrder, ...] = ()
    disturbances: tuple[NewDisturbance, ...] = ()
    edits: tuple[NewEdit, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """The plant as it is, ready to be planned, with the plan that stands in its rows."""

    made: Ordered
    problem: PlanProblem
    plan: Plan
    """May break rules; operations that are not placed have no mode."""
    urgent: tuple[int, ...]
    refused: tuple[str, ...]
    """Disturbances that name what is not there, in words."""


def take(
    world: World, standing: Standing | None, rules: PlanningRules, now_us: int, wanted: Wanted | None = None, *, ahead_us: int = 0
) -> Taken:
    """Return the plant as it is: orders as operations, locks, what is down, what has begun, and the plan that stands.

    ``ahead_us``: what will have begun or be frozen so much later is frozen too.
    """
    wanted = wanted or Wanted()
    earliest = None if standing is None else _earliest_us(standing, world)
    jobs = [*(one.job for one in world.jobs), *wanted.jobs]
    origin_us = origin_of(now_us, earliest, rules)
    made = ordered(jobs, world.expected, world.network, rules, origin_us=origin_us, now_us=now_us)
    units = tuple(world.centres.kept(unit, rules, origin_us) for unit in made.problem.units)
    made = replace(made, problem=replace(made.problem, units=units))
    told = [one.told if one.ended_us is None else replace(one.told, until_us=one.ended_us) for one in world.disturbances]
    told += wanted.disturbances
    frozen = rules.ticks(rules.settings.frozen_minutes) + -(-ahead_us // rules.tick_us)
    refused: list[str] = []
    structural = _disturbances([one for one in told if one.kind in STRUCTURAL], made.problem, rules, refused)
    progress = _progress(world, standing, made.problem, rules, now_us)
    now = made.problem.now
    first = _applied(made.problem, carried(standing, made.problem, now), [*progress, *structural], now, 0, refused)
    problem = replace(first.problem, locks=())
    locks = _locks(problem, [*(one.edit for one in world.locks), *wanted.edits])
    problem = replace(problem, locks=locks)
    others = _disturbances([one for one in told if one.kind not in STRUCTURAL], problem, rules, refused)
    second = _applied(problem, carried(standing, problem, now), [*progress, *others], now, frozen, refused)
    objective = replace(made.problem.objective, moved=rules.settings.weights.moved)
    return Taken(
        made,
        replace(second.problem, objective=objective),
        second.plan,
        (*first.urgent, *second.urgent),
        tuple(dict.fromkeys(refused)),
    )


def settled(taken: Taken) -> Shifted | Unsettled:
    """Return the plan that stands moved to the right as far as it must be, with what came in put between."""
    return shifted(taken.problem, taken.plan, urgent=taken.urgent)


def up_again(begin: int, now: int, rules: PlanningRules) -> int:
    """Return when a unit that is down is taken to be up again, while nobody says: so long after its begin, or twice that, ..."""
    assumed = max(1, rules.ticks(rules.settings.assumed_down_minutes))
    return begin + assumed * (max(now - begin, 0) // assumed + 1)


def _earliest_us(standing: Standing, world: World) -> int | None:
    open_jobs = {one.job.id for one in world.jobs}
    starts = [
        place.start_us for (job, _), place in places(standing.problem, standing.plan).items() if job.partition(" remake ")[0] in open_jobs
    ]
    return min(starts, default=None)


def _applied(problem: PlanProblem, plan: Plan, told: Sequence[Disturbance], now: int, frozen: int, refused: list[str]) -> Disturbed:
    """Apply what can be applied: one thing that names what is gone does not keep the others from counting."""
    try:
        return applied(problem, plan, told, now, frozen=frozen)
    except Rejected:
        pass
    good: list[Disturbance] = []
    for one in told:
        try:
            applied(problem, plan, [*good, one], now, frozen=frozen)
        except Rejected as error:
            refused.append(str(error))
        else:
            good.append(one)
    return applied(problem, plan, good, now, frozen=frozen)


def _progress(world: World, standing: Standing | None, problem: PlanProblem, rules: PlanningRules, now_us: int) -> list[Progress]:
    """What the plant reported; and, where it reports all, what it did not report though it is planned to be done."""
    origin, tick = clock_of(problem)
    found = {}
    for one in world.reported:
        unit = world.network.alternative(one.alternative).work_unit if one.alternative in world.network.positions else ""
        started, ended = (one.started_us - origin) // tick, -(-(one.ended_us - origin) // tick)
        found[one.job_order, one.operation] = Progress(one.job_order, one.operation, started, min(ended, problem.now), unit)
    if rules.settings.reports and standing is not None:
        waits: set[str] = set()
        for (job, operation), place in sorted(places(standing.problem, standing.plan).items(), key=lambda item: item[1].start_us):
            if (job, operation) in found or place.start_us >= now_us:
                continue
            # one operation of a part is under way at most: what follows it has not begun
            overdue = problem.now + rules.ticks(1.0)
            started = (place.start_us - origin) // tick
            seen = None if job in waits else started
            waits.add(job)
            found[job, operation] = Progress(job, operation, seen, None, place.unit, max((place.end_us - origin) // tick, overdue))
    names = {(problem.jobs[job].name, name) for job, name in zip(problem.operation_job, problem.operation_name, strict=True)}
    return [one for key, one in found.items() if key in names]


def _locks(problem: PlanProblem, edits: Sequence[NewEdit]) -> tuple[Lock, ...]:
    """Return people's locks; of several on one operation the last holds."""
    origin, tick = clock_of(problem)
    rows = {
        (problem.jobs[job].name, name): row
        for row, (job, name) in enumerate(zip(problem.operation_job, problem.operation_name, strict=True))
    }
    found: dict[int, Lock] = {}
    for edit in edits:
        row = rows.get((edit.job_order, edit.operation))
        if row is None:
            continue
        if edit.act == "unlock":
            found.pop(row, None)
            continue
        modes = [mode for mode in np.flatnonzero(problem.mode_operation == row).tolist() if _fits(problem, mode, edit)]
        if modes:
            start = None if edit.start_us is None else round((edit.start_us - origin) / tick)
            found[row] = Lock(row, modes[0], start, LockReason.PERSON)
    return tuple(found[row] for row in sorted(found))


def _fits(problem: PlanProblem, mode: int, edit: NewEdit) -> bool:
    unit = problem.units[problem.mode_unit[mode]].name
    return edit.work_unit in {None, unit} and edit.alternative in {None, "", problem.mode_name[mode]}


def _disturbances(told: Sequence[NewDisturbance], problem: PlanProblem, rules: PlanningRules, refused: list[str]) -> list[Disturbance]:
    found: list[Disturbance] = []
    for one in told:
        try:
            found += _disturbance(one, problem, rules)
        except (KeyError, ValueError, TypeError) as error:
            refused.append(f"{one.kind} of {one.subject} cannot be understood: {error}")
    units = {unit.name for unit in problem.units}
    at_work = {job.name for job in problem.jobs}
    return [one for one in found if getattr(one, "unit", None) in {None, *units} and getattr(one, "job", None) in {None, *at_work}]


def _disturbance(one: NewDisturbance, problem: PlanProblem, rules: PlanningRules) -> list[Disturbance]:
    origin, tick = clock_of(problem)

    def at(time_us: int) -> int:
        return (time_us - origin) // tick

    begin, end = at(one.from_us), None if one.until_us is None else max(at(one.until_us), at(one.from_us))
    more: Mapping[str, Any] = one.document
    if one.kind == "breakdown":
        becomes = Interrupted(more.get("interrupted", Interrupted.RESUMES))
        return [Breakdown(one.subject, begin, end if end is not None else up_again(begin, problem.now, rules), 0, becomes)]
    if one.kind == "slow_unit":
        return [SlowUnit(one.subject, float(more["factor"]), begin, end)]
    if one.kind == "queue":
        return [Queue(one.subject, begin, rules.ticks(float(more["minutes"])))]
    if one.kind == "absence":
        return [Absence(one.subject, int(more.get("amount", 1)), begin, end if end is not None else problem.now + rules.ticks(480))]
    if one.kind == "late_material":
        return [] if end is None else [LateMaterial(name, end) for name in _jobs_of(one.subject, problem)]
    if one.kind == "quality_hold":
        hold = Hold(more.get("hold", Hold.REPEAT))
        return [QualityHold(name, str(more["operation"]), hold) for name in _jobs_of(one.subject, problem)]
    # orders, designs and routes are read anew each time
    return []


def _jobs_of(subject: str, problem: PlanProblem) -> list[str]:
    """A job order, all of a customer order, or all of a product."""
    return [job.name for job in problem.jobs if subject in {job.name, job.order, job.product}]
