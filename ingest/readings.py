"""What is kept of cyclic reads: store rules over all signals of a source at once, into a table of ticks x signals filled each second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import Signal, StoreRule
from plant.status import BAD, BAD_NODE_ID_UNKNOWN, OVERFLOW_BIT, SEVERITY_MASK
from protocols.opcua_values import ReadColumns

_EARLIEST_US = 946_684_800_000_000
"""2000-01-01: a source time before it is a clock that was never set."""
_AHEAD_US = 86_400_000_000
_BAD_NODE_ID_INVALID = 0x80330000
_INFO_TYPE = 0x00000C00
_INFO_OF_DATA_VALUE = 0x00000400
"""Only beside it the bit that says overflow means it (OPC 10000-4, 7.38)."""
_NEVER_READ = 0xFFFFFFFF

Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """What became of the signals read at one tick."""

    stored: int
    unchanged: int
    filtered: int
    mismatched: npt.NDArray[np.intp]
    """Positions of the signals whose value has another type than they are pinned to."""
    gone: npt.NDArray[np.intp]
    """Positions of the signals whose address the source does not know any more."""
    unkeepable: npt.NDArray[np.intp]
    """Positions of the signals whose text no database keeps: it holds the character NUL."""
    overflowed: npt.NDArray[np.intp]
    """Positions of the signals of which the server dropped values before the one that was kept now."""


def plausible(time_us: Times, now_us: int) -> Bools:
    """Return where a source time can be true: neither absent, nor before 2000, nor more than a day ahead."""
    possible: Bools = (time_us >= _EARLIEST_US) & (time_us <= now_us + _AHEAD_US)
    return possible


class ReadingTable:
    """The reads of about one second. ``last_us``: the source times stored before, NO_TIME where there are none."""

    def __init__(self, signals: Sequence[Signal], last_us: Times, ticks: int) -> None:
        n = len(signals)
        self.paths = tuple(signal.path for signal in signals)
        self._every: Bools = np.array([signal.store is StoreRule.EVERY_READ for signal in signals], np.bool_)
        self._change: Bools = np.array([signal.store is StoreRule.ON_CHANGE for signal in signals], np.bool_)
        self._last_us = last_us.copy()
        self._last_value = np.zeros(n)
        self._last_status = np.full(n, _NEVER_READ, np.uint32)
        self._last_has = np.zeros(n, np.bool_)
        self._last_text = np.full(n, None, np.object_)
        self._rows = 0
        self._has_text = False
        self._any_text = False
        self._allocate(max(2, ticks))

    @property
    def full(self) -> bool:
        """Whether the next tick needs a harvest first."""
        return self._rows == len(self._keep)

    def forget(self, lost: SampleBatch) -> None:
        """Treat a value as new when it is read again: these samples of ours could not be made durable."""
        newest = np.full(len(self.paths), NO_TIME)
        np.maximum.at(newest, lost.signal, lost.time_us)
        touched = np.unique(lost.signal)
        self._last_us[touched] = np.where(self._last_us[touched] <= newest[touched], NO_TIME, self._last_us[touched])
        self._last_status[touched] = _NEVER_READ

    def take(self, received_us: int, read: ReadColumns, places: npt.NDArray[np.intp], pinned: npt.NDArray[np.uint8]) -> TickOutcome:
        """Judge one read of the signals at ``places`` and keep what their rules want."""
        bad_node = read.status & np.uint32(0xFFFF0000)
        gone: Bools = (bad_node == BAD_NODE_ID_UNKNOWN) | (bad_node == _BAD_NODE_ID_INVALID)
        bad: Bools = (read.status & np.uint32(SEVERITY_MASK)) == np.uint32(BAD)
        mismatched: Bools = (read.type_id != pinned) & (read.type_id != 0) & ~bad & ~gone
        own = plausible(read.source_time_us, received_us)
        moved: Bools = read.source_time_us != self._last_us[places]
        same = self._same(read, places)
        # a value stored before a restart is no change, though it is not known here any more
        same |= (self._last_status[places] == _NEVER_READ) & own & ~moved
        every, change = self._every[places], self._change[places]
        wanted = np.where(own, moved, ~same)
        keep: Bools = (every | (change & ~same) | (~every & ~change & wanted)) & ~gone & ~mismatched
        left = ~keep & ~gone & ~mismatched
        unkeepable = _with_nul(read.text, keep)
        keep[unkeepable] = False
        overflowed = keep & ((read.status & np.uint32(_INFO_TYPE | OVERFLOW_BIT)) == np.uint32(_INFO_OF_DATA_VALUE | OVERFLOW_BIT))
        source_time = own & (moved | ~every)
        otherwise = np.where(plausible(read.server_time_us, received_us) & ~every, read.server_time_us, received_us)
        self._put(received_us, read, places, keep, np.where(source_time, read.source_time_us, otherwise), ~source_time)
        filtered = int(np.count_nonzero(left & change))
        return TickOutcome(
            int(np.count_nonzero(keep)),
            int(np.count_nonzero(left)) - filtered,
            filtered,
            places[np.flatnonzero(mismatched)] if mismatched.any() else places[:0],
            places[np.flatnonzero(gone)] if gone.any() else places[:0],
            places[unkeepable],
            places[np.flatnonzero(overflowed)] if overflowed.any() else places[:0],
        )

    def harvest(self) -> SampleBatch:
        """Return what was kept, ordered by signal and time of reading, and start afresh."""
        rows = self._rows
        keep = self._keep[:rows].T
        signal, tick = np.nonzero(keep)
        text = None
        if self._has_text:
            text = self._text[:rows].T[keep]
            self._text[:rows] = None
            self._has_text = False
        batch = SampleBatch(
            self.paths,
            signal.astype(np.int32),
            self._time[:rows].T[keep],
            self._server[:rows].T[keep],
            self._received[:rows][tick],
            self._value[:rows].T[keep],
            self._has[:rows].T[keep],
            self._status[:rows].T[keep],
            self._foreign[:rows].T[keep].astype(np.int16) * np.int16(FLAG_TIME_NOT_OF_SOURCE),
            text,
        )
        self._keep[:rows] = False
        self._rows = 0
        return batch

    def _same(self, read: ReadColumns, places: npt.NDArray[np.intp]) -> Bools:
        same: Bools = (
            # bit for bit: NaN equals NaN, and -0.0 is not 0.0
            (read.value.view(np.int64) == self._last_value[places].view(np.int64))
            & (read.status == self._last_status[places])
            & (read.has_value == self._last_has[places])
        )
        if self._any_text or read.text is not None:
            same = same & (self._last_text[places] == read.text).astype(np.bool_)
        return same

    def _put(self, received_us: int, read: ReadColumns, places: npt.NDArray[np.intp], keep: Bools, time_us: Times, foreign: Bools) -> None:
        row = self._rows
        self._rows += 1
        self._received[row] = received_us
        if not keep.any():
            return
        kept = places if keep.all() else places[keep]
        at = slice(None) if len(kept) == len(places) else keep
        self._keep[row, kept] = True
        self._time[row, kept] = time_us[at]
        self._server[row, kept] = read.server_time_us[at]
        self._value[row, kept] = self._last_value[kept] = read.value[at]
        self._has[row, kept] = self._last_has[kept] = read.has_value[at]
        self._status[row, kept] = self._last_status[kept] = read.status[at]
        self._foreign[row, kept] = foreign[at]
        self._last_us[kept] = np.where(foreign, self._last_us[places], read.source_time_us)[at]
        if read.text is not None:
            self._text[row, kept] = self._last_text[kept] = read.text[at]
            self._has_text = self._any_text = True
        elif self._any_text:
            self._last_text[kept] = None

    def _allocate(self, ticks: int) -> None:
        shape = (ticks, len(self.paths))
        self._received: Times = np.zeros(ticks, np.int64)
        self._keep = np.zeros(shape, np.bool_)
        self._time: Times = np.zeros(shape, np.int64)
        self._server: Times = np.zeros(shape, np.int64)
        self._value = np.zeros(shape)
        self._has = np.zeros(shape, np.bool_)
        self._status = np.zeros(shape, np.uint32)
        self._foreign = np.zeros(shape, np.bool_)
        self._text = np.full(shape, None, np.object_)


def _with_nul(text: npt.NDArray[np.object_] | None, keep: Bools) -> npt.NDArray[np.intp]:
    """Return which of the samples to keep have a text that PostgreSQL refuses."""
    if text is None:
        return np.empty(0, np.intp)
    return np.array([n for n in np.flatnonzero(keep).tolist() if text[n] is not None and "\0" in text[n]], np.intp)
