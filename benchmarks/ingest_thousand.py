"""A thousand OPC UA signals each 30 ms, from a server in another process into PostgreSQL: what is missing, how late, at what cost.

``python -m benchmarks.ingest_thousand [--seconds 60] [--units 96]`` prints one JSON line; it fails when a sample is missing unexplained.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from ingest.ticks import ticks_between
from plant.clock import SystemClock
from plant.ledger import LATENESS_EDGES_US, Counts, no_lateness, percentile_us
from plant.site import load_site
from storage.database import connect
from storage.ledger import read_gaps, read_ledger
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.ingest.parts import spool_states, start_ingest, start_plant

_FOREVER = 4_000_000_000_000_000


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and all that it started."""
    total = 0.0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--units", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        home = Path(folder)
        database = EmbeddedPostgres(home / "postgres", clock=SystemClock())
        url = database.start()
        try:
            migrate(url)
            facts = _run(url, home, options.seconds, options.units, database.pid or 0)
        finally:
            database.stop()
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0 if facts["missing_unexplained"] == 0 and facts["rows_not_stored"] == 0 else 1


def _run(url: str, home: Path, seconds: float, units: int, postgres: int) -> dict[str, object]:
    site_file = home / "plant" / "site.toml"
    plant = start_plant(site_file, "--insecure", "--units", str(units))
    # a device has its own processor: its simulator must not wait for the neighbours of this machine
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, plant.pid, -10)
    ingest = start_ingest(site_file, home, url)
    pids = {"ingest": ingest.pid, "simulators": plant.pid, "postgres": postgres}
    time.sleep(5)
    before, started = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    spent, wall = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}, time.monotonic() - started
    processes = [psutil.Process(ingest.pid), *psutil.Process(ingest.pid).children(recursive=True)]
    memory = sum(process.memory_full_info().pss for process in processes)
    ingest.stop()
    plant.stop()
    site = load_site(site_file)
    totals, late, ticks, expected = Counts(), no_lateness(), 0, 0
    with connect(url, application="benchmark") as connection:
        lines = read_ledger(connection, 0, _FOREVER)
        gaps = read_gaps(connection, 0, _FOREVER, most=1_000_000)
        rows = connection.execute("SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample").fetchone() or (0, 0)
    for line in lines:
        totals, late, ticks = totals + line.counts, late + line.lateness, ticks + line.ticks
    with spool_states(home) as state_of:
        for source in site.sources:
            state = state_of(source.id)
            first = min(gap.from_us for gap in gaps if gap.source == source.id)
            if state is not None:
                expected += len([s for s in site.signals if s.source == source.id]) * ticks_between(first, state.mark.end_us, 30_000)
    reasons: dict[str, int] = {}
    for gap in gaps:
        reasons[gap.reason.value] = reasons.get(gap.reason.value, 0) + gap.count
    top = int(late.nonzero()[0].max())
    return {
        "signals": len(site.signals),
        "sources": len(site.sources),
        "seconds": round(seconds),
        "ticks": ticks,
        "ledger": {name: getattr(totals, name) for name in Counts.__dataclass_fields__},
        "gaps_by_reason": reasons,
        "missing_unexplained": totals.unexplained() + (expected - totals.expected),
        "rows_not_stored": totals.stored - rows[0],
        "rows_twice": rows[0] - rows[1],
        "late_ms": {
            "p50": (percentile_us(late, 0.5) or 0) / 1000,
            "p99": (percentile_us(late, 0.99) or 0) / 1000,
            "max_below": int(LATENESS_EDGES_US[min(top, len(LATENESS_EDGES_US) - 1)]) / 1000,
        },
        "cpu_share_of_a_core": {name: round(value / wall, 3) for name, value in spent.items()},
        "ingest_processes": len(processes),
        "ingest_pss_mb": round(memory / 1e6),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    sys.exit(main())
