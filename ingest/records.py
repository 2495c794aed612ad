"""What the spool keeps: the samples of one source and about one second, with their ledger and their gaps.

The ledger travels with the samples, so it is exactly as durable as they are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from plant.errors import Rejected
from plant.ledger import LATENESS_BINS, Counts, Gap, GapReason, LedgerLine, no_lateness
from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import SignalPath, SourceId

RECORD = 1
SNAPSHOT = 2
_VERSION = 1
_LENGTH = struct.Struct("<I")


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

    @property
    def expected(self) -> int:
        """How many samples the ledger of this record tells of."""
        return sum(line.counts.expected for line in self.ledger)

    @property
    def from_us(self) -> int:
        """The earliest minute that the ledger speaks of; the mark's end where it is silent."""
        return min((line.minute_us for line in self.ledger), default=self.mark.end_us)


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
        self.mark = record.mark
        self.total += record.expected
        self.sequences.update(record.mark.sequences)
        samples = record.samples
        if not len(samples):
            return
        if samples.paths != self.paths or self.last_us is None:
            merged = tuple(dict.fromkeys((*self.paths, *samples.paths)))
            self.last_us = self.times_for(merged)
            self.paths = merged
        places = np.arange(len(samples.paths))
        if samples.paths != self.paths:
            position = {path: place for place, path in enumerate(self.paths)}
            places = np.array([position[path] for path in samples.paths])
        own = (samples.flags & FLAG_TIME_NOT_OF_SOURCE) == 0
        np.maximum.at(self.last_us, places[samples.signal[own]], samples.time_us[own])


class _Line(msgspec.Struct, array_like=True):
    minute_us: int
    counts: tuple[int, ...]
    complete: bool
    ticks: int
    lateness: list[tuple[int, int]]


class _Gap(msgspec.Struct, array_like=True):
    from_us: int
    to_us: int
    count: int
    reason: str
    signal: str | None
    detail: str


class _Mark(msgspec.Struct, array_like=True):
    end_us: int
    interval_us: int
    signals: int
    open: list[_Gap]
    sequences: list[tuple[str, int]]


class _Column(msgspec.Struct, array_like=True):
    """A column: ``base`` + values of type ``kind``; a column of one value has no bytes at all."""

    kind: str
    base: int
    content: bytes


class _Wire(msgspec.Struct, array_like=True):
    version: int
    source: str
    before: int
    mark: _Mark
    ledger: list[_Line]
    gaps: list[_Gap]
    paths: list[str]
    samples: int
    columns: list[_Column]
    text: list[str | None] | None


class _State(msgspec.Struct, array_like=True):
    mark: _Mark
    total: int
    paths: list[str]
    last_us: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)
_snapshots = msgspec.msgpack.Decoder(dict[str, _State])
_INT_COLUMNS = ("signal", "time_us", "server_time_us", "received_time_us", "status", "flags")
_INT_TYPES = {
    "signal": np.int32,
    "time_us": np.int64,
    "server_time_us": np.int64,
    "received_time_us": np.int64,
    "status": np.uint32,
    "flags": np.int16,
}


def encode_record(record: Record, before: int) -> bytes:
    """Return a record's bytes.

    ``before``: how many samples all earlier records of this source told of; a step in it shows that a record was lost.
    """
    samples = record.samples
    present = np.bincount(samples.signal, minlength=len(samples.paths)) > 0
    used = np.flatnonzero(present)
    columns = [_narrow((np.cumsum(present) - 1)[samples.signal])]
    columns += [_narrow(getattr(samples, name).astype(np.int64)) for name in _INT_COLUMNS[1:]]
    columns.append(_narrow(samples.has_value.astype(np.int64)))
    columns.append(_Column("<f8", 0, np.ascontiguousarray(samples.value, "<f8").tobytes()))
    wire = _Wire(
        _VERSION,
        record.source,
        before,
        _wire_mark(record.mark),
        [_wire_line(line) for line in record.ledger],
        [_wire_gap(gap) for gap in record.gaps],
        [samples.paths[place] for place in used.tolist()],
        len(samples),
        columns,
        None if samples.text is None else samples.text.tolist(),
    )
    return _encoder.encode(wire)


def decode_record(content: bytes) -> tuple[Record, int]:
    """Return a record and how many samples the earlier ones told of. Raises Rejected for a record of another version."""
    try:
        wire = _decoder.decode(content)
    except msgspec.MsgspecError as error:
        raise Rejected(f"a record of the spool cannot be read: {error}") from error
    if wire.version != _VERSION:
        raise Rejected(f"a record of the spool has version {wire.version}; this program reads version {_VERSION}")
    n = wire.samples
    numbers = [_widen(column, n) for column in wire.columns[:-1]]
    columns: dict[str, Any] = {name: numbers[place].astype(_INT_TYPES[name]) for place, name in enumerate(_INT_COLUMNS)}
    text = None
    if wire.text is not None:
        text = np.empty(n, np.object_)
        text[:] = wire.text
    samples = SampleBatch(
        tuple(SignalPath(path) for path in wire.paths),
        columns["signal"],
        columns["time_us"],
        columns["server_time_us"],
        columns["received_time_us"],
        np.frombuffer(wire.columns[-1].content, "<f8").astype(np.float64),
        numbers[len(_INT_COLUMNS)].astype(np.bool_),
        columns["status"],
        columns["flags"],
        text,
    )
    source = SourceId(wire.source)
    ledger = tuple(_line(source, line) for line in wire.ledger)
    return Record(source, samples, ledger, tuple(_gap(source, gap) for gap in wire.gaps), _mark(source, wire.mark)), wire.before


def encode_snapshot(states: dict[SourceId, SourceState]) -> bytes:
    """Return the bytes of what the spool knows of all sources."""
    return _encoder.encode(
        {
            # the last record tells of its own topics only
            source: _State(
                _wire_mark(replace(state.mark, sequences=tuple(state.sequences.items()))),
                state.total,
                list(state.paths),
                [] if state.last_us is None else state.last_us.tolist(),
            )
            for source, state in states.items()
        }
    )


def decode_snapshot(content: bytes) -> dict[SourceId, SourceState]:
    """Return what the spool knew of all sources. Raises Rejected for a snapshot that cannot be read."""
    try:
        states = _snapshots.decode(content)
    except msgspec.MsgspecError as error:
        raise Rejected(f"a snapshot of the spool cannot be read: {error}") from error
    return {
        SourceId(source): SourceState(
            _mark(SourceId(source), state.mark),
            state.total,
            tuple(SignalPath(path) for path in state.paths),
            np.array(state.last_us, np.int64) if state.last_us else None,
            dict(state.mark.sequences),
        )
        for source, state in states.items()
    }


def without_samples(record: Record, reason: GapReason, detail: str) -> Record:
    """Return the record with its samples turned into a gap: what was to be stored could not be kept."""
    stored = sum(line.counts.stored for line in record.ledger)
    ledger = tuple(replace(line, counts=replace(line.counts, stored=0, gap=line.counts.gap + line.counts.stored)) for line in record.ledger)
    gaps = record.gaps
    if stored:
        gaps = (*gaps, Gap(record.source, record.from_us, max(record.mark.end_us, record.from_us + 1), stored, reason, None, detail))
    return replace(record, samples=record.samples.take(np.zeros(len(record.samples), np.bool_)), ledger=ledger, gaps=gaps)


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


def _narrow(numbers: npt.NDArray[np.int64]) -> _Column:
    if not len(numbers):
        return _Column("", 0, b"")
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return _Column("", low, b"")
    span = high - low
    kind = "<u1" if span < 2**8 else "<u2" if span < 2**16 else "<u4" if span < 2**32 else "<i8"
    if kind == "<i8":
        return _Column(kind, 0, numbers.astype(kind).tobytes())
    return _Column(kind, low, (numbers - low).astype(kind).tobytes())


def _widen(column: _Column, n: int) -> npt.NDArray[np.int64]:
    if not column.kind:
        return np.full(n, column.base, np.int64)
    return np.frombuffer(column.content, column.kind).astype(np.int64) + column.base


def _wire_line(line: LedgerLine) -> _Line:
    counts = line.counts
    bins = np.flatnonzero(line.lateness).tolist()
    return _Line(
        line.minute_us,
        (counts.expected, counts.stored, counts.unchanged, counts.filtered, counts.duplicate, counts.rejected, counts.gap),
        line.complete,
        line.ticks,
        [(place, int(line.lateness[place])) for place in bins],
    )


def _line(source: SourceId, line: _Line) -> LedgerLine:
    lateness = no_lateness()
    for place, count in line.lateness:
        lateness[min(place, LATENESS_BINS - 1)] += count
    return LedgerLine(source, line.minute_us, Counts(*line.counts), line.complete, line.ticks, lateness)


def _wire_gap(gap: Gap) -> _Gap:
    return _Gap(gap.from_us, gap.to_us, gap.count, gap.reason.value, gap.signal, gap.detail)


def _gap(source: SourceId, gap: _Gap) -> Gap:
    signal = None if gap.signal is None else SignalPath(gap.signal)
    return Gap(source, gap.from_us, gap.to_us, gap.count, GapReason(gap.reason), signal, gap.detail)


def _wire_mark(mark: Mark) -> _Mark:
    return _Mark(mark.end_us, mark.interval_us, mark.signals, [_wire_gap(gap) for gap in mark.open], list(mark.sequences))


def _mark(source: SourceId, mark: _Mark) -> Mark:
    return Mark(
        mark.end_us, mark.interval_us, mark.signals, tuple(_gap(source, gap) for gap in mark.open), tuple((t, n) for t, n in mark.sequences)
    )
