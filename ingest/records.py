"""What the spool keeps: the samples of one source and about half a second, with their ledger and their gaps.

The ledger travels with the samples, so it is exactly as durable as they are. ``ingest/record_bytes.py`` knows how it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from plant.events import ControllerEvent, Refresh, Told
from plant.ledger import Gap, GapReason, LedgerLine
from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import SignalPath, SourceId
from plant.tightening import TighteningResult, TighteningTrace

RECORD = 1
SNAPSHOT = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a source stands behind a record: what it needs to go on after a stop without losing or doubling anything."""

    end_us: int
    """All before this is accounted for, but for ``open``."""
    interval_us: int = 0
    """0 where the source sends by itself."""
    signals: int = 0
    open: tuple[Gap, ...] = ()
    """Gaps that still grow; neither they nor their expected samples stand in any ledger line yet."""
    sequences: tuple[tuple[str, int], ...] = ()
    """The last sequence number of each topic that this record told of."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of one source. ``ledger`` and ``gaps`` tell of ``samples`` and of those that are missing."""

    source: SourceId
    samples: SampleBatch
    ledger: tuple[LedgerLine, ...]
    gaps: tuple[Gap, ...]
    mark: Mark
    tightenings: tuple[TighteningResult, ...] = ()
    traces: tuple[TighteningTrace, ...] = ()
    events: tuple[ControllerEvent, ...] = ()
    refreshes: tuple[Refresh, ...] = ()

    @property
    def kept(self) -> int:
        """How many samples, tightenings, traces and live events the record holds; each of them is one sample to the ledger."""
        live = sum(event.told is Told.LIVE for event in self.events)
        return len(self.samples) + len(self.tightenings) + len(self.traces) + live

    @property
    def expected(self) -> int:
        """How many samples the ledger of this record tells of."""
        return sum(line.counts.expected for line in self.ledger)

    @property
    def from_us(self) -> int:
        """The earliest minute that the ledger speaks of; the mark's end where it is silent."""
        return min((line.minute_us for line in self.ledger), default=self.mark.end_us)

    @property
    def begins_us(self) -> int:
        """When the time begins that the record tells of: exact to the tick for cyclic reads, else the start of a minute."""
        mark = self.mark
        if not (mark.interval_us and mark.signals):
            return self.from_us
        return max(self.from_us, mark.end_us - -(-self.expected // mark.signals) * mark.interval_us)


@dataclass(frozen=True, slots=True)
class Step:
    """What one record changes in what is known of its source."""

    mark: Mark
    expected: int
    paths: tuple[SignalPath, ...]
    last_us: npt.NDArray[np.int64]
    """The newest source time of each path, NO_TIME where the record has none."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record in bytes, all but what came before it, and what its writer must know of it."""

    record: Record
    """Without its samples."""
    samples: int
    step: Step
    body: bytes


@dataclass(slots=True)
class SourceState:
    """What the spool knows of a source: its last mark, how many samples its records told of, and the last stored time of each signal."""

    mark: Mark
    total: int = 0
    paths: tuple[SignalPath, ...] = ()
    last_us: npt.NDArray[np.int64] | None = None
    sequences: dict[str, int] = field(default_factory=dict)
    """The last sequence number of each topic, over all records."""

    def times_for(self, paths: tuple[SignalPath, ...]) -> npt.NDArray[np.int64]:
        """Return the last stored source time of each of the given signals, NO_TIME where there is none; shape (len(paths),)."""
        if self.last_us is None:
            return np.full(len(paths), NO_TIME)
        if paths == self.paths:
            return self.last_us.copy()
        known = dict(zip(self.paths, self.last_us.tolist(), strict=True))
        return np.array([known.get(path, NO_TIME) for path in paths], np.int64)

    def follow(self, record: Record) -> None:
        """Take in one more record."""
        self.take(step_of(record))

    def take(self, step: Step) -> None:
        """Take in what one more record changes."""
        self.mark = step.mark
        self.total += step.expected
        self.sequences.update(step.mark.sequences)
        if not len(step.paths):
            return
        if self.last_us is None or (step.paths is not self.paths and step.paths != self.paths):
            merged = tuple(dict.fromkeys((*self.paths, *step.paths)))
            self.last_us = self.times_for(merged)
            self.paths = merged
        if len(step.paths) == len(self.paths):
            np.maximum(self.last_us, step.last_us, out=self.last_us)
            return
        position = {path: place for place, path in enumerate(self.paths)}
        places = np.array([position[path] for path in step.paths])
        self.last_us[places] = np.maximum(self.last_us[places], step.last_us)


def step_of(record: Record) -> Step:
    """Return what a record changes in what is known of its source."""
    paths, counts = used_paths(record.samples)
    return Step(record.mark, record.expected, paths, newest_times(record.samples, counts))


def used_paths(samples: SampleBatch) -> tuple[tuple[SignalPath, ...], npt.NDArray[np.intp] | None]:
    """Return the paths that samples have, in their order, and how many samples each has where these stand ordered by signal."""
    signal = samples.signal
    counts = np.bincount(signal, minlength=len(samples.paths))
    present = counts > 0
    paths = samples.paths
    if not present.all():
        paths = tuple(paths[place] for place in np.flatnonzero(present).tolist())
        counts = counts[present]
    return paths, counts if bool((signal[1:] >= signal[:-1]).all()) else None


def newest_times(samples: SampleBatch, counts: npt.NDArray[np.intp] | None) -> npt.NDArray[np.int64]:
    """Return the newest source time of each signal that has samples, NO_TIME where no time is the source's."""
    own = samples.time_us
    if samples.flags.any():
        own = np.where(samples.flags & FLAG_TIME_NOT_OF_SOURCE, NO_TIME, own)
    if counts is not None:
        return np.maximum.reduceat(own, np.cumsum(counts) - counts) if len(counts) else own[:0]
    places, position = np.unique(samples.signal, return_inverse=True)
    newest = np.full(len(places), NO_TIME)
    np.maximum.at(newest, position, own)
    return newest


def without_samples(record: Record, reason: GapReason, detail: str) -> Record:
    """Return the record with its samples turned into a gap: what was to be stored could not be kept."""
    stored = sum(line.counts.stored for line in record.ledger)
    ledger = tuple(replace(line, counts=replace(line.counts, stored=0, gap=line.counts.gap + line.counts.stored)) for line in record.ledger)
    gaps = record.gaps
    if stored:
        gaps = (*gaps, Gap(record.source, record.begins_us, max(record.mark.end_us, record.begins_us + 1), stored, reason, None, detail))
    nothing = record.samples.take(np.zeros(len(record.samples), np.bool_))
    return replace(record, samples=nothing, tightenings=(), traces=(), events=(), refreshes=(), ledger=ledger, gaps=gaps)


def merged(first: Record, second: Record) -> Record:
    """Return two records without samples of the same source as one."""
    return replace(second, ledger=(*first.ledger, *second.ledger), gaps=(*first.gaps, *second.gaps))


def refused(record: Record, count: int) -> Record:
    """Return the record with ``count`` of its stored samples counted as rejected."""
    lines = []
    for line in record.ledger:
        moved = min(count, line.counts.stored)
        count -= moved
        lines.append(replace(line, counts=replace(line.counts, stored=line.counts.stored - moved, rejected=line.counts.rejected + moved)))
    return replace(record, ledger=tuple(lines))
