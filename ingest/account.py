"""The account of one source since its last record: counts by minute, gaps that are over, and gaps that still grow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ingest.records import Mark, Record
from ingest.ticks import minutes_between, ticks_between
from plant.ledger import Counts, Gap, GapReason, LedgerLine, lateness_histogram, minute_of
from plant.samples import SampleBatch
from plant.signals import SignalPath, SourceId

_LONGEST_COUNTED_US = 31 * 86_400_000_000
"""A ledger line a minute: after a clock that was in 1970, or a year in a drawer, lines would fill the memory."""
_MOST_NAMED = 50
"""Signals that get a growing gap of their own; further ones share one, so that a lost server does not write a row for each."""


class Account:
    """Counts that are being made. Whatever is added is expected as well, so the ledger adds up at all times."""

    def __init__(self, source: SourceId, *, complete: bool = True) -> None:
        self._source = source
        self._counts: dict[int, Counts] = {}
        self._ticks: dict[int, int] = {}
        self._late: list[int] = []
        self._gaps: list[Gap] = []
        self._open: dict[tuple[GapReason, SignalPath | None], Gap] = {}
        self.complete = complete

    @property
    def idle(self) -> bool:
        """Whether there is nothing to write down: growing gaps can wait."""
        return not self._counts and not self._gaps

    @property
    def open(self) -> tuple[Gap, ...]:
        """The gaps that still grow."""
        return tuple(self._open.values())

    def count(self, at_us: int, *, stored: int = 0, unchanged: int = 0, filtered: int = 0, duplicate: int = 0, rejected: int = 0) -> None:
        """Add samples that came at a time."""
        expected = stored + unchanged + filtered + duplicate + rejected
        self._add(minute_of(at_us), Counts(expected, stored, unchanged, filtered, duplicate, rejected, 0))

    def tick(self, at_us: int, late_us: int) -> None:
        """Add one cyclic read and how late it began."""
        minute = minute_of(at_us)
        self._ticks[minute] = self._ticks.get(minute, 0) + 1
        self._late.append(late_us)

    def missed_ticks(self, from_us: int, to_us: int, interval_us: int, signals: int, reason: GapReason, detail: str = "") -> int:
        """Add the ticks of a span, all signals of each, as a gap; return how many samples that are.

        Of a span of more than a month only its last month is counted: the gap tells from when on nothing was read.
        """
        total = 0
        for minute, start, end in minutes_between(max(from_us, to_us - _LONGEST_COUNTED_US), to_us):
            count = ticks_between(start, end, interval_us) * signals
            if count:
                self._add(minute, Counts(expected=count, gap=count))
                total += count
        if total:
            self._gaps.append(Gap(self._source, from_us, to_us, total, reason, None, detail))
        return total

    def missed(self, from_us: int, to_us: int, count: int, reason: GapReason, signal: SignalPath | None = None, detail: str = "") -> None:
        """Add samples that could not be taken, counted some other way than by ticks."""
        if count:
            self._add(minute_of(from_us), Counts(expected=count, gap=count))
        self._gaps.append(Gap(self._source, from_us, max(to_us, from_us + 1), count, reason, signal, detail))

    def note(self, gap: Gap) -> None:
        """Add a gap that the counts tell of in another way (rejected), or not at all (a step of the clock)."""
        self._gaps.append(gap)

    def grow(self, from_us: int, to_us: int, signals: Iterable[SignalPath], reason: GapReason, detail: str = "", *, by: int = 1) -> None:
        """Let the gaps of some signals grow ``by`` samples each; all within one minute (see ``close_open``).

        ``by`` is 0 where nobody knows how many are missing.
        """
        for signal in signals:
            key: tuple[GapReason, SignalPath | None] = (reason, signal)
            if key not in self._open and len(self._open) >= _MOST_NAMED:
                key, detail = (reason, None), "many signals"
            known = self._open.get(key)
            if known is None:
                self._open[key] = Gap(self._source, from_us, to_us, by, reason, key[1], detail)
            else:
                self._open[key] = Gap(self._source, known.from_us, to_us, known.count + by, reason, key[1], known.detail)

    def reopen(self, gaps: Iterable[Gap]) -> None:
        """Take over gaps that were growing when an earlier run ended; they are closed with it."""
        for gap in gaps:
            self._close(gap)

    def close_open(self) -> None:
        """End all growing gaps: called at each minute's end."""
        for gap in self._open.values():
            self._close(gap)
        self._open.clear()

    def record(self, mark: Mark, samples: SampleBatch) -> Record:
        """Return what was gathered as a record, and start afresh."""
        late = lateness_histogram(np.array(self._late, np.int64))
        minutes = sorted({*self._counts, *self._ticks})
        lines = []
        for minute in minutes:
            ticks = self._ticks.get(minute, 0)
            line = LedgerLine(self._source, minute, self._counts.get(minute, Counts()), self.complete, ticks)
            if ticks:
                line = LedgerLine(self._source, minute, line.counts, self.complete, ticks, late)
                late = np.zeros_like(late)
            lines.append(line)
        record = Record(self._source, samples, tuple(lines), tuple(self._gaps), mark)
        self._counts, self._ticks, self._late, self._gaps = {}, {}, [], []
        return record

    def _close(self, gap: Gap) -> None:
        rejected = gap.reason is GapReason.TYPE
        if rejected:
            self._add(minute_of(gap.from_us), Counts(expected=gap.count, rejected=gap.count))
        else:
            self._add(minute_of(gap.from_us), Counts(expected=gap.count, gap=gap.count))
        self._gaps.append(gap)

    def _add(self, minute: int, counts: Counts) -> None:
        known = self._counts.get(minute)
        self._counts[minute] = counts if known is None else known + counts
