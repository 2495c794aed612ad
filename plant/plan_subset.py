"""A part of a problem as a problem of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.errors import SettingsError
from plant.plan_problem import ALWAYS, Ints, PlanProblem


def first_jobs(problem: PlanProblem, jobs: int | None, place: str) -> PlanProblem:
    """Return the problem of the first jobs alone; of all where None."""
    if jobs is None or jobs == len(problem.jobs):
        return problem
    if not 1 <= jobs <= len(problem.jobs):
        raise SettingsError(f"{place}: has {len(problem.jobs)} jobs, and the first {jobs} are asked for")
    kept = problem.operation_job < jobs
    row = np.cumsum(kept) - 1
    modes, arcs = kept[problem.mode_operation], kept[problem.arc_before]
    mode_row = np.cumsum(modes) - 1
    needs = modes[problem.need_mode]
    choices, branches = _kept_choices(problem, kept)
    choice_row, branch_row = np.cumsum(choices) - 1, np.cumsum(branches) - 1
    locks = [lock for lock in problem.locks if kept[lock.operation]]
    return replace(
        problem,
        name=f"{problem.name}, first {jobs} jobs",
        jobs=problem.jobs[:jobs],
        operation_job=problem.operation_job[kept],
        operation_name=[name for name, keep in zip(problem.operation_name, kept, strict=True) if keep],
        operation_branch=_renumbered(problem.operation_branch[kept], branch_row),
        mode_operation=row[problem.mode_operation[modes]].astype(np.int32),
        mode_unit=problem.mode_unit[modes],
        mode_duration=problem.mode_duration[modes],
        mode_setup=problem.mode_setup[modes],
        mode_name=[name for name, keep in zip(problem.mode_name, modes, strict=True) if keep],
        arc_before=row[problem.arc_before[arcs]].astype(np.int32),
        arc_after=row[problem.arc_after[arcs]].astype(np.int32),
        arc_least=problem.arc_least[arcs],
        arc_most=problem.arc_most[arcs],
        branch_choice=choice_row[problem.branch_choice[branches]].astype(np.int32),
        choice_branch=_renumbered(problem.choice_branch[choices], branch_row),
        need_mode=mode_row[problem.need_mode[needs]].astype(np.int32),
        need_resource=problem.need_resource[needs],
        need_amount=problem.need_amount[needs],
        locks=tuple(replace(lock, operation=int(row[lock.operation]), mode=int(mode_row[lock.mode])) for lock in locks),
        reference_mode=None if problem.reference_mode is None else _renumbered(problem.reference_mode[kept], mode_row),
        reference_start=None if problem.reference_start is None else problem.reference_start[kept],
    )


def _renumbered(column: Ints, row: NDArray[Any]) -> Ints:
    """Return a column of rows as rows of what was kept; what points nowhere still does."""
    return np.where(column < 0, column, row[column]).astype(np.int32) if len(row) else column


def _kept_choices(problem: PlanProblem, kept: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which choices, and which branches, hold what was kept."""
    choices = np.zeros(len(problem.choice_branch), np.bool_)
    for branch in np.unique(problem.operation_branch[kept]):
        above = int(branch)
        while above != ALWAYS:
            choice = int(problem.branch_choice[above])
            choices[choice] = True
            above = int(problem.choice_branch[choice])
    changed = True
    while changed:
        inside = (problem.choice_branch != ALWAYS) & ~choices
        inside[inside] = choices[problem.branch_choice[problem.choice_branch[inside]]]
        changed = bool(inside.any())
        choices |= inside
    return choices, choices[problem.branch_choice]
