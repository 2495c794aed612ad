# ruff: noqa: S608  # the words put into SQL here are our own column names
"""Events of controllers and how their conditions stand: written with the shipment they came in, read for pages and the monitor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from plant.equipment import EquipmentId
from plant.events import ControllerEvent, Refresh, Told
from plant.signals import SourceId
from storage.database import Connection, micros, moment, notify, translate_errors

TOLD: Final = "events"
"""Channel on which it is said that controllers told something."""
MOST_ROWS: Final = 5000
_SAME: Final = ("event_type", "source_node", "source_name", "message", "severity", "condition", "branch", "condition_name")
_STATES: Final = ("retain", "active", "acknowledged", "confirmed", "enabled", "suppressed", "shelved", "shelving", "comment")
_COLUMNS: Final = (*_SAME, *_STATES, "who", "told", "time", "received_time")
_IDS: Final = "(SELECT id FROM source WHERE name = %(source)s), (SELECT id FROM equipment WHERE path = %(equipment)s)"
_ADD: Final = f"""
INSERT INTO event (source_id, equipment_id, event_id, {", ".join(_COLUMNS)})
VALUES ({_IDS}, %(event_id)s, {", ".join(f"%({name})s" for name in _COLUMNS)})
ON CONFLICT (source_id, event_id, time) DO NOTHING
"""
_KEPT: Final = tuple(name for name in _COLUMNS if name not in ("condition", "branch"))
# a field that one event does not tell (an acknowledgement need not say whether it is enabled) stays as it was told last
_STAND: Final = f"""
INSERT INTO condition_now AS c (source_id, equipment_id, {", ".join(_COLUMNS)}, active_since)
VALUES ({_IDS}, {", ".join(f"%({name})s" for name in _COLUMNS)}, CASE WHEN %(active)s THEN %(time)s::timestamptz END)
ON CONFLICT (source_id, condition, branch) DO UPDATE SET
    equipment_id = excluded.equipment_id, {", ".join(f"{n} = excluded.{n}" for n in _KEPT if n not in _STATES[:7])},
    {", ".join(f"{n} = coalesce(excluded.{n}, c.{n})" for n in _STATES[:7])},
    active_since = CASE WHEN excluded.active THEN CASE WHEN c.active THEN coalesce(c.active_since, excluded.time) ELSE excluded.time END
        WHEN excluded.active IS NULL THEN c.active_since END
WHERE c.received_time <= excluded.received_time
"""
_END_UNSEEN: Final = f"""
WITH over AS (
    UPDATE condition_now c SET retain = false, active = false, active_since = NULL, told = 'unseen', time = greatest(c.time, %(ended)s),
        received_time = %(ended)s
    FROM source s
    WHERE s.id = c.source_id AND s.name = %(source)s AND c.retain IS NOT FALSE AND c.received_time < %(begun)s
        AND NOT c.condition || '|' || c.branch = ANY (%(keys)s::text[])
    RETURNING c.*
)
INSERT INTO event (source_id, equipment_id, event_id, {", ".join(_COLUMNS)})
SELECT source_id, equipment_id, decode(md5(condition || '|' || branch || '|' || received_time), 'hex'), {", ".join(_COLUMNS)} FROM over
ON CONFLICT (source_id, event_id, time) DO NOTHING
"""
_EVENTS: Final = """
SELECT v.*, s.name AS source, coalesce(e.path, '') AS equipment
FROM event v JOIN source s ON s.id = v.source_id LEFT JOIN equipment e ON e.id = v.equipment_id
"""
_WANTED: Final = """
WHERE (%(from)s::timestamptz IS NULL OR v.time >= %(from)s) AND (%(to)s::timestamptz IS NULL OR v.time < %(to)s)
    AND (%(source)s::text IS NULL OR s.name = %(source)s) AND v.severity >= %(severity)s
    AND (%(equipment)s::text IS NULL OR e.path = %(equipment)s OR starts_with(e.path, %(equipment)s || '/'))
    AND (%(before)s::bigint IS NULL OR v.id < %(before)s)
ORDER BY v.id DESC LIMIT %(most)s
"""
_AFTER: Final = """
SELECT v.*, a.source, coalesce(e.path, '') AS equipment
FROM unnest(%s::text[], %s::bigint[]) AS a (source, after) JOIN source s ON s.name = a.source
CROSS JOIN LATERAL (SELECT * FROM event WHERE source_id = s.id AND id > a.after ORDER BY id LIMIT %s) v
LEFT JOIN equipment e ON e.id = v.equipment_id
ORDER BY v.id
"""
_CONDITIONS: Final = """
SELECT c.*, s.name AS source, coalesce(e.path, '') AS equipment, ''::bytea AS event_id
FROM condition_now c JOIN source s ON s.id = c.source_id LEFT JOIN equipment e ON e.id = c.equipment_id
WHERE (%s OR c.retain IS NOT FALSE) AND (%s::text IS NULL OR s.name = %s) ORDER BY c.severity DESC, c.time DESC
"""
_FORGOTTEN_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and its number here: they rise in the order of storing."""

    id: int
    event: ControllerEvent


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Which events are asked for; None leaves a filter out."""

    from_us: int | None = None
    to_us: int | None = None
    source: str | None = None
    equipment: str | None = None
    """This equipment or any below it."""
    least_severity: int = 0
    before: int | None = None
    """Only those with a smaller number: for the next page."""
    most: int = 200


@dataclass(frozen=True, slots=True)
class Condition:
    """How one condition of a controller stands."""

    last: ControllerEvent
    """What was told of it last, without the event's id."""
    active_since_us: int | None


def add(cursor: psycopg.Cursor[Any], events: Sequence[ControllerEvent], refreshes: Sequence[Refresh]) -> None:
    """Store events and how conditions stand behind them, within the caller's transaction."""
    if events:
        rows = [_row(event) for event in events]
        cursor.executemany(_ADD, rows)
        cursor.executemany(_STAND, [row for row, event in zip(rows, events, strict=True) if event.is_condition])
    for refresh in refreshes:
        given = {"source": refresh.source, "begun": moment(refresh.begun_us), "ended": moment(refresh.ended_us), "keys": list(refresh.keys)}
        cursor.execute(_END_UNSEEN, given)
    if events or refreshes:
        notify(cursor.connection, TOLD)


def read_events(connection: Connection, wanted: WantedEvents) -> list[StoredEvent]:
    """Return events, those stored last first; at most ``MOST_ROWS``."""
    given = {
        "from": None if wanted.from_us is None else moment(wanted.from_us),
        "to": None if wanted.to_us is None else moment(wanted.to_us),
        "source": wanted.source,
        "equipment": wanted.equipment,
        "severity": wanted.least_severity,
        "before": wanted.before,
        "most": max(1, min(wanted.most, MOST_ROWS)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [_stored(row) for row in cursor.execute(_EVENTS + _WANTED, given)]


def events_after(connection: Connection, after: Mapping[SourceId, int], most: int = 1000) -> list[StoredEvent]:
    """Return the events of sources with numbers above one each, at most so many of a source, in the order of their numbers.

    One gateway at a time writes a source, so of one source no smaller number appears behind a greater one; of several it may.
    """
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_AFTER, [list(after), list(after.values()), most]).fetchall()
    return [_stored(row) for row in rows]


def newest_events(connection: Connection, sources: Collection[SourceId]) -> dict[SourceId, int]:
    """Return the number of the newest event of each source that has one."""
    with translate_errors():
        rows = connection.execute(
            "SELECT s.name, (SELECT max(v.id) FROM event v WHERE v.source_id = s.id) FROM source s WHERE s.name = ANY (%s)", [list(sources)]
        ).fetchall()
    return {SourceId(name): int(number) for name, number in rows if number is not None}


def read_conditions(connection: Connection, *, all_of_them: bool = False, source: str | None = None) -> list[Condition]:
    """Return how conditions stand, the most severe first; only those that are of interest still, unless all are asked for."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_CONDITIONS, [all_of_them, source, source]).fetchall()
    return [Condition(_event(row), None if row["active_since"] is None else micros(row["active_since"])) for row in rows]


def forget_before(connection: Connection, time_us: int) -> int:
    """Give up events older than a time, some thousands a call; return how many went. How conditions stand stays."""
    with translate_errors():
        return connection.execute(
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE time < %s ORDER BY time LIMIT %s)",
            [moment(time_us), _FORGOTTEN_AT_ONCE],
        ).rowcount


def _row(event: ControllerEvent) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(event, name) for name in (*_SAME, *_STATES)}
    times = {"time": moment(event.time_us), "received_time": moment(event.received_us)}
    ids = {"source": event.source, "equipment": event.equipment, "event_id": event.event_id}
    return {**row, **times, **ids, "who": event.user, "told": event.told.value}


def _stored(row: dict[str, Any]) -> StoredEvent:
    return StoredEvent(row["id"], _event(row))


def _event(row: dict[str, Any]) -> ControllerEvent:
    told: dict[str, Any] = {name: row[name] for name in (*_SAME, *_STATES)}
    return ControllerEvent(
        **told,
        source=SourceId(row["source"]),
        equipment=EquipmentId(row["equipment"]),
        event_id=bytes(row["event_id"]),
        time_us=micros(row["time"]),
        received_us=micros(row["received_time"]),
        user=row["who"],
        told=Told(row["told"]),
    )
