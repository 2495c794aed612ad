"""What trends and bars are told of a signal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import drawn_as, limits_of, shown_span, trend_plan, unit_words
from dashboard.pages.parts import also, duration, milliseconds, moment, size, whole
from dashboard.pages.sources import segment_of
from dashboard.texts import texts_of
from dashboard.views import SignalView
from plant.equipment import SEGMENT

SIGNAL = SignalView(
    7, "a/b/c/current", "a/b/c", "current", "double", "A", "plc", "ns", 30_000, 0.0, 400.0, 80.0, 120.0, 260.0, 320.0, "", retired=False
)
BARE = replace(SIGNAL, range_low=None, range_high=None, low_low=None, low=None, high=None, high_high=None)


def test_a_bar_shows_the_range_of_the_signal() -> None:
    assert shown_span(SIGNAL) == (0.0, 400.0)


def test_a_limit_outside_of_the_range_is_shown_with_room_beyond_it() -> None:
    span = shown_span(replace(SIGNAL, high_high=500.0))
    assert span is not None
    assert span[0] == 0.0
    assert span[1] > 500.0


def test_without_range_the_limits_make_the_span() -> None:
    span = shown_span(replace(BARE, low=10.0, high=20.0))
    assert span is not None
    assert span[0] < 10.0
    assert span[1] > 20.0


def test_no_bar_is_drawn_where_nothing_says_what_is_normal() -> None:
    assert shown_span(BARE) is None
    assert shown_span(replace(BARE, high=5.0)) is None


def test_texts_are_strips_and_booleans_steps() -> None:
    assert [drawn_as(kind) for kind in ("string", "boolean", "double", "uint16")] == ["strip", "step", "line", "line"]


def test_a_trend_is_told_limits_and_the_unit_as_people_write_it() -> None:
    plan = trend_plan(replace(SIGNAL, unit="Cel"))
    assert plan["limits"] == limits_of(SIGNAL) == [80.0, 120.0, 260.0, 320.0]
    assert plan["unit"] == "°C"
    assert unit_words("mm") == "mm"


def test_times_are_shown_in_the_zone_of_the_plant() -> None:
    assert moment(1_764_547_200_000_000, "Asia/Shanghai") == "2025-12-01 08:00:00"
    assert moment(None, "UTC") == "\N{EN DASH}"


def test_numbers_keep_their_unit() -> None:
    assert [milliseconds(us) for us in (410, 30_010, 2_500_000)] == ["0.41 ms", "30.0 ms", "2.50 s"]
    assert [size(n) for n in (999, 4096, 36_800_000, 5_000_000_000)] == ["999 B", "4.1 kB", "36.8 MB", "5.0 GB"]
    assert whole(1234567) == "1\u202f234\u202f567"
    assert duration(90_000_000, texts_of("en")) == "90 s"
    assert also(data_part="x") == {"data-part": "x"}


@given(st.lists(st.text(max_size=20), max_size=8))
def test_names_found_on_a_server_become_legal_and_unlike(names: list[str]) -> None:
    taken: set[str] = set()
    for name in names:
        made = segment_of(name, taken)
        assert SEGMENT.match(made)
        assert made not in taken
        taken.add(made)
