"""What holds along a job, as constraints: the order of its operations, one at a time, the way between them, and where parts wait."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.plan_closed import merged
from optimizer.plan_solver import Either, Interval, Linear, Var

if TYPE_CHECKING:
    from optimizer.plan_model import Writing

Follows = tuple[int, int, Var]
"""An operation, what comes directly after it, and where that is so; -1 before the first."""


def write(writing: Writing) -> None:
    """Write all that holds along jobs."""
    shape = writing.shape
    units = shape.problem.units
    waiting: dict[int, list[Interval]] = defaultdict(list)
    for row, rows in enumerate(shape.operations_of):
        _arcs(writing, rows)
        total = _totally_ordered(writing, rows)
        if shape.problem.jobs[row].one_at_a_time:
            _load(writing, row, rows)
            if not total:
                _one_at_a_time(writing, rows)
        buffered = any(units[shape.unit[mode]].buffer is not None for at in rows for mode in writing.done_by[at])
        single = shape.problem.jobs[row].one_at_a_time
        with_part = not single and any(writing.begins[at] is not writing.start[at] for at in rows)
        if rows and (shape.problem.transport is not None or buffered or with_part):
            there: dict[int, Linear] = {}
            for before, after, literal in _follows(writing, row, rows, total):
                _comes(writing, before, after, literal, there)
            for at in rows:
                _wait(writing, at, there, waiting)
    for unit, intervals in waiting.items():
        writing.draft.model.add_cumulative(intervals, [1] * len(intervals), units[unit].buffer or 0)


def _arcs(writing: Writing, rows: list[int]) -> None:
    shape, draft = writing.shape, writing.draft
    for after in rows:
        for before, least, most in shape.before[after]:
            if shape.never_both(before, after) or (writing.gone(before) and writing.gone(after)):
                continue
            both = (writing.there[before], writing.there[after])
            between = writing.start[after] - writing.end[before]
            draft.where(between >= least, *both)
            if most >= 0:
                draft.where(between <= most, *both)
            if least >= 0 and writing.begins[after] is not writing.start[after]:
                draft.where(writing.begins[after] >= writing.end[before], *both)


def _load(writing: Writing, row: int, rows: list[int]) -> None:
    """Write that a job takes at least what its operations take: redundant, and with it the bound knows the shortest route."""
    if writing.makespan is None or writing.since is not None:
        return
    shape = writing.shape
    job = shape.problem.jobs[row]
    load = sum(shape.duration[mode] * yes for at in rows if not shape.locked[at] for mode, yes in writing.done_by[at].items())
    writing.draft.where(load + max(job.release, shape.problem.now) <= writing.makespan)


def _totally_ordered(writing: Writing, rows: list[int]) -> bool:
    """Tell whether arcs put all operations of a job that can be done together in one order."""
    shape = writing.shape
    linked = {(before, after) for after in rows for before, least, _ in shape.before[after] if least >= 0}
    if all(pair in linked and shape.together(pair[0], pair[1]) and shape.together(pair[1], pair[0]) for pair in pairwise(rows)):
        return True
    later: dict[int, set[int]] = {at: set() for at in rows}
    for one in reversed(rows):
        for other, least, _ in shape.after[one]:
            if least >= 0:
                later[one].add(other)
                # What comes after the other comes after this one, where the other is surely done.
                later[one] |= {far for far in later[other] if shape.together(one, other) or shape.together(far, other)}
    return all(
        other in later[one] or shape.never_both(one, other) or (shape.started[one] and shape.started[other])
        for at, one in enumerate(rows)
        for other in rows[at + 1 :]
    )


def _one_at_a_time(writing: Writing, rows: list[int]) -> None:
    shape, draft = writing.shape, writing.draft
    intervals: list[Interval] = []
    facts: list[tuple[int, int]] = []
    for at in rows:
        stands = writing.stands(at)
        if stands is not None and (shape.started[at] or writing.gone(at)):
            facts.append(stands)
            continue
        if stands is not None and writing.begins[at] is writing.start[at]:
            size: Linear = stands[1] - stands[0]
        else:
            lengths = [shape.duration[mode] for mode in writing.done_by[at]] or [0]
            known = max(writing.known_end(at) - writing.known_start(at), 0)
            plain = stands is None and len(set(lengths)) == 1 and not any(mode in writing.pauses for mode in writing.done_by[at])
            if plain and writing.begins[at] is writing.start[at]:
                size = lengths[0]
            else:
                size = draft.number(0, 2 * shape.horizon, known)
                draft.where(writing.begins[at] + size == writing.end[at], writing.there[at])
        intervals.append(draft.span(writing.begins[at], size, writing.end[at], writing.there[at]))
    draft.model.add_no_overlap([*intervals, *(draft.block(*span) for span in merged(facts))])
    kept = sorted((at for at in rows if not writing.free[at] and writing.known_mode(at) >= 0), key=writing.known_start)
    for one, two in pairwise(kept):
        if not (shape.started[one] and shape.started[two]):
            draft.where(writing.start[two] >= writing.end[one])


def _follows(writing: Writing, row: int, rows: list[int], total: bool) -> list[Follows]:
    """Return what comes directly after what, and where that is so."""
    shape, draft = writing.shape, writing.draft
    if total and all(writing.there[at] is draft.yes for at in rows):
        return [(-1, rows[0], draft.yes), *((one, two, draft.yes) for one, two in pairwise(rows))]
    known = sorted((at for at in rows if writing.known_mode(at) >= 0), key=lambda at: (writing.known_start(at), writing.known_end(at)))
    then = set(pairwise([-1, *known, -1]))
    node = {at: place + 1 for place, at in enumerate(rows)}
    arcs: list[tuple[int, int, Either]] = []
    out: list[Follows] = []
    for one in rows:
        first, last = draft.either((-1, one) in then), draft.either((one, -1) in then)
        arcs += [(0, node[one], first), (node[one], 0, last)]
        out.append((-1, one, first))
        if writing.there[one] is not draft.yes:
            arcs.append((node[one], node[one], writing.there[one].negated()))
        for two in rows:
            if two == one or shape.never_both(one, two):
                continue
            literal = draft.either((one, two) in then)
            arcs.append((node[one], node[two], literal))
            out.append((one, two, literal))
            if shape.problem.jobs[row].one_at_a_time:
                draft.where(writing.begins[two] >= writing.end[one], literal)
            else:
                # By start, then by end, then by row: as the check of a plan tells what comes before.
                long = 4 * shape.horizon
                behind = long * (writing.start[two] - writing.start[one]) + writing.end[two] - writing.end[one]
                draft.where(behind >= (1 if two < one else 0), literal)
    if not any(writing.there[one] is draft.yes for one in rows):
        arcs.append((0, 0, draft.either(not known)))
    draft.model.add_circuit(arcs)
    return out


def _comes(writing: Writing, before: int, after: int, literal: Var, there: dict[int, Linear]) -> None:
    """Write when the part comes to its next operation: after the one before, and the way."""
    shape, draft = writing.shape, writing.draft
    transport = shape.problem.transport
    if (shape.started[after] and shape.start[after] is not None) or writing.gone(after):
        return
    if after not in there:
        there[after] = draft.number(-shape.horizon, shape.horizon, writing.known_start(after))
    arrives = there[after]
    if before < 0:
        _comes_first(writing, after, literal)
        draft.where(arrives == writing.start[after], literal)
        return
    if transport is None:
        draft.where(arrives == writing.end[before], literal)
        if not shape.problem.jobs[shape.job[after]].one_at_a_time and writing.begins[after] is not writing.start[after]:
            # Of a part to which much can be done at a time, only the setup that it is needed for waits for what began before.
            needed = draft.either(True)
            draft.where(writing.begins[after] >= writing.start[after], needed.negated())
            draft.where(writing.begins[after] >= arrives, literal, needed)
        return
    for mode, done in writing.done_by[after].items():
        for other, was in writing.done_by[before].items():
            way = int(transport.travel[transport.place[shape.unit[other]], transport.place[shape.unit[mode]]])
            draft.where(arrives == writing.end[before] + way, literal, done, was)
    draft.where(writing.begins[after] >= arrives, literal)


def _comes_first(writing: Writing, at: int, literal: Var) -> None:
    """Write that a part comes from where parts come in."""
    shape, transport = writing.shape, writing.shape.problem.transport
    if transport is None:
        return
    release = shape.problem.jobs[shape.job[at]].release
    if transport.vehicles is not None and shape.start[at] is None:
        release = max(release, shape.problem.now)
    for mode, done in writing.done_by[at].items():
        way = int(transport.travel[transport.start, transport.place[shape.unit[mode]]])
        writing.draft.where(writing.begins[at] >= release + way, literal, done)


def _wait(writing: Writing, at: int, there: dict[int, Linear], waiting: dict[int, list[Interval]]) -> None:
    """Write that a part waits before the unit from when it comes until its operation starts."""
    shape, draft = writing.shape, writing.draft
    if at not in there:
        return
    for mode, literal in writing.done_by[at].items():
        if shape.problem.units[shape.unit[mode]].buffer is not None:
            waits = draft.number(0, 2 * shape.horizon, 0)
            waiting[shape.unit[mode]].append(draft.span(there[at], waits, writing.start[at], literal))
