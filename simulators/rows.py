"""A recording as a device: which row a reader meets, and when the next one may come."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import numpy as np

from plant.signals import DataType
from simulators.feed import Scan, Variable
from simulators.recording import Recording

BAD_NO_DATA = 0x809B0000
"""What an empty cell is: there is no value."""
_SETTLING_US = 500_000
"""For so long after its first look a session may look at values to learn their types; nothing counts as taken."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When each row was true: ``start_us + row * period_us / speed``."""

    start_us: int
    period_us: int = 100_000
    speed: float = 1.0

    def row_us(self, row: int) -> int:
        """Return the source time of a row."""
        return self.start_us + round(row * self.period_us / self.speed)

    def row_at(self, time_us: int) -> int:
        """Return the last row that is not later than a time; 0 before the start."""
        row = max(0, int((time_us - self.start_us) * self.speed / self.period_us))
        return row + 1 if self.row_us(row + 1) <= time_us else row

    @property
    def interval_us(self) -> int:
        """How far two rows lie apart."""
        return max(1, round(self.period_us / self.speed))


@dataclass(slots=True)
class _Reader:
    """What one session has met of the current row."""

    since_us: int
    seen: set[int] = field(default_factory=set)
    follows: bool = False
    """Its first look at all nodes is over; from here on its reads count."""
    taken: bool = False


class RowFeed:
    """The rows of a recording, one scan each.

    Lossless: a row stays until each session that follows has read each of its nodes and then asked again, which shows that the answer
    arrived. In real time rows come and go by the clock. Without ``once`` the recording begins again after its end, and time goes on.
    """

    def __init__(self, recording: Recording, folders: tuple[str, ...], timing: Timing, *, lossless: bool, once: bool) -> None:
        self.variables = tuple(
            Variable(folders, name, DataType.STRING if text else DataType.DOUBLE)
            for name, text in zip(recording.names, recording.is_text, strict=True)
        )
        self.scan_us = timing.interval_us
        self.finished = False
        """Whether the last row was taken; never without ``once``."""
        self._recording = recording
        self._timing = timing
        self._lossless = lossless
        self._once = once
        self._status = np.where(recording.empty, np.uint32(BAD_NO_DATA), np.uint32(0))
        self._all = frozenset(range(len(self.variables)))
        self._readers: dict[Hashable, _Reader] = {}
        self._due_us = 0
        self._scan = self.row(0, timing.start_us)
        self._row = 0

    @property
    def current_row(self) -> int:
        """The row that is shown now."""
        return self._row

    def row(self, row: int, server_us: int) -> Scan:
        """Return any row as a scan, counted on where the recording begins again."""
        at = row % len(self._recording)
        return Scan(self._timing.row_us(row), server_us, self._recording.number[at], self._recording.text[at], self._status[at])

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:
        """Return the row that a Read of these positions is answered with, whole."""
        if not self._lossless:
            self._show(self._by_clock(now_us), now_us)
            return self._scan
        if not positions:
            return self._scan
        known = self._readers.setdefault(reader, _Reader(now_us))
        if known.seen == self._all and now_us - known.since_us >= _SETTLING_US:
            if known.follows:
                known.taken = True
            else:
                known.follows = True
                known.seen.clear()
                self._due_us = self._due_us or now_us + self._timing.interval_us
        self._advance(now_us)
        known.seen |= positions
        return self._scan

    def forget(self, reader: Hashable) -> None:
        """Wait no more for a session that ended."""
        self._readers.pop(reader, None)

    def scans(self, after_us: int, until_us: int) -> Iterable[Scan]:
        """Return the rows of a span by the clock; when lossless, the row that waits for its readers."""
        if self._lossless:
            return [self._scan]
        last = self._by_clock(until_us)
        return [self.row(row, self._timing.row_us(row)) for row in range(self._by_clock(after_us) + 1, last + 1)]

    def _by_clock(self, now_us: int) -> int:
        row = self._timing.row_at(now_us)
        if self._once and row >= len(self._recording):
            self.finished = True
            return len(self._recording) - 1
        return row

    def _advance(self, now_us: int) -> None:
        following = [reader for reader in self._readers.values() if reader.follows]
        if not following or not all(reader.taken for reader in following) or now_us < self._due_us:
            return
        if self._once and self._row == len(self._recording) - 1:
            self.finished = True
            return
        self._due_us += self._timing.interval_us
        for reader in self._readers.values():
            reader.taken = False
            reader.seen.clear()
        self._show(self._row + 1, now_us)

    def _show(self, row: int, now_us: int) -> None:
        if row != self._row:
            self._row = row
            self._scan = self.row(row, now_us)
