"""Samples out of the database, as pandas frames."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from plant.patterns import matches
from storage.arrays import array_cursor
from storage.database import PG_EPOCH_US, Connection, moment, translate_errors

_OLDEST, _NEWEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_NEXT = "SELECT time FROM sample WHERE signal_id = %s AND time >= %s AND time < %s ORDER BY time OFFSET %s LIMIT 1"
_CHUNK = """
SELECT array_agg(time), array_agg(coalesce(value, 'NaN')), array_agg(text), array_agg(status), count(text)
FROM (SELECT * FROM sample WHERE signal_id = %s AND time >= %s AND time < %s ORDER BY time) q
HAVING count(*) > 0
"""


def export_samples(
    connection: Connection, signal_glob: str, from_us: int | None = None, to_us: int | None = None, *, rows: int = 200_000
) -> Iterator[pd.DataFrame]:
    """Yield the samples of all signals whose path fits a glob, ordered by signal and time, at most ``rows`` at once.

    Columns: time (UTC), signal, value, text, status; the value of a sample without a number is NaN. The frames are one consistent
    picture of the database; the connection is busy until the last.
    """
    start = _OLDEST if from_us is None else max(_OLDEST, moment(from_us))
    end = _NEWEST if to_us is None else min(_NEWEST, moment(to_us))
    with translate_errors(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        known = connection.execute("SELECT path, id FROM signal ORDER BY path").fetchall()
        for path, number in known:
            if matches(signal_glob, path):
                yield from _frames(connection, path, number, start, end, rows)


def _frames(connection: Connection, path: str, number: int, start: datetime, end: datetime, rows: int) -> Iterator[pd.DataFrame]:
    """Cut by time after every ``rows`` samples, which the index answers; samples of one and the same time stay together."""
    while start < end:
        found = connection.execute(_NEXT, [number, start, end, rows]).fetchone()
        cut = end if found is None else max(found[0], start + timedelta(microseconds=1))
        row = array_cursor(connection).execute(_CHUNK, [number, start, cut]).fetchone()
        if row is not None:
            yield _frame(path, *row)
        start = cut


def _frame(
    path: str,
    time: npt.NDArray[np.int64],
    value: npt.NDArray[np.float64],
    text: list[str | None],
    status: npt.NDArray[np.int32],
    texts: int,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex((time + PG_EPOCH_US).view("datetime64[us]"), tz="UTC"),
            "signal": pd.Series([path], dtype="str").repeat(len(time)).to_numpy(),
            "value": value,
            "text": pd.Series(text, dtype="str") if texts else pd.Series([None] * len(time), dtype="str"),
            "status": status.view(np.uint32),
        }
    )
