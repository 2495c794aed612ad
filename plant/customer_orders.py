"""What customers asked for, and the job orders that it becomes: one for each serial. Pure functions.

``read_orders`` reads rows of a table (CSV, XLSX, Parquet) or of ``orders.json`` strictly: each wrong cell is told by row and column.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from plant.calendars import wall_clock_us
from plant.table_rows import RowProblem

REQUIRED: Final = ("order", "product")
OPTIONAL: Final = ("customer", "quantity", "due", "release", "priority", "serials", "note")
MOST_QUANTITY: Final = 1000
LEAST_PRIORITY: Final = 1
MOST_PRIORITY: Final = 9
USUAL_PRIORITY: Final = 5
_LONGEST: Final = 200
_LONGEST_NOTE: Final = 2000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


class OrderState(StrEnum):
    """How far a customer order is."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class JobOrderState(StrEnum):
    """How far a job order is."""

    WAITING = "waiting"
    STARTED = "started"
    DONE = "done"
    SCRAPPED = "scrapped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CustomerOrder:
    """What a customer asked for."""

    number: str
    """The customer's or the ERP's own; the same number is the same order."""
    product: str
    customer: str = ""
    quantity: int = 1
    due_us: int | None = None
    release_us: int | None = None
    """It cannot be begun before: material, drawings."""
    priority: int = USUAL_PRIORITY
    """1 to 9; 9 matters most."""
    received_us: int = 0
    serials: tuple[str, ...] = ()
    """Of the parts, where the customer names them; else they are made from the number."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One part to be made: ISA-95's job order, with one serial."""

    id: str
    """Its name: what equipment and the history call the order."""
    order: str
    """The customer order's number."""
    serial: str
    product: str
    alternatives: tuple[str, ...] = ()
    """The route that somebody decided; empty: the planner chooses."""
    release_us: int | None = None
    due_us: int | None = None
    priority: int = USUAL_PRIORITY
    state: JobOrderState = JobOrderState.WAITING


def job_orders(order: CustomerOrder) -> tuple[JobOrder, ...]:
    """Return the job orders of a customer order: one for each serial, named by the order's number and their place in it."""
    width = len(str(order.quantity))
    names = [order.number if order.quantity == 1 else f"{order.number}-{place:0{width}}" for place in range(1, order.quantity + 1)]
    serials = order.serials or tuple(names)
    return tuple(
        JobOrder(name, order.number, serial, order.product, (), order.release_us, order.due_us, order.priority)
        for name, serial in zip(names, serials, strict=True)
    )


def order_weight(priority: int) -> int:
    """Return how much a tick of tardiness counts: twice as much two priorities higher."""
    return round(4 * 2 ** ((priority - USUAL_PRIORITY) / 2))


def order_columns(header: Iterable[str]) -> list[RowProblem]:
    """Return what is wrong with a table's header: columns that are missing, unknown or there twice."""
    there = list(header)
    told = [RowProblem(1, name, "is missing; each order needs it") for name in REQUIRED if name not in there]
    for name in dict.fromkeys(there):
        if name not in {*REQUIRED, *OPTIONAL}:
            known = ", ".join((*REQUIRED, *OPTIONAL))
            told.append(RowProblem(1, name, f"is no column of orders; take it out. There are: {known}"))
        if there.count(name) > 1:
            told.append(RowProblem(1, name, "is there twice; take one of them out"))
    return told


def read_orders(
    rows: Iterable[tuple[int, Mapping[str, object]]],
    *,
    received_us: int,
    zone: str = "UTC",
    products: Collection[str] | None = None,
) -> tuple[tuple[CustomerOrder, ...], tuple[RowProblem, ...]]:
    """Return the orders of the good rows, and what is wrong with each cell of the others.

    ``rows``: the row's number in its file and its cells by column; a cell is text, a number, a date, a list (serials) or None. A time
    without an offset is plant time of ``zone``; a date alone as ``due`` means the end of that day, as ``release`` its begin.
    ``products``: those that are known; None: any.
    """
    problems: list[RowProblem] = []
    found: list[CustomerOrder] = []
    lines: dict[str, int] = {}
    serials: dict[str, int] = {}
    for row, cells in rows:
        before = len(problems)
        order = _order(_Row(row, cells, zone, problems), received_us, products)
        if order.number and lines.setdefault(order.number, row) != row:
            problems.append(RowProblem(row, "order", f"'{order.number}' stands in row {lines[order.number]} already; take one of them out"))
        problems.extend(
            RowProblem(row, "serials", f"'{serial}' stands in row {serials[serial]} already")
            for serial in order.serials
            if serials.setdefault(serial, row) != row
        )
        if len(problems) == before:
            found.append(order)
    return tuple(found), tuple(problems)


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    cells: Mapping[str, object]
    zone: str
    problems: list[RowProblem]

    def wrong(self, column: str, reason: str) -> None:
        self.problems.append(RowProblem(self.number, column, reason))

    def given(self, column: str) -> object:
        value = self.cells.get(column)
        if value is None or (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and not value.strip()):
            return None
        return value

    def text(self, column: str, *, needed: bool = False, longest: int = _LONGEST) -> str:
        value = self.given(column)
        if value is None:
            if needed:
                self.wrong(column, "is empty")
            return ""
        # Excel keeps order 4711 as 4711.0
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
        if len(text) > longest:
            self.wrong(column, f"has {len(text)} characters; {longest} are the most")
        elif "\0" in text:
            self.wrong(column, "holds the character NUL, which no database keeps")
        elif column != "note" and not text.isprintable():
            self.wrong(column, "holds characters that cannot be printed")
        return text

    def count(self, column: str, usual: int, least: int, most: int) -> int:
        value = self.given(column)
        if value is None:
            return usual
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number) or not number.is_integer() or not least <= number <= most:
            self.wrong(column, f"write a whole number from {least} to {most}, not '{str(value)[:40]}'")
            return usual
        return int(number)

    def moment(self, column: str, *, end: bool) -> int | None:
        value = self.given(column)
        if value is None:
            return None
        told = _time(value)
        if told is None:
            self.wrong(column, f"write a date or a time as 2026-12-24 or 2026-12-24T14:00+01:00, not '{str(value)[:40]}'")
            return None
        if not isinstance(told, datetime):
            told = datetime.combine(told + _DAY if end else told, time())
        if not _FIRST <= told.replace(tzinfo=told.tzinfo or UTC) < _LAST:
            self.wrong(column, f"{told.isoformat()} lies outside of the years 2000 to 2199")
            return None
        return wall_clock_us(self.zone, told) if told.tzinfo is None else (told - _EPOCH) // _MICROSECOND


def _order(row: _Row, received_us: int, products: Collection[str] | None) -> CustomerOrder:
    number, product = row.text("order", needed=True), row.text("product", needed=True)
    if product and products is not None and product not in products:
        row.wrong("product", f"there is no product '{product[:80]}'; import it first")
    quantity = row.count("quantity", 1, 1, MOST_QUANTITY)
    due, release = row.moment("due", end=True), row.moment("release", end=False)
    if due is not None and release is not None and due <= release:
        row.wrong("due", "lies before 'release', when it can be begun")
    return CustomerOrder(
        number,
        product,
        row.text("customer"),
        quantity,
        due,
        release,
        row.count("priority", USUAL_PRIORITY, LEAST_PRIORITY, MOST_PRIORITY),
        received_us,
        _serials(row, quantity),
        row.text("note", longest=_LONGEST_NOTE),
    )


def _serials(row: _Row, quantity: int) -> tuple[str, ...]:
    value = row.given("serials")
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        told = [str(one).strip() for one in value]
    else:
        told = [one.strip() for one in row.text("serials", longest=_LONGEST * MOST_QUANTITY).replace(",", ";").split(";")]
    if any(not one or len(one) > _LONGEST or not one.isprintable() for one in told):
        row.wrong("serials", f"write printable names of at most {_LONGEST} letters with ';' between them")
        return ()
    if len(set(told)) != len(told):
        row.wrong("serials", "names a serial twice")
    if len(told) != quantity:
        row.wrong("serials", f"names {len(told)}, but the quantity is {quantity}")
    return tuple(told)


def _time(value: object) -> datetime | date | None:
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date()  # a sheet keeps a date as the begin of the day
    if isinstance(value, datetime | date):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not text or "-" not in text[1:]:
        return None
    try:
        return date.fromisoformat(text) if len(text) <= len("2026-12-24") else datetime.fromisoformat(text)
    except ValueError:
        return None
