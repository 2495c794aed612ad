"""Condition of equipment as stored: parts with what was measured of them, baselines, findings, tools, and what people answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.types.json import Jsonb

from plant.condition import Answer, Severity
from plant.equipment import EquipmentId
from storage.database import Connection, micros, moment, translate_errors

_STREAM = """
INSERT INTO condition_stream (equipment_id, program, step, occurrence, signal, feature) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (equipment_id, program, step, occurrence, signal, feature) DO UPDATE SET feature = excluded.feature RETURNING id
"""
_PART = """
INSERT INTO condition_part (equipment_id, end_time, begin_time, part, program, energy_kwh, idle_kwh, judged, streams, levels)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (equipment_id, end_time) DO NOTHING
"""
_BASELINE = """
INSERT INTO condition_baseline (stream_id, from_time, middle, low, high, parts) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (stream_id, from_time) DO UPDATE SET middle = excluded.middle, low = excluded.low, high = excluded.high, parts = excluded.parts
"""
_FINDING = """
WITH before AS (
    SELECT severity, end_time FROM condition_finding WHERE equipment_id = %(equipment)s AND program = %(program)s AND step = %(step)s
        AND occurrence = %(occurrence)s AND begin_time = %(begin)s
), written AS (
    INSERT INTO condition_finding (equipment_id, program, step, occurrence, begin_time, end_time, last_time, severity, ratio, parts,
        reasons)
    VALUES (%(equipment)s, %(program)s, %(step)s, %(occurrence)s, %(begin)s, %(end)s, %(last)s, %(severity)s, %(ratio)s, %(parts)s,
        %(reasons)s)
    ON CONFLICT (equipment_id, program, step, occurrence, begin_time) DO UPDATE SET end_time = excluded.end_time,
        last_time = excluded.last_time, severity = excluded.severity, ratio = excluded.ratio, parts = excluded.parts,
        reasons = excluded.reasons
)
INSERT INTO condition_change (equipment_id, program, step, occurrence, begin_time, time, severity, ratio, ended)
SELECT %(equipment)s, %(program)s, %(step)s, %(occurrence)s, %(begin)s, coalesce(%(end)s::timestamptz, %(last)s), %(severity)s, %(ratio)s,
    %(end)s::timestamptz IS NOT NULL
WHERE NOT EXISTS (SELECT FROM before WHERE severity = %(severity)s AND (end_time IS NULL) = (%(end)s::timestamptz IS NULL))
"""
_TOOL = """
INSERT INTO condition_tool (equipment_id, begin_time, end_time, tool, parts, outlook, rise_percent, limit_percent, remaining, remaining_low,
    remaining_high, called_worn)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (equipment_id, begin_time) DO UPDATE SET end_time = excluded.end_time, parts = excluded.parts, outlook = excluded.outlook,
    rise_percent = excluded.rise_percent, limit_percent = excluded.limit_percent, remaining = excluded.remaining,
    remaining_low = excluded.remaining_low, remaining_high = excluded.remaining_high, called_worn = excluded.called_worn
"""
_FINDINGS = """
SELECT f.id, e.path, f.program, f.step, f.occurrence, f.begin_time, f.end_time, f.last_time, f.severity, f.ratio, f.parts, f.reasons,
    a.answer, a.actor, a.note
FROM condition_finding f JOIN equipment e ON e.id = f.equipment_id
LEFT JOIN LATERAL (SELECT * FROM condition_answer w WHERE w.finding_id = f.id ORDER BY w.id DESC LIMIT 1) a ON true
WHERE (%(equipment)s::text IS NULL OR e.path = %(equipment)s OR starts_with(e.path, %(equipment)s || '/'))
    AND (%(from)s::timestamptz IS NULL OR coalesce(f.end_time, 'infinity') >= %(from)s)
    AND (%(to)s::timestamptz IS NULL OR f.begin_time < %(to)s) AND (NOT %(open)s OR f.end_time IS NULL)
    AND (%(before)s::bigint IS NULL OR f.id < %(before)s) AND (%(id)s::bigint IS NULL OR f.id = %(id)s)
ORDER BY f.id DESC LIMIT %(most)s
"""
MOST_ROWS = 2000
_NOWHERE = EquipmentId("")


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What one watched number is of."""

    program: str
    step: str
    occurrence: int
    signal: str
    """Name of the signal; empty for how long the step takes."""
    feature: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part as it was measured."""

    begin_us: int
    end_us: int
    part: str
    program: str
    energy_kwh: float | None
    idle_kwh: float | None
    judged: bool
    """Whether there was a baseline to judge it by."""
    streams: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """What is usual of one number from a time on; no middle where there is not enough evidence."""

    stream: int
    from_us: int
    middle: float | None
    low: float | None
    high: float | None
    parts: int


@dataclass(frozen=True, slots=True)
class FindingRow:
    """Something that is not as usual, in one step of one program."""

    program: str
    step: str
    occurrence: int
    begin_us: int
    end_us: int | None
    last_us: int
    severity: Severity
    ratio: float
    parts: int
    reasons: tuple[dict[str, Any], ...]
    """The strongest first: codes and numbers, of which sentences are made."""
    id: int = 0
    equipment: EquipmentId = _NOWHERE
    answer: Answer | None = None
    answered_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ToolRow:
    """One tool from when it was put in."""

    begin_us: int
    end_us: int | None
    tool: str
    parts: int
    outlook: str
    rise_percent: float | None
    limit_percent: float | None
    remaining: float | None
    remaining_low: float | None
    remaining_high: float | None
    called_worn: bool
    equipment: EquipmentId = _NOWHERE


@dataclass(frozen=True, slots=True)
class WaitingAnswer:
    """What a person said and the monitor has not yet heeded."""

    id: int
    answer: Answer
    program: str | None
    """Of the finding it is about; None where it is about the whole equipment."""
    step: str | None
    occurrence: int | None


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """How one equipment stands."""

    equipment: EquipmentId
    parts: int
    last_us: int | None
    judged: bool
    energy_kwh: float | None
    """Mean of the last parts."""
    idle_kwh: float | None
    open_findings: int
    severity: Severity | None
    least_parts: int = 0
    """From so many parts on there is a baseline."""


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One number of one part."""

    time_us: int
    part: str
    level: float


def numbers_of_equipment(connection: Connection) -> dict[EquipmentId, int]:
    """Return the number of each equipment by its path."""
    with translate_errors():
        return {EquipmentId(path): number for path, number in connection.execute("SELECT path, id FROM equipment").fetchall()}


def stream_number(connection: Connection, equipment: int, key: StreamKey) -> int:
    """Return the number of a watched number; it is given one where it has none."""
    with translate_errors():
        row = connection.execute(_STREAM, [equipment, key.program, key.step, key.occurrence, key.signal, key.feature]).fetchone()
    return 0 if row is None else int(row[0])


def add_part(connection: Connection, equipment: int, row: PartRow) -> None:
    """Store one part."""
    with translate_errors():
        connection.execute(
            _PART,
            [
                *(equipment, moment(row.end_us), moment(row.begin_us), row.part, row.program, row.energy_kwh, row.idle_kwh, row.judged),
                *(list(row.streams), list(row.levels)),
            ],
        )


def put_baselines(connection: Connection, rows: Iterable[BaselineRow]) -> None:
    """Store what is usual from now on."""
    values = [(row.stream, moment(row.from_us), row.middle, row.low, row.high, row.parts) for row in rows]
    if values:
        with translate_errors(), connection.cursor() as cursor:
            cursor.executemany(_BASELINE, values)


def put_findings(connection: Connection, equipment: int, rows: Iterable[FindingRow]) -> None:
    """Store findings; one that began at the same time in the same step is brought up to date, and its changes are kept."""
    values = [
        {
            "equipment": equipment,
            "program": row.program,
            "step": row.step,
            "occurrence": row.occurrence,
            "begin": moment(row.begin_us),
            "end": None if row.end_us is None else moment(row.end_us),
            "last": moment(row.last_us),
            "severity": row.severity.value,
            "ratio": row.ratio,
            "parts": row.parts,
            "reasons": Jsonb(list(row.reasons)),
        }
        for row in rows
    ]
    if values:
        with translate_errors(), connection.cursor() as cursor:
            cursor.executemany(_FINDING, values)


def put_tool(connection: Connection, equipment: int, row: ToolRow) -> None:
    """Store how a tool stands."""
    with translate_errors():
        connection.execute(
            _TOOL,
            [
                *(equipment, moment(row.begin_us), None if row.end_us is None else moment(row.end_us), row.tool, row.parts, row.outlook),
                *(row.rise_percent, row.limit_percent, row.remaining, row.remaining_low, row.remaining_high, row.called_worn),
            ],
        )


def waiting_answers(connection: Connection, equipment: int) -> list[WaitingAnswer]:
    """Return what people said and nobody heeded yet, in the order in which they said it."""
    with translate_errors():
        rows = connection.execute(
            "SELECT a.id, a.answer, f.program, f.step, f.occurrence FROM condition_answer a "
            "LEFT JOIN condition_finding f ON f.id = a.finding_id WHERE a.equipment_id = %s AND a.applied_us IS NULL ORDER BY a.id",
            [equipment],
        ).fetchall()
    return [WaitingAnswer(row[0], Answer(row[1]), *row[2:]) for row in rows]


def heeded(connection: Connection, answer: int, at_us: int) -> None:
    """Note from which time of the samples on an answer holds, so that history judged again heeds it there."""
    with translate_errors():
        connection.execute("UPDATE condition_answer SET applied_us = %s WHERE id = %s", [at_us, answer])


def add_answer(connection: Connection, finding: FindingRow | EquipmentId, answer: Answer, actor: str, note: str, time_us: int) -> None:
    """Store what a person says to a finding, or of a whole equipment."""
    path, number = (finding.equipment, finding.id) if isinstance(finding, FindingRow) else (finding, None)
    with translate_errors():
        connection.execute(
            "INSERT INTO condition_answer (equipment_id, finding_id, answer, actor, note, time_us) "
            "VALUES ((SELECT id FROM equipment WHERE path = %s), %s, %s, %s, %s, %s)",
            [path, number, answer.value, actor, note, time_us],
        )


def read_findings(
    connection: Connection,
    *,
    equipment: str | None = None,
    only_open: bool = False,
    from_us: int | None = None,
    to_us: int | None = None,
    before: int | None = None,
    number: int | None = None,
    most: int = 200,
) -> list[FindingRow]:
    """Return findings, the newest first."""
    wanted = {
        "equipment": equipment,
        "open": only_open,
        "from": None if from_us is None else moment(from_us),
        "to": None if to_us is None else moment(to_us),
        "before": before,
        "id": number,
        "most": max(1, min(most, MOST_ROWS)),
    }
    with translate_errors():
        rows = connection.execute(_FINDINGS, wanted).fetchall()
    return [
        FindingRow(
            *(row[2], row[3], row[4], micros(row[5]), None if row[6] is None else micros(row[6]), micros(row[7]), Severity(row[8])),
            *(row[9], row[10], tuple(row[11]), row[0], EquipmentId(row[1]), None if row[12] is None else Answer(row[12])),
            *(row[13] or "", row[14] or ""),
        )
        for row in rows
    ]


def read_watched(connection: Connection, parts: int = 20) -> list[WatchedRow]:
    """Return how each watched equipment stands, with the mean energy of its last parts."""
    with translate_errors():
        rows = connection.execute(
            "SELECT e.path, (SELECT count(*) FROM condition_part p WHERE p.equipment_id = c.equipment_id), l.last, "
            "coalesce(l.judged, false), l.energy, l.idle, f.open, f.severity, c.least_parts FROM condition_state c "
            "JOIN equipment e ON e.id = c.equipment_id "
            "LEFT JOIN LATERAL (SELECT max(end_time) AS last, (array_agg(judged ORDER BY end_time DESC))[1] AS judged, "
            "avg(energy_kwh) AS energy, avg(idle_kwh) AS idle FROM (SELECT * FROM condition_part p "
            "WHERE p.equipment_id = c.equipment_id ORDER BY end_time DESC LIMIT %s) q) l ON true "
            "LEFT JOIN LATERAL (SELECT count(*) AS open, (array_agg(severity ORDER BY ratio DESC))[1] AS severity "
            "FROM condition_finding f WHERE f.equipment_id = c.equipment_id AND f.end_time IS NULL) f ON true ORDER BY e.position, e.path",
            [parts],
        ).fetchall()
    return [
        WatchedRow(
            *(EquipmentId(row[0]), row[1], None if row[2] is None else micros(row[2]), row[3], row[4], row[5], row[6]),
            None if row[7] is None else Severity(row[7]),
            row[8],
        )
        for row in rows
    ]


def read_parts(connection: Connection, equipment: str, from_us: int, to_us: int, most: int = 500) -> list[PartRow]:
    """Return the parts of an equipment with their energy, the newest first; without the numbers measured."""
    with translate_errors():
        rows = connection.execute(
            "SELECT p.begin_time, p.end_time, p.part, p.program, p.energy_kwh, p.idle_kwh, p.judged FROM condition_part p "
            "JOIN equipment e ON e.id = p.equipment_id WHERE e.path = %s AND p.end_time >= %s AND p.end_time < %s "
            "ORDER BY p.end_time DESC LIMIT %s",
            [equipment, moment(from_us), moment(to_us), max(1, min(most, MOST_ROWS))],
        ).fetchall()
    return [PartRow(micros(row[0]), micros(row[1]), *row[2:]) for row in rows]


def read_streams(connection: Connection, equipment: str) -> list[tuple[int, StreamKey]]:
    """Return all that is watched of an equipment, by number."""
    with translate_errors():
        rows = connection.execute(
            "SELECT s.id, s.program, s.step, s.occurrence, s.signal, s.feature FROM condition_stream s "
            "JOIN equipment e ON e.id = s.equipment_id WHERE e.path = %s ORDER BY s.id",
            [equipment],
        ).fetchall()
    return [(row[0], StreamKey(*row[1:])) for row in rows]


def read_feature(connection: Connection, stream: int) -> str:
    """Return which feature a watched number is; empty for one that there is not."""
    with translate_errors():
        row = connection.execute("SELECT feature FROM condition_stream WHERE id = %s", [stream]).fetchone()
    return "" if row is None else str(row[0])


def read_levels(connection: Connection, stream: int, parts: int = 200) -> list[LevelRow]:
    """Return one number of the last parts, oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT q.end_time, q.part, q.level FROM (SELECT p.end_time, p.part, l.level FROM condition_stream s "
            "JOIN condition_part p ON p.equipment_id = s.equipment_id "
            "CROSS JOIN LATERAL unnest(p.streams, p.levels) AS l (stream_id, level) "
            "WHERE s.id = %s AND l.stream_id = s.id ORDER BY p.end_time DESC LIMIT %s) q ORDER BY q.end_time",
            [stream, max(1, min(parts, MOST_ROWS))],
        ).fetchall()
    return [LevelRow(micros(row[0]), row[1], row[2]) for row in rows]


def read_baselines(connection: Connection, stream: int) -> list[BaselineRow]:
    """Return what was usual of one number from when on, oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT stream_id, from_time, middle, low, high, parts FROM condition_baseline WHERE stream_id = %s ORDER BY from_time",
            [stream],
        ).fetchall()
    return [BaselineRow(row[0], micros(row[1]), *row[2:]) for row in rows]


def read_tools(connection: Connection, equipment: str | None = None, *, only_now: bool = False, most: int = 100) -> list[ToolRow]:
    """Return tools, those that were put in last first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT t.begin_time, t.end_time, t.tool, t.parts, t.outlook, t.rise_percent, t.limit_percent, t.remaining, t.remaining_low, "
            "t.remaining_high, t.called_worn, e.path FROM condition_tool t JOIN equipment e ON e.id = t.equipment_id "
            "WHERE (%(path)s::text IS NULL OR e.path = %(path)s) AND (NOT %(now)s OR t.end_time IS NULL) "
            "ORDER BY t.begin_time DESC, e.path LIMIT %(most)s",
            {"path": equipment, "now": only_now, "most": max(1, min(most, MOST_ROWS))},
        ).fetchall()
    found = [ToolRow(micros(row[0]), None if row[1] is None else micros(row[1]), *row[2:11]) for row in rows]
    return [replace(tool, equipment=EquipmentId(row[11])) for tool, row in zip(found, rows, strict=True)]


def forget_before(connection: Connection, equipments: Sequence[int], before_us: int) -> None:
    """Delete parts that ended before a time; findings, baselines and tools stay."""
    with translate_errors():
        connection.execute(
            "DELETE FROM condition_part WHERE equipment_id = ANY(%s::int4[]) AND end_time < %s", [list(equipments), moment(before_us)]
        )
