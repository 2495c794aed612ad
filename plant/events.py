"""What a controller tells by itself: events, and the conditions they tell of (OPC 10000-9, alarms and conditions)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from plant import patterns
from plant.equipment import EquipmentId
from plant.signals import SourceId


class Told(StrEnum):
    """Why an event is told."""

    LIVE = "live"
    """It happened while we listened."""
    REFRESHED = "refreshed"
    """We asked how all conditions stand: it may have been told before."""
    UNSEEN = "unseen"
    """The condition ended while nobody listened: it was missing when we asked how all stand."""


@dataclass(frozen=True, slots=True)
class ControllerEvent:
    """One event. Where it is of a condition, the states are those of the condition behind it; None for what the server does not tell."""

    source: SourceId
    equipment: EquipmentId
    """Whose it is; empty where the settings do not say."""
    event_id: bytes
    event_type: str
    """Address of its type, e.g. ``ns=0;i=2915`` for an AlarmConditionType."""
    source_node: str
    source_name: str
    time_us: int
    """When it happened, by the server."""
    received_us: int
    """When we heard of it."""
    message: str
    severity: int
    """1 to 1000."""
    condition: str = ""
    """Address of the condition; empty for an event of none."""
    branch: str = ""
    """A former state of the condition that still waits for somebody; empty for the condition itself."""
    condition_name: str = ""
    retain: bool | None = None
    """Whether the condition is of interest still: shown while it is true."""
    active: bool | None = None
    acknowledged: bool | None = None
    confirmed: bool | None = None
    enabled: bool | None = None
    suppressed: bool | None = None
    shelved: bool | None = None
    shelving: str = ""
    """Unshelved, TimedShelved or OneShotShelved, as the server says it."""
    comment: str = ""
    user: str = ""
    """Who acted on it at the controller."""
    told: Told = Told.LIVE

    @property
    def is_condition(self) -> bool:
        """Whether it tells how a condition stands."""
        return bool(self.condition)

    @property
    def key(self) -> str:
        """The condition and its branch; empty for an event of none."""
        return f"{self.condition}|{self.branch}" if self.condition else ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A server told how all its conditions stand: those that are not among them are over."""

    source: SourceId
    begun_us: int
    ended_us: int
    """By our clock."""
    keys: tuple[str, ...]
    """Of the conditions that were told, and of those that told of themselves meanwhile."""


@dataclass(frozen=True, slots=True)
class EquipmentRule:
    """Which equipment the events of some names are of."""

    name: str
    """Glob over the event's source name or the address of its source node."""
    equipment: EquipmentId


def equipment_of(rules: Sequence[EquipmentRule], source_name: str, source_node: str) -> EquipmentId:
    """Return whose an event is: that of the first rule whose glob fits its source's name or node; empty where none does."""
    for rule in rules:
        if patterns.matches(rule.name, source_name) or patterns.matches(rule.name, source_node):
            return rule.equipment
    return EquipmentId("")
