"""People with skills, and fixtures, as constraints: people are free while work pauses, a fixture holds its part over a pause too."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from optimizer.plan_closed import Span, without
from optimizer.plan_solver import Interval, Var

if TYPE_CHECKING:
    from optimizer.plan_model import Writing


def write(writing: Writing) -> None:
    """Write that no more of a resource is needed at a time than is there."""
    shape, draft = writing.shape, writing.draft
    wanted: dict[int, list[tuple[Interval, int]]] = defaultdict(list)
    facts: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for at, done_by in enumerate(writing.done_by):
        for mode, literal in done_by.items():
            stands = writing.stands(at)
            if not shape.needs[mode] or (writing.gone(at) and stands is not None and stands[1] <= (writing.since or 0)):
                continue
            whole, pieces = _worked(writing, at, mode, literal)
            for resource, amount in shape.needs[mode]:
                used = whole if shape.problem.resources[resource].kind == "fixture" else pieces
                if shape.started[at] and shape.start[at] is not None:
                    facts[resource] += [(*span, amount) for span in _fixed(writing, at, mode, resource)]
                else:
                    wanted[resource] += [(one, amount) for one in used]
    for resource, found in wanted.items():
        place = shape.problem.resources[resource]
        away = [(draft.block(low, high), count) for low, high, count in _profile([*place.closed, *facts[resource]], place.capacity)]
        everything = [*found, *away]
        draft.model.add_cumulative([one for one, _ in everything], [count for _, count in everything], place.capacity)


def _fixed(writing: Writing, at: int, mode: int, resource: int) -> tuple[Span, ...]:
    """Return when an operation that stands fixed needs a resource."""
    shape = writing.shape
    span = writing.stands(at) or (0, 0)
    unit = shape.problem.units[shape.unit[mode]]
    if unit.pauses and shape.problem.resources[resource].kind != "fixture":
        return without([span], unit.closed)
    return (span,)


def _profile(spans: list[tuple[int, int, int]], capacity: int) -> list[tuple[int, int, int]]:
    """Return how many are gone when; of what is a fact no more than there are."""
    ticks = sorted({tick for low, high, _ in spans for tick in (low, high)})
    change: dict[int, int] = defaultdict(int)
    for low, high, count in spans:
        change[low] += count
        change[high] -= count
    gone, out = 0, []
    for low, high in itertools.pairwise(ticks):
        gone += change[low]
        if gone > 0:
            out.append((low, high, min(gone, capacity)))
    return out


def _worked(writing: Writing, at: int, mode: int, literal: Var) -> tuple[list[Interval], list[Interval]]:
    """Return the interval from start to end, and the intervals in which work is going on."""
    shape, draft = writing.shape, writing.draft
    stands = writing.stands(at)
    unit = shape.problem.units[shape.unit[mode]]
    if stands is not None:
        pieces = without([stands], unit.closed) if unit.pauses else (stands,)
        return [draft.block(*stands)], [draft.block(*span) for span in pieces]
    pauses = writing.pauses.get(mode, [])
    if not pauses:
        whole = draft.span(writing.start[at], shape.duration[mode], writing.end[at], literal)
        return [whole], [whole]
    duration = shape.duration[mode]
    known = max(writing.known_end(at) - writing.known_start(at), 0)
    size = draft.number(duration, shape.horizon, known)
    whole = draft.span(writing.start[at], size, writing.end[at], literal)
    pieces_: list[Interval] = []
    for row in range(len(pauses) + 1):
        left, right = pauses[row - 1] if row else None, pauses[row] if row < len(pauses) else None
        here = draft.either(_known_here(writing, at, mode, left.high if left else None, right.low if right else None))
        # It works in this stretch of open time unless it ended before, or starts after.
        out = [one for one in (left.earlier if left else None, right.later if right else None) if one is not None]
        draft.model.add_bool_or([here, literal.negated(), *out])
        for one in out:
            draft.model.add_implication(here, one.negated())
        draft.model.add_implication(here, literal)
        low = left.high if left else writing.low[at]
        high = right.low if right else writing.high[at]
        piece_start = draft.number(low, high, max(writing.known_start(at), low))
        piece_end = draft.number(low, high, min(writing.known_end(at), high))
        length = draft.number(0, duration, 0)
        if left:
            draft.where(piece_start == left.high, here, left.spanned)
            draft.where(piece_start == writing.start[at], here, left.later)
        else:
            draft.where(piece_start == writing.start[at], here)
        if right:
            draft.where(piece_end == right.low, here, right.spanned)
            draft.where(piece_end == writing.end[at], here, right.earlier)
        else:
            draft.where(piece_end == writing.end[at], here)
        pieces_.append(draft.span(piece_start, length, piece_end, here))
    return [whole], pieces_


def _known_here(writing: Writing, at: int, mode: int, low: int | None, high: int | None) -> bool:
    start, end = writing.known_start(at), writing.known_end(at)
    return writing.known_mode(at) == mode and (low is None or end > low) and (high is None or start < high)
