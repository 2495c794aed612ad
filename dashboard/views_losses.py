"""States, losses and OEE as services return them: frozen, without NaN or infinity, times as ``*_us``, ratios from 0 on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class UnitView:
    """What one equipment does now."""

    equipment: str
    name: str
    state: str
    machinery_state: str
    """As OPC 40001-1 names it; empty where it is unknown."""
    mode: str
    loss: str
    reason: str
    reason_name: str
    since_us: int | None
    known_until_us: int | None
    """Up to when all that its sources read has arrived; what came later is not judged yet."""
    is_late: bool
    """Nothing has arrived for so long that the state is not known any more."""
    product: str
    order: str
    part: str
    shift: str
    """The shift that runs; empty outside of all."""
    team: str


@dataclass(frozen=True, slots=True)
class SliceView:
    """A piece of time of one equipment in which nothing changes."""

    equipment: str
    from_us: int
    to_us: int
    us: int
    planned: str
    """shift, break or not_planned."""
    shift: str
    day: str
    team: str
    loss: str
    state: str
    machinery_state: str
    mode: str
    reason: str
    """As a person said it, else as the rules told it."""
    told_reason: str
    """As the rules told it."""
    reason_name: str
    product: str
    order: str
    part: str
    word: int | None
    """Number of what a person said of it."""
    stop_us: int
    """Begin of the stop or run that it is a piece of."""


@dataclass(frozen=True, slots=True)
class OeeView:
    """The figures of ISO 22400-2 of one group; None where one cannot be known."""

    group: str
    availability: float | None
    availability_at_most: float | None
    """Had all unknown time been production."""
    effectiveness: float | None
    """Above 1: the planned run time is set wrong."""
    quality_ratio: float | None
    oee: float | None
    nee: float | None
    utilization_efficiency: float | None
    allocation_efficiency: float | None
    technical_efficiency: float | None
    setup_ratio: float | None
    scrap_ratio: float | None
    rework_ratio: float | None
    calendar_us: int
    not_planned_us: int
    break_us: int
    pbt_us: int
    apt_us: int
    aust_us: int
    adet_us: int
    adot_us: int
    aupt_us: int
    aubt_us: int
    unknown_us: int
    breakdown_us: int
    minor_stop_us: int
    waiting_us: int
    maintenance_us: int
    idle_us: int
    off_us: int
    planned_run_us: int | None
    """PRI times PQ."""
    produced: int | None
    good: int | None
    scrap: int | None
    rework: int | None
    failures: int
    minor_stops: int
    mtbf_us: int | None
    mttr_us: int | None
    pieces_per_hour: float | None
    produced_unplanned_us: int
    pieces_unplanned: int
    run_time_is_wrong: bool
    without_run_time: tuple[str, ...]
    """Products made that have no planned run time; '' stands for all of an equipment."""
    without_calendar: bool
    """Some of the equipment has no shift calendar: all its time counts as planned."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the waterfall."""

    name: str
    us: int
    is_sum: bool


@dataclass(frozen=True, slots=True)
class ParetoView:
    """What one reason cost."""

    loss: str
    reason: str
    reason_name: str
    us: int
    share: float
    """Of all that was lost."""
    stops: int
    longest_us: int


@dataclass(frozen=True, slots=True)
class PiecesView:
    """Pieces made in one second."""

    equipment: str
    time_us: int
    kind: str
    product: str
    order: str
    pieces: int


@dataclass(frozen=True, slots=True)
class CounterNoteView:
    """Something a counter did that is no production."""

    equipment: str
    time_us: int
    signal: str
    fault: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class ShiftView:
    """One shift as planned."""

    name: str
    day: str
    team: str
    from_us: int
    to_us: int
    planned_us: int
    breaks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ReasonView:
    """One reason of the tree."""

    path: str
    name: str
    loss: str | None


@dataclass(frozen=True, slots=True)
class WordView:
    """What a person said of a span."""

    id: int
    equipment: str
    from_us: int
    to_us: int
    reason: str
    note: str
    actor: str
    made_us: int


class WordDraft(Strict):
    """What a person says of a span of an equipment. An empty reason takes back what was said before."""

    equipment: Annotated[str, Field(min_length=1, max_length=1000)]
    from_us: Annotated[int, Field(ge=0, le=2**53)]
    to_us: Annotated[int, Field(ge=0, le=2**53)]
    reason: Annotated[str, Field(max_length=400)]
    note: Annotated[str, Field(max_length=1000)] = ""
