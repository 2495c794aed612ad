"""The ledger as stored: for each source and minute where its samples went, and the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import psycopg

from plant.ledger import LATENESS_BINS, Counts, Gap, GapReason, LedgerLine, no_lateness
from plant.signals import SignalPath, SourceId
from storage.database import Connection, micros, moment, translate_errors

_ADD = """
INSERT INTO ledger AS l (source_id, minute, expected, stored, unchanged, filtered, duplicate, rejected, gap, complete, ticks, lateness)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id, minute) DO UPDATE SET
    expected = l.expected + excluded.expected, stored = l.stored + excluded.stored, unchanged = l.unchanged + excluded.unchanged,
    filtered = l.filtered + excluded.filtered, duplicate = l.duplicate + excluded.duplicate, rejected = l.rejected + excluded.rejected,
    gap = l.gap + excluded.gap, complete = l.complete AND excluded.complete, ticks = l.ticks + excluded.ticks,
    lateness = add_bins(l.lateness, excluded.lateness)
"""
_ADD_TOTAL = """
INSERT INTO ledger_total AS l (source_id, first_minute, expected, stored, unchanged, filtered, duplicate, rejected, gap, complete, ticks)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id) DO UPDATE SET
    expected = l.expected + excluded.expected, stored = l.stored + excluded.stored, unchanged = l.unchanged + excluded.unchanged,
    filtered = l.filtered + excluded.filtered, duplicate = l.duplicate + excluded.duplicate, rejected = l.rejected + excluded.rejected,
    gap = l.gap + excluded.gap, complete = l.complete AND excluded.complete, ticks = l.ticks + excluded.ticks,
    first_minute = least(l.first_minute, excluded.first_minute)
"""
_EVER = """
SELECT s.name, l.first_minute, l.expected, l.stored, l.unchanged, l.filtered, l.duplicate, l.rejected, l.gap, l.complete, l.ticks
FROM ledger_total l JOIN source s ON s.id = l.source_id
"""
_TOTALS = """
WITH lines AS (SELECT * FROM ledger WHERE minute >= %(from)s AND minute < %(to)s),
bins AS (
    SELECT source_id, array_agg(sum ORDER BY bin) AS lateness FROM (
        SELECT source_id, bin, sum(count)::int8 AS sum
        FROM lines, unnest(lateness) WITH ORDINALITY AS t (count, bin) GROUP BY source_id, bin
    ) q GROUP BY source_id
),
counts AS (
    SELECT source_id, min(minute) AS minute, sum(expected)::int8, sum(stored)::int8, sum(unchanged)::int8, sum(filtered)::int8,
        sum(duplicate)::int8, sum(rejected)::int8, sum(gap)::int8, bool_and(complete), sum(ticks)::int8
    FROM lines GROUP BY source_id
)
SELECT s.name, counts.*, coalesce(bins.lateness, '{}')
FROM counts JOIN source s ON s.id = counts.source_id LEFT JOIN bins ON bins.source_id = counts.source_id
"""
_READ = """
SELECT s.name, l.minute, l.expected, l.stored, l.unchanged, l.filtered, l.duplicate, l.rejected, l.gap, l.complete, l.ticks, l.lateness
FROM ledger l JOIN source s ON s.id = l.source_id
WHERE l.minute >= %(from)s AND l.minute < %(to)s AND (%(source)s::text IS NULL OR s.name = %(source)s)
ORDER BY s.name, l.minute
"""
_SPANS = """
SELECT s.name, date_bin(%(width)s * interval '1 microsecond', l.minute, %(from)s) AS start, sum(l.expected), sum(l.stored),
    sum(l.unchanged), sum(l.filtered), sum(l.duplicate), sum(l.rejected), sum(l.gap), bool_and(l.complete), sum(l.ticks)
FROM ledger l JOIN source s ON s.id = l.source_id
WHERE l.minute >= %(from)s AND l.minute < %(to)s AND (%(source)s::text IS NULL OR s.name = %(source)s)
GROUP BY s.name, start ORDER BY s.name, start
"""
_GAPS = """
SELECT s.name, g.from_time, g.to_time, g.count, g.reason, n.path, g.detail
FROM gap g JOIN source s ON s.id = g.source_id LEFT JOIN signal n ON n.id = g.signal_id
WHERE g.from_time < %(to)s AND g.to_time >= %(from)s AND (%(source)s::text IS NULL OR s.name = %(source)s)
ORDER BY g.from_time DESC, g.id DESC LIMIT %(most)s
"""


def add_lines(cursor: psycopg.Cursor[Any], lines: Sequence[LedgerLine], source_ids: Sequence[int]) -> None:
    """Add lines to those of their source and minute, within the caller's transaction."""
    sums: dict[tuple[int, int], LedgerLine] = {}
    for line, source_id in zip(lines, source_ids, strict=True):
        key = (source_id, line.minute_us)
        sums[key] = line if key not in sums else _sum(sums[key], line)
    # In one order for all writers, so that two of them never wait for each other.
    rows = [
        (source_id, moment(minute_us), *astuple(line.counts), line.complete, line.ticks, line.lateness.tolist())
        for (source_id, minute_us), line in sorted(sums.items(), key=lambda item: item[0])
    ]
    if rows:
        cursor.executemany(_ADD, rows)
        cursor.executemany(_ADD_TOTAL, _by_source(sums))


def _by_source(sums: dict[tuple[int, int], LedgerLine]) -> list[tuple[object, ...]]:
    totals: dict[int, LedgerLine] = {}
    for (source_id, _), line in sorted(sums.items(), key=lambda item: item[0]):
        totals[source_id] = _sum(totals[source_id], line) if source_id in totals else line
    return [
        (source_id, moment(line.minute_us), *astuple(line.counts), line.complete, line.ticks) for source_id, line in sorted(totals.items())
    ]


def add_gaps(cursor: psycopg.Cursor[Any], gaps: Sequence[Gap], source_ids: Sequence[int], signal_ids: Sequence[int]) -> None:
    """Add gaps within the caller's transaction; ``signal_ids`` holds the numbers of those that name a signal, in order."""
    numbers = iter(signal_ids)
    rows = [
        (
            source_id,
            None if gap.signal is None else next(numbers),
            moment(gap.from_us),
            moment(gap.to_us),
            gap.count,
            gap.reason.value,
            gap.detail.replace("\0", "\ufffd"),
        )
        for gap, source_id in zip(gaps, source_ids, strict=True)
    ]
    if rows:
        cursor.executemany(
            "INSERT INTO gap (source_id, signal_id, from_time, to_time, count, reason, detail) VALUES (%s, %s, %s, %s, %s, %s, %s)", rows
        )


def read_ledger(connection: Connection, from_us: int, to_us: int, source: SourceId | None = None) -> list[LedgerLine]:
    """Return the lines of the minutes that start in [from_us, to_us), by source and minute."""
    with translate_errors():
        rows = connection.execute(_READ, {"from": moment(from_us), "to": moment(to_us), "source": source}).fetchall()
    return [
        LedgerLine(SourceId(name), micros(minute), Counts(*counts), complete, ticks, _histogram(lateness))
        for name, minute, *counts, complete, ticks, lateness in rows
    ]


def read_totals(connection: Connection, from_us: int, to_us: int) -> dict[SourceId, LedgerLine]:
    """Return, for each source, the sum of its lines; ``minute_us`` is that of its first."""
    with translate_errors():
        rows = connection.execute(_TOTALS, {"from": moment(from_us), "to": moment(to_us)}).fetchall()
    return {
        SourceId(name): LedgerLine(SourceId(name), micros(minute), Counts(*counts), complete, ticks, _histogram(lateness))
        for name, _, minute, *counts, complete, ticks, lateness in rows
    }


def read_ever(connection: Connection) -> dict[SourceId, LedgerLine]:
    """Return, for each source, the sum of all its lines since the beginning, of forgotten minutes too, without their lateness.

    It takes as long for a year as for a minute.
    """
    with translate_errors():
        rows = connection.execute(_EVER).fetchall()
    return {
        SourceId(name): LedgerLine(SourceId(name), micros(minute), Counts(*counts), complete, ticks)
        for name, minute, *counts, complete, ticks in rows
    }


def read_spans(connection: Connection, from_us: int, to_us: int, width_us: int, source: SourceId | None = None) -> list[LedgerLine]:
    """Return the lines of [from_us, to_us) summed in steps of ``width_us`` from ``from_us`` on, without lateness, by source and time."""
    values = {"from": moment(from_us), "to": moment(to_us), "source": source, "width": width_us}
    with translate_errors():
        rows = connection.execute(_SPANS, values).fetchall()
    return [
        LedgerLine(SourceId(name), micros(start), Counts(*map(int, counts)), complete, int(ticks))
        for name, start, *counts, complete, ticks in rows
    ]


def read_gaps(connection: Connection, from_us: int, to_us: int, source: SourceId | None = None, most: int = 1000) -> list[Gap]:
    """Return the gaps that touch [from_us, to_us), the newest first, at most ``most``."""
    values = {"from": moment(from_us), "to": moment(to_us), "source": source, "most": most}
    with translate_errors():
        rows = connection.execute(_GAPS, values).fetchall()
    return [
        Gap(SourceId(name), micros(a), micros(b), count, GapReason(reason), None if path is None else SignalPath(path), detail)
        for name, a, b, count, reason, path, detail in rows
    ]


def _sum(a: LedgerLine, b: LedgerLine) -> LedgerLine:
    return replace(
        a, counts=a.counts + b.counts, complete=a.complete and b.complete, ticks=a.ticks + b.ticks, lateness=a.lateness + b.lateness
    )


def _histogram(bins: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    histogram = no_lateness()
    histogram[: len(bins)] = bins[:LATENESS_BINS]
    return histogram
