"""Calls of people at stations: who is needed where, who came and when. Each step stands in the audit trail, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, translate_errors

MOST_OPEN: Final = 1000
_COLUMNS: Final = """c.id, e.path, c.whom, c.note, c.called_time, c.caller, c.answered_time, c.answerer, c.done_time, c.ender, c.outcome
FROM andon_call c JOIN equipment e ON e.id = c.equipment_id"""
_OPEN: Final = f"SELECT {_COLUMNS} WHERE c.done_time IS NULL ORDER BY c.called_time, c.id LIMIT {MOST_OPEN}"
_WANTED: Final = f"""
SELECT {_COLUMNS} WHERE c.called_time >= %(from)s AND c.called_time < %(to)s
AND (%(place)s = '' OR e.path = %(place)s OR starts_with(e.path, %(place)s || '/')) ORDER BY c.called_time DESC, c.id DESC LIMIT %(most)s
"""
_ANSWERS: Final = """
SELECT c.whom, count(*), count(c.answered_time), count(*) FILTER (WHERE c.done_time IS NULL AND c.answered_time IS NULL),
    percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM c.answered_time - c.called_time)),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM c.done_time - c.called_time))
FROM andon_call c JOIN equipment e ON e.id = c.equipment_id
WHERE c.called_time >= %(from)s AND c.called_time < %(to)s
AND (%(place)s = '' OR e.path = %(place)s OR starts_with(e.path, %(place)s || '/')) GROUP BY c.whom
"""


class Whom(StrEnum):
    """Who is needed."""

    MAINTENANCE = "maintenance"
    MATERIAL = "material"
    QUALITY = "quality"
    LEAD_HAND = "lead_hand"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who does a step: as the audit knows them, as people read them, and from which network address."""

    name: str
    shown: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody is needed at a station."""

    id: int
    equipment: str
    whom: Whom
    note: str
    called_us: int
    caller: str
    answered_us: int | None
    """When somebody said that he comes."""
    answerer: str
    done_us: int | None
    ender: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Answers:
    """How soon those who are called come, over a span; seconds are None where none came."""

    whom: Whom
    calls: int
    answered: int
    waiting: int
    answered_p50_seconds: float | None
    answered_p90_seconds: float | None
    done_p50_seconds: float | None


def add_call(connection: Connection, equipment: str, whom: Whom, note: str, asker: Asker, now_us: int) -> tuple[Call, bool]:
    """Return the call that stands, and whether it is new: who is called already is not called twice. Raises Rejected for no such place."""
    with translate_errors(), connection.transaction():
        made = connection.execute(
            "INSERT INTO andon_call (equipment_id, whom, note, called_time, caller) "
            "SELECT id, %s, %s, %s, %s FROM equipment WHERE path = %s "
            "ON CONFLICT (equipment_id, whom) WHERE done_time IS NULL DO NOTHING RETURNING id",
            [whom.value, note, moment(now_us), asker.shown, equipment],
        ).fetchone()
        if made is not None:
            _note(connection, "andon.call", made[0], asker, now_us, {"equipment": equipment, "whom": whom.value, "note": note})
            return read_call(connection, made[0]), True
        row = connection.execute(
            "SELECT c.id FROM andon_call c JOIN equipment e ON e.id = c.equipment_id "
            "WHERE e.path = %s AND c.whom = %s AND c.done_time IS NULL",
            [equipment, whom.value],
        ).fetchone()
    if row is None:
        raise Rejected(f"there is no equipment '{equipment}' to call to")
    return read_call(connection, row[0]), False


def answer_call(connection: Connection, number: int, asker: Asker, now_us: int) -> Call:
    """Return the call, to which somebody comes. Raises Rejected where it is answered or done, or there is none."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE andon_call SET answered_time = %s, answerer = %s "
            "WHERE id = %s AND answered_time IS NULL AND done_time IS NULL RETURNING id",
            [moment(now_us), asker.shown, number],
        ).fetchone()
        if row is None:
            raise Rejected(_why_not(read_call(connection, number)))
        _note(connection, "andon.answer", number, asker, now_us, {"answerer": asker.shown})
        return read_call(connection, number)


def end_call(connection: Connection, number: int, outcome: str, asker: Asker, now_us: int) -> Call:
    """Return the call, which is done. Raises Rejected where it was done before, or there is none."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE andon_call SET done_time = %s, ender = %s, outcome = %s WHERE id = %s AND done_time IS NULL RETURNING id",
            [moment(now_us), asker.shown, outcome, number],
        ).fetchone()
        if row is None:
            raise Rejected(_why_not(read_call(connection, number)))
        _note(connection, "andon.done", number, asker, now_us, {"ender": asker.shown, "outcome": outcome})
        return read_call(connection, number)


def read_open_calls(connection: Connection) -> tuple[Call, ...]:
    """Return the calls that are not done, the oldest first."""
    with translate_errors():
        return tuple(_call(row) for row in connection.execute(_OPEN).fetchall())


def read_call(connection: Connection, number: int) -> Call:
    """Return one call. Raises Rejected where there is none."""
    with translate_errors():
        row = connection.execute(f"SELECT {_COLUMNS} WHERE c.id = %s", [number]).fetchone()
    if row is None:
        raise Rejected(f"there is no call {number}")
    return _call(row)


def read_calls(connection: Connection, place: str, from_us: int, to_us: int, most: int) -> list[Call]:
    """Return the calls of a span at a place or below, the newest first; an empty place is the whole site."""
    given = {"place": place, "from": moment(from_us), "to": moment(to_us), "most": most}
    with translate_errors():
        return [_call(row) for row in connection.execute(_WANTED, given).fetchall()]


def read_answers(connection: Connection, place: str, from_us: int, to_us: int) -> list[Answers]:
    """Return how soon each kind of help came over a span, at a place or below."""
    with translate_errors():
        rows = connection.execute(_ANSWERS, {"place": place, "from": moment(from_us), "to": moment(to_us)}).fetchall()
    found = {row[0]: row for row in rows}
    return [_answers(found[whom.value]) for whom in Whom if whom.value in found]


def _answers(row: Sequence[Any]) -> Answers:
    whom, calls, answered, waiting, percentiles, done = row
    middle, most = percentiles or (None, None)
    return Answers(Whom(whom), calls, answered, waiting, *(None if one is None else float(one) for one in (middle, most, done)))


def _why_not(call: Call) -> str:
    if call.done_us is not None:
        return f"call {call.id} was ended by {call.ender}"
    return f"{call.answerer} comes already to call {call.id}"


def _note(connection: Connection, act: str, number: int, asker: Asker, now_us: int, told: dict[str, Any]) -> None:
    add_audit(connection, time_us=now_us, actor=asker.name, act=act, subject=f"call {number}", next_=told, address=asker.address)


def _call(row: Sequence[Any]) -> Call:
    number, path, whom, note, called, caller, answered, answerer, done, ender, outcome = row
    answered_us, done_us = (None if time is None else micros(time) for time in (answered, done))
    return Call(number, path, Whom(whom), note, micros(called), caller, answered_us, answerer, done_us, ender, outcome)
