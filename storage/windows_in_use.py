"""What is in use inside of process windows: accepted recipes, and what controllers were last told and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.database import Connection, micros, translate_errors


@dataclass(frozen=True, slots=True)
class InUse:
    """Parameters of a program and job of a work unit that are in use."""

    work_unit: str
    program: str
    job: str
    parameters: Mapping[str, float]
    since_us: int
    source: str
    """``recipe`` or ``delivery``."""
    actor: str


def read_in_use(connection: Connection) -> list[InUse]:
    """Return of each program and job what came last: the recipe that a person accepted, or parameters that a controller executed."""
    with translate_errors():
        rows = connection.execute(
            """
SELECT * FROM (
    SELECT DISTINCT ON (work_unit, program, job) work_unit, program, job, parameters, time, 'recipe', actor
    FROM tuning_recipe ORDER BY work_unit, program, job, id DESC
) recipe
UNION ALL
SELECT * FROM (
    SELECT DISTINCT ON (work_unit, document ->> 'program', document ->> 'job') work_unit, coalesce(document ->> 'program', ''),
        coalesce(document ->> 'job', ''), document -> 'parameters', stage_time, 'delivery', approved_by
    FROM delivery WHERE kind = 'parameters' AND stage IN ('executed', 'measured')
    ORDER BY work_unit, document ->> 'program', document ->> 'job', number DESC
) delivered
"""
        ).fetchall()
    found: dict[tuple[str, str, str], InUse] = {}
    for work_unit, program, job, told, time, source, actor in rows:
        values = (
            {one["name"]: float(one["value"]) for one in told} if isinstance(told, list) else {name: float(v) for name, v in told.items()}
        )
        one = InUse(work_unit, program, job, values, micros(time), source, actor)
        before = found.get((work_unit, program, job))
        if before is None or before.since_us < one.since_us:
            found[work_unit, program, job] = one
    return list(found.values())
