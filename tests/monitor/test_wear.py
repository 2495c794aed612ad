"""Worn or not, from recordings: what is left out is never seen, bounds are over recordings, and files that are wrong are told of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monitor.failure_modes import f1_score, threshold
from monitor.recordings import Experiment, labelled, read_experiments
from monitor.wear import auroc, by_pieces, exact_interval, judged, load_model
from plant.errors import SettingsError

SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data")


@pytest.fixture
def mill() -> Path:
    folder = SHARED / "cnc_mill"
    if not folder.is_dir():
        words = f"{folder} is missing; LEADHAND_SHARED_DATA names the folder of shared data"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return folder


def test_real_recordings_give_pieces_and_both_kinds_of_tools(mill: Path) -> None:
    found = labelled(read_experiments(mill))
    assert [one.worn for one in found].count(1) == 5
    assert all(len(one.pieces) and np.isfinite(one.pieces).all() for one in found)


def recordings(apart: float) -> list[Experiment]:
    draw = np.random.default_rng(2)
    return [
        Experiment(f"e{number}", number % 2, draw.normal(apart * (number % 2), 1, (12, 3)), ("a", "b", "c"), draw.normal(size=4))
        for number in range(8)
    ]


def test_tools_that_differ_are_told_apart_though_left_out() -> None:
    known = recordings(4.0)
    scores = [by_pieces([other for other in known if other is not one], one) for one in known[:2]]
    assert [score > 0.5 for score in scores] == [False, True]


def test_bounds_are_those_of_recordings_not_of_rows() -> None:
    worn = np.array([0] * 5 + [1] * 5)
    told = judged(tuple("abcdefghij"), worn, np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.4, 0.6, 0.7, 0.8, 0.9]))
    assert told.balanced_accuracy == pytest.approx(0.8)
    assert told.balanced_low < 0.5 < told.balanced_high
    low, high = exact_interval(5, 5)  # Clopper and Pearson
    assert low == pytest.approx(0.4782, abs=1e-4)
    assert high == 1.0
    assert told.chance == pytest.approx(8 / 252, abs=6 / 252)
    assert auroc(np.array([0, 1]), np.array([0.5, 0.5])) == 0.5


def test_a_threshold_holds_to_the_false_calls_that_are_allowed() -> None:
    chance = np.linspace(1, 0.01, 100)
    failed = np.zeros(100, np.int64)
    failed[[0, 1, 3, 4, 40]] = 1
    called = chance >= threshold(chance, failed, 0.01)
    assert int((called & (failed == 0)).sum()) <= 1
    assert f1_score(called, failed) == pytest.approx(8 / 10)
    assert threshold(np.zeros(100), failed, 0.01) > 1


def test_files_that_are_wrong_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,tool_condition\n1,worn\n")
    with pytest.raises(SettingsError, match=r"a\.csv: column 'S1_"):
        read_experiments(tmp_path)
    (tmp_path / "m.model").write_bytes(b"nonsense")
    with pytest.raises(SettingsError, match="cannot be read as a model"):
        load_model(tmp_path / "m.model")
