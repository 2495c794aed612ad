"""Tables as files: CSV, workbooks and Parquet, all by one way, written piece by piece.

Times are times with their zone, numbers numbers, numbers of things exact to the last digit. No text can become a formula: CSV puts an
apostrophe before one that begins like a formula, a workbook holds texts as texts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Final, Literal

import orjson

from dashboard.tables import Cell, Kind, Table, Write, plain
from plant.errors import Rejected

FileForm = Literal["csv", "xlsx", "parquet"]
MEDIA: Final[dict[FileForm, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def write_table(table: Table, form: FileForm, out: IO[bytes]) -> int:
    """Write a table and return how many rows it had. Raises Rejected for more rows than the form takes."""
    rows = 0
    with _WRITERS[form](table, out) as write:
        for piece in table.pieces:
            if piece:
                write(piece)
                rows += len(piece)
    return rows


def table_bytes(table: Table, form: FileForm) -> bytes:
    """Return a table as a file in memory."""
    out = io.BytesIO()
    write_table(table, form, out)
    return out.getvalue()


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" \N{NO-BREAK SPACE}").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def iso(time_us: int) -> str:
    """Return a moment as ISO 8601 in UTC, exact to the microsecond."""
    try:
        return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return str(time_us)


def as_json(cell: Cell) -> str:
    """Return lists and objects as JSON."""
    return orjson.dumps(cell, option=orjson.OPT_NON_STR_KEYS, default=str).decode()


@contextmanager
def _csv(table: Table, out: IO[bytes]) -> Iterator[Write]:
    said = [_CSV_CELLS[column.kind] for column in table.columns]
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in table.columns])

    def write(rows: Sequence[Sequence[Cell]]) -> None:
        writer.writerows([["" if cell is None else say(cell) for say, cell in zip(said, row, strict=True)] for row in rows])

    try:
        yield write
    finally:
        text.detach()


def _csv_json(cell: Cell) -> str:
    return harmless(as_json(cell))


def _csv_text(cell: Cell) -> str:
    return harmless(str(plain(cell)))


def _csv_truth(cell: Cell) -> str:
    return "true" if cell else "false"


_CSV_CELLS: Final[dict[Kind, Callable[[Cell], object]]] = {
    Kind.TEXT: _csv_text,
    Kind.WHOLE: plain,
    Kind.NUMBER: repr,
    Kind.YES_NO: _csv_truth,
    Kind.MOMENT: iso,
    Kind.PIECES: _csv_json,
}


@contextmanager
def _xlsx(table: Table, out: IO[bytes]) -> Iterator[Write]:
    from dashboard.spreadsheets import MOST_ROWS, Workbook

    with Workbook(out, table.name, table.columns, as_json) as book:
        written = 0

        def write(rows: Sequence[Sequence[Cell]]) -> None:
            nonlocal written
            written += len(rows)
            if written > MOST_ROWS:
                raise Rejected(f"a workbook holds at most {MOST_ROWS:,} rows: narrow the span, or take CSV or Parquet")
            book.write(rows)

        yield write


@contextmanager
def _parquet(table: Table, out: IO[bytes]) -> Iterator[Write]:
    from dashboard.parquet_files import ParquetFile

    with ParquetFile(out, table.columns, as_json) as file:
        yield file.write


_WRITERS: Final[dict[FileForm, Callable[[Table, IO[bytes]], AbstractContextManager[Write]]]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "parquet": _parquet,
}
