"""Whom a station needs, from all that is known of it: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.viewing_andon import LONGEST_WAIT_US, Doing, Seen, doing, needs, output, severity_of, takt
from plant.equipment import EquipmentId
from plant.signals import SignalPath
from plant.states import Counter, EquipmentState, Loss, OperationMode, Reason, ReasonTree, StateInterval, StateModel
from storage.andon_board import Held, Pieces
from storage.andon_calls import Call, Whom

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
UNIT = EquipmentId("a/b/c/d/e")
MODEL = StateModel(
    UNIT, (), micro_stop_us=120 * SECOND, good=(Counter(SignalPath("a/b/c/d/e/good")),), run_times=(("A", 60 * SECOND), ("B", 120 * SECOND))
)
REASONS = ReasonTree((Reason("stop", {}, Loss.WAITING), Reason("break", {}, Loss.IDLE)))
CALL = Call(7, UNIT, Whom.QUALITY, "pores", NOW - 5 * SECOND, "Li", None, "", None, "", "")


def _interval(state: EquipmentState, reason: str = "", seconds: int = 600) -> StateInterval:
    begin = NOW - seconds * SECOND
    return StateInterval(UNIT, begin, NOW, state, OperationMode.PROCESSING, reason, "A", "", "", begin)


def _whom(seen: Seen) -> list[tuple[str, str, int]]:
    return [(one.whom, one.why, one.severity) for one in needs(seen, NOW)]


@pytest.mark.parametrize(
    ("interval", "late", "loss"),
    [
        (_interval(EquipmentState.EXECUTE), False, Loss.PRODUCTION),
        (_interval(EquipmentState.ABORTED), False, Loss.BREAKDOWN),
        (_interval(EquipmentState.ABORTED, seconds=60), False, Loss.MINOR_STOP),
        (_interval(EquipmentState.STOPPED, "break"), False, Loss.IDLE),
        (_interval(EquipmentState.EXECUTE), True, Loss.UNKNOWN),
        (None, True, Loss.UNKNOWN),
    ],
)
def test_what_a_station_does_is_told_as_the_losses_tell_it(interval: StateInterval | None, late: bool, loss: Loss) -> None:
    assert doing(MODEL, interval, REASONS, late=late).loss is loss


def test_a_breakdown_needs_maintenance_at_once_and_a_long_wait_somebody_by_where_it_comes_from() -> None:
    assert _whom(Seen(doing(MODEL, _interval(EquipmentState.ABORTED), REASONS, late=False))) == [("maintenance", "breakdown", 3)]
    starved, held = (doing(MODEL, _interval(state), REASONS, late=False) for state in (EquipmentState.SUSPENDED, EquipmentState.HELD))
    assert _whom(Seen(starved)) == [("material", "waiting", 2)]
    assert _whom(Seen(held)) == [("lead_hand", "waiting", 2)]
    assert _whom(Seen(starved, run_us=700 * SECOND)) == []  # a piece takes longer than that
    assert _whom(Seen(replace(starved, since_us=NOW - LONGEST_WAIT_US))) == []
    assert _whom(Seen(starved, planned_now=False)) == []  # a break


def test_who_was_called_stands_once_and_before_all_else() -> None:
    broken = doing(MODEL, _interval(EquipmentState.ABORTED, "stop/x"), ReasonTree(), late=False)
    held = Held(3, NOW - 60 * SECOND)
    found = needs(Seen(broken, calls=[CALL], joints=held, pictures=held, words={"stop/x": "torch"}), NOW)
    assert [(one.whom, one.why, one.call, one.words) for one in found] == [
        ("maintenance", "breakdown", None, "torch"),
        ("quality", "call", 7, "pores"),
    ]
    silent = replace(CALL, note="", whom=Whom.MAINTENANCE, answerer="Wang", answered_us=NOW)
    (one,) = needs(Seen(broken, calls=[silent], words={"stop/x": "torch"}), NOW)
    assert (one.why, one.words, one.answerer, one.severity) == ("call", "torch", "Wang", 2)


def test_what_nobody_knows_of_is_no_need_and_no_colour() -> None:
    unknown = doing(MODEL, None, REASONS, late=True)
    assert severity_of(unknown, needs(Seen(unknown), NOW)) == 1
    assert severity_of(None, ()) == 0


def test_pace_counts_what_was_set_up_when_and_what_is_set_up_now_until_the_end() -> None:
    now = Doing(Loss.PRODUCTION, "", NOW - 600 * SECOND, product="B")
    pieces = Pieces({"good": 28, "scrap": 2, "undecided": 5}, NOW - 30 * SECOND)
    shown = output(MODEL, pieces, {"A": 1800.0, "B": 600.0}, 3600 * SECOND, now, counts=True)
    assert shown is not None
    assert (shown.made, shown.scrap, shown.planned, shown.planned_whole) == (30, 2, 35, 65)
    unknown: Any = output(MODEL, pieces, {"C": 600.0}, 0, now, counts=True)
    assert (unknown.made, unknown.planned, unknown.planned_whole) == (30, None, None)
    assert output(MODEL, pieces, {}, 0, now, counts=False) is None


def test_the_takt_begins_with_the_last_piece_and_stands_while_nothing_is_made() -> None:
    now = Doing(Loss.PRODUCTION, "", NOW - 600 * SECOND, product="A")
    shown = takt(now, 60 * SECOND, Pieces({"good": 1}, NOW - 30 * SECOND))
    assert shown is not None
    assert shown.begin_us == NOW - 30 * SECOND
    assert takt(replace(now, loss=Loss.WAITING), 60 * SECOND, None) is None
    assert takt(now, None, None) is None
