"""A plan as text: a line for each unit with its operations as bars; of large plans how busy each unit is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plant.plan_order import plan_order
from plant.plan_problem import PlanProblem
from plant.plan_words import time_words
from plant.plans import Plan

_MOST_UNITS = 40
_MOST_BARS = 400
_MOST_LISTED = 80


def drawn(problem: PlanProblem, plan: Plan, width: int) -> Iterator[str]:
    """Yield lines: bars for plans that a person can read, and then what is done when, or a table of the units."""
    done = int((plan.mode >= 0).sum())
    if done == 0:
        return
    if len(problem.units) <= _MOST_UNITS and done <= _MOST_BARS:
        yield from _bars(problem, plan, min(max(width, 60), 160))
        yield ""
    if done <= _MOST_LISTED:
        yield from _listed(problem, plan)
    else:
        yield from _busy(problem, plan)


def _bars(problem: PlanProblem, plan: Plan, width: int) -> Iterator[str]:
    unit = plan.unit(problem)
    done = np.flatnonzero(plan.mode >= 0)
    first, last = int(plan.start[done].min()), int(plan.end[done].max())
    first = min(first, 0) if problem.origin_us is None else first
    label = min(max(len(one.name) for one in problem.units), 24)
    columns = max(width - label - 3, 20)
    scale = columns / max(last - first, 1)
    for row, one in enumerate(problem.units):
        cells = [" "] * columns
        for begin, end in one.closed:
            _fill(cells, "·", int((begin - first) * scale), round((end - first) * scale))
        here = done[unit[done] == row]
        for operation in here[np.argsort(plan.start[here], kind="stable")]:
            begin, end = int((plan.start[operation] - first) * scale), int((plan.end[operation] - first) * scale)
            _bar(cells, begin, max(end, begin + 1), problem.jobs[problem.operation_job[operation]].name)
        yield f"{one.name[:label]:<{label}} |{''.join(cells)}|"
    left, right = time_words(problem, first), time_words(problem, last)
    yield f"{'':<{label}}  {left}{right:>{max(columns - len(left), len(right))}}"


def _fill(cells: list[str], sign: str, begin: int, end: int) -> None:
    for at in range(max(begin, 0), min(end, len(cells))):
        cells[at] = sign


def _bar(cells: list[str], begin: int, end: int, name: str) -> None:
    begin, end = min(begin, len(cells) - 1), min(end, len(cells))
    room = end - begin
    words = name if len(name) <= room - 1 else name[-max(room - 1, 1) :]
    _fill(cells, "─", begin, end)
    for at, sign in enumerate(words[:room]):
        cells[begin + at] = sign
    if room > 1:
        cells[end - 1] = "┤"


def _listed(problem: PlanProblem, plan: Plan) -> Iterator[str]:
    unit = plan.unit(problem)
    setup = plan_order(problem, plan).setup
    yield f"{'unit':<16} {'job':<16} {'operation':<24} {'setup':>8} {'start':>20} {'end':>20}"
    for row, one in enumerate(problem.units):
        here = np.flatnonzero(unit == row)
        for operation in here[np.lexsort((plan.end[here], plan.start[here]))]:
            job = problem.jobs[problem.operation_job[operation]].name
            start, end = time_words(problem, plan.start[operation]), time_words(problem, plan.end[operation])
            set_up = f"{int(setup[operation]):,}" if setup[operation] else ""
            yield f"{one.name:<16} {job:<16} {problem.operation_name[operation]:<24} {set_up:>8} {start:>20} {end:>20}"
    for trip in sorted(plan.trips, key=lambda trip: (trip.vehicle, trip.leaves)):
        job = problem.jobs[problem.operation_job[trip.operation]].name
        leaves, arrives = time_words(problem, trip.leaves), time_words(problem, trip.arrives)
        way = f"to {problem.operation_name[trip.operation]}"
        yield f"{f'vehicle {trip.vehicle + 1}':<16} {job:<16} {way:<24} {'':>8} {leaves:>20} {arrives:>20}"


def _busy(problem: PlanProblem, plan: Plan) -> Iterator[str]:
    unit = plan.unit(problem)
    setup = plan_order(problem, plan).setup
    done = np.flatnonzero(plan.mode >= 0)
    span = int(plan.end[done].max()) - min(int(plan.start[done].min()), 0)
    yield f"{'unit':<24} {'operations':>10} {'busy':>7} {'setup':>7} {'first start':>20} {'last end':>20}"
    for row, one in enumerate(problem.units):
        here = np.flatnonzero(unit == row)
        if len(here) == 0:
            yield f"{one.name:<24} {0:>10}"
            continue
        busy = 100 * int((plan.end[here] - plan.start[here]).sum()) / max(span, 1)
        wait = 100 * int(setup[here].sum()) / max(span, 1)
        begins, ends = time_words(problem, plan.start[here].min()), time_words(problem, plan.end[here].max())
        yield f"{one.name:<24} {len(here):>10,} {busy:>6.1f}% {wait:>6.1f}% {begins:>20} {ends:>20}"
