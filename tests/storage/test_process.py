"""What all processes around the database begin with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORK = """
import sys, structlog
from plant.errors import SettingsError
from storage.process import run_process, say_ready

def work(url, stop):
    say_ready(url=url)
    if stop.wait(60):
        structlog.get_logger(process="x").warning("asked to stop")
        return 0
    raise SystemExit(9)

def wrong(url, stop):
    raise SettingsError("site.toml: optimizer: is wrong")

sys.exit(run_process(wrong if sys.argv[1:] else work))
"""


def started(url: str | None, *words: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if name != "LEADHAND_DATABASE_URL"}
    environment = kept if url is None else {**kept, "LEADHAND_DATABASE_URL": url}
    command = [sys.executable, "-c", WORK, *words]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_says_when_it_is_ready_and_ends_well_when_asked_to(number: signal.Signals) -> None:
    with started("postgresql://somewhere") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True, "url": "postgresql://somewhere"}
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert json.loads(said)["event"] == "asked to stop"


def test_a_process_without_a_database_or_with_wrong_settings_says_so_and_ends_with_2() -> None:
    with started(None) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert said.startswith("LEADHAND_DATABASE_URL is not set: name the database in it")
    with started("postgresql://somewhere", "wrong") as process:
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (2, "site.toml: optimizer: is wrong\n")
