"""When records end."""

from __future__ import annotations

from ingest.cuts import RECORD_US, is_cut, seconds_to_cut


def test_records_of_all_sources_end_at_the_same_half_seconds() -> None:
    assert not is_cut(10_000_000, 10_499_999)
    assert is_cut(10_499_999, 10_500_000)
    assert is_cut(10_100_000, 12_100_000)
    assert RECORD_US == 500_000


def test_a_clock_that_was_set_back_ends_a_record() -> None:
    assert is_cut(10_000_000, 9_999_999)


def test_the_next_end_is_always_ahead() -> None:
    assert seconds_to_cut(10_000_000) == 0.5
    assert seconds_to_cut(10_499_999) == 1e-6
    assert seconds_to_cut(10_150_000, 200_000) == 0.05
