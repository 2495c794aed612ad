"""Problems and plans as JSON files that people can write and read: ``plan-problem/1`` and ``plan/1``; docs/plan.md tells of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from plant.errors import SettingsError
from plant.plan_check import measures, objective_of
from plant.plan_file_reading import assembled, problem_faults
from plant.plan_names import PlanNames, plan_names
from plant.plan_pieces import PLAN_FORMAT, PROBLEM_FORMAT, PlacedPiece, PlanFile, ProblemFile, TripPiece
from plant.plan_problem import ALWAYS, Objective, PlanProblem, Transport, WorkUnit
from plant.plans import Plan, Solved, Trip
from plant.strict_json import most, read_pieces

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = "docs/plan.md"


def problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of a problem."""
    return ProblemFile.model_json_schema()


def plan_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of a plan."""
    return PlanFile.model_json_schema()


def read_problem(text: str | bytes, place: str = "problem.json") -> PlanProblem:
    """Return the problem that a file says. Raises SettingsError that names, for each thing wrong, key and what to do."""
    file = read_pieces(text, place, PROBLEM_FORMAT, ProblemFile, _PAGE)
    faults = list(problem_faults(file))
    if faults:
        raise SettingsError(most([f"{place}: {fault}" for fault in faults], place))
    problem, wrong = assembled(file)
    if wrong:
        raise SettingsError(most([f"{place}: {fault}" for fault in wrong], place))
    return problem


def read_plan(text: str | bytes, problem: PlanProblem, place: str = "plan.json") -> Plan:
    """Return the plan that a file says; whether it keeps the rules is for ``plan_faults`` to say. Raises SettingsError."""
    return plan_of(read_plan_file(text, place), problem, place)


def read_plan_file(text: str | bytes, place: str = "plan.json") -> PlanFile:
    """Return all that a file of a plan says. Raises SettingsError."""
    return read_pieces(text, place, PLAN_FORMAT, PlanFile, _PAGE)


def plan_of(file: PlanFile, problem: PlanProblem, place: str = "plan.json") -> Plan:
    """Return the plan that a file says, by the names of a problem. Raises SettingsError."""
    names = plan_names(problem)
    count = len(problem.operation_job)
    plan = Plan(np.full(count, -1, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64))
    wrong = []
    for number, told in enumerate(file.schedule, 1):
        try:
            _put(problem, names, plan, told)
        except ValueError as error:
            wrong.append(f"{place}: schedule[{number}]: {error}")
    trips = []
    for number, trip in enumerate(file.trips, 1):
        try:
            trips.append(_trip(names, trip))
        except ValueError as error:
            wrong.append(f"{place}: trips[{number}]: {error}")
    if wrong:
        raise SettingsError(most(wrong, place))
    return Plan(plan.mode, plan.start, plan.end, tuple(trips))


def write_problem(problem: PlanProblem) -> str:
    """Return a problem as the text of its file."""
    return plan_text(problem_json(problem))


def write_plan(
    problem: PlanProblem, plan: Plan, solved: Solved | None = None, *, seed: int | None = None, verified: bool | None = None
) -> str:
    """Return a plan as the text of its file."""
    return plan_text(plan_json(problem, plan, solved, seed=seed, verified=verified))


def plan_json(
    problem: PlanProblem, plan: Plan, solved: Solved | None = None, *, seed: int | None = None, verified: bool | None = None
) -> dict[str, Any]:
    """Return a plan as its file says it; with what an optimizer told of it."""
    names = plan_names(problem)
    told: dict[str, Any] = {"leadhand": PLAN_FORMAT, "problem": problem.name[:400]}
    if solved is not None:
        told["status"] = "optimal" if solved.proved else "feasible"
    told |= {"objective": objective_of(problem, plan), **asdict(measures(problem, plan))}
    if solved is not None:
        told |= {
            "lower_bound": solved.bound,
            "gap": round((solved.objective - solved.bound) / solved.bound, 6) if solved.bound > 0 else None,
            "wall_seconds": round(solved.wall_s, 3),
            "cpu_seconds": round(solved.cpu_s, 3),
            "by": solved.by,
        }
    told |= {} if seed is None else {"seed": seed}
    told |= {} if verified is None else {"verified": verified}
    done = np.flatnonzero(plan.mode >= 0)
    told["schedule"] = [_placed(problem, names, plan, int(row)) for row in done[np.lexsort((plan.end[done], plan.start[done]))]]
    if plan.trips:
        told["trips"] = [
            {
                "vehicle": trip.vehicle + 1,
                "job": names.jobs[problem.operation_job[trip.operation]],
                "operation": names.operations[trip.operation],
                "origin": names.places[trip.origin],
                "destination": names.places[trip.destination],
                "leaves": trip.leaves,
                "arrives": trip.arrives,
            }
            for trip in sorted(plan.trips, key=lambda trip: (trip.leaves, trip.vehicle))
        ]
    return told


def problem_json(problem: PlanProblem) -> dict[str, Any]:
    """Return a problem as its file says it; what is as by default is left out."""
    names = plan_names(problem)
    origin = None if problem.origin_us is None else _EPOCH + timedelta(microseconds=problem.origin_us)
    head = {
        "leadhand": PROBLEM_FORMAT,
        "name": problem.name[:200] or "problem",
        "tick_s": problem.tick_s,
        "origin": None if origin is None else origin.isoformat().replace("+00:00", "Z"),
        "now": problem.now or None,
        "objective": _objective(problem.objective),
        "units": [_unit(problem, names, row) for row in range(len(problem.units))],
        "resources": [
            _given(
                {"name": names.resources[row], "capacity": one.capacity, "kind": one.kind, "closed": [list(span) for span in one.closed]}
            )
            for row, one in enumerate(problem.resources)
        ],
        "transport": None if problem.transport is None else _transport(problem.transport, names),
    }
    told = _given(head)
    told["jobs"] = list(_jobs(problem, names))
    if problem.locks:
        told["locks"] = [
            {
                **_where(problem, names, lock.mode),
                **{key: value for key, value in (("start", lock.start), ("end", lock.end)) if value is not None},
                "reason": lock.reason.value,
            }
            for lock in problem.locks
        ]
    if problem.reference_mode is not None and problem.reference_start is not None:
        stands = [(int(mode), int(start)) for mode, start in zip(problem.reference_mode, problem.reference_start, strict=True) if mode >= 0]
        told["reference"] = [{**_where(problem, names, mode), "start": start} for mode, start in stands]
    return told


def plan_text(told: dict[str, Any]) -> str:
    """Return JSON with a line for each thing in each list, so that files can be read and compared."""
    lines = []
    for key, value in told.items():
        if isinstance(value, list) and value:
            rows = ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in value)
            lines.append(f" {json.dumps(key)}: [\n  {rows}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _given(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None and value not in ("", [], {}, False)}


def _objective(objective: Objective) -> dict[str, int]:
    told = {key: getattr(objective, key) for key in ("makespan", "tardiness", "setup", "moved", "flow")}
    return {key: count for key, count in told.items() if count or key == "makespan"}


def _states(unit: WorkUnit) -> list[str]:
    count = 0 if unit.setup is None else len(unit.setup)
    named = len(unit.states) == count and len(set(unit.states)) == count and all(unit.states)
    return list(unit.states) if named else [f"state {row}" for row in range(count)]


def _unit(problem: PlanProblem, names: PlanNames, row: int) -> dict[str, Any]:
    unit, transport = problem.units[row], problem.transport
    states = _states(unit)
    setup: dict[str, Any] = {}
    if unit.setup is not None:
        setup = {"states": states, "ticks": unit.setup.tolist()}
        setup |= {"stands": states[unit.setup_state]} if unit.setup_state >= 0 else {}
        setup |= {"with_part": True} if unit.setup_with_part else {}
    told = _given(
        {
            "name": names.units[row],
            "group": unit.group,
            "place": None if transport is None else names.places[transport.place[row]],
            "setup": setup,
            "closed": [list(span) for span in unit.closed],
            "pauses": unit.pauses,
        }
    )
    return told if unit.buffer is None else {**told, "buffer": unit.buffer}


def _transport(transport: Transport, names: PlanNames) -> dict[str, Any]:
    told = {"places": list(names.places), "travel": transport.travel.tolist(), "start": names.places[transport.start]}
    return told if transport.vehicles is None else {**told, "vehicles": transport.vehicles}


def _jobs(problem: PlanProblem, names: PlanNames) -> Iterator[dict[str, Any]]:
    rows: list[list[int]] = [[] for _ in problem.jobs]
    for row, job in enumerate(problem.operation_job):
        rows[job].append(row)
    after: dict[int, list[int]] = {}
    for arc, row in enumerate(problem.arc_after):
        after.setdefault(int(row), []).append(arc)
    needs: dict[int, dict[str, int]] = {}
    for mode, what, amount in zip(problem.need_mode, problem.need_resource, problem.need_amount, strict=True):
        needs.setdefault(int(mode), {})[names.resources[what]] = int(amount)
    choices, branch_name = _choices_of(problem, rows)
    for number, job in enumerate(problem.jobs):
        operations = []
        for place, row in enumerate(rows[number]):
            branch = int(problem.operation_branch[row])
            told: dict[str, Any] = {"name": names.operations[row]}
            told["ways"] = [_way(problem, names, mode, needs.get(mode, {})) for mode in names.ways[row]]
            arcs = after.get(row, [])
            chain = [(rows[number][place - 1], 0, -1)] if place else []
            ties = [(int(problem.arc_before[arc]), int(problem.arc_least[arc]), int(problem.arc_most[arc])) for arc in arcs]
            if choices[number] or ties != chain:
                told["after"] = [_tie(names, *tie) for tie in ties]
            operations.append(told if branch == ALWAYS else {**told, "branch": branch_name[branch]})
        told = {
            "name": names.jobs[number],
            "due": job.due,
            "release": job.release or None,
            "weight": None if job.weight == 1 else job.weight,
        }
        told = _given({**told, "order": job.order, "product": job.product, "family": job.family, "choices": choices[number]})
        told |= {} if job.one_at_a_time else {"one_at_a_time": False}
        yield {**told, "operations": operations}


def _choices_of(problem: PlanProblem, rows: list[list[int]]) -> tuple[list[list[dict[str, Any]]], dict[int, str]]:
    """Return of each job its choices, by what is done in their branches; and the name of each branch, there once in its job."""
    owner: dict[int, int] = {}
    for job, own in enumerate(rows):
        for row in own:
            branch = int(problem.operation_branch[row])
            while branch != ALWAYS:
                choice = int(problem.branch_choice[branch])
                owner[choice] = job
                branch = int(problem.choice_branch[choice])
    for choice, above in enumerate(problem.choice_branch):
        if above != ALWAYS and int(problem.branch_choice[above]) in owner:
            owner.setdefault(choice, owner[int(problem.branch_choice[above])])
    named: dict[int, str] = {}
    count = [0] * len(rows)
    for choice in sorted(owner):
        for side in np.flatnonzero(problem.branch_choice == choice):
            count[owner[choice]] += 1
            named[int(side)] = f"branch {count[owner[choice]]}"
    told: list[list[dict[str, Any]]] = [[] for _ in rows]
    for choice in sorted(owner):
        above = int(problem.choice_branch[choice])
        branches = [named[int(side)] for side in np.flatnonzero(problem.branch_choice == choice)]
        told[owner[choice]].append({"branches": branches, **({} if above == ALWAYS else {"branch": named[above]})})
    return told, named


def _way(problem: PlanProblem, names: PlanNames, mode: int, needs: dict[str, int]) -> dict[str, Any]:
    unit = problem.units[problem.mode_unit[mode]]
    state = int(problem.mode_setup[mode])
    told = {"unit": names.units[problem.mode_unit[mode]], "duration": int(problem.mode_duration[mode])}
    told |= {"setup": _states(unit)[state]} if state >= 0 and unit.setup is not None else {}
    return {**told, **_given({"name": problem.mode_name[mode], "needs": needs})}


def _tie(names: PlanNames, before: int, least: int, most_between: int) -> str | dict[str, Any]:
    if least == 0 and most_between < 0:
        return names.operations[before]
    told: dict[str, Any] = {"operation": names.operations[before], "least": least}
    return told if most_between < 0 else {**told, "most": most_between}


def _where(problem: PlanProblem, names: PlanNames, mode: int) -> dict[str, Any]:
    row = int(problem.mode_operation[mode])
    told = {"job": names.jobs[problem.operation_job[row]], "operation": names.operations[row], "unit": names.units[problem.mode_unit[mode]]}
    way = names.way(problem, mode)
    return told if way is None else {**told, "way": way}


def _placed(problem: PlanProblem, names: PlanNames, plan: Plan, row: int) -> dict[str, Any]:
    return {**_where(problem, names, int(plan.mode[row])), "start": int(plan.start[row]), "end": int(plan.end[row])}


def _put(problem: PlanProblem, names: PlanNames, plan: Plan, told: PlacedPiece) -> None:
    row = names.row(told.job, told.operation)
    if plan.mode[row] >= 0:
        raise ValueError(f"{told.operation} of {told.job} is told twice")
    plan.mode[row] = names.mode(problem, row, told.unit, told.way)
    plan.start[row], plan.end[row] = told.start, told.end


def _trip(names: PlanNames, told: TripPiece) -> Trip:
    for place in (told.origin, told.destination):
        if place not in names.places:
            raise ValueError(f"there is no place '{place}'; there is: {', '.join(names.places[:20]) or 'none'}")
    row = names.row(told.job, told.operation)
    return Trip(told.vehicle - 1, row, names.places.index(told.origin), names.places.index(told.destination), told.leaves, told.arrives)
