"""A plan into storage: checked once more, with its promises, its measures and what it answers, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optimizer.ordering import Ordered
from optimizer.plan_standing import Standing, moved_count, places
from optimizer.plan_world import World
from optimizer.promising import known_scores, material, promises
from plant.plan_check import measures, objective_of, plan_faults
from plant.plan_file import write_plan, write_problem
from plant.plan_problem import PlanProblem
from plant.planning_rules import PlanningRules
from plant.plans import Plan
from storage.database import Connection
from storage.job_orders import note_job_orders
from storage.plan_edits import EditState, answer_edits
from storage.plans import NewPlan, PlanKind, add_plan
from storage.promises import write_promises


@dataclass(frozen=True, slots=True)
class Why:
    """Why a plan was made."""

    reason: str
    causes: Sequence[Mapping[str, Any]] = ()
    actor: str = ""
    kind: PlanKind = PlanKind.LIVE
    name: str = ""
    seconds: float = 0.0
    bound: int | None = None
    edits: Mapping[int, tuple[EditState, str]] = field(default_factory=dict)


class Faulty(Exception):
    """A plan that breaks rules was about to be kept."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults[:3]))


def keep(
    connection: Connection,
    world: World,
    made: Ordered,
    problem: PlanProblem,
    plan: Plan,
    before: Standing | None,
    rules: PlanningRules,
    why: Why,
    now_us: int,
) -> Standing:
    """Keep a plan with all that belongs to it, and return it as it stands. Raises Faulty: nothing unverified is kept."""
    faults = plan_faults(problem, plan)
    if faults:
        raise Faulty(faults)
    after = places(problem, plan)
    live = why.kind is PlanKind.LIVE
    new = NewPlan(
        why.kind,
        why.reason,
        write_problem(problem),
        write_plan(problem, plan, verified=True),
        objective_of(problem, plan),
        why.bound,
        why.seconds,
        asdict(measures(problem, plan)),
        len(problem.jobs),
        len(after),
        None if before is None else moved_count(places(before.problem, before.plan), after),
        min((place.start_us for place in after.values()), default=None),
        max((place.end_us for place in after.values()), default=None),
        why.name,
        why.actor,
        None if before is None else before.number,
        why.causes,
    )
    given = []
    if live:
        whole = {job.job.order for job in world.jobs} - {job.job.order for job in world.jobs if job.job.id in made.left_out}
        settings = rules.settings
        scores = known_scores(connection)
        drawn = promises(
            problem,
            plan,
            made.spread,
            made_us=now_us,
            scores=scores,
            seed=settings.seed,
            shared=settings.shared_variance,
            whole=whole,
        )
        given = material(connection, drawn)
    with connection.transaction():
        number = add_plan(connection, new, now_us=now_us)
        answer_edits(connection, why.edits, now_us=now_us, became=number)
        if live:
            write_promises(connection, given, plan=number)
            note_left_out(connection, world, made.left_out, now_us)
    return Standing(number, problem, plan)


def note_left_out(connection: Connection, world: World, left_out: Mapping[str, str], now_us: int) -> None:
    """Say of each job order why it is in no plan, or that it is in one."""
    told = {one.job.id: left_out.get(one.job.id, "") for one in world.jobs if one.problem != left_out.get(one.job.id, "")}
    told |= dict.fromkeys(world.put_off, "more urgent orders are planned first")
    if told:
        note_job_orders(connection, {}, now_us=now_us, reported=False, problems=told)
