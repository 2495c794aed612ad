"""Condition as services return it: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from plant.condition import Answer
from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class WatchedView:
    """How one watched equipment stands."""

    equipment: str
    name: str
    parts: int
    """Measured so far."""
    least_parts: int
    """Parts from which there is a baseline."""
    last_us: int | None
    judged: bool
    """False while there is not enough evidence."""
    open_findings: int
    severity: str | None
    """Of the worst open finding: slight, clear or strong."""
    energy_kwh: float | None
    """Mean of the last twenty parts."""
    idle_share: float | None
    """Of that energy, while the machine did not work."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """Something that is not as usual."""

    id: int
    equipment: str
    program: str
    step: str
    occurrence: int
    begin_us: int
    end_us: int | None
    last_us: int
    severity: str
    ratio: float
    """How many times as far off as the limit, at worst."""
    parts: int
    reasons: tuple[dict[str, Any], ...]
    """The strongest first: code, signal, feature, partner, percent, deviations, level, usual, parts, ratio, stream."""
    sentences: tuple[str, ...]
    """The reasons in words, in the language asked for."""
    answer: str | None
    answered_by: str
    note: str


@dataclass(frozen=True, slots=True)
class StreamView:
    """One number that is watched."""

    id: int
    program: str
    step: str
    occurrence: int
    signal: str
    """Empty for how long the step takes."""
    feature: str


@dataclass(frozen=True, slots=True)
class TrendView:
    """One number of the last parts with what is usual of it. Spread and duration are logarithms."""

    stream: int
    time_us: list[int]
    level: list[float]
    baseline_from_us: list[int]
    middle: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True, slots=True)
class PartEnergyView:
    """The energy of one part."""

    begin_us: int
    end_us: int
    part: str
    program: str
    energy_kwh: float | None
    idle_kwh: float | None
    judged: bool


@dataclass(frozen=True, slots=True)
class ToolView:
    """One tool from when it was put in."""

    equipment: str
    begin_us: int
    end_us: int | None
    tool: str
    parts: int
    outlook: str
    """no_evidence, no_limit, no_trend, trend or worn."""
    rise_percent: float | None
    limit_percent: float | None
    remaining_parts: float | None
    remaining_low: float | None
    remaining_high: float | None
    called_worn: bool


class AnswerDraft(Strict):
    """What a person says to a finding, or of a whole equipment; of that only that a tool was changed."""

    answer: Answer
    finding: Annotated[int | None, Field(ge=1, le=2**62)] = None
    equipment: Annotated[str, Field(max_length=1000)] = ""
    note: Annotated[str, Field(max_length=1000)] = ""
