"""Design changes as kept: whole, with what they do to the plant, and what each station says. All tell the channel ``design_changes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.design_changes import ChangeStage, DesignChange, Effect, Limits, read_design_change, stage_of
from plant.errors import Rejected
from storage.database import Connection, micros, moment, notify, translate_errors

CHANGED: Final = "design_changes"
"""The channel; its payload is the number of the change that is new or has come further."""
_COLUMNS: Final = "id, received_time, sent_by, document, effects, stage, stage_time, stage_actor, stage_note"
_LIMITS: Final = """
SELECT DISTINCT ON (e.path, t.program) e.path, t.program, t.torque_min_nm, t.torque_max_nm, t.angle_min_deg, t.angle_max_deg
FROM tightening t JOIN equipment e ON e.id = t.equipment_id
WHERE e.path = ANY (%s) AND t.program IS NOT NULL ORDER BY e.path, t.program, t.time DESC
"""


@dataclass(frozen=True, slots=True)
class StationAnswer:
    """What one station says of a change."""

    station: str
    sent_us: int | None
    """When it was told; None: not yet."""
    accepted: bool | None
    """None: no answer yet."""
    answered_us: int | None
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class StoredDesignChange:
    """A design change with its number and how far it has come."""

    id: int
    received_us: int
    sent_by: str
    change: DesignChange
    effects: tuple[Effect, ...]
    stage: ChangeStage
    stage_us: int
    stage_actor: str
    stage_note: str
    stations: tuple[StationAnswer, ...]


def add_design_change(
    connection: Connection, change: DesignChange, effects: Sequence[Effect], stations: Sequence[str], *, time_us: int, sent_by: str
) -> int:
    """Keep a change that waits for its stations and return its number. Raises Rejected where this version is known already."""
    told = [{"kind": one.kind, "code": one.code, "values": dict(one.values), "stations": list(one.stations)} for one in effects]
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO design_change (number, product, version, effective_from, received_time, sent_by, document, effects, stage_time) "
            "VALUES (%(number)s, %(product)s, %(version)s, %(begin)s, %(time)s, %(by)s, %(document)s, %(effects)s, %(time)s) "
            "ON CONFLICT DO NOTHING RETURNING id",
            {
                "number": change.number,
                "product": change.product,
                "version": change.version,
                "begin": change.effective_from,
                "time": moment(time_us),
                "by": sent_by,
                "document": Jsonb(change.model_dump(mode="json")),
                "effects": Jsonb(told),
            },
        ).fetchone()
        if row is None:
            raise Rejected(f"design change '{change.number}', or version '{change.version}' of '{change.product}', is known already")
        number = int(row[0])
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO design_change_station (design_change_id, station) VALUES (%s, %s)", [(number, one) for one in stations]
            )
        notify(connection, CHANGED, str(number))
    return number


def mark_sent(connection: Connection, number: int, station: str, time_us: int) -> None:
    """Note that a station was told of a change."""
    with translate_errors(), connection.transaction():
        connection.execute(
            "UPDATE design_change_station SET sent_time = %s WHERE design_change_id = %s AND station = %s",
            [moment(time_us), number, station],
        )
        notify(connection, CHANGED, str(number))


def answer_design_change(
    connection: Connection, number: int, station: str, *, accepted: bool, time_us: int, actor: str, note: str = ""
) -> ChangeStage:
    """Keep what a station says of a change, and return how far the change has come by it. Raises Rejected for a second answer."""
    with translate_errors(), connection.transaction():
        row = connection.execute("SELECT stage FROM design_change WHERE id = %s FOR UPDATE", [number]).fetchone()
        if row is None:
            raise Rejected(f"there is no design change {number}")
        if ChangeStage(row[0]) is not ChangeStage.WAITING:
            raise Rejected(f"design change {number} waits for nobody: it is {row[0]}")
        made = connection.execute(
            "UPDATE design_change_station SET accepted = %s, answered_time = %s, actor = %s, note = %s "
            "WHERE design_change_id = %s AND station = %s AND accepted IS NULL RETURNING station",
            [accepted, moment(time_us), actor, note.replace("\0", ""), number, station],
        ).fetchone()
        if made is None:
            raise Rejected(f"design change {number} waits for no answer of station '{station}'")
        said = connection.execute("SELECT accepted FROM design_change_station WHERE design_change_id = %s", [number]).fetchall()
        stage = stage_of(answer for (answer,) in said)
        if stage is not ChangeStage.WAITING:
            _become(connection, number, stage, time_us, actor, note)
        notify(connection, CHANGED, str(number))
    return stage


def withdraw_design_change(connection: Connection, number: int, *, time_us: int, actor: str, note: str) -> None:
    """Take a change back. Raises Rejected where there is none that could be."""
    with translate_errors(), connection.transaction():
        _become(connection, number, ChangeStage.WITHDRAWN, time_us, actor, note)
        notify(connection, CHANGED, str(number))


def read_design_changes(
    connection: Connection, *, product: str | None = None, stage: ChangeStage | None = None, before: int | None = None, most: int = 100
) -> list[StoredDesignChange]:
    """Return design changes, the newest first."""
    given = {
        "product": product,
        "stage": None if stage is None else stage.value,
        "before": before,
        "most": max(1, min(most, 1000)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM design_change WHERE (%(product)s::text IS NULL OR product = %(product)s) "  # noqa: S608
            "AND (%(stage)s::text IS NULL OR stage = %(stage)s) AND (%(before)s::bigint IS NULL OR id < %(before)s) "
            "ORDER BY id DESC LIMIT %(most)s",
            given,
        ).fetchall()
    answers = _answers(connection, [row["id"] for row in rows])
    return [_stored(row, answers.get(row["id"], ())) for row in rows]


def read_stored_change(connection: Connection, number: int) -> StoredDesignChange | None:
    """Return one design change, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM design_change WHERE id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _stored(row, _answers(connection, [number]).get(number, ()))


def read_effective(connection: Connection, product: str) -> list[tuple[str, str]]:
    """Return (effective from, version) of the changes of a product that are in force, in the order of their coming."""
    with translate_errors():
        rows = connection.execute(
            "SELECT effective_from, version FROM design_change WHERE product = %s AND stage = 'in_force' ORDER BY stage_time, id", [product]
        ).fetchall()
    return [(begin, version) for begin, version in rows]


def tightening_in_force(connection: Connection, stations: Sequence[str]) -> dict[tuple[str, int], tuple[Limits | None, Limits | None]]:
    """Return the limits of torque and angle by station and program, as the tools reported them last."""
    with translate_errors():
        rows = connection.execute(_LIMITS, [list(stations)]).fetchall()
    return {(path, program): (_limits(low, high), _limits(least, most)) for path, program, low, high, least, most in rows}


def _limits(low: float | None, high: float | None) -> Limits | None:
    return Limits(low=low, high=high) if low is not None and high is not None and low < high else None


def _become(connection: Connection, number: int, stage: ChangeStage, time_us: int, actor: str, note: str) -> None:
    row = connection.execute(
        "UPDATE design_change SET stage = %s, stage_time = %s, stage_actor = %s, stage_note = %s WHERE id = %s RETURNING id",
        [stage.value, moment(time_us), actor, note.replace("\0", ""), number],
    ).fetchone()
    if row is None:
        raise Rejected(f"there is no design change {number}")


def _answers(connection: Connection, numbers: list[int]) -> dict[int, tuple[StationAnswer, ...]]:
    with translate_errors():
        rows = connection.execute(
            "SELECT design_change_id, station, sent_time, accepted, answered_time, actor, note FROM design_change_station "
            "WHERE design_change_id = ANY (%s) ORDER BY design_change_id, station",
            [numbers],
        ).fetchall()
    found: dict[int, tuple[StationAnswer, ...]] = {}
    for number, station, sent, accepted, answered, actor, note in rows:
        answer = StationAnswer(station, _micros(sent), accepted, _micros(answered), actor, note)
        found[number] = (*found.get(number, ()), answer)
    return found


def _stored(row: dict[str, Any], answers: tuple[StationAnswer, ...]) -> StoredDesignChange:
    return StoredDesignChange(
        id=row["id"],
        received_us=micros(row["received_time"]),
        sent_by=row["sent_by"],
        change=read_design_change(row["document"]),
        effects=tuple(Effect(one["kind"], one["code"], one["values"], tuple(one["stations"])) for one in row["effects"]),
        stage=ChangeStage(row["stage"]),
        stage_us=micros(row["stage_time"]),
        stage_actor=row["stage_actor"],
        stage_note=row["stage_note"],
        stations=answers,
    )


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
