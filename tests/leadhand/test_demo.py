from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ingest.parts import alive
from tests.leadhand.test_commands import leadhand
from tests.leadhand.test_supervisor import ROOT, is_free, until
from tests.ports import free_port


def demo(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "leadhand", "demo", "--home", str(home), *words]


@contextmanager
def running_demo(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    with (home.parent / "said.txt").open("w") as said:
        process = subprocess.Popen(demo(home, "--port", str(port)), cwd=ROOT, stderr=said, text=True, start_new_session=True)
        try:
            until(lambda: "Log in by" in (home.parent / "said.txt").read_text() or process.poll() is not None, 120)
            assert process.poll() is None, (home.parent / "said.txt").read_text()
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


def whole_tree(process: subprocess.Popen[str], home: Path) -> list[psutil.Process]:
    """Return all processes of a demo, the database's and the broker's too, which their launchers set apart."""
    found = psutil.Process(process.pid).children(recursive=True)
    for entry in json.loads((home / "run" / "status.json").read_text())["processes"]:
        if entry["server_pid"] is not None:
            server = psutil.Process(entry["server_pid"])
            found += [server, *server.children(recursive=True)]
    return found


def ports_of(processes: list[psutil.Process]) -> set[int]:
    found = set()
    for process in processes:
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.NoSuchProcess:  # a database session that ended meanwhile
            continue
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in {"127.0.0.1", "::1"}, f"{process.name()} listens beyond this machine"
                found.add(connection.laddr.port)
    return found


def test_some_seconds_of_the_demo_add_up_to_the_sample(tmp_path: Path) -> None:
    done = subprocess.run(
        demo(tmp_path / "home", "--headless", "--seconds", "9", "--json", "--port", str(free_port())),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["ok"]
    assert result["unexplained"] == 0
    assert result["rows_beside_the_ledger"] == 0
    told = {"fabrication-events", "machining-events"}
    always = {"bearing-tools", "fabrication", "machining", "paint-shop", "shop-floor"}
    assert {source["source"] for source in result["sources"]} - told == always
    for source in result["sources"]:
        parts = ("stored", "unchanged", "filtered", "duplicate", "rejected", "in_spool", "gap")
        assert source["expected"] == sum(source[part] for part in parts)
        assert source["rows_in_database"] == source["stored"]
        assert source["stored"] > 0 or source["source"] in {"bearing-tools", *told}, "a bolt or an alarm may take longer than this test"
        assert source["in_spool"] == 0
    by_name = {source["source"]: source for source in result["sources"]}
    assert by_name["fabrication"]["requested_us"] == 30_000
    assert by_name["fabrication"]["lateness_p99_us"] is not None
    assert 0 < result["cpu_share"] <= 1


def status_of(home: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "leadhand", "status", "--json", "--home", str(home)]
    told: dict[str, Any] = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout)
    return told


@pytest.mark.heavy
def test_the_demo_is_live_on_loopback_and_ctrl_c_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with running_demo(home, port) as process:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            assert answer.status == 200
        below = whole_tree(process, home)
        ports = ports_of(below)
        assert port in ports
        until(lambda: len(status_of(home)["sources"]) == 7, 30)
        names = {"database", "broker", "simulator", "upkeep", "ingest", "monitor", "dashboard", "vision", "cameras", "floor"}
        names |= {"optimizer", "tuned-cell", "delivery"}
        until(lambda: {each["name"] for each in status_of(home)["processes"]} == names, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert alive(below) == []
        assert all(is_free(each) for each in ports)


@pytest.mark.heavy
def test_a_killed_demo_leaves_no_process_and_starts_again(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with running_demo(home, port) as process:
        below = whole_tree(process, home)
        process.kill()
        process.wait()
        until(lambda: not alive(below), 40)
        assert is_free(port)
    with running_demo(home, port):
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        ledger = subprocess.run(
            [sys.executable, "-m", "leadhand", "ledger", "--json", "--home", str(home)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert all(account["unexplained"] == 0 for account in json.loads(ledger.stdout)), ledger.stdout


@pytest.mark.parametrize(
    "names",
    [
        *(("simulator",), ("ingest",), ("monitor",), ("dashboard",), ("upkeep",), ("broker",), ("database",)),
        ("vision", "cameras", "optimizer", "floor", "tuned-cell", "delivery"),
    ],
)
@pytest.mark.heavy
def test_each_killed_process_of_the_demo_comes_back_within_seconds(tmp_path: Path, names: tuple[str, ...]) -> None:
    home, port = tmp_path / "home", free_port()
    with running_demo(home, port):

        def entry(name: str) -> dict[str, Any]:
            processes = json.loads((home / "run" / "status.json").read_text())["processes"]
            found: dict[str, Any] = next((each for each in processes if each["name"] == name), {"state": "", "restarts": 0})
            return found

        for name in names:
            until(lambda: entry(name)["state"] == "running", 120)  # noqa: B023
            for restart in (1, 2) if len(names) == 1 else (1,):
                os.kill(entry(name)["pid"], signal.SIGKILL)
                until(lambda: entry(name)["restarts"] == restart and entry(name)["state"] == "running", 60)  # noqa: B023
    ledger = leadhand("ledger", "--json", "--home", home)
    assert all(account["unexplained"] == 0 for account in json.loads(ledger.stdout)), ledger.stdout
