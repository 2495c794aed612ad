"""Workbooks (.xlsx) of one sheet, written by openpyxl row by row: a million rows in the memory of a few thousand, in about a minute.

Texts stand in their cells as texts, so that none is a formula, however it begins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import IO, Any, Final, Self

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from dashboard.tables import Cell, Column, Kind, plain

MOST_ROWS: Final = 1_048_575
"""Of a sheet, without its head."""
_MOST_LETTERS: Final = 32_767
_EXACT: Final = 999_999_999_999_999
"""Spreadsheets keep 15 digits: a larger whole number is written as a text."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - spreadsheets know no zone: the head says UTC
_UNSAYABLE: Final = re.compile(f"{ILLEGAL_CHARACTERS_RE.pattern}|[\ud800-\udfff\ufffe\uffff]")
_WIDTHS: Final = {Kind.MOMENT: 24, Kind.TEXT: 24, Kind.PIECES: 30}


class Workbook:
    """A workbook that rows are added to; leave its ``with`` to finish it."""

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
