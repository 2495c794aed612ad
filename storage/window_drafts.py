"""Process windows that an engineer wrote and another person decides on, and the versions of the sets they become part of.

An approved draft goes into force by ``storage.process_windows.write_windows``, the way a file does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from plant.errors import Rejected
from plant.process_windows import ProcessWindow, WindowSet, parse_windows
from plant.window_changes import key_of, with_window
from storage.audit import add_audit
from storage.database import Connection, micros, moment, translate_errors
from storage.process_windows import lock_windows, read_window_text, windows_version, write_windows

_COLUMNS: Final = "id, base, document, note, author, time, stage, decided_by, decided_time, reason, version"
_NOBODY: Final = "\N{EN DASH}"
"""Stands for the approver until there is one."""


class DraftStage(StrEnum):
    """What became of a draft."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class WindowDraft:
    """A window as an engineer wrote it, and what was decided."""

    id: int
    base: int
    """Version of the set in force when it was written; 0: there was none."""
    window: ProcessWindow
    """Its approver is a dash until somebody approved it."""
    note: str
    author: str
    time_us: int
    stage: DraftStage
    decided_by: str
    decided_us: int | None
    reason: str
    version: int | None
    """Of the set that it became part of."""


@dataclass(frozen=True, slots=True)
class WindowVersion:
    """One version of the set of process windows."""

    version: int
    sha256: str
    windows: int
    actor: str
    time_us: int
    in_force: bool


def read_versions(connection: Connection, most: int = 100) -> list[WindowVersion]:
    """Return the versions of the set, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT version, sha256, windows, actor, time, in_force FROM process_window_set ORDER BY version DESC LIMIT %s", [most]
        ).fetchall()
    return [WindowVersion(row[0], row[1], row[2], row[3], micros(row[4]), row[5]) for row in rows]


def read_version_text(connection: Connection, version: int) -> str:
    """Return a version of the set as it was written. Raises Rejected where there is none of this number."""
    with translate_errors():
        row = connection.execute("SELECT content FROM process_window_set WHERE version = %s", [version]).fetchone()
    if row is None:
        raise Rejected(f"there is no version {version} of the process windows")
    return str(row[0])


def add_draft(connection: Connection, window: ProcessWindow, *, author: str, note: str, now_us: int, address: str = "") -> int:
    """Keep a draft, with its line in the audit trail, and return its number. Its version is the next one of its window.

    Raises Rejected while another draft of the same window waits, and where it changes nothing.
    """
    base = windows_version(connection)
    in_force = _of(_set(read_window_text(connection)), window)
    drawn = _drawn(window, 1 if in_force is None else in_force.version + 1, author, _NOBODY)
    if in_force is not None and _same(drawn, in_force):
        raise Rejected("the draft changes nothing of the window in force")
    with translate_errors(), connection.transaction():
        waits = "SELECT id FROM window_draft WHERE (work_unit, program, job) = (%s, %s, %s) AND stage = 'waiting'"
        found = connection.execute(waits, key_of(drawn)).fetchone()
        if found is not None:
            raise Rejected(f"draft {found[0]} of this window waits to be decided; withdraw it first, or have it decided")
        try:
            row = connection.execute(
                "INSERT INTO window_draft (work_unit, program, job, base, document, note, author, time, stage) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'waiting') RETURNING id",
                [*key_of(drawn), base, Jsonb(_document(drawn)), note, author, moment(now_us)],
            ).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise Rejected("another draft of this window came at the same time; load the page again") from error
        assert row is not None  # noqa: S101 - it was just added
        told = {"draft": row[0], "base": base, "version": drawn.version, "note": note}
        _audit(connection, now_us, author, "windows.draft", drawn, None, told, address)
    return int(row[0])


def approve_draft(connection: Connection, number: int, *, actor: str, now_us: int, address: str = "") -> int:
    """Put the window of a draft in force and return the new version of the set.

    Raises Rejected where the author asks himself, the draft was decided, or its window was changed since it was written.
    """
    with translate_errors(), connection.transaction():
        lock_windows(connection)
        draft = _waiting(connection, number)
        if draft.author.strip().casefold() == actor.strip().casefold():
            raise Rejected("nobody approves what he wrote: another person must")
        text = read_window_text(connection)
        was = None if draft.base == 0 else _of(_set(read_version_text(connection, draft.base)), draft.window)
        if _of(_set(text), draft.window) != was:
            raise Rejected("the window in force was changed since the draft was written; decline it, and write it anew")
        approved = _drawn(draft.window, draft.window.version, draft.author, actor)
        version = write_windows(connection, with_window(text or "", approved), actor=actor, now_us=now_us, place="the draft")
        if version is None:
            raise Rejected("the draft changes nothing of the windows in force")
        _decide(connection, number, DraftStage.APPROVED, actor, "", now_us, version)
        told = {"draft": number, "author": draft.author, "version": draft.window.version, "set": version}
        _audit(connection, now_us, actor, "windows.draft.approve", draft.window, {"set": draft.base}, told, address)
    return version


def end_draft(connection: Connection, number: int, stage: DraftStage, *, actor: str, reason: str, now_us: int, address: str = "") -> None:
    """Decline a draft for a reason; its author withdraws it. Raises Rejected where it was decided, or another one withdraws it."""
    with translate_errors(), connection.transaction():
        draft = _waiting(connection, number)
        if stage is DraftStage.WITHDRAWN and draft.author != actor:
            raise Rejected("only its author withdraws a draft; decline it")
        _decide(connection, number, stage, actor, reason, now_us, None)
        act = "windows.draft.withdraw" if stage is DraftStage.WITHDRAWN else "windows.draft.decline"
        _audit(connection, now_us, actor, act, draft.window, None, {"draft": number, "reason": reason}, address)


def read_draft(connection: Connection, number: int) -> WindowDraft | None:
    """Return one draft, None where there is none of this number."""
    with translate_errors():
        row = connection.execute(f"SELECT {_COLUMNS} FROM window_draft WHERE id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _draft(row)


def read_drafts(connection: Connection, most: int = 50) -> list[WindowDraft]:
    """Return drafts, those that wait first, then the newest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM window_draft ORDER BY stage <> 'waiting', id DESC LIMIT %s",  # noqa: S608
            [most],
        ).fetchall()
    return [_draft(row) for row in rows]


def waiting_drafts(connection: Connection) -> int:
    """Return how many drafts wait to be decided."""
    with translate_errors():
        row = connection.execute("SELECT count(*) FROM window_draft WHERE stage = 'waiting'").fetchone()
    return 0 if row is None else int(row[0])


def _waiting(connection: Connection, number: int) -> WindowDraft:
    row = connection.execute(f"SELECT {_COLUMNS} FROM window_draft WHERE id = %s FOR UPDATE", [number]).fetchone()  # noqa: S608
    if row is None:
        raise Rejected(f"there is no draft {number}")
    draft = _draft(row)
    if draft.stage is not DraftStage.WAITING:
        raise Rejected(f"draft {number} was decided already: {draft.stage.value} by {draft.decided_by}")
    return draft


def _decide(connection: Connection, number: int, stage: DraftStage, actor: str, reason: str, now_us: int, version: int | None) -> None:
    connection.execute(
        "UPDATE window_draft SET stage = %s, decided_by = %s, decided_time = %s, reason = %s, version = %s WHERE id = %s",
        [stage.value, actor, moment(now_us), reason, version, number],
    )


def _draft(row: Any) -> WindowDraft:
    number, base, document, note, author, time, stage, decided_by, decided, reason, version = row
    approver = decided_by if stage == DraftStage.APPROVED else _NOBODY
    window = ProcessWindow.model_validate({**document, "approver": approver})
    return WindowDraft(
        *(number, base, window, note, author, micros(time), DraftStage(stage), decided_by),
        *(None if decided is None else micros(decided), reason, version),
    )


def _document(window: ProcessWindow) -> dict[str, Any]:
    return window.model_dump(mode="json", exclude={"approver"}, exclude_none=True)


def _drawn(window: ProcessWindow, version: int, author: str, approver: str) -> ProcessWindow:
    try:
        return ProcessWindow.model_validate({**window.model_dump(), "version": version, "author": author, "approver": approver})
    except ValidationError as error:
        raise Rejected(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def _same(one: ProcessWindow, other: ProcessWindow) -> bool:
    names = {"version", "author", "approver"}
    return one.model_dump(exclude=names) == other.model_dump(exclude=names)


def _set(text: str | None) -> WindowSet | None:
    return None if text is None else parse_windows(text, "process windows in force")


def _of(windows: WindowSet | None, window: ProcessWindow) -> ProcessWindow | None:
    return None if windows is None else next((one for one in windows.windows if key_of(one) == key_of(window)), None)


def _audit(
    connection: Connection, now_us: int, actor: str, act: str, window: ProcessWindow, previous: Any, next_: Any, address: str
) -> None:
    subject = " / ".join(part for part in key_of(window) if part != "*")
    add_audit(connection, time_us=now_us, actor=actor, act=act, subject=subject, previous=previous, next_=next_, address=address)
