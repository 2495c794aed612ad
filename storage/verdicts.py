"""What was found not OK of a part, by looking and by tightening, and what persons said to it: what holds and releases rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.inspections import Reason, reason_of
from storage.database import Connection, micros, translate_errors
from storage.inspections import StoredInspection, read_inspection

_INSPECTIONS: Final = """
SELECT id, station, part, taken_time, reasons || coalesce((SELECT jsonb_agg(r) FROM jsonb_array_elements(findings) f,
    jsonb_array_elements(f -> 'reasons') r WHERE f ->> 'decision' = 'nok'), '[]'::jsonb), ''
FROM inspection WHERE id > %s AND decision = 'nok' AND NOT shadow AND part <> '' ORDER BY id LIMIT %s
"""
_LABELS: Final = """
SELECT l.id, i.station, i.part, i.taken_time, '[]'::jsonb, l.actor FROM inspection_label l JOIN inspection i ON i.id = l.inspection_id
WHERE l.id > %s AND l.decision = 'nok' AND NOT i.shadow AND i.part <> '' ORDER BY l.id LIMIT %s
"""
_JOINTS: Final = """
SELECT j.id, coalesce(e.path, ''), j.part, j.time, j.reasons, j.actor FROM joint_record j LEFT JOIN equipment e ON e.id = j.equipment_id
WHERE j.id > %s AND j.state = 'stopped' AND j.part <> '' ORDER BY j.id LIMIT %s
"""
_LAST: Final = """
SELECT (SELECT coalesce(max(id), 0) FROM inspection), (SELECT coalesce(max(id), 0) FROM inspection_label),
    (SELECT coalesce(max(id), 0) FROM joint_record)
"""
_STANDS: Final = """
WITH looked AS (
    SELECT i.id, i.decision, l.decision AS said, l.actor, l.id AS label FROM inspection i LEFT JOIN LATERAL (
        SELECT id, decision, actor FROM inspection_label WHERE inspection_id = i.id ORDER BY id DESC LIMIT 1
    ) l ON true
    WHERE i.part = %(part)s AND i.station = ANY (%(stations)s) AND NOT i.shadow
), joined AS (
    SELECT j.state, j.actor FROM joint_record j JOIN equipment e ON e.id = j.equipment_id
    WHERE j.part = %(part)s AND e.path = ANY (%(equipment)s) AND j.newest
)
SELECT (SELECT count(*) FROM looked WHERE coalesce(said, decision) = 'nok') + (SELECT count(*) FROM joined WHERE state = 'stopped'),
    coalesce((SELECT actor FROM looked WHERE said = 'ok' AND decision <> 'ok' ORDER BY label DESC LIMIT 1),
        (SELECT actor FROM joined WHERE state = 'released' AND actor <> '' LIMIT 1), '')
"""


@dataclass(frozen=True, slots=True)
class Bad:
    """Something that was found not OK of a part."""

    id: int
    place: str
    """The camera station, or the equipment that tightens."""
    part: str
    time_us: int
    reasons: tuple[Reason, ...]
    actor: str
    """Who said it; empty: no person."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Up to where inspections, what persons said of them, and joints were looked at."""

    inspection: int
    label: int
    joint: int


def last_seen(connection: Connection) -> Seen:
    """Return where all stands now."""
    with translate_errors():
        row = connection.execute(_LAST).fetchone()
    assert row is not None  # noqa: S101 - it always gives one
    return Seen(*row)


def bad_inspections(connection: Connection, after: int, most: int = 500) -> list[Bad]:
    """Return inspections of known parts that are not OK, the oldest first."""
    return _bad(connection, _INSPECTIONS, after, most)


def bad_labels(connection: Connection, after: int, most: int = 500) -> list[Bad]:
    """Return what persons found not OK in pictures, the oldest first."""
    return _bad(connection, _LABELS, after, most)


def bad_joints(connection: Connection, after: int, most: int = 500) -> list[Bad]:
    """Return joints that are not OK, the oldest first."""
    return _bad(connection, _JOINTS, after, most)


def bolt_looks(connection: Connection, after: int, stations: Sequence[str], most: int = 50) -> list[StoredInspection]:
    """Return inspections of bolts of some camera stations, the oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id FROM inspection WHERE id > %s AND subject = 'bolts' AND station = ANY (%s) AND NOT shadow ORDER BY id LIMIT %s",
            [after, list(stations), most],
        ).fetchall()
    found = [read_inspection(connection, number) for (number,) in rows]
    return [one for one in found if one is not None]


def still_bad(connection: Connection, part: str, stations: Sequence[str], equipment: Sequence[str]) -> tuple[int, str]:
    """Return how much of a part is not OK as it stands at some places, and the person who last said that something is after all."""
    given = {"part": part, "stations": list(stations), "equipment": list(equipment)}
    with translate_errors():
        row = connection.execute(_STANDS, given).fetchone()
    assert row is not None  # noqa: S101 - it always gives one
    return int(row[0]), str(row[1])


def _bad(connection: Connection, asked: str, after: int, most: int) -> list[Bad]:
    with translate_errors():
        rows: list[Any] = connection.execute(asked, [after, most]).fetchall()
    return [Bad(row[0], row[1], row[2], micros(row[3]), tuple(reason_of(one) for one in row[4]), row[5]) for row in rows]
