# ruff: noqa: S608  # the words put into SQL here are our own column names
"""Modes of work units as kept: set by persons, a closed loop by two; they fall back by themselves, and all of it is audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from plant.delivery_modes import CLOSED_LOOP_SECONDS, CONFIRM_SECONDS, AskedLoop, ControllerStanding, Dropped, Mode, ModeRow
from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.deliveries import DELIVERIES

DELIVERY: Final = "delivery"
"""Actor of a mode that fell back by itself."""
_COLUMNS: Final = "id, work_unit, mode, time, until_time, actor, second, reason"
_NEWEST: Final = f"SELECT DISTINCT ON (work_unit) {_COLUMNS} FROM delivery_mode ORDER BY work_unit, id DESC"


def set_mode(
    connection: Connection, work_unit: str, mode: Mode, *, actor: str, now_us: int, reason: str = "", address: str = ""
) -> ModeRow:
    """Set a mode that one person may set: any but the closed loop, which ``ask_closed_loop`` begins. Raises Rejected for that."""
    if mode is Mode.CLOSED_LOOP:
        raise Rejected("a closed loop needs two persons: one asks for it, another confirms")
    with translate_errors(), connection.transaction():
        connection.execute("DELETE FROM delivery_loop_asked WHERE work_unit = %s", [work_unit])
        return _add(connection, work_unit, mode, actor=actor, now_us=now_us, reason=reason, address=address)


def ask_closed_loop(
    connection: Connection, work_unit: str, *, actor: str, now_us: int, hours: float, reason: str = "", address: str = ""
) -> None:
    """Ask for a closed loop; it begins when another person confirms it in time. Raises Rejected for more than 8 hours."""
    if not 0 < hours <= CLOSED_LOOP_SECONDS / 3600:
        raise Rejected(f"a closed loop lasts at most {CLOSED_LOOP_SECONDS // 3600} hours, not {hours:g}")
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO delivery_loop_asked (work_unit, actor, time, hours, reason) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (work_unit) "
            "DO UPDATE SET actor = excluded.actor, time = excluded.time, hours = excluded.hours, reason = excluded.reason",
            [work_unit, actor, moment(now_us), hours, reason],
        )
        told = {"hours": hours, "reason": reason}
        add_audit(
            connection,
            time_us=now_us,
            actor=actor,
            act="delivery_mode.asked",
            subject=f"work unit {work_unit}",
            next_=told,
            address=address,
        )
        notify(connection, DELIVERIES)


def confirm_closed_loop(connection: Connection, work_unit: str, *, actor: str, now_us: int, address: str = "") -> ModeRow:
    """Begin the closed loop that another person asked for. Raises Rejected where nobody did, it was too long ago, or it was the same."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "DELETE FROM delivery_loop_asked WHERE work_unit = %s RETURNING actor, time, hours, reason", [work_unit]
        ).fetchone()
        if row is None:
            raise Rejected(f"nobody asked for a closed loop of '{work_unit}'")
        first, asked_us, hours, reason = row[0], micros(row[1]), float(row[2]), row[3]
        if first.strip().casefold() == actor.strip().casefold():
            raise Rejected(f"who asked for a closed loop ({first}) does not confirm it: another person must")
        if now_us - asked_us > CONFIRM_SECONDS * 1_000_000:
            raise Rejected(f"the closed loop was asked for more than {CONFIRM_SECONDS // 60} minutes ago; ask again")
        until = now_us + round(hours * 3.6e9)
        return _add(
            connection,
            work_unit,
            Mode.CLOSED_LOOP,
            actor=first,
            second=actor,
            now_us=now_us,
            until_us=until,
            reason=reason,
            address=address,
        )


def drop_mode(connection: Connection, work_unit: str, why: Dropped, *, now_us: int, note: str = "") -> ModeRow | None:
    """Let a closed loop fall back to advisory; None where none was at work: nothing changes then."""
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 78))", [work_unit])
        newest = newest_mode(connection, work_unit)
        if newest is None or newest.mode is not Mode.CLOSED_LOOP:
            return None
        reason = f"{why.value}: {note}" if note else why.value
        return _add(connection, work_unit, Mode.ADVISORY, actor=DELIVERY, now_us=now_us, reason=reason)


def hold_modes(connection: Connection, work_units: Sequence[str]) -> None:
    """Keep modes as they are until the transaction ends: who sets one waits, and what leaves in it left before."""
    with translate_errors():
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(s.unit, 78)) FROM (SELECT unit FROM unnest(%s::text[]) AS unit ORDER BY 1) s",
            [sorted(set(work_units))],
        )


def newest_modes(connection: Connection) -> dict[str, ModeRow]:
    """Return the newest row of each work unit whose mode was ever set; ``plant.delivery_modes.mode_now`` says which mode it makes."""
    with translate_errors():
        return {row[1]: _row(row) for row in connection.execute(_NEWEST).fetchall()}


def newest_mode(connection: Connection, work_unit: str) -> ModeRow | None:
    """Return the newest row of one work unit, None where its mode was never set."""
    rows = read_modes(connection, work_unit, 1)
    return rows[0] if rows else None


def read_modes(connection: Connection, work_unit: str | None = None, most: int = 200) -> list[ModeRow]:
    """Return what happened to modes, the newest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM delivery_mode WHERE %(unit)s::text IS NULL OR work_unit = %(unit)s ORDER BY id DESC LIMIT %(most)s",
            {"unit": work_unit, "most": most},
        ).fetchall()
    return [_row(row) for row in rows]


def asked_loops(connection: Connection, now_us: int) -> list[AskedLoop]:
    """Return closed loops that a second person may still confirm."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, actor, time, hours, reason FROM delivery_loop_asked WHERE time >= %s ORDER BY work_unit",
            [moment(now_us - CONFIRM_SECONDS * 1_000_000)],
        ).fetchall()
    return [AskedLoop(row[0], row[1], micros(row[2]), float(row[3]), row[4]) for row in rows]


def write_standings(connection: Connection, standings: Sequence[ControllerStanding]) -> None:
    """Keep what was last heard of controllers, all in one statement; a counter never falls, a time that is None leaves the one before."""
    with translate_errors():
        connection.execute(
            "INSERT INTO controller_standing AS c (work_unit, way, heard_time, told_time, ai_off, counter, state) "
            "SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::boolean[], %s::bigint[], %s::text[]) "
            "ON CONFLICT (work_unit) DO UPDATE SET way = excluded.way, heard_time = coalesce(excluded.heard_time, c.heard_time), "
            "told_time = coalesce(excluded.told_time, c.told_time), ai_off = excluded.ai_off, "
            "counter = greatest(c.counter, excluded.counter), state = excluded.state",
            [
                *([one.work_unit for one in standings], [one.way for one in standings]),
                *([_moment(one.heard_us) for one in standings], [_moment(one.told_us) for one in standings]),
                *([one.ai_off for one in standings], [one.counter for one in standings], [one.state for one in standings]),
            ],
        )


def read_standings(connection: Connection, work_unit: str | None = None) -> dict[str, ControllerStanding]:
    """Return what was last heard of each work unit's controller."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, heard_time, told_time, ai_off, counter, state, way FROM controller_standing "
            "WHERE %(unit)s::text IS NULL OR work_unit = %(unit)s",
            {"unit": work_unit},
        ).fetchall()
    return {row[0]: ControllerStanding(row[0], _micros(row[1]), _micros(row[2]), *row[3:]) for row in rows}


def _add(
    connection: Connection,
    work_unit: str,
    mode: Mode,
    *,
    actor: str,
    now_us: int,
    until_us: int | None = None,
    second: str = "",
    reason: str = "",
    address: str = "",
) -> ModeRow:
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 78))", [work_unit])
    before = newest_mode(connection, work_unit)
    row = connection.execute(
        "INSERT INTO delivery_mode (work_unit, mode, time, until_time, actor, second, reason) VALUES (%s, %s, %s, %s, %s, %s, %s) "
        f"RETURNING {_COLUMNS}",
        [work_unit, mode.value, moment(now_us), _moment(until_us), actor, second, reason],
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    told: Mapping[str, object] = {"mode": mode.value, "second": second, "reason": reason, "until_us": until_us}
    add_audit(
        connection,
        time_us=now_us,
        actor=actor,
        act="delivery_mode.set",
        subject=f"work unit {work_unit}",
        previous=None if before is None else {"mode": before.mode.value},
        next_={key: value for key, value in told.items() if value},
        address=address,
    )
    notify(connection, DELIVERIES)
    return _row(row)


def _row(row: Sequence[Any]) -> ModeRow:
    return ModeRow(row[0], row[1], Mode(row[2]), micros(row[3]), _micros(row[4]), row[5], row[6], row[7])


def _moment(time_us: int | None) -> Any:
    return None if time_us is None else moment(time_us)


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
