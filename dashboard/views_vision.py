"""Inspections as services return them: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from plant.inspections import Decision
from storage.review import MOST_BOXES


@dataclass(frozen=True, slots=True)
class ReasonView:
    """Why something was decided, in words."""

    code: str
    values: dict[str, str | float]
    words: str


@dataclass(frozen=True, slots=True)
class FoundView:
    """One thing found in a picture."""

    kind: str
    box_px: tuple[float, float, float, float]
    """x and y of its left upper and of its right lower corner."""
    confidence: float
    measures: dict[str, float]
    """By names that end with their unit."""
    decision: str
    reasons: tuple[ReasonView, ...]


@dataclass(frozen=True, slots=True)
class InspectionView:
    """One look at one part."""

    id: int
    frame: str
    """Id of its picture."""
    has_picture: bool
    """Whether the picture is still kept."""
    width: int
    height: int
    station: str
    view: str
    part: str
    taken_us: int
    stored_us: int
    subject: str
    decision: str
    reasons: tuple[ReasonView, ...]
    findings: tuple[FoundView, ...]
    uncertainty: float
    answered: bool
    model_sha256: str
    calibration: str
    latency_us: int
    shadow: bool


@dataclass(frozen=True, slots=True)
class BoxView:
    """One thing that an inspector sees."""

    kind: str
    box_px: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LabelView:
    """What an inspector said of an inspection."""

    id: int
    inspection: int
    time_us: int
    actor: str
    decision: str
    accepted: bool
    """Accepted as it was found; false: corrected."""
    boxes: tuple[BoxView, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class RefusedView:
    """A file that came as a picture and was not taken."""

    id: int
    time_us: int
    came_from: str
    name: str
    sha256: str
    bytes: int
    station: str
    view: str
    part: str
    reason: ReasonView


@dataclass(frozen=True, slots=True)
class DriftView:
    """How the pictures of a view are now, against the first ones of its calibration."""

    station: str
    view: str
    frames: int
    brightness: float
    brightness_now: float
    brightness_sigmas: float | None
    """In standard deviations of single pictures; None until 50 are known."""
    sharpness: float
    sharpness_now: float
    sharpness_sigmas: float | None


@dataclass(frozen=True, slots=True)
class TakenView:
    """A picture that waits to be looked at."""

    frame: str
    """Its id."""


class BoxDraft(BaseModel):
    """One thing that an inspector sees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[str, Field(min_length=1, max_length=80)]
    box_px: tuple[float, float, float, float]


class LabelDraft(BaseModel):
    """What an inspector says of an inspection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Decision
    boxes: Annotated[tuple[BoxDraft, ...] | None, Field(max_length=MOST_BOXES, description="without them those found are accepted")] = None
    comment: Annotated[str, Field(max_length=500)] = ""
