"""Whole columns out of the database and into it: PostgreSQL's arrays as numpy columns, in place.

One value a column instead of one row a sample: no sample ever becomes a Python object.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format

from storage.database import Connection

_ELEMENTS = {16: "?", 20: ">i8", 23: ">i4", 700: ">f4", 701: ">f8", 1184: ">i8"}
"""How PostgreSQL sends the elements of arrays of bool, int8, int4, float4, float8 and timestamptz, by their type's number."""
_SENT = {"|b1": (1000, 16, "?"), "<i2": (1005, 21, ">i2"), "<i4": (1007, 23, ">i4"), "<i8": (1016, 20, ">i8"), "<f8": (1022, 701, ">f8")}
"""For a column's type: the number of the array's type, of its element's, and how an element is sent."""
_HEADER = struct.Struct(">iiIii")
_HEADER_BYTES = _HEADER.size
_Column: TypeAlias = npt.NDArray[Any]


def array_cursor(connection: Connection) -> psycopg.Cursor[Any]:
    """Return a cursor that gives arrays of bool, int4, int8, float4, float8 and timestamptz (microseconds since 2000) as numpy columns.

    The arrays must be one-dimensional and hold no NULL.
    """
    cursor = connection.cursor(binary=True)
    for name in ("bool", "int4", "int8", "float4", "float8", "timestamptz"):
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


def take_columns(connection: Connection) -> None:
    """Have a connection take numpy columns of bool, int16, int32, int64 and float64 as parameters: arrays of the server's, without NULL."""
    connection.adapters.register_dumper(np.ndarray, _ArrayDumper)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: _Column, format: Any) -> Any:  # noqa: A002, ARG002
        return (self.cls, obj.dtype.str)

    def upgrade(self, obj: _Column, format: Any) -> _ArrayDumper:  # noqa: A002, ARG002
        dumper = _ArrayDumper(self.cls)
        dumper.oid = _SENT[obj.dtype.str][0]
        return dumper

    def dump(self, obj: _Column) -> bytes:
        _, element, kind = _SENT[obj.dtype.str]
        table = np.empty(len(obj), np.dtype([("size", ">i4"), ("value", kind)]))
        table["size"], table["value"] = table.dtype["value"].itemsize, obj
        return _HEADER.pack(1, 0, element, len(obj), 1) + table.tobytes()
