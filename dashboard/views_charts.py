"""What the services of control charts return: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ChartState = Literal["learning", "in_control", "out_of_control"]


@dataclass(frozen=True, slots=True)
class IndexView:
    """One index of capability; never without n."""

    name: str
    value: float
    low: float | None
    """Ends of the interval that holds the true value with 95 %; None where no method gives one."""
    high: float | None
    method: str
    """``within_subgroups``, ``overall`` or ``percentiles``: where the spread comes from."""
    n: int
    enough: bool
    """Whether there are as many values as the index asks for; else it is provisional."""


@dataclass(frozen=True, slots=True)
class ChartView:
    """A characteristic with a control chart, and how it stands."""

    id: int
    key: str
    name: str
    equipment: str
    kind: str
    unit: str
    origin: str
    """The signal, or what of tightenings."""
    spindle: int | None
    program: int | None
    subgroup: int
    phase_1: int
    low: float | None
    high: float | None
    target: float | None
    rule_set: str
    tool: bool
    state: ChartState
    points: int
    last_us: int | None
    last_value: float | None
    phase: int | None
    center: float | None
    day_violations: int
    """Points of its last day that violate a rule."""
    open_violations: int
    """Points of its last seven days that violate a rule and of which nobody said why."""
    n: int | None
    mean: float | None
    sigma_within: float | None
    sigma_overall: float | None
    outside: int | None
    normality: float | None
    """How probable values like these are if they are normal; below 0.05 they are called not normal."""
    indices: tuple[IndexView, ...]


@dataclass(frozen=True, slots=True)
class PhaseView:
    """Limits, frozen from a point on."""

    phase: int
    from_number: int
    time_us: int
    points: int
    center: float
    sigma: float
    low: float | None
    high: float | None
    spread_center: float | None
    spread_low: float | None
    spread_high: float | None
    asked_by: str


@dataclass(frozen=True, slots=True)
class NoteView:
    """What a person said of a point."""

    number: int
    time_us: int
    actor: str
    cause: str
    comment: str
    leave_out: bool


@dataclass(frozen=True, slots=True)
class PointsView:
    """The points of a chart as columns of equal length, its limits and what people said."""

    chart: int
    number: list[int]
    time_us: list[int]
    phase: list[int]
    """0 while limits are learnt."""
    mean: list[float]
    value: list[float | None]
    spread: list[float | None]
    size: list[int]
    low: list[float | None]
    """Limits of the point: its own, or those of its phase."""
    high: list[float | None]
    rules: list[list[str]]
    spread_rules: list[list[str]]
    phases: list[PhaseView]
    notes: list[NoteView]
    bins: list[float]
    """Edges of the histogram of single values."""
    counts: list[int]


@dataclass(frozen=True, slots=True)
class ViolationView:
    """A point that violates a rule."""

    chart: int
    name: str
    number: int
    part: str
    rule: str
    rule_set: str
    time_us: int
    value: float
    low: float | None
    high: float | None


class NoteDraft(BaseModel):
    """What a person says of a point."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[int, Field(ge=1)]
    cause: Annotated[str, Field(min_length=1, max_length=200, description="why the point is where it is")]
    comment: Annotated[str, Field(max_length=2000)] = ""
    leave_out: Annotated[bool, Field(description="the cause is known: limits made anew shall not count this point")] = False


@dataclass(frozen=True, slots=True)
class LimitsAskedView:
    """Limits will be made anew from the points up to this one."""

    chart: int
    number: int
