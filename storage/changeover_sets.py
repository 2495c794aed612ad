"""The changeover sets as kept: each version whole, as a person wrote it, with its hash. The newest is in force."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from plant.changeover_file import changed, parse_changeovers
from plant.changeover_sets import ChangeoverBook, InCharge
from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.models import ModelStage, read_models
from storage.process_windows import read_windows

CHANGEOVERS: Final = "changeovers"
"""Channel of NOTIFY: other sets are in force."""
_LOCK: Final = 5_347_610_776
_MOST_SAID: Final = 50


@dataclass(frozen=True, slots=True)
class StoredBook:
    """The sets in force, and since when by whom."""

    version: int
    time_us: int
    actor: str
    book: ChangeoverBook


def write_changeovers(connection: Connection, text: str, *, actor: str, now_us: int, place: str = "changeovers.toml") -> int | None:
    """Put the changeover sets of a text in force and return their version; None where those in force are the same.

    Raises SettingsError where the text is wrong; then nothing changes.
    """
    if not actor.strip():
        raise Rejected("a person answers for changeover sets: say who")
    book = parse_changeovers(text, place)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        before = connection.execute("SELECT version, sha256, content FROM changeover_book WHERE in_force").fetchone()
        if before is not None and before[1] == sha256:
            return None
        connection.execute("UPDATE changeover_book SET in_force = false WHERE in_force")
        row = connection.execute(
            "INSERT INTO changeover_book (version, sha256, content, sets, parts, actor, time, in_force) "
            "VALUES ((SELECT coalesce(max(version), 0) + 1 FROM changeover_book), %s, %s, %s, %s, %s, %s, true) RETURNING version",
            [sha256, text, len(book.sets), len(book.parts), actor, moment(now_us)],
        ).fetchone()
        assert row is not None  # noqa: S101 - it was just added
        notify(connection, CHANGEOVERS, str(row[0]))
        said = changed(None if before is None else parse_changeovers(before[2], "changeover sets in force"), book)
        previous = None if before is None else {"version": before[0], "sha256": before[1]}
        next_ = {"version": row[0], "sha256": sha256, "sets": len(book.sets), "changes": list(said[:_MOST_SAID]), "changed": len(said)}
        add_audit(connection, time_us=now_us, actor=actor, act="import", subject="changeover sets", previous=previous, next_=next_)
    return int(row[0])


def read_changeovers(connection: Connection) -> StoredBook | None:
    """Return the changeover sets in force, None where none were ever imported."""
    with translate_errors():
        row = connection.execute("SELECT version, time, actor, content FROM changeover_book WHERE in_force").fetchone()
    if row is None:
        return None
    return StoredBook(int(row[0]), micros(row[1]), str(row[2]), parse_changeovers(str(row[3]), "changeover sets in force"))


def read_in_charge(connection: Connection) -> InCharge:
    """Return what the parts of sets must agree with: the process windows in force and the models in charge of judging pictures."""
    active = (one.file.sha256 for one in read_models(connection) if one.stage is ModelStage.ACTIVE)
    return InCharge(read_windows(connection), frozenset(active))
