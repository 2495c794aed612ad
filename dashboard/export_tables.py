"""Stable views as files: what the server sends and ``leadhand export tables`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from dashboard.exports import FileForm, write_table
from dashboard.tables import Column, Kind, Table
from plant.errors import Rejected
from storage.database import Connection
from storage.tables import Span, StableView, read_pieces

MOST_ROWS: Final = 20_000_000
"""Of one CSV or Parquet file; a workbook holds 1,048,575."""
_KINDS: Final = {
    "bool": Kind.YES_NO,
    **dict.fromkeys(("int2", "int4", "int8", "oid"), Kind.WHOLE),
    **dict.fromkeys(("float4", "float8", "numeric"), Kind.NUMBER),
    **dict.fromkeys(("text", "varchar", "name", "uuid", "date", "interval", "bytea"), Kind.TEXT),
    "timestamptz": Kind.MOMENT,
}


def columns_of(view: StableView) -> tuple[Column, ...]:
    """Return the columns of a view as files hold them; arrays and objects stand in them as JSON."""
    return tuple(Column(column.name, _KINDS.get(column.type, Kind.PIECES)) for column in view.columns)


def write_view(connection: Connection, view: StableView, span: Span, form: FileForm, out: IO[bytes]) -> int:
    """Write the rows of a view within a span and return how many; memory does not grow with them.

    Raises Rejected for more rows than a file may have, Unavailable while the database is away.
    """
    return write_table(Table(view.name, columns_of(view), _bounded(read_pieces(connection, view, span))), form, out)


def _bounded(pieces: Iterator[Sequence[tuple[Any, ...]]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    rows = 0
    for piece in pieces:
        rows += len(piece)
        if rows > MOST_ROWS:
            raise Rejected(f"that is more than {MOST_ROWS:,} rows, the most of one file: narrow the span")
        yield piece
