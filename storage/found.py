"""What alarms follow of charts and of the condition: points in their order, and how findings changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from storage.database import Connection, translate_errors

_CHARTS = """
SELECT c.id, c.key, c.chart_group, c.equipment, c.name, c.unit, c.spindle, c.program FROM chart c
WHERE NOT c.retired AND c.chart_group = ANY(%s::text[]) ORDER BY c.key
"""
_POINTS = """
SELECT p.chart_id, p.number, (extract(epoch FROM p.time) * 1000000)::bigint AS time_us, coalesce(p.value, p.mean) AS value,
    p.rules || p.spread_rules AS rules,
    coalesce(p.number > h.last_number OR h.first_number = h.last_number, false) AS judged
FROM unnest(%s::int8[], %s::int8[]) AS a (chart_id, number)
CROSS JOIN LATERAL (SELECT * FROM chart_point p WHERE p.chart_id = a.chart_id AND p.number > a.number ORDER BY p.number LIMIT %s) p
LEFT JOIN chart_phase h ON h.chart_id = p.chart_id AND h.phase = p.phase
ORDER BY p.time, p.chart_id, p.number
"""
_CHANGES = """
SELECT w.id, e.path AS equipment, w.program, w.step, w.occurrence, (extract(epoch FROM w.begin_time) * 1000000)::bigint AS begin_us,
    (extract(epoch FROM w.time) * 1000000)::bigint AS time_us, w.severity, w.ratio, w.ended
FROM condition_change w JOIN equipment e ON e.id = w.equipment_id WHERE w.id > %s ORDER BY w.id LIMIT %s
"""
_OPEN = """
SELECT 0::bigint AS id, e.path AS equipment, f.program, f.step, f.occurrence,
    (extract(epoch FROM f.begin_time) * 1000000)::bigint AS begin_us,
    (extract(epoch FROM f.last_time) * 1000000)::bigint AS time_us, f.severity, f.ratio, false AS ended
FROM condition_finding f JOIN equipment e ON e.id = f.equipment_id WHERE f.end_time IS NULL ORDER BY f.begin_time, f.id
"""


@dataclass(frozen=True, slots=True)
class FoundChart:
    """A chart whose violations may be alarms."""

    id: int
    key: str
    chart_group: str
    equipment: str
    name: str
    unit: str
    spindle: int | None
    program: int | None


@dataclass(frozen=True, slots=True)
class FoundPoint:
    """A point and which rules it violates."""

    chart_id: int
    number: int
    time_us: int
    value: float
    rules: list[str]
    judged: bool
    """Whether it was judged by limits that were known before it: the points from which limits are learnt are not."""


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding began, became more severe, or ended."""

    id: int
    equipment: str
    program: str
    step: str
    occurrence: int
    begin_us: int
    time_us: int
    severity: str
    ratio: float
    ended: bool


def read_found_charts(connection: Connection, groups: Sequence[str]) -> list[FoundChart]:
    """Return the charts of some settings that are charted still."""
    with translate_errors(), connection.cursor(row_factory=class_row(FoundChart)) as cursor:
        return cursor.execute(_CHARTS, [list(groups)]).fetchall()


def newest_points(connection: Connection, charts: Sequence[int]) -> dict[int, int]:
    """Return the number of the newest point of each chart that has one."""
    with translate_errors():
        rows = connection.execute(
            "SELECT a.id, (SELECT max(p.number) FROM chart_point p WHERE p.chart_id = a.id) FROM unnest(%s::int8[]) AS a (id)",
            [list(charts)],
        ).fetchall()
    return {chart: int(number) for chart, number in rows if number is not None}


def points_after(connection: Connection, after: Mapping[int, int], most: int = 200) -> list[FoundPoint]:
    """Return the points of charts behind one number each, at most so many of a chart, the earliest first."""
    with translate_errors(), connection.cursor(row_factory=class_row(FoundPoint)) as cursor:
        return cursor.execute(_POINTS, [list(after), list(after.values()), most]).fetchall()


def last_change(connection: Connection) -> int:
    """Return the number of the last change of any finding; 0 where none ever changed."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(id), 0) FROM condition_change").fetchone()
    return 0 if row is None else int(row[0])


def changes_after(connection: Connection, after: int, most: int = 1000) -> list[FindingChange]:
    """Return how findings changed behind a number, in that order. One process writes them, so no smaller number comes later."""
    with translate_errors(), connection.cursor(row_factory=class_row(FindingChange)) as cursor:
        return cursor.execute(_CHANGES, [after, most]).fetchall()


def open_findings(connection: Connection) -> list[FindingChange]:
    """Return the findings that stand, as if they had just become what they are."""
    with translate_errors(), connection.cursor(row_factory=class_row(FindingChange)) as cursor:
        return cursor.execute(_OPEN).fetchall()
