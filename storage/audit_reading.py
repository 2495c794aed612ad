"""The audit trail as people search it: by who, what, of what and when, each entry with its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from storage.audit import AuditEntry
from storage.database import Connection, translate_errors

_NEWEST: Final = 20_000
"""Names to choose from are those of so many entries; all others are found by writing them."""


@dataclass(frozen=True, slots=True)
class AuditWish:
    """What is looked for; empty words mean all. ``*`` stands for any letters; words without it are found anywhere, in any case."""

    actor: str = ""
    act: str = ""
    subject: str = ""
    from_us: int | None = None
    to_us: int | None = None
    before: int | None = None
    """Entries below this number, to page back."""


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry with its hash, hexadecimal, which covers all entries before it."""

    entry: AuditEntry
    hash: str


def find_audit(connection: Connection, wish: AuditWish, most: int = 200) -> list[ChainedEntry]:
    """Return the entries that fit, the newest first."""
    given: dict[str, Any] = {"from": wish.from_us, "to": wish.to_us, "before": wish.before, "most": most}
    given |= {name: _pattern(getattr(wish, name)) for name in ("actor", "act", "subject")}
    with translate_errors():
        rows = connection.execute(
            "SELECT id, time_us, actor, act, subject, previous, next, address, encode(hash, 'hex') FROM audit "
            "WHERE (%(before)s::bigint IS NULL OR id < %(before)s) "
            "AND (%(from)s::bigint IS NULL OR time_us >= %(from)s) AND (%(to)s::bigint IS NULL OR time_us <= %(to)s) "
            "AND (%(actor)s::text IS NULL OR actor ILIKE %(actor)s) AND (%(act)s::text IS NULL OR act ILIKE %(act)s) "
            "AND (%(subject)s::text IS NULL OR subject ILIKE %(subject)s) ORDER BY id DESC LIMIT %(most)s",
            given,
        ).fetchall()
    return [ChainedEntry(AuditEntry(*row[:-1]), row[-1]) for row in rows]


def audit_words(connection: Connection) -> tuple[list[str], list[str]]:
    """Return who did something lately, and what was done, by name."""
    with translate_errors():
        row = connection.execute(
            "SELECT coalesce(array_agg(DISTINCT actor), '{}'), coalesce(array_agg(DISTINCT act), '{}') FROM "
            "(SELECT actor, act FROM audit ORDER BY id DESC LIMIT %s) lately",
            [_NEWEST],
        ).fetchone()
    return ([], []) if row is None else (sorted(row[0]), sorted(row[1]))


def _pattern(words: str) -> str | None:
    """Return words as LIKE takes them."""
    words = words.strip().replace("\0", "")
    if not words:
        return None
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%") if "*" in words else f"%{escaped}%"
