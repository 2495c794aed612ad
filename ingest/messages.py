"""What is kept of MQTT messages: their values as columns, gathered until the next record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from ingest.deadbands import StoredValues, Values, widths_of
from ingest.readings import plausible
from plant.samples import FLAG_RETAINED, FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import Signal, StoreRule
from plant.status import BAD_DATA_UNAVAILABLE
from protocols.mqtt_payloads import Fit

Times = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_NEVER: Final = 255


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of some messages as columns of equal length n, those of one signal in the order they came."""

    signal: npt.NDArray[np.int64]
    """Position of each value's signal."""
    fit: npt.NDArray[np.uint8]
    value: npt.NDArray[np.float64]
    time_us: Times
    """The source's time, or NO_TIME."""
    before_us: Times
    """Where there is no time: how long before its message the value was true."""
    text: npt.NDArray[np.object_] | None
    numbered: Bools
    """Whether the message carries a number: then a new one is a new sample even at the same time."""
    retained: Bools

    def __len__(self) -> int:
        return len(self.signal)

    def take(self, chosen: Bools) -> Self:
        """Return the chosen rows."""
        return type(self)(
            self.signal[chosen],
            self.fit[chosen],
            self.value[chosen],
            self.time_us[chosen],
            self.before_us[chosen],
            None if self.text is None else self.text[chosen],
            self.numbered[chosen],
            self.retained[chosen],
        )


@dataclass(frozen=True, slots=True)
class RowsOutcome:
    """What became of rows."""

    stored: int
    filtered: int
    duplicate: int
    mismatched: npt.NDArray[np.int64]
    """Positions of the signals whose value has another type than they are pinned to."""


class MessageTable:
    """The values of some messages of one source. ``last_us``: the source times stored before, NO_TIME where there are none."""

    def __init__(self, signals: Sequence[Signal], last_us: Times) -> None:
        self.paths = tuple(signal.path for signal in signals)
        self._change = np.array([signal.store is StoreRule.ON_CHANGE for signal in signals], np.bool_)
        self._any_change = bool(self._change.any())
        self._widths = widths_of(signals)
        self.forget(last_us)

    def __len__(self) -> int:
        return self._gathered

    def forget(self, last_us: Times) -> None:
        """Drop what was gathered and go back to these stored times: the messages will come again."""
        n = len(self.paths)
        self._last_us = last_us.copy()
        self._last_bits = np.zeros(n, np.int64)
        self._last_fit = np.full(n, _NEVER, np.uint8)
        self._last_text = np.full(n, None, np.object_)
        self._stored = None if self._widths is None else StoredValues(self._widths)
        self._gathered = 0
        self._parts: list[tuple[npt.NDArray[Any], ...]] = []
        self._texts: list[npt.NDArray[np.object_] | None] = []

    def take(self, received_us: Times | int, rows: Rows) -> RowsOutcome:
        """Keep what is new of some rows, which came at one time or each at its own."""
        fits = rows.fit != Fit.MISMATCH
        own = plausible(rows.time_us, int(np.max(received_us, initial=0)))
        known = self._known(rows, fits & own)
        keep = fits & ~known
        filtered = 0
        if self._any_change:
            same = self._same(rows, np.flatnonzero(fits & self._change[rows.signal]))
            filtered = int(np.count_nonzero(keep & same))
            keep &= ~same
        if self._stored is not None:
            dropped = self._stored.dropped(rows.signal, Values(rows.value, rows.fit == Fit.NUMBER, _status_of(rows)), keep)
            filtered += int(np.count_nonzero(dropped))
            keep &= ~dropped
        self._put(received_us, rows, keep, own)
        return RowsOutcome(int(np.count_nonzero(keep)), filtered, int(np.count_nonzero(known)), rows.signal[~fits])

    def after_gap(self) -> None:
        """Be told that messages are missing: the next value of each signal passes its deadband."""
        if self._stored is not None:
            self._stored.after_gap()

    def harvest(self) -> SampleBatch:
        """Return what was gathered, in the order it came, and start afresh."""
        parts, texts, n = self._parts, self._texts, self._gathered
        self._parts, self._texts, self._gathered = [], [], 0
        text = None
        if any(one is not None for one in texts):
            text = np.concatenate([np.full(len(p[0]), None, np.object_) if t is None else t for p, t in zip(parts, texts, strict=True)])
        kinds = (np.int32, np.int64, np.int64, np.float64, np.bool_, np.uint32, np.int16)
        columns = zip(*parts, strict=True) if parts else iter([()] * len(kinds))
        signal, time_us, received_us, value, has_value, status, flags = (
            _joined(column, kind) for column, kind in zip(columns, kinds, strict=True)
        )
        return SampleBatch(self.paths, signal, time_us, np.full(n, NO_TIME), received_us, value, has_value, status, flags, text)

    def _known(self, rows: Rows, own: Bools) -> Bools:
        """Return which rows were stored before: without a number the same time is the same sample."""
        known = np.zeros(len(rows), np.bool_)
        asked = np.flatnonzero(own & ~rows.numbered)
        if not len(asked):
            return known
        signal, time_us = rows.signal[asked], rows.time_us[asked]
        order = np.argsort(signal, kind="stable")
        signal, time_us = signal[order], time_us[order]
        before = np.roll(time_us, 1)
        first = np.concatenate(([True], signal[1:] != signal[:-1]))
        before[first] = self._last_us[signal[first]]
        known[asked[order]] = time_us == before
        return known

    def _same(self, rows: Rows, asked: npt.NDArray[np.intp]) -> Bools:
        """Return which of the rows asked for say what their signal said last, and remember the last of each."""
        same = np.zeros(len(rows), np.bool_)
        if not len(asked):
            return same
        asked = asked[np.argsort(rows.signal[asked], kind="stable")]
        signal, fit = rows.signal[asked], rows.fit[asked]
        bits = rows.value[asked].view(np.int64)
        text = np.full(len(asked), None, np.object_) if rows.text is None else rows.text[asked]
        first = np.concatenate(([True], signal[1:] != signal[:-1]))
        last = np.roll(first, -1)
        equal = np.ones(len(asked), np.bool_)
        for now, kept in ((bits, self._last_bits), (fit, self._last_fit), (text, self._last_text)):
            before = np.roll(now, 1)
            before[first] = kept[signal[first]]
            equal &= np.asarray(now == before, np.bool_)
            kept[signal[last]] = now[last]
        same[asked] = equal
        return same

    def _put(self, received_us: Times | int, rows: Rows, keep: Bools, own: Bools) -> None:
        kept = int(np.count_nonzero(keep))
        if not kept:
            return
        received = np.broadcast_to(received_us, len(rows))
        if kept < len(rows):
            rows, own, received = rows.take(keep), own[keep], received[keep]
        time_us = np.where(own, rows.time_us, received - rows.before_us)
        flags = np.where(own, 0, FLAG_TIME_NOT_OF_SOURCE) + np.where(rows.retained, FLAG_RETAINED, 0)
        status = _status_of(rows)
        self._parts.append((rows.signal, time_us, received, rows.value, rows.fit == Fit.NUMBER, status, flags))
        self._texts.append(rows.text)
        # of several rows of one signal the last one counts
        self._last_us[rows.signal[own]] = time_us[own]
        self._gathered += kept


def _status_of(rows: Rows) -> npt.NDArray[np.uint32]:
    return np.where(rows.fit == Fit.NULL, np.uint32(BAD_DATA_UNAVAILABLE), np.uint32(0))


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)
