"""What alarms cost and how soon they are raised: many signals with four limits each, and a real ingest process from device to journal.

``python -m benchmarks.alarms [--signals 10000] [--seconds 30] [--crossings 20] [--latency-seconds 30] [--seed 1]``. First one shipment a
second of all signals at 30 ms goes into the embedded PostgreSQL, of which some signals cross a limit and come back; the monitor's part for
alarms runs beside it as a process. Its CPU and that of its database connection are printed apart, per second of samples. Then simulated
devices are read by the real ingest, with alarms whose limits lie where the values go to and fro, and each journal line tells how long after
its sample was taken it was there.

Fails when the monitor takes more than 15 % of a core, when a crossing is missing in the journal, or when an alarm came later than 1.5 s
after its sample (p99).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import psutil

from plant.clock import SystemClock
from plant.samples import NO_TIME, SampleBatch
from plant.shipment import Shipment, SourceStand
from plant.signals import SourceId
from plant.site import Site, load_site
from storage.catalogue import register_site
from storage.database import Connection, connect, listen
from storage.feed import NEWS, await_news, read_marks
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.progress import read_progress
from storage.samples import SampleWriter
from tests.ingest.parts import start_ingest, start_plant, until

_MOST_OF_A_CORE = 0.15
_MOST_SECONDS = 1.5
_INTERVAL_US = 30_000
_SECOND_US = 1_000_000
_FOLLOWER = """
import signal, sys, threading
from pathlib import Path
from monitor.__main__ import follow
from monitor.alarm_follower import NAME, make_alarms
from plant.clock import SystemClock
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
sys.exit(follow(Path(sys.argv[1]), sys.argv[2], SystemClock(), stop, ((NAME, make_alarms),)))
"""
_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/cell"

[[sources]]
protocol = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:4840"

[[signals]]
equipment = "hall/line/cell"
name = "{{1..{signals}}}"
source = "plc"
address = "ns=1;i={{signal}}"
limits = {{ low_low = 5, low = 10, high = 90, high_high = 95 }}
"""


def main() -> int:
    """Measure and print; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--crossings", type=int, default=20, help="signals that cross a limit and come back in each second")
    parser.add_argument("--latency-seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        database = EmbeddedPostgres(Path(folder) / "postgres", clock=SystemClock())
        url = database.start()
        try:
            migrate(url)
            if options.seconds:
                broken += _cost(url, Path(folder) / "cost", options)
            if options.latency_seconds:
                broken += _latency(url, Path(folder) / "latency", options)
        finally:
            database.stop()
    for sentence in broken:
        print(f"MISSED: {sentence}")
    return 1 if broken else 0


@contextmanager
def _monitor(site: Path, url: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", _FOLLOWER, str(site), url], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _backend(connection: Connection) -> psutil.Process:
    row = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'leadhand monitor alarms'").fetchone()
    assert row is not None
    return psutil.Process(row[0])


def _cost(url: str, folder: Path, options: argparse.Namespace) -> list[str]:
    folder.mkdir()
    path = folder / "site.toml"
    path.write_text(_SITE.format(signals=options.signals))
    site = load_site(path)
    chance = np.random.default_rng(options.seed)
    with connect(url, application="benchmark") as connection:
        register_site(connection, site)
        writer, spool = SampleWriter(connection), uuid4()
        begin = SystemClock().now_us() // _SECOND_US * _SECOND_US
        with _monitor(path, url) as monitor:
            until(lambda: read_progress(connection, "alarms") is not None, 120)
            for n in range(3):
                writer.ship(_shipment(site, spool, n + 1, begin + n * _SECOND_US, chance, 0))
            until(lambda: _judged(connection) >= 3, 60)
            backend = _backend(connection)
            before, before_backend, at = _spent(monitor), _spent(backend), time.monotonic()
            for n in range(3, options.seconds + 3):
                started = time.monotonic()
                writer.ship(_shipment(site, spool, n + 1, begin + n * _SECOND_US, chance, options.crossings))
                time.sleep(max(0.0, 1.0 - (time.monotonic() - started)))
            until(lambda: _judged(connection) >= options.seconds + 3, 120)
            took = time.monotonic() - at
            spent, spent_backend = _spent(monitor) - before, _spent(backend) - before_backend
            memory = monitor.memory_info().rss
        lines = connection.execute(
            "SELECT count(*) FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id WHERE j.event = 'active' AND a.signal <> ''"
        ).fetchone()
    share, share_backend = spent / options.seconds, spent_backend / options.seconds
    expected = options.crossings * options.seconds
    raised = 0 if lines is None else int(lines[0])
    facts = {
        "signals": options.signals,
        "alarms": sum(1 for alarm in site.alarms if alarm.signal),
        "seconds_of_samples": options.seconds,
        "seconds_it_took": round(took, 1),
        "monitor_percent_of_a_core": round(100 * share, 1),
        "its_database_connection_percent_of_a_core": round(100 * share_backend, 1),
        "limit_percent": round(100 * _MOST_OF_A_CORE),
        "monitor_rss_mb": round(memory / 1e6),
        "alarms_raised": raised,
        "alarms_expected": expected,
        "load": [round(one, 1) for one in os.getloadavg()],
        "seed": options.seed,
    }
    print(json.dumps(facts, indent=1))
    broken = []
    if share > _MOST_OF_A_CORE:
        broken.append(f"{100 * share:.1f} % of a core for {options.signals} signals, {100 * _MOST_OF_A_CORE:.0f} % is the limit")
    if raised != expected:
        broken.append(f"{raised} alarms were raised, {expected} is right")
    return broken


def _judged(connection: Connection) -> int:
    """Return how many shipments are known to be judged: what the monitor keeps is written at each line of the journal, or each 5 s."""
    progress = read_progress(connection, "alarms")
    marks = read_marks(connection)
    if progress is None or not marks:
        return 0
    mark = next(iter(marks.values()))
    return mark.seq - max(0, (mark.until_us - progress.done_us) // _SECOND_US)


def _shipment(site: Site, spool: object, number: int, begin_us: int, chance: np.random.Generator, crossings: int) -> Shipment:
    signals = len(site.signals)
    ticks: npt.NDArray[np.int64] = np.arange(begin_us, begin_us + _SECOND_US, _INTERVAL_US)
    value = chance.uniform(20, 80, (len(ticks), signals))
    crossing = chance.choice(signals, crossings, replace=False)
    value[len(ticks) // 3 : len(ticks) // 2, crossing] = 92.0
    rows = value.size
    times = np.repeat(ticks, signals)
    samples = SampleBatch(
        tuple(signal.path for signal in site.signals),
        np.tile(np.arange(signals, dtype=np.int32), len(ticks)),
        times,
        np.full(rows, NO_TIME),
        times + 2_000,
        value.ravel(),
        np.ones(rows, np.bool_),
        np.zeros(rows, np.uint32),
        np.zeros(rows, np.int16),
    )
    stand = SourceStand(SourceId("plc"), 0, begin_us + _SECOND_US, _INTERVAL_US, signals)
    return Shipment(spool, number, number, samples, stands=(stand,))  # type: ignore[arg-type]


def _latency(url: str, folder: Path, options: argparse.Namespace) -> list[str]:
    folder.mkdir()
    path = folder / "plant" / "site.toml"
    plant = start_plant(path, "--insecure", "--units", "8")
    try:
        ingest = start_ingest(path, folder / "home", url)
        try:
            return _measure(url, path, options)
        finally:
            ingest.stop()
    finally:
        plant.stop()


@contextmanager
def _stored(url: str) -> Iterator[list[float]]:
    """Gather how long after its records' end each shipment of a cyclic source could be seen, in seconds."""
    stages: list[float] = []
    stop = threading.Event()

    def look() -> None:
        with connect(url, application="benchmark") as connection:
            listen(connection, NEWS)
            known = {name: mark.seq for name, mark in read_marks(connection).items()}
            cyclic = {str(row[0]) for row in connection.execute("SELECT name FROM source WHERE protocol = 'opcua'").fetchall()}
            while not stop.is_set():
                await_news(connection, 0.2)
                now = SystemClock().now_us()
                for name, mark in read_marks(connection).items():
                    if name in cyclic and mark.seq > known.get(name, 0):
                        known[name] = mark.seq
                        stages.append((now - mark.until_us) / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield stages
    finally:
        stop.set()
        thread.join()


def _measure(url: str, path: Path, options: argparse.Namespace) -> list[str]:
    site = load_site(path)
    with connect(url, application="benchmark") as connection:
        names = [source.id for source in site.sources]
        until(lambda: any(name in names for name in read_marks(connection)), 60)
        time.sleep(8)
        rows = connection.execute(
            "SELECT g.path, percentile_cont(0.2) WITHIN GROUP (ORDER BY s.value), percentile_cont(0.8) WITHIN GROUP (ORDER BY s.value) "
            "FROM sample s JOIN signal g ON g.id = s.signal_id JOIN source o ON o.id = g.source_id "
            "WHERE o.protocol = 'opcua' AND s.time > now() - interval '8 seconds' AND s.value IS NOT NULL AND g.path = ANY(%s::text[]) "
            "GROUP BY g.path HAVING count(DISTINCT s.value) > 20",
            [[signal.path for signal in site.signals]],
        ).fetchall()
        rules = [
            f'\n[[alarms]]\nequipment = "{p.split("/", 2)[2].rpartition("/")[0]}"\nsignal = "{p.rpartition("/")[2]}"\nkind = "high"\n'
            f'name = "bench"\nlimit = {high!r}\ndeadband = {max(0.0, high - low)!r}\n'
            for p, low, high in rows
        ]
        watched = path.with_name("watched.toml")
        watched.write_text(path.read_text() + "".join(rules))
        after = connection.execute("SELECT coalesce(max(seq), 0) FROM alarm_journal").fetchone()
        with _monitor(watched, url):
            time.sleep(3)
            begin = SystemClock().now_us()
            with _stored(url) as stages:
                time.sleep(options.latency_seconds)
        found = connection.execute(
            "SELECT extract(epoch FROM j.noted_at) * 1e6 - j.time_us FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id "
            "WHERE j.seq > %s AND j.time_us >= %s AND a.name LIKE '%%:bench' AND j.event IN ('active', 'inactive')",
            [0 if after is None else after[0], begin],
        ).fetchall()
    late = np.array([float(one) for (one,) in found]) / 1e6
    if not len(late):
        return ["no alarm came in the time that was measured: too few values went to and fro"]
    p50, p99 = np.percentile(late, [50, 99])
    facts = {
        "alarms_with_limits_where_values_go": len(rules),
        "journal_lines": len(late),
        "seconds_after_the_sample_p50": round(float(p50), 3),
        "seconds_after_the_sample_p99": round(float(p99), 3),
        "seconds_after_the_sample_max": round(float(late.max()), 3),
        "of_which_record_s_end_to_stored_p50_p99": [round(float(np.percentile(stages, q)), 3) for q in (50, 99)] if stages else None,
        "limit_seconds": _MOST_SECONDS,
        "load": [round(one, 1) for one in os.getloadavg()],
    }
    print(json.dumps(facts, indent=1))
    return [f"p99 of {p99:.2f} s from sample to journal, {_MOST_SECONDS} s is the limit"] if p99 > _MOST_SECONDS else []


if __name__ == "__main__":
    sys.exit(main())
