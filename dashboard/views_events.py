"""Events of controllers as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventView:
    """One event as its controller told it; None where it did not say."""

    id: int
    """Rises in the order of storing; 0 for how a condition stands."""
    source: str
    equipment: str
    time_us: int
    received_us: int
    event_type: str
    source_name: str
    source_node: str
    message: str
    severity: int
    """1 to 1000."""
    condition: str
    """Address of the condition; empty for an event of none."""
    branch: str
    condition_name: str
    retain: bool | None
    active: bool | None
    acknowledged: bool | None
    confirmed: bool | None
    enabled: bool | None
    suppressed: bool | None
    shelved: bool | None
    shelving: str
    comment: str
    user: str
    told: str
    """live, refreshed or unseen."""


@dataclass(frozen=True, slots=True)
class ConditionView:
    """How one condition of a controller stands."""

    last: EventView
    """What was told of it last."""
    active_since_us: int | None
