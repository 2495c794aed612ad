# ruff: noqa: S608  # the words put into SQL here are our own table and column names
"""Shipments into the database: stored whole, exactly once, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from plant.clock import Clock, SystemClock
from plant.errors import Rejected, Unavailable
from plant.samples import FLAG_HISTORICAL, SampleBatch
from plant.shipment import Shipment
from storage import events, leases, ledger, partitions, tightening
from storage.arrays import take_columns
from storage.copy_rows import SampleRows, kinds_of, sample_rows
from storage.database import Connection, deadline, moment, timescale_version, translate_errors
from storage.feed import Digest, FeedWriter
from storage.partitions import RAW, SECOND_US, Partition, make_partitions, uncovered

_DAY_US = 86_400 * SECOND_US
_MINUTE_US = 60 * SECOND_US
_CELL_US = RAW.widths_us[0]
_MOST_CELLS = 3000
_MOST_COUNTED_SECONDS = 1_000_000
_DIRECT_SINCE = (2, 26)
"""From this TimescaleDB on, COPY writes into the columnstore and still tells the continuous aggregates what it changed."""
_DEEP_ROWS = 15
"""Of one signal in one shipment: half a second at 30 ms. At 17 rows direct compression costs 1.1 us and 51 bytes a row, an indexed one 2.2
and 148; at 1 row it takes 339 bytes."""
_BATCH = 400_000
_DIRECT_ROWS_A_SIGNAL = 66
_MOST_IN_BATCH = 1_000_000
# Rows come sorted, so the server need not sort them; that its batches do not overlap those of earlier shipments is never claimed
# (client_sorted), for a late sample would then be read in the wrong order.
_DIRECT = """
SELECT set_config('timescaledb.enable_direct_compress_copy', %s, true),
    set_config('timescaledb.enable_direct_compress_copy_sort_batches', 'off', true),
    set_config('timescaledb.enable_direct_compress_copy_client_sorted', 'off', true)
"""
_LATEST = """
INSERT INTO latest AS l (signal_id, time, received_time, value, status, flags, text)
SELECT s, timestamptz 'epoch' + t * interval '1 microsecond', timestamptz 'epoch' + r * interval '1 microsecond',
    CASE WHEN h THEN v END, q, f, x
FROM unnest(%b::int4[], %b::int8[], %b::int8[], %b::float8[], %b::bool[], %b::int4[], %b::int2[], %b::text[])
    AS n (s, t, r, v, h, q, f, x)
ON CONFLICT (signal_id) DO UPDATE SET
    time = excluded.time, received_time = excluded.received_time, value = excluded.value,
    status = excluded.status, flags = excluded.flags, text = excluded.text
WHERE excluded.time >= l.time OR l.time > now() + interval '1 minute'
"""
"""A clock that was ahead and is set right must not leave its last value standing as the newest until its time has come."""
_DUE = """
INSERT INTO rollup_due (tier, from_time, to_time)
SELECT '1s', a, b FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS n (a, b)
"""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A shipment's samples, ready for the wire."""

    rows: SampleRows | None
    direct: list[SampleRows]
    """What goes straight into the columnstore. Each is by signal and time throughout, for it is packed as it comes."""
    cells_us: list[int]
    """Starts of the ten-minute cells touched."""
    due_us: list[tuple[int, int]]
    """Spans of whole seconds, one a minute touched, whose rollups become stale."""
    latest: tuple[object, ...] | None
    digests: dict[int, Digest]
    """For those who follow what is stored, by source."""


class SampleWriter:
    """What stores shipments over one connection of its own; keeps the numbers of signals it has met.

    ``direct_compress`` says whether signals with many samples in a shipment go straight into the columnstore of TimescaleDB; without
    a word they do where its version can.
    """

    def __init__(
        self, connection: Connection, *, deadline_seconds: float = 60.0, clock: Clock | None = None, direct_compress: bool | None = None
    ) -> None:
        take_columns(connection)
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._clock = clock or SystemClock()
        self._signals: dict[str, int] = {}
        self._sources: dict[str, int] = {}
        self._partitions: list[Partition] | None = None
        self._timescale: bool | None = None
        self._direct = direct_compress
        self._feed = FeedWriter(connection)

    def ship(self, shipment: Shipment) -> bool:
        """Store a shipment in one transaction; return False where it was stored before.

        Raises Rejected for an unknown signal or source, for a shipment that overlaps a stored one in part, and for values the
        database cannot hold: nothing of it is stored then. Raises Unavailable where the database is away: whether it was
        stored is then unknown, the connection is closed, and the same shipment is to be sent again over a new one.
        """
        if not 1 <= shipment.first <= shipment.last:
            raise Rejected(f"a shipment of the records {shipment.first} to {shipment.last} is none")
        try:
            with translate_errors(), deadline(self._connection, self._deadline_seconds):
                shipment = self._feed.flagged(shipment)
                prepared = self._prepare(shipment.samples)
                try:
                    return self._store(shipment, prepared)
                except psycopg.errors.CheckViolation:
                    # A partition was dropped since it was listed, which is the only check there is.
                    self._partitions = None
                    return self._store(shipment, prepared)
        except Unavailable:
            self._connection.close()
            raise

    def _prepare(self, batch: SampleBatch) -> _Prepared | None:
        if self._timescale is None:
            version = timescale_version(self._connection)
            self._timescale = version is not None
            self._direct = version is not None and (version >= _DIRECT_SINCE if self._direct is None else self._direct)
        if not len(batch):
            return None
        used = np.flatnonzero(np.bincount(batch.signal, minlength=len(batch.paths)))
        numbers = np.zeros(len(batch.paths), np.int32)
        numbers[used] = self._numbers("signal", [batch.paths[n] for n in used], self._signals)
        signal_id = numbers[batch.signal]
        order = _order(batch, signal_id)
        moment(int(batch.time_us.min()))
        moment(int(batch.time_us.max()))
        seconds = _seconds(batch.time_us)
        cells = np.unique(seconds // _CELL_US) * _CELL_US
        if len(cells) > _MOST_CELLS:
            raise Rejected(f"one shipment with samples in {len(cells)} different ten-minute spans: its times cannot be right")
        kind = kinds_of(batch)
        deep = (_deep(batch, kind) if self._direct else np.zeros(len(batch), np.bool_))[order]
        rows = order[~deep] if self._direct else order
        return _Prepared(
            sample_rows(batch, signal_id, rows) if len(rows) else None,
            [sample_rows(batch, signal_id, order[deep & (kind[order] == k)]) for k in np.unique(kind[order[deep]])],
            cells.tolist(),
            _due(seconds),
            _latest_of(batch, signal_id, order),
            self._feed.digests(batch, signal_id, order),
        )

    def _numbers(self, table: str, names: list[str], known: dict[str, int]) -> list[int]:
        if not all(name in known for name in names):
            column = "path" if table == "signal" else "name"
            rows = self._connection.execute(f"SELECT {column}, id FROM {table}").fetchall()
            known.clear()
            known.update(rows)
            missing = [name for name in names if name not in known]
            if missing:
                raise Rejected(f"{len(missing)} {table}s are not registered, e.g. '{missing[0]}': register the site first")
        return [known[name] for name in names]

    def _store(self, shipment: Shipment, prepared: _Prepared | None) -> bool:
        connection = self._connection
        if prepared is not None and not self._timescale:
            self._ensure_partitions(prepared.cells_us)
        gap_signals = self._numbers("signal", [g.signal for g in shipment.gaps if g.signal is not None], self._signals)
        sources = self._numbers(
            "source", [*(line.source for line in shipment.ledger), *(gap.source for gap in shipment.gaps)], self._sources
        )
        with connection.transaction(), connection.cursor() as cursor:
            leases.hold_off(cursor, shipment.stands)
            if not _advance(cursor, shipment):
                return False
            if prepared is not None:
                _refuse_dropped_span(connection, shipment.samples)
                if prepared.rows is not None:
                    _copy(cursor, prepared.rows)
                if prepared.direct:
                    cursor.execute(_DIRECT, ["on"])
                    for rows in prepared.direct:
                        _copy(cursor, rows)
                    cursor.execute(_DIRECT, ["off"])
                if not self._timescale:
                    spans = [(moment(a), moment(b)) for a, b in prepared.due_us]
                    cursor.execute(_DUE, [[a for a, _ in spans], [b for _, b in spans]])
                if prepared.latest is not None:
                    cursor.execute(_LATEST, prepared.latest)
            tightening.add(cursor, shipment.tightenings, shipment.traces)
            events.add(cursor, shipment.events, shipment.refreshes)
            self._feed.add(cursor, shipment, {} if prepared is None else prepared.digests)
            corrections = leases.settle(cursor, shipment.stands)
            lines = (*shipment.ledger, *corrections)
            ledger.add_lines(cursor, lines, self._numbers("source", [line.source for line in lines], self._sources))
            ledger.add_gaps(cursor, shipment.gaps, sources[len(shipment.ledger) :], gap_signals)
        return True

    def _ensure_partitions(self, cells_us: list[int]) -> None:
        if self._partitions is None:
            self._partitions = partitions.read(self._connection, RAW)
        missing = uncovered(self._partitions, cells_us)
        if not missing:
            return
        old = [cell for cell in missing if cell < self._clock.now_us() - 2 * _DAY_US]
        if old:
            make_partitions(self._connection, RAW, old, _DAY_US)
        newest = self._partitions[-1] if self._partitions else None
        width = newest.to_us - newest.from_us if newest is not None and newest.to_us > self._clock.now_us() - _DAY_US else _CELL_US
        self._partitions = make_partitions(self._connection, RAW, missing, width)


def best_batch(connection: Connection, signals: int) -> int:
    """Return how many samples one shipment should hold at most, where so many wait; a site of ``signals`` signals.

    Enough for two seconds of all signals at 30 ms: the deeper a signal's samples lie together, the less a row costs, in an index as in
    the columnstore. Beyond that only the memory of the two processes grows.
    """
    version = timescale_version(connection)
    if version is None or version < _DIRECT_SINCE:
        return _BATCH
    return min(_MOST_IN_BATCH, max(_BATCH, _DIRECT_ROWS_A_SIGNAL * signals))


def spool_watermark(connection: Connection, spool: UUID) -> int:
    """Return the last record of a spool that is stored; 0 where none is."""
    with translate_errors():
        row = connection.execute("SELECT watermark FROM spool WHERE spool = %s", [spool]).fetchone()
    return 0 if row is None else int(row[0])


def accepted_span(connection: Connection, clock: Clock | None = None) -> tuple[int, int]:
    """Return (from_us, to_us), the times that samples may have: within what raw storage keeps, at most a day ahead."""
    with translate_errors():
        kept_us = partitions.kept_from(connection)["raw"]
    return kept_us, (clock or SystemClock()).now_us() + _DAY_US


def _copy(cursor: psycopg.Cursor[tuple[int, ...]], rows: SampleRows) -> None:
    with cursor.copy(rows.statement.encode("ascii")) as copy:
        for piece in rows.pieces():
            copy.write(piece)


def _order(batch: SampleBatch, signal_id: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """The order by signal and time."""
    if len(batch.paths) <= np.iinfo(np.uint16).max:
        # Each signal's samples mostly come by time: what remains is a sort of small numbers, a tenth of the work.
        numbers = np.zeros(len(batch.paths), np.int32)
        numbers[batch.signal] = signal_id
        rank = np.empty(len(numbers), np.uint16)
        rank[np.argsort(numbers, kind="stable")] = np.arange(len(numbers), dtype=np.uint16)
        ranks = rank[batch.signal]
        order = np.argsort(ranks, kind="stable")
        if bool(((np.diff(batch.time_us[order]) >= 0) | (np.diff(ranks[order]) != 0)).all()):
            return order
    return np.lexsort((batch.time_us, signal_id))


def _deep(batch: SampleBatch, kind: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Which samples come with enough others of their signal and kind."""
    run = batch.signal.astype(np.int64) * 8 + kind
    return np.asarray(np.bincount(run)[run] >= _DEEP_ROWS)


def _advance(cursor: psycopg.Cursor[tuple[int, ...]], shipment: Shipment) -> bool:
    """Move the spool's watermark, holding its row until the end; False where the shipment lies below it."""
    cursor.execute("INSERT INTO spool (spool) VALUES (%s) ON CONFLICT DO NOTHING", [shipment.spool])
    row = cursor.execute("SELECT watermark FROM spool WHERE spool = %s FOR UPDATE", [shipment.spool]).fetchone()
    watermark = 0 if row is None else row[0]
    if shipment.last <= watermark:
        return False
    if shipment.first <= watermark:
        raise Rejected(
            f"the records {shipment.first} to {shipment.last} of spool {shipment.spool} overlap what is stored, which ends at {watermark}: "
            f"continue from {watermark + 1}"
        )
    cursor.execute("UPDATE spool SET watermark = %s, updated_at = now() WHERE spool = %s", [shipment.last, shipment.spool])
    cursor.execute(
        "INSERT INTO batch (spool, last, first, samples) VALUES (%s, %s, %s, %s)",
        [shipment.spool, shipment.last, shipment.first, len(shipment.samples)],
    )
    return True


def _refuse_dropped_span(connection: Connection, samples: SampleBatch) -> None:
    """Samples of a span that was dropped would stand there alone, and rollups made from them would contradict those that are kept."""
    kept_us = partitions.kept_from(connection)["raw"]
    late = int((samples.time_us < kept_us).sum())
    if late:
        raise Rejected(f"{late} samples are older than {moment(kept_us):%Y-%m-%d %H:%M:%S} UTC, from when on raw samples are kept")


def _seconds(time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the starts of the seconds touched, ascending."""
    seconds = time_us // SECOND_US
    first = seconds.min()
    if seconds.max() - first < _MOST_COUNTED_SECONDS:
        return np.asarray((np.flatnonzero(np.bincount(seconds - first)) + first) * SECOND_US, np.int64)
    return np.unique(seconds) * SECOND_US


def _due(seconds: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """From the first to behind the last second, in each minute: a late sample makes its own second stale, not all between."""
    starts = np.flatnonzero(np.diff(seconds // _MINUTE_US, prepend=np.iinfo(np.int64).min))
    ends = np.append(starts[1:], len(seconds)) - 1
    return [(int(a), int(b) + SECOND_US) for a, b in zip(seconds[starts], seconds[ends], strict=True)]


def _latest_of(batch: SampleBatch, signal_id: npt.NDArray[np.int32], order: npt.NDArray[np.intp]) -> tuple[object, ...] | None:
    live = order[(batch.flags[order] & FLAG_HISTORICAL) == 0]
    if not len(live):
        return None
    newest = live[np.flatnonzero(np.diff(signal_id[live], append=-1))]
    return (
        signal_id[newest],
        batch.time_us[newest],
        batch.received_time_us[newest],
        batch.value[newest],
        batch.has_value[newest],
        batch.status[newest].view(np.int32),
        batch.flags[newest],
        None if batch.text is None else batch.text[newest].tolist(),
    )
