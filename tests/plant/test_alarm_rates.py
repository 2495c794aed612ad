"""Figures of alarm systems against cases worked by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.alarm_rates import (
    DAY_US,
    MINUTE_US,
    TEN_MINUTES_US,
    Flood,
    Performance,
    Repeated,
    chattering,
    fleeting,
    floods,
    frequent,
    in_flood,
    performance,
    priority_shares,
    rates,
    standing,
)
from plant.alarms import Priority


def minutes(*values: float) -> npt.NDArray[np.int64]:
    return np.array([round(value * MINUTE_US) for value in values], np.int64)


def numbers(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


def test_a_day_with_144_alarms_evenly_is_one_in_ten_minutes_and_predictive() -> None:
    day = rates(np.arange(144) * TEN_MINUTES_US, 0, DAY_US)
    assert (day.count, day.average, day.peak, day.share_above_ten, day.floods) == (144, 1.0, 1.0, 0.0, ())
    assert (len(day.per_interval), day.performance) == (144, Performance.PREDICTIVE)


def test_a_flood_begins_with_the_eleventh_alarm_in_ten_minutes_and_ends_when_fewer_than_five_are_left() -> None:
    ten = minutes(*range(10))  # 0 to 9 min: ten of them within ten minutes are no flood yet
    assert floods(ten, DAY_US) == ()
    eleven = minutes(*range(10), 9.5)
    # The eleventh comes at 9:30. They leave one by one from 10:00 on; at 16:00 the seventh leaves, and four (7, 8, 9, 9.5) are left.
    assert floods(eleven, DAY_US) == (Flood(570_000_000, 960_000_000, count=11, peak=11),)


def test_a_flood_that_goes_on_is_counted_to_the_end_of_the_span() -> None:
    found = rates(minutes(*(0.5 * n for n in range(40))), 0, 20 * MINUTE_US)
    assert [(flood.from_us, flood.to_us) for flood in found.floods] == [(5 * MINUTE_US, 20 * MINUTE_US)]
    assert (found.share_in_flood, found.floods[0].count, found.floods[0].peak) == (0.75, 40, 20)
    assert (found.average, found.peak, found.share_above_ten) == (20.0, 20.0, 1.0)
    assert found.performance is Performance.REACTIVE


def test_two_floods_with_calm_between_are_two() -> None:
    one = [n / 2 for n in range(11)]
    found = floods(minutes(*one, *(100 + n for n in one)), DAY_US)
    assert [(flood.count, flood.from_us // MINUTE_US) for flood in found] == [(11, 5), (11, 105)]


def test_two_operators_share_the_load() -> None:
    time_us = minutes(*(n / 2 for n in range(20)))
    assert len(floods(time_us, DAY_US)) == 1
    assert floods(time_us, DAY_US, operators=2) == ()
    assert rates(time_us, 0, TEN_MINUTES_US, operators=2).average == 10.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3600), max_size=80), st.integers(1, 3))
def test_floods_are_what_looking_at_each_second_finds(seconds: list[int], operators: int) -> None:
    time_us = np.array(sorted(seconds), np.int64) * 1_000_000
    until = 5000
    looks = np.arange(until) * 1_000_000
    inside = np.searchsorted(time_us, looks, "right") - np.searchsorted(time_us, looks - TEN_MINUTES_US, "right")
    flooded, before = [], False
    for count in inside.tolist():
        before = count >= 5 * operators if before else count > 10 * operators
        flooded.append(before)
    ours = np.zeros(until, bool)
    for flood in floods(time_us, until * 1_000_000, operators=operators):
        ours[flood.from_us // 1_000_000 : flood.to_us // 1_000_000] = True
    assert ours.tolist() == flooded


def test_three_times_a_minute_is_chattering_and_three_in_just_more_than_a_minute_is_not() -> None:
    alarm = numbers(1, 1, 1, 2, 2, 2, 3, 3, 3, 3)
    time_us = np.array([0, 20, 59, 0, 30, 60, 0, 1, 2, 3], np.int64) * 1_000_000
    assert chattering(alarm, time_us) == (Repeated(3, 4), Repeated(1, 3))
    assert chattering(numbers(), numbers()) == ()


def test_an_alarm_gone_before_anybody_can_act_is_fleeting() -> None:
    began, ended = numbers(0, 0, 0, 50_000_000), numbers(9_999_999, 10_000_000, 1, 51_000_000)
    assert fleeting(numbers(4, 5, 6, 6), began, ended) == (Repeated(6, 2), Repeated(4, 1))


def test_an_alarm_that_stands_for_more_than_a_day_is_on_the_list_the_longest_first() -> None:
    now = 10 * DAY_US
    assert standing(numbers(1, 2, 3), numbers(9 * DAY_US, 9 * DAY_US - 1, DAY_US), now) == (3, 2)


def test_the_ten_most_frequent_and_their_share() -> None:
    alarm = np.repeat(np.arange(20, dtype=np.int64), np.arange(20, 0, -1))  # 20 of the first, 1 of the last: 210 in all
    found = frequent(alarm)
    assert [one.alarm for one in found.alarms] == list(range(10))
    assert found.share == pytest.approx(sum(range(11, 21)) / 210)
    assert frequent(numbers()).share == 0.0


def test_priorities_are_shares_of_what_was_annunciated() -> None:
    shares = priority_shares(np.array([4] * 80 + [3] * 15 + [2] * 4 + [1], np.int8))
    assert shares == {Priority.LOW: 0.8, Priority.MEDIUM: 0.15, Priority.HIGH: 0.04, Priority.URGENT: 0.01}
    assert set(priority_shares(np.array([], np.int8)).values()) == {0.0}


@pytest.mark.parametrize(
    ("average", "peak", "wanted"),
    [
        (1, 10, Performance.PREDICTIVE),
        (1, 11, Performance.ROBUST),
        (1.01, 10, Performance.ROBUST),
        (10, 100, Performance.ROBUST),
        (10, 101, Performance.STABLE),
        (10.1, 50, Performance.REACTIVE),
        (101, 200, Performance.OVERLOADED),
        (5, 1001, Performance.OVERLOADED),
    ],
)
def test_the_class_follows_average_and_peak(average: float, peak: float, wanted: Performance) -> None:
    assert performance(average, peak) is wanted


def test_a_flood_now_is_told_by_the_last_ten_minutes_and_what_was_before() -> None:
    recent = [n * MINUTE_US // 2 for n in range(11)]
    assert in_flood(recent, recent[-1], before=False)
    assert not in_flood(recent[1:], recent[-1], before=False)
    assert in_flood(recent[:5], recent[-1], before=True)
    assert not in_flood(recent[:4], recent[-1], before=True)
