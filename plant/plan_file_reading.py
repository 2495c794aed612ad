"""From the pieces of a problem's file to its columns; and what no piece alone can tell to be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from plant.plan_names import plan_names
from plant.plan_pieces import AfterPiece, JobPiece, LockPiece, OperationPiece, ProblemFile, StandingPiece, UnitPiece, WayPiece
from plant.plan_problem import ALWAYS, Ints, Job, Lock, Objective, PlanProblem, Resource, Ticks, Transport, WorkUnit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def problem_faults(file: ProblemFile) -> Iterator[str]:
    """Yield what does not fit together."""
    yield from _twice("units", (unit.name for unit in file.units))
    yield from _twice("jobs", (job.name for job in file.jobs))
    yield from _twice("resources", (resource.name for resource in file.resources))
    yield from _transport_faults(file)
    for number, unit in enumerate(file.units, 1):
        for fault in _unit_faults(unit):
            yield f"units[{number}].{fault}"
    for number, resource in enumerate(file.resources, 1):
        if any(begin >= end for begin, end, _ in resource.closed):
            yield f"resources[{number}].closed: each span must end after it begins"
    units = {unit.name: unit for unit in file.units}
    resources = {resource.name for resource in file.resources}
    for number, job in enumerate(file.jobs, 1):
        for fault in (*_job_faults(job, units, resources), *_choice_faults(job)):
            yield f"jobs[{number}].{fault}"


def assembled(file: ProblemFile) -> tuple[PlanProblem, list[str]]:
    """Return the problem, and what is wrong with its locks and reference."""
    unit_row = {unit.name: row for row, unit in enumerate(file.units)}
    told = [(row, job, operation) for row, job in enumerate(file.jobs) for operation in job.operations]
    rows = {(job.name, operation.name): row for row, (_, job, operation) in enumerate(told)}
    ways = [(row, way) for row, (_, _, operation) in enumerate(told) for way in operation.ways]
    arcs = [arc for row, (_, job, operation) in enumerate(told) for arc in _arcs(job, operation, row, rows)]
    branches, branch_choice, choice_branch = _branches(file)
    resource_row = {resource.name: row for row, resource in enumerate(file.resources)}
    needs = [(mode, resource_row[name], amount) for mode, (_, way) in enumerate(ways) for name, amount in way.needs.items()]
    problem = PlanProblem(
        name=file.name,
        units=tuple(_unit(unit) for unit in file.units),
        jobs=tuple(_job(job) for job in file.jobs),
        operation_job=_ints(row for row, _, _ in told),
        operation_name=[operation.name for _, _, operation in told],
        operation_branch=_ints(ALWAYS if one.branch is None else branches[job.name, one.branch] for _, job, one in told),
        mode_operation=_ints(row for row, _ in ways),
        mode_unit=_ints(unit_row[way.unit] for _, way in ways),
        mode_duration=_ticks(way.duration for _, way in ways),
        mode_setup=_ints(_state(file.units[unit_row[way.unit]], way) for _, way in ways),
        mode_name=[way.name for _, way in ways],
        arc_before=_ints(arc[0] for arc in arcs),
        arc_after=_ints(arc[1] for arc in arcs),
        arc_least=_ticks(arc[2] for arc in arcs),
        arc_most=_ticks(arc[3] for arc in arcs),
        branch_choice=_ints(branch_choice),
        choice_branch=_ints(choice_branch),
        resources=tuple(Resource(one.name, one.capacity, one.closed, one.kind) for one in file.resources),
        need_mode=_ints(need[0] for need in needs),
        need_resource=_ints(need[1] for need in needs),
        need_amount=_ints(need[2] for need in needs),
        transport=_transport(file),
        now=file.now,
        objective=Objective(**file.objective.model_dump()),
        tick_s=file.tick_s,
        origin_us=_origin_us(file.origin),
    )
    return _held(problem, file)


def _held(problem: PlanProblem, file: ProblemFile) -> tuple[PlanProblem, list[str]]:
    names = plan_names(problem)
    wrong: list[str] = []

    def found(what: str, told: LockPiece | StandingPiece) -> int | None:
        try:
            return names.mode(problem, names.row(told.job, told.operation), told.unit, told.way)
        except ValueError as error:
            wrong.append(f"{what}: {error}")
            return None

    locks = []
    for number, lock in enumerate(file.locks, 1):
        mode = found(f"locks[{number}]", lock)
        if mode is not None:
            locks.append(Lock(int(problem.mode_operation[mode]), mode, lock.start, lock.reason, lock.end))
    twice = Counter(lock.operation for lock in locks)
    wrong += [f"locks: {problem.operation_name[row]} of a job is locked {count} times" for row, count in twice.items() if count > 1]
    problem = replace(problem, locks=tuple(locks))
    if file.reference is None:
        return problem, wrong
    modes, starts = np.full(len(problem.operation_job), -1, np.int32), np.zeros(len(problem.operation_job), np.int64)
    for number, standing in enumerate(file.reference, 1):
        mode = found(f"reference[{number}]", standing)
        if mode is not None:
            modes[problem.mode_operation[mode]], starts[problem.mode_operation[mode]] = mode, standing.start
    return replace(problem, reference_mode=modes, reference_start=starts), wrong


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what}: the name '{name}' is there {count} times"


def _transport_faults(file: ProblemFile) -> Iterator[str]:
    told = file.transport
    if told is None:
        for number, unit in enumerate(file.units, 1):
            if unit.place is not None:
                yield f"units[{number}].place: there is no transport; tell of 'transport', or leave out the place"
        return
    yield from _twice("transport.places", told.places)
    if len(told.travel) != len(told.places) or any(len(row) != len(told.places) for row in told.travel):
        yield f"transport.travel: write {len(told.places)} rows of {len(told.places)}, from each place to each"
    elif any(told.travel[row][row] for row in range(len(told.places))):
        yield "transport.travel: the way from a place to itself is 0"
    if told.start not in told.places:
        yield f"transport.start: there is no place '{told.start}'"
    for number, unit in enumerate(file.units, 1):
        if unit.place not in told.places:
            what = "is missing" if unit.place is None else f"there is no place '{unit.place}'"
            yield f"units[{number}].place: {what}"


def _unit_faults(unit: UnitPiece) -> Iterator[str]:
    if any(begin >= end for begin, end in unit.closed):
        yield "closed: each span must end after it begins"
    if any(then < end for (_, end), (then, _) in zip(unit.closed, unit.closed[1:], strict=False)):
        yield "closed: write the spans in order, each after the one before"
    if unit.setup is None:
        return
    count = len(unit.setup.states)
    if len(set(unit.setup.states)) < count:
        yield "setup.states: a name is there twice"
    if len(unit.setup.ticks) != count or any(len(row) != count for row in unit.setup.ticks):
        yield f"setup.ticks: write {count} rows of {count}, from each state to each"
    if unit.setup.stands is not None and unit.setup.stands not in unit.setup.states:
        yield f"setup.stands: there is no state '{unit.setup.stands}'"


def _job_faults(job: JobPiece, units: dict[str, UnitPiece], resources: set[str]) -> Iterator[str]:
    names = {operation.name for operation in job.operations}
    yield from _twice("operations", (operation.name for operation in job.operations))
    for number, operation in enumerate(job.operations, 1):
        here = f"operations[{number}]"
        for at, way in enumerate(operation.ways, 1):
            for fault in _way_faults(way, units, resources):
                yield f"{here}.ways[{at}].{fault}"
        if operation.after is None and job.choices and number > 1:
            yield f"{here}.after: must be told in a job with choices; [] where nothing must have ended before"
        for tie in operation.after or ():
            before = tie.operation if isinstance(tie, AfterPiece) else tie
            if before not in names:
                yield f"{here}.after: there is no operation '{before}' in this job"
            if isinstance(tie, AfterPiece) and tie.most is not None and tie.most < tie.least:
                yield f"{here}.after: at most {tie.most} and at least {tie.least} cannot both be"
    loop = _loop(job) if all(_before(tie) in names for one in job.operations for tie in one.after or ()) else None
    if loop is not None:
        yield f"operations: '{loop}' would have to come after itself"


def _before(tie: str | AfterPiece) -> str:
    return tie.operation if isinstance(tie, AfterPiece) else tie


def _loop(job: JobPiece) -> str | None:
    """Return an operation that comes after itself."""
    after: dict[str, set[str]] = {}
    for number, operation in enumerate(job.operations):
        chain = {job.operations[number - 1].name} if number else set()
        after[operation.name] = chain if operation.after is None else {_before(tie) for tie in operation.after}
    while after:
        free = [name for name, waits in after.items() if not waits & after.keys()]
        if not free:
            return next(iter(after))
        for name in free:
            del after[name]
    return None


def _way_faults(way: WayPiece, units: dict[str, UnitPiece], resources: set[str]) -> Iterator[str]:
    unit = units.get(way.unit)
    if unit is None:
        yield f"unit: there is no unit '{way.unit}'"
    elif way.setup is not None and (unit.setup is None or way.setup not in unit.setup.states):
        able = "no setup" if unit.setup is None else f"no state '{way.setup}', but {', '.join(unit.setup.states[:20])}"
        yield f"setup: {way.unit} has {able}"
    for name in way.needs:
        if name not in resources:
            yield f"needs: there is no resource '{name}'"


def _choice_faults(job: JobPiece) -> Iterator[str]:
    yield from _twice("choices: branches", (branch for choice in job.choices for branch in choice.branches))
    above = {branch: choice.branch for choice in job.choices for branch in choice.branches}
    for number, operation in enumerate(job.operations, 1):
        if operation.branch is not None and operation.branch not in above:
            yield f"operations[{number}].branch: no choice of this job has a branch '{operation.branch}'"
    for number, choice in enumerate(job.choices, 1):
        seen, branch = set(choice.branches), choice.branch
        while branch is not None:
            if branch not in above:
                yield f"choices[{number}].branch: no choice of this job has a branch '{branch}'"
                break
            if branch in seen:
                yield f"choices[{number}].branch: the choice would stand inside itself"
                break
            seen.add(branch)
            branch = above[branch]


def _ints(values: Iterable[int]) -> Ints:
    return np.array([*values], np.int32)


def _ticks(values: Iterable[int]) -> Ticks:
    return np.array([*values], np.int64)


def _state(unit: UnitPiece, way: WayPiece) -> int:
    return -1 if way.setup is None or unit.setup is None else unit.setup.states.index(way.setup)


def _arcs(job: JobPiece, operation: OperationPiece, row: int, rows: dict[tuple[str, str], int]) -> Iterator[tuple[int, int, int, int]]:
    if operation.after is None:
        if operation is not job.operations[0]:
            yield row - 1, row, 0, -1
        return
    for tie in operation.after:
        if isinstance(tie, str):
            yield rows[job.name, tie], row, 0, -1
        else:
            yield rows[job.name, tie.operation], row, tie.least, -1 if tie.most is None else tie.most


def _branches(file: ProblemFile) -> tuple[dict[tuple[str, str], int], list[int], list[int]]:
    rows: dict[tuple[str, str], int] = {}
    branch_choice: list[int] = []
    above: list[tuple[str, str | None]] = []
    for job in file.jobs:
        for choice in job.choices:
            for branch in choice.branches:
                rows[job.name, branch] = len(branch_choice)
                branch_choice.append(len(above))
            above.append((job.name, choice.branch))
    return rows, branch_choice, [ALWAYS if branch is None else rows[job, branch] for job, branch in above]


def _unit(told: UnitPiece) -> WorkUnit:
    setup = told.setup
    return WorkUnit(
        told.name,
        None if setup is None else np.array(setup.ticks, np.int64).reshape(len(setup.states), len(setup.states)),
        -1 if setup is None or setup.stands is None else setup.states.index(setup.stands),
        setup is not None and setup.with_part,
        told.closed,
        told.pauses,
        told.buffer,
        told.group,
        () if setup is None else setup.states,
    )


def _job(told: JobPiece) -> Job:
    return Job(told.name, told.release, told.due, told.weight, told.order, told.product, told.family, told.one_at_a_time)


def _transport(file: ProblemFile) -> Transport | None:
    told = file.transport
    if told is None:
        return None
    row: Callable[[str], int] = told.places.index
    places = _ints(row(unit.place or "") for unit in file.units)
    return Transport(np.array(told.travel, np.int64), places, row(told.start), told.vehicles, told.places)


def _origin_us(origin: datetime | None) -> int | None:
    if origin is None:
        return None
    aware = origin if origin.tzinfo is not None else origin.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
