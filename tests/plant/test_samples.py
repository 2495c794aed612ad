from dataclasses import replace

import numpy as np
import pytest

from plant import samples
from plant.samples import NO_TIME, SampleBatch
from plant.signals import SignalPath


def batch(path: str, values: list[float], text: list[str | None] | None = None) -> SampleBatch:
    n = len(values)
    return SampleBatch(
        (SignalPath(path),),
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64),
        np.full(n, NO_TIME),
        np.arange(n, dtype=np.int64),
        np.array(values),
        np.ones(n, np.bool_),
        np.zeros(n, np.uint32),
        np.zeros(n, np.int16),
        None if text is None else np.array(text, np.object_),
    )


def test_columns_of_unequal_length_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column 'value' holds 1 samples, 'signal' holds 2"):
        replace(batch("a", [1.0, 2.0]), value=np.ones(1))


def test_batches_of_different_signals_become_one_that_still_knows_whose_is_whose() -> None:
    whole = samples.concatenate([batch("a", [1.0]), batch("b", [2.0, 3.0], ["x", None]), batch("a", [4.0])])
    assert whole.paths == ("a", "b")
    assert whole.signal.tolist() == [0, 1, 1, 0]
    assert whole.value.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert whole.text is not None
    assert whole.text.tolist() == [None, "x", None, None]


def test_no_batches_make_an_empty_one() -> None:
    assert len(samples.concatenate([])) == 0
    assert len(samples.empty()) == 0


def test_a_choice_keeps_all_columns_together() -> None:
    chosen = batch("a", [1.0, 2.0, 3.0], ["x", "y", "z"]).take(np.array([False, True, True]))
    assert chosen.value.tolist() == [2.0, 3.0]
    assert chosen.time_us.tolist() == [1, 2]
    assert chosen.text is not None
    assert chosen.text.tolist() == ["y", "z"]
