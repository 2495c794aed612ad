"""Sample columns as PostgreSQL's binary COPY rows: numpy writes the bytes, no sample ever becomes a Python object.

Rows that lack the same columns have the same length, so each such kind is one structured array in the server's byte order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plant.errors import Rejected
from plant.samples import NO_TIME, SampleBatch
from storage.database import PG_EPOCH_US

COPY_SAMPLES = "COPY sample (time, server_time, received_time, value, signal_id, status, flags, text) FROM STDIN (FORMAT binary)"
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_SIZES = {"time": ">i8", "server_time": ">i8", "received_time": ">i8", "value": ">f8", "signal_id": ">i4", "status": ">i4", "flags": ">i2"}


def sample_rows(batch: SampleBatch, signal_id: npt.NDArray[np.int32], order: npt.NDArray[np.intp]) -> list[bytes]:
    """Return the pieces of one COPY: the samples in the given order, kind by kind.

    ``signal_id`` holds, for each sample, the number of its signal. Raises Rejected for a text that PostgreSQL cannot hold.
    """
    has_server = batch.server_time_us != NO_TIME
    has_text = np.zeros(len(batch), np.bool_) if batch.text is None else np.array([t is not None for t in batch.text], np.bool_)
    kind = (has_server * 4 + batch.has_value * 2 + has_text).astype(np.int8)[order]
    pieces = [HEADER]
    for number in np.flatnonzero(np.bincount(kind, minlength=8)):
        rows = order if (kind == number).all() else order[kind == number]
        pieces.append(_rows_of_kind(batch, signal_id, rows, bool(number & 4), bool(number & 2), bool(number & 1)))
    pieces.append(TRAILER)
    return pieces


def _rows_of_kind(
    batch: SampleBatch, signal_id: npt.NDArray[np.int32], rows: npt.NDArray[np.intp], has_server: bool, has_value: bool, has_text: bool
) -> bytes:
    columns = {
        "time": batch.time_us[rows] - PG_EPOCH_US,
        "server_time": batch.server_time_us[rows] - PG_EPOCH_US if has_server else None,
        "received_time": batch.received_time_us[rows] - PG_EPOCH_US,
        "value": batch.value[rows] if has_value else None,
        "signal_id": signal_id[rows],
        "status": batch.status[rows].view(np.int32),
        "flags": batch.flags[rows],
    }
    layout = [("fields", ">i2")]
    for name, column in columns.items():
        layout.append((f"{name}_size", ">i4"))
        if column is not None:
            layout.append((name, _SIZES[name]))
    layout.append(("text_size", ">i4"))
    table = np.empty(len(rows), np.dtype(layout))
    table["fields"] = 8
    for name, column in columns.items():
        table[f"{name}_size"] = -1 if column is None else table.dtype[name].itemsize
        if column is not None:
            table[name] = column
    if not has_text or batch.text is None:
        table["text_size"] = -1
        return table.tobytes()
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
