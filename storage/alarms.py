"""Alarms in the database: what is configured, how each stands, the journal, and what people asked for.

The monitor writes all but the actions; those are rows that anybody who may adds, and the monitor answers in the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from psycopg.types.json import Jsonb

from plant.alarms import ActionKind, AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, AlarmLife, AlarmState, Priority, Suppression
from plant.errors import Rejected
from plant.signals import SignalPath, SourceId
from storage.database import Connection, notify, translate_errors

CHANGED = "alarms"
"""Channel on which the monitor says that alarms changed."""
ASKED = "alarm_actions"
"""Channel on which it is said that an action waits."""

_REGISTER = """
INSERT INTO alarm (name, signal, equipment, source, kind, priority, message, response, unit, definition, first_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET signal = excluded.signal, equipment = excluded.equipment, source = excluded.source, kind = excluded.kind,
    priority = excluded.priority, message = excluded.message, response = excluded.response, unit = excluded.unit,
    definition = excluded.definition, retired = false
WHERE (alarm.definition, alarm.priority, alarm.unit, alarm.retired) IS DISTINCT FROM
    (excluded.definition, excluded.priority, excluded.unit, false)
"""
_STANDINGS = """
SELECT a.id, a.name, a.definition, a.unit, a.retired, coalesce(n.state, 'normal'), coalesce(n.active, false),
    coalesce(n.annunciation, 'normal'), coalesce(n.since_us, 0), n.active_since_us, n.value, n.text, n.limit_value, n.shelved_until_us,
    coalesce(n.suppressed, false), coalesce(n.out_of_service, false), n.source_acknowledged, coalesce(n.who, ''), coalesce(n.reason, ''),
    coalesce(n.seq, 0)
FROM alarm a LEFT JOIN alarm_now n ON n.alarm_id = a.id
"""
_NOW = """
INSERT INTO alarm_now (alarm_id, state, active, annunciation, since_us, active_since_us, value, text, limit_value, shelved_until_us,
    suppressed, out_of_service, source_acknowledged, who, reason, seq)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (alarm_id) DO UPDATE SET state = excluded.state, active = excluded.active, annunciation = excluded.annunciation,
    since_us = excluded.since_us, active_since_us = excluded.active_since_us, value = excluded.value, text = excluded.text,
    limit_value = excluded.limit_value, shelved_until_us = excluded.shelved_until_us, suppressed = excluded.suppressed,
    out_of_service = excluded.out_of_service, source_acknowledged = excluded.source_acknowledged, who = excluded.who,
    reason = excluded.reason, seq = excluded.seq
"""
_JOURNAL = """
SELECT j.seq, a.name, j.time_us, j.decided_us, j.event, j.state_before, j.state_after, j.active, j.value, j.text, j.limit_value, j.who,
    j.reason, j.action_id
FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    seq: int
    """Rises by one from line to line."""
    alarm: AlarmId
    time_us: int
    """When it was true by the clock of its source; of what a person asked for, when it was asked."""
    decided_us: int
    """By our clock, from when on it was known; never goes back within one alarm."""
    event: AlarmEvent
    before: AlarmState
    after: AlarmState
    active: bool
    """Whether the condition holds behind the event."""
    value: float | None = None
    text: str | None = None
    limit: float | None = None
    who: str = ""
    """Empty where no person did it."""
    reason: str = ""
    action: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one alarm stands."""

    number: int
    """Of the alarm in the database."""
    definition: AlarmDefinition
    unit: str
    retired: bool
    life: AlarmLife
    since_us: int = 0
    """Since when it is in this state; 0 where it never was in another."""
    active_since_us: int | None = None
    value: float | None = None
    """That began or ended it."""
    text: str | None = None
    limit: float | None = None
    source_acknowledged: bool | None = None
    """Of an alarm that a controller tells of: whether it was acknowledged there."""
    who: str = ""
    """Who acted on it last, while that matters (acknowledged, shelved, out of service)."""
    reason: str = ""
    seq: int = 0
    """Its last line in the journal."""

    @property
    def state(self) -> AlarmState:
        """The one state shown."""
        return self.life.state


@dataclass(frozen=True, slots=True)
class Action:
    """What a person asked for."""

    id: int
    alarm: AlarmId
    action: ActionKind
    until_us: int | None
    who: str
    reason: str
    requested_us: int
    effective_us: int | None = None
    """From when on it holds, in the order of judging; None while it waits."""
    outcome: str | None = None
    """``applied`` or ``rejected``; None while it waits."""
    answer: str = ""
    """Why it was rejected."""


def register_alarms(
    connection: Connection, site: str, definitions: Iterable[tuple[AlarmDefinition, str]], now_us: int
) -> dict[AlarmId, int]:
    """Write the alarms of a site with the units of their signals; return the number of each. What is configured no more is retired.

    Alarms that controllers tell of stay: they come and go with what is told.
    """
    rows = [
        (d.id, d.signal, d.equipment, d.source or "", d.kind.value, int(d.priority), d.message, d.response, unit, Jsonb(_packed(d)), now_us)
        for d, unit in definitions
    ]
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_REGISTER, rows)
        cursor.execute(
            "UPDATE alarm SET retired = true WHERE NOT retired AND kind <> %s AND starts_with(name, %s) AND NOT name = ANY(%s::text[])",
            [AlarmKind.TOLD.value, f"{site}/", [row[0] for row in rows]],
        )
        cursor.execute("DELETE FROM alarm_now n USING alarm a WHERE a.id = n.alarm_id AND a.retired")
        known = cursor.execute("SELECT name, id FROM alarm WHERE NOT retired AND starts_with(name, %s)", [f"{site}/"]).fetchall()
    return {AlarmId(name): number for name, number in known}


def read_alarm_numbers(connection: Connection) -> dict[AlarmId, int]:
    """Return the number of each alarm that is not retired."""
    with translate_errors():
        return {AlarmId(name): number for name, number in connection.execute("SELECT name, id FROM alarm WHERE NOT retired").fetchall()}


def register_told(connection: Connection, definitions: Iterable[AlarmDefinition], now_us: int) -> dict[AlarmId, int]:
    """Write alarms that controllers tell of; return the number of each."""
    known = {d.id: d for d in definitions}
    rows = [
        (d.id, d.signal, d.equipment, d.source or "", d.kind.value, int(d.priority), d.message, d.response, "", Jsonb(_packed(d)), now_us)
        for d in known.values()
    ]
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(_REGISTER, rows)
        numbers = cursor.execute("SELECT name, id FROM alarm WHERE name = ANY (%s::text[])", [list(known)]).fetchall()
    return {AlarmId(name): number for name, number in numbers}


def read_standings(
    connection: Connection, *, annunciated: bool = False, retired: bool = False, alarms: Sequence[AlarmId] | None = None
) -> list[Standing]:
    """Return how alarms stand, the most urgent first, then the newest. ``annunciated``: only those that are not normal."""
    where = [] if retired else ["NOT a.retired"]
    values: dict[str, object] = {}
    if annunciated:
        where.append("n.state <> 'normal'")
    if alarms is not None:
        where.append("a.name = ANY(%(alarms)s::text[])")
        values["alarms"] = list(alarms)
    words = f" WHERE {' AND '.join(where)}" if where else ""
    with translate_errors():
        rows = connection.execute(f"{_STANDINGS}{words} ORDER BY a.priority, n.since_us DESC NULLS LAST, a.name", values).fetchall()
    return [_standing(row) for row in rows]


def write_standings(connection: Connection, standings: Sequence[Standing]) -> None:
    """Put how alarms stand in place of what stood there; within the transaction of their journal lines."""
    rows = [
        (
            *(
                s.number,
                s.life.state.value,
                s.life.active,
                s.life.annunciation.value,
                s.since_us,
                s.active_since_us,
                s.value,
                s.text,
                s.limit,
            ),
            *(s.life.shelved_until_us, s.life.suppressed, s.life.out_of_service, s.source_acknowledged, s.who, s.reason, s.seq),
        )
        for s in standings
    ]
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(_NOW, rows)


def add_entries(connection: Connection, entries: Sequence[Entry], numbers: dict[AlarmId, int]) -> None:
    """Add lines to the journal and tell all who listen; within the transaction that moves the monitor's progress on."""
    if not entries:
        return
    with (
        translate_errors(),
        connection.cursor() as cursor,
        cursor.copy(
            "COPY alarm_journal (seq, alarm_id, time_us, decided_us, event, state_before, state_after, active, value, text, limit_value, "
            "who, reason, action_id) FROM STDIN"
        ) as copy,
    ):
        for e in entries:
            copy.write_row(
                (
                    *(e.seq, numbers[e.alarm], e.time_us, e.decided_us, e.event.value, e.before.value, e.after.value, e.active),
                    *(e.value, e.text, e.limit, e.who, e.reason, e.action),
                )
            )
    notify(connection, CHANGED, str(entries[-1].seq))


def last_seq(connection: Connection) -> int:
    """Return the number of the journal's last line; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM alarm_journal").fetchone()
    return 0 if row is None else int(row[0])


def read_journal(
    connection: Connection,
    *,
    after: int = 0,
    before: int | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    alarms: Sequence[AlarmId] | None = None,
    most: int | None = 1000,
    newest_first: bool = False,
) -> list[Entry]:
    """Return lines of the journal in its order. ``after`` and ``before`` are line numbers, ``from_us`` to ``to_us`` event times."""
    conditions = {
        "j.seq > %(after)s": after or None,
        "j.seq < %(before)s": before,
        "j.time_us >= %(from)s": from_us,
        "j.time_us < %(to)s": to_us,
        "a.name = ANY(%(alarms)s::text[])": None if alarms is None else list(alarms),
    }
    names = ("after", "before", "from", "to", "alarms")
    values = {name: value for name, value in zip(names, conditions.values(), strict=True) if value is not None}
    where = [words for words, value in conditions.items() if value is not None]
    query = _JOURNAL + (f"WHERE {' AND '.join(where)} " if where else "") + f"ORDER BY j.seq{' DESC' if newest_first else ''}"
    with translate_errors():
        rows = connection.execute(query + ("" if most is None else f" LIMIT {int(most)}"), values).fetchall()
    return [_entry(row) for row in rows]


def ask(
    connection: Connection,
    alarms: Sequence[AlarmId],
    action: ActionKind,
    *,
    who: str,
    requested_us: int,
    reason: str = "",
    until_us: int | None = None,
) -> list[int]:
    """Ask for an action on alarms and return the numbers of the requests; the monitor applies or rejects each.

    Raises Rejected for an alarm there is not, for shelving without an end, and for what needs a reason and has none.
    """
    if action is ActionKind.SHELVE and (until_us is None or until_us <= requested_us):
        raise Rejected("an alarm is shelved for a time only: say until when")
    if action in {ActionKind.SHELVE, ActionKind.REMOVE} and not reason.strip():
        raise Rejected("say why: the reason stands in the journal")
    with translate_errors(), connection.transaction():
        rows = connection.execute("SELECT name, id FROM alarm WHERE name = ANY(%s::text[]) AND NOT retired", [list(alarms)]).fetchall()
        numbers = dict(rows)
        missing = [alarm for alarm in alarms if alarm not in numbers]
        if missing:
            raise Rejected(f"there is no alarm '{missing[0]}'")
        made = [
            connection.execute(
                "INSERT INTO alarm_action (alarm_id, action, until_us, who, reason, requested_us) "
                "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
                [numbers[alarm], action.value, until_us, who, reason, requested_us],
            ).fetchone()
            for alarm in alarms
        ]
        notify(connection, ASKED)
    return [int(row[0]) for row in made if row is not None]


def read_actions(
    connection: Connection, *, waiting: bool = False, ids: Sequence[int] | None = None, after: int = 0, most: int | None = None
) -> list[Action]:
    """Return what was asked for, in that order. ``waiting``: what has no answer yet."""
    query = (
        "SELECT c.id, a.name, c.action, c.until_us, c.who, c.reason, c.requested_us, c.effective_us, c.outcome, c.answer "
        "FROM alarm_action c JOIN alarm a ON a.id = c.alarm_id WHERE c.id > %s AND (%s::bigint[] IS NULL OR c.id = ANY(%s)) "
    )
    query += ("AND c.outcome IS NULL " if waiting else "") + "ORDER BY c.id" + ("" if most is None else f" LIMIT {int(most)}")
    given = None if ids is None else list(ids)
    with translate_errors():
        rows = connection.execute(query, [after, given, given]).fetchall()
    return [Action(number, AlarmId(name), ActionKind(action), *rest) for number, name, action, *rest in rows]


def answer_actions(connection: Connection, answered: Sequence[Action]) -> None:
    """Write down what became of actions; within the transaction that applies them."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE alarm_action SET effective_us = %s, outcome = %s, answer = %s WHERE id = %s",
            [(a.effective_us, a.outcome, a.answer, a.id) for a in answered],
        )
    if answered:
        notify(connection, CHANGED)


def _packed(definition: AlarmDefinition) -> dict[str, Any]:
    found: dict[str, Any] = {field.name: getattr(definition, field.name) for field in fields(definition)}
    suppressed = definition.suppressed_while
    found["suppressed_while"] = None if suppressed is None else [suppressed.signal, list(suppressed.values), list(suppressed.texts)]
    return found


def _definition(packed: dict[str, Any]) -> AlarmDefinition:
    known = {field.name for field in fields(AlarmDefinition)}
    given = {name: value for name, value in packed.items() if name in known}
    given["kind"], given["priority"] = AlarmKind(given["kind"]), Priority(given["priority"])
    given["values"], given["texts"] = tuple(given.get("values", ())), tuple(given.get("texts", ()))
    suppressed = given.get("suppressed_while")
    if suppressed is not None:
        given["suppressed_while"] = Suppression(SignalPath(suppressed[0]), tuple(suppressed[1]), tuple(suppressed[2]))
    source = given.get("source")
    given["source"] = None if source is None else SourceId(source)
    return AlarmDefinition(**given)


def _standing(row: tuple[Any, ...]) -> Standing:
    number, _, packed, unit, retired, _, active, annunciation, since_us, active_since_us, value, text, limit, shelved, *rest = row
    suppressed, out_of_service, source_acknowledged, who, reason, seq = rest
    life = AlarmLife(active, AlarmState(annunciation), shelved, suppressed, out_of_service)
    shown = (since_us, active_since_us, value, text, limit, source_acknowledged, who, reason, seq)
    return Standing(number, _definition(packed), unit, retired, life, *shown)


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, name, time_us, decided_us, event, before, after, *rest = row
    return Entry(seq, AlarmId(name), time_us, decided_us, AlarmEvent(event), AlarmState(before), AlarmState(after), *rest)
