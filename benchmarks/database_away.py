"""The database is away and comes back: what the spool and the memory grow by, how fast it drains, and whether newest values keep up.

    python -m benchmarks.database_away [--minutes 20] [--signals 1000] [--interval-ms 30] [--real-time] [--day] [--seed 1]

Records as a reader makes them, one a second with all signals at each tick, go through the real writer, spool and shipper to an embedded
PostgreSQL that cannot be reached for so many minutes. These pass as fast as the disk takes them, or with --real-time as long as they
are. Then the database is back; while the backlog drains, live samples go on coming each second and newest values travel ahead.
--day adds 24 hours of 10 signals. Exit code 1 when memory grows by more than 50 MiB, the spool is more than 5 % off its forecast, the
drain is slower than 5 times real time, a newest value is older than 5 s, or the ledger does not add up.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil

from ingest.files import SystemFiles
from ingest.live import Live
from ingest.records import Mark, Record
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.errors import Unavailable
from plant.ledger import Counts, LedgerLine, minute_of, no_lateness
from plant.samples import SampleBatch
from plant.settings import SiteFile
from plant.signals import SignalPath, SourceId
from plant.site import Site, site_of
from storage.database import Connection, connect
from storage.ledger import read_ledger
from storage.migrations import migrate
from storage.partitions import RAW, make_partitions
from storage.postgres import EmbeddedPostgres

SOURCE = SourceId("press")
SECOND_US = 1_000_000
MIB = 1024 * 1024
MOST_MIB, MOST_OFF, LEAST_TIMES, MOST_AGE_SECONDS = 50.0, 0.05, 5.0, 5.0


def site(signals: int) -> Site:
    """A site with one source."""
    source = {"protocol": "mqtt", "id": SOURCE, "url": "mqtt://127.0.0.1:1", "allow_anonymous": True, "topics": [{"filter": "x/#"}]}
    rule = {"equipment": "**/press", "name": f"s{{1..{signals}}}", "source": SOURCE, "address": "x/{signal}"}
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "hall/line/press"}],
                "sources": [source],
                "signals": [rule],
            }
        )
    )


class Maker:
    """Makes the record of each second: sines with noise, as a force or a current looks."""

    def __init__(self, paths: tuple[SignalPath, ...], interval_us: int, seed: int) -> None:
        self.paths = paths
        self.interval_us = interval_us
        self.random = np.random.default_rng(seed)
        self.phase = self.random.uniform(0, 6, len(paths))

    def record(self, second_us: int) -> Record:
        """The record of one second, ordered by time."""
        ticks = np.arange(-(-second_us // self.interval_us), -(-(second_us + SECOND_US) // self.interval_us)) * self.interval_us
        count, n = len(self.paths), len(ticks) * len(self.paths)
        time_us = np.repeat(ticks, count)
        value = np.sin(time_us / 3e6 + np.tile(self.phase, len(ticks))) * 40 + self.random.normal(100, 0.3, n)
        samples = SampleBatch(
            self.paths,
            np.tile(np.arange(count, dtype=np.int32), len(ticks)),
            time_us,
            time_us + 100,
            np.repeat(ticks + 1500 + self.random.integers(0, 400, len(ticks)), count),
            value,
            np.ones(n, np.bool_),
            np.zeros(n, np.uint32),
            np.zeros(n, np.int16),
        )
        line = LedgerLine(SOURCE, minute_of(second_us), Counts(n, n), True, len(ticks), no_lateness())
        return Record(SOURCE, samples, (line,), (), Mark(second_us + SECOND_US, self.interval_us, count))


class Way:
    """Writer, spool, shipper and live values, and a database that can be taken away."""

    def __init__(self, folder: Path, url: str, plant: Site, server: int) -> None:
        self.url = url
        self.plant = plant
        self.server = server
        self.away = True
        self.spool = Spool(folder, SystemFiles(), new_id=uuid4, quota_bytes=40_000_000_000)
        self.writer = SpoolWriter(self.spool, SystemClock())
        self.writer.open()
        self.shipper = Shipper(self.spool, self.writer, self.connect, lambda: plant, folder / "quarantine", SystemClock(), seed=1)
        self.live = Live(self.connect, self.spool, lambda: self.shipper.behind, fenced=False)
        self.shipper.start()
        self.live.start()

    def connect(self) -> Connection:
        """Return a connection, or say that there is none."""
        if self.away:
            raise Unavailable("taken away")
        return connect(self.url, application="benchmark")

    def submit(self, record: Record) -> None:
        """Hand a record to the writer; wait while too many wait."""
        while not self.writer.submit(Submission(record)):
            time.sleep(0.01)

    def stop(self) -> None:
        """Ship the rest and end."""
        self.live.stop()
        self.shipper.stop(60)
        self.writer.close()


@dataclass
class Outcome:
    """What was measured."""

    failures: list[str]

    def check(self, right: bool, words: str) -> None:
        """Print a figure with its verdict."""
        print(f"  {'ok  ' if right else 'MISS'} {words}", flush=True)
        if not right:
            self.failures.append(words)


def rss() -> float:
    return psutil.Process().memory_info().rss / MIB


def database_seconds(server: int) -> float:
    """The CPU seconds of the processes of a server, by the number of its first one."""
    total = 0.0
    for process in [psutil.Process(server), *psutil.Process(server).children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total


def run(way: Way, seconds: int, interval_us: int, seed: int, outcome: Outcome, *, real_time: bool) -> None:
    url, signals = way.url, len(way.plant.signals)
    maker = Maker(tuple(signal.path for signal in way.plant.signals), interval_us, seed)
    per_second = signals * SECOND_US / interval_us
    print(
        f"{seconds / 60:g} minutes without the database, {signals:,} signals each {interval_us / 1000:g} ms = {per_second:,.0f} samples/s"
    )
    begun = time.time_ns() // 1000 // SECOND_US * SECOND_US
    first_us = begun if real_time else begun - seconds * SECOND_US
    with connect(url, application="benchmark") as connection:
        make_partitions(connection, RAW, range(first_us, begun + (2 * seconds + 600) * SECOND_US, 600 * SECOND_US))
    warm = min(seconds // 4, 30)
    warm_rss = warm_bytes = 0.0
    most_rss = 0.0
    started, cpu = time.monotonic(), time.process_time()
    for second in range(seconds):
        way.submit(maker.record(first_us + second * SECOND_US))
        if not real_time and second % 10 == 9:
            # what waits for the disk is the haste of this run and no one's memory
            way.writer.settle(60)
        if second == warm:
            way.writer.settle(60)
            warm_rss, warm_bytes = rss(), way.spool.size / (second + 1)
        if second > warm:
            most_rss = max(most_rss, rss())
        if real_time:
            time.sleep(max(0.0, started + second + 1 - time.monotonic()))
    way.writer.settle(60)
    samples = way.writer.in_spool(SOURCE)
    forecast = warm_bytes * seconds
    fill_cpu = time.process_time() - cpu
    print(f"  filled in {time.monotonic() - started:.1f} s, {fill_cpu:.1f} CPU s; {way.spool.size / samples:.2f} bytes a sample")
    outcome.check(most_rss - warm_rss <= MOST_MIB, f"memory grew by {most_rss - warm_rss:.1f} MiB while it filled (at most {MOST_MIB:.0f})")
    off = way.spool.size / forecast - 1
    outcome.check(abs(off) <= MOST_OFF, f"the spool holds {way.spool.size / 1e6:,.1f} MB, {off:+.1%} off its forecast (at most 5 %)")

    drain(way, maker, url, seconds, first_us + seconds * SECOND_US, outcome)
    way.stop()
    with connect(url, application="benchmark") as connection:
        rows = connection.execute("SELECT count(*) FROM sample").fetchone()
        total = sum((line.counts for line in read_ledger(connection, 0, 4_000_000_000_000_000)), Counts())
    assert rows is not None
    adds_up = total.unexplained() == 0 and total.gap == 0 and rows[0] == total.stored
    outcome.check(adds_up, f"ledger: {total.expected:,} expected, {total.stored:,} stored, {rows[0]:,} rows, {total.gap:,} missing")


def drain(way: Way, maker: Maker, url: str, seconds: int, last_us: int, outcome: Outcome) -> None:
    """Bring the database back and watch how fast what waited goes, and how old newest values are meanwhile."""
    stop = threading.Event()

    def go_on() -> None:
        """Live samples come on in real time while the backlog drains."""
        second_us = time.time_ns() // 1000 // SECOND_US * SECOND_US
        second_us = max(second_us, last_us)
        while not stop.wait(max(0.0, (second_us + SECOND_US) / 1e6 - time.time())):
            way.submit(maker.record(second_us))
            second_us += SECOND_US

    feeder = threading.Thread(target=go_on)
    feeder.start()
    target = way.spool.durable
    before_rss = most_rss = rss()
    database = database_seconds(way.server)
    drain_started = time.monotonic()
    cpu = time.process_time()
    way.away = False
    ages: list[float] = []
    drained = connected = 0.0
    with connect(url, application="benchmark") as connection:
        while not drained:
            time.sleep(0.1)
            most_rss = max(most_rss, rss())
            if way.shipper.away is None and not connected:
                connected = time.monotonic()
            if way.spool.cursor.released >= target:
                drained = time.monotonic()
            if connected and time.monotonic() - connected > 4:
                row = connection.execute("SELECT extract(epoch FROM now() - min(time)), count(*) FROM latest").fetchone()
                assert row is not None
                ages.append(float(row[0]) if row[1] == len(maker.paths) else 1e9)
            if time.monotonic() - drain_started > max(600, seconds):
                break
    took = max(0.001, drained - connected)
    ours, database = time.process_time() - cpu, database_seconds(way.server) - database
    print(f"  back after {connected - drain_started:.1f} s; drained in {took:.1f} s")
    print(
        f"  {ours:.1f} CPU s of ours, {database:.1f} of the database: {seconds / max(0.01, ours + database):.1f} times real time "
        "on one core that has nothing else to do"
    )
    outcome.check(bool(drained) and seconds / took >= LEAST_TIMES, f"drained at {seconds / took:.1f} times real time (at least 5)")
    outcome.check(most_rss - before_rss <= MOST_MIB, f"memory grew by {most_rss - before_rss:.1f} MiB while it drained (at most 50)")
    if ages:
        outcome.check(max(ages) <= MOST_AGE_SECONDS, f"newest values were at most {max(ages):.1f} s old meanwhile (at most 5)")
    else:
        print("  newest values: drained before they were looked at")
    stop.set()
    feeder.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--interval-ms", type=float, default=30.0)
    parser.add_argument("--real-time", action="store_true")
    parser.add_argument("--day", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors, seed {options.seed}; embedded PostgreSQL, raw samples with index")
    outcome = Outcome([])
    runs = [(round(options.minutes * 60), options.signals, options.interval_ms, options.real_time)]
    if options.day:
        runs.append((86_400, 10, options.interval_ms, False))
    for seconds, signals, interval_ms, real_time in runs:
        with tempfile.TemporaryDirectory(prefix="leadhand-away-") as folder:
            server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
            url = server.start()
            try:
                migrate(url)
                assert server.pid is not None
                way = Way(Path(folder) / "spool", url, site(signals), server.pid)
                run(way, seconds, round(interval_ms * 1000), options.seed, outcome, real_time=real_time)
            finally:
                server.stop()
    print(
        f"load {os.getloadavg()[0]:.2f} at the end; "
        + ("all figures held" if not outcome.failures else "MISSED: " + "; ".join(outcome.failures))
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
