from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from ingest.account import Account
from ingest.records import Mark, Record
from ingest.ticks import first_tick, minutes_between, ticks_between
from plant.ledger import MINUTE_US, Counts, GapReason
from plant.samples import empty
from plant.signals import SignalPath, SourceId

SOURCE = SourceId("press")
times = st.integers(0, 10**12)
intervals = st.integers(1, 10**8)


def total_of(record: Record) -> Counts:
    return sum((line.counts for line in record.ledger), Counts())


@given(times, st.integers(0, 10**9), intervals)
def test_ticks_between_counts_the_multiples_of_the_interval(start: int, span: int, interval: int) -> None:
    ticks = ticks_between(start, start + span, interval)
    first = first_tick(start, interval)
    assert first % interval == 0
    assert 0 <= first - start < interval
    assert ticks == (0 if first >= start + span else (start + span - 1 - first) // interval + 1)


@given(times, st.integers(0, 10**9), st.integers(0, 10**9), intervals)
def test_two_spans_in_a_row_hold_the_ticks_of_both(start: int, one: int, two: int, interval: int) -> None:
    middle, end = start + one, start + one + two
    assert ticks_between(start, middle, interval) + ticks_between(middle, end, interval) == ticks_between(start, end, interval)


def test_a_clock_set_back_expects_no_ticks() -> None:
    assert ticks_between(1000, 10, 30) == 0


def test_a_whole_minute_at_30_ms_has_2000_ticks() -> None:
    assert ticks_between(MINUTE_US, 2 * MINUTE_US, 30_000) == 2000


@given(times, st.integers(1, 10**9))
def test_the_minutes_of_a_span_cover_it_without_overlap(start: int, span: int) -> None:
    pieces = list(minutes_between(start, start + span))
    assert pieces[0][1] == start
    assert pieces[-1][2] == start + span
    assert all(a[2] == b[1] for a, b in itertools.pairwise(pieces))
    assert all(minute <= a < b <= minute + MINUTE_US and minute % MINUTE_US == 0 for minute, a, b in pieces)


def test_missed_ticks_over_a_minutes_end_are_counted_in_their_own_minutes() -> None:
    account = Account(SOURCE)
    missed = account.missed_ticks(MINUTE_US - 90_000, MINUTE_US + 60_000, 30_000, 7, GapReason.DISCONNECTED)
    record = account.record(Mark(0), empty())
    assert missed == 5 * 7
    assert [(line.minute_us, line.counts.gap) for line in record.ledger] == [(0, 21), (MINUTE_US, 14)]
    assert [gap.count for gap in record.gaps] == [35]


def test_whatever_is_added_adds_up() -> None:
    account = Account(SOURCE)
    account.count(5, stored=3, unchanged=2, filtered=1, duplicate=4, rejected=6)
    account.missed(7, 8, 9, GapReason.SEQUENCE)
    account.tick(5, 120)
    record = account.record(Mark(0), empty())
    assert total_of(record) == Counts(25, 3, 2, 1, 4, 6, 9)
    assert total_of(record).unexplained() == 0
    assert record.ledger[0].ticks == 1
    assert int(np.sum(record.ledger[0].lateness)) == 1
    assert account.idle


def test_a_growing_gap_stands_in_no_ledger_until_it_is_closed() -> None:
    account = Account(SOURCE)
    path = SignalPath("a/b/c")
    for tick in range(0, 3000, 30):
        account.grow(tick, tick + 30, [path], GapReason.NODE, "gone")
    assert account.idle
    record = account.record(Mark(3000, 30, 1, account.open), empty())
    assert record.ledger == ()
    assert record.mark.open[0].count == 100

    account.close_open()
    record = account.record(Mark(3000), empty())
    assert total_of(record) == Counts(expected=100, gap=100)
    assert record.gaps[0].signal == path
    assert (record.gaps[0].from_us, record.gaps[0].to_us) == (0, 3000)


def test_a_gap_that_grew_when_the_process_died_is_closed_by_the_next() -> None:
    dead = Account(SOURCE)
    dead.grow(0, 30, [SignalPath("a/b/c")], GapReason.NODE)
    account = Account(SOURCE)
    account.reopen(dead.open)
    assert total_of(account.record(Mark(0), empty())) == Counts(expected=1, gap=1)


def test_values_of_a_wrong_type_are_counted_once_as_rejected() -> None:
    account = Account(SOURCE)
    account.grow(0, 30, [SignalPath("a/b/c")], GapReason.TYPE, "another data type")
    account.close_open()
    record = account.record(Mark(0), empty())
    assert total_of(record) == Counts(expected=1, rejected=1)
    assert record.gaps[0].reason is GapReason.TYPE


def test_a_thousand_lost_nodes_write_few_gap_records_and_every_sample_counts() -> None:
    account = Account(SOURCE)
    account.grow(0, 30, [SignalPath(f"a/b/s{n}") for n in range(1000)], GapReason.NODE)
    account.close_open()
    record = account.record(Mark(0), empty())
    assert len(record.gaps) <= 51
    assert total_of(record).gap == sum(gap.count for gap in record.gaps) == 1000


def test_values_that_a_server_dropped_unseen_are_told_and_not_counted() -> None:
    account = Account(SOURCE)
    for tick in (0, 30):
        account.grow(tick, tick + 30, [SignalPath("a/b/c")], GapReason.OVERFLOW, by=0)
    account.close_open()
    record = account.record(Mark(0), empty())
    assert total_of(record) == Counts()
    assert [(gap.from_us, gap.to_us, gap.count) for gap in record.gaps] == [(0, 60, 0)]
