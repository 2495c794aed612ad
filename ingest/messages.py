"""What is kept of MQTT messages: their values as columns, gathered until the next record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.readings import plausible
from plant.samples import FLAG_RETAINED, FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import Signal, StoreRule
from plant.status import BAD_DATA_UNAVAILABLE
from protocols.mqtt_payloads import Fit, PayloadColumns

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """What became of the values of one message."""

    stored: int
    filtered: int
    duplicate: int
    mismatched: npt.NDArray[np.intp]
    """Positions of the signals whose value has another type than they are pinned to."""


@dataclass(slots=True)
class _Columns:
    signal: list[npt.NDArray[np.intp]]
    time_us: list[Times]
    received_us: list[Times]
    value: list[npt.NDArray[np.float64]]
    has_value: list[npt.NDArray[np.bool_]]
    status: list[npt.NDArray[np.uint32]]
    flags: list[npt.NDArray[np.int16]]
    text: list[tuple[int, list[str | None]]]


class MessageTable:
    """The values of some messages of one source. ``last_us``: the source times stored before, NO_TIME where there are none."""

    def __init__(self, signals: Sequence[Signal], last_us: Times) -> None:
        self.paths = tuple(signal.path for signal in signals)
        self._change = np.array([signal.store is StoreRule.ON_CHANGE for signal in signals], np.bool_)
        self._any_change = bool(self._change.any())
        self._last_us = last_us.copy()
        self._last: dict[int, tuple[str, str | None, int]] = {}
        self._gathered = 0
        self._columns = _Columns([], [], [], [], [], [], [], [])

    def __len__(self) -> int:
        return self._gathered

    def forget(self, last_us: Times) -> None:
        """Drop what was gathered and go back to these stored times: the messages will come again."""
        self._last_us = last_us.copy()
        self._last.clear()
        self._gathered = 0
        self._columns = _Columns([], [], [], [], [], [], [], [])

    def take(self, received_us: int, columns: PayloadColumns, places: npt.NDArray[np.intp], *, retained: bool) -> MessageOutcome:
        """Keep what is new of one message."""
        signal = places[columns.key]
        fits = columns.fit != Fit.MISMATCH
        own = plausible(columns.time_us, received_us)
        # where messages are numbered, a new number is a new sample even at the same time
        known = own & (columns.time_us == self._last_us[signal]) & (columns.sequence is None)
        keep = fits & ~known
        duplicate = int(np.count_nonzero(fits & known))
        filtered = 0
        if self._any_change:
            changed = self._changed(columns, signal)
            filtered = int(np.count_nonzero(keep & ~changed))
            keep = keep & changed
        self._put(received_us, columns, signal, keep, own, retained=retained)
        return MessageOutcome(int(np.count_nonzero(keep)), filtered, duplicate, signal[~fits])

    def harvest(self) -> SampleBatch:
        """Return what was gathered, in the order it came, and start afresh."""
        columns, self._columns, self._gathered = self._columns, _Columns([], [], [], [], [], [], [], []), 0
        n = sum(len(part) for part in columns.signal)
        text = None
        if columns.text:
            text = np.full(n, None, np.object_)
            for at, texts in columns.text:
                text[at : at + len(texts)] = texts
        return SampleBatch(
            self.paths,
            _joined(columns.signal, np.int32),
            _joined(columns.time_us, np.int64),
            np.full(n, NO_TIME),
            _joined(columns.received_us, np.int64),
            _joined(columns.value, np.float64),
            _joined(columns.has_value, np.bool_),
            _joined(columns.status, np.uint32),
            _joined(columns.flags, np.int16),
            text,
        )

    def _changed(self, columns: PayloadColumns, signal: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        changed = np.ones(len(columns), np.bool_)
        for n in np.flatnonzero(self._change[signal] & (columns.fit != Fit.MISMATCH)).tolist():
            value = (float(columns.value[n]).hex(), None if columns.text is None else columns.text[n], int(columns.fit[n]))
            place = int(signal[n])
            changed[n] = self._last.get(place) != value
            self._last[place] = value
        return changed

    def _put(
        self,
        received_us: int,
        columns: PayloadColumns,
        signal: npt.NDArray[np.intp],
        keep: npt.NDArray[np.bool_],
        own: npt.NDArray[np.bool_],
        *,
        retained: bool,
    ) -> None:
        kept = int(np.count_nonzero(keep))
        if not kept:
            return
        own = own[keep]
        signal = signal[keep]
        time_us = np.where(own, columns.time_us[keep], received_us)
        into = self._columns
        if columns.text is not None:
            into.text.append((self._gathered, [text for text, k in zip(columns.text, keep.tolist(), strict=True) if k]))
        into.signal.append(signal)
        into.time_us.append(time_us)
        into.received_us.append(np.full(kept, received_us))
        into.value.append(columns.value[keep])
        into.has_value.append(columns.has_value[keep])
        into.status.append(np.where(columns.fit[keep] == Fit.NULL, BAD_DATA_UNAVAILABLE, 0).astype(np.uint32))
        flags = np.where(own, 0, FLAG_TIME_NOT_OF_SOURCE) + (FLAG_RETAINED if retained else 0)
        into.flags.append(flags.astype(np.int16))
        self._last_us[signal[own]] = time_us[own]
        self._gathered += kept


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)
