"""Leases of sources: one gateway reads a source, others stand by; who lost one cannot write what it read afterwards.

All by the server's clock. A shipment holds off takeovers of its sources until it is committed, and a takeover passes by a source that is
being shipped, so neither ever sees half of the other. A takeover writes down at once what nobody has told of, as a gap by minute; records
that the gateway before still brings from its spool make that gap smaller by what they tell, in the transaction that stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from plant.errors import Rejected
from plant.ledger import Counts, Gap, GapReason, LedgerLine
from plant.shipment import SourceStand
from plant.signals import SourceId
from storage import ledger
from storage.database import Connection, micros, moment, translate_errors

LEASE_SECONDS = 10.0
"""A lease that was not renewed for so long may be taken by another gateway."""
_SEEN_SECONDS = 15.0
Missing = Callable[[int, int, int], Iterable[tuple[int, int]]]
"""From (from_us, to_us, interval_us) to (minute, ticks)."""

_ME = """
INSERT INTO gateway (spool, name, return_us) VALUES (%s, %s, %s)
ON CONFLICT (spool) DO UPDATE SET name = excluded.name, return_us = excluded.return_us, seen_at = now()
"""
_CANDIDATE = """
INSERT INTO source_candidate (source, spool) SELECT s, %s FROM unnest(%s::text[]) AS n (s) ORDER BY s
ON CONFLICT (source, spool) DO UPDATE SET seen_at = now()
"""
_RENEW = """
UPDATE source_lease SET expires_at = clock_timestamp() + %s * interval '1 second', clean = false
WHERE spool = %s AND source = ANY(%s::text[]) RETURNING source
"""
_FIRST = """
WITH made AS (
    INSERT INTO source_lease (source, epoch, spool, expires_at)
    SELECT s, 1, %(spool)s, clock_timestamp() + %(seconds)s * interval '1 second' FROM unnest(%(sources)s::text[]) AS n (s) ORDER BY s
    ON CONFLICT DO NOTHING RETURNING source
)
INSERT INTO source_term (source, epoch, spool, first_record, from_us) SELECT source, 1, %(spool)s, 0, %(now)s FROM made RETURNING source
"""
"""What this spool held of a source before leases were kept, or while the database was away, is its own: its term begins at record 0."""
_FREE = "SELECT source FROM source_lease WHERE source = ANY(%s::text[]) AND expires_at <= clock_timestamp() ORDER BY source"
_BEGINS = """
SELECT t.source, t.epoch, t.from_us, coalesce(m.interval_us, 0), coalesce(m.signals, 0)
FROM source_term t LEFT JOIN source_mark m ON m.source = t.source
WHERE t.spool = %s AND t.source = ANY(%s::text[]) AND t.until_us IS NULL
"""
_STANDING = """
SELECT l.source, w.name, l.spool, l.epoch, l.taken_at, l.expires_at > clock_timestamp(), w.return_us, w.seen_at,
    ARRAY(
        SELECT n.name FROM source_candidate c JOIN gateway n ON n.spool = c.spool
        WHERE c.source = l.source AND c.spool <> l.spool AND c.seen_at > now() - %s * interval '1 second' ORDER BY n.name
    ),
    (SELECT coalesce(sum(t.fenced), 0)::int8 FROM source_term t WHERE t.source = l.source)
FROM source_lease l JOIN gateway w ON w.spool = l.spool ORDER BY l.source
"""


class LeaseMoved(Rejected):
    """A source of the shipment is read by another gateway than was thought: nothing was stored; look at the terms and pack anew."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease just taken: the source is to be read from ``from_us`` on; ``before`` names the gateway that held it, None for nobody."""

    source: SourceId
    epoch: int
    from_us: int
    interval_us: int = 0
    signals: int = 0
    before: str | None = None
    missing: int = 0
    """Samples between the last stored record of the gateway before and ``from_us``."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of one spool: its records of the source from ``first_record`` on belong to it, unless a later term begins before them."""

    source: SourceId
    epoch: int
    first_record: int
    until_us: int | None
    """When another gateway took over; None while nobody did."""
    next_epoch: int
    """Of that takeover; 0 while there was none."""


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms of one spool, and by which epoch each source is read now."""

    terms: tuple[Term, ...]
    epochs: dict[SourceId, int]


@dataclass(frozen=True, slots=True)
class Holding:
    """Who reads a source, and who stands by."""

    source: SourceId
    gateway: str
    spool: UUID
    epoch: int
    taken_us: int
    holds: bool
    """Whether the lease is in force; a gateway that is cut off from the database reads on until another takes over."""
    return_us: int
    """Time between two of its shipments of raw samples."""
    seen_us: int
    standby: tuple[str, ...]
    fenced: int
    """Samples that gateways read after they had lost the source; they are not stored."""


def renew(
    connection: Connection, spool: UUID, name: str, return_us: int, wanted: Collection[SourceId], now_us: int
) -> tuple[set[SourceId], list[SourceId]]:
    """Say that a gateway is there, renew what it holds and take what was never held; return that, and what is free to be taken over."""
    names = sorted(wanted)
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_ME, [spool, name, return_us])
        cursor.execute(_CANDIDATE, [spool, names])
        cursor.execute("DELETE FROM source_candidate WHERE spool = %s AND NOT source = ANY(%s::text[])", [spool, names])
        held = {SourceId(row[0]) for row in cursor.execute(_RENEW, [LEASE_SECONDS, spool, names]).fetchall()}
        others = [source for source in names if source not in held]
        if not others:
            return held, []
        values = {"spool": spool, "sources": others, "seconds": LEASE_SECONDS, "now": now_us}
        held |= {SourceId(row[0]) for row in cursor.execute(_FIRST, values).fetchall()}
        free = [SourceId(row[0]) for row in cursor.execute(_FREE, [others]).fetchall()]
    return held, free


def read_begins(connection: Connection, spool: UUID, sources: Collection[SourceId]) -> list[Taken]:
    """Return how the present terms of a spool began, of those sources that it holds."""
    with translate_errors():
        rows = connection.execute(_BEGINS, [spool, sorted(sources)]).fetchall()
    return [Taken(SourceId(source), epoch, from_us, interval_us, signals) for source, epoch, from_us, interval_us, signals in rows]


def release(connection: Connection, spool: UUID, sources: Collection[SourceId], *, clean: bool) -> None:
    """Give leases back, so that another gateway takes them at once. ``clean``: all that was read has been stored."""
    with translate_errors():
        connection.execute(
            "UPDATE source_lease SET expires_at = clock_timestamp(), clean = %s WHERE spool = %s AND source = ANY(%s::text[])",
            [clean, spool, sorted(sources)],
        )


def take(
    connection: Connection, source: SourceId, spool: UUID, first_record: int, now_us: int, own: tuple[int, int], missing: Missing
) -> Taken | None:
    """Take over a source whose lease is over; None when somebody holds it after all or is just storing something of it.

    ``first_record`` is the number that the spool's first record of the new term can have; ``now_us`` is when the new gateway begins.
    ``own`` is interval and signals by its settings, for a source of which nothing has been stored yet.
    """
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute(
            "SELECT epoch, spool, expires_at <= clock_timestamp(), clean FROM source_lease WHERE source = %s FOR UPDATE SKIP LOCKED",
            [source],
        ).fetchone()
        if row is None:
            return None
        epoch, holder, expired, clean = row
        if holder == spool or not expired:
            return None
        cursor.execute(
            "UPDATE source_lease SET expires_at = clock_timestamp() + %s * interval '1 second', clean = false WHERE source = %s",
            [LEASE_SECONDS, source],
        )
        return _take_over(cursor, Taken(source, epoch + 1, now_us), spool, first_record, own, missing, clean=clean)


def _take_over(
    cursor: psycopg.Cursor[Any], taken: Taken, spool: UUID, first_record: int, own: tuple[int, int], missing: Missing, *, clean: bool
) -> Taken:
    source, epoch, now_us = taken.source, taken.epoch, taken.from_us
    before = cursor.execute(
        "SELECT coalesce((SELECT name FROM gateway w WHERE w.spool = l.spool), '') FROM source_lease l WHERE source = %s", [source]
    ).fetchone()
    cursor.execute("UPDATE source_lease SET epoch = %s, spool = %s, taken_at = now() WHERE source = %s", [epoch, spool, source])
    mark = cursor.execute(
        "SELECT end_us, interval_us, signals, open_minutes, open_counts FROM source_mark WHERE source = %s", [source]
    ).fetchone()
    if mark is None:
        began = cursor.execute("SELECT from_us FROM source_term WHERE source = %s AND epoch = %s", [source, epoch - 1]).fetchone()
        mark = (began[0] if began else now_us, *own, [], [])
    end_us, interval_us, signals, open_minutes, open_counts = mark
    from_us = max(now_us, end_us)
    counts: dict[int, int] = dict.fromkeys(open_minutes, 0)
    for minute, count in zip(open_minutes, open_counts, strict=True):
        counts[minute] += count
    if interval_us:
        for minute, ticks in missing(end_us, from_us, interval_us):
            counts[minute] = counts.get(minute, 0) + ticks * signals
    gap_id = None
    known = bool(interval_us) or clean
    total = sum(counts.values())
    if total or not known:
        detail = f"taken over from {before[0] if before else ''}"
        gap_id = _write_gap(cursor, Gap(source, end_us, from_us, total, GapReason.TAKEOVER, None, detail), epoch, counts, known=known)
    cursor.execute("UPDATE source_term SET until_us = %s WHERE source = %s AND epoch = %s", [from_us, source, epoch - 1])
    cursor.execute(
        "INSERT INTO source_term (source, epoch, spool, first_record, from_us, gap_id) VALUES (%s, %s, %s, %s, %s, %s)",
        [source, epoch, spool, first_record, from_us, gap_id],
    )
    _keep_mark(cursor, source, from_us, interval_us, signals, ())
    return Taken(source, epoch, from_us, interval_us, signals, before[0] if before else "", total)


def _write_gap(cursor: psycopg.Cursor[Any], gap: Gap, epoch: int, counts: dict[int, int], *, known: bool) -> int | None:
    row = cursor.execute("SELECT id FROM source WHERE name = %s", [gap.source]).fetchone()
    if row is None:
        return None
    lines = [LedgerLine(gap.source, minute, Counts(expected=n, gap=n), known) for minute, n in counts.items() if n]
    if not known:
        lines.append(LedgerLine(gap.source, gap.to_us - gap.to_us % 60_000_000, Counts(), complete=False))
    ledger.add_lines(cursor, lines, [row[0]] * len(lines))
    cursor.executemany(
        "INSERT INTO takeover_gap (source, epoch, minute, count) VALUES (%s, %s, %s, %s)",
        [(gap.source, epoch, moment(minute), n) for minute, n in counts.items() if n],
    )
    made = cursor.execute(
        "INSERT INTO gap (source_id, from_time, to_time, count, reason, detail) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        [row[0], moment(gap.from_us), moment(max(gap.to_us, gap.from_us + 1)), gap.count, gap.reason.value, gap.detail],
    ).fetchone()
    return None if made is None else int(made[0])


def read_terms(connection: Connection, spool: UUID) -> Terms:
    """Return the terms of one spool, and the epoch of every lease."""
    with translate_errors(), connection.transaction():
        terms = connection.execute(
            "SELECT source, epoch, first_record, until_us FROM source_term WHERE spool = %s ORDER BY source, epoch", [spool]
        ).fetchall()
        epochs = connection.execute("SELECT source, epoch FROM source_lease").fetchall()
    found = tuple(Term(SourceId(source), epoch, first, until, 0 if until is None else epoch + 1) for source, epoch, first, until in terms)
    return Terms(found, {SourceId(source): epoch for source, epoch in epochs})


def hold_off(cursor: psycopg.Cursor[Any], stands: Sequence[SourceStand]) -> None:
    """Let no takeover of these sources happen before the caller's transaction ends. Raises LeaseMoved when one has happened before."""
    if not stands:
        return
    names = sorted(stand.source for stand in stands)
    rows = cursor.execute(
        "SELECT source, epoch FROM source_lease WHERE source = ANY(%s::text[]) ORDER BY source FOR KEY SHARE", [names]
    ).fetchall()
    found = dict(rows)
    moved = [stand.source for stand in stands if found.get(stand.source, 0) != stand.epoch]
    if moved:
        raise LeaseMoved(f"another gateway took over '{moved[0]}'")


def settle(cursor: psycopg.Cursor[Any], stands: Sequence[SourceStand]) -> list[LedgerLine]:
    """Keep where the sources stand and what was fenced; return the lines that correct the ledger for what late records bring."""
    corrections: list[LedgerLine] = []
    for stand in sorted(stands, key=lambda stand: stand.source):
        if stand.end_us is not None:
            _keep_mark(cursor, stand.source, stand.end_us, stand.interval_us, stand.signals, stand.open)
        if stand.fenced:
            cursor.execute(
                "UPDATE source_term SET fenced = fenced + %s, fenced_at = now() WHERE source = %s AND epoch = %s",
                [stand.fenced, stand.source, stand.epoch],
            )
        for epoch in sorted({epoch for epoch, _, _ in stand.late}):
            corrections += _shrink(cursor, stand, epoch)
    return corrections


def _shrink(cursor: psycopg.Cursor[Any], stand: SourceStand, epoch: int) -> list[LedgerLine]:
    brought = {minute: count for of, minute, count in stand.late if of == epoch}
    rows = cursor.execute(
        "SELECT minute, count FROM takeover_gap WHERE source = %s AND epoch = %s AND minute = ANY(%s) AND count > 0 "
        "ORDER BY minute FOR UPDATE",
        [stand.source, epoch, [moment(minute) for minute in brought]],
    ).fetchall()
    lines, filled = [], []
    for minute, left in rows:
        fill = min(left, brought[micros(minute)])
        filled.append((fill, stand.source, epoch, minute))
        lines.append(LedgerLine(stand.source, micros(minute), Counts(expected=-fill, gap=-fill)))
    cursor.executemany("UPDATE takeover_gap SET count = count - %s WHERE source = %s AND epoch = %s AND minute = %s", filled)
    cursor.execute(
        "UPDATE gap SET count = count - %s, from_time = greatest(from_time, least(%s, to_time - interval '1 microsecond')) "
        "WHERE id = (SELECT gap_id FROM source_term WHERE source = %s AND epoch = %s)",
        [sum(fill for fill, *_ in filled), moment(stand.late_until_us), stand.source, epoch],
    )
    cursor.execute(
        "SELECT end_takeover_gap(t.gap_id) FROM source_term t JOIN gap g ON g.id = t.gap_id "
        "WHERE t.source = %s AND t.epoch = %s AND g.count <= 0 AND EXISTS (SELECT FROM takeover_gap WHERE source = %s AND epoch = %s)",
        [stand.source, epoch, stand.source, epoch],
    )
    return lines


def _keep_mark(
    cursor: psycopg.Cursor[Any], source: SourceId, end_us: int, interval_us: int, signals: int, still_open: Sequence[tuple[int, int]]
) -> None:
    cursor.execute(
        "INSERT INTO source_mark (source, end_us, interval_us, signals, open_minutes, open_counts) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (source) DO UPDATE SET end_us = excluded.end_us, interval_us = excluded.interval_us, signals = excluded.signals, "
        "open_minutes = excluded.open_minutes, open_counts = excluded.open_counts",
        [source, end_us, interval_us, signals, [minute for minute, _ in still_open], [count for _, count in still_open]],
    )


def read_holdings(connection: Connection) -> list[Holding]:
    """Return who reads each source that was ever leased, by name."""
    with translate_errors():
        rows = connection.execute(_STANDING, [_SEEN_SECONDS]).fetchall()
    return [
        Holding(SourceId(source), name, spool, epoch, micros(taken), holds, return_us, micros(seen), tuple(standby), fenced)
        for source, name, spool, epoch, taken, holds, return_us, seen, standby, fenced in rows
    ]
