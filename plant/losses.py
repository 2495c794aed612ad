"""Where time went: the whole of a span cut into pieces of planned and lost time, each moment exactly once, in whole microseconds.

The time model is that of ISO 22400-2. Planned busy time PBT is what the shift calendar plans without its breaks. Within it:

    PBT  = AUBT + ADOT + unknown     AUBT actual unit busy time, ADOT actual unit down time (available, but without an order)
    AUBT = AUPT + ADET               AUPT actual unit processing time, ADET actual unit delay time (malfunctions, minor stops, waiting)
    AUPT = APT + AUST                APT actual production time, AUST actual unit setup time

What a person says afterwards moves time between losses, never between planned and not planned.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from plant.calendars import Shift, ShiftCalendar
from plant.equipment import EquipmentId
from plant.states import EquipmentState, Loss, OperationMode, ReasonTree, StateInterval, StateModel, loss_of

MINOR_STOPS_OF: Final = frozenset({Loss.WAITING, Loss.IDLE, Loss.BREAKDOWN})
"""What a short stop may count as, for it to be a minor stop: who sets up or maintains does not stop by chance."""


class Planned(StrEnum):
    """What the calendar says of a moment."""

    SHIFT = "shift"
    BREAK = "break"
    NOT_PLANNED = "not_planned"


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said of a span; the one with the highest number holds."""

    id: int
    from_us: int
    to_us: int
    reason: str
    """Empty takes back what was said before."""
    note: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of time of one equipment in which nothing changes."""

    equipment: EquipmentId
    from_us: int
    to_us: int
    planned: Planned
    shift: Shift | None
    loss: Loss
    state: EquipmentState
    mode: OperationMode
    reason: str
    """As a person said it, else as the rules told it."""
    told_reason: str
    """As the rules told it."""
    product: str
    order: str
    part: str
    word: int | None
    """Number of what a person said."""
    stop_us: int
    """When the stop, or the run of production, began that this is a piece of: pieces of one stop have the same."""

    @property
    def us(self) -> int:
        """How long it is."""
        return self.to_us - self.from_us


def slices(
    model: StateModel,
    reasons: ReasonTree,
    calendar: ShiftCalendar | None,
    intervals: Sequence[StateInterval],
    words: Iterable[Word],
    span: tuple[int, int],
) -> list[Slice]:
    """Return a span of one equipment, whole, without holes and in order.

    ``intervals`` should reach ``model.micro_stop_us`` beyond both ends, so that a stop at an end is judged by its whole length. What no
    interval covers is UNKNOWN. Without a calendar all time is planned.
    """
    from_us, to_us = span
    if from_us >= to_us:
        return []
    plan = list(_plan(calendar, from_us, to_us))
    known = list(_filled(model.equipment, intervals, min(from_us, intervals[0].from_us) if intervals else from_us, to_us))
    said = _flat(words)
    pieces = _cut(known, said, reasons)
    pieces = _judged(pieces, model.micro_stop_us)
    return list(_planned(pieces, plan, from_us, to_us))


def _plan(calendar: ShiftCalendar | None, from_us: int, to_us: int) -> Iterator[tuple[int, int, Planned, Shift | None]]:
    """Yield what is planned when, without holes."""
    if calendar is None:
        yield from_us, to_us, Planned.SHIFT, None
        return
    at = from_us
    for shift in calendar.shifts(from_us, to_us):
        begin, end = max(shift.from_us, from_us), min(shift.to_us, to_us)
        if at < begin:
            yield at, begin, Planned.NOT_PLANNED, None
        at = begin
        for planned_from, planned_to in shift.planned():
            first, last = max(planned_from, from_us), min(planned_to, to_us)
            if first >= last:
                continue
            if at < first:
                yield at, first, Planned.BREAK, shift
            yield first, last, Planned.SHIFT, shift
            at = last
        if at < end:
            yield at, end, Planned.BREAK, shift
        at = end
    if at < to_us:
        yield at, to_us, Planned.NOT_PLANNED, None


def _filled(equipment: EquipmentId, intervals: Sequence[StateInterval], from_us: int, to_us: int) -> Iterator[StateInterval]:
    """Yield the intervals with what is not known between them."""
    at = from_us
    for one in intervals:
        if one.from_us > at:
            yield _unknown(equipment, at, one.from_us)
        if one.to_us > at:
            yield replace(one, from_us=max(at, one.from_us))
            at = one.to_us
    if at < to_us:
        yield _unknown(equipment, at, to_us)


def _unknown(equipment: EquipmentId, from_us: int, to_us: int) -> StateInterval:
    return StateInterval(equipment, from_us, to_us, EquipmentState.UNKNOWN, OperationMode.NONE, "", since_us=from_us)


def _flat(words: Iterable[Word]) -> list[Word]:
    """Return what was said as spans that do not overlap: the newest word holds, an empty one leaves nothing."""
    flat: list[Word] = []
    for word in sorted(words, key=lambda one: one.id):
        rest: list[Word] = []
        for old in flat:
            if old.to_us <= word.from_us or old.from_us >= word.to_us:
                rest.append(old)
                continue
            if old.from_us < word.from_us:
                rest.append(replace(old, to_us=word.from_us))
            if old.to_us > word.to_us:
                rest.append(replace(old, from_us=word.to_us))
        flat = [*rest, word]
    return sorted((word for word in flat if word.reason), key=lambda one: one.from_us)


def _cut(intervals: Iterable[StateInterval], words: Sequence[Word], reasons: ReasonTree) -> list[Slice]:
    """Return the intervals cut where a person's word begins or ends, with what each counts as but for minor stops."""
    found: list[Slice] = []
    begins = [word.from_us for word in words]
    losses: dict[tuple[EquipmentState, OperationMode, str, bool], Loss] = {}
    for one in intervals:
        edges = [one.from_us, one.to_us]
        if words:
            first = max(0, bisect_right(begins, one.from_us) - 1)
            for word in words[first:]:
                if word.from_us >= one.to_us:
                    break
                edges += [edge for edge in (word.from_us, word.to_us) if one.from_us < edge < one.to_us]
        for begin, end in pairwise(sorted(set(edges))):
            place = bisect_right(begins, begin) - 1
            word_or_none = words[place] if place >= 0 and begin < words[place].to_us else None
            reason = one.reason if word_or_none is None else word_or_none.reason
            key = (one.state, one.mode, reason, word_or_none is not None)
            if key not in losses:
                losses[key] = _loss(*key, reasons)
            found.append(
                Slice(
                    *(one.equipment, begin, end, Planned.SHIFT, None, losses[key], one.state, one.mode, reason, one.reason),
                    *(one.product, one.order, one.part, None if word_or_none is None else word_or_none.id, begin),
                )
            )
    return found


def _loss(state: EquipmentState, mode: OperationMode, reason: str, said: bool, reasons: ReasonTree) -> Loss:
    """Return what time counts as. A reason moves time between losses; production and what nobody knows only a person can call otherwise."""
    told = loss_of(state, mode)
    if not reason or (told in {Loss.PRODUCTION, Loss.UNKNOWN} and not said):
        return told
    return reasons.loss(reason) or told


def _judged(pieces: list[Slice], limit_us: int) -> list[Slice]:
    """Return the pieces with the begin of their stop, and short stops between two runs of production as minor stops."""
    found: list[Slice] = []
    at = 0
    while at < len(pieces):
        end = at
        runs = pieces[at].loss is Loss.PRODUCTION
        while end < len(pieces) and (pieces[end].loss is Loss.PRODUCTION) == runs:
            end += 1
        run = pieces[at:end]
        minor = (
            not runs
            and at > 0
            and end < len(pieces)
            and run[-1].to_us - run[0].from_us < limit_us
            and all(piece.loss in MINOR_STOPS_OF and piece.word is None for piece in run)
        )
        begin = run[0].from_us
        for number, piece in enumerate(run):
            if not runs and not minor and number and piece.loss is not run[number - 1].loss:
                begin = piece.from_us
            found.append(replace(piece, loss=Loss.MINOR_STOP if minor else piece.loss, stop_us=begin))
        at = end
    return found


def _planned(pieces: Iterable[Slice], plan: Sequence[tuple[int, int, Planned, Shift | None]], from_us: int, to_us: int) -> Iterator[Slice]:
    """Yield the pieces within the span, cut where the plan changes."""
    place = 0
    for piece in pieces:
        at, end = max(piece.from_us, from_us), min(piece.to_us, to_us)
        while at < end:
            while plan[place][1] <= at:
                place += 1
            _, until, planned, shift = plan[place]
            stop = min(end, until)
            yield replace(piece, from_us=at, to_us=stop, planned=planned, shift=shift)
            at = stop
