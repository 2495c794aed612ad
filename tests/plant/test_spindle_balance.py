from __future__ import annotations

import numpy as np
import pytest

from plant.spindle_balance import SpindleRuns, SpindleStanding, Standing, compare_spindles


def runs(seed: int, rounds: int = 200, spindles: int = 4, reads: np.ndarray | None = None) -> SpindleRuns:
    """Return rounds of the same joints, whose lots differ by far more than spindles do; ``reads``: (rounds, spindles) factors."""
    rng = np.random.default_rng(seed)
    stiffness = 7.0 * np.exp(np.repeat(rng.normal(0, 0.1, rounds // 10), 10))[:, None]
    seen = stiffness * np.exp(rng.normal(0, 0.02, (rounds, spindles))) * (1 if reads is None else reads)
    times = np.repeat(np.arange(rounds) * 10_000_000, spindles)
    return SpindleRuns(np.tile(np.arange(1, spindles + 1), rounds), times, seen.ravel())


def by_number(found: tuple[SpindleStanding, ...]) -> dict[int, SpindleStanding]:
    return {one.spindle: one for one in found}


def test_a_spindle_that_drifted_is_named_with_its_round_and_its_offset() -> None:
    reads = np.ones((200, 4))
    reads[120:, 2] = 1.03
    found = by_number(compare_spindles(runs(1, reads=reads)))
    third = found.pop(3)
    assert third.standing is Standing.DRIFTED
    assert third.low < 0.03 < third.high
    assert third.target_offset == third.apart == pytest.approx(0.03, abs=0.008)
    assert third.since_us == pytest.approx(120 * 10_000_000, abs=8 * 10_000_000)
    assert {one.standing for one in found.values()} == {Standing.EVEN}


def test_a_spindle_that_always_read_less_stands_apart_without_a_date() -> None:
    reads = np.ones((200, 4))
    reads[:, 0] = 0.96
    first = by_number(compare_spindles(runs(2, reads=reads)))[1]
    assert (first.standing, first.since_us) == (Standing.APART, None)
    assert first.high < -0.02


def test_what_changes_for_all_spindles_at_once_is_no_spindles_fault() -> None:
    reads = np.ones((200, 4))
    reads[100:] = 1.2
    assert {one.standing for one in compare_spindles(runs(3, reads=reads))} == {Standing.EVEN}


def test_of_a_thousand_even_spindles_hardly_one_is_blamed() -> None:
    blamed = [one for seed in range(250) for one in compare_spindles(runs(1000 + seed, rounds=100)) if one.target_offset is not None]
    assert len(blamed) <= 3


def test_two_spindles_cannot_tell_which_of_them_is_off() -> None:
    found = compare_spindles(runs(4, spindles=2, reads=np.array([1.0, 1.1])))
    assert [(one.standing, one.target_offset) for one in found] == [(Standing.UNSURE, None)] * 2


def test_few_rounds_and_unknown_gradients_say_nothing() -> None:
    told = runs(5, rounds=200)
    gradient = told.gradient.copy()
    gradient[told.spindle == 2] = np.nan
    found = by_number(compare_spindles(SpindleRuns(told.spindle, told.round_us, gradient)))
    assert found[2].standing is Standing.UNSURE
    assert found[1].standing is Standing.EVEN
    assert {one.standing for one in compare_spindles(runs(6, rounds=10))} == {Standing.UNSURE}


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        SpindleRuns(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(3))
