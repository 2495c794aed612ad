"""The dashboard before a plant of 10,000 signals with 30 days of one-minute rollups: 4.3e8 rows, or as many as the disk holds.

    python -m benchmarks.ten_thousand_signals --form timescale|plain [--keep DIR] [--queries 300] [--seed 1]

Makes the plant (``benchmarks/big_plant.py``; with ``--keep`` once, to be asked again later), drops what the system has cached of its files,
and asks the real dashboard process while all signals are written at 1 Hz: random windows of 1 to 8 signals from a minute to all days, first
and again; the overview in Chromium; alarms and their journal of 100,000 rows. TimescaleDB: on the server that LEADHAND_TIMESCALE_URL names.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import psycopg

from benchmarks.big_plant import DAY_US, MINUTE_US, SECONDS_OF_SECONDS, Lent, add_arguments, lend
from benchmarks.browsing import open_ms, unheard, watch_for
from benchmarks.live_plant import admin_session, written
from benchmarks.promises import Promises, spread
from dashboard.gate import SESSION_COOKIE
from plant.site import load_site
from storage.catalogue import read_catalogue
from storage.database import connect
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import start_process

LIMIT_MS = 1000.0


def windows(client: httpx.Client, lent: Lent, signals: list[int], queries: int, promises: Promises) -> None:
    """Ask for random windows; the same once more, for most of what is looked at was looked at before."""
    plant, rng = lent.plant, np.random.default_rng(lent.plant.seed)
    oldest_us = plant.end_us - round(plant.minute_days * DAY_US)
    shortest, longest = np.log(MINUTE_US), np.log(plant.end_us - oldest_us)
    asked: list[tuple[int, int, list[int], int]] = []
    for _ in range(queries):
        span = int(np.exp(rng.uniform(shortest, longest)))
        newest = (
            plant.end_us
            if span > SECONDS_OF_SECONDS * 1_000_000
            else plant.end_us - rng.integers(0, SECONDS_OF_SECONDS * 1_000_000 - span + 1)
        )
        to_us = int(newest if span < DAY_US else rng.uniform(oldest_us + span, plant.end_us))
        chosen = [int(s) for s in rng.choice(signals, int(rng.integers(1, 9)), replace=False)]
        asked.append((to_us - span, to_us, chosen, int(rng.choice([1000, 1440, 2000]))))
    for name in ("windows, nothing cached at first", "windows, asked once more"):
        took: list[tuple[float, str]] = []
        rows = 0
        for from_us, to_us, chosen, points in asked:
            began = time.perf_counter()
            answer = client.get("/api/v1/window", params={"signal": chosen, "from_us": from_us, "to_us": to_us, "points": points})
            ms = (time.perf_counter() - began) * 1000
            found = answer.raise_for_status().json()
            rows += sum(len(one["time_us"]) for one in found)
            took.append((ms, f"{(to_us - from_us) / DAY_US:.2f} days of {len(chosen)} at {points} points from {found[0]['resolution']}"))
        ms_only = [ms for ms, _ in took]
        print(f"    {spread(ms_only)}; {rows:,} rows; slowest: {', '.join(f'{ms:,.0f} ms {what}' for ms, what in sorted(took)[-3:])}")
        promises.most(f"{name}, p95", float(np.percentile(ms_only, 95)), LIMIT_MS, "ms")


_PAGES = {
    "overview": ("/", "[data-unit] [data-part=state][data-now]"),
    "a work unit's page with six trends of 24 hours": ("/equipment/bench/ten-thousand/area-3/line-2/unit-7?span=24h", "[data-drawn]"),
    "alarms with their journal": ("/alarms", "#alarms-journal tr"),
}


def pages(address: str, cookie: str, promises: Promises) -> None:
    """Open pages as one who comes new and as one who has been there: until cards show their states, trends and lists are drawn."""
    for name, (path, selector) in _PAGES.items():
        took = []
        with chromium() as browser, visitor(browser, address, cookie) as (page, watch):
            unheard(watch)
            watch_for(page, selector)
            for _ in range(6):
                took.append(open_ms(page, address + path))
                page.wait_for_timeout(500)
        print(f"    {name}: cold {took[0]:,.0f} ms, then {spread(took[1:])}")
        promises.most(f"{name}, in Chromium, warm, median", float(np.median(took[1:])), LIMIT_MS, "ms")


def alarm_lists(client: httpx.Client, lent: Lent, promises: Promises) -> None:
    """Ask for alarms and their journal by each filter."""
    end = lent.plant.end_us
    filters: dict[str, dict[str, Any]] = {
        "newest 200": {},
        "1,000 of one area": {"equipment": "bench/ten-thousand/area-2", "most": 1000},
        "a work unit": {"equipment": "bench/ten-thousand/area-5/line-4/unit-25"},
        "urgent of a day long ago": {"priority": "urgent", "from_us": end - 20 * DAY_US, "to_us": end - 19 * DAY_US},
        "of a person who never was": {"who": "nobody"},
        "acknowledged by one": {"who": "operator-3", "event": "acknowledge", "most": 10_000},
        "10,000 lines": {"most": 10_000},
        "an old page": {"before": 5000},
    }
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "alarms as they stand": ("/api/v1/alarms", {"which": "annunciated"}),
        "all alarms": ("/api/v1/alarms", {"which": "all", "most": 100_000}),
        "load of operators over 30 days": ("/api/v1/alarms/rates", {"from_us": end - 30 * DAY_US, "to_us": end}),
        **{f"journal, {name}": ("/api/v1/alarms/journal", params) for name, params in filters.items()},
    }
    worst = 0.0
    for name, (path, params) in calls.items():
        took = []
        for _ in range(5):
            began = time.perf_counter()
            answer = client.get(path, params=params).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
        lines = answer.json()
        print(f"    {name}: {spread(took)}, {len(lines) if isinstance(lines, list) else 1:,} lines, {len(answer.content) / 1e3:,.0f} kB")
        worst = max(worst, float(np.percentile(took, 95)))
    promises.most("the slowest list of alarms, p95", worst, LIMIT_MS, "ms")


def drop_cache(url: str) -> str:
    """Have the system forget what it cached of the database's files; return in words whether it could."""
    with psycopg.connect(url) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SHOW data_directory").fetchone()
    folder = Path(row[0] if row else "")
    if not os.access(folder, os.R_OK):
        return "the files of the database are not here: what is cached stays cached"
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                size += os.fstat(file).st_size
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)
    return f"nothing of the {size / 1e9:,.1f} GB of the database's files is cached"


def measure(lent: Lent, queries: int, promises: Promises) -> None:
    """Run all against the real process."""
    plant, site = lent.plant, load_site(lent.home / "site.toml")
    with connect(lent.url, application="bench") as connection:
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        signals = [s.id for s in read_catalogue(connection).signals]
    print(
        f"{plant.form}: {plant.signals:,} signals, {plant.minute_rows:,} rows of a minute over {plant.minute_days:g} of {plant.days} days, "
        f"{(size or (0,))[0] / 1e9:.1f} GB, made in {plant.seconds_made:.0f} s; {psutil.disk_usage(str(lent.home)).free / 1e9:.0f} GB free"
    )
    cookie = admin_session(lent.url)
    print(f"  {drop_cache(lent.url)}")
    with (
        tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder,
        written(lent.url, site, 1) as writer,
        start_process(lent.home, lent.home / "site.toml", lent.url, Path(folder) / "log") as (process, ready),
    ):
        address = f"http://127.0.0.1:{ready['port']}"
        server = psutil.Process(process.pid)
        with httpx.Client(base_url=address, cookies={SESSION_COOKIE: cookie}, headers={"Origin": address}, timeout=120) as client:
            while (client.get("/api/v1/clock").json()["read_us"] or 0) == 0:
                time.sleep(0.1)
            before, began = sum(server.cpu_times()[:2]), time.perf_counter()
            windows(client, lent, signals, queries, promises)
            alarm_lists(client, lent, promises)
            pages(address, cookie, promises)
        used = (sum(server.cpu_times()[:2]) - before) / (time.perf_counter() - began)
        print(f"  dashboard: {used:.0%} of a core meanwhile, {server.memory_info().rss / 1e6:.0f} MB; rows written {writer.rows:,}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    promises = Promises(options.seed)
    with lend(options) as lent:
        promises.head("plant is there")
        measure(lent, options.queries, promises)
    return promises.end()


if __name__ == "__main__":
    sys.exit(main())
