"""Modes of work units as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class AskedView:
    """A closed loop that one person asked for; another confirms it until it lapses."""

    actor: str
    time_us: int
    lapses_us: int
    hours: float
    reason: str


@dataclass(frozen=True, slots=True)
class TroubleView:
    """Something that is wrong at a work unit."""

    kind: str
    time_us: int
    words: str


@dataclass(frozen=True, slots=True)
class ModeView:
    """How much is delivered to a work unit, and how its controller does."""

    work_unit: str
    mode: str
    """``off``, ``shadow``, ``advisory`` or ``closed_loop``, as it holds now."""
    since_us: int | None
    """None: nobody ever set one."""
    until_us: int | None
    """When a closed loop ends."""
    actor: str
    second: str
    """Who confirmed a closed loop."""
    reason: str
    dropped: str
    """Why it fell back by itself, as a word; empty where a person set it."""
    asked: AskedView | None
    controller: str
    """Id of the first controller of the settings that acts for it; empty: none does."""
    way: str
    heartbeat_seconds: float | None
    heard_us: int | None
    told_us: int | None
    ai_off: bool
    state: str
    """The controller's own word."""
    counter: int
    """The highest that it has accepted, as it says."""
    counter_given: int
    """The highest that it was given."""
    proposed: int
    under_way: int
    in_doubt: int
    troubles: tuple[TroubleView, ...]


@dataclass(frozen=True, slots=True)
class ModeChangeView:
    """One thing that happened to the mode of a work unit."""

    number: int
    work_unit: str
    mode: str
    time_us: int
    until_us: int | None
    actor: str
    second: str
    reason: str


@dataclass(frozen=True, slots=True)
class DroppedView:
    """Work units whose closed loops were ended."""

    work_units: tuple[str, ...]


Reason = Annotated[str, Field(min_length=3, max_length=1000)]
WorkUnit = Annotated[str, Field(min_length=1, max_length=400)]


class ModeDraft(Strict):
    """Another mode for a work unit; a closed loop is asked for instead."""

    work_unit: WorkUnit
    mode: Literal["off", "shadow", "advisory"]
    reason: Reason


class LoopDraft(Strict):
    """A closed loop asked for; it begins when another person confirms it."""

    work_unit: WorkUnit
    hours: Annotated[float, Field(gt=0, le=8)]
    reason: Reason


class LoopConfirmDraft(Strict):
    """The second person's yes to a closed loop."""

    work_unit: WorkUnit


class DropDraft(Strict):
    """End all closed loops."""

    reason: Reason
