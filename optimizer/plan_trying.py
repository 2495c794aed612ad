"""Edits tried on the plan that stands, and a plan made at once where it cannot be moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from optimizer.plan_standing import Standing, clock_of, places
from optimizer.plan_taking import Taken, Wanted, settled, take
from optimizer.plan_world import World
from plant.plan_shift import Shifted, loosed_words
from plant.planning_rules import PlanningRules
from plant.plans import Infeasible, Plan
from storage.plan_edits import EditState, NewEdit, StoredEdit


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of edits that waited."""

    edits: tuple[NewEdit, ...] = ()
    """Those that are taken, in order."""
    answers: Mapping[int, tuple[EditState, str]] = field(default_factory=dict)
    actor: str = ""
    """Of the last one taken."""


def edits_tried(world: World, standing: Standing | None, rules: PlanningRules, now_us: int, beside: Wanted | None = None) -> Tried:
    """Return which of the edits that wait can be: each is tried on the plan that those before it made.

    ``beside``: what else is thought of, where the plan is a what-if.
    """
    beside = beside or Wanted()
    taken: list[NewEdit] = []
    answers: dict[int, tuple[EditState, str]] = {}
    actor = ""
    for one in world.edits:
        if standing is None:
            answers[one.id] = (EditState.REFUSED, "there is no plan")
            continue
        edit, words = _as_lock(one, standing)
        if edit is not None:
            words = _against(world, standing, rules, now_us, replace(beside, edits=(*beside.edits, *taken, edit)))
        if edit is None or words:
            answers[one.id] = (EditState.REFUSED, words)
            continue
        taken.append(edit)
        actor = one.actor
        answers[one.id] = (EditState.TAKEN, "")
        if edit.act == "unlock":
            same = (edit.job_order, edit.operation)
            answers |= {lock.id: (EditState.ENDED, "") for lock in world.locks if (lock.edit.job_order, lock.edit.operation) == same}
    return Tried(tuple(taken), answers, actor)


def planned_now(taken: Taken, rules: PlanningRules) -> Plan | Infeasible:
    """Return a plan made within a moment, whatever stood before."""
    from optimizer.plan_greedy import first_plan

    return first_plan(taken.problem, seed=rules.settings.seed, seconds=min(0.4, rules.settings.first_seconds))


def _as_lock(one: StoredEdit, standing: Standing) -> tuple[NewEdit | None, str]:
    """Return an edit with the place that it means; or why it means none."""
    edit = one.edit
    place = places(standing.problem, standing.plan).get((edit.job_order, edit.operation))
    if place is None:
        return None, f"{edit.operation} of {edit.job_order} is not in the plan"
    if edit.act == "unlock":
        return edit, ""
    return (
        NewEdit(
            edit.plan,
            edit.act,
            edit.job_order,
            edit.operation,
            edit.work_unit or place.unit,
            edit.alternative or (place.alternative if edit.work_unit in {None, place.unit} else None),
            edit.start_us if edit.start_us is not None else place.start_us if edit.act == "lock" else None,
            edit.note,
        ),
        "",
    )


def _against(world: World, standing: Standing, rules: PlanningRules, now_us: int, wanted: Wanted) -> str:
    """Return what is against the last of the edits wanted; empty where nothing is."""
    last = wanted.edits[-1]
    taken = take(world, standing, rules, now_us, wanted)
    problem = taken.problem
    rows = {lock.operation for lock in problem.locks}
    row = next(
        (
            at
            for at, (job, name) in enumerate(zip(problem.operation_job, problem.operation_name, strict=True))
            if (problem.jobs[job].name, name) == (last.job_order, last.operation)
        ),
        None,
    )
    if last.act == "unlock":
        return ""
    if row is None or row not in rows:
        return f"{last.operation} of {last.job_order} cannot be done on {last.work_unit}"
    lock = next(lock for lock in problem.locks if lock.operation == row)
    mode = lock.mode
    origin, tick = clock_of(problem)
    if last.start_us is not None and lock.start is not None and abs(origin + lock.start * tick - last.start_us) > tick:
        return f"{last.operation} of {last.job_order} has begun, or is done"
    if last.work_unit not in {None, problem.units[problem.mode_unit[mode]].name}:
        return f"{last.operation} of {last.job_order} has begun, or cannot be done on {last.work_unit}"
    found = settled(taken)
    if not isinstance(found, Shifted):
        return "; ".join(found.why)
    mine = [one for one in found.loosed if one.lock.operation == row]
    return loosed_words(problem, mine[0]) if mine else ""
