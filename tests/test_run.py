"""The way the tests are run: what fails is tried once more, alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy
_RUN = Path(__file__).with_name("run.sh")
_ONCE = """
from pathlib import Path

def test_that_meets_a_moment_nobody_thought_of():
    mark = Path(__file__).with_name("was_here")
    before = mark.exists()
    mark.touch()
    assert before
"""
_BROKEN = """
def test_of_something_broken():
    assert False
"""
_MANY = "".join(f"\ndef test_number_{number}():\n    assert False\n" for number in range(4))


def run(folder: Path, **modules: str) -> tuple[int, str]:
    for name, text in modules.items():
        (folder / f"test_{name}.py").write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [str(_RUN), sys.executable, "-p", "no:dash", "."], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_what_passes_alone_passes_and_is_named_and_what_fails_again_fails(tmp_path: Path) -> None:
    status, said = run(tmp_path, once=_ONCE)
    assert (status, said.splitlines()[-1]) == (0, "test_once.py::test_that_meets_a_moment_nobody_thought_of")
    assert "UNSTEADY" in said
    status, said = run(tmp_path, broken=_BROKEN)
    assert status == 1
    assert "UNSTEADY" not in said


def test_more_failures_than_chance_explains_are_not_tried_again(tmp_path: Path) -> None:
    status, said = run(tmp_path, many=_MANY)
    assert (status, said.splitlines()[-1]) == (1, "4 tests failed: too many to try once more.")


def test_workers_that_find_other_tests_fail_at_once(tmp_path: Path) -> None:
    chance = "import os, pytest\n\n@pytest.mark.parametrize('at', [os.getpid()])\ndef test_of_chance(at):\n    assert at\n"
    status, said = run(tmp_path, chance=chance)
    assert status == 1
    assert "Different tests were collected" in said
    assert "Once more" not in said
