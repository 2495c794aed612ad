"""Tables in files: CSV, XLSX and Parquet alike as parts of columns, so that a file of any length fits into memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from plant.errors import SettingsError
from plant.table_rows import RowProblem

Cells: TypeAlias = "pa.Array | Sequence[object]"
"""A column: of Arrow's types from Parquet, as text from CSV, as Excel's values from XLSX."""

ENDINGS: Final = (".csv", ".xlsx", ".parquet")
_PART_ROWS: Final = 100_000
_BATCH_ROWS: Final = 200_000
_LONGEST_CELL: Final = 100_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a table."""

    first_row: int
    """As a spreadsheet counts: the header is row 1."""
    rows: Sequence[int] | None
    """The number of each row, where some between were left out; None where they follow each other."""
    columns: Mapping[str, Cells]
    length: int

    def row(self, at: int) -> int:
        """Return the number that a spreadsheet gives the row at a position."""
        return self.first_row + at if self.rows is None else self.rows[at]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is read part by part, once."""

    header: tuple[str, ...]
    parts: Iterator[Part]


@contextmanager
def open_table(path: Path, problems: list[RowProblem]) -> Iterator[Table]:
    """Give a table, by the file's ending; rows that are no rows (too few cells) go to ``problems`` while it is read.

    Raises SettingsError where the file cannot be read.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SettingsError(f"{path}: give a table as .csv, .xlsx or .parquet")
    try:
        if ending == ".parquet":
            with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
                yield Table(tuple(file.schema_arrow.names), _parquet_parts(file))
        elif ending == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as lines:
                header = lines.readline()
                reader = csv.reader(lines, delimiter=_delimiter(header), strict=True)
                yield _from_rows(path, _first(header, _delimiter(header)), reader, problems)
        else:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                rows = book.worksheets[0].iter_rows(values_only=True)
                names = next(rows, ())
                yield _from_rows(path, names, (_padded(row, len(names)) for row in rows), problems)
            finally:
                book.close()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except SettingsError:
        raise
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is no UTF-8 text: {error.reason} at byte {error.start}; save it as CSV UTF-8") from error
    except (OSError, csv.Error, pa.ArrowException, MemoryError) as error:
        raise SettingsError(f"{path}: cannot be read as {ending[1:].upper()}: {_short(error)}") from error
    except Exception as error:
        if ending != ".xlsx":
            raise
        # openpyxl lets through whatever its readers of zip and XML raise
        raise SettingsError(f"{path}: cannot be read as XLSX: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _first(header: str, delimiter: str) -> Sequence[object]:
    return next(csv.reader([header], delimiter=delimiter), [])


def _padded(row: Sequence[object], width: int) -> Sequence[object]:
    """Excel says nothing of empty cells at the end of a row."""
    return (*row, *(None,) * (width - len(row)))


def _parquet_parts(file: pq.ParquetFile) -> Iterator[Part]:
    row = 2
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        yield Part(row, None, dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows)
        row += batch.num_rows


def _from_rows(path: Path, header: Sequence[object], rows: Iterator[Sequence[object]], problems: list[RowProblem]) -> Table:
    names = ["" if name is None else str(name).strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise SettingsError(f"{path}: is empty; its first row must name the columns")
    if "" in names:
        raise SettingsError(f"{path}: row 1: column {names.index('') + 1} has no name")
    return Table(tuple(names), _parts_of_rows(names, rows, problems))


def _parts_of_rows(names: list[str], rows: Iterator[Sequence[object]], problems: list[RowProblem]) -> Iterator[Part]:
    kept: list[Sequence[object]] = []
    numbers: list[int] = []
    for number, row in enumerate(rows, 2):
        if all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row):
            continue
        fault = _row_fault(names, row)
        if fault:
            problems.append(RowProblem(number, "", fault))
            continue
        kept.append(row)
        numbers.append(number)
        if len(kept) >= _PART_ROWS:
            yield _part(names, kept, numbers)
            kept, numbers = [], []
    if kept:
        yield _part(names, kept, numbers)


def _row_fault(names: list[str], row: Sequence[object]) -> str:
    width = len(row)
    while width > len(names) and row[width - 1] in {None, ""}:
        width -= 1
    if width != len(names):
        return f"has {width} cells, the header names {len(names)} columns"
    if any(isinstance(cell, str) and len(cell) > _LONGEST_CELL for cell in row):
        return "has a cell longer than any value; is a quote not closed?"
    return ""


def _part(names: list[str], rows: list[Sequence[object]], numbers: list[int]) -> Part:
    columns: dict[str, Any] = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    return Part(numbers[0], numbers, columns, len(rows))
