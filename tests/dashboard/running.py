"""A dashboard as it runs for people: the real process on a free port, a real database with a small factory in it, and ways to log in."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import argon2
import httpx
import numpy as np

from dashboard.gate import SESSION_COOKIE
from plant.clock import SystemClock
from plant.errors import Unavailable
from plant.ledger import Counts, Gap, GapReason, LedgerLine, lateness_histogram, minute_of
from plant.samples import SampleBatch, empty
from plant.shipment import Shipment
from plant.signals import SignalPath, SourceId
from plant.site import Site, load_site
from storage import people
from storage.catalogue import register_site
from storage.database import connect
from storage.health import ProcessReport, SourceReport, report_process, report_source
from storage.people import Role
from storage.samples import SampleWriter

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "a good long password"
ROOT = "acme/north"
ROBOT = f"{ROOT}/welding/cell-1/robot-1"
PERIOD_US = 30_000
SITE = """
include = ["sources.d/*.toml"]

[site]
enterprise = "acme"
id = "north"
name = "Acme North"
time_zone = "Europe/Berlin"

[[equipment]]
path = "welding/cell-1/robot-{1..4}"
name = "Robot {unit}"
kind = "welding_robot"

[[equipment]]
path = "paint/booth"
kind = "paint_booth"

[[sources]]
protocol = "opcua"
id = "robots"
url = "opc.tcp://127.0.0.1:4840"
security = { policy = "None", mode = "None" }
allow_insecure = true

[[sources]]
protocol = "mqtt"
id = "booth"
url = "mqtt://127.0.0.1:1883"
allow_anonymous = true
topics = [{ filter = "acme/#" }]

[[signals]]
equipment = "welding/cell-1/*"
name = "{current,voltage}"
source = "robots"
address = "nsu=urn:acme;s={equipment}.{signal}"
unit = "A"
range = { low = 0, high = 300 }
limits = { low_low = 20, low = 50, high = 200, high_high = 250 }
description = "measured at the torch"

[[signals]]
equipment = "welding/cell-1/*"
name = "program"
source = "robots"
address = "nsu=urn:acme;s={equipment}.program"
data_type = "string"

[[signals]]
equipment = "paint/booth"
name = "temperature"
source = "booth"
address = "acme/booth/temperature"
unit = "Cel"
"""


@dataclass
class RunningDashboard:
    """The running process, and what a test needs to speak with it."""

    url: str
    port: int
    home: Path
    site_file: Path
    database_url: str
    process: subprocess.Popen[str]
    log: Path
    site: Site
    clock: SystemClock = field(default_factory=SystemClock)
    _writer_lock: threading.Lock = field(default_factory=threading.Lock)
    _records: int = 0
    _spool: Any = field(default_factory=uuid4)

    def session(self, role: Role = Role.VIEWER) -> str:
        """The secret of a fresh session of the account named as its role; put it into the cookie ``leadhand_session``."""
        with connect(self.database_url, application="test") as connection:
            return people.open_session(connection, people.read_account(connection, role.value), "127.0.0.1", self.clock)

    def cookie(self, role: Role = Role.VIEWER) -> dict[str, Any]:
        """The session as a cookie for ``BrowserContext.add_cookies([...])`` of Playwright."""
        return {"name": SESSION_COOKIE, "value": self.session(role), "url": self.url, "httpOnly": True, "sameSite": "Lax"}

    def login_link(self, role: Role = Role.ADMIN) -> str:
        """The address of a one-time login link."""
        with connect(self.database_url, application="test") as connection:
            return f"{self.url}/login?link={people.issue_login_link(connection, role.value, 60, self.clock)}"

    def client(self, role: Role | None = None, **headers: str) -> httpx.Client:
        """An HTTP client as a browser of this server's own pages would speak, logged in as a role or not at all."""
        cookies = {} if role is None else {SESSION_COOKIE: self.session(role)}
        return httpx.Client(base_url=self.url, headers={"Origin": self.url, **headers}, cookies=cookies, timeout=60)

    def wait_until_read(self, seconds: float = 60.0) -> None:
        """Return when the dashboard has read the database after now."""
        now, end = self.clock.now_us(), time.monotonic() + seconds
        with self.client(Role.VIEWER) as client:
            while (client.get("/api/v1/clock").json()["read_us"] or 0) <= now:
                assert time.monotonic() < end, f"the database is not read: {self.log.read_text()}"
                time.sleep(0.1)

    def program(self, *scopes: people.Scope) -> httpx.Client:
        """An HTTP client with a token of these scopes."""
        with connect(self.database_url, application="test") as connection:
            _, secret = people.issue_token(
                connection,
                name="test",
                scopes=scopes,
                valid_seconds=600,
                created_by="test",
                clock=self.clock,
                work_units=("*",) if people.Scope.CONTROLLER in scopes else (),
            )
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)

    def store(
        self,
        signal: str,
        time_us: list[int],
        value: list[float],
        *,
        text: list[str | None] | None = None,
        status: list[int] | None = None,
        gaps: tuple[Gap, ...] = (),
        ledger: tuple[LedgerLine, ...] = (),
    ) -> None:
        """Store samples of one signal as ingest would."""
        n = len(time_us)
        codes = np.array(status if status is not None else [0] * n, np.uint32)
        batch = SampleBatch(
            (SignalPath(signal),),
            np.zeros(n, np.int32),
            np.array(time_us, np.int64),
            np.array(time_us, np.int64),
            np.array(time_us, np.int64) + 2000,
            np.array(value, np.float64),
            np.full(n, text is None) & ((codes >> 30) < 2),
            codes,
            np.zeros(n, np.int16),
            None if text is None else np.array(text, np.object_),
        )
        self.ship(batch, gaps, ledger)

    def ship(self, batch: SampleBatch | None = None, gaps: tuple[Gap, ...] = (), ledger: tuple[LedgerLine, ...] = ()) -> None:
        """Store a batch, gaps and ledger lines as ingest would."""
        with self._writer_lock, connect(self.database_url, application="test") as connection:
            self._records += 1
            samples = empty() if batch is None else batch
            SampleWriter(connection).ship(Shipment(self._spool, self._records, self._records, samples, ledger, gaps))

    def report(self, source: str, state: str = "connected", **changes: Any) -> None:
        """Say as ingest would how a source does."""
        now = self.clock.now_us()
        facts: dict[str, Any] = {
            "source": SourceId(source),
            "state": state,
            "detail": "",
            "since_us": now - 60_000_000,
            "requested_us": PERIOD_US,
            "granted_us": PERIOD_US,
            "achieved_us": PERIOD_US,
            "lateness_p50_us": 120,
            "lateness_p99_us": 900,
            "missed_ticks": 0,
            "last_sample_us": now,
            "in_spool": 0,
            "spool_bytes": 0,
            "reconnects": 0,
            "insecure": True,
            "complete": True,
            "updated_us": now,
        }
        with connect(self.database_url, application="test") as connection:
            report_source(connection, SourceReport(**{**facts, **changes}))


def fill(running: RunningDashboard, seconds: int = 60) -> None:
    """Store a factory's last ``seconds``: robots each 30 ms, one too high, one bad; a gap; the ledger; reports of sources and processes."""
    end = running.clock.now_us() // PERIOD_US * PERIOD_US
    time_us = list(range(end - seconds * 1_000_000, end, PERIOD_US))
    for number in range(1, 5):
        base = f"{ROOT}/welding/cell-1/robot-{number}"
        wave = 120 + 20 * np.sin(np.arange(len(time_us)) / 40)
        running.store(f"{base}/voltage", time_us, wave.tolist())
        status = [0] * (len(time_us) - 1) + [0x80310000 if number == 3 else 0]
        wave[-1] = 260 if number == 2 else wave[-1]
        running.store(f"{base}/current", time_us, wave.tolist(), status=status)
        running.store(f"{base}/program", [time_us[0]], [float("nan")], text=["weld-A / 焊接"])
    minute = minute_of(end)
    counts = Counts(expected=1000, stored=900, unchanged=90, gap=10)
    line = LedgerLine(SourceId("robots"), minute, counts, True, 100, lateness_histogram(np.array([100] * 98 + [5000] * 2, np.int64)))
    gap = Gap(SourceId("robots"), end - 20_000_000, end - 19_700_000, 10, GapReason.OVERRUN, None, "the reader was late")
    running.ship(gaps=(gap,), ledger=(line,))
    running.report("robots")
    running.report("booth", "away", detail="connection refused", requested_us=None, granted_us=None, complete=False)
    with connect(running.database_url, application="test") as connection:
        now = running.clock.now_us()
        report_process(connection, ProcessReport("ingest", "running", 4711, now, 1, None, now))


@contextmanager
def quick_passwords() -> Iterator[None]:
    """Hash passwords with the least that argon2id takes: ten times as quick. That real ones take more is tested where they are stored."""
    real = people._HASHER
    people._HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    try:
        yield
    finally:
        people._HASHER = real


@contextmanager
def run_dashboard(folder: Path, database_url: str, *options: str, filled: bool = True, site_text: str = SITE) -> Iterator[RunningDashboard]:
    """Lend a running dashboard with accounts named viewer, inspector, engineer, approver and admin, all with PASSWORD."""
    home = folder / "home"
    (home / "sources.d").mkdir(parents=True)
    (home / "sources.d" / "_about.toml").write_text("# empty\n")
    site_file = home / "site.toml"
    site_file.write_text(site_text)
    site = load_site(site_file)
    clock = SystemClock()
    with quick_passwords(), connect(database_url, application="test") as connection:
        register_site(connection, site)
        people.ensure_first_admin(connection, clock)
        people.set_password(connection, "admin", PASSWORD, clock)
        for role in Role:
            if role is not Role.ADMIN:
                people.add_account(connection, name=role.value, full_name=role.value.title(), role=role, password=PASSWORD, clock=clock)
    log = folder / "dashboard.log"
    with start_process(home, site_file, database_url, log, *options) as (process, ready):
        running = RunningDashboard(f"http://127.0.0.1:{ready['port']}", ready["port"], home, site_file, database_url, process, log, site)
        if not filled:
            yield running
            return
        fill(running)
        running.wait_until_read()
        ended = threading.Event()
        ingest = threading.Thread(target=_keep_reporting, args=(running, ended))
        ingest.start()
        try:
            yield running
        finally:
            ended.set()
            ingest.join()


def _keep_reporting(running: RunningDashboard, ended: threading.Event) -> None:
    """Report as a living ingest does; a source that is not reported on is silent after ten seconds."""
    while not ended.wait(2.0):
        with contextlib.suppress(Unavailable):
            running.report("robots")


@contextmanager
def start_process(
    home: Path, site_file: Path, database_url: str, log: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Lend ``python -m dashboard`` with what it said when it was ready; it is ended by SIGTERM."""
    command = [sys.executable, "-m", "dashboard", "--home", str(home), "--site", str(site_file), "--port", "0", *options]
    environment = {**os.environ, "LEADHAND_DATABASE_URL": database_url}
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the dashboard did not start: {log.read_text()}"
        yield process, json.loads(line)
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
