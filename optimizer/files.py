"""The files of a route set: products and history from CSV, XLSX and Parquet, and back again; bad rows are told one by one.

``network.json`` is read by ``plant.network_file``, ``windows.toml`` by ``plant.process_windows``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.cell import WriteOnlyCell

from optimizer.history_parts import OPTIONAL, REQUIRED, HistoryReader
from optimizer.table_files import ENDINGS, open_table
from plant.errors import SettingsError
from plant.network_file import network_json
from plant.operation_history import NOT_TOLD, OperationHistory
from plant.process_network import ProcessNetwork
from plant.products import FAMILY_COLUMN, ID_COLUMN, ProductTable, column_problems
from plant.products import read_products as read_rows
from plant.table_rows import RowProblem, row_words

MOST_PRODUCTS: Final = 200_000
_SHEET_ROWS: Final = 1_048_575
_WRITTEN_ROWS: Final = 500_000


def read_products(path: Path, network: ProcessNetwork, problems: list[RowProblem] | None = None) -> ProductTable:
    """Return the products of a file.

    With ``problems`` the good rows are returned and what is wrong with the others is added to it; without, each wrong cell becomes a
    sentence of a SettingsError. A wrong header is always one.
    """
    found: list[RowProblem] = []
    with open_table(path, found) as table:
        wrong = column_problems(network.features, table.header)
        if wrong:
            raise SettingsError(row_words(str(path), wrong))
        rows: list[tuple[int, Mapping[str, object]]] = []
        for part in table.parts:
            columns = {name: cells.to_pylist() if isinstance(cells, pa.Array) else cells for name, cells in part.columns.items()}
            rows += [(part.row(at), {name: cells[at] for name, cells in columns.items()}) for at in range(part.length)]
            if len(rows) > MOST_PRODUCTS:
                raise SettingsError(f"{path}: holds more than {MOST_PRODUCTS:,} products; is it a table of products?")
    products, bad = read_rows(network.features, rows)
    _told(path, [*found, *bad], problems)
    if not len(products) and problems is None:
        raise SettingsError(f"{path}: names no product; add a row for each")
    return products


def read_history(
    path: Path,
    network: ProcessNetwork,
    products: ProductTable,
    problems: list[RowProblem] | None = None,
    *,
    names: bool = False,
    known_only: bool = False,
) -> OperationHistory:
    """Return the operations of a file, coded by ``products.ids`` and the network's alternatives; of Parquet, millions fit.

    ``names``: keep orders and serials by name; without, only which rows are of one order is kept. ``known_only``: rows of products and
    alternatives that are not known are left out in silence, where an old history is longer than what is asked about. ``problems``: as for
    products.
    """
    found: list[RowProblem] = []
    reader = HistoryReader(network, products, names=names, known_only=known_only)
    with open_table(path, found) as table:
        wrong = _header_problems(table.header)
        if wrong:
            raise SettingsError(row_words(str(path), wrong))
        for part in table.parts:
            reader.take(part, found)
    _told(path, found, problems, reader.more_problems)
    return reader.history()


def write_products(path: Path, table: ProductTable) -> None:
    """Write products as CSV, XLSX or Parquet, by the file's ending."""
    header = (ID_COLUMN, FAMILY_COLUMN, *(feature.name for feature in table.features))

    def rows() -> Iterator[Sequence[object]]:
        for at in range(len(table)):
            product = table.at(at)
            yield (product.id, product.family, *(product.features[feature.name] for feature in table.features))

    if _ending(path) == ".parquet":
        listed = list(rows())
        pq.write_table(pa.table({name: [row[at] for row in listed] for at, name in enumerate(header)}), path)
    else:
        _write_rows(path, header, rows())


def write_network(path: Path, network: ProcessNetwork) -> None:
    """Write network.json."""
    path.write_text(json.dumps(network_json(network), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_history(path: Path, parts: Iterable[OperationHistory], network: ProcessNetwork) -> int:
    """Write a history, given in parts, as CSV, XLSX or Parquet, and return how many rows it has.

    Rows whose order was read as a bare number are written with that number.
    """
    ending = _ending(path)
    operation_of = {alternative.id: alternative.operation for alternative in network.alternatives}
    written = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal written
        for part in parts:
            for begin in range(0, len(part), _WRITTEN_ROWS):
                table = _table(part.take(slice(begin, begin + _WRITTEN_ROWS)), operation_of)
                written += table.num_rows
                yield table

    if ending == ".parquet":
        _write_parquet(path, tables())
        return written
    whole = list(tables())
    if not whole:
        _write_rows(path, (*REQUIRED, *OPTIONAL), iter(()))
        return 0
    names = tuple(dict.fromkeys(name for table in whole for name in table.column_names))
    if ending == ".xlsx" and written > _SHEET_ROWS:
        raise SettingsError(f"{path}: {written:,} rows are more than a sheet of Excel holds ({_SHEET_ROWS:,}); write .parquet or .csv")
    _write_rows(path, names, (row for table in whole for row in _rows(table, names)))
    return written


def _header_problems(header: Sequence[str]) -> list[RowProblem]:
    told = [RowProblem(1, name, "is missing; each operation done needs it") for name in REQUIRED if name not in header]
    for name in dict.fromkeys(header):
        if name not in {*REQUIRED, *OPTIONAL} and not name.startswith("p_"):
            told.append(RowProblem(1, name, "is no column of a history; take it out, or call a parameter p_<name>"))
        if list(header).count(name) > 1:
            told.append(RowProblem(1, name, "is there twice; take one of them out"))
    return told


def _told(path: Path, found: list[RowProblem], problems: list[RowProblem] | None, more: int = 0) -> None:
    if problems is not None:
        problems += found
        return
    if found:
        raise SettingsError([*row_words(str(path), found), *([f"{path}: {more:,} further wrong rows"] if more else [])])


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SettingsError(f"{path}: name a file that ends with .csv, .xlsx or .parquet")
    return ending


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for table in tables:
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _table(history: OperationHistory, operation_of: Mapping[str, str]) -> pa.Table:
    operations = list(dict.fromkeys(operation_of[name] for name in history.alternatives))
    operation = np.array([operations.index(operation_of[name]) for name in history.alternatives], np.int32)
    columns: dict[str, Any] = {
        "order": _words(history.order, history.orders),
        "serial": _words(history.serial, history.serials),
        "product": _words(history.product, history.products),
        "operation": _words(operation[history.alternative], operations),
        "alternative": _words(history.alternative, history.alternatives),
        "started_at": pa.array(history.started_us, pa.timestamp("us", tz="UTC")),
    }
    for name in ("duration_min", "rework_min", "energy_kwh", "wear", "propensity"):
        columns[name] = _floats(getattr(history, name))
    columns["first_pass"] = pa.array(np.asarray(history.first_pass))
    columns["scrapped"] = pa.array(np.ascontiguousarray(history.scrapped))
    columns["decided_by"] = _words(history.decided_by, history.deciders)
    columns |= {f"p_{name}": _floats(column) for name, column in history.parameters.items()}
    return pa.table(columns)


def _words(codes: npt.NDArray[np.int32], names: Sequence[str]) -> pa.Array:
    """Words as Arrow's dictionary; bare numbers where there are no names."""
    held = np.ascontiguousarray(codes)
    if not names:
        return pa.array(held.astype(str).astype(object), pa.string(), mask=held == NOT_TOLD)
    used, at = np.unique(held, return_inverse=True)
    words = pa.array([None if code == NOT_TOLD else names[code] for code in used.tolist()], pa.string())
    return words.take(pa.array(at.ravel()))


def _floats(column: npt.NDArray[np.float32]) -> pa.Array:
    held = np.ascontiguousarray(column)
    return pa.array(held, pa.float32(), mask=np.isnan(held))


def _rows(table: pa.Table, names: Sequence[str]) -> Iterator[Sequence[object]]:
    columns: list[list[Any]] = []
    for name in names:
        if name not in table.column_names:
            columns.append([None] * table.num_rows)
        elif name == "started_at":
            columns.append([time.isoformat().replace("+00:00", "Z") for time in table.column(name).to_pylist()])
        else:
            told = table.column(name).to_pylist()
            columns.append([_brief(value) for value in told] if pa.types.is_float32(table.schema.field(name).type) else told)
    return zip(*columns, strict=True)


def _brief(value: float | None) -> float | None:
    """As short as a 32 bit number can be told, without loss."""
    return None if value is None else float(str(np.float32(value)))


def _write_rows(path: Path, header: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    if _ending(path) == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for row in rows:
                writer.writerow(["" if value is None else str(value).lower() if isinstance(value, bool) else value for value in row])
        return
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.append(header)
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    book.save(path)


def _cell(sheet: Any, value: object) -> object:
    """A text that begins like a formula stays a text."""
    if not isinstance(value, str) or not value.startswith("="):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell
