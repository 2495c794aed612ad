"""What holds on work units, as constraints: one operation at a time, closed time, and work that pauses over it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer import plan_model_setups
from optimizer.plan_closed import Span, merged
from optimizer.plan_solver import Interval, Linear, Pause, Var

if TYPE_CHECKING:
    from optimizer.plan_model import Writing


@dataclass(frozen=True, slots=True)
class Doing:
    """An operation done by a mode, where ``literal`` says so."""

    operation: int
    mode: int
    literal: Var


def write(writing: Writing) -> None:
    """Write all that holds on units."""
    shape = writing.shape
    writing.setups = [0] * len(shape.job)
    writing.begins = list(writing.start)
    on_unit: list[list[Doing]] = [[] for _ in shape.problem.units]
    for at, done_by in enumerate(writing.done_by):
        for mode, literal in done_by.items():
            on_unit[shape.unit[mode]].append(Doing(at, mode, literal))
    for unit, doings in enumerate(on_unit):
        if doings:
            _unit(writing, unit, doings)
    _durations(writing)


def pauses(writing: Writing) -> int:
    """Return how often an operation could lie before, over or after a closed time of its unit."""
    shape, total = writing.shape, 0
    for at, modes in enumerate(shape.modes):
        if shape.start[at] is not None or (writing.since is not None and writing.low[at] < writing.since):
            continue
        for mode in modes if writing.free[at] else [writing.known_mode(at)]:
            unit = shape.problem.units[shape.unit[mode]]
            if mode >= 0 and unit.pauses:
                total += sum(high > writing.low[at] and low < writing.high[at] for low, high in unit.closed)
    return total


def _unit(writing: Writing, unit: int, doings: list[Doing]) -> None:
    """Write that a unit does one at a time, in open time, with the setups that this needs."""
    shape, draft = writing.shape, writing.draft
    kept = [one for one in doings if not writing.free[one.operation] and writing.known_mode(one.operation) == one.mode]
    order = sorted(kept, key=lambda one: _when(writing, one))
    for one, two in pairwise(order):
        if not (shape.started[one.operation] and shape.started[two.operation]) and not writing.gone(two.operation):
            draft.where(writing.start[two.operation] >= writing.end[one.operation])
    needed = plan_model_setups.write(writing, unit, doings, order)
    if writing.makespan is not None and writing.since is None:
        # Redundant, and what makes the bound good: a unit cannot do all its work in less than that.
        load = sum(shape.duration[one.mode] * one.literal for one in doings if not shape.locked[one.operation])
        idle = max(0, shape.problem.now, min((shape.earliest(one.operation) for one in doings), default=0))
        draft.where(load + idle + needed.load <= writing.makespan)
    _one_at_a_time(writing, unit, doings, needed.before, chained=len(order) == len(doings))


def _one_at_a_time(writing: Writing, unit: int, doings: list[Doing], setups: dict[int, plan_model_setups.Setup], *, chained: bool) -> None:
    """Write that nothing overlaps on a unit, setups and closed time among it; where all keep their order that is told already."""
    shape, draft, place = writing.shape, writing.draft, writing.shape.problem.units[unit]
    closed = shape.closed(unit)
    intervals: list[Interval] = []
    settings: list[Interval] = []
    for one in doings:
        at = one.operation
        if (shape.started[at] and shape.start[at] is not None) or writing.gone(at):
            continue
        size = _size(writing, one, closed)
        setup = setups.get(at)
        if setup is None:
            intervals.append(draft.span(writing.start[at], size, writing.end[at], one.literal))
            continue
        whole = size + setup.ticks
        if not isinstance(size, int) and not isinstance(setup.ticks, int):
            whole = draft.number(0, 2 * shape.horizon, writing.known_end(at) - writing.known_start(at))
            draft.model.add(whole == size + setup.ticks)
        intervals.append(draft.span(setup.begins, whole, writing.end[at], one.literal))
        settings.append(draft.span(setup.begins, setup.ticks, writing.start[at], one.literal))
    blocks = [draft.block(*span) for span in closed]
    gone = sorted(span for one in doings if writing.gone(one.operation) and (span := writing.stands(one.operation)))
    # Of what lies before a window the last is enough: all that can move starts after it did.
    intervals += [draft.block(*span) for span in merged([*shape.facts_on(unit), *gone[-1:]])]
    if not chained or setups or (blocks and not place.pauses):
        draft.model.add_no_overlap(intervals if place.pauses else [*intervals, *blocks])
    if blocks and settings and place.pauses:
        draft.model.add_no_overlap([*settings, *blocks])


def _when(writing: Writing, one: Doing) -> tuple[int, int]:
    return writing.known_start(one.operation), writing.known_end(one.operation)


def _size(writing: Writing, one: Doing, closed: tuple[Span, ...]) -> Linear:
    """Return how long an operation is on its unit; where work pauses, that is what it takes and what it spans."""
    shape, draft = writing.shape, writing.draft
    at, mode = one.operation, one.mode
    stands = writing.stands(at)
    if stands is not None:
        return stands[1] - stands[0]
    duration = shape.duration[mode]
    spans = [span for span in closed if span[1] > writing.low[at] and span[0] < writing.high[at]]
    if not (shape.problem.units[shape.unit[mode]].pauses and spans):
        return duration
    known_start, known_end = writing.known_start(at), writing.known_end(at)
    known = writing.known_mode(at) == mode
    pauses = writing.pauses[mode] = []
    for low, high in spans:
        spanned = draft.either(known and known_start < low and known_end > high)
        earlier = draft.either(known and known_end <= low)
        later = draft.either(known and known_start >= high)
        draft.model.add(spanned + earlier + later == one.literal)
        draft.where(writing.end[at] <= low, earlier)
        draft.where(writing.start[at] >= high, later)
        draft.where(writing.start[at] < low, spanned)
        draft.where(writing.end[at] > high, spanned)
        pauses.append(Pause(earlier, spanned, later, low, high))
    paused = draft.number(0, sum(high - low for low, high in spans), max(known_end - known_start - duration, 0) if known else 0)
    draft.model.add(paused == sum((one.high - one.low) * one.spanned for one in pauses))
    return duration + paused


def _durations(writing: Writing) -> None:
    """Write how long each operation takes for all its modes at once: so the relaxation knows sums along a job."""
    shape, draft = writing.shape, writing.draft
    for at, done_by in enumerate(writing.done_by):
        units = [shape.problem.units[shape.unit[mode]] for mode in done_by]
        if writing.stands(at) is not None or not done_by:
            continue
        if any(unit.pauses and unit.closed for unit in units):
            draft.where(writing.end[at] >= writing.start[at] + sum(shape.duration[mode] * yes for mode, yes in done_by.items()))
        elif len(lengths := {shape.duration[mode] for mode in done_by}) == 1:
            draft.where(writing.end[at] == writing.start[at] + lengths.pop())
        else:
            draft.where(writing.end[at] == writing.start[at] + sum(shape.duration[mode] * yes for mode, yes in done_by.items()))
