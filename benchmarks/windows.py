"""How long a day of one 30 ms signal (2.9 million rows) takes to come out at the width of a chart, over a cold connection.

    python -m benchmarks.windows [--seed 1] [--points 1000]

Exit code 1 where a day takes a second or more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil

from plant.clock import SystemClock
from plant.samples import SampleBatch
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.site import site_of
from storage.catalogue import read_catalogue, register_site
from storage.database import connect
from storage.health import read_storage_state
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter
from storage.upkeep import Upkeep
from storage.windows import read_window

INTERVAL_US, HOUR_US = 30_000, 3_600_000_000
DAY_US = 24 * HOUR_US
SPANS = {"day": DAY_US, "6 h": 6 * HOUR_US, "1 h": HOUR_US, "10 min": HOUR_US // 6, "1 min": HOUR_US // 60}


def fill(url: str, seed: int) -> int:
    """Write a day of one signal, hour by hour; return its first time."""
    site = site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "bench", "id": "site"},
                "equipment": [{"path": "line/cell/unit"}],
                "sources": [{"protocol": "opcua", "id": "plc", "url": "opc.tcp://plc:4840"}],
                "signals": [{"equipment": "line/cell/unit", "name": "current", "source": "plc", "address": "nsu=u;s=c"}],
            }
        )
    )
    rng = np.random.default_rng(seed)
    start_us = SystemClock().now_us() // DAY_US * DAY_US - DAY_US
    spool = uuid4()
    with connect(url, application="bench") as connection:
        register_site(connection, site)
        writer = SampleWriter(connection)
        began = time.perf_counter()
        for hour in range(24):
            time_us = start_us + hour * HOUR_US + np.arange(HOUR_US // INTERVAL_US, dtype=np.int64) * INTERVAL_US
            count = len(time_us)
            batch = SampleBatch(
                (site.signals[0].path,),
                np.zeros(count, np.int32),
                time_us,
                time_us,
                time_us,
                np.cumsum(rng.normal(size=count)),
                np.ones(count, np.bool_),
                np.zeros(count, np.uint32),
                np.zeros(count, np.int16),
            )
            writer.ship(Shipment(spool, hour + 1, hour + 1, batch))
        written = time.perf_counter() - began
        report = Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()
        state = read_storage_state(connection)
    print(f"  {DAY_US // INTERVAL_US:,} rows written in {written:.1f} s, {report.seconds_rolled:,} s of them rolled up in ", end="")
    print(f"{time.perf_counter() - began - written:.1f} s; " + ", ".join(f"{t.tier} {t.size_bytes / 1e6:.0f} MB" for t in state.tiers))
    return start_us


def run(url: str, seed: int, points: int) -> int:
    migrate(url)
    print(f"seed {seed}, {os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    start_us = fill(url, seed)
    with connect(url, application="bench") as connection:
        number = read_catalogue(connection).signals[0].id
    day = 0.0
    for name, span_us in SPANS.items():
        took, cpu_before = [], time.process_time()
        for _ in range(9):
            began = time.perf_counter()
            with connect(url, application="bench") as connection:
                window = read_window(connection, [number], start_us + DAY_US - span_us, start_us + DAY_US, points)[number]
            took.append(time.perf_counter() - began)
        cpu = (time.process_time() - cpu_before) / len(took)
        rows = span_us // INTERVAL_US
        assert window.count.sum() == rows
        print(f"  {name:>6}: {rows:>9,} rows as {len(window.time_us):>5} points from {window.resolution:>3}: ", end="")
        print(f"{statistics.median(took) * 1000:.0f} ms median, {max(took) * 1000:.0f} ms worst, {cpu * 1000:.0f} ms client CPU")
        day = max(day, *took) if name == "day" else day
    return 0 if day < 1 else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        try:
            return run(server.start(), options.seed, options.points)
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
