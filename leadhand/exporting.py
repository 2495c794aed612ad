"""Samples written to a file, piece by piece, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plant.errors import Rejected
from plant.status import good_mask

_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", tz="UTC")),
        ("signal", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("status", pa.uint32()),
    ]
)
COLUMNS = tuple(_SCHEMA.names)


def some(frames: Iterable[pd.DataFrame], sought: str) -> Iterator[pd.DataFrame]:
    """Pass frames on. Raises Rejected at the end of none, so that no empty file takes the place of what was exported before."""
    rows = 0
    for frame in frames:
        rows += len(frame)
        yield frame
    if rows == 0:
        raise Rejected(f"no sample fits: {sought}; nothing was written")


def write_csv(frames: Iterable[pd.DataFrame], out: Path) -> int:
    """Write frames as CSV, times as ISO 8601 in UTC, numbers with all their digits; returns the rows written."""
    rows = 0
    with _whole(out) as fresh, fresh.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        for frame in frames:
            shown = frame[list(COLUMNS)].assign(time=frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            measured = _is_nan(frame) & ~_is_absent(frame)
            if measured.any():
                shown["value"] = shown["value"].astype(object).where(~measured, "NaN")
            shown.to_csv(file, index=False, header=False, lineterminator="\n")
            rows += len(frame)
    return rows


def write_parquet(frames: Iterable[pd.DataFrame], out: Path) -> int:
    """Write frames as Parquet, one row group each; returns the rows written."""
    rows = 0
    with _whole(out) as fresh, pq.ParquetWriter(fresh, _SCHEMA, compression="zstd") as writer:
        for frame in frames:
            writer.write_table(_table(frame))
            rows += len(frame)
    return rows


def _table(frame: pd.DataFrame) -> pa.Table:
    # built column by column: a measured NaN stays NaN, and only an absent value becomes null
    columns = [
        pa.array(frame["time"]).cast(_SCHEMA.field("time").type),
        pa.array(frame["signal"].astype(str)).cast(pa.string()).dictionary_encode(),
        pa.array(frame["value"].to_numpy(), mask=_is_absent(frame), from_pandas=False),
        pa.array(frame["text"].astype(object).where(frame["text"].notna(), None), pa.string()),
        pa.array(frame["status"].to_numpy()).cast(pa.uint32()),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _is_nan(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = np.isnan(frame["value"].to_numpy())
    return found


def _is_absent(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return where there is no number at all: a text or a bad status stands in its place. Any other NaN was measured as such."""
    return _is_nan(frame) & (frame["text"].notna().to_numpy() | ~good_mask(frame["status"].to_numpy()))


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a file beside the wanted one, which takes its place when all went well."""
    fresh = out.with_name(out.name + ".part")
    try:
        yield fresh
        os.replace(fresh, out)  # noqa: PTH105
    except OSError as error:
        raise Rejected(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
