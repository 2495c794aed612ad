"""Customer orders from files: CSV, XLSX and Parquet by their columns, JSON as ``orders/1``; read whole and checked before any is kept."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from optimizer.importing import Wish
from optimizer.table_files import open_table
from plant.customer_orders import OPTIONAL, REQUIRED, CustomerOrder, order_columns, read_orders
from plant.errors import SettingsError
from plant.table_rows import RowProblem, row_words
from storage.customer_orders import WrittenOrders, write_orders
from storage.database import Connection

FORMAT: Final = "orders/1"
MOST_ORDERS: Final = 100_000
_LARGEST_BYTES: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class ImportedOrders:
    """What became of a file of orders."""

    orders: int
    """Good ones."""
    written: WrittenOrders
    problems: tuple[RowProblem, ...] = ()
    """Of the rows that were left out."""


def read_order_file(
    path: Path, *, received_us: int, zone: str = "UTC", products: Collection[str] | None = None
) -> tuple[tuple[CustomerOrder, ...], tuple[RowProblem, ...]]:
    """Return the orders of the good rows of a file, and what is wrong with the others. Raises SettingsError for a file that is none."""
    problems: list[RowProblem] = []
    rows = _json_rows(path) if path.suffix.lower() == ".json" else _table_rows(path, problems)
    if len(rows) > MOST_ORDERS:
        raise SettingsError(f"{path}: holds more than {MOST_ORDERS:,} orders; is it a table of orders?")
    orders, wrong = read_orders(rows, received_us=received_us, zone=zone, products=products)
    return orders, (*problems, *wrong)


def import_orders(
    connection: Connection, path: Path, wish: Wish, *, zone: str = "UTC", products: Collection[str] | None = None
) -> ImportedOrders:
    """Keep the orders of a file; the same number again is the same order. Raises SettingsError with each wrong cell.

    ``wish.skip_bad``: keep the good ones though others are wrong. ``wish.dry_run``: only say what would become of them.
    """
    orders, problems = read_order_file(path, received_us=wish.now_us, zone=zone, products=products)
    if problems and not wish.skip_bad:
        raise SettingsError(row_words(str(path), problems))
    if not orders and not problems:
        raise SettingsError(f"{path}: names no order; add a row for each")
    written = write_orders(connection, orders, source="file", actor=wish.actor, now_us=wish.now_us, dry_run=wish.dry_run)
    return ImportedOrders(len(orders), written, problems)


def is_order_header(header: Sequence[str]) -> bool:
    """Whether a table's columns are those of orders, and of nothing else that is imported."""
    return set(REQUIRED) <= set(header) and "started_at" not in header


def _table_rows(path: Path, problems: list[RowProblem]) -> list[tuple[int, Mapping[str, object]]]:
    rows: list[tuple[int, Mapping[str, object]]] = []
    with open_table(path, problems) as table:
        wrong = order_columns(table.header)
        if wrong:
            raise SettingsError(row_words(str(path), wrong))
        for part in table.parts:
            columns = {name: cells.to_pylist() if isinstance(cells, pa.Array) else cells for name, cells in part.columns.items()}
            rows += [(part.row(at), {name: cells[at] for name, cells in columns.items()}) for at in range(part.length)]
            if len(rows) > MOST_ORDERS:
                break
    return rows


def _json_rows(path: Path) -> list[tuple[int, Mapping[str, object]]]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise SettingsError(f"{path}: holds more than {_LARGEST_BYTES // 1_000_000} MB; is it a file of orders?")
        told = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is no JSON: {error}") from error
    listed: Any = told.get("orders") if isinstance(told, dict) else None
    if not isinstance(told, dict) or told.get("leadhand") != FORMAT or not isinstance(listed, list):
        raise SettingsError(f'{path}: write {{"leadhand": "{FORMAT}", "orders": [...]}}')
    wrong = []
    for number, one in enumerate(listed, 1):
        unknown = sorted(set(one) - {*REQUIRED, *OPTIONAL}) if isinstance(one, dict) else ["it is no object"]
        wrong += [RowProblem(number, str(name)[:80], "is nothing that is known of an order") for name in unknown]
    if wrong:
        raise SettingsError(row_words(str(path), wrong))
    return list(enumerate(listed, 1))
