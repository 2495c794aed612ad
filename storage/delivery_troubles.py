"""What people must be told of deliveries, as rows in the order they happened: written by delivery, made alarms of by the monitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from storage.database import Connection, micros, moment, notify, translate_errors

TROUBLED: Final = "delivery_troubles"
"""The channel; its payload is empty."""


class TroubleKind(StrEnum):
    """What may be wrong."""

    HEARTBEAT = "heartbeat"
    """Nothing is heard of a controller any more."""
    COUNTER = "counter"
    """A controller has taken messages that this house never sent."""
    IN_DOUBT = "in_doubt"
    """Nobody knows what became of a message: a person settles it."""
    READ_BACK = "read_back"
    """A controller says executed, and what is in force is another."""
    MODE_DROP = "mode_drop"
    """A closed loop ended by itself; a person decides how to go on."""
    CHANGEOVER = "changeover"
    """A work unit was not switched over as one: its first part stays held."""


@dataclass(frozen=True, slots=True)
class StandingTrouble:
    """Something that began or ended at a work unit."""

    work_unit: str
    kind: TroubleKind
    active: bool
    time_us: int
    words: str
    number: int = 0
    """Of its row; they rise in the order of happening."""


def add_troubles(connection: Connection, troubles: Sequence[StandingTrouble]) -> None:
    """Keep what began or ended. Who writes waits for who writes just now, so that no smaller number comes later."""
    if not troubles:
        return
    with translate_errors(), connection.transaction():
        connection.execute("LOCK TABLE delivery_trouble IN SHARE ROW EXCLUSIVE MODE")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO delivery_trouble (work_unit, kind, active, time, words) VALUES (%s, %s, %s, %s, %s)",
                [(one.work_unit, one.kind.value, one.active, moment(one.time_us), one.words) for one in troubles],
            )
        notify(connection, TROUBLED)


def troubles_after(connection: Connection, number: int, most: int = 1000) -> list[StandingTrouble]:
    """Return what happened behind a number, in that order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, kind, active, time, words, id FROM delivery_trouble WHERE id > %s ORDER BY id LIMIT %s", [number, most]
        ).fetchall()
    return [StandingTrouble(unit, TroubleKind(kind), active, micros(time), words, id_) for unit, kind, active, time, words, id_ in rows]


def standing_troubles(connection: Connection) -> list[StandingTrouble]:
    """Return what is wrong now."""
    with translate_errors():
        rows = connection.execute(
            "SELECT * FROM (SELECT DISTINCT ON (work_unit, kind) work_unit, kind, active, time, words, id FROM delivery_trouble "
            "ORDER BY work_unit, kind, id DESC) newest WHERE active ORDER BY id"
        ).fetchall()
    return [StandingTrouble(unit, TroubleKind(kind), active, micros(time), words, id_) for unit, kind, active, time, words, id_ in rows]


def last_trouble(connection: Connection) -> int:
    """Return the number of the last row; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(id), 0) FROM delivery_trouble").fetchone()
    return 0 if row is None else int(row[0])
