"""Joints as services return them: frozen, times as ``*_us`` since 1970 UTC, reasons in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class JointReasonView:
    """Why a joint is not released, in words."""

    code: str
    values: dict[str, str | float]
    words: str


@dataclass(frozen=True, slots=True)
class JointView:
    """One revision of a joint; None where a part of it is missing yet."""

    id: int
    revision: int
    group: str
    equipment: str
    part: str
    bolt: int
    time_us: int
    made_us: int
    risk: str
    state: str
    """released, waiting, case or stopped."""
    decision: str
    reasons: tuple[JointReasonView, ...]
    curve: str | None
    """What torque and angle say: ok, nok, review or not_decidable."""
    order: str | None
    mark: str | None
    measures: dict[str, float]
    distance: float | None
    """From good runs of the program, in spreads of the most unusual feature."""
    review_at: float | None
    reference_runs: int
    tightening: int | None
    spindle: int | None
    program: int | None
    tool: str
    tool_calibrated_us: int | None
    picture: str
    """Id of the picture; empty where there is none."""
    picture_calibration: str
    actor: str
    note: str
    validated_on: str
    """On what it was shown how sure faults are found."""


@dataclass(frozen=True, slots=True)
class JointBandView:
    """Between which torques good runs of a program lie, over the angle before the end; empty while the program is not learned."""

    runs: int
    angle_deg: list[float]
    low_nm: list[float]
    high_nm: list[float]
    words: str
    """Why there is none; empty where there is one."""


@dataclass(frozen=True, slots=True)
class JointGroupView:
    """How the joints of one flange stand."""

    group: str
    part: str
    bolts: int
    joints: int
    released: int
    waiting: int
    cases: int
    stopped: int
    begin_us: int
    end_us: int
    state: str


@dataclass(frozen=True, slots=True)
class SpindleView:
    """How one spindle stands among those that tighten the same joints at once; shares of the gradient of torque over angle."""

    spindle: int
    standing: str
    """even, apart, drifted or unsure."""
    rounds: int
    apart: float
    low: float
    high: float
    since_us: int | None
    target_offset: float | None
    """Share by which its target would have to rise until it is calibrated; None where nothing is advised."""
    words: str


class JointDecisionDraft(Strict):
    """What an inspector decides of a joint, and why."""

    decision: Literal["released", "stopped"]
    note: Annotated[str, Field(min_length=3, max_length=1000, description="why")]
