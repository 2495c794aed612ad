"""Modes of delivery per work unit: off, shadow, advisory, closed loop. Values and the one rule of which mode holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CLOSED_LOOP_SECONDS: Final = 8 * 3600
"""A closed loop ends by itself after so long; work goes on as advisory."""
CONFIRM_SECONDS: Final = 15 * 60
"""The second person confirms a closed loop within so long after the first asked for it."""


class Mode(StrEnum):
    """How much is delivered to a work unit, and who approves it."""

    OFF = "off"
    """Nothing is made for it."""
    SHADOW = "shadow"
    """Messages are made and checked, and never sent."""
    ADVISORY = "advisory"
    """A person approves each. Where nobody set another mode, this one holds."""
    CLOSED_LOOP = "closed_loop"
    """Two persons approved beforehand, for hours; what keeps its process window goes out."""


class Dropped(StrEnum):
    """Why a mode fell back to advisory by itself."""

    HEARTBEAT = "heartbeat"
    """Nothing was heard of the controller for longer than agreed."""
    READ_BACK = "read_back"
    """What was read back was not what had been sent."""
    EXPIRED = "expired"
    """The closed loop's time was over."""
    INPUTS = "inputs"
    """What recommendations rest on was bad, stale or gapped."""
    GATE = "gate"
    """The gate refused what the optimizer proposed."""
    AI_OFF = "ai_off"
    """The switch at the machine."""
    COUNTER = "counter"
    """The controller counts otherwise than we do: somebody else sends, or it was set back."""
    RESTART = "restart"
    """The delivery process was away for longer than agreed."""


@dataclass(frozen=True, slots=True)
class ModeRow:
    """One thing that happened to the mode of a work unit."""

    number: int
    work_unit: str
    mode: Mode
    time_us: int
    until_us: int | None
    """When a closed loop ends; None: until somebody sets another."""
    actor: str
    """Who set it; ``delivery`` where it fell back by itself."""
    second: str = ""
    """Who confirmed a closed loop."""
    reason: str = ""
    """A person's words, or one of ``Dropped``."""


@dataclass(frozen=True, slots=True)
class AskedLoop:
    """A closed loop that one person asked for and no second one has confirmed."""

    work_unit: str
    actor: str
    time_us: int
    hours: float
    reason: str


@dataclass(frozen=True, slots=True)
class ControllerStanding:
    """What was last heard of a work unit's controller, and told it."""

    work_unit: str
    heard_us: int | None = None
    told_us: int | None = None
    ai_off: bool = False
    counter: int = 0
    """The highest that it has accepted, as it says."""
    state: str = ""
    """Its own word: PackML state, job state."""
    way: str = ""


def mode_now(rows: Iterable[ModeRow], now_us: int, default: Mode = Mode.ADVISORY) -> Mode:
    """Return the mode that the newest row of a work unit makes; a closed loop whose time is over is advisory again."""
    newest = max(rows, key=lambda row: row.number, default=None)
    if newest is None:
        return default
    if newest.mode is Mode.CLOSED_LOOP and newest.until_us is not None and now_us >= newest.until_us:
        return Mode.ADVISORY
    return newest.mode
