"""What happened to one piece: each table that knows its serial number is asked once, by an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row

from plant.equipment import EquipmentId
from plant.genealogy import Stay, Told
from storage.database import Connection, micros, moment, translate_errors

MOST: Final = 500
"""Rows of each kind at most."""
_HOUR_US: Final = 3_600_000_000
_JOBS: Final = """
SELECT j.name AS job, j.serial, o.number AS "order", o.customer, o.product, j.state, o.due_time AS due, j.started_time AS started,
    j.ended_time AS ended, j.alternatives FROM job_order j JOIN customer_order o ON o.id = j.customer_order_id
WHERE j.serial = %(name)s OR j.name = %(name)s ORDER BY j.id LIMIT 20
"""
_JOBS_OF_ORDER: Final = """
SELECT j.name AS job, j.serial, o.number AS "order", o.customer, o.product, j.state, o.due_time AS due, j.started_time AS started,
    j.ended_time AS ended, j.alternatives FROM customer_order o JOIN job_order j ON o.id = j.customer_order_id
WHERE o.number = %(name)s ORDER BY j.place LIMIT 1000
"""
_OPERATIONS: Final = """
SELECT h.started_time AS started, coalesce(job.word, '') AS job, p.word AS product, o.word AS operation, a.word AS alternative,
    coalesce(n.work_unit, '') AS work_unit, coalesce(n.program, '') AS program, h.duration_min, h.rework_min, h.first_pass, h.scrapped,
    h.energy_kwh, coalesce(who.word, '') AS decided_by, h.id
FROM history_word piece JOIN operation_history h ON h.serial_id = piece.id JOIN history_product p ON p.id = h.product_id
    JOIN history_operation o ON o.id = h.operation_id JOIN history_alternative a ON a.id = h.alternative_id
    LEFT JOIN history_word job ON job.id = h.order_id LEFT JOIN history_word who ON who.id = h.decided_by_id
    LEFT JOIN operation_alternative n ON n.alternative = a.word AND n.network_id = (SELECT w.id FROM process_network w WHERE w.in_force)
WHERE piece.word = %(name)s ORDER BY h.started_time, h.id LIMIT %(most)s
"""
_TIGHTENINGS: Final = """
SELECT t.id, t.time, coalesce(e.path, '') AS equipment, s.name AS source, t.spindle, coalesce(t.bolt, t.batch_counter) AS bolt, t.program,
    t.program_name, t.torque_nm, t.angle_deg, t.verdict, j.id AS joint, j.state AS joint_state,
    EXISTS (SELECT FROM tightening_curve c WHERE c.source_id = t.source_id AND c.tightening_id = t.tightening_id
        AND c.spindle IN (t.spindle, 0) AND c.time BETWEEN t.time - interval '1 hour' AND t.time + interval '1 hour') AS has_curve
FROM tightening t JOIN source s ON s.id = t.source_id LEFT JOIN equipment e ON e.id = t.equipment_id
    LEFT JOIN joint_record j ON j.tightening = t.id AND j.newest
WHERE t.part = %(name)s AND t.part <> '' ORDER BY t.time, t.id LIMIT %(most)s
"""
_JOINTS: Final = """
SELECT group_id AS "group", count(*) AS joints, max(bolts) AS bolts, count(*) FILTER (WHERE state = 'released') AS released,
    count(*) FILTER (WHERE state IN ('case', 'stopped')) AS cases, min(time) AS begun, max(time) AS ended,
    count(*) FILTER (WHERE actor <> '') AS by_people
FROM joint_record WHERE newest AND part = %(name)s AND part <> '' GROUP BY group_id ORDER BY group_id LIMIT %(most)s
"""
_INSPECTIONS: Final = """
SELECT i.id, i.taken_time AS taken, i.station, i.view, i.subject, i.decision, encode(i.sha256, 'hex') AS frame,
    p.gone_time IS NULL AS has_picture, i.answered
FROM inspection i JOIN picture p USING (sha256) WHERE i.part = %(name)s AND i.part <> '' AND NOT i.shadow
ORDER BY i.taken_time, i.id LIMIT %(most)s
"""
_STATES: Final = """
SELECT e.path, i.from_time, i.to_time FROM state_interval i JOIN equipment e ON e.id = i.equipment_id
WHERE i.part = %(name)s AND i.part <> '' ORDER BY i.from_time LIMIT 5000
"""
_DELIVERIES: Final = """
SELECT number, kind, work_unit, stage, stage_time AS "time", approved_by, source FROM delivery
WHERE document ? 'serial' AND document ->> 'serial' = %(name)s ORDER BY number LIMIT %(most)s
"""
_ROUTE: Final = """
SELECT r.id, r.product, r.made_time AS made, r.stage, r.stage_time AS "time", r.gain_mean, d.number AS delivery, c.actor AS approved_by
FROM recommendation r LEFT JOIN delivery d ON d.source = 'recommendation:' || r.id
    JOIN LATERAL (SELECT c.time, c.actor FROM recommendation_change c WHERE c.recommendation_id = r.id AND c.after = 'approved' LIMIT 1) c
        ON true
WHERE r.product = %(product)s AND r.route @> %(steps)s::text[] AND c.time <= %(begun)s
    AND r.stage IN ('approved', 'sent', 'accepted', 'executed', 'in_doubt', 'measured', 'rolled_back')
ORDER BY r.id DESC LIMIT 1
"""
# the other way round; of the newest operations after it was approved
_MADE_BY: Final = """
WITH given AS (
    SELECT r.id, r.product, r.route, c.time AS approved, p.id AS product_id
    FROM recommendation r JOIN history_product p ON p.word = r.product
        JOIN LATERAL (SELECT c.time FROM recommendation_change c WHERE c.recommendation_id = r.id AND c.after = 'approved' LIMIT 1) c
            ON true
    WHERE r.id = %(recommendation)s
        AND r.stage IN ('approved', 'sent', 'accepted', 'executed', 'in_doubt', 'measured', 'rolled_back')
), done AS (
    SELECT h.* FROM given g JOIN operation_history h ON h.product_id = g.product_id AND h.started_time >= g.approved
    WHERE h.serial_id IS NOT NULL ORDER BY h.started_time DESC LIMIT %(operations)s
), pieces AS (
    SELECT o.serial_id, min(o.started_time) AS started, max(o.started_time) AS last, count(*) AS operations,
        bool_and(o.first_pass) AS first_pass, bool_or(o.scrapped) AS scrapped, array_agg(a.word) AS steps
    FROM (SELECT DISTINCT serial_id FROM done) d JOIN operation_history o ON o.serial_id = d.serial_id
        JOIN history_alternative a ON a.id = o.alternative_id
    GROUP BY o.serial_id
)
SELECT w.word AS serial, p.started, p.last, p.operations, p.first_pass, p.scrapped
FROM given g JOIN pieces p ON p.started >= g.approved AND p.steps <@ g.route JOIN history_word w ON w.id = p.serial_id
WHERE NOT EXISTS (SELECT FROM recommendation n
    JOIN LATERAL (SELECT c.time FROM recommendation_change c WHERE c.recommendation_id = n.id AND c.after = 'approved' LIMIT 1) c
            ON true
    WHERE n.product = g.product AND n.id > g.id AND c.time <= p.started AND n.route @> p.steps
        AND n.stage IN ('approved', 'sent', 'accepted', 'executed', 'in_doubt', 'measured', 'rolled_back'))
ORDER BY p.last DESC, w.word LIMIT %(most)s
"""
_CHANGES: Final = """
SELECT id, number, version, effective_from, stage, stage_time AS "time" FROM design_change
WHERE product = ANY (%(products)s) AND stage = 'in_force' ORDER BY stage_time, id LIMIT %(most)s
"""
_PLATES: Final = """
SELECT o.number AS part_order, o.part, o.factory, n.id AS nest, n.state, n.state_time AS "time", s.name AS sheet, s.material,
    s.thickness_mm, coalesce(i.heat, '') AS heat
FROM part_order o JOIN nest_part p ON p.part_order_id = o.id JOIN nest n ON n.id = p.nest_id AND n.state IN ('released', 'cut')
    JOIN nest_sheet t ON t.nest_id = n.id JOIN stock_sheet s ON s.id = t.stock_sheet_id
    LEFT JOIN genealogy_item i ON i.kind = 'lot' AND i.name = s.name
WHERE o.for_order = ANY (%(orders)s) AND o.for_order <> ''
    AND (n.state <> 'cut' OR EXISTS (SELECT FROM genealogy_built_in b JOIN genealogy_item c ON c.id = b.into_id
        WHERE b.component_id = i.id AND b.nest_id = n.id AND c.kind = 'lot' AND c.name = o.number))
ORDER BY o.number, n.id, s.name LIMIT %(most)s
"""
# active when it came, or became so while it was there
_ALARMS: Final = """
SELECT u.n, a.name AS alarm, a.equipment, a.signal, a.message, a.priority, f.time_us AS time_us
FROM unnest(%(place)s::text[], %(begin)s::bigint[], %(end)s::bigint[]) WITH ORDINALITY AS u (path, begin_us, end_us, n)
    JOIN alarm a ON a.equipment = u.path OR starts_with(a.equipment, u.path || '/')
CROSS JOIN LATERAL (
    (SELECT j.time_us FROM alarm_journal j WHERE j.alarm_id = a.id AND j.event = 'active' AND j.time_us BETWEEN u.begin_us AND u.end_us
        ORDER BY j.time_us LIMIT 1)
    UNION ALL
    (SELECT b.time_us FROM (SELECT j.time_us, j.active FROM alarm_journal j WHERE j.alarm_id = a.id AND j.time_us < u.begin_us
        ORDER BY j.seq DESC LIMIT 1) b WHERE b.active)
    LIMIT 1) f
ORDER BY u.n, f.time_us, a.name LIMIT %(most)s
"""
_BAD: Final = """
SELECT u.n, sum(r.count)::bigint AS samples, sum(r.count - r.good_count)::bigint AS bad
FROM unnest(%(place)s::text[], %(begin)s::bigint[], %(end)s::bigint[]) WITH ORDINALITY AS u (path, begin_us, end_us, n)
    JOIN equipment e ON e.path = u.path JOIN signal g ON g.equipment_id = e.id
    JOIN {tier} r ON r.signal_id = g.id AND r.bucket >= to_timestamp(u.begin_us / 1e6) - {step} AND r.bucket <= to_timestamp(u.end_us / 1e6)
GROUP BY u.n
"""
_BAD_SECONDS: Final = _BAD.format(tier="rollup_1s", step="interval '0.999 s'")
_BAD_MINUTES: Final = _BAD.format(tier="rollup_1m", step="interval '59.999 s'")
_THERE: Final = """
SELECT part, told FROM (
    (SELECT i.part, 'state' AS told, i.from_time AS time FROM state_interval i JOIN equipment e ON e.id = i.equipment_id
        WHERE e.path = %(place)s AND i.from_time <= %(at)s AND i.to_time >= %(at)s AND i.part <> '' ORDER BY i.from_time DESC LIMIT 1)
    UNION ALL
    (SELECT t.part, 'tightening', t.time FROM tightening t JOIN equipment e ON e.id = t.equipment_id
        WHERE e.path = %(place)s AND t.time BETWEEN %(early)s AND %(late)s AND t.part <> ''
        ORDER BY abs(extract(epoch FROM t.time - %(at)s)) LIMIT 1)
) found ORDER BY told LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class StaySum:
    """What the signals of a work unit said while a part was there."""

    samples: int
    bad: int


def read_jobs(connection: Connection, name: str, *, order: bool = False) -> list[dict[str, Any]]:
    """Return the job orders of a serial or of their own name; with ``order``: of a customer order."""
    return _rows(connection, _JOBS_OF_ORDER if order else _JOBS, {"name": name})


def read_operations(connection: Connection, serial: str) -> list[dict[str, Any]]:
    """Return the operations that were done on a piece, the first first."""
    return _rows(connection, _OPERATIONS, {"name": serial})


def read_tightenings_of(connection: Connection, serial: str) -> list[dict[str, Any]]:
    """Return the tightenings of a piece, each with the number of its joint's newest record."""
    return _rows(connection, _TIGHTENINGS, {"name": serial})


def read_joints_of(connection: Connection, serial: str) -> list[dict[str, Any]]:
    """Return how each group of joints of a piece stands."""
    return _rows(connection, _JOINTS, {"name": serial})


def read_inspections_of(connection: Connection, serial: str) -> list[dict[str, Any]]:
    """Return each look at a piece by the models in charge."""
    return _rows(connection, _INSPECTIONS, {"name": serial})


def read_deliveries_of(connection: Connection, serial: str) -> list[dict[str, Any]]:
    """Return the messages to controllers that name a piece."""
    return _rows(connection, _DELIVERIES, {"name": serial})


def read_route_reason(connection: Connection, product: str, steps: Sequence[str], begun_us: int) -> dict[str, Any] | None:
    """Return the recommendation by whose route a piece was made: the newest approved before that has all of its steps."""
    given = {"product": product, "steps": list(steps), "begun": moment(begun_us)}
    return next(iter(_rows(connection, _ROUTE, given)), None) if steps else None


def read_made_by(connection: Connection, recommendation: int, most: int, operations: int = 20_000) -> list[dict[str, Any]]:
    """Return the pieces that were made by the route of a recommendation, the newest first.

    As ``read_route_reason`` says it of each of them; looked for among the newest ``operations`` of its product.
    """
    return _rows(connection, _MADE_BY, {"recommendation": recommendation, "most": most, "operations": operations})


def read_changes_of(connection: Connection, products: Sequence[str]) -> list[dict[str, Any]]:
    """Return the design changes of products that are in force, in the order of their coming."""
    return _rows(connection, _CHANGES, {"products": list(products)})


def read_plates_of(connection: Connection, orders: Sequence[str]) -> list[dict[str, Any]]:
    """Return the sheets that parts for customer orders were cut from: part order, nest, sheet, heat."""
    return _rows(connection, _PLATES, {"orders": list(orders)})


def read_state_stays(connection: Connection, serial: str) -> list[Stay]:
    """Return where equipment itself said that it had the piece."""
    with translate_errors():
        rows = connection.execute(_STATES, {"name": serial}).fetchall()
    return [Stay(EquipmentId(path), micros(begin), micros(end), frozenset({Told.STATE})) for path, begin, end in rows]


def read_alarms_during(connection: Connection, stays: Sequence[Stay]) -> list[tuple[int, dict[str, Any]]]:
    """Return the alarms that were active during stays, below the work unit too: the stay's place in the list, and the alarm."""
    rows = _rows(connection, _ALARMS, _spans(stays)) if stays else []
    return [(int(row.pop("n")) - 1, row) for row in rows]


def read_samples_during(connection: Connection, stays: Sequence[Stay]) -> dict[int, StaySum]:
    """Return how many samples the signals of the work units gave during stays, and how many of them were bad.

    By rollups of seconds where these are kept, of stays of an hour at most, else by those of minutes.
    """
    short = {n for n, one in enumerate(stays) if one.to_us - one.from_us <= _HOUR_US}
    found = _samples(connection, _BAD_SECONDS, stays, short)
    return {**_samples(connection, _BAD_MINUTES, stays, set(range(len(stays))) - set(found)), **found}


def part_at(connection: Connection, equipment: str, at_us: int, near_us: int = 60_000_000) -> str | None:
    """Return the serial of the part that was at a work unit at a time, as its states or, near that time, its tool told."""
    given = {"place": equipment, "at": moment(at_us), "early": moment(at_us - near_us), "late": moment(at_us + near_us)}
    with translate_errors():
        row = connection.execute(_THERE, given).fetchone()
    return None if row is None else str(row[0])


def _samples(connection: Connection, query: str, stays: Sequence[Stay], wanted: set[int]) -> dict[int, StaySum]:
    places = sorted(wanted)
    if not places:
        return {}
    rows = _rows(connection, query, _spans([stays[place] for place in places]))
    return {places[row["n"] - 1]: StaySum(row["samples"], row["bad"]) for row in rows}


def _spans(stays: Sequence[Stay]) -> dict[str, Any]:
    return {
        "place": [one.equipment for one in stays],
        "begin": [one.from_us for one in stays],
        "end": [one.to_us for one in stays],
    }


def _rows(connection: Connection, query: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, {"most": MOST, **given}).fetchall()


def places_of(connection: Connection, work_units: Sequence[str]) -> dict[str, str]:
    """Return the equipment paths of work units that are named by path or by its end; one that fits several is left out."""
    with translate_errors():
        rows = connection.execute(
            "SELECT u.name, min(e.path) FROM unnest(%s::text[]) AS u (name) JOIN equipment e "
            "ON e.path = u.name OR right(e.path, length(u.name) + 1) = '/' || u.name GROUP BY u.name HAVING count(*) = 1",
            [list(work_units)],
        ).fetchall()
    return dict(rows)
