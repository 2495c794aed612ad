"""Deadbands: small changes that nobody wants stored, by the rules of OPC UA (10000-4 absolute, 10000-8 percent of the range).

A deadband compares with the last value that was stored, never with the last one seen: a slow drift is stored in steps of its width.
What says more than a number passes always: another status, bad quality, a value where there was none, the first value after a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.signals import Signal
from plant.status import BAD, SEVERITY_MASK

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Statuses = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Values:
    """Values of some signals, one each, as columns of equal length."""

    value: Floats
    has_value: Bools
    status: Statuses


def widths_of(signals: Sequence[Signal]) -> Floats | None:
    """Return the deadband of each signal in its unit, NaN where it has none; None where no signal has one."""
    widths = np.array([_width(signal) for signal in signals])
    return None if np.isnan(widths).all() else widths


def outside(now: Values, stored: Values, widths: Floats) -> Bools:
    """Return which values are to be stored: those further from the stored one than the deadband, and all that say more than a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(now.value - stored.value) <= widths
    # the difference of two infinities, and of NaN and anything, is no number
    near |= (now.value == stored.value) | (np.isnan(now.value) & np.isnan(stored.value))
    bad = (now.status & np.uint32(SEVERITY_MASK)) == np.uint32(BAD)
    same_kind = now.has_value & stored.has_value & (now.status == stored.status) & ~bad
    passing: Bools = ~(near & same_kind & ~np.isnan(widths))
    return passing


class StoredValues:
    """The last stored value of each signal, for values that come many at once and many of one signal."""

    def __init__(self, widths: Floats) -> None:
        self._widths = widths
        self._has_width: Bools = ~np.isnan(widths)
        self._value = np.zeros(len(widths))
        self._has = np.zeros(len(widths), np.bool_)
        self._status = np.zeros(len(widths), np.uint32)
        self._first = np.ones(len(widths), np.bool_)

    def after_gap(self) -> None:
        """Be told that values are missing: the next one of each signal passes."""
        self._first[:] = True

    def dropped(self, signal: npt.NDArray[np.intp], values: Values, keep: Bools) -> Bools:
        """Return which of the values to keep lie within their deadband; those of one signal stand in the order they came."""
        dropped = np.zeros(len(signal), np.bool_)
        asked = np.flatnonzero(keep & self._has_width[signal])
        asked = asked[np.argsort(signal[asked], kind="stable")]
        while len(asked):
            # each signal's next value at once: it must be known whether it is stored before the one behind it is judged
            places = signal[asked]
            next_ones = np.concatenate(([True], places[1:] != places[:-1]))
            self._judge(asked[next_ones], signal, values, dropped)
            asked = asked[~next_ones]
        return dropped

    def _judge(self, rows: npt.NDArray[np.intp], signal: npt.NDArray[np.intp], values: Values, dropped: Bools) -> None:
        places = signal[rows]
        now = Values(values.value[rows], values.has_value[rows], values.status[rows])
        stored = Values(self._value[places], self._has[places], self._status[places])
        passing = outside(now, stored, self._widths[places]) | self._first[places]
        dropped[rows] = ~passing
        kept = places[passing]
        self._value[kept], self._has[kept], self._status[kept] = now.value[passing], now.has_value[passing], now.status[passing]
        self._first[places] = False


def _width(signal: Signal) -> float:
    if signal.deadband is not None:
        return signal.deadband
    if signal.deadband_percent is not None and signal.range is not None:
        return signal.deadband_percent / 100 * (signal.range.high - signal.range.low)
    return float("nan")
