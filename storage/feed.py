"""What storage received, in the order in which it did: who follows it reads each shipment once, and samples only where it must.

A shipment leaves, in its own transaction, one line for each source and a digest: lowest, highest, first and last of each signal. Lines of
a source are numbered without a gap in the order in which they became visible, so who remembers the last number misses none.

The samples of one signal are in order by the time at which they were received, then by their own. ``until_us`` of a source promises that
none received before it comes any more; one that does come after all (an old spool of a gateway that was replaced) is flagged as late in
its row, so that whoever looks later passes it by as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg

from plant.samples import FLAG_HISTORICAL, FLAG_LATE, SampleBatch
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.status import good_mask
from storage.arrays import array_cursor
from storage.database import PG_EPOCH_US, Connection, moment, translate_errors

NEWS: Final = "feed"
"""Channel on which each shipment is told of."""
_MARGIN_US: Final = 2_000_000
"""What a source that sends by itself may still have in its queues when a record ends; a cyclic reader has nothing."""
_DIGESTS_KEPT: Final = 900
_UNJUDGED: Final = FLAG_LATE | FLAG_HISTORICAL
_DIGEST: Final = np.dtype(
    [
        ("signal_id", "<i4"),
        ("count", "<i4"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("unknown", "?"),
        ("mixed", "?"),
        ("first_us", "<i8"),
        ("last_us", "<i8"),
        ("first_received_us", "<i8"),
        ("last_received_us", "<i8"),
    ]
)
"""For each signal of a shipment: how many samples; lowest and highest good number (inf and -inf without one); whether one has no good
number; whether the order by time and by reception differ; between which times they lie and were received."""

Digest = npt.NDArray[Any]
Times = npt.NDArray[np.int64]

_NEWS = """
SELECT f.source_id, f.seq, f.until_us, f.samples, f.low_us, f.high_us, f.received_low_us, f.received_high_us, d.columns
FROM unnest(%s::int4[], %s::int8[]) AS a (source_id, seq)
CROSS JOIN LATERAL (
    SELECT * FROM feed_shipment f WHERE f.source_id = a.source_id AND f.seq > a.seq ORDER BY f.seq LIMIT %s
) f LEFT JOIN feed_digest d ON d.source_id = f.source_id AND d.seq = f.seq
ORDER BY f.source_id, f.seq
"""
_SAMPLES = """
SELECT signal_id, array_agg(time), array_agg(received_time), array_agg(value), array_agg(status){texts}
FROM (
    SELECT signal_id, time, received_time, status{text},
        CASE WHEN (status & -1073741824) = 0 THEN coalesce(value, 'NaN') ELSE 'NaN' END AS value
    FROM sample WHERE signal_id = ANY (%(signals)s) AND time >= %(low)s AND time <= %(high)s
        AND received_time >= %(received_low)s AND received_time <= %(received_high)s AND (flags & %(unjudged)s) = 0
    ORDER BY signal_id, {order}
) q GROUP BY signal_id
"""
_MARK = """
INSERT INTO feed_mark AS m (source_id, seq, until_us, late) VALUES (%s, 1, %s, %s)
ON CONFLICT (source_id) DO UPDATE SET seq = m.seq + 1, until_us = coalesce(%s, m.until_us), late = m.late + %s
RETURNING seq, until_us
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one source is."""

    seq: int
    """Of its last shipment."""
    until_us: int
    """No sample received before this will come any more."""
    late: int
    """Samples that did come after all; they are stored, and not judged."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one shipment brought of one source."""

    source_id: int
    seq: int
    until_us: int
    samples: int
    low_us: int
    high_us: int
    received_low_us: int
    received_high_us: int
    digest: Digest | None
    """None where it is kept no more: read the samples then."""


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Samples of some signals as columns, signal by signal in the order asked for."""

    offsets: Times
    """Shape (signals + 1,): those of signal i are ``offsets[i]`` to ``offsets[i + 1]``."""
    time_us: Times
    received_us: Times
    value: npt.NDArray[np.float64]
    """NaN where there is no number or it is not good."""
    status: npt.NDArray[np.uint32]
    text: npt.NDArray[np.object_] | None = None
    """str or None; None where texts were not asked for."""

    def __len__(self) -> int:
        return len(self.time_us)


class FeedWriter:
    """What writes the lines and digests of shipments, over the connection that stores them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._source_of: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._sources: dict[str, int] = {}
        self._late_of: dict[str, int] = {}

    def flagged(self, shipment: Shipment) -> Shipment:
        """Return a shipment with those samples flagged that come after the promise that none would."""
        self._late_of = {}
        if not shipment.stands or not len(shipment.samples):
            return shipment
        rows = self._connection.execute(
            "SELECT s.name, m.until_us FROM feed_mark m JOIN source s ON s.id = m.source_id WHERE s.name = ANY(%s::text[])",
            [[stand.source for stand in shipment.stands]],
        ).fetchall()
        until = dict(rows)
        stands = {stand.source: stand for stand in shipment.stands}
        # Who still brings what an earlier term of the source read is late with all of it; a clock that was set back makes nothing late.
        promised = [
            until[source] for source, stand in stands.items() if source in until and (stand.end_us is None or stand.end_us >= until[source])
        ]
        earliest = int(shipment.samples.received_time_us.min())
        if not promised or earliest >= max(promised):
            return shipment
        late = self._late(shipment.samples, {SourceId(s): t for s, t in until.items()}, stands)
        if not late.any():
            return shipment
        flags = shipment.samples.flags | np.where(late, np.int16(FLAG_LATE), np.int16(0))
        return replace(shipment, samples=replace(shipment.samples, flags=flags))

    def _late(self, batch: SampleBatch, until: Mapping[SourceId, int], stands: Mapping[SourceId, Any]) -> npt.NDArray[np.bool_]:
        used = np.flatnonzero(np.bincount(batch.signal, minlength=len(batch.paths)))
        rows = self._connection.execute(
            "SELECT g.path, s.name FROM signal g JOIN source s ON s.id = g.source_id WHERE g.path = ANY(%s::text[])",
            [[batch.paths[n] for n in used]],
        ).fetchall()
        source_of = {path: SourceId(source) for path, source in rows}
        bound = np.zeros(len(batch.paths), np.int64)
        for n in used:
            source = source_of.get(batch.paths[n], SourceId(""))
            stand = stands.get(source)
            if source in until and stand is not None and (stand.end_us is None or stand.end_us >= until[source]):
                bound[n] = until[source]
        late = np.asarray(batch.received_time_us < bound[batch.signal])
        for place, count in enumerate(np.bincount(batch.signal[late], minlength=len(batch.paths)).tolist()):
            if count:
                whose = str(source_of[batch.paths[place]])
                self._late_of[whose] = self._late_of.get(whose, 0) + count
        return late

    def digests(self, batch: SampleBatch, signal_id: npt.NDArray[np.int32], order: npt.NDArray[np.intp]) -> dict[int, Digest]:
        """Return the digest of each source. ``order`` is that by signal and time."""
        if batch.flags.any():
            order = order[(batch.flags[order] & _UNJUDGED) == 0]
        if not len(order):
            return {}
        digest = _digest(batch, signal_id, order)
        if int(digest["signal_id"][-1]) >= len(self._source_of) or not self._source_of[digest["signal_id"]].all():
            self._learn()
        sources = self._source_of[digest["signal_id"]]
        if (sources == sources[0]).all():
            return {int(sources[0]): digest}
        return {int(source): digest[sources == source] for source in np.unique(sources)}

    def add(self, cursor: psycopg.Cursor[Any], shipment: Shipment, digests: Mapping[int, Digest]) -> None:
        """Write what a shipment brought, within its transaction."""
        until = self._until(shipment)
        late = {self._sources[source]: count for source, count in self._late_of.items() if source in self._sources}
        # always in the same order, so that two gateways never wait for each other
        for source in sorted({*until, *digests, *late}):
            digest = digests.get(source)
            end_us = until.get(source)
            if end_us is None and digest is not None and not shipment.stands:
                end_us = int(digest["last_received_us"].max()) - _MARGIN_US
            row = cursor.execute(_MARK, [source, end_us or 0, late.get(source, 0), end_us, late.get(source, 0)]).fetchone()
            if row is None:
                continue
            seq, until_us = row
            if digest is None:
                span = (0, 0, 0, 0, 0)
            else:
                span = (
                    *(int(digest["count"].sum()), int(digest["first_us"].min()), int(digest["last_us"].max())),
                    *(int(digest["first_received_us"].min()), int(digest["last_received_us"].max())),
                )
            cursor.execute(
                "INSERT INTO feed_shipment (source_id, seq, until_us, samples, low_us, high_us, received_low_us, received_high_us) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [source, seq, until_us, *span],
            )
            if digest is not None:
                cursor.execute("INSERT INTO feed_digest (source_id, seq, columns) VALUES (%s, %s, %b)", [source, seq, digest.tobytes()])
            cursor.execute("DELETE FROM feed_digest WHERE source_id = %s AND seq <= %s", [source, seq - _DIGESTS_KEPT])
        cursor.execute("SELECT pg_notify(%s, '')", [NEWS])

    def _until(self, shipment: Shipment) -> dict[int, int]:
        ends = {
            stand.source: stand.end_us - (0 if stand.interval_us else _MARGIN_US) for stand in shipment.stands if stand.end_us is not None
        }
        if not all(source in self._sources for source in (*ends, *self._late_of)):
            self._sources = dict(self._connection.execute("SELECT name, id FROM source").fetchall())
        return {self._sources[source]: end_us for source, end_us in ends.items() if source in self._sources}

    def _learn(self) -> None:
        rows = self._connection.execute("SELECT id, source_id FROM signal").fetchall()
        self._source_of = np.zeros(max(number for number, _ in rows) + 1, np.int32)
        for number, source in rows:
            self._source_of[number] = source


def _digest(batch: SampleBatch, signal_id: npt.NDArray[np.int32], order: npt.NDArray[np.intp]) -> Digest:
    ids, times, received = signal_id[order], batch.time_us[order], batch.received_time_us[order]
    value = batch.value[order]
    known = batch.has_value[order] & good_mask(batch.status[order]) & ~np.isnan(value)
    starts = np.flatnonzero(np.diff(ids, prepend=np.int32(-1)))
    ends = np.append(starts[1:], len(ids)) - 1
    digest = np.zeros(len(starts), _DIGEST)
    digest["signal_id"], digest["count"] = ids[starts], ends - starts + 1
    every = bool(known.all())
    digest["low"] = np.minimum.reduceat(value if every else np.where(known, value, np.inf), starts)
    digest["high"] = np.maximum.reduceat(value if every else np.where(known, value, -np.inf), starts)
    digest["unknown"] = False if every else ~np.logical_and.reduceat(known, starts)
    steps = np.diff(received, prepend=received[0]) < 0
    steps[starts] = False
    digest["mixed"] = np.logical_or.reduceat(steps, starts) if steps.any() else False
    digest["first_us"], digest["last_us"] = times[starts], times[ends]
    if steps.any():
        digest["first_received_us"] = np.minimum.reduceat(received, starts)
        digest["last_received_us"] = np.maximum.reduceat(received, starts)
    else:
        digest["first_received_us"], digest["last_received_us"] = received[starts], received[ends]
    return digest


def read_marks(connection: Connection) -> dict[SourceId, Mark]:
    """Return how far each source is that ever shipped."""
    with translate_errors():
        rows = connection.execute(
            "SELECT s.name, m.seq, m.until_us, m.late FROM feed_mark m JOIN source s ON s.id = m.source_id"
        ).fetchall()
    return {SourceId(name): Mark(seq, until_us, late) for name, seq, until_us, late in rows}


def read_news(connection: Connection, after: Mapping[int, int], most: int = 60) -> list[Shipped]:
    """Return what came since, source by source in its order; of each source at most ``most`` shipments.

    ``after``: for the number of each source that is followed, the last shipment that is known.
    """
    with translate_errors():
        rows = connection.cursor(binary=True).execute(_NEWS, [list(after), list(after.values()), most]).fetchall()
    return [_shipped(*row) for row in rows]


def _shipped(source_id: int, seq: int, until_us: int, samples: int, *rest: Any) -> Shipped:
    low_us, high_us, received_low_us, received_high_us, columns = rest
    digest = None if columns is None else np.frombuffer(columns, _DIGEST)
    return Shipped(source_id, seq, until_us, samples, low_us, high_us, received_low_us, received_high_us, digest)


def read_samples(
    connection: Connection,
    signals: Sequence[int],
    time_us: tuple[int, int],
    received_us: tuple[int, int] | None = None,
    *,
    texts: bool = False,
    by_time: bool = False,
) -> SampleColumns:
    """Return the samples of signals whose own time and, where given, time of reception lie in closed spans; late ones are left out.

    In the order of reception, or by their own time.
    """
    received = received_us or (-(2**55), 2**55)
    query = _SAMPLES.format(
        texts=", array_agg(text)" if texts else "",
        text=", text" if texts else "",
        order="time, received_time" if by_time else "received_time, time",
    )
    values = {
        "signals": list(signals),
        "low": moment(time_us[0]),
        "high": moment(time_us[1]),
        "received_low": moment(received[0]),
        "received_high": moment(received[1]),
        "unjudged": _UNJUDGED,
    }
    with translate_errors():
        rows = array_cursor(connection).execute(query, values).fetchall()
    return _columns(rows, signals, texts=texts)


def _columns(rows: Sequence[Any], signals: Sequence[int], *, texts: bool) -> SampleColumns:
    found = {row[0]: row for row in rows}
    counts = [len(found[signal][1]) if signal in found else 0 for signal in signals]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    there = [found[signal] for signal in signals if signal in found]
    if not there:
        none = np.empty(0, np.int64)
        text = np.empty(0, np.object_) if texts else None
        return SampleColumns(offsets, none, none, np.empty(0, np.float64), np.empty(0, np.uint32), text)
    time_us, received_us, value, status = (np.concatenate([row[n] for row in there]) for n in range(1, 5))
    text = None
    if texts:
        text = np.empty(len(time_us), np.object_)
        text[:] = [one for row in there for one in row[5]]
    return SampleColumns(offsets, time_us + PG_EPOCH_US, received_us + PG_EPOCH_US, value, status.astype(np.int32).view(np.uint32), text)


def read_numbers(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Return the numbers of signals by path, and of sources by name."""
    with translate_errors():
        signals = dict(connection.execute("SELECT path, id FROM signal").fetchall())
        sources = dict(connection.execute("SELECT name, id FROM source").fetchall())
    return signals, sources


def read_sources_of(connection: Connection, signals: Sequence[int]) -> dict[int, int]:
    """Return the number of the source of each signal."""
    with translate_errors():
        return dict(connection.execute("SELECT id, source_id FROM signal WHERE id = ANY(%s)", [list(signals)]).fetchall())


def read_begin(connection: Connection, sources: Sequence[int]) -> dict[int, int]:
    """Return behind which shipment of each source somebody begins who never followed: the oldest that is kept with its digest."""
    with translate_errors():
        rows = connection.execute(
            "SELECT n, coalesce((SELECT min(seq) - 1 FROM feed_digest d WHERE d.source_id = n), "
            "(SELECT seq FROM feed_mark m WHERE m.source_id = n), 0) FROM unnest(%s::int4[]) AS u (n)",
            [list(sources)],
        ).fetchall()
    return dict(rows)


def drop_old(connection: Connection) -> None:
    """Forget the shipments whose samples are kept no more."""
    with translate_errors():
        connection.execute(
            "DELETE FROM feed_shipment WHERE received_high_us < (SELECT extract(epoch FROM greatest(kept_from, now() - keep)) * 1000000 "
            "FROM tier_state WHERE tier = 'raw') AND until_us < (SELECT extract(epoch FROM now() - interval '1 day') * 1000000)"
        )


def await_news(connection: Connection, seconds: float) -> None:
    """Return when somebody says something on a channel that the connection listens to, or after some seconds."""
    with translate_errors(), contextlib.closing(connection.notifies(timeout=seconds, stop_after=1)) as said:
        for _ in said:
            return
