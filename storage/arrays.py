"""Whole columns out of the database: PostgreSQL's arrays read as numpy columns, in place.

One value a column instead of one row a sample: no sample ever becomes a Python object.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from storage.database import Connection

_ELEMENTS = {16: "?", 20: ">i8", 23: ">i4", 701: ">f8", 1184: ">i8"}
"""How PostgreSQL sends the elements of arrays of bool, int8, int4, float8 and timestamptz, by their type's number."""
_HEADER_BYTES = 20


def array_cursor(connection: Connection) -> psycopg.Cursor[Any]:
    """Return a cursor that gives arrays of bool, int4, int8, float8 and timestamptz (microseconds since 2000) as numpy columns.

    The arrays must be one-dimensional and hold no NULL.
    """
    cursor = connection.cursor(binary=True)
    for name in ("bool", "int4", "int8", "float8", "timestamptz"):
        cursor.adapters.register_loader(connection.adapters.types[name].array_oid, _ArrayLoader)
    return cursor


class _ArrayLoader(Loader):
    """Without NULL all elements have the same length, so the bytes are one structured array."""

    format = Format.BINARY

    def load(self, data: Buffer) -> npt.NDArray[Any]:
        buffer = bytes(data)
        element = np.dtype(_ELEMENTS[int.from_bytes(buffer[8:12])])
        if buffer[:4] == bytes(4):
            return np.empty(0, element.newbyteorder("="))
        table = np.frombuffer(buffer, np.dtype([("size", ">i4"), ("value", element)]), offset=_HEADER_BYTES)
        return table["value"].astype(element.newbyteorder("="))
