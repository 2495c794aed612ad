"""A day of one 30 ms signal (2.9 million samples) drawn from a cold page: how long until the trend stands there.

Run: ``python -m benchmarks.day_of_one_signal``. Starts an embedded PostgreSQL and the dashboard, stores the day, makes the rollups,
then opens the page several times, each time with an empty browser cache. The figure to hold is 1.5 s.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
from playwright.sync_api import Browser

from plant.clock import SystemClock
from plant.samples import NO_TIME, SampleBatch
from plant.shipment import Shipment
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.stage import STEP_US, Stage, dashboard_before, make_stage

DAY_US = 86_400_000_000
PIECE_US = 1_800_000_000
PATH = "acme/north/painting/booth-1/cabin"
OPENINGS = 5
GOAL_SECONDS = 1.5
_DRAWN = "() => performance.getEntriesByName('leadhand-trend-drawn').map(entry => entry.startTime)[0] ?? null"
_FACTS = """() => { const trend = document.querySelector('[data-trend]').trend, chart = [...trend.charts.values()][0];
  return [trend.place.dataset.resolution, chart.columns.time.length]; }"""


def store_a_day(stage: Stage) -> int:
    """Store the day that ends now; return how many samples."""
    signal = next(s for s in stage.site.signals if s.path.startswith(PATH))
    end = stage.clock.now_us() // STEP_US * STEP_US
    stored, spool = 0, uuid4()
    for record, start in enumerate(range(end - DAY_US, end, PIECE_US), 1):
        time_us = np.arange(start, min(start + PIECE_US, end), STEP_US, dtype=np.int64)
        n = len(time_us)
        value = 23 + 3 * np.sin(time_us / 3.6e9) + np.random.default_rng(start % 2**32).normal(0, 0.2, n)
        no_time = np.full(n, NO_TIME, np.int64)
        batch = SampleBatch(
            (signal.path,),
            np.zeros(n, np.int32),
            time_us,
            no_time,
            time_us + 1500,
            value,
            np.ones(n, np.bool_),
            np.zeros(n, np.uint32),
            np.zeros(n, np.int16),
        )
        stage.writer.ship(Shipment(spool, record, record, batch))
        stored += n
    return stored


def open_cold(browser: Browser, address: str, session: str) -> tuple[float, str, int]:
    """Open the page with an empty cache; return seconds until drawn, the resolution, and the points drawn."""
    with visitor(browser, address, session) as (page, _):
        page.goto(f"{address}/equipment/{PATH}?span=24h", wait_until="commit")
        while (drawn := page.evaluate(_DRAWN)) is None:
            page.wait_for_timeout(20)
        resolution, points = page.evaluate(_FACTS)
        return float(drawn) / 1000, str(resolution), int(points)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="leadhand-day-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", clock=SystemClock())
        url = server.start()
        try:
            migrate(url)
            stage = make_stage(Path(folder) / "home", url)
            began = time.perf_counter()
            samples = store_a_day(stage)
            storing = time.perf_counter() - began
            began = time.perf_counter()
            stage.keep_up()
            rolling = time.perf_counter() - began
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ANALYZE")
            print(f"{samples:,} samples stored in {storing:.1f} s ({samples / storing:,.0f}/s), rolled up in {rolling:.1f} s")
            with dashboard_before(stage) as address, chromium() as browser:
                seen = [open_cold(browser, address, stage.session("viewer")) for _ in range(OPENINGS)]
            stage.close()
        finally:
            server.stop()
    times = sorted(seconds for seconds, _, _ in seen)
    median = statistics.median(times)
    print(f"cold page to drawn: {', '.join(f'{s:.2f}' for s in times)} s: median {median:.2f} s, goal {GOAL_SECONDS} s")
    print(f"resolution: {seen[0][1]}, points: {seen[0][2]:,}; load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("held" if median <= GOAL_SECONDS else "NOT HELD")


if __name__ == "__main__":
    main()
