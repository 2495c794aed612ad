"""What a Sparkplug host application tells of the edge nodes it follows, and of their values."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.sparkplug_tables import Samples


@dataclass(frozen=True, slots=True)
class Stale:
    """Signals whose edge node or device is gone: what they said last is not true any more for sure."""

    places: tuple[int, ...]
    at_us: int
    why: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Messages that did not come."""

    node: str
    count: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Values that cannot be given to any signal, or a message that cannot be read."""

    node: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Untold:
    """Signals that a birth does not tell of, or whose type is not read."""

    node: str
    places: tuple[int, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rebirth:
    """An edge node is to be asked for its births."""

    node: str
    why: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An edge node or a device came or went."""

    node: str
    device: str
    online: bool
    why: str


Event = Samples | Stale | Missing | Refused | Untold | Rebirth | Changed


@dataclass(frozen=True, slots=True)
class Standing:
    """How an edge node or a device is."""

    name: str
    """``group/edge_node`` or ``group/edge_node/device``."""
    online: bool | None
    """None until something was heard of it."""
    since_us: int
