"""A stretch of history at the number of points a chart can show, from raw samples or from rollups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from storage import partitions
from storage.arrays import array_cursor
from storage.database import PG_EPOCH_US, Connection, is_timescale, micros, moment, translate_errors
from storage.partitions import SECOND_US, Tier

Resolution: TypeAlias = Tier
_WIDTHS_US: dict[Resolution, int] = {"1h": 3600 * SECOND_US, "1m": 60 * SECOND_US, "1s": SECOND_US, "raw": 1}
"""Width of a bucket, wide first."""
_WIDER = 1.5
"""Thirty days at 1,000 points come from 720 hours instead of 43,200 minutes."""
_WIDEST = 4.0
_MOST_ROWS = 400_000
"""Where the finer tier would give more, a third of a second of the server's work, buckets may be up to four points wide."""
_FINER_US: dict[Resolution, int] = {"1h": 60 * SECOND_US, "1m": SECOND_US, "1s": 30_000, "raw": 1}
"""How far rows of the next finer tier stand apart; samples of quick signals 30 ms."""
_LONGEST_TAIL_US = 3600 * SECOND_US
# Put in order here, not by the server, which sorts whole rows on disk: of a month of minutes of 8 signals that was half of its work.
_RAW = """
SELECT signal_id, array_agg(time), array_agg(CASE WHEN good THEN value ELSE 'NaN' END), array_agg(good)
FROM (
    SELECT signal_id, time, value, (status & -1073741824) = 0
        AND CASE WHEN value IS NULL THEN text IS NOT NULL ELSE value > '-Infinity' AND value < 'Infinity' END AS good
    FROM sample WHERE signal_id = ANY (%(signals)s) AND time >= %(from)s AND time < %(to)s
) q GROUP BY signal_id
"""
_ROLLUP = """
SELECT signal_id, array_agg(bucket), array_agg(coalesce(min, 'NaN')), array_agg(coalesce(max, 'NaN')), array_agg(coalesce(mean, 'NaN')),
    array_agg(coalesce(first, 'NaN')), array_agg(coalesce(last, 'NaN')), array_agg(count), array_agg(good_count)
FROM {table} WHERE signal_id = ANY (%(signals)s) AND bucket >= %(from)s AND bucket < %(to)s GROUP BY signal_id
"""
_MOST_SCANNED = 3_000_000
# Read backwards, as the index lies, so that nothing is sorted and a limit ends the search.
_TEXTS = """
SELECT time, text, status FROM (
    SELECT time, text, status,
        lead(text) OVER w IS NOT DISTINCT FROM text AND lead(status) OVER w IS NOT DISTINCT FROM status AS same
    FROM (
        SELECT time, text, status FROM sample
        WHERE signal_id = %(signal)s AND time >= %(from)s AND time < %(to)s ORDER BY time DESC LIMIT %(scanned)s
    ) q WINDOW w AS (ORDER BY time DESC)
) r WHERE NOT same ORDER BY time DESC LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Window:
    """One signal's history as columns of equal length, oldest first; NaN where a bucket holds no good number."""

    time_us: npt.NDArray[np.int64]
    """Start of the bucket, or the sample's own time."""
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    """Samples in the bucket, whatever their status."""
    good_count: npt.NDArray[np.int64]
    resolution: Resolution
    """What the window was read from."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Where a text signal changed, as columns, oldest first; each lasts until the next."""

    time_us: npt.NDArray[np.int64]
    text: tuple[str | None, ...]
    status: npt.NDArray[np.uint32]


def read_window(connection: Connection, signal_ids: Sequence[int], from_us: int, to_us: int, points: int) -> dict[int, Window]:
    """Return, for each signal, its history in [from_us, to_us) in at most about 2 * points buckets; min and max are kept.

    The coarsest tier whose buckets are not much wider than a point is read, for very many rows one up to four points wide; a coarser one
    where the finer no longer reaches back.
    What the rollups do not hold yet comes from the tier below, so a window always ends with the newest sample.
    """
    points = max(1, points)
    width_us = max(1, -(-(to_us - from_us) // points))
    with translate_errors():
        resolution = _resolution(width_us, len(signal_ids) * (to_us - from_us), from_us, partitions.kept_from(connection))
        pieces: dict[int, list[_Columns]] = {}
        for tier, start_us, end_us in _stretches(connection, resolution, from_us, to_us):
            values = {"signals": list(signal_ids), "from": moment(start_us), "to": moment(end_us)}
            query = _RAW if tier == "raw" else _ROLLUP.format(table=f"rollup_{tier}")
            for signal_id, columns in _fetch(connection, query, values):
                pieces.setdefault(signal_id, []).append(columns if len(columns) == len(_EMPTY) else _of_samples(*columns))
    return {signal_id: _window(pieces.get(signal_id, [_EMPTY]), width_us, points, resolution) for signal_id in signal_ids}


def read_texts(connection: Connection, signal_id: int, from_us: int, to_us: int, most: int = 10_000) -> Texts:
    """Return where a text signal changed in [from_us, to_us): the first sample of each run of the same text and status.

    Of more than ``most`` runs the newest. Runs are sought in the newest three million samples, a day at 30 ms: there the oldest run
    starts no earlier.
    """
    values = {"signal": signal_id, "from": moment(from_us), "to": moment(to_us), "scanned": _MOST_SCANNED, "most": most}
    with translate_errors():
        rows = connection.execute(_TEXTS, values).fetchall()[::-1]
    return Texts(
        np.array([micros(time) for time, _, _ in rows], np.int64),
        tuple(text for _, text, _ in rows),
        np.array([status for _, _, status in rows], np.int32).view(np.uint32),
    )


_Columns: TypeAlias = tuple[npt.NDArray[Any], ...]
"""time_us, low, high, mean, first, last, count, good_count"""
_EMPTY: _Columns = (np.empty(0, np.int64), *(np.empty(0, np.float64) for _ in range(5)), np.empty(0, np.int64), np.empty(0, np.int64))


def _resolution(width_us: int, asked_us: int, from_us: int, kept: dict[Tier, int]) -> Resolution:
    """The tier to read; ``asked_us``: the spans of all signals together."""
    wider = {tier: _WIDEST if asked_us > _MOST_ROWS * finer_us else _WIDER for tier, finer_us in _FINER_US.items()}
    fitting = next(tier for tier, bucket_us in _WIDTHS_US.items() if bucket_us <= wider[tier] * width_us)
    finest_first = list(_WIDTHS_US)[::-1]
    reaching = [tier for tier in finest_first[finest_first.index(fitting) :] if kept[tier] <= from_us]
    return reaching[0] if reaching else min(finest_first[finest_first.index(fitting) :], key=lambda tier: kept[tier])


def _stretches(connection: Connection, tier: Resolution, from_us: int, to_us: int) -> list[tuple[Resolution, int, int]]:
    """Which tier gives which stretch: the wanted one as far as it is up to date, then finer ones. TimescaleDB does that itself."""
    start = from_us - from_us % _WIDTHS_US[tier]
    if tier == "raw" or is_timescale(connection):
        return [(tier, start, to_us)]
    due = _due(connection, from_us, to_us)
    stretches: list[tuple[Resolution, int, int]] = []
    order = list(_WIDTHS_US)
    for current in order[order.index(tier) :]:
        stale = min((due.get(other, to_us) for other in order[order.index(current) : -1]), default=to_us)
        end = to_us if current == "raw" else max(start, min(to_us, stale - stale % _WIDTHS_US[current]))
        if end > start:
            stretches.append((current, start, end))
        start = end
        if start >= to_us:
            break
    return stretches


def _due(connection: Connection, from_us: int, to_us: int) -> dict[Tier, int]:
    """For each tier, from when on it is stale; further back than an hour before the end the rollups are taken as they are."""
    rows: list[tuple[Tier, datetime]] = connection.execute(
        "SELECT tier, min(from_time) FROM rollup_due WHERE from_time < %s AND to_time > %s GROUP BY tier", [moment(to_us), moment(from_us)]
    ).fetchall()
    newest = connection.execute("SELECT max(to_time) FROM rollup_due WHERE from_time < %s", [moment(to_us)]).fetchone()
    if newest is None or newest[0] is None:
        return {}
    floor_us = min(to_us, micros(newest[0])) - _LONGEST_TAIL_US
    return {tier: max(micros(time), floor_us) for tier, time in rows}


def _fetch(connection: Connection, query: str, values: dict[str, object]) -> list[tuple[int, _Columns]]:
    rows = array_cursor(connection).execute(query, values).fetchall()
    return [(row[0], _in_order((row[1] + PG_EPOCH_US, *row[2:]))) for row in rows]


def _in_order(columns: _Columns) -> _Columns:
    """The columns in rising times; mostly they lie so."""
    if bool((np.diff(columns[0]) >= 0).all()):
        return columns
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def _of_samples(time_us: npt.NDArray[np.int64], value: npt.NDArray[np.float64], good: npt.NDArray[np.bool_]) -> _Columns:
    return time_us, value, value, value, value, value, np.ones(len(value), np.int64), good.astype(np.int64)


def _window(pieces: list[_Columns], width_us: int, points: int, resolution: Resolution) -> Window:
    columns = pieces[0] if len(pieces) == 1 else tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))
    if len(columns[0]) > 2 * points:
        columns = _merge(columns, width_us)
    time_us, low, high, mean, first, last, count, good_count = columns
    return Window(time_us, low, high, mean, first, last, count, good_count, resolution)


def _merge(columns: _Columns, width_us: int) -> _Columns:
    """Buckets of at least ``width_us`` that lie on an absolute grid, so that they do not dance when a chart moves on."""
    time_us, low, high, mean, first, last, count, good_count = columns
    starts = np.flatnonzero(np.diff(time_us // width_us, prepend=np.iinfo(np.int64).min))
    weight = np.where(np.isnan(mean), 0, good_count)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = np.add.reduceat(np.where(weight > 0, mean * weight, 0.0), starts)
        merged_mean = total / np.add.reduceat(weight, starts)
    return (
        *(time_us[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts), merged_mean),
        *(_first_number(first, starts), _last_number(last, starts), np.add.reduceat(count, starts), np.add.reduceat(good_count, starts)),
    )


def _first_number(values: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    at = np.minimum.reduceat(np.where(np.isnan(values), len(values), np.arange(len(values))), starts)
    return np.append(values, np.nan)[at]


def _last_number(values: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    at = np.maximum.reduceat(np.where(np.isnan(values), -1, np.arange(len(values))), starts)
    return np.append(values, np.nan)[at]
