"""What is kept of cyclic reads: store rules over all signals of a source at once, into a page of ticks x signals for each record.

A full page is turned in no time and harvested by another thread, so that no tick waits for a record's worth of samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.deadbands import Values, outside, widths_of
from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import Signal, SignalPath, StoreRule
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


class Page:
    """The reads of about one record, filled by one thread and harvested once by another. Its memory is used again."""

    def __init__(self, paths: tuple[SignalPath, ...], ticks: int, free: deque[Page]) -> None:
        shape = (ticks, len(paths))
        self.rows = 0
        self.kept = 0
        self.has_text = False
        self.received: Times = np.zeros(ticks, np.int64)
        self.keep = np.zeros(shape, np.bool_)
        self.time: Times = np.zeros(shape, np.int64)
        self.server: Times = np.zeros(shape, np.int64)
        self.value = np.zeros(shape)
        self.has = np.zeros(shape, np.bool_)
        self.status = np.zeros(shape, np.uint32)
        self.foreign = np.zeros(shape, np.bool_)
        self.text: npt.NDArray[np.object_] | None = None
        self._paths = paths
        self._free = free

    def __len__(self) -> int:
        return self.kept

    def with_text(self) -> npt.NDArray[np.object_]:
        """Return the texts, made when the first one comes: most sources have none."""
        if self.text is None:
            self.text = np.full(self.keep.shape, None, np.object_)
        self.has_text = True
        return self.text

    def harvest(self) -> SampleBatch:
        """Return what was kept, ordered by signal and time of reading, and give the page back. To be called once."""
        rows, n = self.rows, len(self._paths)
        keep = self.keep[:rows].T
        whole = self.kept == rows * n

        def kept(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return column[:rows].T.flatten() if whole else column[:rows].T[keep]

        if whole:
            signal, received = np.repeat(np.arange(n, dtype=np.int32), rows), np.tile(self.received[:rows], n)
        else:
            places, ticks = np.nonzero(keep)
            signal, received = places.astype(np.int32), self.received[:rows][ticks]
        foreign = kept(self.foreign).view(np.int8).astype(np.int16) if self.foreign[:rows].any() else np.zeros(self.kept, np.int16)
        batch = SampleBatch(
            self._paths,
            signal,
            kept(self.time),
            kept(self.server),
            received,
            kept(self.value),
            kept(self.has),
            kept(self.status) if self.status[:rows].any() else np.zeros(self.kept, np.uint32),
            foreign * np.int16(FLAG_TIME_NOT_OF_SOURCE),
            kept(self.text) if self.has_text and self.text is not None else None,
        )
        self.keep[:rows] = False
        if self.has_text and self.text is not None:
            self.text[:rows] = None
        self.rows, self.kept, self.has_text = 0, 0, False
        self._free.append(self)
        return batch


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The signals of a read, and what their rules are."""

    places: npt.NDArray[np.intp]
    at: npt.NDArray[np.intp] | slice
    """The same, cheaper where it is all of them in order."""
    every: Bools
    change: Bools
    all_every: bool


class ReadingTable:
    """The reads of about one record. ``last_us``: the source times stored before, NO_TIME where there are none."""

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
        self._widths = widths_of(signals)
        self._first: Bools = np.ones(n, np.bool_)
        """Where the next value passes its deadband whatever it is."""
        self._any_text = False
        self._last_chosen: _Chosen | None = None
        self._ticks = max(2, ticks)
        self._free: deque[Page] = deque()
        self._page = Page(self.paths, self._ticks, self._free)

    @property
    def full(self) -> bool:
        """Whether the next tick needs a harvest first."""
        return self._page.rows == self._ticks

    def forget(self, lost: SampleBatch) -> None:
        """Treat a value as new when it is read again: these samples of ours could not be made durable."""
        newest = np.full(len(self.paths), NO_TIME)
        np.maximum.at(newest, lost.signal, lost.time_us)
        touched = np.unique(lost.signal)
        self._last_us[touched] = np.where(self._last_us[touched] <= newest[touched], NO_TIME, self._last_us[touched])
        self._last_status[touched] = _NEVER_READ

    def after_gap(self) -> None:
        """Be told that reads are missing: the next value of each signal passes its deadband."""
        self._first[:] = True

    def take(self, received_us: int, read: ReadColumns, places: npt.NDArray[np.intp], pinned: npt.NDArray[np.uint8]) -> TickOutcome:
        """Judge one read of the signals at ``places`` and keep what their rules want."""
        which = self._chosen(places)
        if read.text is None and not self._any_text and not read.status.any() and bool((read.type_id == pinned).all()):
            return self._take_sound(received_us, read, which)
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
        filtered = int(np.count_nonzero(left & change)) + self._filter(read, places, keep, left)
        overflowed = keep & ((read.status & np.uint32(_INFO_TYPE | OVERFLOW_BIT)) == np.uint32(_INFO_OF_DATA_VALUE | OVERFLOW_BIT))
        source_time = own & (moved | ~every)
        otherwise = np.where(plausible(read.server_time_us, received_us) & ~every, read.server_time_us, received_us)
        self._put(received_us, read, which, keep, np.where(source_time, read.source_time_us, otherwise), ~source_time)
        return TickOutcome(
            int(np.count_nonzero(keep)),
            int(np.count_nonzero(left & ~change)),
            filtered,
            places[np.flatnonzero(mismatched)] if mismatched.any() else places[:0],
            places[np.flatnonzero(gone)] if gone.any() else places[:0],
            places[unkeepable],
            places[np.flatnonzero(overflowed)] if overflowed.any() else places[:0],
        )

    def _chosen(self, places: npt.NDArray[np.intp]) -> _Chosen:
        """Return what is known of the signals at ``places``, which mostly are the same array as before."""
        if self._last_chosen is None or self._last_chosen.places is not places:
            whole = len(places) == len(self.paths) and bool((places == np.arange(len(places))).all())
            every, change = self._every[places], self._change[places]
            self._last_chosen = _Chosen(places, slice(None) if whole else places, every, change, bool(every.all()))
        return self._last_chosen

    def _take_sound(self, received_us: int, read: ReadColumns, which: _Chosen) -> TickOutcome:
        """Judge a read in which all is good, a number and of the pinned type, as nearly all reads are."""
        at = which.at
        own = plausible(read.source_time_us, received_us)
        moved: Bools = read.source_time_us != self._last_us[at]
        keep, source_time = which.every, own & moved
        if not which.all_every:
            same = self._same(read, at) | ((self._last_status[at] == _NEVER_READ) & own & ~moved)
            changed = ~same
            keep = which.every | np.where(which.change | ~own, changed, moved)
            source_time = own & (moved | ~which.every)
        left = ~keep
        stays = int(np.count_nonzero(left & which.change))
        unchanged = int(np.count_nonzero(left)) - stays
        if self._widths is not None:
            keep = keep.copy()
            stays += self._filter(read, which.places, keep, left)
        time_us = read.source_time_us
        if not source_time.all():
            otherwise = np.where(plausible(read.server_time_us, received_us) & ~which.every, read.server_time_us, received_us)
            time_us = np.where(source_time, time_us, otherwise)
        self._put(received_us, read, which, keep, time_us, ~source_time)
        none = which.places[:0]
        return TickOutcome(int(np.count_nonzero(keep)), unchanged, stays, none, none, none, none)

    def turn(self) -> Page:
        """Return the page that was filled, to be harvested by whatever thread, and start afresh."""
        done = self._page
        try:
            self._page = self._free.popleft()
        except IndexError:
            self._page = Page(self.paths, self._ticks, self._free)
        return done

    def harvest(self) -> SampleBatch:
        """Return what was kept, ordered by signal and time of reading, and start afresh."""
        return self.turn().harvest()

    def _filter(self, read: ReadColumns, places: npt.NDArray[np.intp], keep: Bools, left: Bools) -> int:
        """Take out of ``keep`` what lies within its deadband; return how many."""
        if self._widths is None:
            return 0
        now = Values(read.value, read.has_value, read.status)
        stored = Values(self._last_value[places], self._last_has[places], self._last_status[places])
        dropped = keep & ~outside(now, stored, self._widths[places]) & ~self._first[places]
        # what was to be kept and could not is a gap of its signal
        self._first[places] = np.where(keep, False, self._first[places] | ~left)
        keep &= ~dropped
        return int(np.count_nonzero(dropped))

    def _same(self, read: ReadColumns, places: npt.NDArray[np.intp] | slice) -> Bools:
        same: Bools = (
            # bit for bit: NaN equals NaN, and -0.0 is not 0.0
            (read.value.view(np.int64) == self._last_value[places].view(np.int64))
            & (read.status == self._last_status[places])
            & (read.has_value == self._last_has[places])
        )
        if self._any_text or read.text is not None:
            same = same & (self._last_text[places] == read.text).astype(np.bool_)
        return same

    def _put(self, received_us: int, read: ReadColumns, which: _Chosen, keep: Bools, time_us: Times, foreign: Bools) -> None:
        page, row = self._page, self._page.rows
        page.rows += 1
        page.received[row] = received_us
        count = int(np.count_nonzero(keep))
        if not count:
            return
        whole = count == len(keep)
        kept = which.at if whole else which.places[keep]
        at = slice(None) if whole else keep
        page.kept += count
        page.keep[row, kept] = True
        page.time[row, kept] = time_us[at]
        page.server[row, kept] = read.server_time_us[at]
        page.value[row, kept] = self._last_value[kept] = read.value[at]
        page.has[row, kept] = self._last_has[kept] = read.has_value[at]
        page.status[row, kept] = self._last_status[kept] = read.status[at]
        page.foreign[row, kept] = foreign[at]
        self._last_us[kept] = np.where(foreign, self._last_us[which.at], read.source_time_us)[at]
        if read.text is not None:
            page.with_text()[row, kept] = self._last_text[kept] = read.text[at]
            self._any_text = True
        elif self._any_text:
            self._last_text[kept] = None


def _with_nul(text: npt.NDArray[np.object_] | None, keep: Bools) -> npt.NDArray[np.intp]:
    """Return which of the samples to keep have a text that PostgreSQL refuses."""
    if text is None:
        return np.empty(0, np.intp)
    return np.array([n for n in np.flatnonzero(keep).tolist() if text[n] is not None and "\0" in text[n]], np.intp)
