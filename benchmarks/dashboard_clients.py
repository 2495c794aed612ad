"""What live pages cost the server: clients listen at 1 Hz while a plant of 500 signals changes each second.

``python -m benchmarks.dashboard_clients [--clients 50] [--seconds 30]`` starts an embedded PostgreSQL, a writer and the real
dashboard process, and prints its CPU in percent of one core, memory, bytes per client and second, and how late messages are.
Half of the clients show the plant overview (all newest values, states, sources), half an equipment (its values, four 30 ms trends).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import psutil

from plant.clock import SystemClock
from plant.samples import SampleBatch
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.site import Site, load_site
from storage import people
from storage.catalogue import register_site
from storage.database import connect
from storage.health import SourceReport, report_source
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter
from tests.dashboard.running import start_process

UNITS, SIGNALS = 50, 10
PER_SECOND = 33
LIMIT_PERCENT = 10.0
SITE = f"""
[site]
enterprise = "bench"
id = "one"

[[equipment]]
path = "area/line/unit-{{1..{UNITS}}}"

[[sources]]
protocol = "opcua"
id = "plant"
url = "opc.tcp://127.0.0.1:4840"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true

[[signals]]
equipment = "area/line/*"
name = "s{{1..{SIGNALS}}}"
source = "plant"
address = "nsu=urn:b;s={{equipment}}.{{signal}}"
limits = {{ low = -2, high = 2 }}
"""


class Writer:
    """Stores 33 new values of each signal every second, as an ingest at 30 ms does."""

    def __init__(self, url: str, site: Site) -> None:
        self._url, self._site = url, site
        self.ended = threading.Event()
        self.rows = 0

    def run(self) -> None:
        """Write until ended."""
        clock, spool, record = SystemClock(), uuid4(), 0
        paths = tuple(s.path for s in self._site.signals)
        with connect(self._url, application="bench writer") as connection:
            writer = SampleWriter(connection)
            while not self.ended.wait(1.0 - time.time() % 1.0):
                record += 1
                end = clock.now_us()
                time_us = np.tile(end - 30_000 * np.arange(PER_SECOND, 0, -1, dtype=np.int64), len(paths))
                n = len(time_us)
                signal = np.repeat(np.arange(len(paths), dtype=np.int32), PER_SECOND)
                value = np.sin(time_us / 5e6 + signal)
                columns = (time_us, np.full(n, end, np.int64), value, np.ones(n, np.bool_), np.zeros(n, np.uint32), np.zeros(n, np.int16))
                batch = SampleBatch(paths, signal, time_us, *columns)
                writer.ship(Shipment(spool, record, record, batch))
                self.rows += n
                report_source(
                    connection,
                    SourceReport(
                        SourceId("plant"), "connected", "", end, 30_000, 30_000, 30_000, 100, 900, 0, end, 0, 0, 0, True, True, end
                    ),
                )


async def listen(url: str, cookie: str, topics: str, until: list[float], lateness: list[float], sizes: list[int]) -> None:
    """Listen as a page does; note how late each clock message is and how much came."""
    received = 0
    async with (
        httpx.AsyncClient(cookies={"leadhand_session": cookie}, timeout=30) as client,
        client.stream("GET", f"{url}/live", params={"topics": topics}) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_raw():
            now = time.time()
            received += len(chunk)
            at = chunk.rfind(b'{"topic":"clock"')
            if at >= 0 and chunk.endswith(b"\n\n"):
                lateness.append(now - json.loads(chunk[at:].split(b"\n")[0])["time_us"] / 1e6)
            if now >= until[0]:
                break
    sizes.append(received)


async def measure(url: str, cookie: str, clients: int, seconds: float, process: psutil.Process) -> None:
    """Print what the clients cost."""
    warm = 5.0
    until = [time.time() + 3600]
    pages = [
        "latest,overview,sources",
        *(
            f"equipment:bench/one/area/line/unit-{n},signal:{10 * n - 9},signal:{10 * n - 8},signal:{10 * n - 7},signal:{10 * n - 6}"
            for n in range(1, 26)
        ),
    ]
    lateness: list[float] = []
    sizes: list[int] = []
    tasks = [
        asyncio.create_task(listen(url, cookie, pages[0] if n % 2 else pages[1 + n // 2 % 25], until, lateness, sizes))
        for n in range(clients)
    ]
    await asyncio.sleep(warm)
    lateness.clear()
    until[0] = time.time() + seconds
    before, started = process.cpu_times(), time.perf_counter()
    await asyncio.sleep(seconds)
    after, took = process.cpu_times(), time.perf_counter() - started
    await asyncio.gather(*tasks)
    cpu = (after.user - before.user + after.system - before.system) / took * 100
    late = np.array(lateness or [0.0]) * 1000
    print(f"clients {clients}, signals {UNITS * SIGNALS}, seconds {took:.1f}, load {os.getloadavg()[0]:.1f}")
    print(f"server cpu {cpu:.1f} % of one core, memory {process.memory_info().rss / 1e6:.0f} MB")
    print(f"messages {len(lateness)}, lateness p50 {np.percentile(late, 50):.1f} ms, p95 {np.percentile(late, 95):.1f} ms")
    print(f"bytes per client and second {np.sum(sizes) / max(1, clients) / (took + warm):,.0f}")
    if clients == 50:
        print(f"promise: <= {LIMIT_PERCENT:.0f} % of one core at 50 clients: {'held' if cpu <= LIMIT_PERCENT else 'BROKEN'}")


def main() -> None:
    """Start everything, measure with no client and with all, and clear up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "site.toml").write_text(SITE)
        postgres = EmbeddedPostgres(Path(folder) / "pg", clock=clock)
        url = postgres.start()
        try:
            migrate(url)
            site = load_site(home / "site.toml")
            with connect(url, application="bench") as connection:
                register_site(connection, site)
                people.ensure_first_admin(connection, clock)
                cookie = people.open_session(connection, people.read_account(connection, "admin"), "", clock)
            writer = Writer(url, site)
            thread = threading.Thread(target=writer.run)
            thread.start()
            try:
                with start_process(home, home / "site.toml", url, Path(folder) / "log") as (process, ready):
                    address = f"http://127.0.0.1:{ready['port']}"
                    for clients in sorted({1, asked.clients}):
                        asyncio.run(measure(address, cookie, clients, asked.seconds, psutil.Process(process.pid)))
            finally:
                writer.ended.set()
                thread.join()
                print(f"rows written meanwhile {writer.rows:,}")
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
