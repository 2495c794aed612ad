"""How long charts and reports wait for rollups: 30 days of 1,000 signals.

    python -m benchmarks.rollup_queries [--signals 1000] [--days 30] [--queries 60] [--seed 1]

On the embedded PostgreSQL, and on TimescaleDB where ``LEADHAND_TIMESCALE_URL`` names a server on which we may make databases. The rollups
of a minute and an hour are made by one statement each, as the upkeep would have made them of samples each 30 ms (86 million a
signal and month would not fit here): on TimescaleDB they go into the tables behind the continuous aggregates, and their watermark is moved.
Of the rollups of a second there is the last hour. Prints p50 and p95 of each query in random order over a connection that is
kept, as the dashboard's are. Exit code 1 where a chart of one signal has a p95 of a second or more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks.storage_forms import fresh, site_paths
from plant.clock import SystemClock
from storage.catalogue import read_catalogue
from storage.database import Connection, connect, moment
from storage.migrations import migrate
from storage.partitions import ONE_HOUR, ONE_MINUTE, ONE_SECOND, make_partitions
from storage.postgres import EmbeddedPostgres
from storage.windows import read_window

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
DAY_US = 24 * HOUR_US
LONGEST_MS = 1000.0
# Bucket by bucket, as they are made in production: the rows of one signal lie far apart.
_ROWS = """
INSERT INTO {table} (bucket, signal_id, count, good_count, min, max, mean, first, last)
SELECT b, s, {count}, {count}, v - 3, v + 3, v, v - 1, v + 1
FROM generate_series(%(from)s::timestamptz, %(to)s::timestamptz - interval '{width}', interval '{width}') AS b,
    LATERAL (SELECT id AS s, 100 + 20 * sin(extract(epoch FROM b)::float8 / 9000 + id) AS v FROM signal) AS g
"""
_REPORT = """
SELECT g.path, sum(r.count), min(r.min), max(r.max), sum(r.mean * r.good_count) / nullif(sum(r.good_count), 0)
FROM rollup_1h r JOIN signal g ON g.id = r.signal_id WHERE r.bucket >= %s AND r.bucket < %s GROUP BY g.path
"""
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = %s"
_MATERIALIZED = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = %s
"""


def fill(connection: Connection, start_us: int, end_us: int, *, timescale: bool) -> None:
    """Make the rollups of a span, and those of a second for its last hour."""
    tiers = (
        (ONE_SECOND, "1 second", 33, end_us - HOUR_US),
        (ONE_MINUTE, "1 minute", 2000, start_us),
        (ONE_HOUR, "1 hour", 120_000, start_us),
    )
    for table, width, count, from_us in tiers:
        target = table.table
        if timescale:
            row = connection.execute(_MATERIALIZED, [table.table]).fetchone()
            assert row is not None
            target = row[0]
        else:
            make_partitions(connection, table, range(from_us, end_us, table.widths_us[0]), table.widths_us[-1])
        # the indexes are made afterwards, which takes a quarter of the time
        if timescale:
            schema, name = target.split(".")
            indexes = connection.execute(_INDEXES, [schema, name]).fetchall()
            for index, _ in indexes:
                connection.execute(f"DROP INDEX {schema}.{index}")
        else:
            connection.execute(f"ALTER TABLE {target} DROP CONSTRAINT {target}_pkey")
        values = {"from": moment(from_us), "to": moment(end_us)}
        connection.execute(_ROWS.format(table=target, count=count, width=width), values)
        if timescale:
            for _, definition in indexes:
                connection.execute(definition)
            _move_watermark(connection, table.table, end_us)
        else:
            connection.execute(f"ALTER TABLE {target} ADD PRIMARY KEY (signal_id, bucket)")
    connection.execute("VACUUM ANALYZE")


def _move_watermark(connection: Connection, view: str, end_us: int) -> None:
    """What is behind it is read from the rollups, what is ahead from the tier below."""
    connection.execute(
        "UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = %s WHERE mat_hypertable_id = "
        "(SELECT mat_hypertable_id FROM _timescaledb_catalog.continuous_agg WHERE user_view_name = %s)",
        [end_us, view],
    )


def queries(connection: Connection, end_us: int, signals: int) -> dict[str, Callable[[np.random.Generator], int]]:
    """Return what is asked, by its name; each returns how many rows or points came."""
    numbers = [signal.id for signal in read_catalogue(connection).signals]

    def chart(days: float, points: int, many: int = 1) -> Callable[[np.random.Generator], int]:
        def ask(rng: np.random.Generator) -> int:
            chosen = [int(n) for n in rng.choice(numbers, many, replace=False)]
            found = read_window(connection, chosen, end_us - round(days * DAY_US), end_us, points)
            return sum(len(window.time_us) for window in found.values())

        return ask

    def report(_: np.random.Generator) -> int:
        return len(connection.execute(_REPORT, [moment(end_us - 30 * DAY_US), moment(end_us)]).fetchall())

    return {
        "30 days of one signal, 1,000 points": chart(30, 1000),
        "7 days of one signal, 1,000 points": chart(7, 1000),
        "1 day of one signal, 1,000 points": chart(1, 1000),
        "1 hour of one signal, 2,000 points": chart(1 / 24, 2000),
        "30 days of eight signals, 1,000 points": chart(30, 1000, min(8, signals)),
        f"30 days of all {signals:,} signals, min, max and mean": report,
    }


def run(url: str, kind: str, options: argparse.Namespace, *, timescale: bool) -> bool:
    """Fill a database, ask, and print; return whether charts came in time."""
    rng, kept = np.random.default_rng(options.seed), True
    with connect(url, application="bench") as connection:
        if timescale:
            connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000")
        site_paths(connection, options.signals)
        end_us = SystemClock().now_us() // DAY_US * DAY_US
        began = time.perf_counter()
        fill(connection, end_us - options.days * DAY_US, end_us, timescale=timescale)
        seconds = time.perf_counter() - began
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert size is not None
        print(f"{kind}: {options.days} days of {options.signals:,} signals made in {seconds:.0f} s, {size[0] / 1e6:,.0f} MB")
    with connect(url, application="bench") as connection:
        asked = queries(connection, end_us, options.signals)
        took: dict[str, list[float]] = {name: [] for name in asked}
        rows: dict[str, int] = {}
        names = [name for name in asked for _ in range(options.queries if "all" not in name else max(5, options.queries // 10))]
        for place in rng.permutation(len(names)):
            name = names[place]
            began = time.perf_counter()
            rows[name] = asked[name](rng)
            took[name].append((time.perf_counter() - began) * 1000)
    for name, ms in took.items():
        p95 = float(np.percentile(ms, 95))
        kept = kept and (p95 < LONGEST_MS or "one signal" not in name)
        print(f"  {name:52} p50 {np.median(ms):8.1f} ms  p95 {p95:8.1f} ms  ({rows[name]:,} rows, {len(ms)} times)")
        assert rows[name] > 0, name
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}, {os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}, CPU of client {time.process_time():.1f} s")
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        try:
            url = server.start()
            migrate(url)
            kept = run(url, "embedded PostgreSQL", options, timescale=False)
        finally:
            server.stop()
    native = os.environ.get("LEADHAND_TIMESCALE_URL")
    if native:
        with fresh(native) as url:
            kept = run(url, "TimescaleDB", options, timescale=True) and kept
    else:
        print("TimescaleDB native: not run (LEADHAND_TIMESCALE_URL is not set)")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
