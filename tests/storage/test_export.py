"""Samples leave the database as they came in, in order, chunk by chunk, on each database."""

from __future__ import annotations

import numpy as np
import pandas as pd

from plant.samples import concatenate
from storage.export import export_samples
from tests.storage.conftest import Database
from tests.storage.small_plant import PATHS, an_hour_ago, samples_of, shipper_of

CURRENT, VOLTAGE, _, PROGRAM = PATHS


def test_an_export_holds_each_sample_once_ordered_by_signal_and_time(database: Database) -> None:
    start = an_hour_ago()
    times = start + np.arange(1000, dtype=np.int64) * 30_000
    values = np.random.default_rng(3).normal(size=1000)
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(
            concatenate(
                [
                    samples_of(VOLTAGE, times[::-1], values[::-1], status=np.full(1000, 0xFFFFFFFF, np.uint32)),
                    samples_of(CURRENT, times, values),
                    samples_of(PROGRAM, [start, start + 1], [None, None], text=["a\nb", "ü"]),
                ]
            )
        )
        frames = list(export_samples(connection, "acme/**/*", rows=300))
        some = list(export_samples(connection, f"**/{CURRENT.rpartition('/')[2]}", start, int(times[10])))
    assert max(len(frame) for frame in frames) <= 300
    whole = pd.concat(frames, ignore_index=True)
    assert list(whole.columns) == ["time", "signal", "value", "text", "status"]
    assert len(whole) == 2002
    assert str(whole["time"].dt.tz) == "UTC"
    for path in (CURRENT, VOLTAGE):
        of = whole[whole["signal"] == path]
        assert of["value"].to_numpy().tobytes() == values.tobytes()
        assert of["time"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64).tolist() == times.tolist()
    assert whole[whole["signal"] == VOLTAGE]["status"].unique().tolist() == [0xFFFFFFFF]
    assert whole[whole["signal"] == PROGRAM]["text"].tolist() == ["a\nb", "ü"]
    assert sorted(whole["signal"].unique()) == list(dict.fromkeys(whole["signal"]))
    assert sum(map(len, some)) == 10


def test_many_samples_of_one_time_are_exported_once(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, [start] * 50 + [start + 1] * 50, np.arange(100.0)))
        frames = list(export_samples(connection, "**", rows=7))
    assert sorted(pd.concat(frames)["value"]) == list(range(100))


def test_nothing_fits_a_foreign_glob(database: Database) -> None:
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, [an_hour_ago()], [1.0]))
        assert list(export_samples(connection, "other/**")) == []
