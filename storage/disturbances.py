"""What came between a plan and the plant: units down, parts held, material late, as told by the monitor, vision, REST and people.

The channel ``disturbances`` is told of each that came or ended. What people tell is on the audit trail; callers add nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

DISTURBED: Final = "disturbances"
"""The channel; its payload is the number of the disturbance."""
SOURCES: Final = ("monitor", "vision", "rest", "person", "optimizer")
_TOLD_BY_PEOPLE: Final = frozenset({"rest", "person"})
_COLUMNS: Final = "id, kind, subject, source, key, time, from_time, until_time, ended_time, actor, note, document, what_if_id, ended_by"


@dataclass(frozen=True, slots=True)
class NewDisturbance:
    """Something that came between."""

    kind: str
    """As ``plant.disturbances`` names it: breakdown, slow_unit, queue, quality_hold, late_material, design_changed, rush_job."""
    subject: str
    """The work unit, job order, part or product it is about."""
    source: str
    """One of ``SOURCES``."""
    from_us: int
    until_us: int | None = None
    """When it is expected to end; None: nobody knows."""
    key: str = ""
    """The same key is the same disturbance, whoever tells of it again; empty: it is one of its own."""
    actor: str = ""
    note: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    """What else is known: a share of speed, minutes of waiting, what to do with a part."""


@dataclass(frozen=True, slots=True)
class StoredDisturbance:
    """A disturbance with its number."""

    id: int
    time_us: int
    told: NewDisturbance
    ended_us: int | None
    """None: it goes on."""
    ended_by: str


def add_disturbance(connection: Connection, told: NewDisturbance, *, now_us: int, address: str = "") -> int:
    """Keep a disturbance and return its number; one with a key that is known is that one, with what is told of it now; it stays ended.

    Raises Rejected for a source that is none.
    """
    if told.source not in SOURCES:
        raise Rejected(f"'{told.source}' is no source of disturbances; there are: {', '.join(SOURCES)}")
    given = {
        "kind": told.kind,
        "subject": told.subject,
        "source": told.source,
        "key": told.key,
        "now": moment(now_us),
        "from": moment(told.from_us),
        "until": None if told.until_us is None else moment(told.until_us),
        "actor": told.actor,
        "note": told.note.replace("\0", ""),
        "document": Jsonb(dict(told.document)),
    }
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO plan_disturbance AS d (kind, subject, source, key, time, from_time, until_time, actor, note, document) "
            "VALUES (%(kind)s, %(subject)s, %(source)s, coalesce(nullif(%(key)s, ''), gen_random_uuid()::text), %(now)s, %(from)s, "
            "%(until)s, %(actor)s, %(note)s, %(document)s) ON CONFLICT (key) DO UPDATE SET until_time = excluded.until_time, "
            "document = excluded.document, note = excluded.note WHERE d.ended_time IS NULL "
            "AND (d.until_time, d.document, d.note) IS DISTINCT FROM (excluded.until_time, excluded.document, excluded.note) RETURNING id",
            given,
        ).fetchone()
        if row is None:
            known = connection.execute("SELECT id FROM plan_disturbance WHERE key = %s", [told.key]).fetchone()
            assert known is not None  # noqa: S101 - the key stood in its way
            return int(known[0])
        if told.source in _TOLD_BY_PEOPLE:
            what = {"kind": told.kind, "from_us": told.from_us, "until_us": told.until_us, "note": told.note, **told.document}
            add_audit(connection, time_us=now_us, actor=told.actor, act="disturb", subject=told.subject, next_=what, address=address)
        notify(connection, DISTURBED, str(row[0]))
    return int(row[0])


def end_disturbance(connection: Connection, number: int, *, now_us: int, actor: str = "", address: str = "") -> None:
    """Note that a disturbance has ended: the unit runs again, the material came. Raises Rejected where it does not go on."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE plan_disturbance SET ended_time = %s, ended_by = %s WHERE id = %s AND ended_time IS NULL RETURNING kind, subject",
            [moment(now_us), actor, number],
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no disturbance {number} that goes on")
        if actor:
            add_audit(connection, time_us=now_us, actor=actor, act="end", subject=f"{row[0]} of {row[1]}", address=address)
        notify(connection, DISTURBED, str(number))


def read_disturbances(
    connection: Connection, *, only_open: bool = False, kind: str | None = None, before: int | None = None, most: int = 200
) -> list[StoredDisturbance]:
    """Return disturbances, the newest first; ``only_open``: those that go on."""
    given = {"open": only_open, "kind": kind, "before": before, "most": max(1, min(most, 5000))}
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM plan_disturbance WHERE (NOT %(open)s OR ended_time IS NULL) AND what_if_id IS NULL "  # noqa: S608
            "AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(before)s::bigint IS NULL OR id < %(before)s) "
            "ORDER BY id DESC LIMIT %(most)s",
            given,
        ).fetchall()
    return [_disturbance(row) for row in rows]


def read_disturbance(connection: Connection, number: int) -> StoredDisturbance | None:
    """Return one disturbance, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM plan_disturbance WHERE id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _disturbance(row)


def read_asked(connection: Connection, numbers: Sequence[int]) -> list[StoredDisturbance]:
    """Return disturbances by their numbers, those that are there."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"SELECT {_COLUMNS} FROM plan_disturbance WHERE id = ANY (%s) ORDER BY id", [list(numbers)]).fetchall()  # noqa: S608
    return [_disturbance(row) for row in rows]


def _disturbance(row: Mapping[str, Any]) -> StoredDisturbance:
    until = None if row["until_time"] is None else micros(row["until_time"])
    told = NewDisturbance(
        row["kind"],
        row["subject"],
        row["source"],
        micros(row["from_time"]),
        until,
        row["key"],
        row["actor"],
        row["note"],
        row["document"],
    )
    ended = None if row["ended_time"] is None else micros(row["ended_time"])
    return StoredDisturbance(row["id"], micros(row["time"]), told, ended, row["ended_by"])
