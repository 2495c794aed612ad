"""The exact model of a plan: every rule of a problem as constraints of CP-SAT, thin, with cuts that make its bounds good.

``solve`` begins with a plan where it is given one, may leave all but some operations as they follow each other there (a window of a
large-neighbourhood search), and tells each better plan as it is found. What vehicles do is left to the dispatch: here the way counts, and
a vehicle is always there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer import plan_model_jobs, plan_model_objective, plan_model_resources, plan_model_setups, plan_model_units
from optimizer.plan_closed import Span
from optimizer.plan_shape import Shape, shape_of
from optimizer.plan_solver import Draft, Linear, Pause, SolveStatus, Var, run
from plant.plan_order import plan_order
from plant.plan_problem import ALWAYS, PlanProblem
from plant.plans import Infeasible, Plan

_MOST_ARCS: Final = 150_000
"""More pairs of operations that could follow each other with a setup between are not written down: windows are for that."""

_MOST_PAUSES: Final = 20_000
"""Likewise closed times that an operation could span."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the exact model found, None where nothing, and what it proved."""

    plan: Plan | None
    objective: int | None
    bound: int
    status: SolveStatus
    why: tuple[str, ...] = ()
    """Where it is infeasible, as far as it is known in words."""


@dataclass(slots=True)
class Writing:
    """A model of a plan while it is written."""

    shape: Shape
    draft: Draft
    free: list[bool]
    starts: list[int] = field(default_factory=list)
    """Of the plan that is known; empty where none is. Likewise ``ends`` and ``modes``."""
    ends: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    start: list[Linear] = field(default_factory=list)
    end: list[Linear] = field(default_factory=list)
    begins: list[Linear] = field(default_factory=list)
    """When a part is bound by its operation: its start, or that of the setup where the part must be there for it."""
    there: list[Var] = field(default_factory=list)
    """Of each operation whether it is done."""
    done_by: list[dict[int, Var]] = field(default_factory=list)
    """Of each operation whether it is done by a mode."""
    setups: list[Linear] = field(default_factory=list)
    """Of each operation the ticks of setup before it."""
    taken: list[Var] = field(default_factory=list)
    """Of each branch."""
    low: list[int] = field(default_factory=list)
    """Of each operation the tick before which it does not start here, and ..."""
    high: list[int] = field(default_factory=list)
    """... that after which it does not end."""
    since: int | None = None
    """What starts before this tick stays as it is, where only a window is free."""
    setup_known: list[int] = field(default_factory=list)
    """Of each operation the ticks of setup before it in the plan that is known."""
    pauses: dict[int, list[Pause]] = field(default_factory=dict)
    """Of each mode whose work can pause, closed time by closed time."""
    makespan: Var | None = None

    def known_start(self, operation: int) -> int:
        """Return where it starts in the plan that is known, 0 where none is."""
        return self.starts[operation] if self.starts else 0

    def known_end(self, operation: int) -> int:
        """Return where it ends in the plan that is known, 0 where none is."""
        return self.ends[operation] if self.ends else 0

    def known_mode(self, operation: int) -> int:
        """Return how it is done in the plan that is known, -1 where it is not."""
        return self.modes[operation] if self.modes else -1

    def stands(self, operation: int) -> Span | None:
        """Return start and end of what cannot move."""
        start, end = self.start[operation], self.end[operation]
        return (start, end) if isinstance(start, int) and isinstance(end, int) else None

    def gone(self, operation: int) -> bool:
        """Tell whether an operation lies before the window."""
        return self.since is not None and self.low[operation] < self.since and self.stands(operation) is not None


def solve(
    problem: PlanProblem,
    *,
    seconds: float,
    seed: int,
    workers: int = 2,
    hint: Plan | None = None,
    free: NDArray[np.bool_] | None = None,
    upper: int | None = None,
    on_plan: Callable[[Plan, int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    from_below: bool = False,
) -> ModelAnswer:
    """Return the best plan found in time and the bound that was proved.

    ``free``: only these operations may change; the others keep how they are done and after whom (needs ``hint``), and the bound is one of
    such plans only. ``upper``: nothing worse is looked for. ``on_plan`` hears each better plan, its objective and the
    bound. ``from_below``: one worker looks for a bound before plans. Vehicles are taken to be there whenever they are needed.
    """
    began = time.monotonic()
    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return ModelAnswer(None, None, 0, SolveStatus.INFEASIBLE, shape.why)
    if free is not None and hint is None:
        raise ValueError("a window needs the plan that it changes")
    writing = Writing(shape, Draft(hint is not None), [True] * len(shape.job) if free is None else free.tolist())
    if hint is not None:
        writing.starts, writing.ends, writing.modes = hint.start.tolist(), hint.end.tolist(), hint.mode.tolist()
        writing.setup_known = plan_order(problem, hint).setup.tolist()
    _reach(writing, upper)
    if plan_model_setups.pairs(writing) > _MOST_ARCS or plan_model_units.pauses(writing) > _MOST_PAUSES:
        return ModelAnswer(None, None, 0, SolveStatus.UNKNOWN)
    _write(writing, upper)
    wanted: list[Linear] = [one for one in (*writing.start, *writing.end) if not isinstance(one, int)]
    literals: list[Linear] = [literal for done_by in writing.done_by for literal in done_by.values()]
    read = _reader(writing)

    def told(values: list[int], objective: int, bound: int) -> None:
        if on_plan is not None:
            on_plan(read(values), objective, bound)

    found = run(
        writing.draft, [*wanted, *literals], seconds=seconds - (time.monotonic() - began), seed=seed, workers=workers,
        on_found=told if on_plan is not None else None, stop=stop, from_below=from_below,
    )  # fmt: skip
    status = found.status
    if free is not None and status is SolveStatus.INFEASIBLE:
        # Of a window that says nothing about the problem.
        status = SolveStatus.UNKNOWN
    return ModelAnswer(read(found.values) if found.values is not None else None, found.objective, found.bound, status)


def _write(writing: Writing, upper: int | None) -> None:
    _operations(writing)
    if writing.shape.problem.objective.makespan:
        writing.makespan = writing.draft.number(0, writing.shape.horizon, max(writing.ends, default=0))
    plan_model_units.write(writing)
    plan_model_jobs.write(writing)
    plan_model_resources.write(writing)
    plan_model_objective.write(writing, upper)


def _operations(writing: Writing) -> None:
    """Write when, whether and by which mode each operation is done."""
    shape, draft, model = writing.shape, writing.draft, writing.draft.model
    _choices(writing)
    for at, modes in enumerate(shape.modes):
        mine = writing.known_mode(at)
        branch = shape.branch[at]
        there = draft.yes if branch == ALWAYS else writing.taken[branch]
        if shape.locked[at]:
            draft.where(there == 1)
            there = draft.yes
        usable = modes if writing.free[at] or mine < 0 else [mine]
        done_by = dict.fromkeys(usable, there) if len(usable) == 1 else {mode: draft.either(mode == mine) for mode in usable}
        if len(usable) != 1:
            model.add(sum(done_by.values()) == there)
        writing.there.append(there)
        writing.done_by.append(done_by)
        start, end = shape.start[at], shape.end[at]
        low, high = writing.low[at], writing.high[at]
        if writing.since is not None and start is None and mine >= 0 and low < writing.since:
            start, end = low, high
        writing.start.append(start if start is not None else draft.number(low, high, writing.known_start(at)))
        writing.end.append(end if end is not None else draft.number(low, high, writing.known_end(at)))


def _reach(writing: Writing, upper: int | None) -> None:
    """Say how early and how late each operation can be: of a window no more than some way from where it is, and nothing before it moves."""
    shape, counts = writing.shape, writing.shape.problem.objective
    writing.low = [shape.earliest(at) for at in range(len(shape.job))]
    latest = []
    for job in shape.problem.jobs:
        # Nothing that counts is below 0, so what ends later than that costs more than ``upper`` by itself.
        most = [shape.horizon]
        if upper is not None and counts.makespan:
            most.append(upper // counts.makespan)
        if upper is not None and counts.tardiness and job.due is not None and job.weight > 0:
            most.append(job.due + upper // (counts.tardiness * job.weight))
        latest.append(max(min(most), 0))
    writing.high = [latest[shape.job[at]] if end is None else end for at, end in enumerate(shape.end)]
    freed = [at for at, free in enumerate(writing.free) if free and shape.start[at] is None and writing.known_mode(at) >= 0]
    if all(writing.free) or not freed:
        return
    first, last = min(writing.known_start(at) for at in freed), max(writing.known_end(at) for at in freed)
    writing.since = first
    reach = max(last - first, 2 * max(writing.known_end(at) - writing.known_start(at) for at in freed))
    for at in range(len(shape.job)):
        if shape.start[at] is not None or writing.known_mode(at) < 0:
            continue
        start, end = writing.known_start(at), writing.known_end(at)
        if writing.free[at]:
            writing.low[at] = max(writing.low[at], first)
            writing.high[at] = min(writing.high[at], last + reach)
        elif start < first:
            writing.low[at], writing.high[at] = start, end
        else:
            writing.low[at] = max(writing.low[at], start - reach, first)
            writing.high[at] = min(writing.high[at], end + reach)


def _choices(writing: Writing) -> None:
    shape, draft = writing.shape, writing.draft
    known = {shape.branch[at] for at in range(len(shape.job)) if writing.known_mode(at) >= 0}
    known |= {above for branch in known if branch != ALWAYS for above in shape.above[branch]}
    kept = {
        above
        for at, branch in enumerate(shape.branch)
        if branch != ALWAYS and not writing.free[at] and writing.known_mode(at) >= 0
        for above in shape.above[branch]
    }
    writing.taken = [draft.either(branch in known) for branch in range(len(shape.above))]
    for choice, branches in enumerate(shape.choices):
        parent = int(shape.problem.choice_branch[choice])
        draft.model.add(sum(writing.taken[branch] for branch in branches) == (1 if parent == ALWAYS else writing.taken[parent]))
    possible = {branch for branches in shape.choices for branch in branches}
    possible -= {branch for at, branch in enumerate(shape.branch) if not writing.free[at] and writing.known_mode(at) < 0}
    for branch, taken in enumerate(writing.taken):
        if branch not in possible:
            draft.model.add(taken == 0)
        if branch in kept:
            draft.model.add(taken == 1)


def _reader(writing: Writing) -> Callable[[list[int]], Plan]:
    """Return what makes a plan of the values of starts, ends and modes."""
    starts, ends = writing.start, writing.end
    done_by = writing.done_by

    def read(values: list[int]) -> Plan:
        rest = iter(values)
        start = np.array([one if isinstance(one, int) else next(rest) for one in starts], np.int64)
        end = np.array([one if isinstance(one, int) else next(rest) for one in ends], np.int64)
        mode = np.full(len(starts), -1, np.int32)
        for at, ways in enumerate(done_by):
            for way in ways:
                if next(rest):
                    mode[at] = way
        absent = mode < 0
        start[absent] = end[absent] = 0
        return Plan(mode, start, end)

    return read
