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

from leadhand.home import Home
from leadhand.processes import is_running
from plant.errors import Unavailable
from protocols.mqtt_client import MqttConnection, MqttEndpoint
from storage.database import connect
from tests.leadhand.test_supervisor import ROOT, is_free, until
from tests.ports import free_port


@contextmanager
def launched(server: str, home: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    Home(home).create()
    process = subprocess.Popen(
        [sys.executable, "-m", "leadhand.embedded", server, "--home", str(home), "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert facts["ready"]
        yield process, facts
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        process.communicate()


def test_the_embedded_database_is_stopped_with_its_launcher(tmp_path: Path) -> None:
    with launched("database", tmp_path) as (process, facts):
        connect(facts["url"], application="test").close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not is_running(facts["server_pid"])


def test_the_launcher_ends_when_its_database_is_killed_and_the_next_one_recovers(tmp_path: Path) -> None:
    with launched("database", tmp_path) as (process, facts):
        with connect(facts["url"], application="test") as connection:
            connection.execute("CREATE TABLE kept (n integer)")
            connection.execute("INSERT INTO kept VALUES (1)")
        os.kill(facts["server_pid"], signal.SIGKILL)
        assert process.wait(60) == 1
    with launched("database", tmp_path) as (_, again), connect(again["url"], application="test") as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_a_killed_launcher_leaves_a_database_that_the_next_one_takes_over(tmp_path: Path) -> None:
    with launched("database", tmp_path) as (process, facts):
        process.kill()
        process.wait()
        assert is_running(facts["server_pid"])
        with launched("database", tmp_path) as (_, again):
            assert again["server_pid"] == facts["server_pid"]
            connect(again["url"], application="test").close()
        assert not is_running(facts["server_pid"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_broker_ends_with_its_launcher(tmp_path: Path, how: signal.Signals) -> None:
    port = free_port()
    with launched("broker", tmp_path, port) as (process, facts):
        assert facts["port"] == port
        assert not is_free(port)
        process.send_signal(how)
        process.wait(60)
        until(lambda: is_free(port) and not is_running(facts["server_pid"]))


def test_the_launcher_ends_when_its_broker_is_killed(tmp_path: Path) -> None:
    with launched("broker", tmp_path) as (process, facts):
        os.kill(facts["server_pid"], signal.SIGKILL)
        assert process.wait(60) == 1


def test_the_broker_lets_in_nobody_without_the_password_of_this_home(tmp_path: Path) -> None:
    with launched("broker", tmp_path) as (_, facts):
        secret = tmp_path / "secrets" / "mqtt-password"
        assert secret.stat().st_mode & 0o077 == 0
        mine = MqttConnection(MqttEndpoint("127.0.0.1", facts["port"], "mine", username="leadhand", password=secret.read_text().strip()))
        mine.start()
        mine.wait_connected(60)
        mine.stop()
        stranger = MqttConnection(MqttEndpoint("127.0.0.1", facts["port"], "stranger"))
        stranger.start()
        with pytest.raises(Unavailable):
            stranger.wait_connected(1)
        stranger.stop()
