"""Deliveries as people look at them: what waits for somebody, what was in use before, how far the delivery of a thing has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plant.recommendations import Stage
from storage.database import Connection, micros, moment, translate_errors
from storage.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deliveries wait for a person."""

    proposed: int
    in_doubt: int


@dataclass(frozen=True, slots=True)
class Before:
    """The parameters that were in use before a delivery."""

    parameters: Mapping[str, float]
    since_us: int
    source: str
    """``delivery N`` or ``recipe``."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How far the delivery of something has come."""

    number: int
    source: str
    work_unit: str
    stage: Stage
    stage_us: int
    actor: str
    reason: str


def read_waiting(connection: Connection) -> Waiting:
    """Return how many deliveries wait for a person's yes, and how many for somebody to look."""
    with translate_errors():
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE stage = 'proposed'), count(*) FILTER (WHERE stage = 'in_doubt') FROM delivery "
            "WHERE stage IN ('proposed', 'in_doubt')"
        ).fetchone()
    return Waiting(0, 0) if row is None else Waiting(int(row[0]), int(row[1]))


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """How many deliveries of a work unit are where."""

    proposed: int
    under_way: int
    in_doubt: int


def read_unit_counts(connection: Connection) -> dict[str, UnitCounts]:
    """Return how many deliveries are open, of each work unit that ever had one."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, count(*) FILTER (WHERE stage = 'proposed'), "
            "count(*) FILTER (WHERE stage IN ('approved', 'sent', 'accepted')), count(*) FILTER (WHERE stage = 'in_doubt') "
            "FROM delivery WHERE stage IN ('proposed', 'approved', 'sent', 'accepted', 'in_doubt') GROUP BY work_unit "
            "UNION ALL SELECT work_unit, 0, 0, 0 FROM delivery_counter"
        ).fetchall()
    found: dict[str, UnitCounts] = {}
    for work_unit, proposed, under_way, in_doubt in rows:
        found.setdefault(work_unit, UnitCounts(int(proposed), int(under_way), int(in_doubt)))
    return found


def read_before(connection: Connection, delivery: Delivery) -> Before | None:
    """Return what was in use before a delivery of parameters: of the last one carried out, or the accepted recipe, the later of both.

    None where neither is known.
    """
    draft = delivery.draft
    when = moment(delivery.made_us if delivery.issued_us is None else delivery.issued_us)
    with translate_errors():
        done = connection.execute(
            "SELECT d.document -> 'parameters', s.time, d.number FROM delivery d JOIN delivery_step s ON s.delivery_number = d.number "
            "AND s.after = 'executed' WHERE d.work_unit = %s AND d.kind = 'parameters' AND d.stage IN ('executed', 'measured') "
            "AND coalesce(d.document ->> 'program', '') = %s AND coalesce(d.document ->> 'job', '') = %s AND d.number < %s "
            "ORDER BY d.number DESC LIMIT 1",
            [draft.work_unit, draft.program, draft.job, delivery.number],
        ).fetchone()
        recipe = connection.execute(
            "SELECT parameters, time FROM tuning_recipe WHERE work_unit = %s AND program = %s AND job = %s AND time <= %s "
            "ORDER BY id DESC LIMIT 1",
            [draft.work_unit, draft.program, draft.job, when],
        ).fetchone()
    found = []
    if done is not None:
        found.append(Before({one["name"]: float(one["value"]) for one in done[0]}, micros(done[1]), f"delivery {done[2]}"))
    if recipe is not None:
        found.append(Before({name: float(value) for name, value in recipe[0].items()}, micros(recipe[1]), "recipe"))
    return max(found, key=lambda one: one.since_us, default=None)


def read_carried(connection: Connection, sources: Sequence[str]) -> dict[str, list[Carried]]:
    """Return how far the deliveries of some sources have come, each source's by work unit."""
    if not sources:
        return {}
    with translate_errors():
        rows = connection.execute(
            "SELECT number, source, work_unit, stage, stage_time, stage_actor, stage_reason FROM delivery WHERE source = ANY (%s) "
            "ORDER BY source, work_unit, number",
            [list(sources)],
        ).fetchall()
    found: dict[str, list[Carried]] = {}
    for row in rows:
        found.setdefault(row[1], []).append(_carried(row))
    return found


def _carried(row: Sequence[Any]) -> Carried:
    return Carried(row[0], row[1], row[2], Stage(row[3]), micros(row[4]), row[5], row[6])
