"""Genealogy as services return it and as programs tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from dashboard.views_orders import Microseconds, Word
from dashboard.views_part_orders import RefusedRowView
from plant.genealogy import ItemKind, Relation
from plant.strict import Strict

MOST_ROWS = 10_000
"""Of one request."""
Name = Annotated[Word, Field(min_length=1)]
Amount = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Traceable = Literal["serial", "lot", "sublot", "heat"]
"""What can be recalled: ``heat`` stands for all lots of one melt."""


@dataclass(frozen=True, slots=True)
class FoundNameView:
    """A serial, lot, heat, order or job order whose name holds what was searched."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class JobView:
    """The job order that a piece was made by."""

    job: str
    serial: str
    order: str
    customer: str
    product: str
    state: str
    due_us: int | None
    started_us: int | None
    ended_us: int | None


@dataclass(frozen=True, slots=True)
class StepView:
    """An operation that was done on a piece."""

    started_us: int
    job: str
    product: str
    operation: str
    alternative: str
    work_unit: str
    equipment: str
    """Path of the work unit where the site has it; else empty."""
    program: str
    duration_min: float
    rework_min: float | None
    first_pass: bool
    scrapped: bool
    energy_kwh: float | None
    decided_by: str


@dataclass(frozen=True, slots=True)
class StayAlarmView:
    """An alarm that was active while a piece was at a work unit."""

    alarm: str
    equipment: str
    signal: str
    message: str
    priority: int
    since_us: int


@dataclass(frozen=True, slots=True)
class StayView:
    """That a piece was at a work unit, and what went on there then."""

    equipment: str
    from_us: int
    to_us: int
    told: tuple[str, ...]
    """operation, state, tightening or picture."""
    alarms: tuple[StayAlarmView, ...]
    samples: int
    """That the signals of the work unit gave; 0 where none are kept any more."""
    bad: int


@dataclass(frozen=True, slots=True)
class TightenedView:
    """A tightening of a piece."""

    id: int
    time_us: int
    equipment: str
    spindle: int
    bolt: int | None
    program: str
    torque_nm: float | None
    angle_deg: float | None
    verdict: str
    has_curve: bool
    joint: int | None
    joint_state: str


@dataclass(frozen=True, slots=True)
class FlangeView:
    """How a group of joints of a piece stands."""

    group: str
    bolts: int
    joints: int
    released: int
    cases: int
    by_people: int
    begun_us: int
    ended_us: int


@dataclass(frozen=True, slots=True)
class LookView:
    """A look at a piece by a camera."""

    id: int
    taken_us: int
    station: str
    view: str
    subject: str
    decision: str
    frame: str
    has_picture: bool
    answered: bool
    """Whether a person has said what is right."""


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message to a controller that names a piece."""

    number: int
    kind: str
    work_unit: str
    stage: str
    time_us: int
    approved_by: str


@dataclass(frozen=True, slots=True)
class RouteReasonView:
    """The recommendation that set the route of a piece."""

    recommendation: int
    product: str
    stage: str
    approved_by: str
    made_us: int
    delivery: int | None


@dataclass(frozen=True, slots=True)
class MadePieceView:
    """A piece that was made by the route of a recommendation."""

    serial: str
    started_us: int
    last_us: int
    """Begin of its newest operation."""
    operations: int
    first_pass: bool
    """Whether each of them was right at once."""
    scrapped: bool


@dataclass(frozen=True, slots=True)
class DesignVersionView:
    """A design change of the product of a piece."""

    id: int
    number: str
    version: str
    effective_from: str
    holds: bool
    """Whether it is the version of this serial."""


@dataclass(frozen=True, slots=True)
class PlateView:
    """A sheet that parts for the order of a piece were cut from; which of its pieces got which part is not told by this."""

    part_order: str
    part: str
    nest: int
    nest_state: str
    sheet: str
    material: str
    thickness_mm: float
    heat: str
    cut_us: int | None


@dataclass(frozen=True, slots=True)
class BranchView:
    """A lot or piece in a tree."""

    id: str
    """Unique in its tree; ``parent`` names that of the branch it hangs on, empty: the root."""
    parent: str
    kind: str
    name: str
    material: str
    heat: str
    depth: int
    relation: str
    """built_in or made_from."""
    place: str
    quantity: float | None
    unit: str
    built_us: int
    work_unit: str
    operation: str
    job_order: str
    nest: int | None
    out_us: int | None
    """When it was taken out again; None where it stands."""
    out_reason: str
    further: int
    """How many rows hang on it."""


@dataclass(frozen=True, slots=True)
class ItemView:
    """A lot or piece as it was described."""

    kind: str
    name: str
    material: str
    supplier: str
    heat: str
    certificate: str
    quantity: float | None
    unit: str
    note: str
    told_us: int
    actor: str


@dataclass(frozen=True, slots=True)
class SerialView:
    """What a piece has been through; each list in the order of time."""

    serial: str
    known: bool
    """Whether anything here names it."""
    item: ItemView | None
    jobs: tuple[JobView, ...]
    operations: tuple[StepView, ...]
    stays: tuple[StayView, ...]
    joints: tuple[FlangeView, ...]
    tightenings: tuple[TightenedView, ...]
    inspections: tuple[LookView, ...]
    route: RouteReasonView | None
    deliveries: tuple[MessageView, ...]
    versions: tuple[DesignVersionView, ...]
    plates: tuple[PlateView, ...]
    made_of: tuple[BranchView, ...]
    part_of: tuple[BranchView, ...]
    energy_kwh: float | None
    """Of its operations, as far as they were measured."""


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot, sublot or heat and where it went."""

    kind: str
    name: str
    items: tuple[ItemView, ...]
    """Of a heat: its lots."""
    made_from: tuple[BranchView, ...]
    used_in: tuple[BranchView, ...]
    pieces: int
    """Pieces with a serial that it stands in or stood in, directly or not."""
    holding: int
    """Those of them that it still stands in."""
    ends: int
    """Those that stand in nothing else: what leaves the factory."""


@dataclass(frozen=True, slots=True)
class RecallView:
    """A piece or lot that something stands in, or stood in."""

    kind: str
    name: str
    holds: bool
    """Whether it still stands in it."""
    stands_in: str
    by_kind: str
    by_name: str
    """What it came in with, directly."""
    place: str
    built_us: int
    work_unit: str
    job_order: str
    out_us: int | None
    out_reason: str
    order: str
    customer: str
    product: str
    state: str
    material: str


@dataclass(frozen=True, slots=True)
class WrittenBuiltInView:
    """What became of what was told."""

    added: int
    same: int
    refused: dict[str, str]
    """By the row's place in the request, from 1: why not."""


@dataclass(frozen=True, slots=True)
class TakenBuiltInView:
    """What became of a table of what is built in, or would become of it."""

    added: int
    same: int
    refused: tuple[RefusedRowView, ...]
    written: bool
    """Whether it is kept; else nothing is changed yet."""


@dataclass(frozen=True, slots=True)
class WrittenLotsView:
    """How many lots were kept."""

    lots: int


class BuiltInDraft(Strict):
    """One thing built into another, in the words of ISA-95: a piece with a serial, a material lot or sublot."""

    into: Name
    into_kind: ItemKind = ItemKind.SERIAL
    component: Name
    component_kind: ItemKind = ItemKind.LOT
    relation: Relation = Relation.BUILT_IN
    place: Annotated[Word, Field(description="where in it: boom, bolt circle, joint 12")] = ""
    quantity: Amount | None = None
    unit: Annotated[Word, Field(description="by UCUM; 1 for pieces")] = ""
    built_us: Annotated[Microseconds | None, Field(description="when; without it: now")] = None
    work_unit: Word = ""
    operation: Word = ""
    job_order: Word = ""


class BuiltInsDraft(Strict):
    """What was built in, one row each."""

    built_in: Annotated[tuple[BuiltInDraft, ...], Field(min_length=1, max_length=MOST_ROWS)]


class LotDraft(Strict):
    """A material lot, or with ``of_lot`` a sublot of it."""

    lot: Name
    of_lot: Word = ""
    material: Word = ""
    supplier: Word = ""
    heat: Annotated[Word, Field(description="number of the melt")] = ""
    certificate: Word = ""
    quantity: Amount | None = None
    unit: Word = ""
    note: Annotated[str, Field(max_length=2000)] = ""


class LotsDraft(Strict):
    """Lots, one row each."""

    lots: Annotated[tuple[LotDraft, ...], Field(min_length=1, max_length=MOST_ROWS)]


class TakenOutDraft(Strict):
    """That a component was taken out again, and why."""

    into: Name
    into_kind: ItemKind = ItemKind.SERIAL
    component: Name
    component_kind: ItemKind = ItemKind.SERIAL
    place: Annotated[Word | None, Field(description="where; without it: wherever it stands in it")] = None
    reason: Annotated[str, Field(min_length=3, max_length=2000)]


@dataclass(frozen=True, slots=True)
class PartAtView:
    """Which piece was at a work unit at a time."""

    equipment: str
    at_us: int
    serial: str | None
