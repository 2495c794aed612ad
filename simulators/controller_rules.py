"""What a simulated controller is built to be, how it may misbehave, and what it says. Values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from plant.deliveries import Quantity, SetPart
from simulators.controller_check import ProgramLimits
from simulators.controller_reading import Order

_SECOND_US: Final = 1_000_000


class State(StrEnum):
    """As PackML (ISA-TR88.00.02) names the states that matter here."""

    STOPPED = "Stopped"
    IDLE = "Idle"
    EXECUTE = "Execute"
    HELD = "Held"
    ABORTED = "Aborted"


class Said(StrEnum):
    """What a controller says of a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXECUTED = "executed"
    FAILED = "failed"
    """It was accepted and could not be carried out; what was before is in force."""
    ROLLED_BACK = "rolled_back"
    """It was begun, and what was before is in force again."""
    MEASURED = "measured"
    NOT_TAKEN = "not_taken"
    """Only when asked: it remembers what it took, and this was not among it."""


class Behaviour(StrEnum):
    """How a controller behaves; all but the first are faults."""

    OBEDIENT = "obedient"
    SLOW = "slow"
    """It says after ``slow_us`` what others say at once."""
    REFUSING = "refusing"
    """Not ready, whatever comes."""
    LYING = "lying"
    """Says that it has done it, and does nothing."""
    REPLAYING = "replaying"
    """Says old answers again with each new one, and answers of messages that nobody sent."""
    TWICE = "twice"
    """Says each answer twice."""
    SILENT = "silent"
    """Does it, and never says a word."""
    DEAF = "deaf"
    """Neither does nor says anything."""
    CRASHING = "crashing"
    """Loses its power between its yes and the deed."""
    WRONG_COUNTER = "wrong_counter"
    """Believes that it has taken a thousand messages more than it was sent."""
    FAILING = "failing"
    """Accepts and cannot carry out."""
    HALFWAY = "halfway"
    """A changeover stops after half of its parts; they are switched back if ``rolls_back``."""
    DRIFTING = "drifting"
    """Sets what was asked, but a little off."""
    AI_OFF = "ai_off"
    """The switch at the machine is thrown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One thing that a controller says of a message."""

    message_id: str
    said: Said
    time_us: int
    reason: str = ""
    """Why it refused or failed, one word: those of ``controller_check.Code``, or ``not_ready``, ``power_lost``, ``fault``."""
    name: str = ""
    """Of the parameter that is wrong, where it is one."""
    values: tuple[Quantity, ...] = ()
    """Read back after it acted."""
    parts: tuple[SetPart, ...] = ()
    """Likewise, of a changeover."""
    measured: tuple[Quantity, ...] = ()
    key: str = ""
    """The same where it says the same again."""


@dataclass(frozen=True, slots=True)
class Life:
    """What a heartbeat bears."""

    counter: int
    ai_off: bool
    local: bool
    state: str


@dataclass(frozen=True, slots=True)
class Execution:
    """What really happened: a message was carried out."""

    message_id: str
    counter: int
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRules:
    """What a simulated controller is built to be."""

    work_unit: str
    keys: Mapping[str, bytes]
    programs: tuple[ProgramLimits, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    """Set points in force at the start."""
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name and version of what is switched on at the start, by kind."""
    behaviour: Behaviour = Behaviour.OBEDIENT
    work_us: int = 0
    """From its yes to the deed."""
    slow_us: int = 5 * _SECOND_US
    job_us: int = 10 * _SECOND_US
    """How long a part takes, where ``lasts`` does not say."""
    lasts: Callable[[Order], int] | None = None
    """How long the part of an order takes, in microseconds."""
    down_us: int = 2 * _SECOND_US
    """How long it is without power when it crashes."""
    watchdog_us: int | None = None
    """Without Leadhand's heartbeat for so long it goes back to its own set points; None: it does not watch."""
    memory: Path | None = None
    """Where counter, set points and answers outlive a loss of power; None: they do not."""
    rolls_back: bool = True
    """Whether a changeover that fails half way is undone by the controller itself."""
    measure: Callable[[Order], tuple[Quantity, ...]] | None = None
    """What is measured of the first parts after a message was carried out."""
