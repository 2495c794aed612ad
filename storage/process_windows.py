"""The process windows as kept: each version whole, as a person wrote it, with its hash. The newest is in force."""

from __future__ import annotations

import hashlib
from typing import Final

from plant.process_windows import WindowSet, parse_windows
from storage.audit import add_audit
from storage.database import Connection, moment, notify, translate_errors
from storage.operation_history import ROUTE_SET

_LOCK: Final = 5_347_610_243


def write_windows(connection: Connection, text: str, *, actor: str, now_us: int, place: str = "windows.toml") -> int | None:
    """Put the windows of a text in force and return their version; None where those in force are the same.

    Raises SettingsError where the text is wrong; then nothing changes.
    """
    windows = parse_windows(text, place)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    with translate_errors(), connection.transaction():
        lock_windows(connection)
        before = connection.execute("SELECT version, sha256 FROM process_window_set WHERE in_force").fetchone()
        if before is not None and before[1] == sha256:
            return None
        connection.execute("UPDATE process_window_set SET in_force = false WHERE in_force")
        row = connection.execute(
            "INSERT INTO process_window_set (version, sha256, content, windows, actor, time, in_force) "
            "VALUES ((SELECT coalesce(max(version), 0) + 1 FROM process_window_set), %s, %s, %s, %s, %s, true) RETURNING version",
            [sha256, text, len(windows.windows), actor, moment(now_us)],
        ).fetchone()
        assert row is not None  # noqa: S101 - it was just added
        notify(connection, ROUTE_SET, "windows")
        previous = None if before is None else {"version": before[0], "sha256": before[1]}
        next_ = {"version": row[0], "sha256": sha256, "windows": len(windows.windows)}
        add_audit(connection, time_us=now_us, actor=actor, act="import", subject="process windows", previous=previous, next_=next_)
    return int(row[0])


def lock_windows(connection: Connection) -> None:
    """Keep all others from putting windows in force until the transaction ends: who changes one window reads the set first."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def hold_windows(connection: Connection) -> None:
    """Keep the windows in force until the transaction ends: who puts others in force waits."""
    with translate_errors():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def read_windows(connection: Connection) -> WindowSet | None:
    """Return the windows in force, None where none were ever imported."""
    text = read_window_text(connection)
    return None if text is None else parse_windows(text, "process windows in force")


def read_window_text(connection: Connection) -> str | None:
    """Return the text of the windows in force as it was written, None where there is none."""
    with translate_errors():
        row = connection.execute("SELECT content FROM process_window_set WHERE in_force").fetchone()
    return None if row is None else str(row[0])


def windows_version(connection: Connection) -> int:
    """Return the version in force; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(version), 0) FROM process_window_set WHERE in_force").fetchone()
    return 0 if row is None else int(row[0])
