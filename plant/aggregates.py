"""Historian aggregates as OPC UA Part 13 (OPC 10000-13, 1.05) names and defines them, over the samples of one signal.

Each interval gives one value with a StatusCode of its own: severity, and in its info bits whether the value was measured, calculated or
interpolated, and whether the interval is partial, that is, reaches beyond the data. What is bad, and what was not measured, is never
passed off as good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.aggregate_bounds import BAD, GOOD, UNCERTAIN, Bound, History, Regions, Rules, interpolated, regions_of, simple
from plant.status import BAD as BAD_STATUS
from plant.status import BAD_NO_DATA, UNCERTAIN_DATA_SUB_NORMAL

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

INFO: Final = 0x0400
"""InfoType DataValue; the bits below belong to it."""
CALCULATED: Final = 0x01
INTERPOLATED: Final = 0x02
PARTIAL: Final = 0x04
MULTIPLE_VALUES: Final = 0x10


class Aggregate(StrEnum):
    """The standard aggregates, by their browse names."""

    INTERPOLATIVE = "Interpolative"
    AVERAGE = "Average"
    TIME_AVERAGE = "TimeAverage"
    TIME_AVERAGE_2 = "TimeAverage2"
    TOTAL = "Total"
    TOTAL_2 = "Total2"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    MINIMUM_ACTUAL_TIME = "MinimumActualTime"
    MAXIMUM_ACTUAL_TIME = "MaximumActualTime"
    RANGE = "Range"
    MINIMUM_2 = "Minimum2"
    MAXIMUM_2 = "Maximum2"
    MINIMUM_ACTUAL_TIME_2 = "MinimumActualTime2"
    MAXIMUM_ACTUAL_TIME_2 = "MaximumActualTime2"
    RANGE_2 = "Range2"
    COUNT = "Count"
    DURATION_IN_STATE_ZERO = "DurationInStateZero"
    DURATION_IN_STATE_NON_ZERO = "DurationInStateNonZero"
    NUMBER_OF_TRANSITIONS = "NumberOfTransitions"
    START = "Start"
    END = "End"
    DELTA = "Delta"
    START_BOUND = "StartBound"
    END_BOUND = "EndBound"
    DELTA_BOUNDS = "DeltaBounds"
    DURATION_GOOD = "DurationGood"
    DURATION_BAD = "DurationBad"
    PERCENT_GOOD = "PercentGood"
    PERCENT_BAD = "PercentBad"
    WORST_QUALITY = "WorstQuality"
    WORST_QUALITY_2 = "WorstQuality2"
    STANDARD_DEVIATION_SAMPLE = "StandardDeviationSample"
    STANDARD_DEVIATION_POPULATION = "StandardDeviationPopulation"
    VARIANCE_SAMPLE = "VarianceSample"
    VARIANCE_POPULATION = "VariancePopulation"


IGNITION: Final[dict[str, Aggregate]] = {
    "Average": Aggregate.TIME_AVERAGE_2,
    "SimpleAverage": Aggregate.AVERAGE,
    "Minimum": Aggregate.MINIMUM_2,
    "Maximum": Aggregate.MAXIMUM_2,
    "LastValue": Aggregate.END,
    "Range": Aggregate.RANGE,
    "Variance": Aggregate.VARIANCE_SAMPLE,
    "StdDev": Aggregate.STANDARD_DEVIATION_SAMPLE,
    "DurationOn": Aggregate.DURATION_IN_STATE_NON_ZERO,
    "DurationOff": Aggregate.DURATION_IN_STATE_ZERO,
    "Count": Aggregate.COUNT,
    "PctGood": Aggregate.PERCENT_GOOD,
    "PctBad": Aggregate.PERCENT_BAD,
}
"""Ignition's names (its average is weighted by time). Sum, MinMax, ClosestValue, CountOn and CountOff have no standard aggregate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One value an interval, as columns of equal length."""

    time_us: Times
    """Start of the interval; of an extreme with its actual time, and of Start and End, that of the value."""
    value: Floats
    """NaN where there is none."""
    status: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class _Interval:
    history: History
    rules: Rules
    start: int
    end: int
    first: int
    """Positions of the raw values within: first <= i < last."""
    last: int

    @property
    def raw(self) -> slice:
        return slice(self.first, self.last)

    @property
    def partial(self) -> int:
        outside = self.start < self.history.begin_us or self.end > self.history.end_us
        return PARTIAL if outside else 0


_Found = tuple[int, float, int]
"""Time, value and status."""


def aggregate(
    wanted: Aggregate,
    history: History,
    from_us: int,
    to_us: int,
    interval_us: int = 0,
    rules: Rules = Rules(),  # noqa: B008 - frozen
) -> Answer:
    """Return one aggregate for each interval of [from_us, to_us); ``interval_us`` 0 is one interval over all.

    The last interval ends at ``to_us``. Raises ValueError for a span or an interval that is none.
    """
    if not from_us < to_us or interval_us < 0:
        raise ValueError("'from' must lie before 'to', and an interval has a length")
    starts = np.arange(from_us, to_us, interval_us or to_us - from_us, dtype=np.int64)
    ends = np.append(starts[1:], to_us)
    first, last = np.searchsorted(history.time_us, starts), np.searchsorted(history.time_us, ends)
    compute = _FUNCTIONS[wanted]
    extrapolates = wanted in {Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL}
    found: list[_Found] = []
    for start, end, a, b in zip(starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), strict=True):
        interval = _Interval(history, rules, start, end, a, b)
        outside = not len(history.time_us) or end <= history.begin_us or (start > history.end_us and not extrapolates)
        found.append((start, np.nan, BAD_NO_DATA) if outside else compute(interval))
    times, values, status = zip(*found, strict=True)
    return Answer(np.array(times, np.int64), np.array(values, np.float64), np.array(status, np.int64).astype(np.uint32))


def _nothing(i: _Interval, bits: int = 0) -> _Found:
    return i.start, np.nan, _with(BAD_NO_DATA, bits)


def _with(status: int, bits: int) -> int:
    return status | (INFO | bits if bits else 0)


def _status(quality: int, bits: int) -> int:
    return _with({GOOD: 0, UNCERTAIN: UNCERTAIN_DATA_SUB_NORMAL, BAD: BAD_STATUS}[quality], bits)


def _by_share(rules: Rules, good: float, uncertain: float, bad: float) -> int:
    """Return the quality of a result by how much of it is bad: by counts or by time (5.4.3.2)."""
    total = good + uncertain + bad
    if total == 0 or bad == 0:
        return UNCERTAIN if uncertain else GOOD
    if 100 * bad >= rules.percent_bad * total:
        return BAD
    if 100 * (good + uncertain) >= rules.percent_good * total:
        return UNCERTAIN if uncertain else GOOD
    return UNCERTAIN


def _of_time(i: _Interval) -> tuple[Regions, int]:
    regions = regions_of(i.history, i.rules, i.start, i.end)
    good, uncertain, bad = (int(regions.span_us[regions.known & (regions.quality == quality)].sum()) for quality in (GOOD, UNCERTAIN, BAD))
    return regions, _by_share(i.rules, good, uncertain, bad)


def _of_values(i: _Interval) -> int:
    quality = i.history.quality_by(i.rules)[i.raw]
    good, uncertain, bad = (int(np.count_nonzero(quality == each)) for each in (GOOD, UNCERTAIN, BAD))
    return _by_share(i.rules, good, uncertain, bad)


def _bound(bound: Bound, time_us: int, bits: int = 0) -> _Found:
    if bound.quality == BAD:
        return time_us, np.nan, _with(BAD_NO_DATA, bits)
    status = bound.status if bound.status is not None else _status(bound.quality, 0)
    return time_us, bound.value, _with(status, bits | (INTERPOLATED if bound.status is None else 0))


def _interpolative(i: _Interval) -> _Found:
    return _bound(interpolated(i.history, i.rules, i.start), i.start)


def _average(i: _Interval) -> _Found:
    good = i.history.good[i.raw]
    if not good.any():
        return _nothing(i)
    return i.start, float(i.history.value[i.raw][good].mean()), _status(_of_values(i), CALCULATED | i.partial)


def _time_average(i: _Interval) -> _Found:
    usable = np.flatnonzero(i.history.quality_by(i.rules)[i.raw] != BAD) + i.first
    skipped = len(usable) < i.last - i.first
    start, end = interpolated(i.history, i.rules, i.start), interpolated(i.history, i.rules, i.end)
    times, values = i.history.time_us[usable], i.history.value[usable]
    quality = [int(q) for q in i.history.quality[usable]]
    bits = CALCULATED
    if start.quality == BAD:
        bits |= PARTIAL
    elif not len(times) or times[0] > i.start:
        times, values = np.insert(times, 0, i.start), np.insert(values, 0, start.value)
        quality.append(start.quality)
    if not len(times):
        return _nothing(i)
    times, values = np.append(times, i.end), np.append(values, end.value)
    quality.append(end.quality)
    area = float((np.diff(times) * (values[1:] + values[:-1]) / 2).sum())
    worst = UNCERTAIN if skipped or any(quality) else GOOD
    return i.start, area / float(times[-1] - times[0]), _status(worst, bits)


def _total(i: _Interval) -> _Found:
    time_us, value, status = _time_average(i)
    return time_us, value * (i.end - i.start) / 1e6, status


def _time_average_2(i: _Interval) -> _Found:
    regions, quality = _of_time(i)
    span = int(regions.span_us[regions.usable].sum())
    if not span:
        return _nothing(i)
    return i.start, float(regions.area[regions.usable].sum()) / span, _status(quality, CALCULATED | i.partial)


def _total_2(i: _Interval) -> _Found:
    regions, quality = _of_time(i)
    if not regions.usable.any():
        return _nothing(i)
    return i.start, float(regions.area[regions.usable].sum()) / 1e6, _status(quality, CALCULATED | i.partial)


def _extreme(i: _Interval, sign: int) -> tuple[int, float, int, int] | None:
    """Return position, value, quality and bits of the highest (1) or lowest (-1) good raw value; None without one."""
    good = np.flatnonzero(i.history.good[i.raw]) + i.first
    if not len(good):
        return None
    sided = sign * i.history.value[good]
    at = int(np.argmax(sided))
    own = i.history.quality_by(i.rules)[i.raw]
    doubtful = i.history.value[i.raw][own == UNCERTAIN]
    worse = bool((own == BAD).any()) or bool((sign * doubtful > sided[at]).any())
    several = MULTIPLE_VALUES if np.count_nonzero(sided == sided[at]) > 1 else 0
    return int(good[at]), float(i.history.value[good[at]]), UNCERTAIN if worse else GOOD, several | i.partial


def _extreme_value(sign: int) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        found = _extreme(i, sign)
        if found is None:
            return _nothing(i)
        at, value, quality, bits = found
        return i.start, value, _status(quality, bits | (CALCULATED if i.history.time_us[at] != i.start else 0))

    return compute


def _extreme_time(sign: int) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        found = _extreme(i, sign)
        return _nothing(i) if found is None else (int(i.history.time_us[found[0]]), found[1], _status(found[2], found[3]))

    return compute


def _range(i: _Interval) -> _Found:
    high, low = _extreme(i, 1), _extreme(i, -1)
    if high is None or low is None:
        return _nothing(i)
    return i.start, high[1] - low[1], _status(max(high[2], low[2]), CALCULATED | i.partial)


def _bounded(i: _Interval, sign: int) -> tuple[int, float, int, int] | None:
    """Return time, value, quality and bits of an extreme that may be a bound of the interval too."""
    usable = np.flatnonzero(i.history.quality_by(i.rules)[i.raw] != BAD) + i.first
    candidates = [(int(i.history.time_us[at]), float(i.history.value[at]), 0) for at in usable.tolist()]
    start = simple(i.history, i.rules, i.start)
    if start.quality != BAD and start.status is None:
        candidates.insert(0, (i.start, start.value, INTERPOLATED))
    end = simple(i.history, i.rules, i.end)
    if not i.rules.stepped and end.quality != BAD:
        candidates.append((i.end - i.rules.resolution_us, end.value, INTERPOLATED))
    if not candidates:
        return None
    best = max(sign * value for _, value, _ in candidates)
    same = [one for one in candidates if sign * one[1] == best]
    _, quality = _of_time(i)
    several = MULTIPLE_VALUES if len(same) > 1 else 0
    return same[0][0], same[0][1], quality, same[0][2] | several | i.partial


def _bounded_value(sign: int) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        found = _bounded(i, sign)
        if found is None:
            return _nothing(i)
        time_us, value, quality, bits = found
        calculated = CALCULATED if time_us != i.start and not bits & INTERPOLATED else 0
        return i.start, value, _status(quality, bits | calculated)

    return compute


def _bounded_time(sign: int) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        found = _bounded(i, sign)
        return _nothing(i) if found is None else (found[0], found[1], _status(found[2], found[3]))

    return compute


def _range_2(i: _Interval) -> _Found:
    high, low = _bounded(i, 1), _bounded(i, -1)
    if high is None or low is None:
        return _nothing(i)
    return i.start, high[1] - low[1], _status(max(high[2], low[2]), CALCULATED | i.partial)


def _count(i: _Interval) -> _Found:
    return i.start, float(np.count_nonzero(i.history.good[i.raw])), _status(_of_values(i), CALCULATED | i.partial)


def _in_state(*, zero: bool) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        regions, quality = _of_time(i)
        here = regions.usable & ((regions.value == 0) == zero)
        if not regions.usable.any():
            return _nothing(i)
        return i.start, float(regions.span_us[here].sum()) / 1000, _status(quality, CALCULATED | i.partial)

    return compute


def _transitions(i: _Interval) -> _Found:
    usable = np.flatnonzero(i.history.quality_by(i.rules)[i.raw] != BAD) + i.first
    values = i.history.value[usable]
    before = i.history.usable_before(i.rules, i.first)
    count = int(np.count_nonzero(np.diff(values)))
    if len(values) and (before is None or i.history.value[before] != values[0]):
        count += 1
    return i.start, float(count), _status(_of_values(i), CALCULATED | i.partial)


def _edge(*, last: bool) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        if i.first == i.last:
            return _nothing(i)
        at = i.last - 1 if last else i.first
        value = float(i.history.value[at]) if i.history.quality[at] != BAD else np.nan
        return int(i.history.time_us[at]), value, _with(int(i.history.status[at]), i.partial)

    return compute


def _delta(i: _Interval) -> _Found:
    good = i.history.good[i.raw]
    values = i.history.value[i.raw][good]
    if not len(values):
        return _nothing(i)
    return i.start, float(values[-1] - values[0]), _status(GOOD if good.all() else UNCERTAIN, CALCULATED | i.partial)


def _start_bound(i: _Interval) -> _Found:
    return _bound(simple(i.history, i.rules, i.start), i.start, i.partial)


def _end_bound(i: _Interval) -> _Found:
    bound = simple(i.history, i.rules, i.end)
    if bound.quality == BAD:
        return _nothing(i, i.partial)
    return i.start, bound.value, _status(bound.quality, CALCULATED | i.partial)


def _delta_bounds(i: _Interval) -> _Found:
    start, end = simple(i.history, i.rules, i.start), simple(i.history, i.rules, i.end)
    if start.quality != GOOD or end.quality != GOOD:
        return _nothing(i, i.partial)
    return i.start, end.value - start.value, _status(GOOD, CALCULATED | i.partial)


def _duration(quality: int, *, percent: bool = False) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        regions = regions_of(i.history, i.rules, i.start, i.end)
        span = int(regions.span_us[regions.starts == quality].sum())
        value = 100 * span / (i.end - i.start) if percent else span / 1000
        return i.start, value, _status(GOOD, CALCULATED | i.partial)

    return compute


def _worst(*, bounded: bool) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        quality, status = i.history.quality[i.raw].tolist(), i.history.status[i.raw].tolist()
        start = simple(i.history, Rules(stepped=i.rules.stepped, treat_uncertain_as_bad=False), i.start)
        if bounded and start.status is None:
            quality.insert(0, start.quality)
            status.insert(0, _status(start.quality, 0))
        if not quality:
            return _nothing(i)
        worst = max(quality)
        several = MULTIPLE_VALUES if quality.count(worst) > 1 else 0
        return i.start, float(status[quality.index(worst)]), _status(GOOD, CALCULATED | several | i.partial)

    return compute


def _deviation(*, squared: bool, population: bool) -> Callable[[_Interval], _Found]:
    def compute(i: _Interval) -> _Found:
        good = i.history.good[i.raw]
        values = i.history.value[i.raw][good]
        if not len(values):
            return _nothing(i)
        variance = float(values.var(ddof=0 if population else 1)) if len(values) > 1 else 0.0
        quality = GOOD if good.all() else UNCERTAIN
        return i.start, variance if squared else variance**0.5, _status(quality, CALCULATED | i.partial)

    return compute


_FUNCTIONS: Final[dict[Aggregate, Callable[[_Interval], _Found]]] = {
    Aggregate.INTERPOLATIVE: _interpolative,
    Aggregate.AVERAGE: _average,
    Aggregate.TIME_AVERAGE: _time_average,
    Aggregate.TIME_AVERAGE_2: _time_average_2,
    Aggregate.TOTAL: _total,
    Aggregate.TOTAL_2: _total_2,
    Aggregate.MINIMUM: _extreme_value(-1),
    Aggregate.MAXIMUM: _extreme_value(1),
    Aggregate.MINIMUM_ACTUAL_TIME: _extreme_time(-1),
    Aggregate.MAXIMUM_ACTUAL_TIME: _extreme_time(1),
    Aggregate.RANGE: _range,
    Aggregate.MINIMUM_2: _bounded_value(-1),
    Aggregate.MAXIMUM_2: _bounded_value(1),
    Aggregate.MINIMUM_ACTUAL_TIME_2: _bounded_time(-1),
    Aggregate.MAXIMUM_ACTUAL_TIME_2: _bounded_time(1),
    Aggregate.RANGE_2: _range_2,
    Aggregate.COUNT: _count,
    Aggregate.DURATION_IN_STATE_ZERO: _in_state(zero=True),
    Aggregate.DURATION_IN_STATE_NON_ZERO: _in_state(zero=False),
    Aggregate.NUMBER_OF_TRANSITIONS: _transitions,
    Aggregate.START: _edge(last=False),
    Aggregate.END: _edge(last=True),
    Aggregate.DELTA: _delta,
    Aggregate.START_BOUND: _start_bound,
    Aggregate.END_BOUND: _end_bound,
    Aggregate.DELTA_BOUNDS: _delta_bounds,
    Aggregate.DURATION_GOOD: _duration(GOOD),
    Aggregate.DURATION_BAD: _duration(BAD),
    Aggregate.PERCENT_GOOD: _duration(GOOD, percent=True),
    Aggregate.PERCENT_BAD: _duration(BAD, percent=True),
    Aggregate.WORST_QUALITY: _worst(bounded=False),
    Aggregate.WORST_QUALITY_2: _worst(bounded=True),
    Aggregate.STANDARD_DEVIATION_SAMPLE: _deviation(squared=False, population=False),
    Aggregate.STANDARD_DEVIATION_POPULATION: _deviation(squared=False, population=True),
    Aggregate.VARIANCE_SAMPLE: _deviation(squared=True, population=False),
    Aggregate.VARIANCE_POPULATION: _deviation(squared=True, population=True),
}
