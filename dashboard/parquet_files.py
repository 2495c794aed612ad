"""The dashboard's one door to pyarrow: tables as Parquet, a group of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.tables import Cell, Column, Kind, plain

_TYPES: Final = {
    Kind.TEXT: pa.string(),
    Kind.WHOLE: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.YES_NO: pa.bool_(),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
    Kind.PIECES: pa.string(),
}
_LARGEST: Final = 2**63
_ROWS_A_GROUP: Final = 25_000


class ParquetFile:
    """A file that rows are added to; leave its ``with`` to finish it."""

    def __init__(self, out: IO[bytes], columns: Sequence[Column], as_json: Callable[[Cell], str]) -> None:
        self._columns, self._as_json = columns, as_json
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows."""
        arrays = [self._array(column, cells) for column, cells in zip(self._columns, zip(*rows, strict=True), strict=True)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += len(rows)
        if self._rows >= _ROWS_A_GROUP:
            self._flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=_ROWS_A_GROUP * 2)
        self._waiting, self._rows = [], 0

    def _array(self, column: Column, cells: Sequence[Cell]) -> pa.Array:
        kind = _TYPES[column.kind]
        if column.kind is Kind.PIECES:
            return pa.array([None if cell is None else _sound(self._as_json(cell)) for cell in cells], kind)
        if column.kind is Kind.TEXT:
            return pa.array([None if cell is None else _sound(str(plain(cell))) for cell in cells], kind)
        if column.kind is Kind.NUMBER:
            return pa.array([None if cell is None else float(cell) for cell in cells], kind, from_pandas=False)
        if column.kind is Kind.WHOLE:
            return pa.array([None if cell is None or not -_LARGEST <= cell < _LARGEST else int(cell) for cell in cells], kind)
        return pa.array(cells, kind)


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
