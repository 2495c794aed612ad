# ruff: noqa: S608  # the words put into SQL here are our own table and column names
"""Rollups where there are no continuous aggregates: stale buckets are made anew from the tier below.

A shipment notes, in its own transaction, which seconds it touched. Taking such a note and making its buckets anew is one
transaction too, so a late sample, a crash or a second upkeep never leaves a bucket that differs from its samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from storage import partitions
from storage.database import Connection, micros, moment
from storage.partitions import ONE_HOUR, ONE_MINUTE, ONE_SECOND, RAW, TierTable, make_partitions, uncovered

_GOOD = "(status & -1073741824) = 0"
_COUNTS = f"{_GOOD} AND value > '-Infinity' AND value < 'Infinity'"
"""Status good and a finite number; PostgreSQL sorts NaN above infinity."""
_UPDATE = """
ON CONFLICT (signal_id, bucket) DO UPDATE SET count = excluded.count, good_count = excluded.good_count, min = excluded.min,
    max = excluded.max, mean = excluded.mean, first = excluded.first, last = excluded.last
"""
# array_agg over rows that come ordered costs a quarter on top of the plain aggregates (0.58 against 0.46 us a row);
# a sum that overflows, or a quotient that underflows, would be an error for good, so numbers of that size have no mean.
FROM_SAMPLES = f"""
SELECT
    date_bin('1 second', time, 'epoch') AS bucket, signal_id, count(*) AS count,
    count(*) FILTER (WHERE ({_COUNTS}) OR ({_GOOD} AND value IS NULL AND text IS NOT NULL)) AS good_count,
    min(value) FILTER (WHERE {_COUNTS}) AS min, max(value) FILTER (WHERE {_COUNTS}) AS max,
    CASE
        WHEN max(abs(value)) FILTER (WHERE {_COUNTS}) >= 1e290 THEN NULL
        WHEN abs(sum(value) FILTER (WHERE {_COUNTS} AND abs(value) < 1e290)) < 1e-290 THEN 0
        ELSE sum(value) FILTER (WHERE {_COUNTS} AND abs(value) < 1e290) / nullif(count(*) FILTER (WHERE {_COUNTS}), 0)
    END AS mean,
    (array_agg(value ORDER BY time) FILTER (WHERE {_COUNTS}))[1] AS first,
    (array_agg(value ORDER BY time) FILTER (WHERE {_COUNTS}))[
        array_length(array_agg(value ORDER BY time) FILTER (WHERE {_COUNTS}), 1)] AS last
FROM sample WHERE time >= %(from)s AND time < %(to)s
GROUP BY 1, 2
"""
_FROM_BUCKETS = """
SELECT
    date_bin('{interval}', bucket, 'epoch') AS bucket, signal_id, sum(count)::bigint AS count, sum(good_count)::bigint AS good_count,
    min(min) AS min, max(max) AS max,
    CASE
        WHEN max(max) >= 1e290 OR min(min) <= -1e290 THEN NULL
        WHEN abs(sum(mean * good_count)) < 1e-290 THEN 0
        ELSE sum(mean * good_count) / nullif(sum(good_count), 0)::double precision
    END AS mean,
    (array_agg(first ORDER BY bucket) FILTER (WHERE first IS NOT NULL))[1] AS first,
    (array_agg(last ORDER BY bucket) FILTER (WHERE last IS NOT NULL))[
        array_length(array_agg(last ORDER BY bucket) FILTER (WHERE last IS NOT NULL), 1)] AS last
FROM {below} WHERE bucket >= %(from)s AND bucket < %(to)s
GROUP BY 1, 2
"""
_LOOK = "SELECT from_time, to_time FROM rollup_due WHERE tier = %s ORDER BY from_time LIMIT 5000"
_TAKE = """
WITH taken AS (
    DELETE FROM rollup_due WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM rollup_due WHERE tier = %s ORDER BY from_time LIMIT 5000 FOR UPDATE SKIP LOCKED))
    RETURNING from_time, to_time
)
SELECT from_time, to_time FROM taken ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Step:
    """How one tier is made from the one below."""

    below: TierTable
    table: TierTable
    width_us: int
    select: str
    above: TierTable | None
    chunk_us: int
    """The most that is made by one statement, so that its sort stays in memory."""


_STEPS = (
    _Step(RAW, ONE_SECOND, 1_000_000, FROM_SAMPLES, ONE_MINUTE, 600_000_000),
    _Step(ONE_SECOND, ONE_MINUTE, 60_000_000, _FROM_BUCKETS.format(interval="1 minute", below="rollup_1s"), ONE_HOUR, 36_000_000_000),
    _Step(ONE_MINUTE, ONE_HOUR, 3_600_000_000, _FROM_BUCKETS.format(interval="1 hour", below="rollup_1m"), None, 2_160_000_000_000),
)


def roll_up(connection: Connection) -> int:
    """Make all stale buckets anew, tier by tier, and return how many seconds of samples that concerned."""
    seconds = 0
    for step in _STEPS:
        while True:
            spans = _run_step(connection, step)
            if spans is None:
                break
            if step.table is ONE_SECOND:
                seconds += sum(b - a for a, b in spans) // 1_000_000
    return seconds


def _run_step(connection: Connection, step: _Step) -> list[tuple[int, int]] | None:
    """Take some of what is due and make it anew, in one transaction; None where nothing is due."""
    while True:
        due = connection.execute(_LOOK, [step.table.tier]).fetchall()
        if not due:
            return None
        # In a transaction of its own: whoever makes partitions has a lock until its end, and the writer must never wait for a rollup.
        cells = _cells(step, _spans(connection, step, due))
        if uncovered(partitions.read(connection, step.table), cells):
            make_partitions(connection, step.table, cells, step.table.widths_us[0])
        done = _taken(connection, step)
        if done is not None:
            return done


def _taken(connection: Connection, step: _Step) -> list[tuple[int, int]] | None:
    """Make anew what is due by now; None, and nothing is done, where that needs a partition that is not there."""
    with connection.transaction() as transaction:
        due = connection.execute(_TAKE, [step.table.tier]).fetchall()
        spans = _spans(connection, step, due)
        if uncovered(partitions.read(connection, step.table), _cells(step, spans)):
            raise psycopg.Rollback(transaction)
        for a, b in spans:
            for start in range(a, b, step.chunk_us):
                bounds = {"from": moment(start), "to": moment(min(b, start + step.chunk_us))}
                connection.execute(f"INSERT INTO {step.table.table} {step.select} {_UPDATE}", bounds)
            if step.above is not None:
                connection.execute(
                    "INSERT INTO rollup_due (tier, from_time, to_time) VALUES (%s, %s, %s)", [step.above.tier, moment(a), moment(b)]
                )
        return spans
    return None


def _spans(connection: Connection, step: _Step, due: list[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    kept_us = partitions.kept_from(connection)[step.below.tier]
    return _joined([(micros(a), micros(b)) for a, b in due], step.width_us, kept_us)


def _cells(step: _Step, spans: list[tuple[int, int]]) -> set[int]:
    width = step.table.widths_us[0]
    return {cell for a, b in spans for cell in range(a - a % width, b, width)}


def _joined(spans: list[tuple[int, int]], width_us: int, kept_us: int) -> list[tuple[int, int]]:
    """The spans widened to whole buckets, those that touch joined, without buckets whose samples are gone in part or whole."""
    oldest = -(-kept_us // width_us) * width_us
    joined: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        start, end = max(a - a % width_us, oldest), -(-b // width_us) * width_us
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
