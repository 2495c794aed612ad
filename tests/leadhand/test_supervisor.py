from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from leadhand.home import Home
from plant.errors import Rejected
from tests.ingest.parts import PATIENCE, alive
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def until(true: Callable[[], Any], seconds: float = 15.0) -> Any:
    end = time.monotonic() + PATIENCE * seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("did not come true in time")


@contextmanager
def running(home: Path, port: int, case: str = "calm", *, ready: bool = True) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.leadhand.dummies", str(home), str(port), case],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        if ready:
            assert process.stdout is not None
            assert process.stdout.readline() == "watching\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def processes_of(home: Path) -> dict[str, dict[str, Any]]:
    status = Home(home).read_status()
    assert status is not None
    return {entry["name"]: entry for entry in status["processes"]}


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_signal_stops_all_processes_and_frees_their_ports(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as process:
        below = tree(process)
        assert len(below) == 5, "guard, nursery, two dummies, and what one of them started"
        assert not is_free(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert alive(below) == []
        assert is_free(port)
    assert {entry["state"] for entry in processes_of(tmp_path).values()} == {"stopped"}
    assert "stopped cleanly" in (tmp_path / "logs" / "database.log").read_text()


def test_nothing_outlives_a_killed_leadhand_and_the_next_one_can_start(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as process:
        below = tree(process)
        process.kill()
        process.wait()
        with running(tmp_path, port):
            assert alive(below) == [], "the next start waits until the former processes are gone"
    assert "stopped cleanly" in (tmp_path / "logs" / "database.log").read_text(), "they were asked before they were killed"


def test_a_stubborn_process_does_not_outlive_a_killed_leadhand_either(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "stubborn") as process:
        below = tree(process)
        process.kill()
        process.wait()
        until(lambda: not alive(below), 20)


def test_a_process_outlives_neither_leadhand_nor_its_guard(tmp_path: Path) -> None:
    with running(tmp_path, free_port()) as process:
        below = tree(process)
        guards = [p for p in below if any("guard.py" in word for word in p.cmdline())]
        assert len(guards) == 1
        guards[0].kill()
        process.kill()
        process.wait()
        until(lambda: not alive(below))


def test_a_killed_process_is_started_again_after_a_growing_pause(tmp_path: Path) -> None:
    with running(tmp_path, free_port()) as process:
        for restart in (1, 2):
            pid = processes_of(tmp_path)["ingest"]["pid"]
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            entry = until(lambda: (e := processes_of(tmp_path)["ingest"])["restarts"] == restart and e["state"] == "running" and e)  # noqa: B023
            assert time.monotonic() - killed >= 0.5 * restart
            assert entry["pid"] != pid
            assert entry["last_exit"] == -signal.SIGKILL
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert "ingest was killed by signal 9; it starts again in 0.5 s" in said
    assert "ingest was killed by signal 9; it starts again in 1 s" in said
    assert said.count("ingest runs again") == 2


def test_what_a_killed_process_had_started_is_gone_before_its_next_start(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as process:
        entry = processes_of(tmp_path)["database"]
        below = psutil.Process(entry["pid"]).children()
        assert len(below) == 1
        os.kill(entry["pid"], signal.SIGKILL)
        until(lambda: processes_of(tmp_path)["database"]["restarts"] == 1)
        assert alive(below) == []
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_stubborn_process_is_killed_after_its_time_and_named(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "stubborn") as process:
        below = tree(process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "ingest did not stop within 2 s and was killed" in said
        assert alive(below) == []


def test_a_process_that_never_gets_ready_fails_the_start_and_leaves_nothing(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port, "mute", ready=False) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ingest did not get ready at its first start" in said
    assert is_free(port)


def test_wrong_settings_of_a_process_are_told_with_exit_code_2(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "wrong", ready=False) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "site.toml: sources[1].url: is missing" in said


def test_a_process_that_fails_at_its_first_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "broken", ready=False) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ingest ended with exit code 1 at its first start" in said
    assert "the disk is full" in said


def test_a_process_that_has_done_its_work_is_not_started_again(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "brief") as process:
        assert process.wait(60) == 0
    entry = processes_of(tmp_path)["simulator"]
    assert (entry["state"], entry["restarts"], entry["last_exit"]) == ("stopped", 0, 0)


def test_a_second_leadhand_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, free_port()) as process:
        with pytest.raises(Rejected, match=f"another leadhand \\(process {process.pid}\\) runs here"), Home(tmp_path).locked():
            raise AssertionError("got the lock")
        assert Home(tmp_path).is_locked()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert not Home(tmp_path).is_locked()


def test_logs_and_ready_lines_are_for_their_owner_only(tmp_path: Path) -> None:
    with running(tmp_path / "home", free_port()):
        assert (tmp_path / "home" / "run").stat().st_mode & 0o077 == 0
        assert (tmp_path / "home" / "run" / "database.out").stat().st_mode & 0o077 == 0


def test_a_second_wish_to_stop_hastens(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), "slow") as process:
        below = tree(process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(4)
        process.send_signal(signal.SIGINT)
        assert process.wait(6) == 0
        assert alive(below) == []


@pytest.mark.heavy
def test_a_log_that_has_grown_large_is_moved_aside_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "ingest.log"
    with running(tmp_path, free_port(), "noisy") as process:
        until(lambda: log.with_suffix(".log.1").exists() and b"late" in log.read_bytes(), 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert log.with_suffix(".log.1").stat().st_size > 10_000_000
    assert log.stat().st_size < 10_000
