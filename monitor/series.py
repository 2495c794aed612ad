"""Alarms that are no plain limits, made into such: how fast a value changes, how far it is from a set point, whether it is one of some.

Each becomes a series of numbers that has a high limit, so that deadbands and delays are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from monitor.feed import Read
from monitor.limits import Floats, Series, Times
from plant.alarms import AlarmDefinition, AlarmKind

DERIVED: Final = frozenset({AlarmKind.RATE, AlarmKind.DEVIATION, AlarmKind.DISCRETE})
Columns: TypeAlias = tuple[Times, Times, Floats]
"""Time, time of reception, value."""
_NONE: Final[Columns] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(slots=True)
class Kept:
    """What one alarm must remember of samples that were read before."""

    value: Columns = _NONE
    """RATE: those of the last window. DEVIATION: those that wait for the set point's source."""
    set_point: Columns = _NONE
    """Those that wait."""
    last_value: float = np.nan
    last_set_point: float = np.nan


@dataclass(slots=True)
class DerivedSeries:
    """Makes the series of some alarms. ``signals``: the position of each one's signal; ``set_points``: of its set point, -1 without."""

    definitions: Sequence[AlarmDefinition]
    signals: npt.NDArray[np.intp]
    set_points: npt.NDArray[np.intp]
    kept: dict[int, Kept] = field(default_factory=dict)
    """By position of the alarm."""

    @property
    def limits(self) -> list[AlarmDefinition]:
        """The alarms as high limits of their series."""
        return [
            replace(one, kind=AlarmKind.HIGH, limit=0.5, deadband=0.0)
            if one.kind is AlarmKind.DISCRETE
            else replace(one, kind=AlarmKind.HIGH)
            for one in self.definitions
        ]

    def until(self, until_us: Times) -> Times:
        """Return until when the series of each alarm is known, by that of the signals."""
        own = until_us[self.signals]
        return np.where(self.set_points >= 0, np.minimum(own, until_us[np.maximum(self.set_points, 0)]), own)

    def make(self, read: Read, until_us: Times) -> Series:
        """Return the new pieces of all series; ``until_us`` is that of the alarms."""
        spans: dict[int, tuple[int, int]] = {}
        parts: list[Columns] = []
        end = 0
        for alarm, what in enumerate(self.definitions):
            part = self._of(alarm, what, read, int(until_us[alarm]))
            if len(part[0]):
                parts.append(part)
                spans[alarm] = (end, end + len(part[0]))
                end += len(part[0])
        time_us, received_us, value = (np.concatenate([part[n] for part in parts]) for n in range(3)) if parts else _NONE
        return Series(spans, time_us, received_us, value)

    def _of(self, alarm: int, what: AlarmDefinition, read: Read, until_us: int) -> Columns:
        signal = int(self.signals[alarm])
        if what.kind is AlarmKind.DISCRETE:
            time_us, received_us, value = _of_signal(read.series, signal)
            first, last = read.series.spans.get(signal, (0, 0))
            return time_us, received_us, _matched(what, value, None if read.text is None else read.text[first:last])
        if what.kind is AlarmKind.RATE:
            new = _of_signal(read.series, signal)
            return self._rate(alarm, what, new) if len(new[0]) else _NONE
        set_point = int(self.set_points[alarm])
        if set_point < 0:
            time_us, received_us, value = _of_signal(read.series, signal)
            return time_us, received_us, np.abs(value - what.set_point)
        kept = self.kept.setdefault(alarm, Kept())
        kept.value = _together(kept.value, _of_signal(read.series, signal))
        kept.set_point = _together(kept.set_point, _of_signal(read.series, set_point))
        return _deviation(kept, until_us)

    def _rate(self, alarm: int, what: AlarmDefinition, new: Columns) -> Columns:
        kept = self.kept.setdefault(alarm, Kept())
        time_us, received_us, value = _together(kept.value, new)
        before = len(kept.value[0])
        if bool((np.diff(time_us) < 0).any()):
            # a clock was set back: what lies before is of no use
            back = int(np.flatnonzero(np.diff(time_us) < 0)[-1]) + 1
            time_us, received_us, value = time_us[back:], received_us[back:], value[back:]
            skipped, before = back, max(0, before - back)
            lost = max(0, skipped - len(kept.value[0]))
        else:
            lost = 0
        first = np.searchsorted(time_us, time_us - what.window_us, side="right") - 1
        known = first >= 0
        at = np.maximum(first, 0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            rate = np.abs((value - value[at]) / ((time_us - time_us[at]) / 1e6))
        rate[~known] = np.nan
        keep = max(0, int(first[-1]))
        kept.value = (time_us[keep:].copy(), received_us[keep:].copy(), value[keep:].copy())
        head = tuple(column[:lost] for column in new[:2])
        return (
            np.concatenate([head[0], time_us[before:]]),
            np.concatenate([head[1], received_us[before:]]),
            np.concatenate([np.full(lost, np.nan), rate[before:]]),
        )


def _of_signal(series: Series, signal: int) -> Columns:
    first, last = series.spans.get(signal, (0, 0))
    return series.time_us[first:last], series.received_us[first:last], series.value[first:last]


def _together(old: Columns, new: Columns) -> Columns:
    if not len(old[0]):
        return new
    return np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]]), np.concatenate([old[2], new[2]])


def _matched(what: AlarmDefinition, value: Floats, text: npt.NDArray[np.object_] | None) -> Floats:
    """Return which of an alarm's values and texts each sample is, counted from 1; 0 for none, NaN where it is not known."""
    found = np.where(np.isnan(value), np.nan, 0.0)
    for number, one in enumerate(what.values, 1):
        found[value == one] = number
    if text is not None:
        told = np.array([one is not None for one in text], np.bool_)
        found[told & np.isnan(found)] = 0.0
        for number, words in enumerate(what.texts, len(what.values) + 1):
            found[text == words] = number
    return found


def matched_name(what: AlarmDefinition, number: float) -> tuple[float | None, str | None]:
    """Return the value or the text of a discrete alarm that a number of its series stands for."""
    place = int(number) - 1
    if place < 0:
        return None, None
    if place < len(what.values):
        return what.values[place], None
    return None, what.texts[place - len(what.values)]


def _deviation(kept: Kept, until_us: int) -> Columns:
    """Return how far value and set point are apart, in the order of reception, as far as both are known."""
    ready = [int(np.count_nonzero(columns[1] < until_us)) for columns in (kept.value, kept.set_point)]
    taken = [tuple(c[:n] for c in columns) for columns, n in zip((kept.value, kept.set_point), ready, strict=True)]
    (vt, vr, vv), (st, sr, sv) = taken
    kept.value = (kept.value[0][ready[0] :], kept.value[1][ready[0] :], kept.value[2][ready[0] :])
    kept.set_point = (kept.set_point[0][ready[1] :], kept.set_point[1][ready[1] :], kept.set_point[2][ready[1] :])
    if not len(vt) and not len(st):
        return _NONE
    is_value = np.concatenate([np.zeros(len(st), np.bool_), np.ones(len(vt), np.bool_)])
    received = np.concatenate([sr, vr])
    # a set point that came together with a value holds for it
    order = np.lexsort((is_value, received))
    is_value, received = is_value[order], received[order]
    time_us, value = np.concatenate([st, vt])[order], np.concatenate([sv, vv])[order]
    values = _filled(np.where(is_value, value, 0.0), is_value, kept.last_value)
    set_points = _filled(np.where(is_value, 0.0, value), ~is_value, kept.last_set_point)
    kept.last_value, kept.last_set_point = float(values[-1]), float(set_points[-1])
    return time_us, received, np.abs(values - set_points)


def _filled(column: Floats, there: npt.NDArray[np.bool_], before: float) -> Floats:
    last = np.maximum.accumulate(np.where(there, np.arange(len(column)), -1))
    return np.where(last >= 0, column[np.maximum(last, 0)], before)


def as_lists(kept: Mapping[int, Kept]) -> dict[int, list[list[float]]]:
    """Return what alarms remember as plain numbers."""
    return {
        alarm: [*(column.tolist() for columns in (one.value, one.set_point) for column in columns), [one.last_value, one.last_set_point]]
        for alarm, one in kept.items()
    }


def of_lists(packed: Mapping[int, list[list[float]]]) -> dict[int, Kept]:
    """Return what alarms remember, as ``as_lists`` gave it."""

    def columns(parts: list[list[float]]) -> Columns:
        return np.array(parts[0], np.int64), np.array(parts[1], np.int64), np.array(parts[2], np.float64)

    return {alarm: Kept(columns(parts[:3]), columns(parts[3:6]), parts[6][0], parts[6][1]) for alarm, parts in packed.items()}
