"""Orders from a table that somebody filled in a spreadsheet: each wrong cell told by row and column."""

from __future__ import annotations

import re
from collections.abc import Collection

from dashboard.brought_tables import cells_of
from dashboard.spreadsheets import write_xlsx
from plant.customer_orders import OPTIONAL, REQUIRED, CustomerOrder, order_columns, read_orders
from plant.errors import SettingsError
from plant.table_rows import row_words

COLUMNS = (*REQUIRED, *OPTIONAL)
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2}) 00:00:00\Z")


def orders_of_table(
    content: bytes, place: str, *, received_us: int, zone: str, products: Collection[str] | None
) -> tuple[CustomerOrder, ...]:
    """Return the orders of a CSV file or workbook. Raises SettingsError with a sentence for each wrong cell; then none is taken."""
    table = cells_of(content, place)
    while table and not any(cell.strip() for cell in table[-1]):
        table.pop()
    if not table:
        raise SettingsError(f"{place}: the first row must name the columns {', '.join(COLUMNS)}")
    header = [name.strip().lower() for name in table[0]]
    while header and not header[-1]:
        header.pop()
    wrong = order_columns(header)
    if wrong:
        raise SettingsError(row_words(place, wrong))
    rows = [
        (number, {name: _cell(text) for name, text in zip(header, row, strict=False)})
        for number, row in enumerate(table[1:], 2)
        if any(cell.strip() for cell in row)
    ]
    orders, problems = read_orders(rows, received_us=received_us, zone=zone, products=products)
    if problems:
        raise SettingsError(row_words(place, problems))
    if not orders:
        raise SettingsError(f"{place}: there is no row with an order in it")
    return orders


def empty_table() -> bytes:
    """Return a workbook with the columns of orders and one row as an example."""
    example = ("SO-4711", "EX-30", "A customer", "2", "2026-12-24", "", "5", "", "")
    return write_xlsx("orders", COLUMNS, [example], frozenset({"quantity", "priority"}), {})


def _cell(text: str) -> str | None:
    # a workbook's date without a time is the day, whose end counts for 'due'
    day = _MIDNIGHT.match(text)
    return day[1] if day else text or None
