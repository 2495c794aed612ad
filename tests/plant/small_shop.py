"""Small problems and plans written in a line or two, for tests of replanning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plant.plan_problem import ALWAYS, Job, PlanProblem, WorkUnit
from plant.plans import Plan

Step = tuple[str, list[tuple[str, int]]] | tuple[str, list[tuple[str, int]], int]
"""Operation; units with durations; setup state."""


def shop(jobs: dict[str, Sequence[Step]], *, units: dict[str, dict[str, Any]] | None = None, **rest: Any) -> PlanProblem:
    """Return jobs whose operations follow each other; ``units`` tells what is special of some."""
    special = units or {}
    names = list(dict.fromkeys([unit for steps in jobs.values() for step in steps for unit, _ in step[1]] + list(special)))
    steps = [(job, step) for job, row in enumerate(jobs.values()) for step in row]
    modes = [(row, unit, lasts, step[2] if len(step) > 2 else -1) for row, (_, step) in enumerate(steps) for unit, lasts in step[1]]
    before = [row for row in range(len(steps) - 1) if steps[row][0] == steps[row + 1][0]]
    columns: dict[str, Any] = {
        "name": "shop",
        "units": tuple(WorkUnit(name, **special.get(name, {})) for name in names),
        "jobs": tuple(Job(name) for name in jobs),
        "operation_job": np.array([job for job, _ in steps], np.int32),
        "operation_name": [step[0] for _, step in steps],
        "operation_branch": np.full(len(steps), ALWAYS, np.int32),
        "mode_operation": np.array([mode[0] for mode in modes], np.int32),
        "mode_unit": np.array([names.index(mode[1]) for mode in modes], np.int32),
        "mode_duration": np.array([mode[2] for mode in modes], np.int64),
        "mode_setup": np.array([mode[3] for mode in modes], np.int32),
        "mode_name": [""] * len(modes),
        "arc_before": np.array(before, np.int32),
        "arc_after": np.array(before, np.int32) + np.int32(1),
        "arc_least": np.zeros(len(before), np.int64),
        "arc_most": np.full(len(before), -1, np.int64),
    }
    return PlanProblem(**(columns | rest))


def stands(problem: PlanProblem, *starts: int, modes: Sequence[int] | None = None) -> Plan:
    """Return a plan with a start for each operation, in its first mode unless told otherwise."""
    first = problem.modes_of[:-1]
    mode = np.asarray(first if modes is None else first + np.array(modes), np.int32)
    start = np.array(starts, np.int64)
    return Plan(mode, start, start + problem.mode_duration[mode])


def nothing(problem: PlanProblem) -> Plan:
    """Return the plan that does nothing yet."""
    count = len(problem.operation_job)
    return Plan(np.full(count, -1, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64))


def large_shop(jobs: int, steps: int, units: int, *, seed: int = 0, **unit: Any) -> PlanProblem:
    """Return jobs with two ways for each operation."""
    random = np.random.default_rng(seed)
    return shop(
        {
            f"J{job}": [
                (f"O{step}", [(f"U{one}", int(random.integers(5, 30))) for one in random.permutation(units)[:2]]) for step in range(steps)
            ]
            for job in range(jobs)
        },
        units={f"U{one}": unit for one in range(units)},
    )
