"""The audit trail: who changed what, when, and what stood there before. Each row's hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from storage.database import Connection, translate_errors

_CHAIN_LOCK = 0x6C656164_61756469
"""Advisory lock that makes writers add to the chain one after the other."""


_AT_ONCE = 5000
_EXACT = 1e16
"""A whole number from here on is kept by the database with all its digits, and read back as such."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be added to the trail. Values must be JSON without secrets."""

    time_us: int
    actor: str
    act: str
    subject: str
    previous: Any = None
    next: Any = None
    address: str = ""


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
    return add_audits(connection, [Told(time_us, actor, act, subject, previous, next_, address)])


def add_audits(connection: Connection, told: Sequence[Told]) -> int:
    """Add entries in their order under one lock, and return the number of the last; 0 where there are none."""
    if not told:
        return 0
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CHAIN_LOCK,))
        row = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
        number, before = (0, b"") if row is None else (int(row[0]), bytes(row[1]))
        rows = []
        for one in told:
            number += 1
            entry = AuditEntry(number, one.time_us, one.actor, one.act, one.subject, _kept(one.previous), _kept(one.next), one.address)
            before = _hash(before, entry)
            rows.append(
                (
                    number,
                    entry.time_us,
                    entry.actor,
                    entry.act,
                    entry.subject,
                    _json(entry.previous),
                    _json(entry.next),
                    entry.address,
                    before,
                )
            )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO audit (id, time_us, actor, act, subject, previous, next, address, hash) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
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


@dataclass(frozen=True, slots=True)
class Anchor:
    """How the trail stood at a moment, to be kept outside of the database: who rewrites the whole trail cannot rewrite it too."""

    time_us: int
    id: int
    """Number of the newest entry."""
    hash: str
    """Its hash, hexadecimal: it covers all entries before it."""


@dataclass(frozen=True, slots=True)
class AuditState:
    """What a look at the whole trail found."""

    entries: int
    head: str
    """Hash of the newest entry, hexadecimal; empty where there is none."""
    broken_at: int | None
    """Number of the first entry that was changed or follows a missing one; None where the chain holds."""
    other: Anchor | None
    """The first anchor that the trail does not agree with; None where it agrees with all."""

    @property
    def holds(self) -> bool:
        """Whether nothing was changed."""
        return self.broken_at is None and self.other is None


def verify_audit(connection: Connection) -> int | None:
    """Return the number of the first entry that was changed or that follows a missing one; None when the chain holds."""
    return audit_state(connection).broken_at


def audit_state(connection: Connection, anchors: Sequence[Anchor] = ()) -> AuditState:
    """Return what a look at every entry finds, hash by hash, and whether it agrees with anchors taken before."""
    waiting = sorted(anchors, key=lambda one: one.id)
    at, before, expected, broken, other = 0, b"", 1, None, None
    for entry, found in _entries(connection):
        if broken is None and (entry.id != expected or _hash(before, entry) != found):
            broken = entry.id
        before, expected = found, entry.id + 1
        while at < len(waiting) and waiting[at].id <= entry.id:
            if other is None and (waiting[at].id != entry.id or waiting[at].hash != before.hex()):
                other = waiting[at]
            at += 1
    if at < len(waiting) and other is None:
        other = waiting[at]
    return AuditState(expected - 1, before.hex(), broken, other)


def _entries(connection: Connection) -> Iterator[tuple[AuditEntry, bytes]]:
    """Give each entry with its hash, some thousands read at a time: the trail is only added to."""
    after = -(2**63)
    while True:
        with translate_errors():
            rows = connection.execute(
                "SELECT id, time_us, actor, act, subject, previous, next, address, hash FROM audit WHERE id > %s ORDER BY id LIMIT %s",
                [after, _AT_ONCE],
            ).fetchall()
        for *fields, found in rows:
            yield AuditEntry(*fields), bytes(found)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]


def audit_anchor(connection: Connection, now_us: int) -> Anchor | None:
    """Return how the trail stands now; None where it has no entry."""
    with translate_errors():
        row = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else Anchor(now_us, int(row[0]), bytes(row[1]).hex())


def _kept(value: Any) -> Any:
    """Return a value as it is read back later: the hash is of what the table holds."""
    if isinstance(value, float) and abs(value) >= _EXACT:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _kept(one) for key, one in value.items()}
    return [_kept(one) for one in value] if isinstance(value, list | tuple) else value


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _hash(before: bytes, entry: AuditEntry) -> bytes:
    content = [entry.id, entry.time_us, entry.actor, entry.act, entry.subject, entry.previous, entry.next, entry.address]
    return hashlib.sha256(before + json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).digest()
