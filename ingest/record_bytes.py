"""A record and a snapshot as the spool's bytes.

Version 2, little-endian: ``version 1 | before 8 | length of the head 4 | head | columns | texts``. The head tells all but the samples
themselves; ``before`` stands outside of it, so that a record can be encoded by one who does not know it. Version 1, which is still
read, was one msgpack array.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.records import Encoded, Mark, Record, SourceState, Step, newest_times, used_paths
from plant.errors import Rejected
from plant.events import ControllerEvent, Refresh
from plant.ledger import LATENESS_BINS, Counts, Gap, GapReason, LedgerLine, no_lateness
from plant.samples import SampleBatch, empty
from plant.signals import SignalPath, SourceId
from plant.tightening import TighteningResult, TighteningTrace

_VERSION = 2
_NUMBER_BYTES = 8
_BEFORE = struct.Struct("<BQ")
_FIRST = b"\x9a"
"""A record of version 1 begins with it: an array of ten."""
_BETWEEN = "\0"
"""Stands between paths: the one character that no setting may hold."""
_LENGTH = struct.Struct("<I")
_SORTED = "runs"
"""Kind of the column ``signal`` where samples stand ordered by signal: how many each signal has."""


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


class _Head(msgspec.Struct, array_like=True):
    source: str
    mark: _Mark
    ledger: list[_Line]
    gaps: list[_Gap]
    paths: str
    samples: int
    columns: list[tuple[str, int, int]]
    """Kind, base and bytes of each column; they stand behind the head in this order."""
    text: int
    """Bytes of the texts behind the columns; 0 where no sample has one."""
    tightened: int = 0
    """How many tightenings, traces and live events there are."""
    tightenings: bytes = b""
    events: bytes = b""


class _Wire(msgspec.Struct, array_like=True):
    """Version 1."""

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
_heads = msgspec.msgpack.Decoder(_Head)
_texts = msgspec.msgpack.Decoder(list[str | None])
_tightenings = msgspec.msgpack.Decoder(tuple[tuple[TighteningResult, ...], tuple[TighteningTrace, ...]])
_events = msgspec.msgpack.Decoder(tuple[tuple[ControllerEvent, ...], tuple[Refresh, ...]])
_first_version = msgspec.msgpack.Decoder(_Wire)
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
_COLUMN_TYPES: tuple[Any, ...] = (*_INT_TYPES.values(), np.bool_)


def encode(record: Record) -> Encoded:
    """Return a record in bytes, and without its samples."""
    samples = record.samples
    paths, counts = used_paths(samples)
    newest = newest_times(samples, counts)
    columns = [_narrow(newest), _signal_column(samples, paths, counts)]
    columns += [_narrow(getattr(samples, name)) for name in _INT_COLUMNS[1:]]
    columns.append(_narrow(samples.has_value.view(np.uint8)))
    columns.append(_Column("<f8", 0, np.ascontiguousarray(samples.value, "<f8").tobytes()))
    texts = b"" if samples.text is None else _encoder.encode(samples.text.tolist())
    head = _encoder.encode(
        _Head(
            record.source,
            _wire_mark(record.mark),
            [_wire_line(line) for line in record.ledger],
            [_wire_gap(gap) for gap in record.gaps],
            _BETWEEN.join(paths),
            len(samples),
            [(column.kind, column.base, len(column.content)) for column in columns],
            len(texts),
            record.kept - len(samples),
            _encoder.encode((record.tightenings, record.traces)) if record.tightenings or record.traces else b"",
            _encoder.encode((record.events, record.refreshes)) if record.events or record.refreshes else b"",
        )
    )
    body = b"".join((_LENGTH.pack(len(head)), head, *(column.content for column in columns), texts))
    step = Step(record.mark, record.expected, paths, newest)
    told = replace(record, samples=empty(paths), tightenings=(), traces=(), events=(), refreshes=())
    return Encoded(told, record.kept, step, body)


def content_of(encoded: Encoded, before: int) -> bytes:
    """Return the bytes that the spool keeps of a record.

    ``before``: how many samples all earlier records of this source told of; a step in it shows that a record was lost.
    """
    return _BEFORE.pack(_VERSION, before) + encoded.body


def encode_record(record: Record, before: int) -> bytes:
    """Return a record's bytes as the spool keeps them."""
    return content_of(encode(record), before)


def open_body(body: bytes) -> Encoded:
    """Return what the writer must know of a record that another encoded. Raises Rejected for what is no record."""
    with _readable():
        return _opened(body, *_open(body))


def _opened(body: bytes, head: _Head, columns: int) -> Encoded:
    source = SourceId(head.source)
    paths = _paths(head.paths)
    kind, base, size = head.columns[0]
    newest = _widen(_Column(kind, base, body[columns : columns + size]), len(paths))
    ledger = tuple(_line(source, line) for line in head.ledger)
    mark = _mark(source, head.mark)
    record = Record(source, empty(paths), ledger, tuple(_gap(source, gap) for gap in head.gaps), mark)
    return Encoded(record, head.samples + head.tightened, Step(mark, record.expected, paths, newest), body)


def open_record(content: bytes) -> tuple[Encoded, int]:
    """Return what a record of the spool changes, without decoding its samples, and how many samples the earlier ones told of.

    Raises Rejected for what is no record.
    """
    if content[:1] == _FIRST:
        with _readable():
            record, before = _decode_first_version(content)
            return encode(record), before
    return open_body(content[_BEFORE.size :]), _before(content)


def decode_record(content: bytes) -> tuple[Record, int]:
    """Return a record and how many samples the earlier ones told of. Raises Rejected for a record of another version."""
    if content[:1] == _FIRST:
        with _readable():
            return _decode_first_version(content)
    with _readable():
        before = _before(content)
        body = content[_BEFORE.size :]
        head, columns = _open(body)
        tightenings, traces = _tightenings.decode(head.tightenings) if head.tightenings else ((), ())
        events, refreshes = _events.decode(head.events) if head.events else ((), ())
        told = _opened(body, head, columns).record
        told = replace(told, tightenings=tightenings, traces=traces, events=events, refreshes=refreshes)
        return replace(told, samples=_samples(body, head, columns)), before


def _samples(body: bytes, head: _Head, at: int) -> SampleBatch:
    n = head.samples
    if head.columns[-1][2] != 8 * n:
        # looked at first: a false number of samples must not take memory
        raise Rejected(f"a record of the spool cannot be read: it has {head.columns[-1][2]} bytes of values for {n} samples")
    content = memoryview(body)
    numbers: list[npt.NDArray[Any]] = []
    for place, (kind, base, size) in enumerate(head.columns):
        column = content[at : at + size]
        at += size
        if place == 1 and kind == _SORTED:
            counts = np.frombuffer(column, "<u4")
            if int(counts.sum()) != n:
                raise Rejected("a record of the spool cannot be read: its counts are not those of its samples")
            numbers.append(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
        elif 0 < place < len(head.columns) - 1:
            numbers.append(_typed(kind, base, column, n, _COLUMN_TYPES[place - 1]))
        elif place:
            numbers.append(np.frombuffer(column, "<f8"))
    text = _texts.decode(body[at : at + head.text]) if head.text else None
    return _batch(_paths(head.paths), numbers, text)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, struct.error, ValueError, LookupError, TypeError, OverflowError, SyntaxError) as error:
        raise Rejected(f"a record of the spool cannot be read: {error}") from error


def _decode_first_version(content: bytes) -> tuple[Record, int]:
    wire = _first_version.decode(content)
    if len(wire.columns[-1].content) != 8 * wire.samples:
        raise Rejected("a record of the spool cannot be read: it has other samples than values")
    if wire.samples * _NUMBER_BYTES != len(wire.columns[-1].content):
        raise Rejected(f"a record of the spool cannot be read: it does not hold the {wire.samples} samples it tells of")
    numbers: list[npt.NDArray[Any]] = [_widen(column, wire.samples) for column in wire.columns[:-1]]
    numbers.append(np.frombuffer(wire.columns[-1].content, "<f8"))
    source = SourceId(wire.source)
    ledger = tuple(_line(source, line) for line in wire.ledger)
    samples = _batch(tuple(SignalPath(path) for path in wire.paths), numbers, wire.text)
    return Record(source, samples, ledger, tuple(_gap(source, gap) for gap in wire.gaps), _mark(source, wire.mark)), wire.before


def _before(content: bytes) -> int:
    if len(content) < _BEFORE.size + _LENGTH.size:
        raise Rejected("a record of the spool cannot be read: it is too short")
    version, before = _BEFORE.unpack_from(content)
    if version != _VERSION:
        raise Rejected(f"a record of the spool has version {version}; this program reads versions 1 and {_VERSION}")
    return int(before)


def _open(body: bytes) -> tuple[_Head, int]:
    """Return the head and where the columns begin."""
    (length,) = _LENGTH.unpack_from(body)
    head = _heads.decode(memoryview(body)[_LENGTH.size : _LENGTH.size + length])
    if len(body) != _LENGTH.size + length + sum(size for _, _, size in head.columns) + head.text:
        raise Rejected("a record of the spool cannot be read: its columns are cut")
    if head.samples * _NUMBER_BYTES != head.columns[-1][2]:
        raise Rejected(f"a record of the spool cannot be read: it does not hold the {head.samples} samples it tells of")
    return head, _LENGTH.size + length


def _batch(paths: tuple[SignalPath, ...], numbers: list[npt.NDArray[Any]], text: list[str | None] | None) -> SampleBatch:
    columns: dict[str, Any] = {name: numbers[place].astype(_INT_TYPES[name], copy=False) for place, name in enumerate(_INT_COLUMNS)}
    texts = None
    if text is not None:
        texts = np.empty(len(text), np.object_)
        texts[:] = text
    return SampleBatch(
        paths,
        columns["signal"],
        columns["time_us"],
        columns["server_time_us"],
        columns["received_time_us"],
        numbers[-1].astype(np.float64),
        numbers[len(_INT_COLUMNS)].astype(np.bool_),
        columns["status"],
        columns["flags"],
        texts,
    )


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
    with _readable():
        states = _snapshots.decode(content)
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


@lru_cache(maxsize=256)
def _paths(joined: str) -> tuple[SignalPath, ...]:
    """Return the paths; the same tuple for the same paths, so that who compares them is done at once."""
    return tuple(SignalPath(path) for path in joined.split(_BETWEEN)) if joined else ()


def _signal_column(samples: SampleBatch, paths: tuple[SignalPath, ...], counts: npt.NDArray[np.intp] | None) -> _Column:
    """Return the column that names the signal of each sample, by its position in the paths that are used."""
    if counts is not None:
        return _Column(_SORTED, 0, counts.astype("<u4").tobytes())
    if len(paths) == len(samples.paths):
        return _narrow(samples.signal)
    present = np.bincount(samples.signal, minlength=len(samples.paths)) > 0
    return _narrow((np.cumsum(present) - 1)[samples.signal])


def _narrow(numbers: npt.NDArray[Any]) -> _Column:
    if not len(numbers):
        return _Column("", 0, b"")
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return _Column("", low, b"")
    span = high - low
    kind = "<u1" if span < 2**8 else "<u2" if span < 2**16 else "<u4" if span < 2**32 else "<i8"
    if kind == "<i8":
        return _Column(kind, 0, numbers.astype(kind).tobytes())
    return _Column(kind, low, (numbers.astype(np.int64, copy=False) - low).astype(kind).tobytes())


def _typed(kind: str, base: int, content: memoryview, n: int, dtype: Any) -> npt.NDArray[Any]:
    """Return a column in the type that samples have it in; all are wide enough for what was in it."""
    if not kind:
        return np.full(n, base, dtype)
    if dtype in {np.int64, np.int32}:
        wide: npt.NDArray[Any] = np.frombuffer(content, kind).astype(dtype)
        wide += base
        return wide
    return _widen(_Column(kind, base, bytes(content)), n).astype(dtype)


def _widen(column: _Column, n: int) -> npt.NDArray[np.int64]:
    if not column.kind:
        return np.full(n, column.base, np.int64)
    wide = np.frombuffer(column.content, column.kind).astype(np.int64)
    wide += column.base
    return wide


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
