"""Control charts as stored: what is charted, points, limits, violations, capability, and what people say of points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from plant.charts import Characteristic, ChartPart, Rule
from plant.errors import Rejected
from plant.signals import SourceId
from storage.database import Connection, micros, moment, translate_errors

MOST_POINTS: Final = 20_000
"""Points kept of each chart."""

_TOLD = """
SELECT c.id, c.key, c.chart_group, c.name, c.equipment, c.kind, c.unit, c.origin, c.spindle, c.program, c.subgroup, c.phase_1,
    c.low, c.high, c.target, c.rule_set, c.tool, c.retired,
    coalesce(p.number, 0) AS points, (extract(epoch FROM p.time) * 1000000)::bigint AS last_us, p.mean AS last_value,
    coalesce(cardinality(p.rules) + cardinality(p.spread_rules), 0) AS last_rules,
    h.phase, h.center,
    (SELECT count(DISTINCT v.number) FROM chart_violation v
        WHERE v.chart_id = c.id AND v.time >= p.time - interval '1 day') AS day_violations,
    (SELECT count(DISTINCT v.number) FROM chart_violation v WHERE v.chart_id = c.id AND v.time >= p.time - interval '7 days'
        AND NOT EXISTS (SELECT FROM chart_note n WHERE n.chart_id = v.chart_id AND n.number = v.number)) AS open_violations,
    (extract(epoch FROM k.time) * 1000000)::bigint AS capability_us, k.n, k.mean, k.sigma_within, k.sigma_overall, k.outside, k.normality,
    coalesce(k.indices, '[]') AS indices
FROM chart c
LEFT JOIN LATERAL (SELECT * FROM chart_point p WHERE p.chart_id = c.id ORDER BY number DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT * FROM chart_phase h WHERE h.chart_id = c.id ORDER BY phase DESC LIMIT 1) h ON true
LEFT JOIN chart_capability k ON k.chart_id = c.id
"""
_POINTS = """
SELECT number, (extract(epoch FROM time) * 1000000)::bigint AS time_us, phase, mean, value, spread, size, low, high, values, rules,
    spread_rules
FROM chart_point WHERE chart_id = %s AND number > %s AND number <= %s ORDER BY number
"""
_TIGHTENINGS = """
SELECT t.id, t.time, coalesce(e.path, ''), t.spindle, t.program, t.torque_nm, t.angle_deg, t.verdict
FROM tightening t JOIN source s ON s.id = t.source_id LEFT JOIN equipment e ON e.id = t.equipment_id
WHERE t.id > %s AND s.name = ANY(%s::text[]) ORDER BY t.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class StoredChart:
    """A chart and how it stands."""

    id: int
    key: str
    chart_group: str
    name: str
    equipment: str
    kind: str
    unit: str
    origin: str
    spindle: int | None
    program: int | None
    subgroup: int
    phase_1: int
    low: float | None
    high: float | None
    target: float | None
    rule_set: str
    tool: bool
    retired: bool
    points: int
    last_us: int | None
    last_value: float | None
    last_rules: int
    """How many rules the newest point violates."""
    phase: int | None
    """None where there are no limits yet."""
    center: float | None
    day_violations: int
    open_violations: int
    """Points of the last seven days that violate a rule and of which nobody said why."""
    capability_us: int | None
    n: int | None
    mean: float | None
    sigma_within: float | None
    sigma_overall: float | None
    outside: int | None
    normality: float | None
    indices: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Point:
    """One point; limits of its own where they differ from those of its phase."""

    number: int
    time_us: int
    phase: int
    """0 while limits are being learnt."""
    mean: float
    value: float | None
    spread: float | None
    size: int
    low: float | None
    high: float | None
    values: list[float]
    rules: list[str]
    spread_rules: list[str]


@dataclass(frozen=True, slots=True)
class Phase:
    """Limits, frozen from ``from_number`` on."""

    phase: int
    from_number: int
    time_us: int
    first_number: int
    last_number: int
    points: int
    center: float
    sigma: float
    point_sigma: float
    low: float | None
    high: float | None
    spread_center: float | None
    spread_low: float | None
    spread_high: float | None
    asked_by: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a person said of a point."""

    id: int
    number: int
    time_us: int
    actor: str
    cause: str
    comment: str
    leave_out: bool


@dataclass(frozen=True, slots=True)
class Violation:
    """A point that violates a rule."""

    number: int
    part: ChartPart
    rule: Rule
    rule_set: str
    time_us: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """Capability as found at a point."""

    number: int
    time_us: int
    n: int
    mean: float
    sigma_within: float | None
    sigma_overall: float | None
    outside: int
    normality: float | None
    indices: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """Limits that a person wants made anew."""

    id: int
    chart_id: int
    number: int
    note_id: int
    actor: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Tightening:
    """What of a tightening may be charted."""

    id: int
    time_us: int
    equipment: str
    spindle: int
    program: int | None
    torque_nm: float | None
    angle_deg: float | None
    ok: bool


def register_chart(
    connection: Connection, one: Characteristic, key: str, name: str, spindle: int | None = None, program: int | None = None
) -> int:
    """Return the number of a chart, made or brought up to its settings."""
    origin = one.signal or f"tightening {one.tightened}"
    settings = (
        *(one.group, name, one.equipment, one.kind.value, one.unit, origin, spindle, program, one.subgroup, one.phase_1),
        *(one.low, one.high, one.target, one.rules.value, one.tool),
    )
    with translate_errors():
        row = connection.execute(
            "INSERT INTO chart (key, chart_group, name, equipment, kind, unit, origin, spindle, program, subgroup, phase_1, low, high, "
            "target, rule_set, tool) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (key) DO UPDATE SET name = excluded.name, kind = excluded.kind, "
            "unit = excluded.unit, origin = excluded.origin, subgroup = excluded.subgroup, "
            "phase_1 = excluded.phase_1, low = excluded.low, high = excluded.high, target = excluded.target, rule_set = excluded.rule_set, "
            "tool = excluded.tool, retired = false RETURNING id",
            [key, *settings],
        ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives one
    return int(row[0])


def retire_charts(connection: Connection, groups: Iterable[str]) -> None:
    """Mark the charts whose settings are gone; their points stay."""
    with translate_errors():
        connection.execute("UPDATE chart SET retired = true WHERE NOT retired AND NOT chart_group = ANY(%s::text[])", [list(groups)])


def write_points(cursor: psycopg.Cursor[Any], chart: int, points: Sequence[Point]) -> None:
    """Write points, within the caller's transaction; one that stands already is replaced."""
    cursor.executemany(
        "INSERT INTO chart_point (chart_id, number, time, phase, mean, value, spread, size, low, high, values, rules, spread_rules) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chart_id, number) DO UPDATE SET phase = excluded.phase, "
        "value = excluded.value, spread = excluded.spread, low = excluded.low, high = excluded.high, rules = excluded.rules, "
        "spread_rules = excluded.spread_rules",
        [
            (
                *(chart, p.number, moment(p.time_us), p.phase, p.mean, p.value, p.spread, p.size, p.low, p.high, p.values),
                *(p.rules, p.spread_rules),
            )
            for p in points
        ],
    )
    if points and points[-1].number // 1000 > points[0].number // 1000:
        cursor.execute("DELETE FROM chart_point WHERE chart_id = %s AND number <= %s", [chart, points[-1].number - MOST_POINTS])
        cursor.execute("DELETE FROM chart_violation WHERE chart_id = %s AND number <= %s", [chart, points[-1].number - MOST_POINTS])


def write_phase(cursor: psycopg.Cursor[Any], chart: int, phase: Phase) -> None:
    """Write the limits of a phase, within the caller's transaction."""
    cursor.execute(
        "INSERT INTO chart_phase (chart_id, phase, from_number, time, first_number, last_number, points, center, sigma, point_sigma, low, "
        "high, spread_center, spread_low, spread_high, asked_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        [
            *(chart, phase.phase, phase.from_number, moment(phase.time_us), phase.first_number, phase.last_number, phase.points),
            *(phase.center, phase.sigma, phase.point_sigma, phase.low, phase.high, phase.spread_center, phase.spread_low),
            *(phase.spread_high, phase.asked_by),
        ],
    )


def write_violations(cursor: psycopg.Cursor[Any], chart: int, violations: Sequence[Violation]) -> None:
    """Write what is out of control, within the caller's transaction."""
    cursor.executemany(
        "INSERT INTO chart_violation (chart_id, number, part, rule, rule_set, time, value, low, high) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [(chart, v.number, v.part.value, v.rule.value, v.rule_set, moment(v.time_us), v.value, v.low, v.high) for v in violations],
    )


def write_capability(cursor: psycopg.Cursor[Any], chart: int, judged: Judged) -> None:
    """Write the newest capability of a chart, within the caller's transaction."""
    told = (
        *(judged.number, moment(judged.time_us), judged.n, judged.mean, judged.sigma_within, judged.sigma_overall),
        *(judged.outside, judged.normality, Jsonb(judged.indices)),
    )
    cursor.execute(
        "INSERT INTO chart_capability (chart_id, number, time, n, mean, sigma_within, sigma_overall, outside, normality, indices) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chart_id) DO UPDATE SET number = excluded.number, "
        "time = excluded.time, n = excluded.n, mean = excluded.mean, sigma_within = excluded.sigma_within, "
        "sigma_overall = excluded.sigma_overall, outside = excluded.outside, normality = excluded.normality, indices = excluded.indices",
        [chart, *told],
    )


def read_charts(connection: Connection, *, equipment: str | None = None, retired: bool = False) -> list[StoredChart]:
    """Return charts and how they stand; of an equipment and all below it where one is given."""
    with translate_errors(), connection.cursor(row_factory=class_row(StoredChart)) as cursor:
        return cursor.execute(
            _TOLD + "WHERE (%(all)s OR NOT c.retired) AND (%(under)s::text IS NULL OR c.equipment = %(under)s "
            "OR starts_with(c.equipment, %(under)s || '/')) ORDER BY c.equipment, c.name, c.key",
            {"all": retired, "under": equipment},
        ).fetchall()


def read_chart(connection: Connection, chart: int) -> StoredChart | None:
    """Return one chart by its number."""
    with translate_errors(), connection.cursor(row_factory=class_row(StoredChart)) as cursor:
        return cursor.execute(_TOLD + "WHERE c.id = %s", [chart]).fetchone()


def read_points(connection: Connection, chart: int, after: int = 0, to: int = 2**62) -> list[Point]:
    """Return the points of a chart with ``after`` < number <= ``to``."""
    with translate_errors(), connection.cursor(row_factory=class_row(Point)) as cursor:
        return cursor.execute(_POINTS, [chart, after, to]).fetchall()


def read_newest(connection: Connection, chart: int, most: int) -> list[Point]:
    """Return the newest points of a chart, in their order."""
    with translate_errors():
        row = connection.execute("SELECT max(number) FROM chart_point WHERE chart_id = %s", [chart]).fetchone()
    return [] if row is None or row[0] is None else read_points(connection, chart, row[0] - most)


def read_phases(connection: Connection, chart: int) -> list[Phase]:
    """Return the limits of each phase of a chart, the oldest first."""
    with translate_errors(), connection.cursor(row_factory=class_row(Phase)) as cursor:
        return cursor.execute(
            "SELECT phase, from_number, (extract(epoch FROM time) * 1000000)::bigint AS time_us, first_number, last_number, points, "
            "center, sigma, point_sigma, low, high, spread_center, spread_low, spread_high, asked_by FROM chart_phase WHERE chart_id = %s "
            "ORDER BY phase",
            [chart],
        ).fetchall()


def read_notes(connection: Connection, chart: int, to_id: int = 2**62) -> list[Note]:
    """Return what people said of the points of a chart, in the order they did."""
    with translate_errors(), connection.cursor(row_factory=class_row(Note)) as cursor:
        return cursor.execute(
            "SELECT id, number, (extract(epoch FROM time) * 1000000)::bigint AS time_us, actor, cause, comment, leave_out "
            "FROM chart_note WHERE chart_id = %s AND id <= %s ORDER BY id",
            [chart, to_id],
        ).fetchall()


def read_violations(
    connection: Connection, from_us: int, to_us: int, *, chart: int | None = None, most: int = 1000
) -> list[tuple[int, str, Violation]]:
    """Return violations of a span, the newest first: number and name of the chart, and the violation."""
    with translate_errors():
        rows = connection.execute(
            "SELECT c.id, c.name, v.number, v.part, v.rule, v.rule_set, v.time, v.value, v.low, v.high FROM chart_violation v "
            "JOIN chart c ON c.id = v.chart_id WHERE v.time >= %s AND v.time < %s AND (%s::bigint IS NULL OR v.chart_id = %s) "
            "ORDER BY v.time DESC, v.id DESC LIMIT %s",
            [moment(from_us), moment(to_us), chart, chart, most],
        ).fetchall()
    return [(r[0], r[1], Violation(r[2], ChartPart(r[3]), Rule(r[4]), r[5], micros(r[6]), r[7], r[8], r[9])) for r in rows]


def add_note(
    cursor: psycopg.Cursor[Any], chart: int, number: int, *, time_us: int, actor: str, cause: str, comment: str, leave_out: bool
) -> int:
    """Return the number of a note on a point, within the caller's transaction. Raises Rejected where there is no such point."""
    found = cursor.execute("SELECT 1 FROM chart_point WHERE chart_id = %s AND number = %s", [chart, number]).fetchone()
    if found is None:
        raise Rejected(f"there is no point {number} of chart {chart}")
    row = cursor.execute(
        "INSERT INTO chart_note (chart_id, number, time, actor, cause, comment, leave_out) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [chart, number, moment(time_us), actor, cause, comment, leave_out],
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives one
    return int(row[0])


def add_wish(cursor: psycopg.Cursor[Any], chart: int, *, time_us: int, actor: str) -> int:
    """Return up to which point limits are wanted anew, within the caller's transaction. Raises Rejected for a chart without limits."""
    row = cursor.execute(
        "INSERT INTO chart_wish (chart_id, number, note_id, time, actor) SELECT %(chart)s, p.number, "
        "coalesce((SELECT max(id) FROM chart_note WHERE chart_id = %(chart)s), 0), %(time)s, %(actor)s FROM (SELECT max(number) AS number "
        "FROM chart_point WHERE chart_id = %(chart)s) p WHERE EXISTS (SELECT FROM chart_phase WHERE chart_id = %(chart)s) RETURNING number",
        {"chart": chart, "time": moment(time_us), "actor": actor},
    ).fetchone()
    if row is None:
        raise Rejected("this chart has no limits yet: they come by themselves when there are enough points")
    return int(row[0])


def read_wishes(connection: Connection) -> list[Wish]:
    """Return the wishes for new limits that wait, in their order."""
    with translate_errors(), connection.cursor(row_factory=class_row(Wish)) as cursor:
        return cursor.execute(
            "SELECT id, chart_id, number, note_id, actor, (extract(epoch FROM time) * 1000000)::bigint AS time_us "
            "FROM chart_wish WHERE answer IS NULL ORDER BY id"
        ).fetchall()


def answer_wish(cursor: psycopg.Cursor[Any], wish: int, answer: str) -> None:
    """Note what became of a wish, within the caller's transaction."""
    cursor.execute("UPDATE chart_wish SET answer = %s WHERE id = %s", [answer, wish])


def read_tightenings(connection: Connection, after: int, sources: Sequence[SourceId], most: int = 5000) -> list[Tightening]:
    """Return tightenings stored after one, in the order they were stored; of each source that order is the controller's."""
    with translate_errors():
        rows = connection.execute(_TIGHTENINGS, [after, list(sources), most]).fetchall()
    return [Tightening(r[0], micros(r[1]), r[2], r[3], r[4], r[5], r[6], r[7] == "ok") for r in rows]


def time_span(connection: Connection, sources: Sequence[int], from_us: int, to_us: int) -> tuple[int, int] | None:
    """Return between which own times the samples of sources lie that were received in a span; None where none were."""
    with translate_errors():
        row = connection.execute(
            "SELECT min(low_us), max(high_us) FROM feed_shipment WHERE source_id = ANY(%s::int4[]) AND samples > 0 "
            "AND received_high_us >= %s AND received_low_us < %s",
            [list(sources), from_us, to_us],
        ).fetchone()
    return None if row is None or row[0] is None else (int(row[0]), int(row[1]))


def first_received(connection: Connection, sources: Sequence[int], from_us: int) -> int | None:
    """Return when the first samples of sources were received that the feed knows, from a time on."""
    with translate_errors():
        row = connection.execute(
            "SELECT min(received_low_us) FROM feed_shipment WHERE source_id = ANY(%s::int4[]) AND samples > 0 AND received_high_us >= %s",
            [list(sources), from_us],
        ).fetchone()
    return None if row is None or row[0] is None else max(from_us, int(row[0]))
