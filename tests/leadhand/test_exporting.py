from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from leadhand.exporting import some, write_csv, write_parquet
from plant.errors import Rejected


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex(np.arange(4) * 30_000 + 1_800_000_000_000_001, tz="UTC").as_unit("us"),
            "signal": ["a/b/c"] * 4,
            "value": [0.1 + 0.2, np.nan, np.nan, np.nan],
            "text": pd.Series([None, None, "run", None], dtype="str"),
            "status": np.array([0, 0, 0, 0x80310000], np.uint32),
        }
    )


def test_a_measured_nan_is_told_from_no_number_in_parquet(tmp_path: Path) -> None:
    assert write_parquet([frame()], tmp_path / "out.parquet") == 4
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert rows[0]["value"] == 0.1 + 0.2
    assert np.isnan(rows[1]["value"])
    assert [row["value"] for row in rows[2:]] == [None, None]
    assert [row["text"] for row in rows] == [None, None, "run", None]
    assert rows[3]["status"] == 0x80310000


def test_csv_holds_all_digits_and_times_in_utc(tmp_path: Path) -> None:
    times = pd.DatetimeIndex(["2026-11-22T10:00:00.030001", "2026-11-22T10:00:00.060001"] * 2, tz="UTC")
    assert write_csv([frame().assign(time=times)], tmp_path / "out.csv") == 4
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "time,signal,value,text,status",
        "2026-11-22T10:00:00.030001Z,a/b/c,0.30000000000000004,,0",
        "2026-11-22T10:00:00.060001Z,a/b/c,NaN,,0",
        "2026-11-22T10:00:00.030001Z,a/b/c,,run,0",
        "2026-11-22T10:00:00.060001Z,a/b/c,,,2150694912",
    ]


def test_an_export_that_fails_half_way_leaves_the_former_file_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("former")

    def broken() -> Iterator[pd.DataFrame]:
        yield frame()
        raise Rejected("the database went away")

    with pytest.raises(Rejected, match="went away"):
        write_csv(broken(), out)
    assert out.read_text() == "former"
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be written: No such file or directory"):
        write_csv([frame()], tmp_path / "none" / "out.csv")


def test_an_export_of_nothing_does_not_empty_the_former_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("former")
    with pytest.raises(Rejected, match="no sample fits: signals 'x'; nothing was written"):
        write_csv(some(iter([frame().head(0)]), "signals 'x'"), out)
    assert out.read_text() == "former"
    assert write_csv(some(iter([frame()]), "signals 'x'"), out) == 4
