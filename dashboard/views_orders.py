"""Customer orders as services return them and as people and programs send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from plant.strict import Strict

Number = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="the customer's or the ERP's own")]
Microseconds = Annotated[int, Field(ge=946_684_800_000_000, lt=7_258_118_400_000_000, description="microseconds since 1970-01-01 UTC")]
Priority = Annotated[int, Field(ge=1, le=9, description="9 matters most")]
Quantity = Annotated[int, Field(ge=1, le=1000)]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
MOST_ORDERS = 5000
"""Of one request."""


@dataclass(frozen=True, slots=True)
class OrderView:
    """A customer order, how far it is and what was promised of it."""

    id: int
    number: str
    customer: str
    product: str
    quantity: int
    due_us: int | None
    release_us: int | None
    priority: int
    received_us: int
    note: str
    state: str
    """open, done or cancelled."""
    source: str
    done: int
    """Parts of it that are done, ..."""
    started: int
    """... and that are under way."""
    ended_us: int | None
    planned_end_us: int | None
    """By the plan; None where it is in none yet."""
    late_us: int | None
    """How much later than its due time it is planned to end, or ended; less than 0: before it."""
    ready_50_us: int | None
    ready_80_us: int | None
    ready_95_us: int | None
    """By these times with 50, 80, 95 % probability."""
    due_probability: float | None
    """That it is ready by its due time."""
    calibrated_by: int | None
    """So many orders that ended spoke for the promise."""
    plan: int | None
    """The version of the plan that the promise was made from."""
    problems: tuple[str, ...]
    """Why parts of it are in no plan."""


@dataclass(frozen=True, slots=True)
class JobOrderView:
    """One part of an order."""

    id: str
    serial: str
    product: str
    alternatives: tuple[str, ...]
    """The route that somebody decided; empty: the planner chooses."""
    state: str
    state_us: int
    started_us: int | None
    ended_us: int | None
    reported: bool
    problem: str


@dataclass(frozen=True, slots=True)
class OrderChangeView:
    """What would change of an order that is there."""

    number: str
    before: dict[str, object]
    after: dict[str, object]


@dataclass(frozen=True, slots=True)
class WrittenOrdersView:
    """What became of orders that were sent, or would become of them."""

    added: tuple[str, ...]
    changed: tuple[OrderChangeView, ...]
    same: int
    refused: dict[str, str]
    """By number, why it cannot be so."""
    written: bool


class OrderDraft(Strict):
    """A customer order. The same number again changes it; the same content again does nothing."""

    number: Number
    product: Annotated[Word, Field(min_length=1)]
    customer: Word = ""
    quantity: Quantity = 1
    due_us: Microseconds | None = None
    release_us: Annotated[Microseconds | None, Field(description="it cannot be begun before")] = None
    priority: Priority = 5
    serials: Annotated[tuple[Annotated[Word, Field(min_length=1)], ...], Field(max_length=1000)] = ()
    note: Annotated[str, Field(max_length=2000)] = ""


class OrdersDraft(Strict):
    """Several customer orders at once."""

    orders: Annotated[tuple[OrderDraft, ...], Field(min_length=1, max_length=MOST_ORDERS)]


class OrderChangeDraft(Strict):
    """What to change of an order; what is not named stays."""

    customer: Word | None = None
    quantity: Quantity | None = None
    due_us: Microseconds | None = None
    release_us: Microseconds | None = None
    priority: Priority | None = None
    note: Annotated[str | None, Field(max_length=2000)] = None


class SplitDraft(Strict):
    """The last parts of an order become an order of their own."""

    number: Annotated[Number, Field(description="of the new order")]
    quantity: Annotated[Quantity, Field(description="so many parts go to it")]
    due_us: Microseconds | None = None
    priority: Priority | None = None


class CancelDraft(Strict):
    """Why an order is cancelled."""

    note: Annotated[str, Field(max_length=2000)] = ""
