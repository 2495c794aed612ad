"""Joints as stored: one row a revision, which is never changed; and what good runs of each program look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.equipment import EquipmentId
from plant.inspections import Decision, Reason, reason_of, reason_record
from plant.joints import JointState, Risk
from plant.spindle_balance import SpindleRuns
from storage.database import Connection, micros, moment, translate_errors

MOST_ROWS: Final = 5000
_ADD: Final = """
INSERT INTO joint_record (group_id, equipment_id, part, bolt, revision, time, made_time, bolts, risk, tightening, spindle, program,
    program_print, tool, tool_calibrated, state, decision, reasons, curve_decision, order_decision, mark_decision, measures, distance,
    review_at, reference_runs, picture, picture_calibration, actor, note, newest)
VALUES (%(group)s, (SELECT id FROM equipment WHERE path = %(equipment)s), %(part)s, %(bolt)s,
    (SELECT coalesce(max(revision), 0) + 1 FROM joint_record WHERE group_id = %(group)s AND part = %(part)s AND bolt = %(bolt)s),
    %(time)s, %(made)s, %(bolts)s, %(risk)s, %(tightening)s, %(spindle)s, %(program)s, %(print)s, %(tool)s, %(calibrated)s, %(state)s,
    %(decision)s, %(reasons)s, %(curve)s, %(order)s, %(mark)s, %(measures)s, %(distance)s, %(review_at)s, %(runs)s, %(picture)s,
    %(picture_calibration)s, %(actor)s, %(note)s, true)
RETURNING id
"""
_READ: Final = """
SELECT j.*, coalesce(e.path, '') AS equipment FROM joint_record j LEFT JOIN equipment e ON e.id = j.equipment_id
"""
_WANTED: Final = """
WHERE j.newest AND (%(group)s::text IS NULL OR j.group_id = %(group)s) AND (%(part)s::text IS NULL OR starts_with(j.part, %(part)s))
    AND (%(state)s::text IS NULL OR j.state = %(state)s) AND (%(cases)s::boolean IS NOT TRUE OR j.state IN ('case', 'stopped'))
    AND (%(before)s::bigint IS NULL OR j.id < %(before)s)
ORDER BY j.time DESC, j.id DESC LIMIT %(most)s
"""
_AGAIN: Final = 2000
_CURVE_US: Final = 60_000_000
_NEW: Final = """
SELECT t.id FROM tightening t JOIN equipment e ON e.id = t.equipment_id
WHERE t.id > %s AND e.path = ANY(%s::text[]) AND t.kind = 'tightening'
    AND NOT EXISTS (SELECT FROM joint_record j WHERE j.tightening = t.id)
    AND (t.received_time < %s OR t.fetched OR EXISTS (
        SELECT FROM tightening_curve c WHERE c.source_id = t.source_id AND c.tightening_id = t.tightening_id
            AND c.spindle IN (t.spindle, 0) AND c.time BETWEEN t.time - interval '1 hour' AND t.time + interval '1 hour'
            AND c.torque IS NOT NULL AND c.angle IS NOT NULL))
ORDER BY t.id LIMIT %s
"""
_MOST_RUNS: Final = 20_000
_SPINDLE_RUNS: Final = """
SELECT spindle, time, (measures ->> 'gradient_nm_per_deg')::double precision FROM joint_record
WHERE newest AND group_id = %s AND spindle IS NOT NULL AND curve_decision = 'ok' AND measures ? 'gradient_nm_per_deg'
ORDER BY time DESC, id DESC LIMIT %s
"""
_GROUPS: Final = """
SELECT joint_group, part, bolts, joints, released, waiting, cases, stopped, begin_time, end_time, state FROM v_joint_group
WHERE (%s::text IS NULL OR joint_group = %s) AND (%s::text IS NULL OR part = %s) ORDER BY end_time DESC, part DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class JointRecord:
    """One revision of what is known of a joint; None where a part of it is missing yet."""

    group: str
    equipment: EquipmentId
    part: str
    bolt: int
    time_us: int
    """When the tool ended."""
    made_us: int
    bolts: int
    risk: Risk
    state: JointState
    decision: Decision
    reasons: tuple[Reason, ...]
    tightening: int | None = None
    spindle: int | None = None
    program: int | None = None
    program_print: str = ""
    tool: str = ""
    tool_calibrated_us: int | None = None
    curve: Decision | None = None
    order: Decision | None = None
    mark: Decision | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    distance: float | None = None
    review_at: float | None = None
    reference_runs: int = 0
    picture: str = ""
    picture_calibration: str = ""
    actor: str = ""
    """Who decided; empty where the process did."""
    note: str = ""
    revision: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class JointGroupCounts:
    """How the joints of one flange stand."""

    group: str
    part: str
    bolts: int
    joints: int
    released: int
    waiting: int
    cases: int
    stopped: int
    begin_us: int
    end_us: int
    state: JointState


def add_joint(connection: Connection, record: JointRecord) -> int:
    """Add a revision within the caller's transaction, and return its number; the ones before it stay."""
    key = (record.group, record.part, record.bolt)
    with translate_errors():
        connection.execute("UPDATE joint_record SET newest = false WHERE group_id = %s AND part = %s AND bolt = %s AND newest", key)
        row = connection.execute(_ADD, _values(record)).fetchone()
    return 0 if row is None else int(row[0])


def read_joints(
    connection: Connection,
    *,
    group: str | None = None,
    part: str | None = None,
    state: JointState | None = None,
    cases: bool = False,
    before: int | None = None,
    most: int = 200,
) -> list[JointRecord]:
    """Return the newest revision of joints, the newest first. ``cases``: only those that a person must look at."""
    wanted = {
        "group": group,
        "part": part,
        "state": None if state is None else state.value,
        "cases": cases,
        "before": before,
        "most": max(1, min(most, MOST_ROWS)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [_record(row) for row in cursor.execute(_READ + _WANTED, wanted).fetchall()]


def read_joint(connection: Connection, number: int) -> JointRecord | None:
    """Return one revision by its number, None where there is none."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_READ + "WHERE j.id = %s", [number]).fetchone()
    return None if row is None else _record(row)


def read_revisions(connection: Connection, group: str, part: str, bolt: int) -> list[JointRecord]:
    """Return all that was ever said of a joint, the first first."""
    wanted = [group, part, bolt]
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_READ + "WHERE j.group_id = %s AND j.part = %s AND j.bolt = %s ORDER BY j.revision", wanted).fetchall()
    return [_record(row) for row in rows]


def newest_joint(connection: Connection, group: str, part: str, bolt: int) -> JointRecord | None:
    """Return the newest revision of a joint, None where it has none."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            _READ + "WHERE j.group_id = %s AND j.part = %s AND j.bolt = %s AND j.newest FOR UPDATE OF j", [group, part, bolt]
        ).fetchone()
    return None if row is None else _record(row)


def read_unjudged(connection: Connection, program_print: str, most: int) -> list[JointRecord]:
    """Return joints of a program whose curve waits for a reference, the oldest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _READ + "WHERE j.newest AND j.curve_decision IS NULL AND j.program_print = %s AND j.actor = '' ORDER BY j.id LIMIT %s",
            [program_print, most],
        ).fetchall()
    return [_record(row) for row in rows]


def read_groups(connection: Connection, *, group: str | None = None, part: str | None = None, most: int = 50) -> list[JointGroupCounts]:
    """Return how flanges stand, the newest first."""
    with translate_errors():
        rows = connection.execute(_GROUPS, [group, group, part, part, max(1, min(most, MOST_ROWS))]).fetchall()
    return [
        JointGroupCounts(
            *(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]),
            *(micros(row[8]), micros(row[9]), JointState(row[10])),
        )
        for row in rows
    ]


def write_reference(connection: Connection, program_print: str, name: str, runs: int, made_us: int, reference: Mapping[str, Any]) -> None:
    """Keep what good runs of a program look like; what is there already stays."""
    with translate_errors():
        connection.execute(
            "INSERT INTO joint_reference (program_print, name, runs, made_time, reference) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [program_print, name, runs, moment(made_us), Jsonb(dict(reference))],
        )


def read_reference(connection: Connection, program_print: str) -> Any | None:
    """Return the record of what good runs of a program look like, None where it is not learned yet."""
    with translate_errors():
        row = connection.execute("SELECT reference FROM joint_reference WHERE program_print = %s", [program_print]).fetchone()
    return None if row is None else row[0]


def read_references(connection: Connection) -> list[tuple[str, str, int, int]]:
    """Return print, name, runs and time of each program that is learned."""
    with translate_errors():
        rows = connection.execute("SELECT program_print, name, runs, made_time FROM joint_reference ORDER BY name").fetchall()
    return [(row[0], row[1], row[2], micros(row[3])) for row in rows]


def read_spindle_runs(connection: Connection, group: str, most: int) -> SpindleRuns:
    """Return the newest tightenings of a group whose curve is good, by spindle and round, the oldest first."""
    with translate_errors():
        rows = connection.execute(_SPINDLE_RUNS, [group, max(1, min(most, _MOST_RUNS))]).fetchall()
    times = [micros(row[1]) for row in reversed(rows)]
    spindles, gradients = ([row[place] for row in reversed(rows)] for place in (0, 2))
    return SpindleRuns(np.array(spindles, np.int64), np.array(times, np.int64), np.array(gradients, np.float64))


def tightened_before(connection: Connection, equipment: EquipmentId, part: str, until: int) -> list[tuple[int, int]]:
    """Return bolt and number of each tightening of a part at a station as they were made, up to one of them."""
    with translate_errors():
        rows = connection.execute(
            "SELECT coalesce(t.bolt, t.batch_counter), t.id FROM tightening t JOIN equipment e ON e.id = t.equipment_id "
            "WHERE e.path = %s AND t.part = %s AND t.id <= %s AND t.kind = 'tightening' ORDER BY t.time, t.id LIMIT 2000",
            [equipment, part, until],
        ).fetchall()
    return [(int(row[0]), int(row[1])) for row in rows if row[0] is not None]


def tightenings_without_joint(connection: Connection, equipment: Sequence[EquipmentId], after: int, now_us: int, most: int) -> list[int]:
    """Return the numbers of tightenings of some stations that no joint record is of, in their order.

    One whose curve has not come waits for it a minute. ``after``: what lies far before this number was looked at; some before it may have
    been stored later, so those are looked at again.
    """
    with translate_errors():
        rows = connection.execute(_NEW, [after - _AGAIN, [str(path) for path in equipment], moment(now_us - _CURVE_US), most]).fetchall()
    return [int(row[0]) for row in rows]


def inspections_after(connection: Connection, stations: Sequence[str], after: int, most: int) -> list[int]:
    """Return the numbers of inspections of bolts at some stations after a number, in their order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id FROM inspection WHERE id > %s AND station = ANY(%s::text[]) AND subject = 'bolts' AND NOT shadow "
            "ORDER BY id LIMIT %s",
            [after, list(stations), most],
        ).fetchall()
    return [int(row[0]) for row in rows]


def _values(record: JointRecord) -> dict[str, Any]:
    return {
        "group": record.group,
        "equipment": record.equipment,
        "part": record.part,
        "bolt": record.bolt,
        "time": moment(record.time_us),
        "made": moment(record.made_us),
        "bolts": record.bolts,
        "risk": record.risk.value,
        "tightening": record.tightening,
        "spindle": record.spindle,
        "program": record.program,
        "print": record.program_print,
        "tool": record.tool,
        "calibrated": None if record.tool_calibrated_us is None else moment(record.tool_calibrated_us),
        "state": record.state.value,
        "decision": record.decision.value,
        "reasons": Jsonb([reason_record(reason) for reason in record.reasons]),
        "curve": _word(record.curve),
        "order": _word(record.order),
        "mark": _word(record.mark),
        "measures": Jsonb(dict(record.measures)),
        "distance": None if record.distance is None else min(record.distance, 1e9),
        "review_at": record.review_at,
        "runs": record.reference_runs,
        "picture": record.picture,
        "picture_calibration": record.picture_calibration,
        "actor": record.actor,
        "note": record.note,
    }


def _record(row: dict[str, Any]) -> JointRecord:
    return JointRecord(
        group=row["group_id"],
        equipment=EquipmentId(row["equipment"]),
        part=row["part"],
        bolt=row["bolt"],
        time_us=micros(row["time"]),
        made_us=micros(row["made_time"]),
        bolts=row["bolts"],
        risk=Risk(row["risk"]),
        state=JointState(row["state"]),
        decision=Decision(row["decision"]),
        reasons=tuple(reason_of(one) for one in row["reasons"]),
        tightening=row["tightening"],
        spindle=row["spindle"],
        program=row["program"],
        program_print=row["program_print"],
        tool=row["tool"],
        tool_calibrated_us=None if row["tool_calibrated"] is None else micros(row["tool_calibrated"]),
        curve=_decision(row["curve_decision"]),
        order=_decision(row["order_decision"]),
        mark=_decision(row["mark_decision"]),
        measures=row["measures"],
        distance=row["distance"],
        review_at=row["review_at"],
        reference_runs=row["reference_runs"],
        picture=row["picture"],
        picture_calibration=row["picture_calibration"],
        actor=row["actor"],
        note=row["note"],
        revision=row["revision"],
        id=row["id"],
    )


def _word(decision: Decision | None) -> str | None:
    return None if decision is None else decision.value


def _decision(word: str | None) -> Decision | None:
    return None if word is None else Decision(word)
