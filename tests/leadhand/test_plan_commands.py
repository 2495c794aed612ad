"""``leadhand plan`` and ``leadhand verify``: a plan for a file, checked; for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from leadhand.__main__ import app
from plant.errors import SettingsError

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plan"
SHOP = """3 2 1
2  1 1 3  1 2 2
2  1 2 4  1 1 3
1  2 1 5 2 6
"""
"""On M1 6 and on M2 6 have to be done, and one of 5 or 6 besides: 11 is the least."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "small.fjs"
    file.write_text(SHOP, "utf-8")
    return file


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _planned(*words: object) -> dict[str, Any]:
    told = _run("plan", *words, "--json")
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_a_file_in_a_checked_plan_out(shop: Path, tmp_path: Path) -> None:
    found = _planned(shop, "--seconds", 20, "--output", tmp_path / "plan.json")

    assert (found["status"], found["makespan"], found["objective"], found["lower_bound"]) == ("optimal", 11, 11, 11)
    assert (found["verified"], found["format"], found["seed"], found["problem"]) == (True, "fjsp", 1, "small")
    assert found["wall_seconds"] >= 0
    assert found["cpu_seconds"] >= 0
    assert len(found["schedule"]) == 5
    assert {"job", "operation", "unit", "start", "end"} <= set(found["schedule"][0])
    assert json.loads((tmp_path / "plan.json").read_text("utf-8")) == found
    verified = _run("verify", shop, tmp_path / "plan.json")
    assert verified.exit_code == 0
    assert "keeps every rule of small: ends at 11" in verified.output


def test_people_see_bars_and_what_is_done_when(shop: Path) -> None:
    told = _run("plan", shop, "--seconds", 20)

    assert told.exit_code == 0
    assert "makespan 11: optimal, no plan has less" in told.stdout
    assert "verified: it keeps every rule" in told.stdout
    assert any(line.startswith("M1 |") for line in told.stdout.splitlines())
    assert "3 jobs, 5 operations on 2 units (fjsp)" in told.stderr


def test_verify_tells_each_fault_and_what_was_overstated(shop: Path, tmp_path: Path) -> None:
    found = _planned(shop, "--seconds", 20)
    last = max(found["schedule"], key=lambda row: row["end"])
    last["start"], last["end"] = last["start"] - 1, last["end"] - 1
    found["lower_bound"] = 99
    (tmp_path / "bent.json").write_text(json.dumps(found), "utf-8")

    told = _run("verify", shop, tmp_path / "bent.json")

    assert told.exit_code == 1
    assert f"{last['operation']} of {last['job']} starts at {last['start']} on {last['unit']}" in told.output
    assert "the file says makespan 11, and it is 10" in told.output or "the file says that no plan has less than 99" in told.output
    as_json = _run("verify", shop, tmp_path / "bent.json", "--json")
    assert as_json.exit_code == 1
    answer = json.loads(as_json.stdout)
    assert answer["verified"] is False
    assert len(answer["faults"]) >= 2


def test_a_plan_can_be_gone_on_from(shop: Path, tmp_path: Path) -> None:
    _planned(shop, "--seconds", 20, "--output", tmp_path / "plan.json")
    again = _planned(shop, "--seconds", 20, "--begin-with", tmp_path / "plan.json")
    assert (again["makespan"], again["verified"]) == (11, True)
    bent = (tmp_path / "plan.json").read_text("utf-8").replace('"start": 0,', '"start": 1,')
    (tmp_path / "bent.json").write_text(bent, "utf-8")
    told = _run("plan", shop, "--seconds", 20, "--begin-with", tmp_path / "bent.json")
    assert told.exit_code == 0
    assert "faults and is left aside; the first: " in " ".join(told.stderr.split())


def test_a_problem_of_ones_own_is_planned_with_vehicles_people_and_closed_time() -> None:
    found = _planned(EXAMPLE / "booms.json", "--seconds", 30)
    assert found["verified"] is True
    assert len(found["trips"]) == 9
    verified = _run("verify", EXAMPLE / "booms.json", EXAMPLE / "booms-plan.json", "--json")
    assert verified.exit_code == 0
    assert json.loads(verified.stdout)["objective"] == 505


def test_what_cannot_be_planned_is_told_with_why(tmp_path: Path) -> None:
    told = json.loads((EXAMPLE / "booms.json").read_text("utf-8"))
    told["resources"][1]["capacity"] = 0
    (tmp_path / "no-jig.json").write_text(json.dumps(told), "utf-8")

    found = _run("plan", tmp_path / "no-jig.json", "--seconds", 5, "--json")

    assert found.exit_code == 1
    answer = json.loads(found.stdout)
    assert answer["status"] == "infeasible"
    assert answer["why"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "none.txt"), "none.txt: there is no such file"),
        (("plan", "SHOP", "--format", "ipps"), "small.fjs: "),
        (("plan", "SHOP", "--jobs", "9"), "has 3 jobs, and the first 9 are asked for"),
        (("plan", "SHOP", "--output", "/no/such/place/plan.json"), "there is no folder /no/such/place"),
        (("plan", "SHOP", "--begin-with", "none.json"), "none.json: there is no such file"),
        (("verify", "SHOP", "SHOP"), "small.fjs: is no JSON"),
    ],
)
def test_what_is_wrong_with_a_file_or_argument_is_told_before_any_work(shop: Path, words: tuple[str, ...], said: str) -> None:
    told = _run(*(shop if word == "SHOP" else word for word in words))
    assert isinstance(told.exception, SettingsError)
    assert said in str(told.exception)


def test_the_first_jobs_alone_are_planned_and_verified(shop: Path, tmp_path: Path) -> None:
    found = _planned(shop, "--jobs", 1, "--seconds", 20, "--output", tmp_path / "one.json")
    assert (found["makespan"], found["problem"]) == (5, "small, first 1 jobs")
    assert _run("verify", shop, tmp_path / "one.json", "--jobs", 1).exit_code == 0
    assert "is not done, and no choice leaves it out" in _run("verify", shop, tmp_path / "one.json").output


def test_ctrl_c_gives_the_best_plan_so_far(tmp_path: Path) -> None:
    lines = ["30 10"]
    for job in range(30):
        steps = " ".join(
            f"2 {1 + (job * 3 + step * 7) % 10} {11 + (job * 5 + step) % 17} {1 + (job + step * 3 + 5) % 10} 20" for step in range(12)
        )
        lines.append(f"12 {steps}")
    (tmp_path / "hard.fjs").write_text("\n".join(lines), "utf-8")
    command = [sys.executable, "-m", "leadhand", "plan", str(tmp_path / "hard.fjs"), "--seconds", "600", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    try:
        assert process.stderr is not None
        assert "Ctrl-C gives the best plan so far" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    found = json.loads(out)
    assert (found["interrupted"], found["verified"]) == (True, True)
    assert len(found["schedule"]) == 360
