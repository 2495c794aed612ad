"""Part orders as services return them and as people and programs send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from dashboard.views_orders import Microseconds, Number, Priority, Word
from plant.strict import Strict

MOST_PART_ORDERS = 5000
"""Of one request."""
Millimetres = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
Degrees = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
Name = Annotated[Word, Field(min_length=1)]
Corners = Annotated[
    tuple[tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]], ...],
    Field(min_length=3, max_length=20_000),
]


@dataclass(frozen=True, slots=True)
class PartOrderView:
    """So many pieces of one part for one factory, how far they are, and when they will be ready."""

    id: int
    number: str
    factory: str
    part: str
    kind: str
    """cutting or stamping."""
    quantity: int
    waiting: int
    """Pieces that are in no released nest yet, ..."""
    released: int
    """... that are in one, ..."""
    made: int
    """... and that are made."""
    material: str
    thickness_mm: float
    width_mm: float | None
    height_mm: float | None
    area_mm2: float | None
    """Of one piece, less its holes."""
    sketch: str
    """Its shape as a path of SVG in a box of 100 x 100; empty where it is not cut."""
    rotations_deg: tuple[float, ...] | None
    """How it may lie; None: at any angle."""
    grain_deg: float | None
    hours: float | None
    """Of one piece; None: reckoned from its cut."""
    earliest_us: int | None
    due_us: int | None
    priority: int
    for_order: str
    note: str
    state: str
    """open, done or cancelled."""
    state_us: int
    received_us: int
    source: str
    actor: str
    begin_us: int | None
    """When work on it begins, as the hours of its centre are shared out; None: not known yet."""
    ready_us: int | None
    """When the last piece is ready; None: not known yet."""
    late_us: int | None
    """How much later than due that is, or was; less than 0: before it."""


@dataclass(frozen=True, slots=True)
class PieceOfWorkView:
    """Hours of a centre that a part order gets."""

    centre: str
    from_us: int
    to_us: int
    hours: float


@dataclass(frozen=True, slots=True)
class ReasonView:
    """Why an order got what it got."""

    code: str
    values: dict[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class NestOfOrderView:
    """A nest that holds pieces of a part order."""

    nest: int
    state: str
    centre: str
    from_us: int
    pieces: int


@dataclass(frozen=True, slots=True)
class PartOrderWholeView:
    """A part order with its shape, where and when it is made, and why."""

    order: PartOrderView
    outline: tuple[tuple[float, float], ...]
    """Corners in mm; empty where it is not cut."""
    holes: tuple[tuple[tuple[float, float], ...], ...]
    work: tuple[PieceOfWorkView, ...]
    why: tuple[ReasonView, ...]
    nests: tuple[NestOfOrderView, ...]


@dataclass(frozen=True, slots=True)
class RefusedRowView:
    """A row that was not taken, and why."""

    row: int
    """Of the list that was sent, from 1; of a table the row of its sheet, the head is 1."""
    number: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenPartOrdersView:
    """What became of part orders that were sent, or would become of them."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    same: int
    refused: tuple[RefusedRowView, ...]
    written: bool


class RectangleDraft(Strict):
    """A rectangle."""

    width_mm: Millimetres
    height_mm: Millimetres


class CircleDraft(Strict):
    """A disc, or a ring where it has a hole."""

    diameter_mm: Millimetres
    hole_mm: Annotated[Millimetres | None, Field(description="diameter of the hole in its middle")] = None

    @model_validator(mode="after")
    def _hole_is_smaller(self) -> CircleDraft:
        if self.hole_mm is not None and self.hole_mm >= self.diameter_mm:
            raise ValueError("hole_mm is not smaller than diameter_mm")
        return self


class OutlineDraft(Strict):
    """Any region in one piece: corners of its outline and of its holes, in mm."""

    outline: Corners
    holes: Annotated[tuple[Corners, ...], Field(max_length=2000)] = ()


class PartOrderDraft(Strict):
    """A part order. The same number again changes it; the same content again does nothing."""

    number: Number
    factory: Name
    part: Name
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    kind: Literal["cutting", "stamping"] = "cutting"
    rectangle: Annotated[RectangleDraft | None, Field(description="the shape of what is cut: one of these three")] = None
    circle: CircleDraft | None = None
    shape: OutlineDraft | None = None
    material: Word = ""
    thickness_mm: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.0
    rotations_deg: Annotated[
        tuple[Degrees, ...] | None, Field(min_length=1, max_length=360, description="how it may lie; not given: at any angle")
    ] = None
    grain_deg: Annotated[Degrees | None, Field(description="direction of the drawing that must lie along the rolling direction")] = None
    hours: Annotated[
        float | None, Field(ge=0, le=10_000, allow_inf_nan=False, description="of one piece; not given: reckoned from its cut")
    ] = None
    earliest_us: Microseconds | None = None
    due_us: Microseconds | None = None
    priority: Priority = 5
    for_order: Annotated[Word, Field(description="the customer order that waits for these parts")] = ""
    note: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _can_be(self) -> PartOrderDraft:
        shapes = [one for one in (self.rectangle, self.circle, self.shape) if one is not None]
        if self.kind == "cutting" and len(shapes) != 1:
            raise ValueError("a part that is cut needs one of rectangle, circle, shape")
        if self.kind == "stamping" and shapes:
            raise ValueError("a stamped part has no shape here: leave out rectangle, circle and shape")
        if self.kind == "stamping" and self.hours is None:
            raise ValueError("a stamped part needs hours, of one piece")
        if self.kind == "cutting" and not (self.material and self.thickness_mm):
            raise ValueError("a part that is cut needs material and thickness_mm")
        if None not in (self.due_us, self.earliest_us) and (self.due_us or 0) <= (self.earliest_us or 0):
            raise ValueError("due_us lies before earliest_us, when it can be begun")
        return self


@dataclass(frozen=True, slots=True)
class WrongDraft:
    """A row that is no part order."""

    number: str
    problems: tuple[str, ...]


def _or_wrong(value: object, handler: ValidatorFunctionWrapHandler) -> PartOrderDraft | WrongDraft:
    try:
        draft: PartOrderDraft = handler(value)
    except ValidationError as error:
        number = str(value.get("number", ""))[:200] if isinstance(value, dict) else ""
        return WrongDraft(number.replace("\0", ""), tuple(_words(one) for one in error.errors(include_url=False)))
    return draft


def _words(one: Any) -> str:
    place = ".".join(str(step) for step in one["loc"])
    return f"{place}: {one['msg'].removeprefix('Value error, ')}" if place else str(one["msg"].removeprefix("Value error, "))


LenientDraft = Annotated[PartOrderDraft, WrapValidator(_or_wrong)]
"""A part order, or why it is none: one wrong row does not refuse the others."""


class PartOrdersDraft(Strict):
    """Several part orders at once; a wrong one is refused with its row, the others are taken."""

    orders: Annotated[tuple[LenientDraft, ...], Field(min_length=1, max_length=MOST_PART_ORDERS)]


class MadeDraft(Strict):
    """Pieces of a stamped part that were made."""

    pieces: Annotated[int, Field(ge=1, le=1_000_000)]


class EndDraft(Strict):
    """Why a part order is cancelled, or why a nest goes another way."""

    note: Annotated[str, Field(max_length=2000)] = ""
