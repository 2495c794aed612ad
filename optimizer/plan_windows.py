"""Windows: some operations of a plan are set free, the others keep how they are done and after whom, and the exact search puts it right.

For any problem the exact model can tell; windows grow while they are solved at once, and shrink where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_model import solve
from optimizer.plan_solver import SolveStatus
from plant.plan_check import objective_of
from plant.plan_problem import PlanProblem
from plant.plans import Plan

_WINDOW_S: Final = 1.5
_SMALLEST: Final = 8


def improve_windows(
    problem: PlanProblem,
    *,
    seed: int,
    left: Callable[[], float],
    stop: Callable[[], bool],
    known: Callable[[], Plan | None],
    on_plan: Callable[[Plan], None],
) -> None:
    """Set windows free until ``stop`` says so or no time is ``left``; each better plan is told."""
    random, size = np.random.default_rng(seed), 24.0
    count = len(problem.operation_job)
    while not stop() and left() > 0.1 and (plan := known()) is not None:
        free = _window(problem, plan, round(size), random)
        answer = solve(
            problem,
            seconds=min(_WINDOW_S, left()),
            seed=int(random.integers(1 << 30)),
            workers=1,
            hint=plan,
            free=free,
            upper=objective_of(problem, plan),
            stop=stop,
        )
        if answer.plan is not None:
            on_plan(answer.plan)
        solved = answer.status is SolveStatus.OPTIMAL
        if solved and size >= count:
            return
        size = float(np.clip(size * (1.15 if solved else 0.85), _SMALLEST, count))


def _window(problem: PlanProblem, plan: Plan, size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return some operations that have to do with each other: near in time, of a few units, or of a few jobs."""
    done = np.flatnonzero(plan.mode >= 0)
    if size >= len(done):
        return np.ones(len(plan.mode), np.bool_)
    middle = (plan.start + plan.end)[done] / 2
    kind = random.integers(3)
    if kind == 0:
        far = np.abs(middle - middle[random.integers(len(done))])
    else:
        group = plan.unit(problem)[done] if kind == 1 else problem.operation_job[done]
        # whole groups in an order drawn at random, and of the last those near a moment
        turn = random.permutation(int(group.max()) + 1)
        span = float(np.ptp(middle)) + 1.0
        wide = size * 3 > len(done)
        far = turn[group] + np.abs(middle - middle[random.integers(len(done))]) / span * (0.9 if wide else len(turn))
    free = np.zeros(len(plan.mode), np.bool_)
    free[done[np.argsort(far, kind="stable")[:size]]] = True
    if len(problem.operation_branch):
        # where a route may change, all of its job may
        jobs = np.unique(problem.operation_job[free & (problem.operation_branch >= 0)])
        free |= np.isin(problem.operation_job, jobs)
    return free
