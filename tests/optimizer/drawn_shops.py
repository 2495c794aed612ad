"""Job shops drawn at random: lines of operations with alternatives, and setups, due dates and closed time where asked for."""

from __future__ import annotations

import numpy as np

from plant.plan_problem import Job, Objective, PlanProblem, WorkUnit


def drawn_shop(
    seed: int,
    *,
    jobs: int = 6,
    units: int = 4,
    steps: int = 4,
    alternatives: int = 2,
    setup: int = 0,
    closed: bool = False,
    pauses: bool = False,
    due: bool = False,
) -> PlanProblem:
    """Return a problem; its objective is the makespan, or tardiness before it where there are due dates."""
    random = np.random.default_rng(seed)
    modes = [
        (operation, unit, int(random.integers(1, 20)), operation // steps if setup else -1)
        for operation in range(jobs * steps)
        for unit in sorted(random.choice(units, size=random.integers(1, alternatives + 1), replace=False).tolist())
    ]
    columns = np.array(modes, np.int64)
    arcs = np.array([row for row in range(jobs * steps) if row % steps], np.int32)
    made = []
    for row in range(units):
        turns = random.integers(0, setup + 1, (jobs, jobs)) if setup else None
        windows = tuple((int(at), int(at) + 5) for at in range(10 + 3 * row, 400, 37)) if closed else ()
        made.append(WorkUnit(f"unit-{row}", setup=turns, closed=windows, pauses=pauses))
    return PlanProblem(
        name=f"shop-{seed}",
        units=tuple(made),
        jobs=tuple(
            Job(f"job-{row}", int(random.integers(0, 20)) if due else 0, int(random.integers(20, 90)) if due else None, row % 3 + 1)
            for row in range(jobs)
        ),
        operation_job=np.repeat(np.arange(jobs, dtype=np.int32), steps),
        operation_name=[f"step-{row % steps}" for row in range(jobs * steps)],
        operation_branch=np.full(jobs * steps, -1, np.int32),
        mode_operation=columns[:, 0].astype(np.int32),
        mode_unit=columns[:, 1].astype(np.int32),
        mode_duration=columns[:, 2],
        mode_setup=columns[:, 3].astype(np.int32),
        mode_name=[""] * len(columns),
        arc_before=(arcs - 1).astype(np.int32),
        arc_after=arcs,
        arc_least=np.zeros(len(arcs), np.int64),
        arc_most=np.full(len(arcs), -1, np.int64),
        objective=Objective(makespan=1, tardiness=10) if due else Objective(),
    )
