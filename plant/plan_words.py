"""How operations and times of a plan are named to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np

from plant.plan_problem import PlanProblem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Whole: TypeAlias = int | np.signedinteger[Any]


def operation_words(problem: PlanProblem, operation: Whole) -> str:
    """Return e.g. ``weld of EX-300-07``."""
    return f"{problem.operation_name[int(operation)]} of {problem.jobs[problem.operation_job[int(operation)]].name}"


def time_words(problem: PlanProblem, tick: Whole) -> str:
    """Return a time as people of the plant read it: by the clock where the problem has one, else the tick."""
    if problem.tick_s is None or problem.origin_us is None:
        return f"{int(tick):,}"
    at = _EPOCH + timedelta(microseconds=problem.origin_us + round(int(tick) * problem.tick_s * 1_000_000))
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def span_words(problem: PlanProblem, ticks: Whole) -> str:
    """Return a length of time, e.g. ``90 min``; in ticks where the problem has no clock."""
    if problem.tick_s is None:
        return f"{int(ticks):,}"
    seconds = int(ticks) * problem.tick_s
    return f"{seconds / 60:,.4g} min" if seconds >= 60 else f"{seconds:,.4g} s"
