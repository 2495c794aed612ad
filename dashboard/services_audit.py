"""The audit trail for admins: searched, checked entry by entry, held against its anchors, taken out as a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_audit import AnchorView, AuditCheckView, AuditEntryView, AuditHeadView, AuditRow
from plant.clock import Clock
from storage.audit import Anchor, audit_anchor, audit_state
from storage.audit_anchors import read_anchors
from storage.audit_reading import AuditWish, audit_words, find_audit
from storage.database import Pool
from storage.people import Role

MOST: Final = 1000
MOST_ROWS: Final = 100_000
ANCHORS: Final = "audit-anchors.jsonl"
"""In the home folder, where the process that keeps the database in shape adds a line each hour."""


class AuditService:
    """Each call reads the database in the calling thread. Admins only. SettingsError where the file of anchors cannot be read."""

    def __init__(self, pool: Pool, clock: Clock, home: Path) -> None:
        self._pool, self._clock, self._anchors = pool, clock, home / ANCHORS

    def entries(self, who: Person, wish: AuditWish, most: int = 200) -> list[AuditEntryView]:
        """Return entries that fit, the newest first."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            found = find_audit(connection, wish, max(1, min(most, MOST)))
        return [
            AuditEntryView(
                *(one.entry.id, one.entry.time_us, one.entry.actor, one.entry.act, one.entry.subject, one.entry.previous),
                *(one.entry.next, one.entry.address, one.hash),
            )
            for one in found
        ]

    def rows(self, who: Person, wish: AuditWish, most: int = MOST_ROWS) -> list[AuditRow]:
        """Return entries that fit as lines of a table, the newest first."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            found = find_audit(connection, wish, max(1, min(most, MOST_ROWS)))
        return [
            AuditRow(
                *(one.entry.id, _time(one.entry.time_us), one.entry.actor, one.entry.act, one.entry.subject, _json(one.entry.previous)),
                *(_json(one.entry.next), one.entry.address, one.hash),
            )
            for one in found
        ]

    def words(self, who: Person) -> tuple[list[str], list[str]]:
        """Return who did something lately, and what was done."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            return audit_words(connection)

    def head(self, who: Person) -> AuditHeadView:
        """Return how the trail stands, without a look at each entry."""
        require(who, Role.ADMIN)
        anchors = read_anchors(self._anchors)
        with self._pool.connection() as connection:
            newest = audit_anchor(connection, self._clock.now_us())
            last = find_audit(connection, AuditWish(), 1)
        if newest is None or not last:
            return AuditHeadView(0, "", None, len(anchors), _newest(anchors))
        return AuditHeadView(newest.id, newest.hash, last[0].entry.time_us, len(anchors), _newest(anchors))

    def check(self, who: Person) -> AuditCheckView:
        """Return what a look at every entry finds, and whether it agrees with all anchors. It takes seconds for a million entries."""
        require(who, Role.ADMIN)
        anchors = read_anchors(self._anchors)
        with self._pool.connection() as connection:
            found = audit_state(connection, anchors)
        other = None if found.other is None else _anchor(found.other)
        return AuditCheckView(
            *(found.holds, found.entries, found.head, found.broken_at, other, len(anchors), _newest(anchors)), self._clock.now_us()
        )


def _anchor(one: Anchor) -> AnchorView:
    return AnchorView(one.time_us, one.id, one.hash)


def _newest(anchors: list[Anchor]) -> AnchorView | None:
    return _anchor(max(anchors, key=lambda one: one.id)) if anchors else None


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{time_us % 1_000_000:06d}Z"


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
