"""Notices in the database: cases, the outbox, and what came of each notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from plant.alarms import AlarmId, Priority
from plant.equipment import EquipmentId
from plant.notices import Case, Channel, NoticeKind, Receiver
from storage.database import Connection, notify, translate_errors

WAITING = "notices"
"""Channel on which it is said that a notice waits to be sent."""
_KEPT_US = 90 * 86_400_000_000
_NOTICE = (
    "id, channel, rule, receiver, kind, step, alarms, began_us, priority, content, due_us, made_us, state, attempts, next_us, ended_us, why"
)


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One notice to one receiver by one channel."""

    id: UUID
    channel: Channel
    rule: str
    receiver: str
    kind: NoticeKind
    step: int
    alarms: tuple[AlarmId, ...]
    began_us: int | None
    """Begin of the case it tells of; None for several."""
    priority: Priority | None
    content: dict[str, Any]
    due_us: int
    made_us: int
    state: str = "pending"
    """``pending``, ``gathered`` (for the next digest), ``in_digest``, ``sent`` or ``failed``."""
    attempts: int = 0
    next_us: int = 0
    """Not to be tried before."""
    ended_us: int | None = None
    """When it was sent or given up."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of trying to send a notice."""

    id: UUID
    channel: Channel
    state: str
    """``sent``, ``failed``, or ``pending`` to be tried again."""
    at_us: int
    next_us: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class KnownReceiver:
    """A receiver of the settings, without what is secret about it: of a webhook its host only."""

    name: str
    webhook_host: str
    mail: tuple[str, ...] = field(default=())


def register_receivers(connection: Connection, receivers: Sequence[tuple[Receiver, str]]) -> None:
    """Write which receivers the settings name, each with the host of its webhook; the others are retired."""
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.execute("UPDATE notice_receiver SET retired = true WHERE NOT name = ANY(%s::text[])", [[one.name for one, _ in receivers]])
        cursor.executemany(
            "INSERT INTO notice_receiver (name, webhook_host, mail) VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE "
            "SET webhook_host = excluded.webhook_host, mail = excluded.mail, retired = false",
            [(one.name, host, list(one.mail)) for one, host in receivers],
        )


def read_receivers(connection: Connection) -> list[KnownReceiver]:
    """Return the receivers that the settings name, by name."""
    with translate_errors():
        rows = connection.execute("SELECT name, webhook_host, mail FROM notice_receiver WHERE NOT retired ORDER BY name").fetchall()
    return [KnownReceiver(name, host, tuple(mail)) for name, host, mail in rows]


def open_cases(connection: Connection, cases: Sequence[Case]) -> None:
    """Add cases; one of an alarm that has an open one already changes nothing."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO notice_case (alarm, equipment, priority, began_us) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(case.alarm, case.equipment, int(case.priority), case.began_us) for case in cases],
        )


def end_case(connection: Connection, case: Case, ended_us: int, how: str, who: str) -> None:
    """Note that a case is over."""
    with translate_errors():
        connection.execute(
            "UPDATE notice_case SET ended_us = %s, how = %s, who = %s WHERE alarm = %s AND began_us = %s",
            [ended_us, how, who, case.alarm, case.began_us],
        )


def read_open_cases(connection: Connection) -> list[Case]:
    """Return the cases that nobody acknowledged yet, the oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT alarm, equipment, priority, began_us FROM notice_case WHERE ended_us IS NULL ORDER BY began_us, alarm"
        ).fetchall()
    return [Case(AlarmId(alarm), EquipmentId(equipment), Priority(priority), began) for alarm, equipment, priority, began in rows]


def read_begins(connection: Connection, since_us: int) -> list[int]:
    """Return when cases began since a time, in order."""
    with translate_errors():
        rows = connection.execute("SELECT began_us FROM notice_case WHERE began_us >= %s ORDER BY began_us", [since_us]).fetchall()
    return [began for (began,) in rows]


def read_told(connection: Connection, case: Case) -> list[tuple[str, str]]:
    """Return (rule, receiver) of whom was told of a case, or will be."""
    with translate_errors():
        rows = connection.execute(
            "SELECT DISTINCT rule, receiver FROM notice WHERE began_us = %s AND alarms = %s AND kind <> %s ORDER BY rule, receiver",
            [case.began_us, [case.alarm], NoticeKind.ENDED.value],
        ).fetchall()
    return [(rule, receiver) for rule, receiver in rows]


def add_notices(connection: Connection, notices: Sequence[StoredNotice]) -> None:
    """Put notices into the outbox; one that is there already stays as it is. Call it within the transaction of the progress."""
    if not notices:
        return
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO notice (id, channel, rule, receiver, kind, step, alarms, began_us, priority, content, due_us, made_us, state) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (
                    *(n.id, n.channel.value, n.rule, n.receiver, n.kind.value, n.step, list(n.alarms), n.began_us),
                    *(None if n.priority is None else int(n.priority), Jsonb(n.content), n.due_us, n.made_us, n.state),
                )
                for n in notices
            ],
        )
    if any(notice.state == "pending" for notice in notices):
        notify(connection, WAITING)


def read_gathered(connection: Connection) -> list[StoredNotice]:
    """Return what waits for a digest, the oldest first."""
    with translate_errors():
        rows = connection.execute(f"SELECT {_NOTICE} FROM notice WHERE state = 'gathered' ORDER BY due_us, id").fetchall()  # noqa: S608
    return [_notice(row) for row in rows]


def mark_in_digest(connection: Connection, notices: Sequence[StoredNotice], digest: UUID) -> None:
    """Note that gathered notices stand in a digest."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE notice SET state = 'in_digest', why = %s WHERE id = %s AND channel = %s AND state = 'gathered'",
            [(str(digest), one.id, one.channel.value) for one in notices],
        )


def read_waiting(connection: Connection, now_us: int, *, most_each: int = 20) -> list[StoredNotice]:
    """Return notices to be sent now, of each receiver and channel the oldest ones, in order."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_NOTICE} FROM (SELECT *, row_number() OVER (PARTITION BY receiver, channel ORDER BY due_us, made_us, id) AS place "  # noqa: S608
            "FROM notice WHERE state = 'pending' AND next_us <= %s) AS waiting WHERE place <= %s ORDER BY due_us, made_us, id",
            [now_us, most_each],
        ).fetchall()
    return [_notice(row) for row in rows]


def write_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Note what came of trying to send."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE notice SET state = %s, attempts = attempts + 1, next_us = %s, ended_us = %s, why = %s WHERE id = %s AND channel = %s "
            "AND state = 'pending'",
            [(o.state, o.next_us, None if o.state == "pending" else o.at_us, o.why, o.id, o.channel.value) for o in outcomes],
        )


def read_notices(
    connection: Connection, *, states: Sequence[str] = (), receiver: str | None = None, alarm: str | None = None, most: int = 200
) -> list[StoredNotice]:
    """Return notices, the newest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_NOTICE} FROM notice WHERE (%(states)s::text[] = '{{}}' OR state = ANY(%(states)s::text[])) "  # noqa: S608
            "AND (%(receiver)s::text IS NULL OR receiver = %(receiver)s) AND (%(alarm)s::text IS NULL OR %(alarm)s = ANY(alarms)) "
            "ORDER BY made_us DESC, id, channel LIMIT %(most)s",
            {"states": list(states), "receiver": receiver, "alarm": alarm, "most": most},
        ).fetchall()
    return [_notice(row) for row in rows]


def try_again(connection: Connection, notice: UUID, channel: Channel) -> bool:
    """Have a notice that was given up sent once more; False where there is none that was."""
    with translate_errors(), connection.transaction():
        found = connection.execute(
            "UPDATE notice SET state = 'pending', next_us = 0, attempts = 0, ended_us = NULL WHERE id = %s AND channel = %s "
            "AND state = 'failed' RETURNING id",
            [notice, channel.value],
        ).fetchone()
        notify(connection, WAITING)
    return found is not None


def forget_old(connection: Connection, now_us: int) -> None:
    """Take out what is over since ninety days."""
    before = now_us - _KEPT_US
    with translate_errors():
        connection.execute("DELETE FROM notice WHERE made_us < %s AND state IN ('sent', 'failed', 'in_digest')", [before])
        connection.execute("DELETE FROM notice_case WHERE ended_us < %s", [before])


def _notice(row: Sequence[Any]) -> StoredNotice:
    number, channel, rule, receiver, kind, step, alarms, began, priority, content, *rest = row
    return StoredNotice(
        number,
        Channel(channel),
        rule,
        receiver,
        NoticeKind(kind),
        step,
        tuple(AlarmId(alarm) for alarm in alarms),
        began,
        None if priority is None else Priority(priority),
        content,
        *rest,
    )
