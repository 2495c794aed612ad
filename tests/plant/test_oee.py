"""Where time went: it adds up to calendar time to the microsecond, and every figure is one of ISO 22400-2."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.calendar_rules import calendar_of
from plant.calendars import ShiftCalendar
from plant.equipment import EquipmentId
from plant.losses import Planned, Slice, Word, slices
from plant.oee import Made, grouped, oee, pareto
from plant.settings_calendars import CalendarSettings
from plant.signals import SignalPath
from plant.states import Counter, EquipmentState, Loss, MicroStops, OperationMode, Reason, ReasonTree, StateInterval, StateModel

E = EquipmentId("a/b/c/d/mill")
S, M = EquipmentState, OperationMode
SECOND = 1_000_000
HOUR = 3600 * SECOND
COUNTER = Counter(SignalPath(f"{E}/parts"))
MODEL = StateModel(E, (), micro_stop_us=60 * SECOND, good=(COUNTER,), scrap=(COUNTER,), run_times=(("*", 60 * SECOND),))
REASONS = ReasonTree(
    (Reason("setup", loss=Loss.SETUP), Reason("stop", loss=Loss.BREAKDOWN), Reason("stop/belt"), Reason("break", loss=Loss.IDLE))
)
DAY = 1_792_800_000 * SECOND  # 2026-10-24 00:00 UTC, the day before the clocks of Europe are set back


def calendar(zone: str = "UTC", **changes: Any) -> ShiftCalendar:
    shifts = [
        {"name": "early", "from": "06:00", "to": "14:00", "days": ["mon", "fri", "sat"], "breaks": [{"from": "10:00", "to": "10:30"}]},
        {"name": "night", "from": "22:00", "to": "06:00", "days": ["fri", "sat", "sun"], "breaks": [{"from": "02:15", "to": "02:45"}]},
    ]
    return calendar_of(CalendarSettings.model_validate({"name": "c", "shifts": shifts} | changes), zone)


def interval(
    begin: float, end: float, state: EquipmentState, reason: str = "", mode: OperationMode = M.PROCESSING, **more: Any
) -> StateInterval:
    return StateInterval(E, DAY + round(begin * SECOND), DAY + round(end * SECOND), state, mode, reason, **more)


def made(at: float, kind: str, pieces: int = 1, product: str = "") -> Made:
    return Made(E, DAY + round(at * SECOND), kind, product, "", pieces)


def cut(
    intervals: list[StateInterval], hours: tuple[float, float], *words: Word, model: StateModel = MODEL, plan: bool = True
) -> list[Slice]:
    span = (DAY + round(hours[0] * HOUR), DAY + round(hours[1] * HOUR))
    return slices(model, REASONS, calendar() if plan else None, intervals, words, span)


def test_the_figures_of_a_shift_are_those_worked_out_by_hand() -> None:
    """Eight hours with a break of 30 minutes: 6 h production, 30 min setup, 40 min breakdown, the rest without an order."""
    at = 6 * 3600.0
    shift = [
        interval(at, at + 1800, S.EXECUTE, mode=M.SETUP),
        interval(at + 1800, at + 4 * 3600, S.EXECUTE),
        interval(at + 4 * 3600, at + 4.5 * 3600, S.IDLE),
        interval(at + 4.5 * 3600, at + 4.5 * 3600 + 2400, S.ABORTED, "stop/belt"),
        interval(at + 4.5 * 3600 + 2400, at + 7.667 * 3600, S.EXECUTE),
        interval(at + 7.667 * 3600, at + 8 * 3600, S.IDLE),
    ]
    pieces = [made(at + 3600, "good", 300), made(at + 7 * 3600, "scrap", 15), made(at - 3600, "good", 7)]
    found = oee(cut(shift, (6, 14)), pieces, {E: MODEL})
    apt = 3.5 + (3.167 - 2 / 3)
    assert found.times.pbt_us == 7.5 * HOUR
    assert found.times.apt_us / HOUR == pytest.approx(apt)
    assert found.availability == pytest.approx(apt / 7.5)
    assert found.effectiveness == pytest.approx(315 / 60 / apt)
    assert found.quality_ratio == pytest.approx(300 / 315)
    assert found.oee == pytest.approx(300 / 60 / 7.5)
    assert found.nee == pytest.approx((apt + 0.5) / 7.5 * (315 / 60 / apt) * (300 / 315))
    assert found.utilization_efficiency == pytest.approx(apt / (apt + 0.5 + 2 / 3))
    assert found.allocation_efficiency == pytest.approx((apt + 0.5 + 2 / 3) / 7.5)
    assert found.technical_efficiency == pytest.approx(apt / (apt + 2 / 3))
    assert found.setup_ratio == pytest.approx(0.5 / (apt + 0.5))
    assert (found.failures, found.mttr_us, found.mtbf_us) == (1, 2400 * SECOND, found.times.apt_us)
    assert found.six_big_losses()["breakdowns"] == 2400 * SECOND


def test_without_a_planned_run_time_effectiveness_is_unknown_and_not_a_hundred_percent() -> None:
    found = oee(cut([interval(21_600, 50_400, S.EXECUTE)], (6, 14)), [made(25_000, "good", 9)], {E: replace(MODEL, run_times=())})
    assert (found.availability, found.effectiveness, found.oee) == (1.0, None, None)
    other = replace(MODEL, run_times=(("A", SECOND),))
    assert oee(cut([interval(21_600, 50_400, S.EXECUTE)], (6, 14)), [made(25_000, "good", 9, "B")], {E: other}).without_run_time == ("B",)
    assert [step.name for step in found.waterfall()][-1] == "production"


def test_more_than_the_planned_run_time_allows_is_told_as_a_wrong_setting_and_not_cut() -> None:
    found = oee(cut([interval(21_600, 50_400, S.EXECUTE)], (6, 14)), [made(25_000, "good", 900)], {E: MODEL})
    assert found.effectiveness == pytest.approx(2.0)
    assert found.run_time_is_wrong
    assert next(step.us for step in found.waterfall() if step.name == "speed") == -int(7.5 * HOUR)


def test_what_nobody_knows_is_no_production_and_bounds_are_given() -> None:
    found = oee(cut([interval(21_600, 25_200, S.EXECUTE)], (6, 14)), [], {E: MODEL})
    assert found.times.unknown_us == 6.5 * HOUR
    assert found.availability == pytest.approx(1 / 7.5)
    assert found.availability_at_most == pytest.approx(1.0)


def test_a_short_stop_between_two_runs_is_a_minor_stop_and_a_longer_one_is_not() -> None:
    run = [interval(21_600, 22_000, S.EXECUTE), interval(22_000, 22_059, S.HELD), interval(22_059, 23_000, S.EXECUTE)]
    long = [*run, interval(23_000, 23_061, S.HELD), interval(23_061, 24_000, S.EXECUTE), interval(24_000, 24_010, S.HELD)]
    found = cut(long, (6, 6 + 2410 / 3600))
    assert [one.loss for one in found] == [
        *(Loss.PRODUCTION, Loss.MINOR_STOP, Loss.PRODUCTION, Loss.WAITING, Loss.PRODUCTION, Loss.WAITING)
    ]
    figures = oee(found, [], {E: MODEL})
    assert (figures.minor_stops, figures.times.adet_us) == (1, 130 * SECOND)


def test_minor_stops_lower_effectiveness_where_the_settings_say_so() -> None:
    model = replace(MODEL, micro_stops=MicroStops.EFFECTIVENESS)
    stops = [interval(21_600, 22_000, S.EXECUTE), interval(22_000, 22_050, S.HELD), interval(22_050, 50_400, S.EXECUTE)]
    found = oee(cut(stops, (6, 14), model=model), [made(25_000, "good", 60)], {E: model})
    assert found.availability == 1.0
    assert _lost(found.waterfall()) == 0
    assert next(step.us for step in found.waterfall() if step.name == "minor_stop_in_production") == 50 * SECOND


def test_a_persons_word_moves_time_between_losses_and_never_out_of_planned_time() -> None:
    stop = [interval(21_600, 30_000, S.EXECUTE), interval(30_000, 33_000, S.ABORTED, "stop/belt"), interval(33_000, 50_400, S.EXECUTE)]
    before, said = cut(stop, (6, 14)), cut(stop, (6, 14), Word(1, DAY + 31_000 * SECOND, DAY + 32_000 * SECOND, "setup"))
    assert oee(before, [], {E: MODEL}).times.pbt_us == oee(said, [], {E: MODEL}).times.pbt_us
    assert oee(said, [], {E: MODEL}).times.aust_us == 1000 * SECOND
    assert [(one.reason, one.told_reason) for one in said if one.word is not None] == [("setup", "stop/belt")]
    taken_back = [Word(1, DAY, DAY + 90_000 * SECOND, "setup"), Word(2, DAY, DAY + 90_000 * SECOND, "")]
    assert cut(stop, (6, 14), *taken_back) == before


def test_the_pareto_adds_up_to_all_that_was_lost_and_counts_stops() -> None:
    stops = [interval(n, n + 900, S.ABORTED if n % 3600 else S.IDLE, "stop" if n % 3600 else "") for n in range(21_600, 50_400, 1800)]
    runs = [interval(n + 900, n + 1800, S.EXECUTE) for n in range(21_600, 50_400, 1800)]
    found = cut(sorted([*stops, *runs], key=lambda one: one.from_us), (6, 14))
    lines = pareto(found)
    assert sum(line.us for line in lines) == sum(
        one.us for one in found if one.planned is Planned.SHIFT and one.loss is not Loss.PRODUCTION
    )
    assert [(line.loss, line.reason, line.stops) for line in lines] == [(Loss.BREAKDOWN, "stop", 8), (Loss.IDLE, "", 7)]


def test_production_outside_of_planned_time_is_shown_and_in_no_figure() -> None:
    found = oee(cut([interval(14 * 3600, 16 * 3600, S.EXECUTE)], (14, 20)), [made(15 * 3600, "good", 5)], {E: MODEL})
    assert (found.times.pbt_us, found.times.produced_unplanned_us, found.pieces_unplanned) == (0, 2 * HOUR, 5)
    assert (found.availability, found.oee, found.quantities.produced) == (None, None, 0)


_STATES = st.tuples(st.sampled_from(list(S)), st.sampled_from([M.PROCESSING, M.SETUP]), st.sampled_from(["", "setup", "stop/belt"]))


@st.composite
def _sequences(draw: st.DrawFn) -> list[StateInterval]:
    """Intervals of any states over two days, with holes."""
    edges = sorted(draw(st.sets(st.integers(-3600, 50 * 3600), min_size=2, max_size=25)))
    found = []
    for begin, end in pairwise(edges):
        if draw(st.integers(0, 5)):
            state, mode, reason = draw(_STATES)
            found.append(
                interval(begin, end + draw(st.sampled_from([0, 0, -0.000001])), state, reason, mode, product=draw(st.sampled_from("AB")))
            )
    return found


_WORDS = st.lists(st.tuples(st.integers(0, 48 * 3600), st.integers(1, 20_000), st.sampled_from(["", "setup", "stop"])), max_size=4)
_MADE = st.lists(st.tuples(st.integers(0, 48 * 3600), st.sampled_from(["good", "scrap", "rework"]), st.sampled_from("AB")), max_size=12)


@given(
    _sequences(), _WORDS, _MADE, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", None]), st.sampled_from(list(MicroStops))
)
def test_times_and_pieces_add_up_exactly_whatever_happens(
    history: list[StateInterval], drawn: list[tuple[int, int, str]], pieces: list[tuple[int, str, str]], zone: str | None, minor: MicroStops
) -> None:
    model = replace(MODEL, micro_stops=minor, micro_stop_us=1800 * SECOND, rework=(COUNTER,))
    words = [Word(n, DAY + a * SECOND, DAY + (a + b) * SECOND, reason) for n, (a, b, reason) in enumerate(drawn)]
    plan = None if zone is None else calendar(zone)
    span = (DAY + 17, DAY + 47 * HOUR + 3)
    found = slices(model, REASONS, plan, history, words, span)
    assert found[0].from_us == span[0]
    assert found[-1].to_us == span[1]
    assert all(a.to_us == b.from_us and a.us > 0 for a, b in pairwise(found))
    output = [made(t, kind, 1, product) for t, kind, product in pieces]
    figures = oee(found, output, {E: model})
    t = figures.times
    assert t.calendar_us == span[1] - span[0] == t.not_planned_us + t.break_us + t.pbt_us
    assert t.pbt_us == (sum(b - a for a, b in plan.planned(*span)) if plan else t.calendar_us) == sum(t.losses.values())
    assert t.pbt_us == t.aubt_us + t.adot_us + t.unknown_us
    assert t.aubt_us == t.apt_us + t.aust_us + t.adet_us
    assert _lost(figures.waterfall()) == 0
    q = figures.quantities
    assert q.produced == (q.good or 0) + (q.scrap or 0) + (q.rework or 0)
    in_span = sum(1 for m in output if span[0] <= m.time_us < span[1])
    assert (q.produced or 0) + figures.pieces_unplanned == in_span
    by_product = grouped(found, output, {E: model}, lambda one: one.product, lambda one: one.product)
    assert sum(one.times.calendar_us for one in by_product.values()) == t.calendar_us
    days = {one.from_us: one for one in found}
    assert sum(line.us for line in pareto(days.values())) == t.pbt_us - t.losses.get(Loss.PRODUCTION, 0)


def _lost(steps: list[Any]) -> int:
    """What is left of calendar time after all losses but for what the last sum says: 0 where the waterfall adds up; each sum is checked."""
    left = steps[0].us
    for step in steps[1:]:
        if step.is_sum:
            assert step.us == left, step
        else:
            left -= step.us
    return int(left - steps[-1].us)


def test_the_night_in_which_the_clock_is_set_back_has_an_hour_more_to_lose() -> None:
    night = calendar("Europe/Berlin", exceptions=[])
    begin = int(datetime(2026, 10, 24, 20, tzinfo=UTC).timestamp()) * SECOND
    found = slices(MODEL, REASONS, night, [], [], (begin, begin + 9 * HOUR))
    assert oee(found, [], {E: MODEL}).times.pbt_us == 8.5 * HOUR
