"""Millions of operations as sums per product, alternative and span of time: all that a fit needs, gathered in slices.

One slice of rows at a time is turned into keys and counted, so that memory grows with products x alternatives and not with rows. Logs
are summed after outliers were pulled in to three spreads around what is expected there: a crane that failed for two hours tells little
of a weld. What the outliers do to the mean is put back as one factor per alternative (``predicting.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.operation_history import OperationHistory

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLICE = 1_000_000
LOGGED = ("duration_min", "energy_kwh", "wear", "rework_min")
_MOST_SPANS = 32
_ROWS_PER_SPAN = 40
_MOST_SUMS = 4_000_000
_PULLED_IN = 3.0
_LEAST_VARIANCE = 1e-6
_BINS, _REACH = 800, 4.0


@dataclass(frozen=True, slots=True)
class Spans:
    """Equal spans of the time that the history covers."""

    begin_us: int
    length_us: int
    count: int

    def of(self, started_us: NDArray[np.int64]) -> Ints:
        """The span of each time; what lies outside belongs to the first or last."""
        return np.clip((started_us - self.begin_us) // self.length_us, 0, self.count - 1)


@dataclass(frozen=True, slots=True)
class Sums:
    """One measure (its logarithm) per product, alternative and span."""

    count: Floats
    total: Floats
    """Of logarithms, outliers pulled in."""
    plain: Floats
    """Products x alternatives: sum of the values themselves, nothing pulled in."""
    noise: Floats
    """Per alternative: variance of one measurement's logarithm around its product."""
    ratio_noise: Floats
    """Per alternative: variance of value / expected value, tails included."""


@dataclass(frozen=True, slots=True)
class Yields:
    """Operations, and those that were right the first time, per product, alternative and span."""

    count: Floats
    good: Floats


def spans_of(history: OperationHistory, products: int, alternatives: int) -> Spans:
    """Return spans long enough to hold some rows of most alternatives."""
    if not len(history):
        return Spans(0, 1, 1)
    begin, end = int(history.started_us.min()), int(history.started_us.max())
    most = min(_MOST_SPANS, _MOST_SUMS // max(1, products * alternatives), len(history) // max(1, alternatives * _ROWS_PER_SPAN))
    count = max(1, most)
    return Spans(begin, max(1, (end - begin) // count + 1), count)


def slices(history: OperationHistory) -> Iterator[slice]:
    """Give the rows in slices that fit into memory beside everything else."""
    for begin in range(0, len(history), SLICE):
        yield slice(begin, min(begin + SLICE, len(history)))


def logs_of(history: OperationHistory, measure: str, rows: slice, least: float) -> tuple[Ints, Floats, Floats]:
    """Return which rows of a slice tell a measure, their values and their logarithms; values below ``least`` count as that."""
    values = getattr(history, measure)[rows]
    told = np.isfinite(values)
    if measure == "rework_min":
        told &= ~history.first_pass[rows] & (values > 0)
    at = np.flatnonzero(told)
    plain = values[at].astype(np.float64)
    return at, plain, np.log(np.maximum(plain, least))


def least_of(history: OperationHistory, measure: str) -> float:
    """Return the value below which a logarithm is not taken: 1 % of the usual value, for counters that stand still; 0 if none told."""
    values = getattr(history, measure)
    some = values[:: max(1, len(values) // 200_000)]
    above = some[np.isfinite(some) & (some > 0)]
    return 0.01 * float(np.median(above)) if len(above) else 0.0


def first_means(history: OperationHistory, measure: str, least: float, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the count and the mean logarithm per product and alternative, nothing pulled in."""
    size = shape[0] * shape[1]
    count, total = np.zeros(size), np.zeros(size)
    for rows in slices(history):
        at, _, logs = logs_of(history, measure, rows, least)
        keys = _keys(history, rows, at, shape[1])
        count += np.bincount(keys, minlength=size)
        total += np.bincount(keys, logs, minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return count.reshape(shape), mean.reshape(shape)


def spread_around(history: OperationHistory, measure: str, least: float, centre: Floats) -> tuple[Floats, Floats]:
    """Return, per alternative, the middle of what is left around ``centre`` (products x alternatives) and its robust spread."""
    alternatives = centre.shape[1]
    found = np.zeros(alternatives * _BINS)
    flat = centre.ravel()
    for rows in slices(history):
        at, _, logs = logs_of(history, measure, rows, least)
        keys = _keys(history, rows, at, alternatives)
        bins = np.clip(((logs - flat[keys]) + _REACH) * (_BINS / (2 * _REACH)), 0, _BINS - 1).astype(np.int64)
        found += np.bincount((keys % alternatives) * _BINS + bins, minlength=alternatives * _BINS)
    table = found.reshape(alternatives, _BINS)
    lower, middle, upper = (_quantile(table, share) for share in (0.1587, 0.5, 0.8413))
    # Tails are delays: the side without them tells the spread.
    spread = np.maximum(np.minimum(middle - lower, upper - middle), 0.25 * (upper - lower))
    return middle, np.maximum(spread, 0.01)


def gathered(history: OperationHistory, measure: str, least: float, spans: Spans, centre: Floats, around: tuple[Floats, Floats]) -> Sums:
    """Return the sums of one measure, outliers pulled in around ``centre``."""
    products, alternatives = centre.shape
    size = products * alternatives
    count, total = np.zeros(size * spans.count), np.zeros(size * spans.count)
    plain, square, ratio, ratio_square = np.zeros(size), np.zeros(size), np.zeros(alternatives), np.zeros(alternatives)
    flat, (middle, spread) = centre.ravel(), around
    for rows in slices(history):
        at, values, logs = logs_of(history, measure, rows, least)
        keys = _keys(history, rows, at, alternatives)
        codes = keys % alternatives
        inside = middle[codes] + np.clip(logs - flat[keys] - middle[codes], -_PULLED_IN * spread[codes], _PULLED_IN * spread[codes])
        spanned = keys * spans.count + spans.of(history.started_us[rows][at])
        count += np.bincount(spanned, minlength=len(count))
        total += np.bincount(spanned, inside + flat[keys], minlength=len(count))
        plain += np.bincount(keys, values, minlength=size)
        square += np.bincount(keys, inside**2, minlength=size)
        ratios = values / np.exp(flat[keys])
        ratio += np.bincount(codes, ratios, minlength=alternatives)
        ratio_square += np.bincount(codes, ratios**2, minlength=alternatives)
    shape = (products, alternatives, spans.count)
    counts, totals = count.reshape(shape), total.reshape(shape)
    cells = counts.sum(axis=2)
    left = totals.sum(axis=2) - cells * centre.reshape(products, alternatives)
    inner = square.reshape(products, alternatives) - np.divide(left**2, cells, out=np.zeros_like(left), where=cells > 0)
    free = np.maximum(cells - 1.0, 0.0).sum(axis=0)
    overall = inner.sum() / max(1.0, free.sum())
    noise = (inner.sum(axis=0) + 10.0 * overall) / (free + 10.0)  # as if 10 rows had the operation's usual noise
    rows_of = np.maximum(cells.sum(axis=0), 1.0)
    ratio_noise = np.maximum(ratio_square / rows_of - (ratio / rows_of) ** 2, _LEAST_VARIANCE)
    return Sums(counts, totals, plain.reshape(products, alternatives), np.maximum(noise, _LEAST_VARIANCE), ratio_noise)


def yields_of(history: OperationHistory, spans: Spans, shape: tuple[int, int]) -> Yields:
    """Return how many were right the first time."""
    size = shape[0] * shape[1] * spans.count
    count, good = np.zeros(size), np.zeros(size)
    for rows in slices(history):
        at = np.arange(rows.stop - rows.start)
        keys = _keys(history, rows, at, shape[1]) * spans.count + spans.of(history.started_us[rows])
        count += np.bincount(keys, minlength=size)
        good += np.bincount(keys, history.first_pass[rows], minlength=size)
    return Yields(count.reshape(*shape, spans.count), good.reshape(*shape, spans.count))


def _keys(history: OperationHistory, rows: slice, at: Ints, alternatives: int) -> Ints:
    return history.product[rows][at].astype(np.int64) * alternatives + history.alternative[rows][at]


def _quantile(table: Floats, share: float) -> Floats:
    """Return a quantile of each row of a table of counts, in logarithms; 0 where a row is empty."""
    total = table.sum(axis=1)
    passed = np.cumsum(table, axis=1) >= share * np.maximum(total, 1.0)[:, None]
    middle = (np.argmax(passed, axis=1) + 0.5) * (2 * _REACH / _BINS) - _REACH
    found: Floats = np.where(total > 0, middle, 0.0)
    return found
