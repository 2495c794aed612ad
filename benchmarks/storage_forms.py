"""What one stored value takes in each form of storage: bytes on disk, bytes of WAL, CPU of the server, and time to read one signal.

    python -m benchmarks.storage_forms [--signals 1000] [--seconds 60] [--depth 33] [--seed 1]

Forms on the embedded PostgreSQL: rows alone, rows with their index as they are stored in production, and what the rollups add. On
TimescaleDB, where ``LEADHAND_TIMESCALE_URL`` names a server on which we may make databases: rows with an index, the same after the
columnstore policy, direct compression, and that after the policy. All take the same samples, ``depth`` ticks of 30 ms of all signals in a
shipment, through the same writer. Three kinds of values, for they decide what a columnstore can do: ``noise`` (64 random bits: the worst
there is), ``sensor`` (a 12-bit converter on a slow curve) and ``setpoint``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import psutil

from plant.clock import SystemClock
from plant.samples import SampleBatch
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SignalPath
from plant.site import site_of
from storage import partitions
from storage.catalogue import read_catalogue, register_site
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.partitions import RAW, TierTable
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter
from storage.upkeep import Upkeep
from storage.windows import read_window
from tests.databases import fresh_database

INTERVAL_US, HOUR_US = 30_000, 3_600_000_000
KINDS = ("noise", "sensor", "setpoint")


@dataclass(frozen=True, slots=True)
class Form:
    """What one form of storage was found to take."""

    name: str
    kind: str
    bytes_per_value: float
    wal_per_value: float | None
    cpu_us_per_value: float | None
    read_ms: float | None
    """One signal, all of the run, as raw samples."""


def values_of(kind: str, ticks: int, signals: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Values of all signals, tick by tick."""
    if kind == "noise":
        return rng.normal(100, 15, ticks * signals)
    if kind == "setpoint":
        return np.tile(np.round(rng.uniform(0, 100, signals), 1), ticks)
    steps = np.arange(ticks)[:, None] / 333 + rng.uniform(0, 7, signals)[None, :]
    return np.asarray(np.round(np.sin(steps) * 900 + 2048 + rng.normal(0, 2, (ticks, signals))) * (10 / 4096)).ravel()


def batches(
    paths: tuple[SignalPath, ...], kind: str, start_us: int, seconds: float, depth: int, rng: np.random.Generator
) -> Iterator[SampleBatch]:
    """Yield shipments of ``depth`` ticks of all signals in the order they are read in."""
    signals = len(paths)
    for first in range(0, round(seconds * 1e6 / INTERVAL_US), depth):
        time_us = np.repeat(start_us + (first + np.arange(depth, dtype=np.int64)) * INTERVAL_US, signals)
        count = len(time_us)
        # one Read a tick: its answer has one server time, and arrives once
        answered, arrived = np.repeat(rng.integers(100, 900, depth), signals), np.repeat(rng.integers(2000, 9000, depth), signals)
        yield SampleBatch(
            paths,
            np.tile(np.arange(signals, dtype=np.int32), depth),
            time_us,
            time_us + answered,
            time_us + arrived,
            values_of(kind, depth, signals, rng),
            np.ones(count, np.bool_),
            np.zeros(count, np.uint32),
            np.zeros(count, np.int16),
        )


def site_paths(connection: Connection, signals: int) -> tuple[SignalPath, ...]:
    """Register a site of so many signals and return their paths."""
    site = site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "bench", "id": "site"},
                "equipment": [{"path": "line/cell/unit"}],
                "sources": [{"protocol": "opcua", "id": "plc", "url": "opc.tcp://plc:4840"}],
                "signals": [{"equipment": "line/cell/unit", "name": f"s{{1..{signals}}}", "source": "plc", "address": "nsu=u;s={signal}"}],
            }
        )
    )
    register_site(connection, site)
    return tuple(signal.path for signal in read_catalogue(connection).signals)


@contextmanager
def fresh(server: str) -> Iterator[str]:
    """Lend a fresh, migrated database on a server."""
    with fresh_database(server, "template0") as url:
        migrate(url)
        yield url


def measure(connection: Connection, work: Callable[[], int]) -> tuple[int, float, float]:
    """Return the values that ``work`` stored, and for each of them: bytes of WAL, CPU microseconds of the connection's server process."""
    connection.execute("CHECKPOINT")
    backend = psutil.Process(connection.info.backend_pid)
    cpu, wal = sum(backend.cpu_times()[:2]), _wal(connection)
    values = work()
    return values, (_wal(connection) - wal) / values, (sum(backend.cpu_times()[:2]) - cpu) / values * 1e6


def _wal(connection: Connection) -> float:
    row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
    return float(row[0]) if row else 0.0


def ship(connection: Connection, samples: Iterator[SampleBatch], *, direct: bool | None = None) -> int:
    """Store all batches through the writer; return how many samples."""
    writer, spool, stored = SampleWriter(connection, direct_compress=direct), uuid4(), 0
    for n, batch in enumerate(samples, 1):
        assert writer.ship(Shipment(spool, n, n, batch))
        stored += len(batch)
    return stored


def read_ms(connection: Connection, start_us: int, seconds: float) -> float:
    """Milliseconds to read one signal over the whole run as raw samples; the best of five."""
    number = read_catalogue(connection).signals[7].id
    end_us, took = start_us + round(seconds * 1e6), []
    for _ in range(5):
        began = time.perf_counter()
        read_window(connection, [number], start_us, end_us, end_us - start_us)
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def tier_bytes(connection: Connection, table: TierTable) -> int:
    """Bytes of all partitions of a tier with their indexes."""
    return sum(partitions.sizes(connection, table, partitions.read(connection, table)))


def on_postgres(server: str, kind: str, signals: int, seconds: float, depth: int, seed: int) -> list[Form]:
    """Measure the forms of PostgreSQL alone."""
    start_us = SystemClock().now_us() // HOUR_US * HOUR_US - 4 * HOUR_US
    forms = []
    for name in ("rows alone", "rows + index"):
        with fresh(server) as url, connect(url, application="bench") as connection:
            paths = site_paths(connection, signals)
            if name == "rows alone":
                connection.execute("DROP INDEX sample_signal_time")
            samples = batches(paths, kind, start_us, seconds, depth, np.random.default_rng(seed))
            values, wal, cpu = measure(connection, partial(ship, connection, samples))
            forms.append(Form(name, kind, tier_bytes(connection, RAW) / values, wal, cpu, read_ms(connection, start_us, seconds)))
            if name == "rows + index":
                Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()
                rolled = sum(tier_bytes(connection, table) for table in partitions.TIERS[1:])
                forms.append(Form("  + its rollups", kind, rolled / values, None, None, None))
    return forms


def on_timescale(server: str, kind: str, signals: int, seconds: float, depth: int, seed: int) -> list[Form]:
    """Measure the forms of TimescaleDB; its rollups are left aside, for their jobs would work meanwhile."""
    start_us = SystemClock().now_us() // HOUR_US * HOUR_US - 4 * HOUR_US
    forms = []
    for name, direct in (("hypertable rows + index", False), ("direct compression", True)):
        with fresh(server) as url, connect(url, application="bench") as connection:
            _still(connection)
            paths = site_paths(connection, signals)
            samples = batches(paths, kind, start_us, seconds, depth, np.random.default_rng(seed))
            values, wal, cpu = measure(connection, partial(ship, connection, samples, direct=direct))
            forms.append(Form(name, kind, _hypertable_bytes(connection) / values, wal, cpu, read_ms(connection, start_us, seconds)))
            _, wal, cpu = measure(connection, partial(_compress, connection, values))
            size = _hypertable_bytes(connection) / values
            forms.append(Form("  after the policy", kind, size, wal, cpu, read_ms(connection, start_us, seconds)))
    return forms


def _still(connection: Connection) -> None:
    connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000")


def _compress(connection: Connection, values: int) -> int:
    row = connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'sample' "
        "AND proc_name IN ('policy_compression', 'policy_columnstore')"
    ).fetchone()
    assert row is not None
    connection.execute("CALL run_job(%s)", row)
    return values


def _hypertable_bytes(connection: Connection) -> int:
    row = connection.execute("SELECT hypertable_size('sample')").fetchone()
    return int(row[0]) if row and row[0] else 0


def show(forms: list[Form]) -> None:
    """Print one line a form."""

    def cell(value: float | None, width: int, digits: int) -> str:
        return " " * (width - 1) + "-" if value is None else f"{value:{width}.{digits}f}"

    for form in forms:
        print(
            f"  {form.kind:9} {form.name:26} {cell(form.bytes_per_value, 8, 1)} B/value {cell(form.wal_per_value, 7, 1)} B WAL "
            f"{cell(form.cpu_us_per_value, 6, 2)} us server CPU {cell(form.read_ms, 8, 1)} ms to read one signal"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--depth", type=int, default=33, help="ticks of 30 ms in one shipment")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    what = (options.signals, options.seconds, options.depth, options.seed)
    print(f"seed {options.seed}, {options.signals:,} signals, {options.seconds:g} s, {options.depth} ticks a shipment, ", end="")
    print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        try:
            url = server.start()
            for kind in options.kinds:
                show(on_postgres(url, kind, *what))
        finally:
            server.stop()
    native = os.environ.get("LEADHAND_TIMESCALE_URL")
    if not native:
        print("  TimescaleDB native: not run (LEADHAND_TIMESCALE_URL is not set)")
        return 0
    for kind in options.kinds:
        show(on_timescale(native, kind, *what))
    return 0


if __name__ == "__main__":
    sys.exit(main())
