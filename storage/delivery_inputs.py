# ruff: noqa: S608  # the words put into SQL here are our own
"""What a message would rest on and change: how well a work unit was measured, and what its controller was last told and did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plant.recommendations import Stage
from storage.database import Connection, micros, moment, translate_errors

_BAD: Final = -2147483648
"""The highest bit of a status: bad (OPC 10000-4, 7.39)."""
# a work unit is the equipment of its name, with all below it
_SIGNALS: Final = """
FROM unnest(%(units)s::text[]) AS u (unit)
JOIN equipment e ON e.path = u.unit OR e.path LIKE '%%/' || u.unit OR e.path LIKE '%%/' || u.unit || '/%%' OR e.path LIKE u.unit || '/%%'
JOIN signal g ON g.equipment_id = e.id AND NOT g.retired
"""
_NOW: Final = f"""
SELECT u.unit, count(l.signal_id), min(g.path) FILTER (WHERE l.status & {_BAD} <> 0), min(g.path) FILTER (WHERE l.stale)
{_SIGNALS} LEFT JOIN latest_now l ON l.signal_id = g.id GROUP BY u.unit
"""
_MISSED: Final = f"""
WITH sources AS (SELECT DISTINCT g.source_id AS id {_SIGNALS}),
lines AS (
    SELECT coalesce(sum(l.expected), 0)::float8 AS expected, coalesce(sum(l.gap + l.rejected), 0)::float8 AS missing
    FROM ledger l JOIN sources s ON s.id = l.source_id
    WHERE l.minute >= date_trunc('minute', %(from)s::timestamptz) AND l.minute < %(to)s::timestamptz
), away AS (
    SELECT coalesce(max(seconds), 0)::float8 AS seconds FROM (
        SELECT sum(extract(epoch FROM least(p.to_time, %(to)s::timestamptz) - greatest(p.from_time, %(from)s::timestamptz))) AS seconds
        FROM gap p JOIN sources s ON s.id = p.source_id
        WHERE p.signal_id IS NULL AND p.from_time < %(to)s::timestamptz AND p.to_time > %(from)s::timestamptz
            AND p.reason IN ('disconnected', 'overflow', 'sequence')
        GROUP BY p.source_id
    ) each
)
SELECT lines.expected, lines.missing, away.seconds FROM lines, away
"""
_USED: Final = """
SELECT t.place, d.document -> 'parameters', d.stage_time, d.stage
FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS t (place, work_unit, program, job)
CROSS JOIN LATERAL (
    SELECT number, document, stage_time, stage FROM delivery
    WHERE work_unit = t.work_unit AND kind = 'parameters' AND counter IS NOT NULL
        AND coalesce(document ->> 'program', '') = t.program AND coalesce(document ->> 'job', '') = t.job
    ORDER BY number DESC LIMIT %s
) d ORDER BY t.place, d.number
"""
_RECIPES: Final = """
SELECT t.place, r.parameters, r.time
FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS t (place, work_unit, program, job)
CROSS JOIN LATERAL (
    SELECT parameters, time FROM tuning_recipe
    WHERE work_unit = t.work_unit AND program = t.program AND job = t.job ORDER BY id DESC LIMIT 1
) r
"""
_RECENT: Final = 20


@dataclass(frozen=True, slots=True)
class MeasuredNow:
    """How well a work unit is measured at this moment."""

    signals: int
    """That have a newest value."""
    bad: str | None
    """One whose newest value is bad."""
    stale: str | None
    """One of which nothing new is heard although it should be."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What is missing of the measurements of a span of time."""

    expected: float
    missing: float
    away_seconds: float
    """For how long a source of it was away."""


@dataclass(frozen=True, slots=True)
class Used:
    """Parameters of one program and job: what is in use, and what was sent before."""

    current: Mapping[str, tuple[float, str]] | None
    """With their units, empty where not known; None: nobody knows what is in use."""
    changed_us: Mapping[str, int]
    """When each of them was last changed."""
    recent: tuple[Mapping[str, float], ...]
    """What was sent before, the oldest first."""


def measured_now(connection: Connection, units: Sequence[str]) -> dict[str, MeasuredNow]:
    """Return how well work units are measured now; those that are no equipment with signals are left out."""
    with translate_errors():
        rows = connection.execute(_NOW, {"units": list(units)}).fetchall()
    return {unit: MeasuredNow(int(count), bad, stale) for unit, count, bad, stale in rows}


def missed(connection: Connection, unit: str, from_us: int, to_us: int) -> Missed:
    """Return what is missing of what the sources of a work unit should have given in a span of time."""
    with translate_errors():
        row = connection.execute(_MISSED, {"units": [unit], "from": moment(from_us), "to": moment(to_us)}).fetchone()
    return Missed(0.0, 0.0, 0.0) if row is None else Missed(*row)


def read_used(connection: Connection, targets: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Used]:
    """Return, by work unit, program and job, what is in use: what a person accepted or a controller executed, whichever came last."""
    places = [list(range(len(targets))), *([one[at] for one in targets] for at in range(3))]
    with translate_errors():
        sent = connection.execute(_USED, [*places, _RECENT]).fetchall()
        recipes = connection.execute(_RECIPES, places).fetchall()
    accepted = {int(place): (parameters, micros(time)) for place, parameters, time in recipes}
    found = {}
    for place, target in enumerate(targets):
        given = accepted.get(place)
        now: dict[str, tuple[float, str]] = {} if given is None else {name: (float(v), "") for name, v in given[0].items()}
        changed = dict.fromkeys(now, 0 if given is None else given[1])
        known, recent = given is not None, []
        for _, parameters, time, stage in (row for row in sent if row[0] == place):
            told = {one["name"]: (float(one["value"]), str(one["unit"])) for one in parameters or ()}
            recent.append({name: value for name, (value, _) in told.items()})
            at_us = micros(time)
            # what is in doubt or was rolled back is not in use for certain: the last that surely was counts
            if stage in ("executed", "measured") and (given is None or at_us > given[1]):
                for name, (value, unit) in told.items():
                    if name not in now or now[name][0] != value:
                        changed[name] = at_us
                    now[name] = (value, unit)
                known = True
        found[target] = Used(now if known else None, changed, tuple(recent))
    return found


def changeover_version(connection: Connection) -> int:
    """Return the version of the changeover sets in force; 0 where there are none."""
    with translate_errors():
        row = connection.execute("SELECT version FROM changeover_book WHERE in_force").fetchone()
    return 0 if row is None else int(row[0])


def stages_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Stage]:
    """Return the stages of some deliveries by number."""
    with translate_errors():
        rows = connection.execute("SELECT number, stage FROM delivery WHERE number = ANY (%s)", [list(numbers)]).fetchall()
    return {int(number): Stage(stage) for number, stage in rows}


def known_units(connection: Connection) -> list[str]:
    """Return the work units of the process network in force, and all others that anything was ever delivered to or a mode was set of."""
    with translate_errors():
        rows = connection.execute(
            "SELECT a.work_unit FROM operation_alternative a JOIN process_network n ON n.id = a.network_id WHERE n.in_force "
            "UNION SELECT work_unit FROM delivery UNION SELECT work_unit FROM delivery_mode ORDER BY 1"
        ).fetchall()
    return [unit for (unit,) in rows]
