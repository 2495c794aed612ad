"""Workbooks (.xlsx, ECMA-376) of one sheet, written as a stream: a million rows in the memory of a few thousand.

openpyxl, which reads and fills in small ones (``dashboard/spreadsheets.py``), takes 52 s of CPU for a million rows of 7 cells; this
takes 8 s, reading them included (``benchmarks/exports.py``).
Texts stand in their cells as texts, so that none is a formula, however it begins.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Final, Self

from dashboard.tables import Cell, Column, Kind, plain

MOST_ROWS: Final = 1_048_575
"""Of a sheet, without its head."""
_MOST_LETTERS: Final = 32_767
_EXACT: Final = 999_999_999_999_999
"""Spreadsheets keep 15 digits: a larger whole number is written as a text."""
_DAY_US: Final = 86_400_000_000
_EPOCH_DAYS: Final = 25_569
"""1970-01-01 as spreadsheets count days."""
_UNSAYABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDTHS: Final = {Kind.MOMENT: 24, Kind.TEXT: 24, Kind.PIECES: 30}
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_KINDS: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KINDS}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KINDS}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_KINDS}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
"""Styles: 0 as it is, 1 a moment, 2 the head."""


class Workbook:
    """A workbook that rows are added to; leave its ``with`` to finish it."""

    def __init__(self, out: IO[bytes], title: str, columns: Sequence[Column], as_json: Callable[[Cell], str]) -> None:
        self._packed = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        for name, content in _PARTS.items():
            self._packed.writestr(name, _XML + content)
        name = re.sub(r"[\[\]:*?/\\]", "-", title)[:31] or "table"
        self._packed.writestr(
            "xl/workbook.xml",
            f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name={_attribute(name)} sheetId="1" r:id="rId1"/></sheets></workbook>',
        )
        self._say = [_cells(as_json)[column.kind] for column in columns]
        self._sheet = self._packed.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        widths = "".join(f'<col min="{n}" max="{n}" width="{_width(column)}" customWidth="1"/>' for n, column in enumerate(columns, 1))
        heads = "".join(_head(f"{column.name} (UTC)" if column.kind is Kind.MOMENT else column.name) for column in columns)
        self._sheet.write(
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
            f"<cols>{widths}</cols><sheetData><row>{heads}</row>".encode()
        )

    def __enter__(self) -> Self:
        return self

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows."""
        say = self._say
        self._sheet.write(
            "".join(
                "<row>" + "".join(["<c/>" if cell is None else tell(cell) for tell, cell in zip(say, row, strict=True)]) + "</row>"
                for row in rows
            ).encode()
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._packed.close()


def _cells(as_json: Callable[[Cell], str]) -> dict[Kind, Callable[[Cell], str]]:
    return {
        Kind.TEXT: lambda cell: _text(str(plain(cell))),
        Kind.WHOLE: lambda cell: f"<c><v>{int(cell)}</v></c>" if -_EXACT <= cell <= _EXACT else _text(str(int(cell))),
        Kind.NUMBER: lambda cell: f"<c><v>{float(cell)!r}</v></c>" if math.isfinite(cell) else _text(str(cell)),
        Kind.YES_NO: lambda cell: f'<c t="b"><v>{int(cell)}</v></c>',
        Kind.MOMENT: lambda cell: f'<c s="1"><v>{cell / _DAY_US + _EPOCH_DAYS!r}</v></c>',
        Kind.PIECES: lambda cell: _text(as_json(cell)),
    }


def _text(text: str, style: str = "") -> str:
    said = _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text[:_MOST_LETTERS])
    said = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return f'<c{style} t="inlineStr"><is><t xml:space="preserve">{said}</t></is></c>'


def _head(name: str) -> str:
    return _text(name, ' s="2"')


def _attribute(text: str) -> str:
    said = _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f'"{said}"'


def _width(column: Column) -> int:
    return max(len(column.name) + 3, _WIDTHS.get(column.kind, 12))
