"""Processes that tests and benchmarks of the ingest start: the ingest itself, a simulated plant, a mosquitto."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ingest.files import SystemFiles
from ingest.records import SourceState
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.signals import SourceId
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
MOSQUITTO = Path("/usr/sbin/mosquitto")
PATIENCE = 4
"""A busy machine may take so many times longer than a quiet one; only a test that fails waits so long."""
_LONGEST_LOOK_SECONDS = 5.0
"""What a test does between two looks takes no longer, unless the machine stood still."""


class Patience:
    """How long a test still waits: time in which nothing ran on this machine, the test neither, does not count."""

    def __init__(self, seconds: float) -> None:
        self._left, self._last = PATIENCE * seconds, time.monotonic()

    def over(self) -> bool:
        """Return whether some seconds of a quiet machine are over; asked for often."""
        now = time.monotonic()
        self._left -= min(now - self._last, _LONGEST_LOOK_SECONDS)
        self._last = now
        return self._left < 0


@dataclass
class Child:
    """A process of ours that said it is ready."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait(60)
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.process.args!r} did not stop; its log: {self.log.read_text()[-3000:]}") from None
        self._close()
        return code


def start(arguments: Sequence[str], log: Path, environment: dict[str, str] | None = None, seconds: float = 30 * PATIENCE) -> Child:
    """Start ``python -m ...`` and wait for its ready line."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline() if ready else b""
    if not line:
        process.kill()
        process.wait(60)
        raise AssertionError(f"{arguments} was not ready; its log: {log.read_text()[-3000:]}")
    return Child(process, json.loads(line), log)


def start_ingest(site: Path, home: Path, database: str, *more: str) -> Child:
    """Start the ingest."""
    home.mkdir(parents=True, exist_ok=True)
    arguments = ["ingest", "--site", str(site), "--home", str(home), *more]
    return start(arguments, home / "ingest.log", {"LEADHAND_DATABASE_URL": database})


def start_plant(site: Path, *more: str, environment: dict[str, str] | None = None) -> Child:
    """Start the simulated plant, which writes its site settings."""
    site.parent.mkdir(parents=True, exist_ok=True)
    return start(["simulators", "plant", "--seed", "7", "--site-out", str(site), *more], site.parent / "plant.log", environment)


class Mosquitto:
    """A mosquitto from Debian on a port of its own."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "allow_anonymous true", *lines]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: answers(self.port), 10)
        return self.port

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of some processes that have not ended; a process may end between any two questions."""
    found = []
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> None:
    """Return once a condition holds; fail when it does not within some seconds of a quiet machine."""
    patience = Patience(seconds)
    while not condition():
        assert not patience.over(), f"it did not happen within {PATIENCE} x {seconds} s"
        time.sleep(every)


@contextmanager
def spool_states(home: Path) -> Iterator[Callable[[str], SourceState | None]]:
    """What a stopped ingest's spool says of each source."""
    spool = Spool(home / "spool", SystemFiles(), new_id=lambda: (_ for _ in ()).throw(AssertionError("no spool there")))
    writer = SpoolWriter(spool, SystemClock())
    writer.open()
    try:
        yield lambda source: writer.state_of(SourceId(source))
    finally:
        writer.close()


MQTT_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/press"

[[sources]]
protocol = "mqtt"
id = "press"
url = "mqtt://127.0.0.1:{port}"
version = "{version}"
allow_anonymous = true
topics = [{{ filter = "hall/press/#", payload = "{payload}", time_unit = "us" }}]

[[signals]]
equipment = "hall/line/press"
name = "counter"
source = "press"
address = "hall/press/state#counter"
data_type = "int64"

[[signals]]
equipment = "hall/line/press"
name = "force"
source = "press"
address = "hall/press/state#force"
unit = "kN"

[[signals]]
equipment = "hall/line/press"
name = "mode"
source = "press"
address = "hall/press/state#mode"
data_type = "string"
"""


def write_mqtt_site(path: Path, port: int, version: str = "5", payload: str = "object") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MQTT_SITE.format(port=port, version=version, payload=payload))
    return path
