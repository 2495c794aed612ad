"""The audit trail as services return it: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """One change: when, by whom, what, and the value before and after."""

    id: int
    time_us: int
    actor: str
    act: str
    subject: str
    previous: Any
    next: Any
    address: str
    hash: str
    """Hexadecimal; it covers all entries before it."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change as a line of a table for spreadsheets."""

    id: int
    time: str
    """RFC 3339, UTC."""
    actor: str
    act: str
    subject: str
    previous: str
    """JSON, as ``next``."""
    next: str
    address: str
    hash: str


@dataclass(frozen=True, slots=True)
class AnchorView:
    """How the trail stood at a moment, kept in a file outside of the database."""

    time_us: int
    id: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditHeadView:
    """How the trail stands, without a look at each entry."""

    entries: int
    hash: str
    """Of the newest entry; empty where there is none."""
    newest_us: int | None
    anchors: int
    anchor: AnchorView | None
    """The newest one."""


@dataclass(frozen=True, slots=True)
class AuditCheckView:
    """What a look at every entry found."""

    holds: bool
    entries: int
    hash: str
    """Of the newest entry: the trail holds up to it."""
    broken_at: int | None
    """Number of the first entry that was changed, or follows one that was taken away."""
    rewritten_at: AnchorView | None
    """The first anchor that the trail does not agree with."""
    anchors: int
    anchor: AnchorView | None
    """The newest one."""
    checked_us: int
