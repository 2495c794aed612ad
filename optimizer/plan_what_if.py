"""What if: a copy of a plan with other orders, disturbances or edits in it, that nobody follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer.knowledge import Knowledge
from optimizer.plan_keeping import Why, keep
from optimizer.plan_standing import Standing
from optimizer.plan_taking import Wanted, settled, take
from optimizer.plan_trying import edits_tried, planned_now
from optimizer.plan_world import World, WorldReader
from plant.clock import Clock
from plant.customer_orders import CustomerOrder, JobOrder, job_orders, read_orders
from plant.errors import Rejected
from plant.plan_check import objective_of, plan_faults
from plant.plan_shift import Shifted
from plant.planning_rules import PlanningRules
from plant.plans import Infeasible
from plant.table_rows import row_words
from storage.database import Connection
from storage.disturbances import NewDisturbance
from storage.optimizer_jobs import Job
from storage.plan_edits import EditState, NewEdit, StoredEdit, answer_edits
from storage.plans import PlanKind, PlanVersion, read_plan


def what_if(
    connection: Connection,
    reader: WorldReader,
    known: Knowledge | None,
    standing: Standing | None,
    rules: PlanningRules,
    job: Job,
    clock: Clock,
    read: Callable[[Connection, int], Standing | None],
) -> dict[str, Any]:
    """Make the copy that a job asks for and return its answer. Raises Rejected where it cannot be."""
    asked = job.request
    base = standing if asked.get("of") is None else read(connection, int(asked["of"]))
    number = _thought(connection, reader, known, base, rules, asked, str(asked["name"]), job.actor, clock.now_us())
    return {"version": number, "changed": True}


def edit_what_if(
    connection: Connection,
    reader: WorldReader,
    known: Knowledge | None,
    rules: PlanningRules,
    one: StoredEdit,
    clock: Clock,
    read: Callable[[Connection, int], Standing | None],
) -> None:
    """Make another version of the what-if that an edit was made on, or say why it cannot be; the plan that is followed stays as it is."""
    now_us = clock.now_us()
    try:
        version, base = _kept(connection, one.edit.plan, read)
        before = next((cause for cause in version.causes if cause["what"] == "what_if"), {})
        world, wanted = _thought_of(connection, reader, known, base, before, now_us)
        tried = edits_tried(replace(world, edits=(one,)), base, rules, now_us, wanted)
        if not tried.edits:
            answer_edits(connection, tried.answers, now_us=now_us)
            return
        asked = {**before, "edits": [*before.get("edits", ()), *map(_told, tried.edits)]}
        with connection.transaction():
            number = _thought(connection, reader, known, base, rules, asked, version.name, one.actor, now_us)
            answer_edits(connection, {one.id: (EditState.TAKEN, "")}, now_us=now_us, became=number)
    except Rejected as error:
        answer_edits(connection, {one.id: (EditState.REFUSED, str(error))}, now_us=now_us)


def _kept(connection: Connection, number: int, read: Callable[[Connection, int], Standing | None]) -> tuple[PlanVersion, Standing]:
    version, base = read_plan(connection, number), read(connection, number)
    if version is None or base is None:
        raise Rejected(f"plan {number} is not kept any more")
    return version, base


def _told(edit: NewEdit) -> dict[str, Any]:
    told = {
        "act": edit.act,
        "job_order": edit.job_order,
        "operation": edit.operation,
        "work_unit": edit.work_unit,
        "alternative": edit.alternative,
        "start_us": edit.start_us,
    }
    return {name: value for name, value in told.items() if value is not None}


def _thought_of(
    connection: Connection, reader: WorldReader, known: Knowledge | None, base: Standing | None, asked: Mapping[str, Any], now_us: int
) -> tuple[World, Wanted]:
    """Return the plant with what is thought of in it. Raises Rejected where that cannot be understood, or there is nothing to plan."""
    orders = _orders(asked.get("orders", ()), now_us)
    extra = tuple(one for order in orders for one in job_orders(order))
    world = reader.read(connection, known, extra)
    if world is None or (base is None and not world.jobs and not extra):
        raise Rejected("there is nothing to plan yet")
    world, more = _with_orders(world, orders, extra)
    return world, Wanted(more, _disturbances(asked.get("disturbances", ()), now_us), _edits(asked.get("edits", ()), base))


def _thought(
    connection: Connection,
    reader: WorldReader,
    known: Knowledge | None,
    base: Standing | None,
    rules: PlanningRules,
    asked: Mapping[str, Any],
    name: str,
    actor: str,
    now_us: int,
) -> int:
    """Keep the plan that is asked for beside the one that is followed, and return its number. Raises Rejected where it cannot be."""
    world, wanted = _thought_of(connection, reader, known, base, asked, now_us)
    taken = take(world, base, rules, now_us, wanted)
    found = settled(taken)
    problem = found.problem if isinstance(found, Shifted) else taken.problem
    plan = planned_now(taken, rules)
    if isinstance(found, Shifted):
        fits = not isinstance(plan, Infeasible) and not plan_faults(problem, plan)
        if isinstance(plan, Infeasible) or not fits or objective_of(problem, plan) >= objective_of(problem, found.plan):
            plan = found.plan
    if isinstance(plan, Infeasible):
        raise Rejected("; ".join(plan.why))
    causes: list[dict[str, Any]] = [{"what": "what_if", **{name: asked.get(name, []) for name in ("disturbances", "edits", "orders")}}]
    causes += [{"what": "left_out", "job_order": name, "words": words} for name, words in taken.made.left_out.items()]
    causes += [{"what": "refused", "words": words} for words in taken.refused]
    why = Why("what_if", causes, actor, PlanKind.WHAT_IF, name)
    kept = keep(connection, world, taken.made, problem, plan, base, rules, why, now_us)
    if kept.number is None:
        raise Rejected("the plan was not kept")
    return kept.number


def _orders(told: Sequence[Mapping[str, Any]], now_us: int) -> list[CustomerOrder]:
    rows = []
    for number, one in enumerate(told, 1):
        cells = {("order" if name == "number" else name): value for name, value in one.items()}
        for name in ("due", "release"):
            given = cells.pop(f"{name}_us", None)
            if given is not None:
                cells[name] = _iso(int(given))
        rows.append((number, cells))
    found, problems = read_orders(rows, received_us=now_us)
    if problems:
        raise Rejected("; ".join(row_words("orders", problems, most=5)))
    return list(found)


def _iso(time_us: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat()


def _with_orders(world: World, orders: Sequence[CustomerOrder], extra: tuple[JobOrder, ...]) -> tuple[World, tuple[JobOrder, ...]]:
    """An order that is there gets the other priority or due date; the others come in."""
    by_number = {order.number: order for order in orders}
    there = {one.job.order for one in world.jobs}
    jobs = tuple(_as(one, by_number.get(one.job.order)) for one in world.jobs)
    return replace(world, jobs=jobs), tuple(one for one in extra if one.order not in there)


def _as(one: Any, order: CustomerOrder | None) -> Any:
    if order is None:
        return one
    due = one.job.due_us if order.due_us is None else order.due_us
    release = one.job.release_us if order.release_us is None else order.release_us
    return replace(one, job=replace(one.job, priority=order.priority, due_us=due, release_us=release))


def _disturbances(told: Sequence[Mapping[str, Any]], now_us: int) -> tuple[NewDisturbance, ...]:
    try:
        return tuple(
            NewDisturbance(
                str(one["kind"]),
                str(one["subject"]),
                "person",
                int(one.get("from_us") or now_us),
                None if one.get("until_us") is None else int(one["until_us"]),
                document=dict(one.get("document") or {}),
            )
            for one in told
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"a disturbance of the what-if cannot be understood: {error}") from error


def _edits(told: Sequence[Mapping[str, Any]], base: Standing | None) -> tuple[NewEdit, ...]:
    plan = 0 if base is None or base.number is None else base.number
    try:
        return tuple(
            NewEdit(
                plan,
                str(one["act"]),
                str(one["job_order"]),
                str(one["operation"]),
                one.get("work_unit"),
                one.get("alternative"),
                None if one.get("start_us") is None else int(one["start_us"]),
            )
            for one in told
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"an edit of the what-if cannot be understood: {error}") from error
