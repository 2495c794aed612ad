"""Small plan problems drawn at random, with anything mixed: branches, setups, closed time, people, buffers, ways, longest times, locks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from plant.plan_problem import ALWAYS, Job, Lock, LockReason, Objective, PlanProblem, Resource, Transport, WorkUnit
from plant.plans import Plan


@dataclass
class _Columns:
    operation_job: list[int] = field(default_factory=list)
    operation_branch: list[int] = field(default_factory=list)
    modes: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Operation, unit, duration, state."""
    arcs: list[tuple[int, int, int, int]] = field(default_factory=list)
    branch_choice: list[int] = field(default_factory=list)
    choice_branch: list[int] = field(default_factory=list)


def drawn_problem(seed: int, *, jobs: int = 3, most: int = 3, tiny: bool = False, vehicles: bool = True) -> PlanProblem:
    """Return a problem; each feature is in it or not."""
    random = np.random.default_rng(seed)

    def yes(share: float = 0.35) -> bool:
        return bool(random.random() < share)

    states = 3
    with_setups, with_branches, with_way = yes(0.5), yes(0.5), yes(0.3)
    units = []
    for at in range(2 if tiny else 3):
        closed = tuple(
            (int(begin), int(begin + random.integers(1, 4)))
            for begin in sorted(random.choice(np.arange(1, 30, 5), size=random.integers(1, 4), replace=False))
        )
        units.append(
            WorkUnit(
                f"unit-{at}",
                setup=_setup(random, states) if with_setups and yes(0.7) else None,
                setup_state=int(random.integers(states)) if with_setups and yes() else -1,
                setup_with_part=yes(),
                closed=closed if yes() else (),
                pauses=yes(0.5),
                buffer=int(random.integers(0, 2)) if yes(0.25) else None,
            )
        )
    columns = _Columns()
    made = []
    for row in range(jobs):
        _job(random, columns, row, len(units), states, most=most, branches=with_branches and yes(0.7))
        release = int(random.integers(0, 5)) if yes() else 0
        due = int(random.integers(3, 20)) if yes(0.6) else None
        made.append(Job(f"job-{row}", release, due, int(random.integers(1, 4)), one_at_a_time=with_way or yes(0.8)))
    modes = np.array(columns.modes, np.int64).reshape(-1, 4)
    resources = tuple(
        Resource(f"resource-{at}", int(random.integers(1, 3)), ((5, 8, 1),) if yes() else (), "fixture" if yes(0.5) else "skill")
        for at in range(int(random.integers(0, 3)))
    )
    needs = [
        (mode, at, int(random.integers(1, resource.capacity + 1)))
        for at, resource in enumerate(resources)
        for mode in range(len(modes))
        if yes(0.4)
    ]
    return PlanProblem(
        name=f"drawn-{seed}",
        units=tuple(units),
        jobs=tuple(made),
        operation_job=np.array(columns.operation_job, np.int32),
        operation_name=[f"operation-{at}" for at in range(len(columns.operation_job))],
        operation_branch=np.array(columns.operation_branch, np.int32),
        mode_operation=modes[:, 0].astype(np.int32),
        mode_unit=modes[:, 1].astype(np.int32),
        mode_duration=modes[:, 2].astype(np.int64),
        mode_setup=modes[:, 3].astype(np.int32),
        mode_name=[""] * len(modes),
        arc_before=np.array([arc[0] for arc in columns.arcs], np.int32),
        arc_after=np.array([arc[1] for arc in columns.arcs], np.int32),
        arc_least=np.array([arc[2] for arc in columns.arcs], np.int64),
        arc_most=np.array([arc[3] for arc in columns.arcs], np.int64),
        branch_choice=np.array(columns.branch_choice, np.int32),
        choice_branch=np.array(columns.choice_branch, np.int32),
        resources=resources,
        need_mode=np.array([need[0] for need in needs], np.int32),
        need_resource=np.array([need[1] for need in needs], np.int32),
        need_amount=np.array([need[2] for need in needs], np.int32),
        transport=_transport(random, len(units), vehicles=1 if vehicles and yes() else None) if with_way else None,
        now=int(random.integers(0, 4)) if yes() else 0,
        objective=_objective(random),
    )


def with_locks(problem: PlanProblem, plan: Plan, seed: int) -> PlanProblem:
    """Return the problem some time later: what a plan began has started, and some of the rest is frozen."""
    mode, start, end = plan.mode, plan.start, plan.end
    random = np.random.default_rng(seed)
    now = int(random.integers(1, max(int(end.max()), 2)))
    locks = []
    for at in range(len(mode)):
        if mode[at] < 0:
            continue
        if start[at] < now:
            locks.append(Lock(at, int(mode[at]), int(start[at]), LockReason.STARTED, int(end[at])))
        elif random.random() < 0.25:
            locks.append(Lock(at, int(mode[at]), int(start[at]) if random.random() < 0.6 else None, LockReason.FROZEN))
    return replace(
        problem,
        locks=tuple(locks),
        now=now,
        reference_mode=mode,
        reference_start=start,
        objective=replace(problem.objective, moved=int(random.integers(0, 3))),
    )


def shop(*, jobs: int, steps: int, units: int, seed: int) -> PlanProblem:
    """Return a plain flexible job shop: each step on one to three units, of which the makespan counts."""
    random = np.random.default_rng(seed)
    count = jobs * steps
    modes = [
        (at, int(unit), int(random.integers(2, 20)))
        for at in range(count)
        for unit in random.choice(units, size=int(random.integers(1, min(units, 3) + 1)), replace=False)
    ]
    before = np.array([at for at in range(count) if at % steps != steps - 1], np.int32)
    return PlanProblem(
        name=f"shop-{seed}",
        units=tuple(WorkUnit(f"unit-{at}") for at in range(units)),
        jobs=tuple(Job(f"job-{row}") for row in range(jobs)),
        operation_job=np.repeat(np.arange(jobs), steps).astype(np.int32),
        operation_name=[f"step-{at % steps}" for at in range(count)],
        operation_branch=np.full(count, ALWAYS, np.int32),
        mode_operation=np.array([mode[0] for mode in modes], np.int32),
        mode_unit=np.array([mode[1] for mode in modes], np.int32),
        mode_duration=np.array([mode[2] for mode in modes], np.int64),
        mode_setup=np.full(len(modes), -1, np.int32),
        mode_name=[""] * len(modes),
        arc_before=before,
        arc_after=(before + 1).astype(np.int32),
        arc_least=np.zeros(len(before), np.int64),
        arc_most=np.full(len(before), -1, np.int64),
    )


def _setup(random: np.random.Generator, states: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.asarray(random.integers(0, 4, (states, states)), np.int64)


def _objective(random: np.random.Generator) -> Objective:
    makespan, tardiness, setup = (int(random.integers(1, 3)) if random.random() < share else 0 for share in (0.8, 0.5, 0.4))
    return Objective(makespan, tardiness, setup, moved=0, flow=int(random.random() < 0.35))


def _transport(random: np.random.Generator, units: int, vehicles: int | None) -> Transport:
    places = units
    travel = random.integers(1, 3, (places, places)).astype(np.int64)
    np.fill_diagonal(travel, 0)
    return Transport(travel, random.integers(0, places, units).astype(np.int32), 0, vehicles)


def _job(random: np.random.Generator, columns: _Columns, row: int, units: int, states: int, *, most: int, branches: bool) -> None:
    count = int(random.integers(1, most + 1))
    line = [_operation(random, columns, row, units, states, -1) for _ in range(count)]
    open_order = random.random() < 0.25
    for one, two in pairwise(line):
        if not open_order or random.random() < 0.5:
            least = int(random.integers(0, 3)) if random.random() < 0.2 else 0
            longest = least + int(random.integers(0, 4)) if random.random() < 0.15 else -1
            columns.arcs.append((one, two, least, longest))
    if branches:
        choice = len(columns.choice_branch)
        columns.choice_branch.append(-1)
        for _ in range(2):
            branch = len(columns.branch_choice)
            columns.branch_choice.append(choice)
            inside = [_operation(random, columns, row, units, states, branch) for _ in range(int(random.integers(1, 3)))]
            columns.arcs.append((line[-1], inside[0], 0, -1))
            columns.arcs += [(one, two, 0, -1) for one, two in pairwise(inside)]


def _operation(random: np.random.Generator, columns: _Columns, row: int, units: int, states: int, branch: int) -> int:
    at = len(columns.operation_job)
    columns.operation_job.append(row)
    columns.operation_branch.append(branch)
    for unit in random.choice(units, size=int(random.integers(1, units + 1)), replace=False):
        state = int(random.integers(-1, states)) if random.random() < 0.9 else -1
        columns.modes.append((at, int(unit), int(random.integers(1, 5)), state))
    return at
