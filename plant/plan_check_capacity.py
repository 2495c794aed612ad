"""Whether people, fixtures and buffers suffice at every time of a plan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plant.plan_order import PlanOrder
from plant.plan_problem import Ints, PlanProblem, Ticks
from plant.plan_words import operation_words, time_words
from plant.plans import Plan

_Rows = NDArray[np.bool_]
_Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""From, to, amount, operation (-1: none)."""


def resource_faults(problem: PlanProblem, plan: Plan, order: PlanOrder, started: _Rows) -> Iterator[str]:
    """Yield from when on more of a resource is needed than is there, and by which operation."""
    if len(problem.need_mode) == 0:
        return
    operation = problem.mode_operation[problem.need_mode]
    used = plan.mode[operation] == problem.need_mode
    for number, resource in enumerate(problem.resources):
        needs = np.flatnonzero(used & (problem.need_resource == number) & (problem.need_amount > 0))
        rows = operation[needs]
        spans = _worked(problem, plan, order, rows, problem.need_amount[needs], whole=resource.kind == "fixture")
        away = np.array(resource.closed, np.int64).reshape(-1, 3)
        told = (away[:, 0], away[:, 1], away[:, 2], np.full(len(away), -1, np.int64))
        for at, load, row in _overloads(_joined(spans, told), resource.capacity, started, plan):
            missing = f"{load} of {resource.name} would be needed or away, and there are {resource.capacity}"
            yield f"while {operation_words(problem, row)} is done, at {time_words(problem, at)}, {missing}"


def buffer_faults(problem: PlanProblem, plan: Plan, order: PlanOrder, started: _Rows, there: Ticks) -> Iterator[str]:
    """Yield when a part comes to a unit before which as many wait as can."""
    before = order.before_of_part
    for number, unit in enumerate(problem.units):
        if unit.buffer is None:
            continue
        rows = np.flatnonzero((order.unit == number) & (before >= 0) & (there < plan.start))
        times = np.concatenate((there[rows], plan.start[rows]))
        change = np.concatenate((np.ones(len(rows), np.int64), -np.ones(len(rows), np.int64)))
        who = np.concatenate((rows, rows))
        ordered = np.lexsort((change, times))
        waiting = np.cumsum(change[ordered])
        full = (change[ordered] > 0) & (waiting > unit.buffer)
        for at in np.flatnonzero(full):
            row = int(who[ordered[at]])
            if started[before[row]]:
                continue
            comes = f"the part of {operation_words(problem, row)} comes to {unit.name} at {time_words(problem, there[row])}"
            yield f"{comes} and waits to {time_words(problem, plan.start[row])} as number {waiting[at]}; {unit.buffer} can wait there"


def _worked(problem: PlanProblem, plan: Plan, order: PlanOrder, rows: Ints, amounts: Ints, *, whole: bool) -> _Spans:
    """Return the spans in which a resource is needed: a fixture holds the part over a pause too, people are free then."""
    spans = [(plan.start[rows], plan.end[rows], amounts.astype(np.int64), rows.astype(np.int64))]
    for number in np.unique(order.unit[rows]):
        unit = problem.units[number]
        if whole or not unit.pauses:
            continue
        here = np.flatnonzero(order.unit[rows] == number)
        for begin, end in unit.closed:
            paused = here[(plan.start[rows[here]] < begin) & (plan.end[rows[here]] > begin)]
            until = np.minimum(end, plan.end[rows[paused]])
            spans.append(
                (np.full(len(paused), begin, np.int64), until, -amounts[paused].astype(np.int64), np.full(len(paused), -1, np.int64))
            )
    return _joined(*spans)


def _joined(*spans: _Spans) -> _Spans:
    joined = [np.concatenate([one[column] for one in spans]).astype(np.int64) for column in range(4)]
    return joined[0], joined[1], joined[2], joined[3]


def _overloads(spans: _Spans, capacity: int, started: _Rows, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Yield time, load, and a planned operation that is done then, once for each stretch with too much."""
    begin, end, amount, row = (column[spans[1] > spans[0]] for column in spans)
    times = np.concatenate((begin, end))
    change = np.concatenate((amount, -amount))
    ticks, place = np.unique(times, return_inverse=True)
    load = np.zeros(len(ticks), np.int64)
    np.add.at(load, place, change)
    load = np.cumsum(load)
    over = load > capacity
    for at in np.flatnonzero(over):
        done = row[(begin <= ticks[at]) & (end > ticks[at]) & (row >= 0)]
        planned = done[~started[done]]
        told_before = at > 0 and over[at - 1] and not np.isin(planned, row[begin == ticks[at]]).any()
        if len(planned) and not told_before:
            latest = planned[np.argmax(plan.start[planned])]
            yield int(ticks[at]), int(load[at]), int(latest)
