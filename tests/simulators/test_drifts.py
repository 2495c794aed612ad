"""Simulated drifts: twenty kinds, each leaving all before its begin as it was, on machines whose noise follows from part to part."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.drifts import DRIFTS, SAMPLES, SIGNALS, STEPS, make_parts

BEGIN, COUNT = 60, 120


def test_there_are_twenty_kinds() -> None:
    assert len(set(DRIFTS)) == 20


@pytest.mark.parametrize("kind", DRIFTS)
def test_a_drift_changes_what_comes_after_its_begin_and_nothing_before(kind: str) -> None:
    usual, drifted = make_parts(3, COUNT), make_parts(3, COUNT, kind, BEGIN)
    assert drifted.value.shape == (COUNT, len(STEPS), SAMPLES, len(SIGNALS))
    np.testing.assert_array_equal(drifted.value[:BEGIN], usual.value[:BEGIN])
    np.testing.assert_array_equal(drifted.seconds[:BEGIN], usual.seconds[:BEGIN])
    assert not (
        np.array_equal(drifted.value[BEGIN:], usual.value[BEGIN:]) and np.array_equal(drifted.seconds[BEGIN:], usual.seconds[BEGIN:])
    )


def test_the_same_seed_gives_the_same_machine_and_another_one_another() -> None:
    np.testing.assert_array_equal(make_parts(4, 20).value, make_parts(4, 20).value)
    assert not np.array_equal(make_parts(4, 20).value, make_parts(5, 20).value)


def test_in_control_parts_follow_from_the_part_before() -> None:
    level = make_parts(6, 3000).value[:, 1, :, SIGNALS.index("temperature")].mean(axis=1)
    level -= level.mean()
    assert (level[1:] * level[:-1]).sum() / (level**2).sum() > 0.4
