"""Operations of a plan as people ask about them: lines, alternatives, and why each stands where it stands."""

from __future__ import annotations

import numpy as np

from dashboard.pages.parts import duration, moment
from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import clock_of, job_ends
from dashboard.texts import texts_of
from dashboard.views_plan import AlternativeView, OperationRow, ReasonView
from plant.plan_order import plan_order
from plant.plan_reason_words import PLAN_REASONS, Reason, reason_values, reasons_here, reasons_late, reasons_unit
from plant.plan_reasons import PlanStory, elsewhere, why_here, why_late


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


def why_of(
    one: ReadPlan, story: PlanStory, row: int, language: str, zone: str
) -> tuple[tuple[ReasonView, ...], tuple[ReasonView, ...], tuple[ReasonView, ...]]:
    """Return why an operation starts when it starts, why on its unit, and why its job is late."""
    late = why_late(story, int(one.problem.operation_job[row]))
    return (
        tuple(_reason(one, each, language, zone) for each in reasons_here(why_here(story, row))),
        tuple(_reason(one, each, language, zone) for each in reasons_unit(elsewhere(story, row))),
        () if late is None else tuple(_reason(one, each, language, zone) for each in reasons_late(late)),
    )


def _reason(one: ReadPlan, reason: Reason, language: str, zone: str) -> ReasonView:
    t, problem = texts_of(language), one.problem
    origin_us, tick_us = clock_of(problem, one.version.made_us)

    def time(tick: int) -> str:
        return moment(origin_us + int(tick) * tick_us, zone, seconds=False)

    def span(ticks: int) -> str:
        return duration(int(ticks) * tick_us, t)

    values = dict(reason_values(problem, reason, time=time, span=span))
    if reason.operation >= 0:
        part = problem.jobs[problem.operation_job[reason.operation]].name
        values["operation"] = t("{operation} of {part}", operation=problem.operation_name[reason.operation], part=part)
    return ReasonView(
        code=reason.code,
        words=t(PLAN_REASONS[reason.code], **values),
        time_us=None if reason.at is None else origin_us + reason.at * tick_us,
        row=reason.operation if reason.operation >= 0 else None,
        root=reason.code == "late_root",
    )
