"""One event of a controller, from what its server sends to what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from plant.events import ControllerEvent, EquipmentRule, equipment_of
from plant.signals import SourceId
from protocols.opcua_events import Event

_MOST_TEXT: Final = 4000
_NOT_SAID: Final = 1
"""Severity of an event that tells none: the least there is."""
_EARLIEST_US: Final = 0
_LATEST_US: Final = 253_370_764_800_000_000
"""Of the year 1970 and 9999."""


@dataclass(frozen=True, slots=True)
class EventSource:
    """Whose events are taken in, and which of them."""

    id: SourceId
    notifiers: tuple[str, ...]
    rules: tuple[EquipmentRule, ...] = ()
    least_severity: int = 0
    conditions_only: bool = False
    queue_size: int = 5000


def event_of(source: EventSource, told: Event, now_us: int) -> ControllerEvent | None:
    """Return what is kept of an event; None for one without id or type, or at a time that no calendar has."""
    fields = told.fields
    event_id, severity = fields.get("event_id"), fields.get("severity")
    time_us = fields.get("time") or fields.get("server_time") or now_us
    if not isinstance(event_id, bytes) or not event_id or not told.type or not _EARLIEST_US <= time_us <= _LATEST_US:
        return None
    name, node = _kept(told.text("source_name")), _kept(told.text("source_node"))
    return ControllerEvent(
        source.id,
        equipment_of(source.rules, name, node),
        event_id[:255],
        _kept(told.type),
        node,
        name,
        time_us,
        now_us,
        _kept(told.text("message")),
        min(max(severity, 1), 1000) if isinstance(severity, int) else _NOT_SAID,
        _kept(told.text("condition")),
        _kept(told.text("branch")),
        _kept(told.text("condition_name")),
        retain=told.flag("retain"),
        active=told.flag("active"),
        acknowledged=told.flag("acknowledged"),
        confirmed=told.flag("confirmed"),
        enabled=told.flag("enabled"),
        suppressed=told.flag("suppressed"),
        shelved=told.flag("shelved"),
        shelving=_kept(told.text("shelving")),
        comment=_kept(told.text("comment")),
        user=_kept(told.text("user")),
    )


def _kept(text: Any) -> str:
    """Return a text as a database keeps it."""
    return str(text).replace("\0", "")[:_MOST_TEXT]
