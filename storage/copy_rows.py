"""Sample columns as PostgreSQL's binary COPY rows: numpy writes the bytes, no sample ever becomes a Python object.

Rows that lack the same columns have the same length, so each such kind is one structured array in the server's byte order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg.abc import Buffer

from plant.errors import Rejected
from plant.samples import NO_TIME, SampleBatch
from storage.database import PG_EPOCH_US

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_TYPES = {"time": ">i8", "server_time": ">i8", "received_time": ">i8", "value": ">f8", "signal_id": ">i4", "status": ">i4", "flags": ">i2"}


_PIECE = 16_384
"""Rows made at once: what they are made of and what they become stays in the processor's cache."""
_SERVER, _VALUE, _TEXT = 4, 2, 1
"""Bits of a sample's kind: which of its columns are there."""


def kinds_of(batch: SampleBatch) -> npt.NDArray[np.int8]:
    """Return, for each sample, which of its columns are there: a number below 8, the same for rows of the same length."""
    has_server = batch.server_time_us != NO_TIME
    has_text = np.zeros(len(batch), np.bool_) if batch.text is None else np.array([t is not None for t in batch.text], np.bool_)
    return np.asarray(has_server * _SERVER + batch.has_value * _VALUE + has_text * _TEXT, np.int8)


@dataclass(frozen=True, slots=True)
class SampleRows:
    """A COPY statement, and what to feed it: the same each time, made piece by piece: all at once takes 75 bytes a row."""

    statement: str
    pieces: Callable[[], Iterator[Buffer]]


def sample_rows(batch: SampleBatch, signal_id: npt.NDArray[np.int32], order: npt.NDArray[np.intp]) -> SampleRows:
    """Return the samples in the given order, kind by kind, as rows.

    ``signal_id`` holds, for each sample, the number of its signal. Columns that no sample has are not named: each takes the server 5 %
    longer. The pieces raise Rejected at a text that PostgreSQL cannot hold.
    """
    kind = kinds_of(batch)[order]
    counts = np.bincount(kind, minlength=8)
    known = int(np.bitwise_or.reduce(np.flatnonzero(counts), initial=0))
    names = ["time", "received_time", "signal_id", "status"]
    names += [name for name, bit in (("server_time", _SERVER), ("value", _VALUE)) if known & bit]
    names += ["flags"] if batch.flags[order].any() else []
    columns = ", ".join([*names, "text"] if known & _TEXT else names)

    def pieces() -> Iterator[Buffer]:
        yield HEADER
        for number in np.flatnonzero(counts):
            rows = order if counts[number] == len(order) else order[kind == number]
            for start in range(0, len(rows), _PIECE):
                some = rows[start : start + _PIECE]
                yield _rows_of_kind(batch, signal_id, some, int(number), names, with_text=bool(known & _TEXT))
        yield TRAILER

    return SampleRows(f"COPY sample ({columns}) FROM STDIN (FORMAT binary)", pieces)


def _rows_of_kind(
    batch: SampleBatch, signal_id: npt.NDArray[np.int32], rows: npt.NDArray[np.intp], kind: int, names: list[str], *, with_text: bool
) -> Buffer:
    columns: dict[str, npt.NDArray[Any] | None] = {
        "time": batch.time_us[rows] - PG_EPOCH_US,
        "received_time": batch.received_time_us[rows] - PG_EPOCH_US,
        "signal_id": signal_id[rows],
        "status": batch.status[rows].view(np.int32),
        "server_time": batch.server_time_us[rows] - PG_EPOCH_US if kind & _SERVER else None,
        "value": batch.value[rows] if kind & _VALUE else None,
        "flags": batch.flags[rows],
    }
    layout = [("fields", ">i2")]
    for name in names:
        layout.append((f"{name}_size", ">i4"))
        if columns[name] is not None:
            layout.append((name, _TYPES[name]))
    if with_text:
        layout.append(("text_size", ">i4"))
    table = np.empty(len(rows), np.dtype(layout))
    table["fields"] = len(names) + with_text
    for name in names:
        column = columns[name]
        table[f"{name}_size"] = -1 if column is None else table.dtype[name].itemsize
        if column is not None:
            table[name] = column
    if not kind & _TEXT or batch.text is None:
        if with_text:
            table["text_size"] = -1
        return table.view(np.uint8).data
    texts = [_encoded(text, batch.paths[batch.signal[row]]) for text, row in zip(batch.text[rows], rows, strict=True)]
    table["text_size"] = np.fromiter(map(len, texts), np.int32, len(texts))
    heads, width = table.tobytes(), table.dtype.itemsize
    return b"".join(part for n, text in enumerate(texts) for part in (heads[n * width : (n + 1) * width], text))


def _encoded(text: str, path: str) -> bytes:
    if "\0" in text:
        raise Rejected(f"a text of '{path}' holds a NUL character, which PostgreSQL cannot keep: {text[:40]!r}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Rejected(f"a text of '{path}' is no valid Unicode: {text[:40]!r}") from error
