# ruff: noqa: S608  # the words put into SQL here are our own column names
"""Tightenings as stored: one row a result, one row a curve of torque and angle, in the transaction of their batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import dict_row

from plant.equipment import EquipmentId
from plant.signals import SourceId
from plant.tightening import (
    AgainstLimits,
    ResultKind,
    Stage,
    TighteningCurve,
    TighteningResult,
    TighteningTrace,
    TraceKind,
    elapsed_us,
    unpack_counts,
)
from plant.verdict import Verdict
from storage.database import Connection, micros, moment, translate_errors

MOST_ROWS: Final = 5000
_SAME: Final = (
    *("tightening_id", "spindle", "station", "fetched", "controller", "program", "program_name", "strategy", "strategy_options", "job"),
    *("job_sequence", "batch_size", "batch_counter", "sync_id", "part", "bolt", "torque_nm", "torque_min_nm", "torque_max_nm"),
    *("torque_target_nm", "angle_deg", "angle_min_deg", "angle_max_deg", "angle_target_deg", "rundown_angle_deg"),
    *("rundown_angle_min_deg", "rundown_angle_max_deg", "prevail_torque_nm", "prevail_torque_min_nm", "prevail_torque_max_nm"),
    *("self_tap_torque_nm", "current_percent", "errors", "customer_error", "tool"),
)
"""Columns named and filled as the fields of TighteningResult."""
_WORDS: Final = ("verdict", "kind", "batch_verdict", "torque_status", "angle_status", "rundown_angle_status")
_TIMES: Final = {
    "time": "time_us",
    "received_time": "received_us",
    "program_changed": "program_changed_us",
    "tool_calibrated": "tool_calibrated_us",
}
_COLUMNS: Final = (*_SAME, *_WORDS, *_TIMES, "identifiers", "stage_torque_nm", "stage_angle_deg")
_ADD = f"""
INSERT INTO tightening (source_id, equipment_id, {", ".join(_COLUMNS)})
VALUES ((SELECT id FROM source WHERE name = %s), (SELECT id FROM equipment WHERE path = %s), {", ".join(["%s"] * len(_COLUMNS))})
ON CONFLICT (source_id, tightening_id, spindle, time) DO NOTHING
"""
_ADD_CURVE = """
INSERT INTO tightening_curve AS c (source_id, tightening_id, spindle, time, station, received_time, intervals_first, intervals_us,
    steps, bolt, {0}, {1}, {2})
VALUES ((SELECT id FROM source WHERE name = %s), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id, tightening_id, spindle, time) DO UPDATE SET {0} = excluded.{0}, {1} = excluded.{1},
    {2} = excluded.{2}, bolt = coalesce(c.bolt, excluded.bolt),
    intervals_first = CASE WHEN c.intervals_first = '{{}}' THEN excluded.intervals_first ELSE c.intervals_first END,
    intervals_us = CASE WHEN c.intervals_us = '{{}}' THEN excluded.intervals_us ELSE c.intervals_us END,
    steps = CASE WHEN c.steps = '{{}}' THEN excluded.steps ELSE c.steps END
"""
_CURVE_COLUMNS: Final = {
    TraceKind.TORQUE: ("torque", "torque_samples", "torque_resolution_nm"),
    TraceKind.ANGLE: ("angle", "angle_samples", "angle_resolution_deg"),
}
_ADD_TRACE = """
INSERT INTO tightening_trace (source_id, tightening_id, spindle, time, kind, samples, intervals_first, intervals_us, packed, resolution)
VALUES ((SELECT id FROM source WHERE name = %s), %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_HAS_CURVE = """
EXISTS (SELECT FROM tightening_curve c WHERE c.source_id = t.source_id AND c.tightening_id = t.tightening_id AND c.spindle IN (t.spindle, 0)
    AND c.time BETWEEN t.time - interval '1 hour' AND t.time + interval '1 hour')
"""
_READ = f"""
SELECT t.*, s.name AS source, coalesce(e.path, '') AS equipment, {_HAS_CURVE} AS has_curve
FROM tightening t JOIN source s ON s.id = t.source_id LEFT JOIN equipment e ON e.id = t.equipment_id
"""
_WANTED = """
WHERE (%(from)s::timestamptz IS NULL OR t.time >= %(from)s) AND (%(to)s::timestamptz IS NULL OR t.time < %(to)s)
    AND (%(source)s::text IS NULL OR s.name = %(source)s) AND (%(spindle)s::int IS NULL OR t.spindle = %(spindle)s)
    AND (%(equipment)s::text IS NULL OR e.path = %(equipment)s OR starts_with(e.path, %(equipment)s || '/'))
    AND (%(part)s::text IS NULL OR starts_with(t.part, %(part)s)) AND (%(verdict)s::text IS NULL OR t.verdict = %(verdict)s)
    AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
ORDER BY t.time DESC, t.id DESC LIMIT %(most)s
"""
_CURVE = """
SELECT s.name AS source, c.tightening_id, c.time, c.spindle, c.intervals_first, c.intervals_us, c.steps, c.torque,
    c.torque_samples, c.torque_resolution_nm, c.angle, c.angle_samples, c.angle_resolution_deg
FROM tightening t JOIN tightening_curve c ON c.source_id = t.source_id AND c.tightening_id = t.tightening_id AND c.spindle IN (t.spindle, 0)
JOIN source s ON s.id = t.source_id
WHERE t.id = %s AND c.time BETWEEN t.time - interval '1 hour' AND t.time + interval '1 hour'
ORDER BY c.spindle DESC, abs(extract(epoch FROM c.time - t.time)) LIMIT 1
"""
_SPINDLES = """
SELECT s.name, coalesce(e.path, ''), t.station, t.spindle, count(*) FILTER (WHERE t.verdict = 'ok'),
    count(*) FILTER (WHERE t.verdict = 'not_ok'), count(*) FILTER (WHERE t.verdict NOT IN ('ok', 'not_ok')), max(t.time),
    avg(t.torque_nm) FILTER (WHERE t.verdict = 'ok'), (array_agg(t.tool ORDER BY t.time DESC))[1],
    (array_agg(t.tool_calibrated ORDER BY t.time DESC))[1], count(*) FILTER (WHERE NOT {has_curve}), count(*) FILTER (WHERE t.fetched)
FROM tightening t JOIN source s ON s.id = t.source_id LEFT JOIN equipment e ON e.id = t.equipment_id
WHERE t.time >= %s AND t.time < %s GROUP BY 1, 2, 3, 4 ORDER BY 2, 1, 3, 4
"""
_FORGOTTEN_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class StoredTightening:
    """A result and its number here."""

    id: int
    result: TighteningResult
    has_curve: bool


@dataclass(frozen=True, slots=True)
class SpindleCounts:
    """How one spindle did over a span."""

    source: SourceId
    equipment: EquipmentId
    station: int
    spindle: int
    ok: int
    not_ok: int
    undecided: int
    last_us: int
    mean_torque_nm: float | None
    """Of those that are OK."""
    tool: str
    tool_calibrated_us: int | None
    without_curve: int
    fetched: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tightenings are asked for; None leaves a filter out."""

    from_us: int | None = None
    to_us: int | None = None
    source: str | None = None
    equipment: str | None = None
    """This equipment or any below it."""
    spindle: int | None = None
    part: str | None = None
    """What the part's serial number begins with."""
    verdict: Verdict | None = None
    before: int | None = None
    """Only those with a smaller number: for the next page."""
    most: int = 200


def add(cursor: psycopg.Cursor[Any], results: Sequence[TighteningResult], traces: Sequence[TighteningTrace]) -> None:
    """Store results and traces within the caller's transaction. Raises Rejected for a time that the database cannot hold."""
    if results:
        cursor.executemany(_ADD, [_values(result) for result in results])
    for kind, columns in _CURVE_COLUMNS.items():
        rows = [
            (
                *(trace.source, trace.tightening_id, trace.spindle, moment(trace.time_us), trace.station, moment(trace.received_us)),
                *([first for first, _ in trace.intervals], [us for _, us in trace.intervals], list(trace.steps)),
                *(trace.bolt, trace.packed, trace.samples, trace.resolution),
            )
            for trace in traces
            if trace.kind is kind
        ]
        if rows:
            cursor.executemany(_ADD_CURVE.format(*columns), rows)
    others = [
        (
            *(trace.source, trace.tightening_id, trace.spindle, moment(trace.time_us), trace.kind.value, trace.samples),
            *([first for first, _ in trace.intervals], [us for _, us in trace.intervals], trace.packed, trace.resolution),
        )
        for trace in traces
        if trace.kind not in _CURVE_COLUMNS
    ]
    if others:
        cursor.executemany(_ADD_TRACE, others)


def read_tightenings(connection: Connection, wanted: Wanted) -> list[StoredTightening]:
    """Return tightenings, the newest first; at most ``MOST_ROWS``."""
    given = {
        "from": None if wanted.from_us is None else moment(wanted.from_us),
        "to": None if wanted.to_us is None else moment(wanted.to_us),
        "source": wanted.source,
        "equipment": wanted.equipment,
        "spindle": wanted.spindle,
        "part": wanted.part,
        "verdict": None if wanted.verdict is None else wanted.verdict.value,
        "before": wanted.before,
        "most": max(1, min(wanted.most, MOST_ROWS)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_READ + _WANTED, given).fetchall()
    return [_stored(row) for row in rows]


def read_tightening(connection: Connection, number: int) -> StoredTightening | None:
    """Return one tightening by its number here, None where there is none."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_READ + "WHERE t.id = %s", [number]).fetchone()
    return None if row is None else _stored(row)


def read_curve(connection: Connection, number: int) -> TighteningCurve | None:
    """Return the curve of a tightening by its number here, None where there is none. Raises Rejected for one that is damaged."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CURVE, [number]).fetchone()
    if row is None:
        return None
    samples = max(row["torque_samples"] or 0, row["angle_samples"] or 0)
    intervals = tuple(zip(row["intervals_first"], row["intervals_us"], strict=True))
    return TighteningCurve(
        SourceId(row["source"]),
        row["tightening_id"],
        micros(row["time"]),
        row["spindle"],
        elapsed_us(intervals, samples),
        _column(row["torque"], row["torque_samples"], row["torque_resolution_nm"], samples),
        _column(row["angle"], row["angle_samples"], row["angle_resolution_deg"], samples),
        tuple(row["steps"]),
        len(row["torque"] or b"") + len(row["angle"] or b""),
    )


def read_spindles(connection: Connection, from_us: int, to_us: int) -> list[SpindleCounts]:
    """Return how each spindle did over a span."""
    with translate_errors():
        rows = connection.execute(_SPINDLES.format(has_curve=_HAS_CURVE), [moment(from_us), moment(to_us)]).fetchall()
    return [
        SpindleCounts(
            *(SourceId(row[0]), EquipmentId(row[1]), row[2], row[3], row[4], row[5], row[6], micros(row[7]), row[8], row[9]),
            *(None if row[10] is None else micros(row[10]), row[11], row[12]),
        )
        for row in rows
    ]


def newest_of(connection: Connection, source: SourceId) -> tuple[int, int] | None:
    """Return the id and the time of the newest tightening of a source, None where there is none."""
    with translate_errors():
        row = connection.execute(
            "SELECT t.tightening_id, t.time FROM tightening t JOIN source s ON s.id = t.source_id WHERE s.name = %s "
            "ORDER BY t.time DESC, t.tightening_id DESC LIMIT 1",
            [source],
        ).fetchone()
    return None if row is None else (int(row[0]), micros(row[1]))


def forget_before(connection: Connection, results_us: int, curves_us: int) -> tuple[int, int]:
    """Give up tightenings and curves older than some times, some thousands a call; return how many of each went."""
    with translate_errors():
        results = connection.execute(
            "DELETE FROM tightening WHERE id IN (SELECT id FROM tightening WHERE time < %s ORDER BY time LIMIT %s)",
            [moment(results_us), _FORGOTTEN_AT_ONCE],
        ).rowcount
        curves = 0
        for table in ("tightening_curve", "tightening_trace"):
            curves += connection.execute(
                f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE time < %s ORDER BY time LIMIT %s))",
                [moment(curves_us), _FORGOTTEN_AT_ONCE],
            ).rowcount
    return results, curves


def curve_bytes(connection: Connection) -> tuple[int, int]:
    """Return how many curves there are (estimated) and how many bytes they take with their indexes."""
    with translate_errors():
        row = connection.execute(
            "SELECT greatest(reltuples, 0)::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = 'tightening_curve'::regclass"
        ).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _values(result: TighteningResult) -> tuple[object, ...]:
    words = (getattr(result, name) for name in _WORDS)
    times = (getattr(result, name) for name in _TIMES.values())
    return (
        *(result.source, result.equipment),
        *(getattr(result, name) for name in _SAME),
        *(None if word is None else str(word.value) for word in words),
        *(None if time_us is None else moment(time_us) for time_us in times),
        *(list(result.identifiers), [stage.torque_nm for stage in result.stages], [stage.angle_deg for stage in result.stages]),
    )


def _stored(row: dict[str, Any]) -> StoredTightening:
    stages = zip(row["stage_torque_nm"], row["stage_angle_deg"], strict=True)
    told: dict[str, Any] = {name: row[name] for name in _SAME}
    told |= {field: _us(row[column]) for column, field in _TIMES.items()}
    result = TighteningResult(
        **told,
        source=SourceId(row["source"]),
        equipment=EquipmentId(row["equipment"]),
        verdict=Verdict(row["verdict"]),
        kind=ResultKind(row["kind"]),
        batch_verdict=Verdict(row["batch_verdict"]),
        torque_status=_against(row["torque_status"]),
        angle_status=_against(row["angle_status"]),
        rundown_angle_status=_against(row["rundown_angle_status"]),
        identifiers=tuple(row["identifiers"]),
        stages=tuple(Stage(torque, angle) for torque, angle in stages),
    )
    return StoredTightening(row["id"], result, row["has_curve"])


def _us(time: datetime | None) -> int | None:
    return None if time is None else micros(time)


def _against(word: str | None) -> AgainstLimits | None:
    return None if word is None else AgainstLimits(word)


def _column(packed: bytes | None, own: int | None, resolution: float | None, samples: int) -> npt.NDArray[np.float64] | None:
    """Return a packed column as numbers; where the other trace of the curve has more samples, NaN fills it up."""
    if packed is None or own is None or resolution is None:
        return None
    column = np.full(samples, np.nan)
    column[:own] = unpack_counts(packed, own) * resolution
    return column
