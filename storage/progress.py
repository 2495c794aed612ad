"""How far each part of the monitor is; written in the transaction of its results, so that none is lost or there twice."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Connection, translate_errors


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a follower stands."""

    done_us: int
    """All that happened before this is judged; microseconds since 1970."""
    state: bytes
    """What it must remember, packed by itself."""


def read_progress(connection: Connection, follower: str) -> Progress | None:
    """Return where a follower stands, None where it never ran."""
    with translate_errors():
        row = connection.execute("SELECT done_us, state FROM monitor_progress WHERE follower = %s", [follower]).fetchone()
    return None if row is None else Progress(row[0], bytes(row[1]))


def write_progress(connection: Connection, follower: str, done_us: int, state: bytes) -> None:
    """Note where a follower stands; call it within the transaction of its results. It holds off a second one of the same name."""
    with translate_errors():
        connection.execute(
            "INSERT INTO monitor_progress (follower, done_us, state) VALUES (%s, %s, %s) ON CONFLICT (follower) DO UPDATE "
            "SET done_us = excluded.done_us, state = excluded.state, updated_at = now()",
            [follower, done_us, state],
        )


def hold_follower(connection: Connection, follower: str) -> bool:
    """Take the sole right to run a follower for as long as the connection lives; False where another process has it."""
    with translate_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended('leadhand follower ' || %s, 0))", [follower]).fetchone()
    return row is not None and bool(row[0])
