"""The audit trail: who changed what, when, and what stood there before. Each row's hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from storage.database import Connection, translate_errors

_CHAIN_LOCK = 0x6C656164_61756469
"""Advisory lock that makes writers add to the chain one after the other."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: when, by whom, what was done to what, and the value before and after as JSON."""

    id: int
    time_us: int
    actor: str
    act: str
    subject: str
    previous: Any
    next: Any
    address: str
    """Network address the request came from."""


def add_audit(
    connection: Connection,
    *,
    time_us: int,
    actor: str,
    act: str,
    subject: str,
    previous: Any = None,
    next_: Any = None,
    address: str = "",
) -> int:
    """Return the number of the entry added. Values must be JSON without secrets."""
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CHAIN_LOCK,))
        row = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
        number, before = (1, b"") if row is None else (int(row[0]) + 1, bytes(row[1]))
        entry = AuditEntry(number, time_us, actor, act, subject, previous, next_, address)
        connection.execute(
            "INSERT INTO audit (id, time_us, actor, act, subject, previous, next, address, hash) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (number, time_us, actor, act, subject, _json(previous), _json(next_), address, _hash(before, entry)),
        )
    return number


def read_audit(connection: Connection, *, most: int = 200, before: int | None = None) -> list[AuditEntry]:
    """Return the newest entries, newest first; ``before`` pages back from an entry's number."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id, time_us, actor, act, subject, previous, next, address FROM audit "
            "WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(most)s",
            {"before": before, "most": most},
        ).fetchall()
    return [AuditEntry(*row) for row in rows]


def verify_audit(connection: Connection) -> int | None:
    """Return the number of the first entry that was changed or that follows a missing one; None when the chain holds."""
    before, expected = b"", 1
    with translate_errors():
        cursor = connection.execute("SELECT id, time_us, actor, act, subject, previous, next, address, hash FROM audit ORDER BY id")
        for *fields, found in cursor:
            entry = AuditEntry(*fields)
            if entry.id != expected or _hash(before, entry) != bytes(found):
                return entry.id
            before, expected = bytes(found), expected + 1
    return None


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _hash(before: bytes, entry: AuditEntry) -> bytes:
    content = [entry.id, entry.time_us, entry.actor, entry.act, entry.subject, entry.previous, entry.next, entry.address]
    return hashlib.sha256(before + json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).digest()
