"""The one door to openpyxl: workbooks (.xlsx) of one sheet, small ones to fill in and large ones written row by row, and back.

Texts stand in their cells as texts, so that none is a formula, however it begins.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import IO, Any, Final, Self

import openpyxl
from openpyxl import load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation

from dashboard.tables import Cell, Column, Kind, plain

_MOST_UNPACKED = 400_000_000
_WIDEST = 60
MOST_ROWS: Final = 1_048_575
"""Of a sheet, without its head."""
_MOST_LETTERS: Final = 32_767
_EXACT: Final = 999_999_999_999_999
"""Spreadsheets keep 15 digits: a larger whole number is written as a text."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - spreadsheets know no zone: the head says UTC
_UNSAYABLE: Final = re.compile(f"{ILLEGAL_CHARACTERS_RE.pattern}|[\ud800-\udfff\ufffe\uffff]")
_WIDTHS: Final = {Kind.MOMENT: 24, Kind.TEXT: 24, Kind.PIECES: 30}


def write_xlsx(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[str], choices: Mapping[str, Sequence[str]]
) -> bytes:
    """Return a workbook of one sheet: a head that stays in sight, filters, and lists to choose from. No text of it is a formula."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title[:31]
    sheet.append(list(columns))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(vertical="top")
    for y, row in enumerate(rows, 2):
        for x, (column, text) in enumerate(zip(columns, row, strict=True), 1):
            if not text:
                continue
            cell = sheet.cell(y, x)
            if column in numbers:
                cell.value = float(text)
            else:
                cell.value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text)
                cell.data_type = "s"
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"
    for x, column in enumerate(columns, 1):
        widest = max([len(column) + 3, *(len(row[x - 1]) for row in rows[:1000])])
        sheet.column_dimensions[get_column_letter(x)].width = min(_WIDEST, widest + 1)
        if column in choices:
            listed = DataValidation(type="list", formula1='"' + ",".join(choices[column]) + '"', allow_blank=True)
            sheet.add_data_validation(listed)
            listed.add(f"{get_column_letter(x)}2:{get_column_letter(x)}{max(2, len(rows) + 500)}")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read_xlsx(content: bytes) -> list[list[str]]:
    """Return the cells of the first sheet as texts, head first. Raises ValueError for what is no workbook, or holds formulas."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED:
                raise ValueError("the workbook is too large")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise ValueError("the file is no .xlsx workbook") from error
    try:
        sheet = book.worksheets[0]
        return [[_text(cell) for cell in row] for row in sheet.iter_rows()]
    finally:
        book.close()


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        raise ValueError(f"{cell.coordinate} is a formula: write the value itself")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return str(value)


class Workbook:
    """A workbook that rows are added to, a million in the memory of a few thousand; leave its ``with`` to finish it."""

    def __init__(self, out: IO[bytes], title: str, columns: Sequence[Column], as_json: Callable[[Cell], str]) -> None:
        self._out, self._book = out, openpyxl.Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(re.sub(r"[\[\]:*?/\\]", "-", title)[:31] or "table")
        self._say = [self._cells(as_json)[column.kind] for column in columns]
        self._sheet.freeze_panes = "A2"
        for place, column in enumerate(columns, 1):
            self._sheet.column_dimensions[get_column_letter(place)].width = max(len(column.name) + 3, _WIDTHS.get(column.kind, 12))
        heads = [self._text(f"{column.name} (UTC)" if column.kind is Kind.MOMENT else column.name) for column in columns]
        for head in heads:
            head.font = Font(bold=True)
        self._sheet.append(heads)

    def __enter__(self) -> Self:
        return self

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            self._sheet.append([None if cell is None else say(cell) for say, cell in zip(self._say, row, strict=True)])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._book.save(self._out)
        else:
            self._sheet.close()
        self._book.close()

    def _cells(self, as_json: Callable[[Cell], str]) -> dict[Kind, Callable[[Cell], object]]:
        return {
            Kind.TEXT: lambda cell: self._text(str(plain(cell))),
            Kind.WHOLE: lambda cell: int(cell) if -_EXACT <= cell <= _EXACT else self._text(str(int(cell))),
            Kind.NUMBER: lambda cell: float(cell) if math.isfinite(cell) else self._text(str(cell)),
            Kind.YES_NO: bool,
            Kind.MOMENT: self._moment,
            Kind.PIECES: lambda cell: self._text(as_json(cell)),
        }

    def _text(self, text: str) -> Any:
        cell = WriteOnlyCell(self._sheet, _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text[:_MOST_LETTERS]))
        cell.data_type = "s"
        return cell

    def _moment(self, time_us: int) -> Any:
        try:
            cell = WriteOnlyCell(self._sheet, _EPOCH + timedelta(microseconds=time_us))
        except (OverflowError, ValueError):
            return self._text(str(time_us))
        cell.number_format = "yyyy-mm-dd hh:mm:ss.000"
        return cell
