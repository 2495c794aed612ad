"""Versions of settings files: what each held, who changed it when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from plant.errors import Rejected
from storage.database import Connection, translate_errors

_COLUMNS = "id, file, (extract(epoch FROM time) * 1000000)::bigint, actor, kind, note, octet_length(content)"


class VersionKind(StrEnum):
    """How a version came to be."""

    SAVED = "saved"
    RESTORED = "restored"
    FOUND = "found"
    """As it was on disk: by an editor, or before anything was saved here."""


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """A version of a file, without what it holds."""

    id: int
    file: str
    """Path below the folder of ``site.toml``."""
    time_us: int
    actor: str
    kind: VersionKind
    note: str
    bytes: int | None
    """None where the file was taken away."""


def hold_versions(connection: Connection) -> None:
    """Let nobody else add a version until the end of this transaction."""
    with translate_errors():
        connection.execute("LOCK TABLE settings_version IN SHARE ROW EXCLUSIVE MODE")


def add_version(
    connection: Connection, *, file: str, content: str | None, time_us: int, actor: str, kind: VersionKind, note: str = ""
) -> int:
    """Return the number of the version added."""
    with translate_errors():
        row = connection.execute(
            "INSERT INTO settings_version (file, content, time, actor, kind, note) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (file, content, datetime.fromtimestamp(time_us / 1e6, UTC), actor, kind.value, note),
        ).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING gives its row
    return int(row[0])


def read_versions(connection: Connection, file: str | None = None, most: int = 200) -> list[SettingsVersion]:
    """Return the newest versions of one file or of all, the newest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM settings_version WHERE %s::text IS NULL OR file = %s ORDER BY id DESC LIMIT %s",  # noqa: S608
            (file, file, most),
        ).fetchall()
    return [_version(*row) for row in rows]


def newest_content(connection: Connection, file: str) -> tuple[bool, str | None]:
    """Return whether there is a version of a file, and what the newest holds."""
    with translate_errors():
        row = connection.execute("SELECT content FROM settings_version WHERE file = %s ORDER BY id DESC LIMIT 1", (file,)).fetchone()
    return (False, None) if row is None else (True, row[0])


def read_version(connection: Connection, version: int) -> tuple[SettingsVersion, str | None]:
    """Return a version and what it holds; Rejected where there is none."""
    with translate_errors():
        row = connection.execute(f"SELECT {_COLUMNS}, content FROM settings_version WHERE id = %s", (version,)).fetchone()  # noqa: S608
    if row is None:
        raise Rejected("there is no such version")
    return _version(*row[:7]), row[7]


def _version(number: int, file: str, time_us: int, actor: str, kind: str, note: str, size: int | None) -> SettingsVersion:
    return SettingsVersion(number, file, time_us, actor, VersionKind(kind), note, size)
