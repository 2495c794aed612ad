"""Setups between operations that follow each other on a unit, as constraints: who follows whom is a circuit through those done there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.plan_solver import Either, Linear, Var

if TYPE_CHECKING:
    from optimizer.plan_model import Writing
    from optimizer.plan_model_units import Doing


@dataclass(frozen=True, slots=True)
class Setup:
    """What lies directly before an operation on its unit."""

    begins: Linear
    ticks: Linear


def pairs(writing: Writing) -> int:
    """Return how many pairs of operations could follow each other with a setup between."""
    shape, total = writing.shape, 0
    fixed: dict[int, int] = defaultdict(int)
    free: dict[int, int] = defaultdict(int)
    for at, modes in enumerate(shape.modes):
        for mode in modes:
            if shape.state[mode] >= 0 and shape.problem.units[shape.unit[mode]].setup is not None:
                if writing.free[at]:
                    free[shape.unit[mode]] += 1
                elif writing.known_mode(at) == mode:
                    fixed[shape.unit[mode]] += 1
    for unit, count in free.items():
        total += count * (count + 2 * fixed[unit])
    return total


@dataclass(frozen=True, slots=True)
class Setups:
    """Those of a unit."""

    before: dict[int, Setup]
    """By operation; empty where the order of operations alone says all."""
    load: Linear
    """How long the unit is set up for what is not locked, where that takes it time."""


def write(writing: Writing, unit: int, doings: list[Doing], order: list[Doing]) -> Setups:
    """Write the setups on a unit; return them. ``order``: those that keep their order among themselves."""
    shape, draft, place = writing.shape, writing.draft, writing.shape.problem.units[unit]
    stateful = [one for one in doings if shape.state[one.mode] >= 0]
    if place.setup is None or not place.setup.any() or not stateful:
        return Setups({}, 0)
    gone = sorted((one for one in stateful if writing.gone(one.operation)), key=lambda one: _when(writing, one))
    for one in gone:
        writing.setups[one.operation] = writing.setup_known[one.operation]
    # Of what lies before a window only the last says how the unit stands.
    stateful = [one for one in stateful if not writing.gone(one.operation)] + gone[-1:]
    order = [one for one in order if shape.state[one.mode] >= 0 and (one in gone[-1:] or not writing.gone(one.operation))]
    incoming, follows = _circuit(writing, unit, stateful, order)
    for one, two, literal, ticks in follows:
        # Beside the intervals: it reaches the relaxation, and it is what the search branches on.
        if not (shape.started[one.operation] and shape.started[two.operation]):
            draft.where(writing.start[two.operation] >= writing.end[one.operation] + ticks, literal)
    load: Linear = sum(ticks * literal for at, found in incoming.items() if not shape.locked[at] for ticks, literal in found)
    counted = shape.problem.objective.setup or place.setup_with_part or place.closed or len(stateful) < len(doings)
    if not counted and place.setup_state < 0 and not shape.problem.now:
        return Setups({}, load)
    planned = [one for one in stateful if not writing.gone(one.operation)]
    return Setups({one.operation: _directly_before(writing, unit, one, incoming[one.operation]) for one in planned}, load)


def _circuit(
    writing: Writing, unit: int, stateful: list[Doing], order: list[Doing]
) -> tuple[dict[int, list[tuple[int, Var]]], list[tuple[Doing, Doing, Var, int]]]:
    """Write who follows whom; return the setups before each operation with when they are needed, and all pairs."""
    shape, draft, place = writing.shape, writing.draft, writing.shape.problem.units[unit]
    ticks = place.setup.tolist() if place.setup is not None else []
    known = sorted((one for one in stateful if writing.known_mode(one.operation) == one.mode), key=lambda one: _when(writing, one))
    then = {(one.operation, two.operation) for one, two in pairwise(known)}
    first, last = (known[0].operation, known[-1].operation) if known else (-1, -1)
    node = {id(one): at + 1 for at, one in enumerate(stateful)}
    behind = {id(one): id(two) for one, two in pairwise(order)}
    kept = {id(one) for one in order}
    arcs: list[tuple[int, int, Either]] = []
    incoming: dict[int, list[tuple[int, Var]]] = {one.operation: [] for one in stateful}
    follows: list[tuple[Doing, Doing, Var, int]] = []
    for one in stateful:
        state = shape.state[one.mode]
        begins = draft.either(one.operation == first)
        ends = draft.either(one.operation == last)
        arcs += [(0, node[id(one)], begins), (node[id(one)], 0, ends)]
        if one.literal is not draft.yes:
            arcs.append((node[id(one)], node[id(one)], one.literal.negated()))
        if place.setup_state >= 0 and ticks[place.setup_state][state]:
            incoming[one.operation].append((ticks[place.setup_state][state], begins))
        for two in stateful:
            apart = id(one) in kept and id(two) in kept and behind.get(id(one)) != id(two)
            if apart or not _can_follow(writing, one, two):
                continue
            literal = draft.either((one.operation, two.operation) in then)
            arcs.append((node[id(one)], node[id(two)], literal))
            needed = ticks[state][shape.state[two.mode]]
            follows.append((one, two, literal, 0 if shape.started[two.operation] else needed))
            if needed:
                incoming[two.operation].append((needed, literal))
    if not any(one.literal is draft.yes for one in stateful):
        none = draft.either(not known)
        arcs.append((0, 0, none))
    draft.model.add_circuit(arcs)
    return incoming, follows


def _directly_before(writing: Writing, unit: int, one: Doing, incoming: list[tuple[int, Var]]) -> Setup:
    shape, draft, place = writing.shape, writing.draft, writing.shape.problem.units[unit]
    at = one.operation
    if not incoming:
        return Setup(writing.start[at], 0)
    if shape.started[at]:
        # Its setup lies behind; it counts, and binds nothing.
        writing.setups[at] = sum(needed * literal for needed, literal in incoming)
        return Setup(writing.start[at], 0)
    known = writing.setup_known[at] if writing.known_mode(at) == one.mode else 0
    ticks = draft.number(0, max(needed for needed, _ in incoming), known)
    draft.model.add(ticks == sum(needed * literal for needed, literal in incoming))
    fixed = shape.start[at]
    # What is locked to a time may have been set up for before now; what is planned may not.
    low = shape.problem.now if fixed is None else fixed - max(needed for needed, _ in incoming)
    if place.setup_with_part and not shape.started[at]:
        low = max(low, shape.problem.jobs[shape.job[at]].release)
    begins = draft.number(low, shape.horizon, writing.known_start(at) - known)
    draft.where(begins + ticks == writing.start[at], one.literal)
    writing.setups[at] = writing.setups[at] + ticks
    if place.setup_with_part:
        bound = writing.begins[at]
        if bound is writing.start[at]:
            writing.begins[at] = bound = draft.number(low, shape.horizon, writing.known_start(at) - known)
            draft.model.add(bound <= writing.start[at])
        draft.where(bound == begins, one.literal)
    return Setup(begins, ticks)


def _can_follow(writing: Writing, one: Doing, two: Doing) -> bool:
    """Tell whether ``two`` can come after ``one`` on their unit."""
    shape = writing.shape
    if two.operation == one.operation or shape.never_both(one.operation, two.operation) or writing.gone(two.operation):
        return False
    facts = shape.started[one.operation] and shape.started[two.operation]
    return not (facts and _fixed(writing, one) > _fixed(writing, two))


def _fixed(writing: Writing, one: Doing) -> tuple[int, int]:
    return writing.shape.start[one.operation] or 0, writing.shape.end[one.operation] or 0


def _when(writing: Writing, one: Doing) -> tuple[int, int]:
    return writing.known_start(one.operation), writing.known_end(one.operation)
