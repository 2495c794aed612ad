"""Rollups say of each bucket exactly what its samples say, on each database."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plant.clock import SystemClock
from plant.errors import Rejected
from storage.database import Connection, moment
from storage.samples import accepted_span
from storage.upkeep import Upkeep
from tests.storage.conftest import Database
from tests.storage.small_plant import HOUR, MINUTE, PATHS, SECOND, an_hour_ago, samples_of, shipper_of

CURRENT, VOLTAGE, _, PROGRAM = PATHS
WIDTHS = {"1s": SECOND, "1m": MINUTE, "1h": HOUR}


def rows_of(connection: Connection, tier: str) -> list[tuple[int, int, int, float, float, float, float, float]]:
    return connection.execute(
        f"SELECT (extract(epoch FROM bucket) * 1000000)::int8, count, good_count, min, max, mean, first, last "  # noqa: S608
        f"FROM rollup_{tier} ORDER BY signal_id, bucket"
    ).fetchall()


def expected(time_us: npt.NDArray[np.int64], value: npt.NDArray[np.float64], width: int) -> list[tuple[Any, ...]]:
    order = np.argsort(time_us, kind="stable")
    time_us, value = time_us[order], value[order]
    result: list[tuple[Any, ...]] = []
    for bucket in np.unique(time_us // width) * width:
        of = value[(time_us >= bucket) & (time_us < bucket + width)]
        result.append((int(bucket), len(of), len(of), of.min(), of.max(), pytest.approx(of.mean(), rel=1e-12), of[0], of[-1]))
    return result


def test_rollups_equal_their_samples_in_every_tier(database: Database) -> None:
    start = an_hour_ago()
    rng = np.random.default_rng(1)
    times = start + np.arange(4000, dtype=np.int64) * 997_000
    values = rng.normal(100, 20, 4000)
    with database.connect() as connection:
        shipper = shipper_of(connection)
        for part in np.array_split(np.arange(4000), 7):
            shipper.ship(samples_of(CURRENT, times[part], values[part]))
        database.settle()
        for tier, width in WIDTHS.items():
            assert rows_of(connection, tier) == expected(times, values, width), tier


def test_late_samples_change_exactly_their_buckets(database: Database) -> None:
    start = an_hour_ago()
    times = start + np.arange(600, dtype=np.int64) * 500_000
    values = np.sin(np.arange(600.0))
    late = start + np.array([0, 1, 61 * SECOND + 7, 299 * SECOND + 999_999], np.int64) + 13
    late_values = np.array([-50.0, 70.0, 12.0, -3.0])
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, times, values))
        database.settle()
        if database.is_timescale:
            connection.execute("SELECT compress_chunk(c) FROM show_chunks('sample') c")
        shipper.ship(samples_of(CURRENT, late, late_values))
        database.settle()
        both, both_values = np.concatenate([times, late]), np.concatenate([values, late_values])
        for tier, width in WIDTHS.items():
            assert rows_of(connection, tier) == expected(both, both_values, width), tier


def test_bad_infinite_and_absent_values_are_counted_but_enter_nothing_else(database: Database) -> None:
    start = an_hour_ago()
    values = [1.0, np.nan, np.inf, -np.inf, None, 3.0, 99.0, 2.0]
    status = [0, 0, 0, 0, 0x80000000, 0, 0x40000000, 0]
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, start + np.arange(8), values, status=status))
        database.settle()
        for tier in WIDTHS:
            assert rows_of(connection, tier) == [(start, 8, 3, 1.0, 3.0, 2.0, 1.0, 2.0)], tier


def test_a_bucket_without_a_good_number_has_counts_only(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, [start], [None], status=[0x80000000]))
        shipper.ship(samples_of(PROGRAM, [start, start + 1], [None, None], text=["a", None]))
        database.settle()
        for tier in WIDTHS:
            assert rows_of(connection, tier) == [(start, 1, 0, *[None] * 5), (start, 2, 1, *[None] * 5)], tier


@pytest.mark.parametrize("values", [[1.7e308, 1.7e308], [-1.7e308, 1.7e308], [5e-324, 5e-324, 0.0], [5e-324, -5e-324], [1e200, -1e200]])
def test_numbers_at_the_edge_of_floating_point_never_stop_the_rollups(database: Database, values: list[float]) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, start + np.arange(len(values)), values))
        database.settle()
        for tier in WIDTHS:
            ((_, count, good, low, high, mean, first, last),) = rows_of(connection, tier)
            assert (count, good, low, high, first, last) == (len(values), len(values), min(values), max(values), values[0], values[-1])
            assert mean is None or math.isclose(mean, math.fsum(v / len(values) for v in values), rel_tol=1e-12, abs_tol=1e-290)


def test_rollups_outlive_their_dropped_samples_and_stragglers_of_a_dropped_span_are_refused(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, start + np.arange(10) * SECOND, np.arange(10.0)))
        database.settle()
        before = {tier: rows_of(connection, tier) for tier in WIDTHS}
        upkeep = Upkeep(connection, budget_bytes=None, clock=SystemClock())
        assert upkeep.drop_before("raw", start + HOUR)
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (0,)
        database.settle()
        with pytest.raises(Rejected, match="1 samples are older"):
            shipper.ship(samples_of(CURRENT, [start + 3 * SECOND, start + 2 * HOUR], [5.0, 6.0]))
        assert accepted_span(connection)[0] > start + 3 * SECOND
        shipper.ship(samples_of(CURRENT, [start + 2 * HOUR], [6.0]))
        database.settle()
        for tier in WIDTHS:
            assert rows_of(connection, tier)[: len(before[tier])] == before[tier], tier


def test_the_plan_of_a_window_touches_only_its_partitions(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, start - np.arange(24) * HOUR, np.arange(24.0)))
        plan = connection.execute(
            "EXPLAIN SELECT value FROM sample WHERE signal_id = 1 AND time >= %s AND time < %s", [moment(start), moment(start + MINUTE)]
        ).fetchall()
    scans = [line for (line,) in plan if "Scan" in line]
    assert 1 <= len(scans) <= 2, plan
    assert any("Index" in line for line in scans), plan
