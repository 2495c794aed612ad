"""The rules of a plan followed tick by tick, as simply as they can be said; and small random problems with plans that keep them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plant.plan_problem import ALWAYS, Job, Lock, LockReason, Objective, PlanProblem, Resource, Transport, WorkUnit
from plant.plans import Plan, Trip


def _closed(unit: WorkUnit, tick: int) -> bool:
    return any(begin <= tick < end for begin, end in unit.closed)


def keeps_all_rules(problem: PlanProblem, plan: Plan, *, whole: bool = True) -> bool:
    """Return whether a plan keeps all rules; where it is not whole, what is not done yet is not missed."""
    done = [row for row in range(len(plan.mode)) if plan.mode[row] >= 0]
    unit_of = {row: int(problem.mode_unit[plan.mode[row]]) for row in done}
    return (
        all(problem.mode_operation[plan.mode[row]] == row for row in done)
        and (not whole or _right_ones(problem, set(done)))
        and all(_one_unit(problem, plan, [r for r in done if unit_of[r] == u], u) for u in range(len(problem.units)))
        and all(_one_job(problem, plan, [r for r in done if problem.operation_job[r] == j], j) for j in range(len(problem.jobs)))
        and _locked(problem, plan, set(done), whole=whole)
        and _enough(problem, plan, done, unit_of)
        and _arrive(problem, plan, done)
        and _drive(problem, plan)
    )


def _right_ones(problem: PlanProblem, done: set[int]) -> bool:
    wanted: set[int] = {row for row in range(len(problem.operation_job)) if problem.operation_branch[row] == ALWAYS}

    def inner(branch: int) -> set[int]:
        found = {row for row in range(len(problem.operation_job)) if problem.operation_branch[row] == branch}
        for choice in range(len(problem.choice_branch)):
            if problem.choice_branch[choice] == branch:
                for other in range(len(problem.branch_choice)):
                    if problem.branch_choice[other] == choice:
                        found |= inner(other)
        return found

    def ways(branch: int) -> list[set[int]]:
        options = [{row for row in range(len(problem.operation_job)) if problem.operation_branch[row] == branch} if branch >= 0 else wanted]
        for choice in range(len(problem.choice_branch)):
            if problem.choice_branch[choice] == branch:
                sides = [side for b in range(len(problem.branch_choice)) if problem.branch_choice[b] == choice for side in ways(b)]
                options = [option | side for option in options for side in sides]
        return options

    return done in ways(ALWAYS)


def _one_unit(problem: PlanProblem, plan: Plan, rows: list[int], number: int) -> bool:
    unit = problem.units[number]
    held = {lock.operation for lock in problem.locks if lock.start is not None}
    busy: dict[int, int] = {}
    for row in rows:
        start, end, lasts = int(plan.start[row]), int(plan.end[row]), int(problem.mode_duration[plan.mode[row]])
        worked = [tick for tick in range(start, end) if not _closed(unit, tick)]
        if _closed(unit, start) or _closed(unit, end - 1) or len(worked) != lasts or (not unit.pauses and end - start != lasts):
            return False
        if start < problem.now and row not in held:
            return False
        for tick in range(start, end):
            if tick in busy:
                return False
            busy[tick] = row
    state = unit.setup_state
    for row in sorted(rows, key=lambda r: int(plan.start[r])):
        new = int(problem.mode_setup[plan.mode[row]])
        if new >= 0 and state >= 0 and unit.setup is not None:
            for tick in range(int(plan.start[row]) - int(unit.setup[state, new]), int(plan.start[row])):
                if tick in busy or _closed(unit, tick) or (tick < problem.now and row not in held):
                    return False
                if unit.setup_with_part and tick < _there(problem, plan, row):
                    return False
        state = new if new >= 0 else state
    return True


def _one_job(problem: PlanProblem, plan: Plan, rows: list[int], number: int) -> bool:
    job = problem.jobs[number]
    if any(plan.start[row] < job.release for row in rows):
        return False
    if job.one_at_a_time:
        for tick in range(max((int(plan.end[row]) for row in rows), default=0)):
            if sum(plan.start[row] <= tick < plan.end[row] for row in rows) > 1:
                return False
    for a, b, least, most in zip(problem.arc_before, problem.arc_after, problem.arc_least, problem.arc_most, strict=True):
        if a in rows and b in rows:
            between = plan.start[b] - plan.end[a]
            if between < least or (most >= 0 and between > most):
                return False
    return True


def _locked(problem: PlanProblem, plan: Plan, done: set[int], *, whole: bool) -> bool:
    for lock in problem.locks:
        if lock.operation not in done:
            if whole:
                return False
            continue
        if plan.mode[lock.operation] != lock.mode or lock.start not in {None, int(plan.start[lock.operation])}:
            return False
    return True


def _enough(problem: PlanProblem, plan: Plan, done: list[int], unit_of: dict[int, int]) -> bool:
    for tick in range(max((int(plan.end[row]) for row in done), default=0)):
        for number, resource in enumerate(problem.resources):
            needed = sum(amount for begin, end, amount in resource.closed if begin <= tick < end)
            mine = 0
            for mode, what, amount in zip(problem.need_mode, problem.need_resource, problem.need_amount, strict=True):
                row = int(problem.mode_operation[mode])
                if what != number or row not in done or plan.mode[row] != mode or not plan.start[row] <= tick < plan.end[row]:
                    continue
                if resource.kind == "skill" and _closed(problem.units[unit_of[row]], tick):
                    continue
                mine += int(amount)
            if mine and needed + mine > resource.capacity:
                return False
        for number, unit in enumerate(problem.units):
            waits = [r for r in done if unit_of[r] == number and _before(problem, plan, r) is not None]
            if unit.buffer is not None and sum(_there(problem, plan, r) <= tick < plan.start[r] for r in waits) > unit.buffer:
                return False
    return True


def _before(problem: PlanProblem, plan: Plan, row: int) -> int | None:
    mates = [r for r in range(len(plan.mode)) if plan.mode[r] >= 0 and problem.operation_job[r] == problem.operation_job[row] and r != row]
    earlier = [r for r in mates if plan.start[r] < plan.start[row]]
    return max(earlier, key=lambda r: int(plan.start[r])) if earlier else None


def _from_to(problem: PlanProblem, plan: Plan, row: int) -> tuple[int, int]:
    assert problem.transport is not None
    before = _before(problem, plan, row)
    place = problem.transport.place
    origin = problem.transport.start if before is None else int(place[problem.mode_unit[plan.mode[before]]])
    return origin, int(place[problem.mode_unit[plan.mode[row]]])


def _there(problem: PlanProblem, plan: Plan, row: int) -> int:
    before = _before(problem, plan, row)
    there = problem.jobs[problem.operation_job[row]].release if before is None else int(plan.end[before])
    if problem.transport is None:
        return there
    origin, place = _from_to(problem, plan, row)
    arrived = [trip.arrives for trip in plan.trips if trip.operation == row]
    return max([there + int(problem.transport.travel[origin, place]), *arrived])


def _arrive(problem: PlanProblem, plan: Plan, done: list[int]) -> bool:
    transport = problem.transport
    if transport is None:
        return not plan.trips
    locked = {lock.operation for lock in problem.locks}
    for row in done:
        origin, place = _from_to(problem, plan, row)
        trips = [trip for trip in plan.trips if trip.operation == row]
        if origin == place:
            if trips:
                return False
            continue
        if plan.start[row] < _there(problem, plan, row) or len(trips) > 1 or (transport.vehicles is not None and len(trips) != 1):
            return False
        before = _before(problem, plan, row)
        ready = problem.jobs[problem.operation_job[row]].release if before is None else int(plan.end[before])
        for trip in trips:
            if (trip.origin, trip.destination) != (origin, place) or trip.leaves < max(ready, 0 if row in locked else problem.now):
                return False
            if trip.arrives - trip.leaves != transport.travel[origin, place]:
                return False
    return all(trip.operation in done for trip in plan.trips)


def _drive(problem: PlanProblem, plan: Plan) -> bool:
    transport = problem.transport
    if transport is None or transport.vehicles is None:
        return True
    for vehicle in range(transport.vehicles):
        stands, free = transport.start, 0
        for trip in sorted((t for t in plan.trips if t.vehicle == vehicle), key=lambda t: t.leaves):
            if trip.leaves < free + transport.travel[stands, trip.origin]:
                return False
            stands, free = trip.destination, trip.arrives
    return all(0 <= trip.vehicle < transport.vehicles for trip in plan.trips)


def random_problem(random: np.random.Generator, *, jobs: int = 3, units: int = 3) -> PlanProblem:
    """Return a small problem in which each kind of rule may be there."""
    wants = random.random(8) < 0.5
    states = 3
    made = tuple(
        WorkUnit(
            f"M{number + 1}",
            setup=random.integers(0, 4, (states, states)).astype(np.int64) if wants[0] else None,
            setup_state=int(random.integers(-1, states)),
            setup_with_part=bool(random.random() < 0.3),
            closed=((4, 6), (9, 9 + int(random.integers(1, 4)))) if wants[1] and random.random() < 0.6 else (),
            pauses=bool(random.random() < 0.5),
            buffer=int(random.integers(0, 2)) if wants[2] else None,
        )
        for number in range(units)
    )
    job_of: list[int] = []
    branch_of: list[int] = []
    branch_choice: list[int] = []
    choice_branch: list[int] = []
    arcs: list[tuple[int, int, int, int]] = []
    for job in range(jobs):
        first = len(job_of)
        rows = int(random.integers(1, 4))
        job_of += [job] * rows
        branch_of += [ALWAYS] * rows
        if wants[3] and random.random() < 0.6:
            choice_branch.append(ALWAYS)
            choice = len(choice_branch) - 1
            for _ in range(2):
                branch_choice.append(choice)
                job_of.append(job)
                branch_of.append(len(branch_choice) - 1)
            if random.random() < 0.5:
                choice_branch.append(len(branch_choice) - 1)
                for _ in range(2):
                    branch_choice.append(len(choice_branch) - 1)
                    job_of.append(job)
                    branch_of.append(len(branch_choice) - 1)
        for a in range(first, len(job_of) - 1):
            if random.random() < 0.7:
                most = int(random.integers(3, 9)) if random.random() < 0.15 else -1
                arcs.append((a, a + 1, int(random.integers(0, 2)), most))
    count = len(job_of)
    mode_operation = np.sort(np.concatenate((np.arange(count), random.integers(0, count, count // 2)))).astype(np.int32)
    modes = len(mode_operation)
    needs = np.flatnonzero(random.random(modes) < 0.6).astype(np.int32) if wants[4] else np.empty(0, np.int32)
    transport = None
    if wants[5]:
        travel = random.integers(1, 4, (units + 1, units + 1)).astype(np.int64)
        np.fill_diagonal(travel, 0)
        vehicles = None if random.random() < 0.3 else int(random.integers(1, 3))
        transport = Transport(travel, random.integers(0, units + 1, units).astype(np.int32), 0, vehicles)
    columns = np.array(arcs, np.int64).reshape(-1, 4)
    return PlanProblem(
        name="random",
        units=made,
        jobs=tuple(
            Job(
                f"J{n + 1}",
                release=int(random.integers(0, 3)),
                due=int(random.integers(5, 15)),
                weight=2,
                one_at_a_time=random.random() < 0.9,
            )
            if not (wants[2] or wants[5])
            else Job(f"J{n + 1}", release=int(random.integers(0, 3)), due=None)
            for n in range(jobs)
        ),
        operation_job=np.array(job_of, np.int32),
        operation_name=[f"{row + 1}" for row in range(count)],
        operation_branch=np.array(branch_of, np.int32),
        mode_operation=mode_operation,
        mode_unit=random.integers(0, units, modes).astype(np.int32),
        mode_duration=random.integers(1, 5, modes).astype(np.int64),
        mode_setup=random.integers(-1, states, modes).astype(np.int32),
        mode_name=[""] * modes,
        arc_before=columns[:, 0].astype(np.int32),
        arc_after=columns[:, 1].astype(np.int32),
        arc_least=columns[:, 2],
        arc_most=columns[:, 3],
        branch_choice=np.array(branch_choice, np.int32),
        choice_branch=np.array(choice_branch, np.int32),
        resources=(Resource("welder", 1, ((5, 8, 1),)), Resource("jig", 2, (), "fixture")) if wants[4] else (),
        need_mode=needs,
        need_resource=random.integers(0, 2, len(needs)).astype(np.int32),
        need_amount=np.ones(len(needs), np.int32),
        transport=transport,
        now=int(random.integers(0, 3)) if wants[6] else 0,
        objective=Objective(makespan=1, tardiness=3, setup=1, flow=1),
    )


def random_plan(problem: PlanProblem, random: np.random.Generator, horizon: int = 45) -> Plan | None:
    """Return a plan that keeps all rules, tick by tick; None where none came up."""
    count = len(problem.operation_job)
    plan = Plan(np.full(count, -1, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64))
    taken: set[int] = {ALWAYS}
    for choice in range(len(problem.choice_branch)):
        if int(problem.choice_branch[choice]) in taken:
            taken.add(int(random.choice(np.flatnonzero(problem.branch_choice == choice))))
    rows = [row for row in range(count) if int(problem.operation_branch[row]) in taken]
    while rows:
        jobs = sorted({int(problem.operation_job[row]) for row in rows})
        job = jobs[int(random.integers(len(jobs)))]
        row = next(row for row in rows if problem.operation_job[row] == job)
        rows.remove(row)
        placed = _placed(problem, plan, row, int(random.choice(np.flatnonzero(problem.mode_operation == row))), random, horizon)
        if placed is None:
            return None
        plan = placed
    return plan if keeps_all_rules(problem, plan) else None


def _placed(problem: PlanProblem, plan: Plan, row: int, mode: int, random: np.random.Generator, horizon: int) -> Plan | None:
    unit = problem.units[problem.mode_unit[mode]]
    for start in range(horizon):
        end = start
        worked = 0
        while worked < problem.mode_duration[mode]:
            worked += not (unit.pauses and _closed(unit, end))
            end += 1
        columns = plan.mode.copy(), plan.start.copy(), plan.end.copy()
        columns[0][row], columns[1][row], columns[2][row] = mode, start, end
        tried = Plan(*columns, plan.trips)
        if problem.transport is not None and problem.transport.vehicles is not None:
            origin, place = _from_to(problem, tried, row)
            if origin != place:
                takes = int(problem.transport.travel[origin, place])
                vehicle = int(random.integers(problem.transport.vehicles))
                late = start - takes - int(random.integers(0, 2))
                tried = replace(tried, trips=(*plan.trips, Trip(vehicle, row, origin, place, late, late + takes)))
        if keeps_all_rules(problem, tried, whole=False):
            return tried
    return None


def mutated(problem: PlanProblem, plan: Plan, random: np.random.Generator) -> Plan:
    """Return a plan with something changed that may break a rule, or not."""
    mode, start, end, trips = plan.mode.copy(), plan.start.copy(), plan.end.copy(), list(plan.trips)
    row = int(random.integers(len(mode)))
    what = int(random.integers(7))
    if what <= 1 and mode[row] >= 0:
        by = int(random.integers(-3, 4))
        start[row], end[row] = max(start[row] + by, 0), max(start[row] + by, 0) + end[row] - start[row]
    elif what == 2 and mode[row] >= 0:
        end[row] += int(random.integers(-1, 2))
        end[row] = max(end[row], start[row] + 1)
    elif what == 3:
        mode[row] = int(random.choice(np.flatnonzero(problem.mode_operation == row)))
        if end[row] == 0:
            end[row] = start[row] + problem.mode_duration[mode[row]]
    elif what == 4 and mode[row] >= 0 and problem.operation_branch[row] != ALWAYS:
        mode[row], start[row], end[row] = -1, 0, 0
    elif what == 5 and trips:
        at = int(random.integers(len(trips)))
        by = int(random.integers(-2, 3))
        trips[at] = replace(trips[at], leaves=trips[at].leaves + by, arrives=trips[at].arrives + by)
    elif what == 6 and trips:
        trips.pop(int(random.integers(len(trips))))
    return Plan(mode, start, end, tuple(trips))


def random_locks(problem: PlanProblem, plan: Plan, random: np.random.Generator) -> PlanProblem:
    """Return the problem with some operations held where the plan has them, or elsewhere."""
    done = np.flatnonzero(plan.mode >= 0)
    rows = random.choice(done, min(2, len(done)), replace=False)
    locks = []
    for row in rows:
        start = None if random.random() < 0.4 else int(plan.start[row]) + int(random.random() < 0.2)
        locks.append(Lock(int(row), int(plan.mode[row]), start, LockReason.FROZEN if random.random() < 0.5 else LockReason.PERSON))
    return replace(problem, locks=tuple(locks))
