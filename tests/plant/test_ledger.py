import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plant.ledger import Counts, lateness_histogram, minute_of, no_lateness, percentile_us

counts = st.builds(Counts, *[st.integers(0, 10**9)] * 7)


def test_a_ledger_that_adds_up_leaves_nothing_unexplained() -> None:
    line = Counts(expected=100, stored=60, unchanged=20, filtered=5, duplicate=1, rejected=2, gap=9)
    assert line.unexplained(in_spool=3) == 0
    assert line.unexplained() == 3


@given(counts, counts)
def test_what_is_unexplained_in_two_spans_is_unexplained_in_both_together(a: Counts, b: Counts) -> None:
    assert (a + b).unexplained() == a.unexplained() + b.unexplained()


@given(hnp.arrays(np.int64, st.integers(1, 300), elements=st.integers(10, 9_000_000)), st.floats(0.01, 1.0))
def test_a_percentile_read_from_bins_is_right_within_a_quarter(lateness_us: npt.NDArray[np.int64], q: float) -> None:
    exact = int(np.sort(lateness_us)[max(int(np.ceil(q * len(lateness_us))) - 1, 0)])
    read = percentile_us(lateness_histogram(lateness_us), q)
    assert read is not None
    assert exact <= read <= exact * 1.27 + 2


def test_two_histograms_add_up_to_that_of_both() -> None:
    a, b = np.array([5, 50, 500]), np.array([7_000, 10**9])
    both = lateness_histogram(a) + lateness_histogram(b)
    assert np.array_equal(both, lateness_histogram(np.concatenate([a, b])))
    assert both.sum() == 5


def test_no_ticks_have_no_percentile() -> None:
    assert percentile_us(no_lateness(), 0.99) is None


@given(st.integers(0, 4 * 10**15))
def test_a_minute_starts_at_or_before_each_of_its_times(time_us: int) -> None:
    assert 0 <= time_us - minute_of(time_us) < 60_000_000
    assert minute_of(time_us) % 60_000_000 == 0
