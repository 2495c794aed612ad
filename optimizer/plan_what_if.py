"""What if: a copy of a plan with other orders, disturbances or edits in it, that nobody follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer.knowledge import Knowledge
from optimizer.plan_keeping import Why, keep
from optimizer.plan_standing import Standing
from optimizer.plan_taking import Wanted, settled, take
from optimizer.plan_trying import planned_now
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
from storage.plan_edits import NewEdit
from storage.plans import PlanKind


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
    asked, now_us = job.request, clock.now_us()
    base = standing if asked.get("of") is None else read(connection, int(asked["of"]))
    orders = _orders(asked.get("orders", ()), now_us)
    extra = tuple(one for order in orders for one in job_orders(order))
    world = reader.read(connection, known, extra)
    if world is None or (base is None and not world.jobs and not extra):
        raise Rejected("there is nothing to plan yet")
    world, more = _with_orders(world, orders, extra)
    wanted = Wanted(more, _disturbances(asked.get("disturbances", ()), now_us), _edits(asked.get("edits", ()), base))
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
    why = Why("what_if", causes, job.actor, PlanKind.WHAT_IF, str(asked["name"]))
    kept = keep(connection, world, taken.made, problem, plan, base, rules, why, now_us)
    return {"version": kept.number, "changed": True}


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
