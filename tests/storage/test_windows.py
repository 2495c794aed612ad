"""A window of history keeps its extremes at whatever width it is asked for, on each database."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from storage.windows import Window, _in_order, read_texts, read_window
from tests.storage.conftest import Database
from tests.storage.small_plant import HOUR, MINUTE, PATHS, SECOND, an_hour_ago, number_of, samples_of, shipper_of

CURRENT, VOLTAGE, _, PROGRAM = PATHS
COUNT = 20_000
WIDTHS = ((30_000, "raw"), (12_000, "raw"), (3000, "1s"), (300, "1s"), (140, "1m"), (90, "1m"), (10, "1m"), (2, "1h"), (1, "1h"))
"""So many points are asked for, and where they come from."""


def series(start: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    values = np.random.default_rng(7).normal(0, 1, COUNT)
    values[7_777], values[3_333] = 1e6, -1e6
    return start + np.arange(COUNT, dtype=np.int64) * 300_000, values


def says(window: Window, times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
    assert window.count.sum() == len(values)
    assert window.good_count.sum() == len(values)
    assert np.nanmin(window.low) == values.min()
    assert np.nanmax(window.high) == values.max()
    assert np.average(window.mean, weights=window.good_count) == pytest.approx(values.mean(), rel=1e-9)
    assert window.first[0] == values[0]
    assert window.last[-1] == values[-1]
    assert (np.diff(window.time_us) > 0).all()
    assert times[0] - HOUR < window.time_us[0] <= times[0]


@pytest.mark.parametrize("settled", [True, False])
def test_a_window_keeps_extremes_counts_and_ends_at_any_width(database: Database, settled: bool) -> None:
    times, values = series(an_hour_ago())
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, times[:15_000], values[:15_000]))
        database.settle()
        shipper.ship(samples_of(CURRENT, times[15_000:], values[15_000:]))
        if settled:
            database.settle()
        number = number_of(connection, CURRENT)
        for points, resolution in WIDTHS:
            window = read_window(connection, [number], int(times[0]), int(times[-1]) + 1, points)[number]
            assert window.resolution == resolution, points
            assert len(window.time_us) <= 2 * points + 2, points
            says(window, times, values)


def test_a_month_of_many_signals_comes_from_hours_where_minutes_would_be_too_many(database_url: str) -> None:
    start = an_hour_ago() - 27 * 24 * HOUR
    with Database("embedded", database_url).connect() as connection:
        for signals, points, resolution in ((8, 2000, "1m"), (8, 1000, "1m"), (8, 900, "1h"), (50, 2000, "1h"), (50, 10_000, "1m")):
            found = read_window(connection, list(range(1, signals + 1)), start, start + 27 * 24 * HOUR, points)
            assert {window.resolution for window in found.values()} == {resolution}, (signals, points)


def test_a_window_on_nothing_is_empty_and_names_each_signal(database: Database) -> None:
    with database.connect() as connection:
        windows = read_window(connection, [1, 2], an_hour_ago(), an_hour_ago() + MINUTE, 100)
    assert {number: len(window.time_us) for number, window in windows.items()} == {1: 0, 2: 0}


def test_bad_samples_are_counted_and_show_no_number(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(
            samples_of(CURRENT, start + np.arange(4), [1.0, None, np.inf, 5.0], status=[0, 0x80000000, 0, 0x40000000])
        )
        number = number_of(connection, CURRENT)
        raw = read_window(connection, [number], start, start + 4, 10)[number]
        merged = read_window(connection, [number], start, start + 4, 1)[number]
    assert np.isnan(raw.low).tolist() == [False, True, True, True]
    assert raw.good_count.tolist() == [1, 0, 0, 0]
    assert (merged.count.tolist(), merged.good_count.tolist(), merged.low.tolist(), merged.last.tolist()) == ([4], [1], [1.0], [1.0])


def test_a_window_stands_in_rising_times_whatever_order_its_samples_came_in(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        for minute in (2, 0, 1):
            for path in (CURRENT, VOLTAGE):
                shipper.ship(samples_of(path, [start + minute * MINUTE], [float(minute)]))
        numbers = [number_of(connection, path) for path in (CURRENT, VOLTAGE)]
        for points in (1000, 3):
            for window in read_window(connection, numbers, start, start + 3 * MINUTE, points).values():
                assert (np.diff(window.time_us) > 0).all()
                assert window.last.tolist() == [0.0, 1.0, 2.0]


def test_what_the_server_gives_out_of_order_is_put_in_order_row_by_row() -> None:
    times, values = _in_order((np.array([3, 1, 2]), np.array([30.0, 10.0, 20.0])))
    assert (times.tolist(), values.tolist()) == ([1, 2, 3], [10.0, 20.0, 30.0])


def test_where_raw_samples_are_gone_the_window_comes_from_rollups(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, start + np.arange(600) * 100_000, np.arange(600.0)))
        database.settle()
        connection.execute("UPDATE tier_state SET kept_from = now() WHERE tier = 'raw'")
        number = number_of(connection, CURRENT)
        window = read_window(connection, [number], start, start + MINUTE, 10_000)[number]
    assert window.resolution == "1s"
    assert window.count.sum() == 600


def test_texts_are_read_oldest_first_and_the_newest_of_too_many(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(
            samples_of(PROGRAM, start + np.arange(5) * SECOND, [None] * 5, text=list("abcde"), status=[0, 0, 0, 0, 0xC0000000])
        )
        number = number_of(connection, PROGRAM)
        texts = read_texts(connection, number, start, start + MINUTE, 3)
    assert texts.text == ("c", "d", "e")
    assert texts.time_us.tolist() == [start + 2 * SECOND, start + 3 * SECOND, start + 4 * SECOND]
    assert texts.status.tolist() == [0, 0, 0xC0000000]


def test_a_text_that_stays_the_same_is_one_run_however_many_samples_it_has(database: Database) -> None:
    start = an_hour_ago()
    text = ["weld"] * 400 + ["idle"] * 300 + [None] * 100 + ["idle"] * 200
    status = [0] * 900 + [0x80000000] * 100
    with database.connect() as connection:
        shipper = shipper_of(connection)
        for part in (slice(500, None), slice(500)):
            times = start + np.arange(1000)[part] * 30_000
            shipper.ship(samples_of(PROGRAM, times, [None] * len(times), text=text[part], status=status[part]))
        number = number_of(connection, PROGRAM)
        texts = read_texts(connection, number, start, start + MINUTE, 100)
        newest = read_texts(connection, number, start, start + MINUTE, 2)
        later = read_texts(connection, number, start + 30_000 * 390, start + 30_000 * 410, 100)
    assert list(zip(((texts.time_us - start) // 30_000).tolist(), texts.text, texts.status.tolist(), strict=True)) == [
        (0, "weld", 0),
        (400, "idle", 0),
        (700, None, 0),
        (800, "idle", 0),
        (900, "idle", 0x80000000),
    ]
    assert (newest.text, newest.time_us.tolist()) == (("idle", "idle"), [start + 800 * 30_000, start + 900 * 30_000])
    assert (later.text, later.time_us.tolist()) == (("weld", "idle"), [start + 390 * 30_000, start + 400 * 30_000])
