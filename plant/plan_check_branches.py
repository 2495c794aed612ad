"""Whether of each choice that is met exactly one branch is taken, whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plant.plan_problem import ALWAYS, PlanProblem
from plant.plan_words import operation_words
from plant.plans import Plan


def branch_faults(problem: PlanProblem, plan: Plan) -> Iterator[str]:
    """Yield operations that are not done and should be, or the other way round, and choices without one branch."""
    done = plan.mode >= 0
    for row in np.flatnonzero(~done & (problem.operation_branch == ALWAYS)):
        yield f"{operation_words(problem, row)} is not done, and no choice leaves it out"
    if len(problem.branch_choice) == 0:
        return
    touched = _touched(problem, done)
    empty = _can_be_empty(problem)
    taken = np.zeros(len(problem.branch_choice), np.bool_)
    for choice in _outer_first(problem):
        branches = np.flatnonzero(problem.branch_choice == choice)
        above = problem.choice_branch[choice]
        met = above == ALWAYS or taken[above]
        chosen = branches[touched[branches]]
        if met and len(chosen) == 0 and empty[branches].any():
            chosen = branches[empty[branches]][:1]
        elif met and len(chosen) != 1:
            named = _names(problem, branches if len(chosen) == 0 else chosen)
            yield f"{'none' if len(chosen) == 0 else 'more than one'} of the branches of a choice is taken, of {named}"
        elif not met and len(chosen):
            yield f"a branch is taken of a choice that is not met: {_names(problem, chosen)}"
        taken[chosen] = True
    inside = problem.operation_branch != ALWAYS
    wanted = inside & taken[problem.operation_branch]
    for row in np.flatnonzero(wanted & ~done):
        yield f"{operation_words(problem, row)} is not done, though the branch it belongs to is taken"


def _touched(problem: PlanProblem, done: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which branches hold anything that is done, in themselves or in a choice inside."""
    found = np.zeros(len(problem.branch_choice), np.bool_)
    inside = problem.operation_branch[done]
    found[inside[inside != ALWAYS]] = True
    for choice in reversed(_outer_first(problem)):
        above = problem.choice_branch[choice]
        if above != ALWAYS and found[problem.branch_choice == choice].any():
            found[above] = True
    return found


def _can_be_empty(problem: PlanProblem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which branches may be taken without anything being done."""
    found = np.ones(len(problem.branch_choice), np.bool_)
    inside = problem.operation_branch
    found[inside[inside != ALWAYS]] = False
    for choice in reversed(_outer_first(problem)):
        above = problem.choice_branch[choice]
        if above != ALWAYS and not found[problem.branch_choice == choice].any():
            found[above] = False
    return found


def _outer_first(problem: PlanProblem) -> list[int]:
    """Return the choices so that each comes after the one around it."""
    depth: dict[int, int] = {}

    def deep(choice: int) -> int:
        if choice not in depth:
            above = problem.choice_branch[choice]
            depth[choice] = 0 if above == ALWAYS else 1 + deep(int(problem.branch_choice[above]))
        return depth[choice]

    return sorted(range(len(problem.choice_branch)), key=deep)


def _names(problem: PlanProblem, branches: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    firsts = [np.flatnonzero(problem.operation_branch == branch)[:1] for branch in branches]
    named = [operation_words(problem, rows[0]) if len(rows) else "nothing" for rows in firsts]
    return " | ".join(named[:6]) + (" | ..." if len(named) > 6 else "")
