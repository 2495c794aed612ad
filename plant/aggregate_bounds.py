"""What the value of a signal is between its samples: bounds and regions of OPC UA Part 13 (3.1.8, 3.1.9 and 5.4.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.status import SEVERITY_MASK

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

GOOD: Final = 0
UNCERTAIN: Final = 1
BAD: Final = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """How values between samples are told, and what makes a result bad; the defaults are those of the standard."""

    stepped: bool = False
    """A value holds until the next one; else there is a line between them."""
    treat_uncertain_as_bad: bool = True
    percent_bad: int = 100
    """From so much bad on, a result is bad."""
    percent_good: int = 100
    """From so much good on, a result is good."""
    sloped_extrapolation: bool = False
    """Beyond the data the last line goes on, else the last value."""
    resolution_us: int = 1000
    """The last sample is worth so much time; a value at the end of an interval is that much before it."""


class History:
    """The samples of one signal, ordered by time, as columns of equal length; what is bad has no value."""

    def __init__(self, time_us: Times, value: Floats, status: npt.NDArray[np.uint32], known_until_us: int | None = None) -> None:
        """``known_until_us``: the last value is known to hold until then; else the data end with the last sample."""
        severity = (status & np.uint32(SEVERITY_MASK)) >> np.uint32(30)
        self.time_us, self.status = time_us, status
        quality = np.where(severity == 0, GOOD, np.where(severity == 1, UNCERTAIN, BAD)).astype(np.int8)
        self.quality: npt.NDArray[np.int8] = np.where(np.isnan(value) & (quality != BAD), np.int8(BAD), quality)
        self.value: Floats = np.where(self.quality == BAD, np.nan, value)
        last = int(time_us[-1]) if len(time_us) else 0
        self.begin_us = int(time_us[0]) if len(time_us) else 0
        self.end_us = last if known_until_us is None else max(last, known_until_us)

    @cached_property
    def good(self) -> npt.NDArray[np.bool_]:
        """Where the status is good, shape (n,)."""
        return np.asarray(self.quality == GOOD)

    def quality_by(self, rules: Rules) -> npt.NDArray[np.int8]:
        """Return qualities, shape (n,), with uncertain ones bad where the rules say so."""
        return self._strict if rules.treat_uncertain_as_bad else self.quality

    @cached_property
    def _strict(self) -> npt.NDArray[np.int8]:
        return np.where(self.quality == UNCERTAIN, np.int8(BAD), self.quality)

    def usable_before(self, rules: Rules, position: int) -> int | None:
        """Return the position of the last usable value before one; None where there is none."""
        at = int(self._before(rules)[position])
        return None if at < 0 else at

    def usable_from(self, rules: Rules, position: int) -> int | None:
        """Return the position of the first usable value from one on; None where there is none."""
        at = int(self._after(rules)[position])
        return None if at >= len(self.time_us) else at

    def _before(self, rules: Rules) -> npt.NDArray[np.intp]:
        return self._strict_before if rules.treat_uncertain_as_bad else self._loose_before

    def _after(self, rules: Rules) -> npt.NDArray[np.intp]:
        return self._strict_after if rules.treat_uncertain_as_bad else self._loose_after

    @cached_property
    def _strict_before(self) -> npt.NDArray[np.intp]:
        return _last_before(self._strict != BAD)

    @cached_property
    def _loose_before(self) -> npt.NDArray[np.intp]:
        return _last_before(self.quality != BAD)

    @cached_property
    def _strict_after(self) -> npt.NDArray[np.intp]:
        return _first_from(self._strict != BAD)

    @cached_property
    def _loose_after(self) -> npt.NDArray[np.intp]:
        return _first_from(self.quality != BAD)


@dataclass(frozen=True, slots=True)
class Bound:
    """The value at an instant; ``status`` is that of a sample taken then, None where the value is interpolated or held."""

    value: float
    quality: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Regions:
    """The stretches of an interval, as columns of equal length."""

    span_us: Times
    value: Floats
    """At the start of the stretch."""
    area: Floats
    """Value times microseconds; NaN where the stretch is bad."""
    quality: npt.NDArray[np.int8]
    """A line to a point that is not good is uncertain."""
    starts: npt.NDArray[np.int8]
    """Quality of the point at the start alone."""
    known: npt.NDArray[np.bool_]
    """Where the data have not ended yet: what lies behind their end makes no result worse than partial."""

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Where there is a value, shape (k,)."""
        return np.asarray(self.starts != BAD)


_NONE: Final = Bound(np.nan, BAD, None)


def simple(history: History, rules: Rules, time_us: int) -> Bound:
    """Return the value at an instant by the very samples before and after it, be they bad."""
    quality, at = history.quality_by(rules), int(np.searchsorted(history.time_us, time_us))
    if at < len(quality) and history.time_us[at] == time_us:
        return Bound(float(history.value[at]), int(quality[at]), int(history.status[at]))
    if at == 0 or time_us > history.end_us or quality[at - 1] == BAD:
        return _NONE
    before = float(history.value[at - 1])
    if rules.stepped or at == len(quality):
        return Bound(before, int(quality[at - 1]), None)
    if quality[at] == BAD:
        return Bound(before, UNCERTAIN, None)
    return Bound(_between(history, at - 1, at, time_us), int(max(quality[at - 1], quality[at])), None)


def interpolated(history: History, rules: Rules, time_us: int) -> Bound:
    """Return the value at an instant by the nearest samples that are usable; beyond the data it is extrapolated, and uncertain."""
    quality, at = history.quality_by(rules), int(np.searchsorted(history.time_us, time_us))
    there = at < len(quality) and history.time_us[at] == time_us
    if there and quality[at] != BAD:
        return Bound(float(history.value[at]), int(quality[at]), int(history.status[at]))
    before = history.usable_before(rules, at)
    if before is None:
        return _NONE
    after = history.usable_from(rules, at)
    if after is None:
        return _extrapolated(history, rules, before, time_us)
    if rules.stepped:
        doubtful = quality[before] != GOOD or at - before > 1 or there
        return Bound(float(history.value[before]), UNCERTAIN if doubtful else GOOD, None)
    doubtful = after - before > 1 or quality[before] != GOOD or quality[after] != GOOD
    return Bound(_between(history, before, after, time_us), UNCERTAIN if doubtful else GOOD, None)


def regions_of(history: History, rules: Rules, start_us: int, end_us: int) -> Regions:
    """Return the stretches of [start_us, end_us) from sample to sample, with simple bounds."""
    first, last = (int(n) for n in np.searchsorted(history.time_us, [start_us, end_us]))
    times, values = history.time_us[first:last], history.value[first:last]
    quality = history.quality_by(rules)[first:last]
    start, end = simple(history, rules, start_us), simple(history, rules, end_us)
    if not len(times) or times[0] > start_us:
        times, values = np.insert(times, 0, start_us), np.insert(values, 0, start.value)
        quality = np.insert(quality, 0, np.int8(start.quality))
    ends, end_values, end_quality = np.append(times[1:], end_us), np.append(values[1:], end.value), np.append(quality[1:], end.quality)
    beyond = end_us > history.end_us >= start_us
    if beyond:
        # the data end here: the last value is worth one tick of the clock
        stop = min(end_us, history.end_us + rules.resolution_us)
        times, values, quality = np.append(times, stop), np.append(values, np.nan), np.append(quality, np.int8(BAD))
        ends[-1], end_values[-1], end_quality[-1] = stop, values[-2], quality[-2]
        ends, end_values, end_quality = np.append(ends, end_us), np.append(end_values, np.nan), np.append(end_quality, BAD)
    line = (end_quality != BAD) & (not rules.stepped)
    area: Floats = np.asarray((ends - times) * np.where(line, (values + end_values) / 2, values), np.float64)
    worse = np.maximum(quality, np.minimum(end_quality, UNCERTAIN)) if not rules.stepped else quality
    told = np.where(quality == BAD, np.int8(BAD), worse).astype(np.int8)
    known = np.ones(len(times), np.bool_)
    if beyond:
        known[-1] = False
        if not rules.stepped:
            told[-2] = max(told[-2], UNCERTAIN)  # a line to nowhere
    return Regions((ends - times).astype(np.int64), values, area, told, quality.astype(np.int8), known)


def _between(history: History, before: int, after: int, time_us: int) -> float:
    share = (time_us - int(history.time_us[before])) / (int(history.time_us[after]) - int(history.time_us[before]))
    low, high = float(history.value[before]), float(history.value[after])
    return low + share * (high - low)


def _extrapolated(history: History, rules: Rules, last: int, time_us: int) -> Bound:
    known = time_us <= history.end_us and last == len(history.time_us) - 1
    value = float(history.value[last])
    before = history.usable_before(rules, last)
    if rules.sloped_extrapolation and not rules.stepped and before is not None and not known:
        value = _between(history, before, last, time_us)
    return Bound(value, int(history.quality[last]) if known else UNCERTAIN, None)


def _last_before(usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return, shape (n + 1,), the position of the last usable value before each position, -1 without one."""
    places = np.where(usable, np.arange(len(usable)), -1)
    return np.concatenate([[-1], np.maximum.accumulate(places)]).astype(np.intp) if len(places) else np.array([-1], np.intp)


def _first_from(usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return, shape (n + 1,), the position of the first usable value from each position on, n without one."""
    count = len(usable)
    places = np.where(usable, np.arange(count), count)
    return np.concatenate([np.minimum.accumulate(places[::-1])[::-1], [count]]).astype(np.intp) if count else np.array([0], np.intp)
