"""The rows that the demo's story leaves in a database, chapter by chapter, written as they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from psycopg.types.json import Jsonb

from dashboard.services_tour import Chapter
from storage.database import Connection, moment

ROBOT: Final = "acme/north/welding/boom-line/robot-1"
SERIAL: Final = "SN-489331157"
BEGUN_US: Final = 1_795_446_600_000_000
_SECOND: Final = 1_000_000
AT_US: Final = {
    chapter: BEGUN_US + seconds * _SECOND for chapter, seconds in zip(Chapter, (30, 60, 70, 95, 94, 121, 171, 172), strict=True)
}


def demo_home(home: Path, mode: str = "demo") -> Path:
    """Return a home folder as a demo that began then has it."""
    (home / "run").mkdir(parents=True)
    (home / "run" / "status.json").write_text(json.dumps({"mode": mode, "started_us": BEGUN_US}))
    return home


def begin(connection: Connection) -> None:
    """Let there be a robot with a limit and a chart."""
    for depth in range(2, 6):
        path = "/".join(ROBOT.split("/")[:depth])
        connection.execute("INSERT INTO equipment (path, name, level) VALUES (%s, %s, 'x') ON CONFLICT (path) DO NOTHING", [path, path])
    connection.execute("INSERT INTO source (name, protocol, url) VALUES ('fabrication', 'opcua', 'x')")
    connection.execute(
        "INSERT INTO signal (path, equipment_id, name, data_type, source_id, address, store_rule) "
        "SELECT e.path || '/weld_throat', e.id, 'weld_throat', 'double', s.id, 'x', '' FROM equipment e, source s "
        "WHERE e.path = %s AND s.name = 'fabrication'",
        [ROBOT],
    )
    connection.execute(
        "INSERT INTO alarm (name, equipment, kind, priority, unit, definition, first_us) VALUES (%s, %s, 'high', 3, 'V', '{}', 0)",
        [f"{ROBOT}/voltage:high", ROBOT],
    )
    connection.execute(
        "INSERT INTO chart (key, chart_group, name, equipment, kind, unit, origin, subgroup, phase_1, rule_set, tool) "
        "VALUES (%s, 'weld-throat', 'Weld throat', %s, 'individuals', 'mm', 'given', 1, 25, 'limits', false)",
        [f"{ROBOT}:weld-throat", ROBOT],
    )


def tell(connection: Connection, chapter: Chapter) -> None:
    """Write what a chapter leaves."""
    _WRITES[chapter](connection, AT_US[chapter])


def _runs(connection: Connection, at_us: int) -> None:
    connection.execute(
        "INSERT INTO state_interval SELECT id, %s, %s, %s, 'execute', '', '', 'EX-19D', '', %s FROM equipment WHERE path = %s",
        [moment(at_us), moment(at_us + 60 * _SECOND), moment(at_us), SERIAL, ROBOT],
    )


def _alarm(connection: Connection, at_us: int) -> None:
    for seq, (later, event, active) in enumerate(((0, "active", True), (20, "inactive", False)), 1):
        connection.execute(
            "INSERT INTO alarm_journal (seq, alarm_id, time_us, decided_us, event, state_before, state_after, active, value, limit_value) "
            "SELECT %s, id, %s, %s, %s, 'normal', 'unacknowledged', %s, 36.9, 36 FROM alarm WHERE name = %s",
            [seq, at_us + later * _SECOND, at_us + later * _SECOND, event, active, f"{ROBOT}/voltage:high"],
        )


def _picture(connection: Connection, at_us: int) -> None:
    connection.execute("INSERT INTO picture VALUES (%s, 'jpg', 1, 640, 640, now(), now(), 3)", [b"p" * 32])
    connection.execute(
        "INSERT INTO inspection (sha256, station, view, part, taken_time, stored_time, subject, model_sha256, calibration, decision, "
        "findings, reasons, latency_us, uncertainty, shadow, brightness, sharpness, white_percent) "
        "VALUES (%s, 'boom-seam-1', 'seam', %s, %s, now(), 'welds', 'm', '', 'nok', '[]', '[]', 1, 0, false, 1, 1, 0)",
        [b"p" * 32, SERIAL, moment(at_us)],
    )


def _chart(connection: Connection, at_us: int) -> None:
    for number, (value, rules) in enumerate(((5.28, []), (4.21, ["beyond_limits"])), 1):
        connection.execute(
            "INSERT INTO chart_point (chart_id, number, time, phase, mean, value, size, values, rules) SELECT id, %s, %s, 1, %s, %s, 1, "
            "'{}', %s FROM chart WHERE equipment = %s",
            [number, moment(at_us - (2 - number) * 60 * _SECOND), value, value, rules, ROBOT],
        )
    connection.execute(
        "INSERT INTO chart_violation (chart_id, number, part, rule, rule_set, time, value, low, high) "
        "SELECT id, 2, 'location', 'beyond_limits', 'limits', %s, 4.21, 4.67, 5.63 FROM chart WHERE equipment = %s",
        [moment(at_us), ROBOT],
    )


def _loss(connection: Connection, at_us: int) -> None:
    connection.execute(
        "INSERT INTO piece_count SELECT id, %s, 'scrap', 'EX-19D', '', 1 FROM equipment WHERE path = %s", [moment(at_us), ROBOT]
    )


def _proposed(connection: Connection, at_us: int) -> None:
    _trial(connection, at_us - _SECOND, "by-hand-1", 20, 0, None)
    share = {"mean": 0.9, "low": 0.86, "high": 0.92}
    connection.execute(
        "INSERT INTO tuning_proposal (work_unit, program, job, made_time, purpose, document, windows_version, stage, stage_time) "
        "VALUES ('welding-robot', 'WPS-1001', '', %s, 'improve', %s, 1, 'proposed', %s)",
        [moment(at_us), Jsonb({"first_pass": share, "parameters": {"wire_feed": 9.08}}), moment(at_us)],
    )


def _trial(connection: Connection, at_us: int, name: str, parts: int, good: int, proposal: int | None) -> None:
    connection.execute(
        "INSERT INTO tuning_trial (name, work_unit, program, job, ended_time, parameters, parts, good, scrapped, responses, proposal_id, "
        "actor) VALUES (%s, 'welding-robot', 'WPS-1001', '', %s, '{}', %s, %s, 0, '{}', %s, 'demo')",
        [name, moment(at_us), parts, good, proposal],
    )


def _executed(connection: Connection, at_us: int) -> None:
    # how a delivery gets there is tested where deliveries are
    connection.execute("SET session_replication_role = replica")
    row = connection.execute(
        "INSERT INTO delivery (kind, work_unit, source, slot, document, valid_seconds, made_time, stage, stage_time, approved_by, counter, "
        "issued_time) SELECT 'parameters', 'welding-robot', 'tuning:' || max(id), 'p', '{}', 60, now(), 'executed', %s, 'demo', 1, %s "
        "FROM tuning_proposal RETURNING number",
        [moment(at_us), moment(at_us)],
    ).fetchone()
    assert row is not None
    read = {"read": [{"name": "wire_feed", "value": 9.08, "unit": "m/min"}]}
    connection.execute(
        "INSERT INTO delivery_step (delivery_number, time, before, after, actor, reason, note, detail) "
        "VALUES (%s, %s, 'accepted', 'executed', 'welding-robot', '', '', %s)",
        [row[0], moment(at_us), Jsonb(read)],
    )
    connection.execute("SET session_replication_role = DEFAULT")


def _gain(connection: Connection, at_us: int) -> None:
    row = connection.execute("SELECT max(id) FROM tuning_proposal").fetchone()
    assert row is not None
    _trial(connection, at_us, "delivery-1", 60, 56, row[0])


_WRITES: Final[dict[Chapter, Callable[[Connection, int], None]]] = {
    Chapter.RUNS: _runs,
    Chapter.ALARM: _alarm,
    Chapter.PICTURE: _picture,
    Chapter.CHART: _chart,
    Chapter.LOSS: _loss,
    Chapter.PROPOSED: _proposed,
    Chapter.EXECUTED: _executed,
    Chapter.GAIN: _gain,
}
