"""Ten thousand OPC UA nodes each 30 ms into durable rows, server, ingest and database on one machine: what is missed, at what cost.

``python -m benchmarks.ingest_ten_thousand [--nodes 10000] [--seconds 60] [--interval-ms 30] [--ship-ms 1000] [--no-fifo]``. The server
is one in C where ``LEADHAND_O6_PYTHON`` names a Python that has ``o6``, else our simulated device; its cost is printed apart, and like a
device with its own processor it goes before all but the readers (SCHED_FIFO 1) where that is permitted. The database is the embedded
PostgreSQL and, where ``LEADHAND_TIMESCALE_URL`` names a server on which we may make databases, TimescaleDB after it. Each read is stored.

Fails when a sample is unexplained or stands twice, when more than 0.1 % of the ticks are missed (3,000 nodes or fewer: any), or when
lateness p99 is above 3 ms with real-time priority (10 ms without) at 3,000 nodes or fewer.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from benchmarks.opcua_native_server import available, native_server
from ingest.files import SystemFiles
from ingest.spool import Spool
from plant.clock import SystemClock
from plant.ledger import LATENESS_EDGES_US, MINUTE_US, Counts, GapReason, no_lateness, percentile_us
from storage.database import Connection, connect
from storage.health import read_storage_state
from storage.ledger import read_gaps, read_ledger
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.samples import spool_watermark
from tests.databases import database_of
from tests.ingest.parts import Child, start_ingest, start_plant, until

_FOREVER = 4_000_000_000_000_000
_PR_CAPBSET_DROP, _CAP_SYS_NICE = 24, 23
_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/cell"

[[sources]]
protocol = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:{port}"
interval_ms = {interval}
security = {{ policy = "None", mode = "None" }}
allow_insecure = true

[[signals]]
equipment = "hall/line/cell"
name = "{{1..{nodes}}}"
source = "plc"
address = "ns=1;i={{signal}}"
store = "every_read"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--interval-ms", type=float, default=30.0)
    parser.add_argument("--churn", type=int, default=20, help="so many values change each interval (0.1 ms of the C server each)")
    parser.add_argument("--ship-ms", help="time between two shipments; what the ingest does by itself if not given")
    parser.add_argument("--no-fifo", action="store_true", help="without the right to real-time priority")
    options = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        database = EmbeddedPostgres(Path(folder) / "postgres", clock=SystemClock())
        url = database.start()
        try:
            kept = _report("embedded PostgreSQL", url, Path(folder) / "embedded", options, database.pid)
        finally:
            database.stop()
        native = os.environ.get("LEADHAND_TIMESCALE_URL")
        if native is None:
            print("TimescaleDB native: not run (LEADHAND_TIMESCALE_URL is not set)")
        else:
            with _native(native) as there:
                kept = _report("TimescaleDB native", there, Path(folder) / "native", options, None) and kept
    return 0 if kept else 1


@contextmanager
def _native(server: str) -> Iterator[str]:
    name = f"bench_{os.getpid()}"
    with connect(server, application="benchmark") as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield database_of(server, name)
    finally:
        with connect(server, application="benchmark") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _server(folder: Path, options: argparse.Namespace) -> Iterator[tuple[Path, int, str]]:
    """Give a server's site file, its process and its name."""
    site = folder / "plant" / "site.toml"
    site.parent.mkdir(parents=True)
    if available():
        arguments = ("--many", str(options.nodes), "--churn", str(options.churn), "--every-ms", str(options.interval_ms))
        with native_server(*arguments) as server:
            _own_processor(server.process.pid)
            site.write_text(_SITE.format(port=server.port, interval=options.interval_ms, nodes=options.nodes))
            yield site, server.process.pid, "o6 (open62541, C)"
        return
    plant = start_plant(site, "--insecure", "--units", str(max(8, round(options.nodes / 10.7))))
    _own_processor(plant.pid)
    try:
        yield site, plant.pid, "our simulated devices (Python)"
    finally:
        plant.stop()


def _own_processor(server: int) -> None:
    """A device has its own processor: the one in its place must not wait for the neighbours of this machine, readers excepted."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, server, -15)
        for thread in Path(f"/proc/{server}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(1))


def _report(name: str, url: str, folder: Path, options: argparse.Namespace, postgres: int | None) -> bool:
    migrate(url)
    folder.mkdir()
    if options.no_fifo:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)
    with ExitStack() as stack:
        site, server, server_name = stack.enter_context(_server(folder, options))
        asked_at = time.monotonic()
        ingest = start_ingest(site, folder / "home", url, *(() if options.ship_ms is None else ("--ship-ms", options.ship_ms)))
        stack.callback(ingest.stop)
        facts: dict[str, Any] = {"database": name, "server": server_name}
        with connect(url, application="benchmark") as connection:
            facts |= _measure(connection, url, ingest, server, postgres, options, asked_at)
            asked_at = time.monotonic()
            stack.pop_all().close()
            facts["stop_seconds"] = round(time.monotonic() - asked_at, 1)
            facts["drained_after_seconds"] = _drain(connection, site, folder / "home", url)
            facts |= _ledger(connection, facts.pop("from_us"), facts.pop("to_us"), options)
    print(json.dumps(facts, indent=1))
    broken = list(_broken(facts, options))
    for sentence in broken:
        print(f"MISSED: {sentence}")
    return not broken


class _Meter:
    """CPU seconds and memory of named processes, those that come and go meanwhile included."""

    def __init__(self, parts: Callable[[], dict[str, list[int]]]) -> None:
        self._parts = parts
        self._first: dict[tuple[str, int], float] = {}
        self._last: dict[tuple[str, int], float] = {}
        self.rss_mb: dict[str, int] = {}
        self.look(new=False)

    def look(self, *, new: bool = True) -> None:
        memory: dict[str, float] = {}
        for name, pids in self._parts().items():
            for pid in pids:
                with suppress(psutil.Error):
                    times = psutil.Process(pid).cpu_times()
                    self._last[name, pid] = times.user + times.system
                    self._first.setdefault((name, pid), 0.0 if new else times.user + times.system)
                    memory[name] = memory.get(name, 0) + psutil.Process(pid).memory_info().rss / 1e6
        self.rss_mb = {name: round(value) for name, value in memory.items()}

    def spent(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for (name, pid), last in self._last.items():
            seconds[name] = seconds.get(name, 0.0) + last - self._first[name, pid]
        return seconds


def _parts(ingest: Child, server: int, postgres: int | None, url: str) -> dict[str, list[int]]:
    """Name the processes: those of the ingest each, the database's backends together."""
    main = psutil.Process(ingest.pid)
    parts = {"ingest: spool and shipper": [main.pid], "server": [server]}
    for zygote in main.children():
        for number, reader in enumerate(zygote.children(), 1):
            parts[f"ingest: reader {number}"] = [reader.pid]
    backends = psutil.Process(postgres).children(recursive=True) if postgres is not None else _backends_of(url)
    parts["database"] = [one.pid for one in backends] + ([postgres] if postgres is not None else [])
    return parts


def _backends_of(url: str) -> list[psutil.Process]:
    """The server's backends, where it runs on this machine."""
    with connect(url, application="benchmark") as connection:
        pids = [row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def _measure(
    connection: Connection, url: str, ingest: Child, server: int, postgres: int | None, options: argparse.Namespace, asked_at: float
) -> dict[str, Any]:
    while not _stored(connection):
        time.sleep(0.1)
        if time.monotonic() - asked_at > 120:
            raise SystemExit(f"no sample came; the log: {ingest.log.read_text()[-3000:]}")
    first = connection.execute("SELECT extract(epoch FROM min(received_time) - now()) FROM sample").fetchone()
    seconds_to_first = time.monotonic() - asked_at + float(first[0] if first is not None else 0)
    time.sleep(3)
    clock = SystemClock()
    meter = _Meter(lambda: _parts(ingest, server, postgres, url))
    rows, from_us, began = _stored(connection), clock.now_us(), time.monotonic()
    loads = []
    while time.monotonic() - began < options.seconds:
        time.sleep(min(5.0, max(0.1, options.seconds - (time.monotonic() - began))))
        loads.append(os.getloadavg()[0])
        meter.look()
    stored = _stored(connection) - rows
    wall, to_us = time.monotonic() - began, clock.now_us()
    spent = meter.spent()
    ours = sum(value for name, value in spent.items() if name != "server")
    waiting = connection.execute("SELECT coalesce(sum(in_spool), 0) FROM source_state").fetchone()
    return {
        "seconds": round(wall, 1),
        "first_sample_after_start_seconds": round(seconds_to_first, 2),
        "values_a_second": round(stored / wall),
        "microseconds_a_value": {name: round(1e6 * value / max(1, stored), 3) for name, value in spent.items()},
        "cores": {name: round(value / wall, 3) for name, value in spent.items()},
        "values_a_second_and_core_end_to_end": round(stored / max(0.001, ours)),
        "rss_mb": meter.rss_mb,
        "waiting_in_spool_at_the_end": int(waiting[0]) if waiting is not None else 0,
        "load": {"max": max(loads), "end": loads[-1]},
        "from_us": from_us,
        "to_us": to_us,
    }


def _drain(connection: Connection, site: Path, home: Path, url: str) -> float:
    """Ship what waits in the spool, reading nothing more; return how long that took."""
    spool = Spool(home / "spool", SystemFiles(), new_id=uuid4)
    spool.open(lambda _: None)
    last, name = spool.last, spool.uuid
    spool.close()
    began = time.monotonic()
    if spool_watermark(connection, name) < last:
        ingest = start_ingest(site, home, url, "--only", "none")
        until(lambda: spool_watermark(connection, name) >= last, 600, 0.1)
        ingest.stop()
    return round(time.monotonic() - began, 1)


def _stored(connection: Connection) -> int:
    """Return what the ledger says is stored: counting the rows would be work for the database that is measured."""
    row = connection.execute("SELECT coalesce(sum(samples), 0) FROM batch").fetchone()
    return 0 if row is None else int(row[0])


def _ledger(connection: Connection, from_us: int, to_us: int, options: argparse.Namespace) -> dict[str, Any]:
    """Say from storage alone what became of all samples."""
    totals, late = Counts(), no_lateness()
    lines = read_ledger(connection, 0, _FOREVER)
    whole = [line for line in lines if line.minute_us >= from_us and line.minute_us + MINUTE_US <= to_us]
    for line in lines:
        totals = totals + line.counts
    for line in whole or lines:
        late = late + line.lateness
    gaps = [gap for gap in read_gaps(connection, 0, _FOREVER, most=1_000_000) if from_us <= gap.from_us < to_us]
    missed: dict[str, int] = {}
    for gap in gaps:
        missed[gap.reason.value] = missed.get(gap.reason.value, 0) + gap.count // options.nodes
    ticks = round((to_us - from_us) / 1000 / options.interval_ms)
    rows = connection.execute("SELECT count(*) FROM sample").fetchone() or (0,)
    some = "SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample WHERE signal_id % 97 = 1"
    twice = connection.execute(some).fetchone() or (0, 0)
    real_time = connection.execute("SELECT bool_and(real_time) FROM source_state").fetchone() or (None,)
    top = int(late.nonzero()[0].max()) if late.any() else 0
    storage = read_storage_state(connection)
    raw = next(tier for tier in storage.tiers if tier.tier == "raw")
    return {
        "storage": "TimescaleDB hypertable" if storage.is_timescale else "range partitions, one index",
        "bytes_a_value": round(raw.size_bytes / max(1, rows[0]), 1),
        "real_time": real_time[0],
        "ticks": ticks,
        "ticks_missed": sum(count for reason, count in missed.items() if reason != GapReason.STOPPED.value),
        "ticks_missed_by_reason": missed,
        "ledger": {name: getattr(totals, name) for name in Counts.__dataclass_fields__},
        "unexplained": totals.unexplained(),
        "rows_not_stored": totals.stored - int(rows[0]),
        "rows_twice_of_each_97th_signal": twice[0] - twice[1],
        "late_ms": {
            "p50": (percentile_us(late, 0.5) or 0) / 1000,
            "p99": (percentile_us(late, 0.99) or 0) / 1000,
            "max_below": int(LATENESS_EDGES_US[min(top, len(LATENESS_EDGES_US) - 1)]) / 1000,
        },
    }


def _broken(facts: dict[str, Any], options: argparse.Namespace) -> Iterator[str]:
    for name in ("unexplained", "rows_not_stored", "rows_twice_of_each_97th_signal"):
        if facts[name]:
            yield f"{name.replace('_', ' ')}: {facts[name]}"
    few = options.nodes <= 3000
    most = 0 if few else 0.001 * facts["ticks"]
    if facts["ticks_missed"] > most:
        yield f"{facts['ticks_missed']} of {facts['ticks']} ticks were missed; allowed: {most:g}"
    limit = 3 if facts["real_time"] else 10
    if few and facts["late_ms"]["p99"] > limit:
        yield f"lateness p99 is {facts['late_ms']['p99']} ms; allowed: {limit} ms"
    if facts["first_sample_after_start_seconds"] > 5:
        yield f"the first sample came {facts['first_sample_after_start_seconds']} s after the start; allowed: 5 s"


if __name__ == "__main__":
    sys.exit(main())
