"""Processes that are forked from one that has loaded what they share are like those that are started by themselves."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from leadhand.guarding import Guard
from leadhand.nursery import Forked, Nursery, Start
from plant.errors import Unavailable
from tests.leadhand.test_supervisor import until

TELLS = """
import json, os, signal, sys, threading
told = {"argv": sys.argv[1:], "main": __name__, "pid": os.getpid(), "session": os.getsid(0), "group": os.getpgrp()}
told |= {"word": os.environ.get("WORD"), "home": os.environ.get("HOME"), "threads": threading.active_count()}
told |= {"open": sorted(int(name) for name in os.listdir("/proc/self/fd")), "numpy": "numpy" in sys.modules}
told |= {"default": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL}
print(json.dumps(told))
print("to the log", file=sys.stderr)
if sys.argv[1] == "end":
    sys.exit(int(sys.argv[2]))
if sys.argv[1] == "fail":
    raise ValueError("as it is")
sys.stdout.flush()
while True:
    signal.pause()
"""


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    (tmp_path / "tells.py").write_text(TELLS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with (tmp_path / "lock").open("w") as lock, Guard(lock.fileno(), 1.0) as guard:
        one = Nursery(guard, environment)
        yield one
        one.close()


def fork(nursery: Nursery, folder: Path, *words: str, **environment: str) -> Forked:
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        return nursery.fork(Start(["tells", *words], environment), out.fileno(), log.fileno())


def told(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(until((folder / "out").read_text).splitlines()[0])
    return found


def test_a_forked_process_has_its_own_words_environment_session_and_files(nursery: Nursery, tmp_path: Path) -> None:
    process = fork(nursery, tmp_path, "end", "0", WORD="a / 焊接")
    assert process.wait() == 0
    found = told(tmp_path)
    assert found.pop("open") in ([0, 1, 2, 3], [0, 1, 2]), "what it was asked by is not open in it"
    assert found == {
        "argv": ["end", "0"],
        "main": "__main__",
        "pid": process.pid,
        "session": process.pid,
        "group": process.pid,
        "word": "a / 焊接",
        "home": None,
        "threads": 1,
        "numpy": True,
        "default": True,
    }
    assert (tmp_path / "log").read_text() == "to the log\n"


def test_how_it_ended_is_told_by_code_and_by_signal(nursery: Nursery, tmp_path: Path) -> None:
    assert fork(nursery, tmp_path, "end", "7").wait() == 7
    assert fork(nursery, tmp_path, "fail").wait() == 1
    assert "ValueError: as it is" in (tmp_path / "log").read_text()
    living = fork(nursery, tmp_path, "stay")
    other = fork(nursery, tmp_path, "end", "3")
    told(tmp_path)
    assert living.poll() is None
    living.send_signal(signal.SIGKILL)
    assert living.wait() == -signal.SIGKILL
    living.send_signal(signal.SIGTERM)
    assert (living.returncode, other.wait()) == (-signal.SIGKILL, 3)


def test_with_the_nursery_go_those_it_forked_and_the_next_has_a_new_one(nursery: Nursery, tmp_path: Path) -> None:
    process = fork(nursery, tmp_path, "stay")
    told(tmp_path)
    parent = psutil.Process(process.pid).parent()
    assert parent is not None
    parent.kill()
    assert process.wait() == -signal.SIGTERM
    again = fork(nursery, tmp_path, "end", "4")
    assert again.wait() == 4
    assert process.poll() == -signal.SIGTERM


def test_who_is_ended_while_a_new_nursery_runs_keeps_nobody_waiting(nursery: Nursery, tmp_path: Path) -> None:
    process = fork(nursery, tmp_path, "stay")
    told(tmp_path)
    nursery.close()
    assert fork(nursery, tmp_path, "end", "0").wait() == 0
    assert process.wait() == -signal.SIGTERM


def test_words_that_do_not_fit_are_refused(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="too large"):
        fork(nursery, tmp_path, "end", "0", WORD="x" * 300_000)
