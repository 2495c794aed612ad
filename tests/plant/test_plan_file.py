"""Files of problems and plans: people can write them, what is wrong is told, and nothing is lost on the way out and in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plant.errors import SettingsError
from plant.plan_check import plan_faults
from plant.plan_file import plan_schema, problem_schema, read_plan, read_problem, write_plan, write_problem
from plant.plan_problem import ALWAYS, LockReason
from plant.plan_words import time_words
from plant.plans import Plan, Solved
from tests.plant.slow_plan import random_locks, random_plan, random_problem

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plan"


def _example() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((EXAMPLE / "booms.json").read_text(encoding="utf-8"))
    return told


def test_the_example_says_what_it_means() -> None:
    problem = read_problem((EXAMPLE / "booms.json").read_bytes())

    robot, booth = problem.units[1], problem.units[3]
    assert (robot.states, robot.setup_state, robot.buffer) == (("light fixture", "heavy fixture"), 0, 2)
    assert robot.setup is not None
    assert robot.setup.tolist() == [[0, 40], [30, 0]]
    assert (booth.closed, booth.pauses) == (((480, 960),), True)
    assert time_words(problem, 480) == "2026-11-23 14:00:00Z"
    assert problem.transport is not None
    assert problem.transport.place.tolist() == [1, 2, 2, 3]
    assert problem.operation_branch.tolist() == [ALWAYS] * 7 + [0, 1, 1, ALWAYS]
    arcs = list(zip(problem.arc_before, problem.arc_after, problem.arc_least, problem.arc_most, strict=True))
    assert arcs == [
        (0, 1, 0, -1),
        (1, 2, 30, -1),
        (3, 4, 0, -1),
        (4, 5, 60, 600),
        (6, 7, 0, -1),
        (6, 8, 0, -1),
        (8, 9, 0, -1),
        (7, 10, 0, -1),
        (9, 10, 0, -1),
    ]
    [lock] = problem.locks
    assert (lock.operation, lock.start, lock.reason) == (0, 5, LockReason.PERSON)
    needs = {
        (problem.mode_unit[mode], what): amount
        for mode, what, amount in zip(problem.need_mode, problem.need_resource, problem.need_amount, strict=True)
    }
    assert needs[2, 0] == 1


def test_the_plan_of_the_example_keeps_every_rule() -> None:
    problem = read_problem((EXAMPLE / "booms.json").read_bytes())
    plan = read_plan((EXAMPLE / "booms-plan.json").read_bytes(), problem)
    assert plan_faults(problem, plan) == ()
    assert len(plan.trips) == 9


@pytest.mark.parametrize("part", range(3))
def test_nothing_is_lost_between_memory_and_file(part: int) -> None:
    plans = 0
    for seed in range(part * 30, part * 30 + 30):
        random = np.random.default_rng(seed)
        problem = random_problem(random)
        plan = random_plan(problem, random)
        if plan is not None:
            problem = random_locks(problem, plan, random)
        text = write_problem(problem)
        again = read_problem(text)
        assert write_problem(again) == text
        for column in ("operation_job", "mode_operation", "mode_unit", "mode_duration", "need_mode", "need_resource", "need_amount"):
            assert getattr(again, column).tolist() == getattr(problem, column).tolist(), (seed, column)
        assert (again.jobs, again.locks, again.now, again.objective) == (problem.jobs, problem.locks, problem.now, problem.objective)
        for one, other in zip(again.units, problem.units, strict=True):
            assert (one.name, one.closed, one.pauses, one.buffer) == (other.name, other.closed, other.pauses, other.buffer)
        if plan is None:
            continue
        plans += 1
        read = read_plan(write_plan(problem, plan), again)
        assert (read.mode.tolist(), read.start.tolist(), read.end.tolist()) == (plan.mode.tolist(), plan.start.tolist(), plan.end.tolist())
        assert sorted(map(repr, read.trips)) == sorted(map(repr, plan.trips))
        assert plan_faults(again, read) == plan_faults(problem, plan)
    assert plans > 10


def test_a_plan_tells_what_it_is_worth_and_how_it_was_found() -> None:
    problem = read_problem((EXAMPLE / "booms.json").read_bytes())
    plan = read_plan((EXAMPLE / "booms-plan.json").read_bytes(), problem)
    told = json.loads(write_plan(problem, plan, Solved(plan, 505, 500, 1.5, 2.5, "search"), seed=3, verified=True))
    assert (told["status"], told["objective"], told["lower_bound"], told["gap"], told["seed"]) == ("feasible", 505, 500, 0.01, 3)
    assert (told["makespan"], told["wall_seconds"], told["cpu_seconds"], told["verified"]) == (465, 1.5, 2.5, True)
    assert len(told["schedule"]) == int((plan.mode >= 0).sum())


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(told: Any) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            told = told[step]
        if value is None:
            del told[last]
        else:
            told[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("leadhand", "plan-problem/2"), 'leadhand: write "leadhand": "plan-problem/1", not "plan-problem/2"'),
        (_set("colour", "red"), "colour: unknown key; docs/plan.md lists the known ones"),
        (_set("units.0.name", "paint booth"), "units: the name 'paint booth' is there 2 times"),
        (_set("units.1.setup.ticks", [[0, 1]]), "units[2].setup.ticks: write 2 rows of 2"),
        (_set("units.1.setup.stands", "red"), "units[2].setup.stands: there is no state 'red'"),
        (_set("units.3.closed", [[5, 5]]), "units[4].closed: each span must end after it begins"),
        (_set("units.3.closed", [[8, 9], [1, 2]]), "units[4].closed: write the spans in order"),
        (_set("units.0.place", None), "units[1].place: is missing"),
        (_set("units.0.place", "hall 9"), "units[1].place: there is no place 'hall 9'"),
        (_set("transport", None), "units[1].place: there is no transport; tell of 'transport', or leave out the place"),
        (_set("transport.travel", [[0]]), "transport.travel: write 4 rows of 4"),
        (_set("transport.start", "hall 9"), "transport.start: there is no place 'hall 9'"),
        (_set("jobs.0.operations.0.ways.0.unit", "lasre"), "jobs[1].operations[1].ways[1].unit: there is no unit 'lasre'"),
        (_set("jobs.0.operations.0.ways.0.setup", "red"), "jobs[1].operations[1].ways[1].setup: laser has no setup"),
        (_set("jobs.0.operations.1.ways.0.setup", "red"), "no state 'red', but light fixture, heavy fixture"),
        (_set("jobs.0.operations.1.ways.0.needs", {"tool": 1}), "ways[1].needs: there is no resource 'tool'"),
        (_set("jobs.0.operations.0.ways", []), "jobs[1].operations[1].ways: "),
        (_set("jobs.0.operations.0.ways.0.duration", -1), "jobs[1].operations[1].ways[1].duration: "),
        (_set("jobs.0.operations.2.after", ["wled"]), "jobs[1].operations[3].after: there is no operation 'wled' in this job"),
        (_set("jobs.0.operations.0.after", ["paint"]), "jobs[1].operations: 'cut' would have to come after itself"),
        (_set("jobs.1.operations.2.after.0.most", 5), "jobs[2].operations[3].after: at most 5 and at least 60 cannot both be"),
        (_set("jobs.2.operations.1.after", None), "jobs[3].operations[2].after: must be told in a job with choices"),
        (_set("jobs.2.operations.1.branch", "third"), "jobs[3].operations[2].branch: no choice of this job has a branch 'third'"),
        (_set("jobs.2.choices.0.branch", "in one"), "jobs[3].choices[1].branch: the choice would stand inside itself"),
        (_set("locks.0.operation", "cutt"), "locks[1]: there is no operation 'cutt' of a job 'boom 8 t, 1'"),
        (_set("locks.0.unit", "paint booth"), "locks[1]: it cannot be done on paint booth; it can on laser"),
        (_set("origin", "Monday"), "origin: "),
    ],
)
def test_what_is_wrong_in_a_problem_is_told_by_key(change: Callable[[dict[str, Any]], None], said: str) -> None:
    told = _example()
    change(told)
    with pytest.raises(SettingsError) as wrong:
        read_problem(json.dumps(told), "booms.json")
    assert f"booms.json: {said}" in str(wrong.value) or said in str(wrong.value)
    assert str(wrong.value).startswith("booms.json: ")


@pytest.mark.parametrize("text", ["", "[]", "{", "nul", '{"leadhand": 1, "leadhand": 2}', "NaN", "[" * 100_000])
def test_what_is_no_file_of_a_problem_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^x\.json: "):
        read_problem(text, "x.json")


def test_what_is_wrong_in_a_plan_is_told_by_place() -> None:
    problem = read_problem((EXAMPLE / "booms.json").read_bytes())
    told = json.loads((EXAMPLE / "booms-plan.json").read_text(encoding="utf-8"))
    told["schedule"][1]["job"] = "boom 99"
    told["schedule"][2] = told["schedule"][0]
    told["trips"][0]["origin"] = "moon"
    with pytest.raises(SettingsError) as wrong:
        read_plan(json.dumps(told), problem, "p.json")
    assert wrong.value.problems[0].startswith("p.json: schedule[2]: there is no operation")
    assert "schedule[3]: cut of boom 8 t, 1 is told twice" in wrong.value.problems[1]
    assert "trips[1]: there is no place 'moon'; there is: store, hall 1" in wrong.value.problems[2]


def test_two_ways_on_one_unit_are_told_apart_by_number() -> None:
    told = _example()
    told["jobs"][0]["operations"][0]["ways"].append({"unit": "laser", "duration": 30})
    told["locks"] = []
    problem = read_problem(json.dumps(told))
    plan = Plan(np.full(len(problem.operation_job), -1, np.int32), np.zeros(11, np.int64), np.zeros(11, np.int64))
    plan.mode[0], plan.end[0] = 1, 30
    text = write_plan(problem, plan)
    assert '"way": 2' in text
    assert read_plan(text, problem).mode[0] == 1
    with pytest.raises(SettingsError, match="there are 2 ways on laser; say which by 'way'"):
        read_plan(text.replace(', "way": 2', ""), problem)


def test_names_that_are_there_twice_are_told_apart() -> None:
    random = np.random.default_rng(3)
    problem = random_problem(random)
    again = read_problem(write_problem(replace(problem, operation_name=["same"] * len(problem.operation_name))))
    assert len(again.operation_name) == len(problem.operation_name)
    assert "same #2" in again.operation_name


def test_the_smallest_problem_in_the_text_is_one() -> None:
    text = (EXAMPLE.parents[1] / "plan.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    problem = read_problem(block)
    assert (problem.mode_duration.tolist(), problem.arc_after.tolist()) == ([4, 9], [1])


def test_the_schemas_name_what_the_files_hold() -> None:
    assert set(_example()) <= set(problem_schema()["properties"])
    plan = json.loads((EXAMPLE / "booms-plan.json").read_text(encoding="utf-8"))
    assert set(plan) <= set(plan_schema()["properties"])
