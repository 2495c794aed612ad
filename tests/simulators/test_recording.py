from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from plant.errors import SettingsError
from simulators.recording import read_recording


def _file(folder: Path, content: str) -> Path:
    path = folder / "recording.csv"
    path.write_text(content, encoding="utf-8")
    return path


def test_the_published_recordings_have_47_numeric_channels_and_two_text_channels(shared_data: Path) -> None:
    recording = read_recording(shared_data / "experiment_01.csv")
    assert len(recording) == 1055
    assert sum(recording.is_text) == 2
    assert len(recording.names) == 49
    assert [name for name, text in zip(recording.names, recording.is_text, strict=True) if text] == ["Machining_Process", "tool_condition"]
    assert recording.skipped
    assert recording.is_finite


def test_each_number_is_exactly_the_double_that_the_file_says(shared_data: Path) -> None:
    for number in range(1, 11):
        path = shared_data / f"experiment_{number:02d}.csv"
        recording = read_recording(path)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for position, column in enumerate(recording.columns):
            if not recording.is_text[position]:
                assert recording.number[:, position].tolist() == [float(row[column]) for row in rows]


def test_a_column_is_text_when_one_cell_is_no_number_and_integers_are_doubles(tmp_path: Path) -> None:
    recording = read_recording(_file(tmp_path, "a,b,c,d\n1,2,x,1_0\n2,,3,4\n"))
    assert recording.is_text == (False, False, True, True)
    assert recording.number[:, 0].tolist() == [1.0, 2.0]
    assert recording.empty.tolist() == [[False] * 4, [False, True, False, False]]
    assert recording.text == (("x", "1_0"), ("3", "4"))


def test_column_names_become_signal_names_and_keep_their_case(tmp_path: Path) -> None:
    recording = read_recording(_file(tmp_path, "Force (kN),Speed/rpm,X1_Actual\n1,2,3\n"))
    assert recording.names == ("Force-kN", "Speed-rpm", "X1_Actual")


def test_an_unnamed_first_column_stays_when_it_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="column 1"):
        read_recording(_file(tmp_path, ",a\n5,1\n9,2\n"))
    assert read_recording(_file(tmp_path, ",a\n5,1\n6,2\n")).names == ("a",)


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "no rows"), ("a,b\n", "no rows"), ("a,b\n1\n", "line 2 has 1 cells"), ("a,a\n1,2\n", "more than one column"), ('a\n"1\n', "CSV")],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_recording(_file(tmp_path, content))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.csv"):
        read_recording(tmp_path / "nowhere.csv")


def test_infinite_numbers_are_kept_and_known(tmp_path: Path) -> None:
    recording = read_recording(_file(tmp_path, "a,b\ninf,1\n-inf,2\nnan,3\n"))
    assert not recording.is_finite
    assert np.isinf(recording.number[:2, 0]).all()
