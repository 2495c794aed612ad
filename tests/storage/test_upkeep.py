"""Upkeep keeps the disk budget, raw samples first, on each database; and runs as a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np

from plant.clock import SystemClock
from storage import chunks
from storage.database import moment
from storage.health import read_storage_state
from storage.partitions import ONE_SECOND, RAW, make_partitions
from storage.partitions import read as read_partitions
from storage.rollups import _joined, roll_up
from storage.samples import accepted_span
from storage.upkeep import Upkeep
from tests.storage.conftest import Database
from tests.storage.small_plant import HOUR, MINUTE, PATHS, SECOND, an_hour_ago, samples_of, shipper_of


def test_the_budget_takes_the_oldest_raw_samples_first_and_leaves_the_rollups(database: Database) -> None:
    start = an_hour_ago() - 4 * HOUR
    times = start + np.arange(60_000, dtype=np.int64) * 240_000
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(PATHS[0], times, np.arange(60_000.0)))
        database.settle()
        before = read_storage_state(connection)
        budget = before.database_bytes - before.tiers[0].size_bytes // 3
        report = Upkeep(connection, budget_bytes=budget, clock=SystemClock()).run_once()
        after = read_storage_state(connection)
        row = connection.execute("SELECT min(time), count(*) FROM sample").fetchone()
        second = connection.execute("SELECT sum(count)::int8, min(min) FROM rollup_1s").fetchone()
        assert report.dropped
        assert after.tiers[0].oldest_us is not None
        assert after.tiers[0].oldest_us > start + 30 * MINUTE
        assert after.tiers[0].newest_us == times[-1]
        assert accepted_span(connection)[0] <= after.tiers[0].oldest_us
        assert row is not None
        assert 20_000 < row[1] < 50_000
        assert second == (60_000, 0.0)
        assert after.tiers[1].oldest_us == start
        assert after.budget_bytes == budget


def test_an_impossible_budget_keeps_what_is_being_written(database: Database) -> None:
    now = SystemClock().now_us()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(PATHS[0], [now - 20 * HOUR, now], [1.0, 2.0]))
        database.settle()
        Upkeep(connection, budget_bytes=1, clock=SystemClock()).run_once()
        assert connection.execute("SELECT value FROM sample").fetchall() == [(2.0,)]
        assert shipper.ship(samples_of(PATHS[0], [now + SECOND], [3.0]))


def test_chunks_become_narrow_where_an_hour_would_be_too_much_of_the_budget_and_wide_again(timescale: Database) -> None:
    now = SystemClock().now_us()
    times = now - 5 * MINUTE + np.arange(20_000) * 10_000
    with timescale.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(PATHS[0], times, np.random.default_rng(1).normal(size=20_000)))
        width = (
            "SELECT time_interval FROM timescaledb_information.dimensions "
            "WHERE hypertable_schema = current_schema() AND hypertable_name = 'sample'"
        )
        for budget, minutes in ((None, 60), (2_000_000, 10), (10**12, 60)):
            chunks.fit_width(connection, RAW, now, None if budget is None else budget / 40)
            found = connection.execute(width).fetchone()
            assert found is not None
            assert found[0].total_seconds() == minutes * 60, budget
        chunks.fit_width(connection, RAW, now, 50_000)
        assert shipper.ship(samples_of(PATHS[0], now + 2 * HOUR + np.arange(3) * 11 * MINUTE, np.arange(3.0)))
        parts = chunks.read(connection, RAW)
    assert all(a.to_us <= b.from_us for a, b in itertools.pairwise(parts))
    assert parts[-1].to_us - parts[-1].from_us <= 10 * MINUTE


def test_chunks_of_seconds_are_as_wide_as_what_they_hold_allows(timescale: Database) -> None:
    now = SystemClock().now_us()
    with timescale.connect() as connection:
        shipper_of(connection).ship(samples_of(PATHS[0], now - 20 * MINUTE + np.arange(600) * SECOND, np.arange(600.0)))
        timescale.settle()
        assert [chunks.fit_width(connection, ONE_SECOND, now, most) for most in (None, 1.0, None)] == [10 * HOUR, HOUR, 10 * HOUR]
        shipper_of(connection).ship(samples_of(PATHS[0], [now - 30 * HOUR], [1.0]))
        timescale.settle()
        assert chunks.read(connection, ONE_SECOND)[0].to_us - chunks.read(connection, ONE_SECOND)[0].from_us == 10 * HOUR


def test_only_upkeep_drops_what_is_old(timescale: Database) -> None:
    with timescale.connect() as connection:
        jobs = connection.execute(
            "SELECT count(*) FROM timescaledb_information.jobs "
            "WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema()"
        ).fetchone()
        assert jobs == (0,)
        long_ago = SystemClock().now_us() - 399 * 24 * HOUR
        shipper_of(connection).ship(samples_of(PATHS[0], [long_ago, an_hour_ago()], [1.0, 2.0]))
        connection.execute("UPDATE tier_state SET keep = interval '398 days' WHERE tier = 'raw'")
        assert Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once().dropped
        assert connection.execute("SELECT value FROM sample").fetchall() == [(2.0,)]


def test_partitions_never_overlap_whatever_widths_are_asked_for(database_url: str) -> None:
    rng = np.random.default_rng(5)
    with Database("embedded", database_url).connect() as connection:
        start = an_hour_ago() - an_hour_ago() % (24 * HOUR)
        for width in (10 * MINUTE, 24 * HOUR, HOUR, 24 * HOUR):
            make_partitions(connection, RAW, [start + int(t) for t in rng.integers(-240 * HOUR, 240 * HOUR, 12)], width)
        parts = read_partitions(connection, RAW)
    assert all(a.to_us <= b.from_us for a, b in itertools.pairwise(parts))
    assert {part.to_us - part.from_us for part in parts} >= {10 * MINUTE, 24 * HOUR}


def test_stale_spans_are_widened_joined_and_cut_where_samples_are_gone() -> None:
    assert _joined([(61, 62), (5, 6), (119, 121)], 60, 0) == [(0, 180)]
    assert _joined([(5, 6), (240, 241)], 60, 0) == [(0, 60), (240, 300)]
    assert _joined([(5, 6), (100, 200)], 60, 70) == [(120, 240)]


def test_a_second_upkeep_at_the_same_time_does_nothing(database_url: str) -> None:
    database = Database("embedded", database_url)
    with database.connect() as one, database.connect() as two:
        shipper_of(one).ship(samples_of(PATHS[0], [an_hour_ago()], [1.0]))
        one.execute("SELECT pg_advisory_lock(5347610232)")
        assert Upkeep(two, budget_bytes=None, clock=SystemClock()).run_once().seconds_rolled == 0
        one.execute("SELECT pg_advisory_unlock(5347610232)")
        assert Upkeep(two, budget_bytes=None, clock=SystemClock()).run_once().seconds_rolled == 1


def test_samples_of_a_new_span_are_stored_while_a_long_rollup_works(database_url: str) -> None:
    database = Database("embedded", database_url)
    start = an_hour_ago()
    with database.connect() as one, database.connect() as two, database.connect() as blocker:
        shipper = shipper_of(one)
        shipper.ship(samples_of(PATHS[0], start + np.arange(100) * SECOND, np.arange(100.0)))
        (pid,) = two.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        roll_up(one)
        # what is due now needs a partition of rollups that is not there, and a row that somebody else has
        shipper.ship(samples_of(PATHS[0], [start - 20 * HOUR, start + SECOND // 2], [6.0, 7.0]))
        blocker.execute("BEGIN")
        blocker.execute("UPDATE rollup_1s SET count = count WHERE bucket = %s", [moment(start)])
        rolling = threading.Thread(target=Upkeep(two, budget_bytes=None, clock=SystemClock()).roll_up)
        rolling.start()
        clock = SystemClock()
        until = clock.monotonic() + 20
        while one.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", [pid]).fetchone() != (1,):
            assert clock.monotonic() < until
            clock.sleep(0.01)
        one.execute("SET statement_timeout = '5s'")
        assert shipper.ship(samples_of(PATHS[0], [start - 30 * HOUR], [8.0]))
        assert make_partitions(one, ONE_SECOND, [start - 30 * HOUR])
        blocker.execute("COMMIT")
        rolling.join()
        assert one.execute("SELECT count, last FROM rollup_1s WHERE bucket = %s", [moment(start)]).fetchone() == (2, 7.0)


def test_the_upkeep_process_says_ready_rolls_up_and_stops_on_sigterm(empty_database_url: str) -> None:
    command = [sys.executable, "-m", "storage", "--budget-gb", "5", "--every", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"LEADHAND_DATABASE_URL": empty_database_url})
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"ready": True, "budget_bytes": 5_000_000_000}
    with Database("embedded", empty_database_url).connect() as connection:
        shipper_of(connection).ship(samples_of(PATHS[0], [an_hour_ago()], [1.0]))
        clock = SystemClock()
        until = clock.monotonic() + 30
        while connection.execute("SELECT count(*) FROM rollup_1h").fetchone() != (1,):
            assert clock.monotonic() < until
            clock.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert process.stdout.read() == b""
    process.stdout.close()


def test_the_upkeep_process_says_which_setting_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LEADHAND_DATABASE_URL"}
    done = subprocess.run([sys.executable, "-m", "storage"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "LEADHAND_DATABASE_URL" in done.stderr
