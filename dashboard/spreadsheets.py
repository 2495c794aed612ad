"""The one door to openpyxl: tables of texts and numbers as .xlsx, and back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation

_MOST_UNPACKED = 400_000_000
_WIDEST = 60


def write_xlsx(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[str], choices: Mapping[str, Sequence[str]]
) -> bytes:
    """Return a workbook of one sheet: a head that stays in sight, filters, and lists to choose from. No text of it is a formula."""
    book = Workbook()
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
