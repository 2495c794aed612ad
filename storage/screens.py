"""Screens on the wall: a link that is good once, then a session of their own that lasts until an administrator ends it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.clock import Clock
from plant.errors import Rejected
from storage.database import Connection, translate_errors

SECRET_PREFIX: Final = "screen-"  # noqa: S105 - how secrets of screens begin
_SECOND_US: Final = 1_000_000
_COLUMNS: Final = "id, name, address, created_by, created_us, link_until_us, opened_us, seen_us, client, ended_us"


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen, without its secrets."""

    id: int
    name: str
    address: str
    """Page of this server that it shows."""
    created_by: str
    created_us: int
    link_until_us: int
    """Until when its link may be opened, where it was not yet."""
    opened_us: int | None
    seen_us: int | None
    client: str
    """Network address that it was last heard from."""
    ended_us: int | None


def add_screen(connection: Connection, name: str, address: str, created_by: str, valid_seconds: int, clock: Clock) -> tuple[Screen, str]:
    """Return the screen and the secret of its link, which is shown this once."""
    link, now = secrets.token_urlsafe(32), clock.now_us()
    with translate_errors():
        row = connection.execute(
            "INSERT INTO screen (name, address, created_by, created_us, link_hash, link_until_us) VALUES (%s, %s, %s, %s, %s, %s) "  # noqa: S608
            f"RETURNING {_COLUMNS}",
            [name, address, created_by, now, _digest(link), now + valid_seconds * _SECOND_US],
        ).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING gives its row
    return Screen(*row), link


def open_screen(connection: Connection, link: str, client: str, clock: Clock) -> tuple[Screen, str]:
    """Return the screen whose link this is and the secret of its session; the link is used up. Raises Rejected."""
    secret, now = SECRET_PREFIX + secrets.token_urlsafe(32), clock.now_us()
    with translate_errors():
        row = connection.execute(
            "UPDATE screen SET link_hash = NULL, secret_hash = %s, opened_us = %s, seen_us = %s, client = %s "  # noqa: S608
            f"WHERE link_hash = %s AND link_until_us > %s AND ended_us IS NULL RETURNING {_COLUMNS}",
            [_digest(secret), now, now, client, _digest(link), now],
        ).fetchone()
    if row is None:
        raise Rejected("this link was used before or ran out: ask an administrator for a new one")
    return Screen(*row), secret


def read_screen(connection: Connection, secret: str) -> Screen | None:
    """Return the screen whose session this is, None where it was ended."""
    with translate_errors():
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM screen WHERE secret_hash = %s AND ended_us IS NULL",  # noqa: S608
            [_digest(secret)],
        ).fetchone()
    return None if row is None else Screen(*row)


def touch_screen(connection: Connection, number: int, client: str, clock: Clock) -> None:
    """Note that a screen shows its page now."""
    with translate_errors():
        connection.execute("UPDATE screen SET seen_us = %s, client = %s WHERE id = %s", [clock.now_us(), client, number])


def end_screen(connection: Connection, number: int, clock: Clock) -> Screen:
    """Return the screen, which shows nothing any more. Raises Rejected where there is none."""
    with translate_errors():
        row = connection.execute(
            "UPDATE screen SET ended_us = coalesce(ended_us, %s), link_hash = NULL, secret_hash = NULL "  # noqa: S608
            f"WHERE id = %s RETURNING {_COLUMNS}",
            [clock.now_us(), number],
        ).fetchone()
    if row is None:
        raise Rejected(f"there is no screen {number}")
    return Screen(*row)


def read_screens(connection: Connection) -> list[Screen]:
    """Return all screens, the newest first."""
    with translate_errors():
        rows: Sequence[Any] = connection.execute(f"SELECT {_COLUMNS} FROM screen ORDER BY id DESC").fetchall()  # noqa: S608
    return [Screen(*row) for row in rows]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
