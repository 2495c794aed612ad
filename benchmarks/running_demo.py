"""The demo as a benchmark meets it: started for it in a fresh home, and its administrator's session."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.live_plant import admin_session
from leadhand.home import Home
from plant.clock import SystemClock
from plant.site import load_site
from protocols.ports import free_port
from storage.postgres import EmbeddedPostgres

_REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A demo that is live."""

    address: str
    session: str
    """Secret of a session of the administrator."""
    robot: str
    """Path of the first work unit."""


@contextmanager
def running_demo(settle_seconds: float) -> Iterator[RunningDemo]:
    """Lend a demo that has run for so long, so that its pages have something to show; it is ended and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="leadhand-demo-") as folder:
        home = Home(Path(folder) / "home")
        command = [sys.executable, "-m", "leadhand", "demo", "--headless", "--home", str(home.path), "--port", str(free_port())]
        process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = _wait_until_live(process, home)
            time.sleep(settle_seconds)
            session = admin_session(EmbeddedPostgres(home.postgres, clock=SystemClock()).url)
            yield RunningDemo(address, session, str(load_site(home.site).signals[0].equipment))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def _wait_until_live(process: subprocess.Popen[bytes], home: Home) -> str:
    while True:
        if process.poll() is not None:
            raise SystemExit("the demo did not start; run 'leadhand demo' to see why")
        if home.status.exists() and "address" in (status := json.loads(home.status.read_text())):
            return str(status["address"]).rstrip("/")
        time.sleep(0.1)
