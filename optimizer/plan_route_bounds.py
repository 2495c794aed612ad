"""What no plan can beat where there are routes to choose: the longest of the shortest routes, and loads of units shared out best."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from optimizer.plan_shape import Shape
from plant.plan_problem import ALWAYS

_MOST_MODES: Final = 60_000


def route_bound(shape: Shape) -> int:
    """Return a number that no plan's cost is below."""
    problem, counts = shape.problem, shape.problem.objective
    ends = [_soonest(shape, row) for row in range(len(problem.jobs))]
    total = 0
    if counts.makespan:
        longest = max(ends, default=0)
        total += counts.makespan * max(longest, _loads(shape) if len(shape.duration) <= _MOST_MODES else 0)
    if counts.tardiness:
        late = (max(end - job.due, 0) * job.weight for end, job in zip(ends, problem.jobs, strict=True) if job.due is not None)
        total += counts.tardiness * sum(late)
    if counts.flow:
        total += counts.flow * sum(max(end - job.release, 0) for end, job in zip(ends, problem.jobs, strict=True) if end)
    return total


def _soonest(shape: Shape, row: int) -> int:
    """Return when a job ends at the soonest: by the shortest of its routes, each alternative at its shortest."""
    problem = shape.problem
    open_ = [at for at in shape.operations_of[row] if not shape.locked[at]]
    fixed = max((shape.end[at] or 0 for at in shape.operations_of[row] if shape.start[at] is not None), default=0)
    if not open_:
        return fixed
    least = max(problem.jobs[row].release, problem.now)
    if not problem.jobs[row].one_at_a_time:
        return fixed
    always = sum(_shortest(shape, at) for at in open_ if shape.branch[at] == ALWAYS)
    inside: dict[int, int] = {}
    for at in open_:
        if shape.branch[at] != ALWAYS:
            inside[shape.branch[at]] = inside.get(shape.branch[at], 0) + _shortest(shape, at)
    under: dict[int, list[int]] = {}
    mine = {shape.choice_of[above] for branch in inside for above in shape.above[branch]}
    for choice in mine:
        under.setdefault(int(problem.choice_branch[choice]), []).append(choice)

    def best(choice: int) -> int:
        return min((inside.get(one, 0) + sum(best(inner) for inner in under.get(one, ())) for one in shape.choices[choice]), default=0)

    total = always + sum(best(choice) for choice in under.get(ALWAYS, ()))
    return max(fixed, least + total if total or always else 0)


def _shortest(shape: Shape, at: int) -> int:
    return min((shape.duration[mode] for mode in shape.modes[at]), default=0)


def _loads(shape: Shape) -> int:
    """Return the makespan when all that is open is shared out over units and routes, even in parts (a linear program)."""
    problem = shape.problem
    open_ = [at for at in range(len(shape.job)) if not shape.locked[at]]
    columns = [(at, mode) for at in open_ for mode in shape.modes[at]]
    if not columns:
        return 0
    branches = len(shape.above)
    length = len(columns) + branches
    duration = np.array([shape.duration[mode] for _, mode in columns], np.float64)
    unit = np.array([shape.unit[mode] for _, mode in columns])
    job = np.array([shape.job[at] for at, _ in columns])
    single = np.array([row.one_at_a_time for row in problem.jobs])[job]
    begins = np.full(len(problem.units), np.inf)
    np.minimum.at(begins, unit, np.array([shape.earliest(at) for at, _ in columns], np.float64))
    jobs = np.array([max(row.release, problem.now) for row in problem.jobs], np.float64)
    places = np.arange(len(columns))
    units = len(problem.units)
    rows = np.concatenate((unit, units + job[single], np.arange(units + len(jobs))))
    at_column = np.concatenate((places, places[single], np.full(units + len(jobs), length)))
    values = np.concatenate((duration, duration[single], np.full(units + len(jobs), -1.0)))
    above = coo_array((values, (rows, at_column)), shape=(units + len(jobs), length + 1))
    most = np.concatenate((np.where(np.isfinite(begins), -begins, 0.0), -jobs * np.isin(np.arange(len(jobs)), job[single])))
    equal_rows, equal_columns, equal_values, wanted = _shares(shape, open_, columns)
    equal = coo_array((equal_values, (equal_rows, equal_columns)), shape=(len(wanted), length + 1))
    cost = np.zeros(length + 1)
    cost[-1] = 1.0
    solved = linprog(  # type: ignore[call-overload]  # sparse columns are taken, the stubs do not know
        cost,
        A_ub=above.tocsr(),
        b_ub=most,
        A_eq=equal.tocsr(),
        b_eq=wanted,
        bounds=(0, None),
        method="highs",
        options={"time_limit": 2.0},
    )
    return math.ceil(solved.fun - 1e-6) if solved.status == 0 else 0


def _shares(shape: Shape, open_: list[int], columns: list[tuple[int, int]]) -> tuple[list[int], list[int], list[float], list[float]]:
    """Return the rows that make each operation done as much as its branch is taken, and a choice's branches as much as theirs."""
    rows, places, values, wanted = [], [], [], []
    row_of = {at: row for row, at in enumerate(open_)}
    for column, (at, _) in enumerate(columns):
        rows.append(row_of[at])
        places.append(column)
        values.append(1.0)
    for at in open_:
        if shape.branch[at] != ALWAYS:
            rows.append(row_of[at])
            places.append(len(columns) + shape.branch[at])
            values.append(-1.0)
        wanted.append(1.0 if shape.branch[at] == ALWAYS else 0.0)
    for choice, branches in enumerate(shape.choices):
        parent = int(shape.problem.choice_branch[choice])
        for branch in branches:
            rows.append(len(wanted))
            places.append(len(columns) + branch)
            values.append(1.0)
        if parent != ALWAYS:
            rows.append(len(wanted))
            places.append(len(columns) + parent)
            values.append(-1.0)
        wanted.append(1.0 if parent == ALWAYS else 0.0)
    possible = {branch for branches in shape.choices for branch in branches}
    for branch in range(len(shape.above)):
        if branch not in possible:
            rows.append(len(wanted))
            places.append(len(columns) + branch)
            values.append(1.0)
            wanted.append(0.0)
    return rows, places, values, wanted
