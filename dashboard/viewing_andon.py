"""From what the plant does to what its board says: whom each station needs, why, and since when. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dashboard.viewing_alarms import UNSEEN
from dashboard.views_andon import AnswersView, CallView, NeedView, OutputView, Severity, ShiftNowView, TaktView, Why
from plant.alarms import AlarmState, Priority
from plant.calendars import Shift
from plant.states import EquipmentState, Loss, ReasonTree, StateInterval, StateModel, loss_of
from storage.alarms import Standing
from storage.andon_board import Held, Pieces
from storage.andon_calls import Answers, Call, Whom

LONGEST_WAIT_US: Final = 60_000_000
"""A station that waits longer than this, and longer than a piece takes, needs somebody."""
_PIECES_MADE: Final = ("good", "scrap", "rework")
_TOLD_TO: Final[Mapping[str, Whom]] = {"condition": Whom.MAINTENANCE, "chart": Whom.QUALITY}
"""Whom alarms of a kind are for; all others are the lead hand's."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a station does now."""

    loss: Loss
    reason: str
    since_us: int | None
    outside: bool = False
    """Whether what holds it up lies outside of it: starved or blocked."""
    product: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known of one station."""

    doing: Doing | None
    """None where no states are followed."""
    run_us: int | None = None
    planned_now: bool = True
    """Whether production is planned at this moment."""
    alarms: Sequence[Standing] = ()
    calls: Sequence[Call] = ()
    joints: Held | None = None
    pictures: Held | None = None
    words: Mapping[str, str] = field(default_factory=dict)


def doing(model: StateModel, interval: StateInterval | None, reasons: ReasonTree, *, late: bool) -> Doing:
    """Return what a station does; ``late``: nothing was heard for so long that its last state says nothing any more."""
    if interval is None or late:
        return Doing(Loss.UNKNOWN, "", None if interval is None else interval.to_us)
    told = loss_of(interval.state, interval.mode)
    loss = told if told in {Loss.PRODUCTION, Loss.UNKNOWN} else reasons.loss(interval.reason) or told
    stopped_us = interval.to_us - interval.since_us
    if loss is Loss.BREAKDOWN and stopped_us < model.micro_stop_us:
        loss = Loss.MINOR_STOP
    outside = interval.state in {EquipmentState.SUSPENDED, EquipmentState.SUSPENDING}
    return Doing(loss, interval.reason, interval.since_us, outside, interval.product, interval.part)


def needs(seen: Seen, now_us: int) -> tuple[NeedView, ...]:
    """Return whom a station needs, the most urgent first; each kind of help stands there once, a call before all else."""
    found: dict[Whom, NeedView] = {}
    for need in sorted(_needs(seen, now_us), key=lambda one: (one.call is None, -one.severity, one.since_us or 0)):
        known = found.setdefault(Whom(need.whom), need)
        if known is not need and known.why == "call" and not known.words and need.words:
            found[Whom(need.whom)] = replace(known, words=need.words)
    return tuple(sorted(found.values(), key=lambda one: (-one.severity, one.since_us or 0)))


def severity_of(doing_now: Doing | None, wanted: Sequence[NeedView]) -> Severity:
    """Return how urgent a station is: its most urgent need, or that nobody knows what it does."""
    unknown: Severity = 1 if doing_now is not None and doing_now.loss is Loss.UNKNOWN else 0
    return max([unknown, *(one.severity for one in wanted)])


def takt(doing_now: Doing | None, run_us: int | None, pieces: Pieces | None) -> TaktView | None:
    """Return since when the piece is made that is made now: since the last one, or since it runs again after a longer stop."""
    if doing_now is None or doing_now.loss is not Loss.PRODUCTION or run_us is None:
        return None
    last_us = 0 if pieces is None else pieces.last_us
    begin_us = last_us or doing_now.since_us
    return None if begin_us is None else TaktView(run_us, begin_us)


def output(
    model: StateModel, pieces: Pieces | None, run_seconds: Mapping[str, float], rest_us: int, doing_now: Doing | None, *, counts: bool
) -> OutputView | None:
    """Return what a shift made against what planned run times allow; None where nothing is counted.

    ``run_seconds``: planned time so far by product; ``rest_us``: planned time still to come.
    """
    if not counts:
        return None
    by_kind = {} if pieces is None else pieces.by_kind
    made = by_kind.get("produced", 0) if model.produced else sum(by_kind.get(kind, 0) for kind in _PIECES_MADE)
    allowed: list[float | None] = [_pieces(seconds * 1e6, model.run_time_us(product)) for product, seconds in run_seconds.items()]
    known = [one for one in allowed if one is not None]
    planned = sum(known) if known else None
    rest = _pieces(rest_us, model.run_time_us("" if doing_now is None else doing_now.product))
    whole = None if planned is None or rest is None else int(planned + rest)
    return OutputView(made, by_kind.get("scrap", 0), None if planned is None else int(planned), whole)


def call_view(call: Call, names: Mapping[str, str]) -> CallView:
    """Return a call as people and programs see it."""
    return CallView(
        id=call.id,
        equipment=call.equipment,
        name=names.get(call.equipment, call.equipment.rpartition("/")[2]),
        whom=call.whom.value,
        note=call.note,
        called_us=call.called_us,
        caller=call.caller,
        answered_us=call.answered_us,
        answerer=call.answerer,
        done_us=call.done_us,
        ender=call.ender,
        outcome=call.outcome,
    )


def answers_view(one: Answers) -> AnswersView:
    """Return how soon one kind of help came."""
    spans = (one.answered_p50_seconds, one.answered_p90_seconds, one.done_p50_seconds)
    return AnswersView(one.whom.value, one.calls, one.answered, one.waiting, *spans)


def shift_views(shifts: Iterable[Shift], now_us: int) -> tuple[ShiftNowView, ...]:
    """Return the shifts that run, that of most stations first."""
    counted: dict[Shift, int] = {}
    for shift in shifts:
        counted[shift] = counted.get(shift, 0) + 1
    return tuple(
        ShiftNowView(one.name, one.team, one.from_us, one.to_us, any(begin <= now_us < end for begin, end in one.breaks), units)
        for one, units in sorted(counted.items(), key=lambda item: -item[1])
    )


def _pieces(span_us: float, run_us: int | None) -> float | None:
    return None if not run_us else span_us / run_us


def _needs(seen: Seen, now_us: int) -> Iterable[NeedView]:
    for call in seen.calls:
        yield NeedView(
            call.whom.value, "call", 2 if call.answerer else 3, call.called_us, call.note, 1, call.id, call.answerer, call.answered_us
        )
    if seen.doing is not None:
        yield from _standing_still(seen.doing, seen, now_us)
    yield from _alarms(seen.alarms)
    if seen.joints is not None:
        yield _need(Whom.QUALITY, "joints", 2, seen.joints.since_us, "", seen.joints.count)
    if seen.pictures is not None:
        yield _need(Whom.QUALITY, "pictures", 2, seen.pictures.since_us, "", seen.pictures.count)


def _standing_still(now: Doing, seen: Seen, now_us: int) -> Iterable[NeedView]:
    words = seen.words.get(now.reason, "")
    if now.loss is Loss.BREAKDOWN:
        yield _need(Whom.MAINTENANCE, "breakdown", 3, now.since_us, words)
    longest_us = max(LONGEST_WAIT_US, seen.run_us or 0)
    if now.loss is Loss.WAITING and seen.planned_now and now.since_us is not None and now_us - now.since_us > longest_us:
        yield _need(Whom.MATERIAL if now.outside else Whom.LEAD_HAND, "waiting", 2, now.since_us, words)


def _alarms(standings: Sequence[Standing]) -> Iterable[NeedView]:
    told: dict[Whom, list[Standing]] = {}
    for one in standings:
        if one.state in UNSEEN - {AlarmState.RETURNED} and one.definition.priority is not Priority.LOW:
            told.setdefault(_TOLD_TO.get(one.definition.kind.value, Whom.LEAD_HAND), []).append(one)
    for whom, some in told.items():
        first = min(some, key=lambda one: (one.definition.priority, one.since_us))
        urgent = first.definition.priority <= Priority.HIGH
        yield _need(whom, "alarms", 3 if urgent else 2, first.since_us or None, _about(first), len(some))


def _about(alarm: Standing) -> str:
    """Return what an alarm is about: its message, else the name of its signal."""
    return alarm.definition.message or alarm.definition.signal.rpartition("/")[2]


def _need(whom: Whom, why: Why, severity: Severity, since_us: int | None, words: str, count: int = 1) -> NeedView:
    return NeedView(whom.value, why, severity, since_us, words, count, None, "", None)
