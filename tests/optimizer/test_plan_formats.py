"""Instances of other people are read as they mean them; what is wrong is told with file and line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from optimizer.plan_formats import PlanFormat, guessed_format, load_instance, read_instance
from plant.errors import SettingsError
from plant.plan_check import plan_faults
from plant.plan_problem import ALWAYS, PlanProblem
from plant.plan_subset import first_jobs
from plant.plans import Plan

_SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data") / "optimizer"

SHOP = """2 3 1.5

2  2 1 5 3 4   1 2 3
1  1 1 2
"""
GRAPH = """1 3 8
out
0 1
1 2 (3,4)
2 6
3 6
4 5
5 6
6 7
in
6 (3,5)
info
0 start
1 1 1 5
2 2 1 4 2 6
3 1 2 7
4 1 3 2
5 1 3 1
6 supernode
7 end
"""


def _shared() -> Path:
    if not _SHARED.is_dir():
        words = f"{_SHARED} is missing; LEADHAND_SHARED_DATA names the folder of shared data"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(words)
    return _SHARED


def _ways(problem: PlanProblem, row: int) -> list[tuple[str, int]]:
    modes = range(*problem.modes_of[[row, row + 1]])
    return [(problem.units[problem.mode_unit[mode]].name, int(problem.mode_duration[mode])) for mode in modes]


def test_a_flexible_job_shop_is_read_whatever_its_white_space() -> None:
    problem = read_instance(SHOP, "small.fjs", "fjsp")

    assert problem.name == "small"
    assert [_ways(problem, row) for row in range(3)] == [[("M1", 5), ("M3", 4)], [("M2", 3)], [("M1", 2)]]
    assert problem.operation_job.tolist() == [0, 0, 1]
    assert (problem.arc_before.tolist(), problem.arc_after.tolist()) == ([0], [1])
    one_line = " ".join(SHOP.split()[3:])
    assert _ways(read_instance(f"2\t3\r\n{one_line}", "x", "fjsp"), 0) == [("M1", 5), ("M3", 4)]
    assert _ways(read_instance("2 3 # avg is not told\n2 2.0 1 5.0 3 4 1 2 3\n1 1 1 2", "x", "fjsp"), 0) == [("M1", 5), ("M3", 4)]


def test_machines_may_be_counted_from_zero() -> None:
    problem = read_instance("1 2\n2 1 0 5 1 1 6\n", "x", "fjsp")
    assert [_ways(problem, row) for row in range(2)] == [[("M0", 5)], [("M1", 6)]]
    with pytest.raises(SettingsError, match="numbered from 0 and from 1"):
        read_instance("1 2\n2 1 0 5 1 2 6\n", "x", "fjsp")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: write jobs, machines"),
        ("2\n", "line 1: write jobs, machines"),
        ("two 3\n", "line 1: jobs: 'two' is no number"),
        ("1 2\n1 1 3 5\n", "line 2: machine of job 1, operation 1: 3 must be between 0 and 2"),
        ("1 2\n\n1 1 1 5.5\n", "line 3: time of job 1, operation 1: '5.5' is no whole number; multiply"),
        ("1 2\n1 2 1 5 2\n", "line 2: the file ends where time of job 1, operation 1 should follow"),
        ("1 2\n1 0 1 5\n", "line 2: alternatives of job 1, operation 1: 0 must be between 1"),
        ("1 2\n1 1 1 -5\n", "line 2: time of job 1, operation 1: -5 must be between 0"),
        ("1 2\n1 1 1 5\n0 1\n", "line 3: 2 more numbers than the jobs need; are there setup times?"),
        ("1 2\n1 1 1 five\n", "line 2: time of job 1, operation 1: 'five' is no number"),
    ],
)
def test_a_wrong_job_shop_is_told_by_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"shop\.txt: .*{said[8:] if said.startswith('line') else said}") as told:
        read_instance(text, "shop.txt", "fjsp")
    assert said in str(told.value)


def test_setups_between_jobs_or_operations_are_read() -> None:
    by_job = read_instance(SHOP + "0 1\n2 0\n" + "0 3\n4 0\n" + "0 5\n6 0\n", "x", "sdst")
    assert by_job.units[1].setup is not None
    assert by_job.units[1].setup.tolist() == [[0, 3], [4, 0]]
    assert by_job.mode_setup.tolist() == [0, 0, 0, 1]
    by_operation = read_instance(SHOP + " ".join(map(str, range(27))), "x", "sdst")
    assert by_operation.units[2].setup is not None
    assert by_operation.units[2].setup.tolist() == [[18, 19, 20], [21, 22, 23], [24, 25, 26]]
    assert by_operation.mode_setup.tolist() == [0, 0, 1, 2]
    with pytest.raises(SettingsError, match=r"line 5: 3 setup times; for each machine they must be 3 x 2 x 2"):
        read_instance(SHOP + "1 2 3", "x", "sdst")


def test_a_graph_becomes_choices_and_arcs_over_what_is_done() -> None:
    problem = read_instance(GRAPH, "g.ipps", "ipps")

    named = {name: row for row, name in enumerate(problem.operation_name)}
    arcs = {(problem.operation_name[a], problem.operation_name[b]) for a, b in zip(problem.arc_before, problem.arc_after, strict=True)}
    assert arcs == {("node 1", "node 2"), ("node 1", "node 3"), ("node 1", "node 4"), ("node 4", "node 5")}
    branches = [int(problem.operation_branch[named[f"node {node}"]]) for node in (1, 2, 3, 4, 5)]
    assert branches == [ALWAYS, ALWAYS, 0, 1, 1]
    assert problem.branch_choice.tolist() == [0, 0]
    mode = np.array([0, 1, 3, -1, -1], np.int32)
    start, end = np.array([0, 5, 9, 0, 0], np.int64), np.array([5, 9, 16, 0, 0], np.int64)
    assert plan_faults(problem, Plan(mode, start, end)) == ()
    half = Plan(np.array([0, 1, -1, 4, -1], np.int32), np.array([0, 5, 0, 9, 0], np.int64), np.array([5, 9, 0, 11, 0], np.int64))
    assert plan_faults(problem, half) == ("node 5 of J1 is not done, though the branch it belongs to is taken",)


def test_choices_inside_choices_end_at_one_node_or_at_several() -> None:
    nested = "1 2 8\nout\n0 1\n1 (2,3)\n2 (4,5)\n3 6\n4 6\n5 6\n6 7\nin\n6 (3,4,5)\ninfo\n0 start\n" + "".join(
        f"{node} 1 1 1\n" for node in range(1, 7)
    )
    problem = read_instance(nested + "7 end\n", "g", "ipps")
    named = {name: row for row, name in enumerate(problem.operation_name)}
    assert problem.operation_branch[[named["node 1"], named["node 6"]]].tolist() == [ALWAYS, ALWAYS]
    assert problem.choice_branch.tolist() == [ALWAYS, 0]
    sides = problem.operation_branch[[named["node 2"], named["node 3"]]]
    assert problem.branch_choice[sides].tolist() == [0, 0]
    assert len(set(sides.tolist())) == 2
    with pytest.raises(SettingsError, match="an OR ends here, and 'in' does not name the last node of each of its branches"):
        read_instance(nested.replace("6 (3,4,5)", "6 (3,4)\n6 (5)") + "7 end\n", "g", "ipps")
    empty = "1 2 5\nout\n0 1\n1 (2,3)\n2 3\n3 4\nin\n3 (1,2)\ninfo\n0 start\n1 1 1 1\n2 1 1 1\n3 1 1 1\n4 end\n"
    skipped = read_instance(empty, "g", "ipps")
    assert skipped.operation_branch.tolist() == [ALWAYS, 0, ALWAYS]
    without = Plan(np.array([0, -1, 2], np.int32), np.array([0, 0, 1], np.int64), np.array([1, 0, 2], np.int64))
    assert plan_faults(skipped, without) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1 3 8", "2 3 8", "line 1: says 2 jobs, and 1 nodes are a start"),
        ("1 3 8", "1 3 9", "line 1: says 9 nodes, and 'info' tells of 8"),
        ("3 1 2 7", "3 2 2 7", "line 16: node 3: write start, end, supernode, or how many ways"),
        ("3 1 2 7", "3 1 4 7", "line 16: node 3: machine 4: there are 3"),
        ("3 1 2 7", "3 1 x 7", "line 16: 'x' is no number"),
        ("5 6\n", "5 9\n", "node 5: is followed by 9, which is not told of in 'info'"),
        ("5 6\n", "5 4\n", "cannot be reached from a start, or follows itself"),
        ("6 (3,5)", "6 (3,4)", "node 6: 'in' tells that an OR ends here after 4, which it does not follow"),
        ("6 (3,5)", "6 (3)", "node 6: follows nodes of several branches of an OR"),
        ("6 (3,5)\n", "", "node 6: follows nodes of several branches of an OR"),
    ],
)
def test_a_wrong_graph_is_told_by_node_and_line(old: str, new: str, said: str) -> None:
    with pytest.raises(SettingsError) as told:
        read_instance(GRAPH.replace(old, new, 1), "g.ipps", "ipps")
    assert "g.ipps: " in str(told.value)
    assert said in str(told.value)


def _plates(**changed: object) -> str:
    told: dict[str, object] = {
        "machines": {"1": "laser M1", "2": "bending M2-3"},
        "agvs": 2,
        "travel": [[0, 3, 4, 5], [3, 0, 2, 3], [4, 2, 0, 1], [5, 3, 1, 0]],
        "jobs": [[{"machines": [1], "time": 10}, {"machines": [2, 3], "time": [7, 8]}], [{"machines": [3], "time": 4}]],
    }
    return json.dumps({**told, **changed})


def test_a_shop_with_vehicles_is_read_with_places_and_ways() -> None:
    problem = read_instance(_plates(), "plates.json", "transport")
    assert problem.transport is not None
    assert (problem.transport.vehicles, problem.transport.start, problem.transport.place.tolist()) == (2, 0, [1, 2, 3])
    assert [_ways(problem, row) for row in range(3)] == [[("M1", 10)], [("M2", 7), ("M3", 8)], [("M3", 4)]]
    assert [unit.group for unit in problem.units] == ["laser", "bending", "bending"]
    spare = read_instance(_plates(agvs=None), "plates.json", "transport").transport
    assert spare is not None
    assert spare.vehicles is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"agvs": 0}, "agvs: how many there are, from 1, or null"),
        ({"travel": [[0, 1], [2]]}, r"travel[2]: write 2 whole numbers"),
        ({"travel": [[0, 1], [2, 3]]}, r"travel[2][2]: the way from a place to itself is 0, not 3"),
        ({"jobs": []}, "jobs: write a list of jobs"),
        ({"jobs": [[{"machines": [9], "time": 1}]]}, r"jobs[1][1].machines: write machines from 1 to 3, not [9]"),
        ({"jobs": [[{"machines": [1, 2], "time": [1]}]]}, r"jobs[1][1].time: write a whole number, or one for each machine"),
    ],
)
def test_a_wrong_shop_with_vehicles_is_told_by_key(changed: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as told:
        read_instance(_plates(**changed), "plates.json", "transport")
    assert f"plates.json: {said}" in str(told.value)


def test_the_format_is_told_by_what_a_file_holds() -> None:
    assert guessed_format(SHOP, "x") is PlanFormat.FJSP
    assert guessed_format(SHOP + "0 1\n2 0\n0 3\n4 0\n0 5\n6 0\n", "x") is PlanFormat.SDST
    assert guessed_format(GRAPH, "x") is PlanFormat.IPPS
    assert guessed_format(_plates(), "x") is PlanFormat.TRANSPORT
    assert guessed_format('{"leadhand": "plan-problem/1"}', "x") is PlanFormat.LEADHAND
    with pytest.raises(SettingsError, match="say what it is by --format"):
        guessed_format('{"jobs": 1}', "x")
    with pytest.raises(SettingsError, match="is no JSON"):
        guessed_format("{", "x")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_instance(tmp_path / "none.txt")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SettingsError, match="is no UTF-8 text"):
        load_instance(tmp_path / "picture.txt")


def test_the_first_jobs_of_a_file_are_a_problem_of_their_own() -> None:
    whole = read_instance(
        GRAPH.replace("1 3 8", "2 3 11", 1).replace("in\n", "8 9\n9 10\nin\n", 1) + "8 start\n9 1 1 3\n10 end\n", "g", "ipps"
    )
    assert len(whole.jobs) == 2
    first = first_jobs(whole, 1, "g")
    alone = read_instance(GRAPH, "g", "ipps")
    for column in ("operation_job", "operation_branch", "mode_operation", "mode_unit", "arc_before", "branch_choice", "choice_branch"):
        assert getattr(first, column).tolist() == getattr(alone, column).tolist()
    with pytest.raises(SettingsError, match="has 2 jobs, and the first 3 are asked for"):
        first_jobs(whole, 3, "g")


def test_every_shared_instance_is_read() -> None:
    folder = _shared()
    files = [*folder.glob("fjsp/*.txt"), *folder.glob("sdst/*.txt"), *folder.glob("ipps/kim/*.ipps"), *folder.glob("transport/*.json")]
    assert len(files) >= 69
    sizes = {}
    for file in files:
        problem, form = load_instance(file)
        sizes[file.name] = (form.value, len(problem.jobs), len(problem.units), len(problem.operation_job))
    assert sizes["mk10.txt"] == ("fjsp", 20, 15, 240)
    assert sizes["oddla01.txt"] == ("sdst", 10, 5, 50)
    assert sizes["problem24.ipps"] == ("ipps", 18, 15, 305)
    assert sizes["plate_shop.json"] == ("transport", 20, 11, 73)
