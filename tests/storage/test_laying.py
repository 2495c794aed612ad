"""What is over of the rollups lies signal by signal, so that a chart of weeks reads few pages; and says what it said before."""

from __future__ import annotations

import numpy as np

from plant.clock import SystemClock
from storage import chunks, partitions
from storage.database import Connection
from storage.partitions import ONE_HOUR, ONE_MINUTE, ONE_SECOND
from storage.upkeep import Upkeep, UpkeepReport
from tests.storage.conftest import Database
from tests.storage.small_plant import HOUR, MINUTE, PATHS, SECOND, samples_of, shipper_of

CURRENT, VOLTAGE, _, _ = PATHS
DAY = 24 * HOUR


def upkeep(connection: Connection) -> UpkeepReport:
    return Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()


def minutes(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM rollup_1m ORDER BY signal_id, bucket").fetchall()


def test_a_day_that_is_over_is_laid_and_still_takes_late_samples(database: Database) -> None:
    start = SystemClock().now_us() // DAY * DAY - 3 * DAY
    times = start + np.arange(600, dtype=np.int64) * MINUTE
    with database.connect() as connection:
        shipper = shipper_of(connection)
        for path in (CURRENT, VOLTAGE):
            shipper.ship(samples_of(path, times, np.arange(600.0)))
        database.settle()
        before = minutes(connection)
        laid = [name for _ in range(3) for name in upkeep(connection).laid]
        assert len(laid) == len(set(laid)) or database.is_timescale
        assert upkeep(connection).laid == ()
        assert minutes(connection) == before
        assert len(before) == 1200
        parts = chunks if database.is_timescale else partitions
        for table in (ONE_SECOND, ONE_MINUTE, ONE_HOUR):
            assert parts.unlaid(connection, table, start + 2 * DAY) == []
        shipper.ship(samples_of(CURRENT, [start + 30 * MINUTE + 7 * SECOND], [-99.0]))
        database.settle()
        lowest = connection.execute("SELECT min(min), sum(count)::int8 FROM rollup_1m").fetchone()
        assert lowest == (-99.0, 1201)


def test_laid_chunks_of_minutes_are_joined_to_wide_ones(timescale: Database) -> None:
    start = SystemClock().now_us() // (10 * DAY) * (10 * DAY) - 20 * DAY
    times = start + np.arange(40, dtype=np.int64) * 4 * HOUR
    with timescale.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, times, np.arange(40.0)))
        timescale.settle()
        before, narrow = minutes(connection), len(chunks.read(connection, ONE_MINUTE))
        while upkeep(connection).laid:
            pass
        assert minutes(connection) == before
        assert narrow > 10
        assert len(chunks.read(connection, ONE_MINUTE)) <= 2
        assert chunks.unlaid(connection, ONE_HOUR, start + 20 * DAY) == []


def test_a_chunk_of_hours_is_wide_from_the_start(timescale: Database) -> None:
    start = SystemClock().now_us() // (10 * DAY) * (10 * DAY) - 20 * DAY
    with timescale.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, start + np.arange(10) * DAY, np.arange(10.0)))
        timescale.settle()
        (part,) = chunks.read(connection, ONE_HOUR)
        assert part.to_us - part.from_us == 10 * DAY


def test_what_is_not_over_is_left_alone(database: Database) -> None:
    now = SystemClock().now_us()
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, [now - 2 * SECOND], [1.0]))
        database.settle()
        assert upkeep(connection).laid == ()


def test_rows_of_a_laid_day_stand_signal_by_signal(database_url: str) -> None:
    start = SystemClock().now_us() // DAY * DAY - 2 * DAY
    with Database("embedded", database_url).connect() as connection:
        shipper = shipper_of(connection)
        for minute in range(20):
            for path in (CURRENT, VOLTAGE):
                shipper.ship(samples_of(path, [start + minute * MINUTE], [1.0]))
        upkeep(connection)
        upkeep(connection)
        (part,) = (p for p in partitions.read(connection, ONE_MINUTE) if p.from_us <= start < p.to_us)
        rows = connection.execute(f"SELECT signal_id FROM {part.name} ORDER BY ctid").fetchall()  # noqa: S608
        assert rows == sorted(rows)
        assert len(rows) == 40
        held = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE '%\\_laid%'").fetchall()
        assert held == []


def test_laying_waits_for_a_long_reader_and_is_done_by_the_next_run(database_url: str) -> None:
    start = SystemClock().now_us() // DAY * DAY - 2 * DAY
    database = Database("embedded", database_url)
    with database.connect() as connection, database.connect() as reader:
        shipper_of(connection).ship(samples_of(CURRENT, [start], [1.0]))
        with reader.transaction():
            reader.execute("SELECT count(*) FROM rollup_1s")
            reader.execute("SELECT count(*) FROM rollup_1m")
            assert upkeep(connection).laid == ()
        assert upkeep(connection).laid
        assert minutes(connection)
