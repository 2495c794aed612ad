# ruff: noqa: S608  # the words put into SQL here are our own conditions
"""What controllers tell by themselves, over REST: an inbox that delivery takes up. Who answers twice with one key answers once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from plant.deliveries import Answer, Quantity, SetPart, Verdict
from plant.errors import Rejected
from storage.database import Connection, micros, moment, notify, translate_errors

DELIVERY_ANSWERS: Final = "delivery_answers"
"""The channel; its payload is the number of the newest answer."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with its number and what became of it."""

    number: int
    answer: Answer
    taken_us: int | None
    """None: it still waits."""
    outcome: str
    """Empty: it counts; else why it does not."""


def add_answer(connection: Connection, answer: Answer) -> int:
    """Keep an answer and return its number; the same one, sent again with its key, has the number that it had.

    Raises Rejected where another answer came with the same key.
    """
    document = answer_record(answer)
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO delivery_answer (message_id, work_unit, time, actor, verdict, document, key) VALUES (%s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (actor, key) WHERE key <> '' DO NOTHING RETURNING id",
            [
                *(answer.message_id, answer.work_unit, moment(answer.time_us), answer.actor),
                *(answer.verdict.value, Jsonb(document), answer.key),
            ],
        ).fetchone()
        if row is not None:
            notify(connection, DELIVERY_ANSWERS, str(row[0]))
            return int(row[0])
        before = connection.execute(
            "SELECT id, message_id, work_unit, verdict, document = %s FROM delivery_answer WHERE actor = %s AND key = %s",
            [Jsonb(document), answer.actor, answer.key],
        ).fetchone()
    if before is None or (before[1], before[2], before[3], before[4]) != (answer.message_id, answer.work_unit, answer.verdict.value, True):
        raise Rejected(f"another answer came with the key '{answer.key}' before; a new answer needs a new key")
    return int(before[0])


def waiting_answers(connection: Connection, most: int = 1000) -> list[StoredAnswer]:
    """Return answers that nobody has taken up, the oldest first."""
    return _read(connection, "taken_time IS NULL ORDER BY id", [], most)


def take_answers(connection: Connection, outcomes: Mapping[int, str], now_us: int) -> None:
    """Mark answers as taken up, with what became of each: empty where it counts. To be called in the transaction of the steps they make."""
    with translate_errors():
        connection.execute(
            "UPDATE delivery_answer a SET taken_time = %s, outcome = s.outcome FROM unnest(%s::bigint[], %s::text[]) AS s (id, outcome) "
            "WHERE a.id = s.id AND a.taken_time IS NULL",
            [moment(now_us), list(outcomes), list(outcomes.values())],
        )


def answers_to(connection: Connection, message_ids: Iterable[str], most: int = 1000) -> list[StoredAnswer]:
    """Return the answers to messages, the oldest first."""
    return _read(connection, "message_id = ANY (%s) ORDER BY id", [list(message_ids)], most)


def read_answer(connection: Connection, number: int) -> StoredAnswer | None:
    """Return one answer, None where there is none of this number."""
    found = _read(connection, "id = %s", [number], 1)
    return found[0] if found else None


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return what an answer says besides its verdict, as JSON's own types."""
    told: dict[str, Any] = {
        "reason": answer.reason,
        "readback": [{"name": one.name, "value": one.value, "unit": one.unit} for one in answer.readback],
        "parts": [{"kind": one.kind, "name": one.name, "version": one.version} for one in answer.parts],
        "measured": [{"name": one.name, "value": one.value, "unit": one.unit} for one in answer.measured],
    }
    return {key: value for key, value in told.items() if value}


def _read(connection: Connection, which: str, given: Sequence[object], most: int) -> list[StoredAnswer]:
    with translate_errors():
        rows = connection.execute(
            f"SELECT id, message_id, work_unit, verdict, time, document, actor, key, taken_time, outcome FROM delivery_answer "
            f"WHERE {which} LIMIT %s",
            [*given, most],
        ).fetchall()
    return [_stored(row) for row in rows]


def _stored(row: Sequence[Any]) -> StoredAnswer:
    told = row[5]
    answer = Answer(
        message_id=row[1],
        work_unit=row[2],
        verdict=Verdict(row[3]),
        time_us=micros(row[4]),
        reason=told.get("reason", ""),
        readback=_quantities(told, "readback"),
        parts=tuple(SetPart(one["kind"], one["name"], one["version"]) for one in told.get("parts", ())),
        measured=_quantities(told, "measured"),
        actor=row[6],
        key=row[7],
    )
    return StoredAnswer(row[0], answer, None if row[8] is None else micros(row[8]), row[9])


def _quantities(told: Mapping[str, Any], name: str) -> tuple[Quantity, ...]:
    return tuple(Quantity(one["name"], float(one["value"]), one["unit"]) for one in told.get(name, ()))
