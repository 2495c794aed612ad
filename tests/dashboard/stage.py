"""A small factory on a stage: settings, history in the database, live samples, and the real dashboard process before it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from plant.clock import SystemClock
from plant.ledger import MINUTE_US, Counts, Gap, GapReason, LedgerLine, lateness_histogram, minute_of
from plant.samples import NO_TIME, SampleBatch
from plant.shipment import Shipment
from plant.signals import DataType, Signal, SourceId
from plant.site import Site, load_site
from plant.status import BAD_COMMUNICATION_ERROR
from storage.catalogue import register_site
from storage.database import connect
from storage.health import ProcessReport, SourceReport, report_process, report_source
from storage.people import Role, add_account, issue_login_link, open_session, read_account
from storage.samples import SampleWriter
from storage.upkeep import Upkeep
from tests.dashboard.running import quick_passwords

HOSTILE = '<img src=x onerror="document.title=1">'
"""What a machine might say to take over a page."""
STEP_US = 30_000
PASSWORD = "correct horse battery 7"

SITE = """
include = ["sources.d/*.toml"]

[site]
enterprise = "acme"
id = "north"
name = "North plant"
time_zone = "Asia/Shanghai"

[[equipment]]
path = "welding/line-1/robot-{1..3}"
name = "Welding robot {unit}"
kind = "welding_robot"

[[equipment]]
path = "assembly/bay-2/nutrunner"
name = 'HOSTILE'
kind = "nutrunner"

[[equipment]]
path = "painting/booth-1/cabin"
name = "Paint cabin"
kind = "paint_booth"

[[sources]]
protocol = "opcua"
id = "welding-plc"
url = "opc.tcp://127.0.0.1:4840"
security = { policy = "None", mode = "None" }
allow_insecure = true

[[sources]]
protocol = "mqtt"
id = "assembly-broker"
url = "mqtts://broker.invalid:8883"
username = "leadhand"
password_file = "secrets/broker"
topics = [{ filter = "acme/#" }]

[[signals]]
equipment = "welding/line-1/*"
name = "current"
source = "welding-plc"
address = "nsu=urn:acme;s={unit}.current"
unit = "A"
range = { low = 0, high = 400 }
limits = { low_low = 80, low = 120, high = 260, high_high = 320 }

[[signals]]
equipment = "welding/line-1/*"
name = "voltage"
source = "welding-plc"
address = "nsu=urn:acme;s={unit}.voltage"
unit = "V"
range = { low = 0, high = 50 }
limits = { low = 18, high = 32 }

[[signals]]
equipment = "welding/line-1/*"
name = "arc-on"
source = "welding-plc"
address = "nsu=urn:acme;s={unit}.arc"
data_type = "boolean"

[[signals]]
equipment = "welding/line-1/*"
name = "program"
source = "welding-plc"
address = "nsu=urn:acme;s={unit}.program"
data_type = "string"

[[signals]]
equipment = "assembly/bay-2/nutrunner"
name = "torque"
source = "assembly-broker"
address = "acme/torque"
unit = "N.m"
range = { low = 0, high = 900 }

[[signals]]
equipment = "assembly/bay-2/nutrunner"
name = "step"
source = "assembly-broker"
address = "acme/step"
data_type = "string"

[[signals]]
equipment = "painting/booth-1/cabin"
name = "temperature"
source = "assembly-broker"
address = "acme/temperature"
unit = "Cel"
range = { low = 0, high = 60 }
limits = { low = 18, high = 28 }
""".replace("HOSTILE", HOSTILE)


@dataclass
class Stage:
    """The factory: its home folder, its database, and how to bring samples into it."""

    home: Path
    url: str
    site: Site

    def __post_init__(self) -> None:
        self._spool, self._record = uuid4(), 0
        self.clock = SystemClock()
        self.connection = connect(self.url, application="stage")
        self.writer = SampleWriter(self.connection)
        self._fill_lock = threading.Lock()

    @property
    def site_file(self) -> Path:
        """Return the settings file."""
        return self.home / "site.toml"

    def fill(self, from_us: int, to_us: int, *, step_us: int = STEP_US, gap: tuple[int, int] | None = None) -> int:
        """Store samples of all signals in the span, without those in ``gap``; return how many."""
        time_us = np.arange(from_us - from_us % step_us + step_us, to_us, step_us, dtype=np.int64)
        if gap is not None:
            time_us = time_us[(time_us < gap[0]) | (time_us >= gap[1])]
        with self._fill_lock:
            batch = _batch(self.site.signals, time_us)
            gaps: tuple[Gap, ...] = ()
            lines = self._lines(time_us)
            if gap is not None:
                missed = (gap[1] - gap[0]) // step_us * len(self.site.signals_of(SourceId("welding-plc")))
                gaps = (Gap(SourceId("welding-plc"), gap[0], gap[1], missed, GapReason.DISCONNECTED, detail="connection refused"),)
                lines += (LedgerLine(SourceId("welding-plc"), minute_of(gap[0]), Counts(expected=missed, gap=missed)),)
            self._record += 1
            assert self.writer.ship(Shipment(self._spool, self._record, self._record, batch, lines, gaps))
        return len(batch)

    def _lines(self, time_us: npt.NDArray[np.int64]) -> tuple[LedgerLine, ...]:
        lines = []
        for source in self.site.sources:
            nodes = len(self.site.signals_of(SourceId(source.id)))
            for minute in np.unique(time_us - time_us % MINUTE_US).tolist():
                ticks = int(np.count_nonzero((time_us >= minute) & (time_us < minute + MINUTE_US)))
                late = lateness_histogram(np.random.default_rng(minute).gamma(2, 300, ticks).astype(np.int64))
                lines.append(
                    LedgerLine(SourceId(source.id), minute, Counts(expected=ticks * nodes, stored=ticks * nodes), True, ticks, late)
                )
        return tuple(lines)

    def report(self) -> None:
        """Say of both sources and all processes that they run."""
        now = self.clock.now_us()
        for source, insecure in (("welding-plc", True), ("assembly-broker", False)):
            report = SourceReport(
                SourceId(source), "connected", "", now - 3600 * 1_000_000, 30_000, 30_000, 30_010, 410, 2_300, 3, now, 120, 4096, 1,
                insecure=insecure, complete=True, updated_us=now,
            )  # fmt: skip
            report_source(self.connection, report)
        for name, restarts in (("ingest", 0), ("storage", 1), ("dashboard", 0)):
            report_process(self.connection, ProcessReport(name, "running", os.getpid(), now - 7_200_000_000, restarts, None, now))

    def keep_up(self) -> None:
        """Make the rollups of what was stored."""
        with contextlib.closing(connect(self.url, application="stage upkeep")) as connection:
            Upkeep(connection, budget_bytes=5_000_000_000, clock=self.clock).run_once()

    def login_link(self, account: str) -> str:
        """Return the address, without the server, that logs one account in once."""
        with contextlib.closing(connect(self.url, application="stage login")) as connection:
            return "/login?link=" + issue_login_link(connection, account, 600, self.clock)

    def session(self, account: str) -> str:
        """Return the secret of a fresh session of an account."""
        with contextlib.closing(connect(self.url, application="stage login")) as connection:
            return open_session(connection, read_account(connection, account), "127.0.0.1", self.clock)

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()


def make_stage(home: Path, url: str) -> Stage:
    """Return the stage with its settings written, its site registered and an account for each role made."""
    (home / "sources.d").mkdir(parents=True, exist_ok=True)
    (home / "sources.d" / "_about.toml").write_text("# sources made on the dashboard\n", encoding="utf-8")
    (home / "site.toml").write_text(SITE, encoding="utf-8")
    stage = Stage(home, url, load_site(home / "site.toml"))
    register_site(stage.connection, stage.site)
    with quick_passwords():
        for role in Role:
            add_account(
                stage.connection, name=role.value, full_name=role.value.capitalize(), role=role, password=PASSWORD, clock=stage.clock
            )
    return stage


def _batch(signals: tuple[Signal, ...], time_us: npt.NDArray[np.int64]) -> SampleBatch:
    n, many = len(time_us), len(signals)
    value, has_value = np.empty((many, n)), np.ones((many, n), np.bool_)
    text = np.full((many, n), None, object)
    status = np.zeros((many, n), np.uint32)
    for row, signal in enumerate(signals):
        if signal.data_type is DataType.STRING:
            value[row], has_value[row] = np.nan, False
            text[row] = _texts(signal.name, time_us)
        else:
            value[row] = _values(signal, row, time_us)
    bad = np.array([s.path.endswith("robot-2/voltage") for s in signals])[:, None] & ((time_us // 1_000_000) % 60 < 3)[None, :]
    status[bad], has_value[bad], value[bad] = BAD_COMMUNICATION_ERROR, False, np.nan
    times = np.tile(time_us, many)
    return SampleBatch(
        tuple(s.path for s in signals),
        np.repeat(np.arange(many, dtype=np.int32), n),
        times,
        np.full(n * many, NO_TIME, np.int64),
        times + 1500,
        value.ravel(),
        has_value.ravel(),
        status.ravel(),
        np.zeros(n * many, np.int16),
        text.ravel(),
    )


def _values(signal: Signal, row: int, time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    seconds = (time_us / 1e6) % 86_400
    noise = np.random.default_rng(int(time_us[0]) % 2**32 + row if len(time_us) else 0).normal(0, 1, len(time_us))
    wave = np.sin(seconds / 7 + row) + 0.4 * np.sin(seconds / 60)
    if signal.name == "current":
        return np.asarray(190 + 30 * wave + 4 * noise + (100 if "robot-3" in signal.path else 0))
    if signal.name == "voltage":
        return np.asarray(25 + 2 * wave + 0.2 * noise)
    if signal.name == "arc-on":
        return (np.asarray(seconds % 40) < 28).astype(float)
    if signal.name == "temperature":
        return np.asarray(29.0 + 0.3 * wave)
    return np.asarray(np.clip(400 + 400 * wave, 0, 900))


def _texts(name: str, time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    words = np.array(["Layer 1 Up", "Layer 1 Down", HOSTILE, "Repositioning"] if name == "step" else ["P-104", "P-220 root pass"], object)
    return np.asarray(words[(time_us // 20_000_000) % len(words)], object)


class Feeder:
    """Stores the samples of each second just after it, and reports, until closed."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._stopping = stage, threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        done = self._stage.clock.now_us()
        while not self._stopping.wait(0.5):
            now = self._stage.clock.now_us()
            self._stage.fill(done, now)
            self._stage.report()
            done = now - now % STEP_US

    def close(self) -> None:
        """Stop storing."""
        self._stopping.set()
        self._thread.join(60)


@contextlib.contextmanager
def dashboard_before(stage: Stage, port: int = 0) -> Iterator[str]:
    """Run the real dashboard process before a stage; yield its address, without the last slash."""
    command = [sys.executable, "-m", "dashboard", "--home", str(stage.home), "--site", str(stage.site_file), "--port", str(port)]
    log = stage.home / "dashboard.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "LEADHAND_DATABASE_URL": stage.url}, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the dashboard did not start: {log.read_text(encoding='utf-8')[-2000:]}"
        yield str(json.loads(line)["url"]).rstrip("/")
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
