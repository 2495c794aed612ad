from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plant.clock import SystemClock
from plant.site import load_site
from storage.postgres import EmbeddedPostgres
from tests.leadhand.test_commands import leadhand
from tests.leadhand.test_supervisor import ROOT, until
from tests.ports import free_port
from tests.test_replay_recording import mosquitto

RECORDING = "position,state\n" + "\n".join(f"{n / 7!r},{'run' if n % 3 else 'idle'}" for n in range(100)) + "\n"


@contextmanager
def device(folder: Path, *words: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give the site file and the facts of a simulated device that plays a small recording again and again."""
    (folder / "recording.csv").write_text(RECORDING)
    site = folder / "site.toml"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulators",
            "replay",
            str(folder / "recording.csv"),
            "--via",
            "opcua",
            "--real-time",
            "--site-out",
            str(site),
            *words,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield site, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(60)
        process.communicate()


@contextmanager
def up(site: Path, home: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    said = home.parent / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "leadhand", "up", str(site), "--home", str(home), "--port", str(free_port())],
            cwd=ROOT,
            stderr=file,
            start_new_session=True,
            text=True,
        )
        try:
            yield process, said
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def status(home: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(leadhand("status", "--json", "--home", home).stdout)
    return state


@pytest.mark.heavy
def test_up_reads_a_real_source_and_stops_in_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with device(tmp_path) as (site, _), up(site, home) as (process, said):
        until(lambda: "all is running" in said.read_text() or process.poll() is not None, 90)
        assert process.poll() is None, said.read_text()
        assert "the first account is 'admin' with password " in said.read_text()
        state = until(lambda: (s := status(home))["sources"] and s["sources"][0]["state"] == "connected" and s, 30)
        assert {entry["name"] for entry in state["processes"]} == {"database", "upkeep", "ingest", "monitor", "dashboard"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert leadhand("ledger", "--home", home).returncode == 0
    out = tmp_path / "out.csv"
    assert leadhand("export", "samples", "--signals", "**/state", "--csv", out, "--home", home).returncode == 0
    assert {line.split(",")[3] for line in out.read_text().splitlines()[1:]} <= {"run", "idle"}


@pytest.mark.heavy
def test_sources_are_read_while_an_own_database_is_still_away(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server = EmbeddedPostgres(tmp_path / "elsewhere", clock=SystemClock())
    url = server.start()
    server.stop()
    (home / "settings.toml").write_text(f'[database]\nurl = "{url}"\n')
    (home / "settings.toml").chmod(0o600)
    try:
        with device(tmp_path) as (site, _), up(site, home) as (process, said):
            until(lambda: "sources are read meanwhile" in said.read_text() and "ingest is ready" in said.read_text(), 60)
            server.start()
            until(lambda: "all is running" in said.read_text(), 90)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert leadhand("ledger", "--home", home).returncode == 0
    finally:
        server.stop()


@pytest.mark.heavy
def test_one_setting_each_puts_an_own_database_and_mosquitto_in_place_of_the_embedded_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server = EmbeddedPostgres(tmp_path / "elsewhere", clock=SystemClock())
    try:
        with mosquitto(tmp_path) as broker:
            (home / "settings.toml").write_text(f'[database]\nurl = "{server.start()}"\n[mqtt]\nurl = "{broker}"\n')
            (home / "settings.toml").chmod(0o600)
            words = ("demo", "--home", home, "--headless", "--seconds", "8", "--json", "--port", str(free_port()))
            done = leadhand(*words)
            assert done.returncode == 0, done.stdout + done.stderr
        assert not (home / "postgres" / "data").exists()
        result = json.loads(done.stdout)
        stored = {source["source"]: source["stored"] for source in result["sources"]}
        assert all(stored[source] > 0 for source in ("fabrication", "machining", "paint-shop", "shop-floor"))
    finally:
        server.stop()


def test_discover_proposes_a_site_that_check_takes(tmp_path: Path) -> None:
    with device(tmp_path, "--insecure") as (_, facts):
        out = tmp_path / "proposed.toml"
        words = ("discover", facts["url"], "--allow-insecure", "--out", out, "--home", tmp_path / "home")
        done = leadhand(*words)
        assert done.returncode == 0, done.stderr
        assert leadhand("check", out).returncode == 0
        again = leadhand(*words)
        assert again.returncode == 1
        assert "exists already" in again.stderr
    site = load_site(out)
    assert [(signal.name, signal.data_type.value) for signal in site.signals] == [("position", "double"), ("state", "string")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
@pytest.mark.heavy
def test_the_demo_runs_for_an_account_without_rights(tmp_path: Path) -> None:
    words = ["demo", "--home", str(tmp_path / "home"), "--headless", "--seconds", "5"]
    # a user namespace: not root inside, and still able to reach an interpreter that lies in root's folder
    done = subprocess.run(
        ["unshare", "--user", "--map-user=65534", "--map-group=65534", sys.executable, "-m", "leadhand", *words],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
