"""A plan problem as flat columns that compiled search can walk: who comes before whom, modes, setups, closed time, what is fixed.

Not every problem can be told this way (``speaks``): choices of routes, buffers, resources and vehicles are for the general decoder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import Ints, PlanProblem, Ticks

FAR = np.int64(1) << 60
"""Later than any time."""


class Shop(NamedTuple):
    """Columns; what belongs to row i of one stands in another from ``x_at[i]`` up to ``x_at[i + 1]``."""

    job: Ints
    """(operations,)"""
    mode_at: Ints
    unit: Ints
    """(modes,)"""
    duration: Ticks
    state: Ints
    before_at: Ints
    before: Ints
    before_least: Ticks
    after_at: Ints
    after: Ints
    after_least: Ticks
    earliest: Ticks
    """(operations,): no earlier start, by release and now."""
    one_at_a_time: NDArray[np.bool_]
    """(jobs,)"""
    release: Ticks
    due: Ticks
    """(jobs,): FAR where there is none."""
    weight: Ticks
    setup_at: Ticks
    """(units,): where its square of setups begins in ``setup``; -1: none."""
    setup_states: Ints
    setup: Ticks
    first_state: Ints
    """(units,)"""
    with_part: NDArray[np.bool_]
    pauses: NDArray[np.bool_]
    closed_at: Ints
    closed_from: Ticks
    closed_to: Ticks
    fixed_mode: Ints
    """(operations,): -1: any."""
    fixed_start: Ticks
    """(operations,): -1: free."""
    fixed_end: Ticks
    fixed_at: Ints
    """(units + 1,): operations whose time is fixed on the unit, by time, in ..."""
    fixed: Ints
    travel: Ticks
    """(places, places), empty where parts need no way."""
    place: Ints
    """(units,)"""
    first_place: int
    reference_mode: Ints
    reference_start: Ticks
    weights: Ticks
    """Of makespan, tardiness, setup, moved, flow."""
    now: int


def unspeakable(problem: PlanProblem) -> str:
    """Return what of the problem the columns cannot tell, or nothing."""
    units = problem.units
    states = np.array([unit.setup is not None for unit in units])[problem.mode_unit]
    arcs = _arcs(problem)
    fixed = [lock.operation for lock in problem.locks if lock.start is not None]
    return next(
        (
            name
            for name, there in (
                ("choices", bool(len(problem.choice_branch)) or bool((problem.operation_branch >= 0).any())),
                ("vehicles", problem.transport is not None and problem.transport.vehicles is not None),
                ("resources", bool(len(problem.need_mode))),
                ("buffers", any(unit.buffer is not None for unit in units)),
                ("a longest time between operations", bool((problem.arc_most >= 0).any())),
                ("modes that leave the setup", bool((states & (problem.mode_setup < 0)).any())),
                (
                    "a way for parts that are at two places at once",
                    problem.transport is not None and not all(job.one_at_a_time for job in problem.jobs),
                ),
                ("arcs in a circle", arcs is None),
                ("operations fixed in jobs without an order", bool(fixed) and not _ordered(problem, fixed)),
            )
            if there
        ),
        "",
    )


def speaks(problem: PlanProblem) -> bool:
    """Return whether the columns tell all of the problem."""
    return not unspeakable(problem)


def shop_of(problem: PlanProblem) -> Shop:
    """Return the problem as columns; ask ``speaks`` before."""
    count, units, jobs = len(problem.operation_job), problem.units, problem.jobs
    before_at, before, before_least = _rows(problem.arc_after, problem.arc_before, problem.arc_least, count)
    after_at, after, after_least = _rows(problem.arc_before, problem.arc_after, problem.arc_least, count)
    release = np.array([job.release for job in jobs], np.int64)
    fixed_mode, fixed_start, fixed_end = np.full(count, -1, np.int32), np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    for lock in problem.locks:
        fixed_mode[lock.operation] = lock.mode
        if lock.start is not None:
            fixed_start[lock.operation] = lock.start
            fixed_end[lock.operation] = _end(problem, lock.mode, lock.start) if lock.end is None else lock.end
    earliest = np.maximum(release[problem.operation_job], problem.now) if count else np.empty(0, np.int64)
    setup_at, states, setups = [], [], [np.empty(0, np.int64)]
    for unit in units:
        setup_at.append(-1 if unit.setup is None else sum(len(square) for square in setups))
        states.append(0 if unit.setup is None else len(unit.setup))
        if unit.setup is not None:
            setups.append(np.ascontiguousarray(unit.setup, np.int64).ravel())
    closed = [pair for unit in units for pair in unit.closed]
    timed = np.flatnonzero(fixed_start >= 0).astype(np.int32)
    timed = timed[np.lexsort((fixed_end[timed], fixed_start[timed], problem.mode_unit[fixed_mode[timed]]))]
    way, objective = problem.transport, problem.objective
    nowhere = problem.reference_mode is None or problem.reference_start is None
    return Shop(
        job=problem.operation_job.astype(np.int32),
        mode_at=problem.modes_of,
        unit=problem.mode_unit.astype(np.int32),
        duration=problem.mode_duration.astype(np.int64),
        state=problem.mode_setup.astype(np.int32),
        before_at=before_at,
        before=before,
        before_least=before_least,
        after_at=after_at,
        after=after,
        after_least=after_least,
        earliest=earliest,
        one_at_a_time=np.array([job.one_at_a_time for job in jobs], np.bool_),
        release=release,
        due=np.array([FAR if job.due is None else job.due for job in jobs], np.int64),
        weight=np.array([job.weight for job in jobs], np.int64),
        setup_at=np.array(setup_at, np.int64),
        setup_states=np.array(states, np.int32),
        setup=np.concatenate(setups),
        first_state=np.array([unit.setup_state for unit in units], np.int32),
        with_part=np.array([unit.setup_with_part for unit in units], np.bool_),
        pauses=np.array([unit.pauses for unit in units], np.bool_),
        closed_at=np.cumsum([0, *(len(unit.closed) for unit in units)]).astype(np.int32),
        closed_from=np.array([begin for begin, _ in closed], np.int64),
        closed_to=np.array([end for _, end in closed], np.int64),
        fixed_mode=fixed_mode,
        fixed_start=fixed_start,
        fixed_end=fixed_end,
        fixed_at=np.searchsorted(problem.mode_unit[fixed_mode[timed]], np.arange(len(units) + 1)).astype(np.int32),
        fixed=timed,
        travel=np.empty((0, 0), np.int64) if way is None else np.ascontiguousarray(way.travel, np.int64),
        place=np.zeros(len(units), np.int32) if way is None else way.place.astype(np.int32),
        first_place=0 if way is None else int(way.start),
        reference_mode=np.empty(0, np.int32) if nowhere else np.asarray(problem.reference_mode, np.int32),
        reference_start=np.empty(0, np.int64) if nowhere else np.asarray(problem.reference_start, np.int64),
        weights=np.array([objective.makespan, objective.tardiness, objective.setup, objective.moved, objective.flow], np.int64),
        now=int(problem.now),
    )


def _end(problem: PlanProblem, mode: int, start: int) -> int:
    """Return the end of what starts then, pauses included."""
    unit, end = problem.units[int(problem.mode_unit[mode])], start + int(problem.mode_duration[mode])
    if unit.pauses:
        for begin, until in unit.closed:
            if start <= begin < end:
                end += until - begin
    return end


def _rows(of: Ints, to: Ints, least: Ticks, count: int) -> tuple[Ints, Ints, Ticks]:
    order = np.argsort(of, kind="stable")
    at = np.searchsorted(of[order], np.arange(count + 1)).astype(np.int32)
    return at, to[order].astype(np.int32), least[order].astype(np.int64)


def _arcs(problem: PlanProblem) -> list[int] | None:
    """Return the operations in an order that keeps every arc; None where there is none."""
    count = len(problem.operation_job)
    at, after, _ = _rows(problem.arc_before, problem.arc_after, problem.arc_least, count)
    waits = np.bincount(problem.arc_after, minlength=count).tolist()
    order = [operation for operation in range(count) if not waits[operation]]
    for operation in order:
        for other in after[at[operation] : at[operation + 1]].tolist():
            waits[other] -= 1
            if not waits[other]:
                order.append(other)
    return order if len(order) == count else None


def in_line(problem: PlanProblem) -> bool:
    """Return whether the arcs of each job leave no order open, or none has to be kept."""
    return _ordered(problem, list(range(len(problem.operation_job))))


def _ordered(problem: PlanProblem, asked: list[int]) -> bool:
    order = _arcs(problem)
    if order is None:
        return False
    jobs = {int(problem.operation_job[operation]) for operation in asked}
    jobs = {job for job in jobs if problem.jobs[job].one_at_a_time}
    last: dict[int, int] = {}
    steps = set(zip(problem.arc_before.tolist(), problem.arc_after.tolist(), strict=True))
    for operation in order:
        job = int(problem.operation_job[operation])
        if job in jobs:
            if job in last and (last[job], operation) not in steps:
                return False
            last[job] = operation
    return True
