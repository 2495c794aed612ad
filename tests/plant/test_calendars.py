"""Shifts in plant time: what is planned, night by night, over the changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plant.calendar_rules import calendar_of
from plant.calendars import DAY_US, ShiftCalendar
from plant.errors import SettingsError
from plant.settings import SiteFile
from plant.settings_calendars import CalendarSettings
from plant.site import Site, site_of

HOUR = 3_600_000_000
NIGHT: dict[str, Any] = {"name": "night", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "22:00", "to": "06:00"}
THREE: list[dict[str, Any]] = [
    {"name": "early", "from": "06:00", "to": "14:00"},
    {"name": "late", "from": "14:00", "to": "22:00"},
    NIGHT | {"days": ["mon"]},
]
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Shanghai", "Asia/Kolkata"),
    *("Pacific/Apia", "America/Havana", "Africa/Casablanca", "Asia/Tehran", "Pacific/Chatham"),
)


def calendar(shifts: list[dict[str, Any]], zone: str = "Europe/Berlin", **more: Any) -> ShiftCalendar:
    return calendar_of(CalendarSettings.model_validate({"name": "c", "shifts": shifts, **more}), zone)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000


def site_with(*calendars: dict[str, Any]) -> Site:
    settings = {
        "site": {"enterprise": "acme", "id": "north", "time_zone": "Europe/Berlin"},
        "equipment": [{"path": "welding/line-1/robot-{1..2}"}, {"path": "painting/booth/cabin"}],
        "calendars": list(calendars),
    }
    return site_of(SiteFile.model_validate(settings))


def test_the_night_of_the_spring_change_has_seven_hours_and_that_of_autumn_nine() -> None:
    one = calendar([NIGHT])
    assert [(s.to_us - s.from_us) // HOUR for s in one.of_day(date(2026, 3, 28))] == [7]
    assert [(s.to_us - s.from_us) // HOUR for s in one.of_day(date(2026, 10, 24))] == [9]
    assert [(s.to_us - s.from_us) // HOUR for s in one.of_day(date(2026, 6, 1))] == [8]


def test_a_shift_begins_and_ends_by_the_clock_on_the_wall() -> None:
    (early,) = calendar(THREE[:1]).of_day(date(2026, 7, 1))
    assert (early.from_us, early.to_us) == (us("2026-07-01T06:00+02:00"), us("2026-07-01T14:00+02:00"))


def test_a_time_that_spring_leaves_out_is_the_moment_of_the_change() -> None:
    one = calendar(
        [{"name": "a", "from": "22:00", "to": "02:30", "days": ["sat"]}, {"name": "b", "from": "02:30", "to": "06:00", "days": ["sun"]}]
    )
    before, after = one.shifts(us("2026-03-28T20:00+01:00"), us("2026-03-29T08:00+02:00"))
    assert before.to_us == after.from_us == us("2026-03-29T03:00+02:00")


def test_a_time_that_autumn_gives_twice_is_the_first_of_the_two() -> None:
    one = calendar([{"name": "a", "from": "22:00", "to": "02:30", "days": ["sat"]}])
    (shift,) = one.of_day(date(2026, 10, 24))
    assert shift.to_us == us("2026-10-25T02:30+02:00")


def test_breaks_are_not_planned_and_stand_with_their_shift_over_midnight() -> None:
    (night,) = calendar([NIGHT | {"breaks": [{"from": "00:30", "to": "01:00"}, {"from": "23:00", "to": "23:15"}]}]).of_day(date(2026, 6, 1))
    assert night.planned_us == 8 * HOUR - 45 * 60_000_000
    assert night.breaks[0] == (us("2026-06-01T23:00+02:00"), us("2026-06-01T23:15+02:00"))


def test_a_holiday_has_no_shifts_and_the_night_before_it_runs_to_its_end() -> None:
    one = calendar([NIGHT], exceptions=[{"date": date(2026, 12, 25), "until": date(2026, 12, 26), "name": "Christmas"}])
    assert [str(s.day) for s in one.shifts(us("2026-12-24T00:00+01:00"), us("2026-12-28T00:00+01:00"))] == [
        *("2026-12-23", "2026-12-24", "2026-12-27"),
    ]
    assert one.named[date(2026, 12, 26)] == "Christmas"


def test_an_extra_shift_runs_on_a_day_on_which_it_never_does() -> None:
    extra = {"name": "short", "from": "06:00", "to": "10:00"}
    one = calendar(THREE, exceptions=[{"date": date(2026, 11, 21), "shifts": ["early"]}, {"date": date(2026, 11, 22), "extra": [extra]}])
    assert [s.name for s in one.of_day(date(2026, 11, 21))] == ["early"]
    assert [s.planned_us // HOUR for s in one.of_day(date(2026, 11, 22))] == [4]


def test_teams_take_turns() -> None:
    turns = {"from": date(2026, 1, 5), "days": 7, "order": {"early": ["A", "B"], "late": ["B", "A"]}}
    one = calendar(THREE, teams=turns)
    weeks = [[s.team for s in one.of_day(date(2026, 1, 6) + timedelta(days=7 * n))][:2] for n in (-1, 0, 1, 2)]
    assert weeks == [["B", "A"], ["A", "B"], ["B", "A"], ["A", "B"]]


def test_which_shift_it_is_at_a_moment() -> None:
    one = calendar(THREE)
    found = one.shift_at(us("2026-11-24T03:00+01:00"))
    assert found is not None
    assert (found.name, str(found.day)) == ("night", "2026-11-23")
    assert one.shift_at(us("2026-11-22T12:00+01:00")) is None


def test_the_last_calendar_that_fits_an_equipment_holds_for_it_and_all_below() -> None:
    shifts = [{"name": "day", "from": "06:00", "to": "14:00"}]
    site = site_with({"name": "all", "equipment": "**", "shifts": shifts}, {"name": "paint", "equipment": "painting/**", "shifts": shifts})
    names = [c.name for e in site.equipment if (c := site.calendars.of(e.id)) is not None and e.id.count("/") > 1]
    assert names == ["all", "all", "all", "all", "all", "paint", "paint"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shifts": [{"name": "a", "from": "6:00", "to": "14:00"}]}, "no time of day"),
        (
            {"shifts": [{"name": "a", "from": "06:00", "to": "14:00", "breaks": [{"from": "13:50", "to": "14:10"}]}]},
            "a break must lie within",
        ),
        ({"exceptions": [{"date": "2026-12-25", "shifts": ["nigth"]}]}, "there is no shift 'nigth'"),
        ({"time_zone": "Europe/Berln"}, "no time zone"),
        ({"exceptions": [{"date": "2026-12-25", "until": "2026-12-24"}]}, "lies before"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CalendarSettings.model_validate({"name": "c", "shifts": THREE, **changes})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"shifts": [THREE[0], NIGHT | {"to": "06:30"}]}, r"calendars\[1\]: shifts: 'night' on mon runs into 'early' on tue"),
        ({"shifts": THREE, "equipment": "press/**"}, r"calendars\[1\].equipment: no equipment fits"),
        (
            {
                "shifts": [NIGHT | {"days": ["fri"]}],
                "exceptions": [{"date": "2026-11-21", "extra": [{"name": "x", "from": "05:00", "to": "09:00"}]}],
            },
            r"exceptions: 'night' on 2026-11-20 runs into 'x' on 2026-11-21",
        ),
    ],
)
def test_shifts_that_overlap_and_globs_that_fit_nothing_are_found_by_the_check(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        site_with({"name": "c", **wrong})


@st.composite
def _weeks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Shifts that do not overlap: the day is cut at some minutes, and each piece runs on some days, with a break in it or none."""
    cuts = sorted(draw(st.sets(st.integers(0, 287), min_size=2, max_size=5)))
    shifts = []
    for number, (begin, end) in enumerate(zip(cuts, [*cuts[1:], cuts[0] + 288], strict=True)):
        days = draw(st.lists(st.sampled_from(NIGHT["days"]), unique=True, max_size=7))
        if not days or end - begin < 6:
            continue
        at = draw(st.integers(begin + 1, end - 3))
        pause = [{"from": _clock(at), "to": _clock(at + 2)}] if draw(st.booleans()) else []
        shifts.append({"name": f"s{number}", "days": days, "from": _clock(begin), "to": _clock(end), "breaks": pause})
    return shifts or [NIGHT]


def _clock(five: int) -> str:
    return f"{five * 5 // 60 % 24:02d}:{five * 5 % 60:02d}"


_CHANGES = [
    *(date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5), date(2026, 10, 4)),
    *(date(2011, 12, 30), date(2026, 2, 15), date(2021, 9, 21), date(2026, 9, 27)),
]


@given(_weeks(), st.sampled_from(ZONES), st.one_of(st.sampled_from(_CHANGES), st.dates(date(1995, 1, 1), date(2040, 1, 1))))
def test_what_is_planned_is_exactly_what_the_wall_clock_says_minute_by_minute(week: list[dict[str, Any]], zone: str, day: date) -> None:
    """Looked up minute by minute: the clock of the zone is read, and the week asked whether it plans that time.

    The hour that autumn gives twice is left out of this comparison: of a shift that ends within it only the first pass counts.
    """
    one = calendar(week, zone)
    place = ZoneInfo(zone)
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    spans = one.planned(begin, begin + 2 * DAY_US)
    assert all(a < b for a, b in spans)
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    for minute in range(2, 2 * 1440, 5):
        at = begin + minute * 60_000_000
        local = datetime.fromtimestamp(at // 1_000_000, place)
        near = [datetime.fromtimestamp(at // 1_000_000 + d, place).utcoffset() for d in (-108_000, -7_200, 7_200)]
        if local.minute % 5 == 0 or len({local.utcoffset(), *near}) > 1:
            continue
        assert any(a <= at < b for a, b in spans) == _plans(week, local.replace(tzinfo=None)), local


def _plans(week: list[dict[str, Any]], local: datetime) -> bool:
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        minute = back * 1440 + local.hour * 60 + local.minute
        for shift in week:
            if list(NIGHT["days"])[day.weekday()] not in shift["days"]:
                continue
            begin = _minutes(shift["from"])
            end = begin + ((_minutes(shift["to"]) - begin) % 1440 or 1440)
            if not begin <= minute < end:
                continue
            pauses = [((_minutes(p["from"]) - begin) % 1440, (_minutes(p["to"]) - begin) % 1440) for p in shift.get("breaks", [])]
            if not any(a <= minute - begin < b for a, b in pauses):
                return True
    return False


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


@given(_weeks(), st.sampled_from(ZONES), st.sampled_from(_CHANGES), st.lists(st.integers(0, 4 * 86_400), max_size=4))
def test_pieces_of_a_span_plan_what_the_whole_span_plans(week: list[dict[str, Any]], zone: str, day: date, cuts: list[int]) -> None:
    one = calendar(week, zone)
    begin = us(f"{day.isoformat()}T00:00+00:00") - 2 * DAY_US
    edges = sorted({begin, begin + 4 * DAY_US, *(begin + cut * 1_000_000 for cut in cuts)})
    whole = sum(b - a for a, b in one.planned(edges[0], edges[-1]))
    assert whole == sum(b - a for left, right in pairwise(edges) for a, b in one.planned(left, right))
    shifts = one.shifts(edges[0], edges[-1])
    assert all(a.to_us <= b.from_us for a, b in pairwise(shifts))


@given(st.sampled_from(ZONES), st.one_of(st.sampled_from(_CHANGES), st.dates(date(1995, 1, 1), date(2040, 1, 1))))
def test_a_shift_round_the_clock_covers_each_moment_once_whatever_the_clock_does(zone: str, day: date) -> None:
    one = calendar([NIGHT | {"from": "02:30", "to": "02:30"}], zone)
    begin = us(f"{day.isoformat()}T00:00+00:00") - DAY_US
    assert one.planned(begin, begin + 3 * DAY_US) == [(begin, begin + 3 * DAY_US)]
