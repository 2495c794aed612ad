"""From an OPC UA server to durable rows, as fast as it goes: ours, and three ways people write it by hand, in one run.

    python -m benchmarks.ingest_peers [--nodes 1000,5000] [--seconds 8]

All read the same server in turn: open62541 (C) where ``LEADHAND_O6_PYTHON`` names a Python with the package o6, else asyncua's, which
then is the limit of the rate; CPU is told apart. All write to the same PostgreSQL, the embedded one and, where ``LEADHAND_TIMESCALE_URL``
names one, TimescaleDB.

* ours: the parts of the ingest process without its clock: reads as columns, records, the spool with its fdatasync, the shipper's
  transactions (eight columns, ledger, newest values, exactly once), on PostgreSQL and on TimescaleDB as indexed rows and with direct
  compression. A value counts once the database has committed it.
* asyncua's ``read_values`` + executemany, one commit a read; the same + COPY, one a read; node-opcua + one binary COPY a second, sorted
  and encoded by hand. They write four columns with an index by signal and time, keep no ledger and lose what they hold when they die.

The CPU of a value is that of the client and of all processes that serve its database; the server of OPC UA is left out. Rollups are
nobody's work here. Exits with 1 when ours misses what is promised: values/s per core, and per core against each peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import psutil
import psycopg
import structlog
from asyncua.client.client import Client

from benchmarks.opcua_native_server import available, native_server
from benchmarks.opcua_read import space_of
from ingest.account import Account
from ingest.files import SystemFiles
from ingest.readings import ReadingTable
from ingest.records import Mark
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.samples import NO_TIME, empty
from plant.settings import SiteFile
from plant.signals import DataType, SourceId
from plant.site import Site, site_of
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from storage.database import connect
from storage.migrations import migrate
from storage.partitions import RAW, make_partitions
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter
from tests.databases import database_of, fresh_database
from tests.protocols.opcua_servers import asyncua_server

SOURCE = SourceId("plc")
TICKS = 33
MOST_WAITING = 600_000
"""Values between spool and database at which the reader waits: what is measured is the whole way, not how fast a spool grows."""
PER_CORE = {"ours": 400_000, "ours, timescale rows": 400_000, "ours, direct compression": 1_200_000}
RATIOS = {"asyncua + executemany": 18.0, "asyncua + COPY": 6.0, "node-opcua + COPY": 2.0}
NODE_FOLDER = Path(__file__).parent / "node"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one way came to."""

    values: int
    wall_s: float
    client_s: float
    database_s: float

    @property
    def per_core(self) -> float:
        """Values a second if one core were all there is for client and database."""
        return self.values / (self.client_s + self.database_s)

    def line(self, name: str) -> str:
        """Return it for a person."""
        client, database = self.client_s / self.values * 1e6, self.database_s / self.values * 1e6
        return (
            f"  {name:26} {self.values / self.wall_s:>11,.0f} values/s  {client:6.2f} us client + {database:5.2f} us database a value"
            f"  {self.per_core:>11,.0f} values/s a core"
        )


class DatabaseCpu:
    """The CPU seconds of all processes that serve one database, those that end meanwhile too, and of those that serve all."""

    def __init__(self, server: str, database: str) -> None:
        self._connection = psycopg.connect(database_of(server, "postgres"), autocommit=True)
        self._name = urlsplit(database).path.lstrip("/")
        self._seen: dict[int, tuple[float, float]] = {}
        self._over = threading.Event()
        self._look(first=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the seconds used since the start."""
        self._over.set()
        self._thread.join()
        self._look()
        self._connection.close()
        return sum(last - first for first, last in self._seen.values())

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self._look()

    def _look(self, *, first: bool = False) -> None:
        rows = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s OR datname IS NULL", [self._name]).fetchall()
        for (pid,) in rows:
            try:
                used = sum(psutil.Process(pid).cpu_times()[:2])
            except psutil.Error:
                continue
            since = self._seen[pid][0] if pid in self._seen else used if first else 0.0
            self._seen[pid] = (since, used)


def bench_site(nodes: int, space: str) -> Site:
    """Return a site of one source with numbered nodes."""
    signals = [
        {"equipment": "line/cell/unit", "name": f"s{n + 1}", "source": SOURCE, "address": f"{space};i={n + 1}", "store": "every_read"}
        for n in range(nodes)
    ]
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "bench", "id": "site"},
                "equipment": [{"path": "line/cell/unit"}],
                "sources": [{"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}],
                "signals": signals,
            }
        )
    )


async def ours(url: str, space: str, nodes: int, seconds: float, database: str, home: Path, *, direct: bool | None) -> dict[str, Any]:
    """Read, spool and ship; every part is the one that runs in production."""
    clock, site = SystemClock(), bench_site(nodes, space)
    spool = Spool(home / "spool", SystemFiles(), new_id=uuid4)
    writer = SpoolWriter(spool, clock)
    writer.open()
    reach = partial(connect, database, application="shipper")
    shipper = Shipper(spool, writer, reach, lambda: site, home / "aside", clock, seed=1)
    session = await open_session(OpcUaEndpoint(url, policy="None", mode="None", timeout_seconds=20))
    found = await session.resolve([s.address for s in site.signals], [DataType.DOUBLE] * nodes)
    reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
    assert len(reading) == nodes, found[:3]
    table = ReadingTable(site.signals, np.full(nodes, NO_TIME), TICKS)
    places, account = np.arange(nodes), Account(SOURCE)
    with patch("ingest.shipper.SampleWriter", partial(SampleWriter, direct_compress=direct)):
        shipper.start()
        await _until(lambda: shipper.away is None)
        with connect(database, application="check") as connection:
            # peers find their table made: ours finds its signals registered
            count = "SELECT count(*) FROM signal"
            await _until(lambda: connection.execute(count).fetchone() == (nodes,))
        for _ in range(5):
            await reading.read()
        _say({"go": True})
        began, cpu, values = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < seconds:
            read = await reading.read()
            now = clock.now_us()
            outcome = table.take(now, read, places, reading.expected_type_id)
            account.tick(now, 0)
            account.count(now, stored=outcome.stored, unchanged=outcome.unchanged)
            values += outcome.stored
            if table.full:
                page = table.turn()
                record = account.record(Mark(now), empty(table.paths))
                assert writer.submit(Submission(record, harvest=page.harvest))
                await _until(lambda: writer.in_spool(SOURCE) < MOST_WAITING)
        page = table.turn()
        assert writer.submit(Submission(account.record(Mark(clock.now_us()), empty(table.paths)), harvest=page.harvest))
        assert writer.settle(60)
        await asyncio.to_thread(shipper.stop, 60)
        facts = {"values": values, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    writer.close()
    await session.close()
    with connect(database, application="check") as connection:
        row = connection.execute("SELECT count(*) FROM sample").fetchone()
    assert row == (values,), f"{row} rows of {values} values"
    return facts


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for are threads of the product, which know nothing of this loop
        await asyncio.sleep(0.005)


async def by_hand(url: str, space: str, nodes: int, seconds: float, database: str, *, copy: bool) -> dict[str, Any]:
    """Do as most do: read all values, then write a row for each, and commit."""
    async with Client(url, timeout=60) as client, await psycopg.AsyncConnection.connect(database) as connection:
        handles = [client.get_node(f"{space};i={n + 1}") for n in range(nodes)]
        for _ in range(2):
            await client.read_values(handles)
        _say({"go": True})
        began, cpu, values = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < seconds:
            read = await client.read_values(handles)
            now = datetime.now(UTC)
            rows = [(now, n, value, 0) for n, value in enumerate(read)]
            async with connection.cursor() as cursor:
                if copy:
                    async with cursor.copy("COPY peer (time, signal_id, value, quality) FROM STDIN") as stream:
                        for row in rows:
                            await stream.write_row(row)
                else:
                    await cursor.executemany("INSERT INTO peer (time, signal_id, value, quality) VALUES (%s, %s, %s, %s)", rows)
            await connection.commit()
            values += len(rows)
        return {"values": values, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}


def _say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def command_of(way: str, url: str, space: str, nodes: int, seconds: float, database: str, home: Path) -> list[str]:
    """Return how a way is run in a process of its own."""
    if way.startswith("node"):
        node = shutil.which("node")
        assert node is not None
        return [node, str(NODE_FOLDER / "peer_node_opcua.mjs"), url, space, str(nodes), str(seconds), database]
    arguments = ["--way", way, "--url", url, "--space", space, "--nodes", str(nodes), "--seconds", str(seconds), "--home", str(home)]
    return [sys.executable, "-m", "benchmarks.ingest_peers", *arguments, "--database", database]


def run_way(way: str, url: str, space: str, nodes: int, seconds: float, server: str, *, timescale: bool) -> Facts:
    """Run one way on a fresh database and return what it came to."""
    with fresh_database(server, "template0") as database, tempfile.TemporaryDirectory(prefix="lh") as home:
        with psycopg.connect(database, autocommit=True) as connection:
            prepare(way, database, connection, timescale=timescale)
            connection.execute("CHECKPOINT")
        process = subprocess.Popen(
            command_of(way, url, space, nodes, seconds, database, Path(home)), stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        assert _said(process).get("go"), f"{way} did not start"
        cpu = DatabaseCpu(server, database)
        facts = _said(process)
        database_s = cpu.stop()
        process.wait(120)
    return Facts(facts["values"], facts["wall_s"], facts["cpu_s"], database_s)


def _said(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the next line of JSON; libraries print other things between."""
    assert process.stdout is not None
    line = next((line for line in process.stdout if line.startswith(b"{")), b"{}")
    return dict(json.loads(line))


def prepare(way: str, database: str, connection: psycopg.Connection[Any], *, timescale: bool) -> None:
    """Make the tables: ours by the migrations, with room ahead as upkeep would make it; a plain one for a peer."""
    if way.startswith("ours"):
        migrate(database)
        with connect(database, application="bench") as own:
            if timescale:
                own.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000")
            else:
                now = SystemClock().now_us()
                make_partitions(own, RAW, [now, now + 600_000_000])
        return
    connection.execute(
        "CREATE TABLE peer (time timestamptz NOT NULL, signal_id integer NOT NULL, value double precision, quality smallint)"
    )
    if timescale:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        connection.execute("SELECT create_hypertable('peer', by_range('time', INTERVAL '1 hour'), create_default_indexes => false)")
    connection.execute("CREATE INDEX ON peer (signal_id, time)")


def ways_on(*, timescale: bool) -> list[str]:
    """Return the ways for a kind of database."""
    mine = ["ours, timescale rows", "ours, direct compression"] if timescale else ["ours"]
    peers = ["asyncua + executemany", "asyncua + COPY"]
    if shutil.which("node") and node_packages():
        peers.append("node-opcua + COPY")
    return [*mine, *peers]


def node_packages() -> bool:
    """Return whether the peer in Node has what it needs; fetch its client of PostgreSQL once."""
    if not (NODE_FOLDER.parents[1] / "tests" / "node" / "node_modules" / "node-opcua").is_dir():
        return False
    if not (NODE_FOLDER / "node_modules" / "pg").is_dir():
        npm = shutil.which("npm")
        if npm is None:
            return False
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=NODE_FOLDER, check=True, capture_output=True)
    return True


def judge(found: dict[str, Facts]) -> bool:
    """Print what ours keeps and misses; return whether it keeps all."""
    kept = True
    for mine in [name for name in found if name.startswith("ours")]:
        fine = found[mine].per_core >= PER_CORE[mine]
        kept = kept and fine
        print(f"  => {mine}: {found[mine].per_core:,.0f} values/s a core (must: {PER_CORE[mine]:,}) {'kept' if fine else 'MISSED'}")
        for peer, must in RATIOS.items():
            if peer in found:
                ratio, rate = found[mine].per_core / found[peer].per_core, _rate(found[mine]) / _rate(found[peer])
                fine = ratio >= must
                kept = kept and fine
                print(f"     {ratio:6.1f} x {peer} a core, {rate:.1f} x its rate (must a core: {must:g}) {'kept' if fine else 'MISSED'}")
    return kept


def _rate(facts: Facts) -> float:
    return facts.values / facts.wall_s


@contextmanager
def databases() -> Iterator[list[tuple[str, str]]]:
    """Give the servers of PostgreSQL to write to: (kind, URL)."""
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        try:
            native = os.environ.get("LEADHAND_TIMESCALE_URL")
            yield [("embedded PostgreSQL", server.start()), *([("TimescaleDB", native)] if native else [])]
            if not native:
                print("TimescaleDB native: not run (LEADHAND_TIMESCALE_URL is not set)")
        finally:
            server.stop()


def server_of(nodes: int) -> AbstractContextManager[Any]:
    """Return the OPC UA server to read."""
    return (native_server if available() else asyncua_server)("--many", str(nodes))


def compare(nodes: list[int], seconds: float) -> bool:
    """Run all ways in turn and print them."""
    kept = True
    with databases() as servers:
        for count in nodes:
            with server_of(count) as source:
                space = source.ready.get("space") or asyncio.run(space_of(OpcUaEndpoint(source.url, policy="None", mode="None")))
                for kind, server in servers:
                    timescale = kind == "TimescaleDB"
                    print(f"{count:,} nodes into {kind}, load {os.getloadavg()[0]:.1f}")
                    found = {}
                    for way in ways_on(timescale=timescale):
                        found[way] = run_way(way, source.url, space, count, seconds, server, timescale=timescale)
                        print(found[way].line(way), flush=True)
                    kept = judge(found) and kept
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="1000,5000")
    parser.add_argument("--seconds", type=float, default=8.0, help="of reading, for each way")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--space", help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if options.way:
        where = (options.url, options.space, int(options.nodes), options.seconds, options.database)
        if options.way.startswith("ours"):
            _say(asyncio.run(ours(*where, options.home, direct=options.way.endswith("compression"))))
        else:
            _say(asyncio.run(by_hand(*where, copy=options.way.endswith("COPY"))))
        return 0
    source = "open62541 (C)" if available() else "asyncua's"
    print(f"server: {source}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return 0 if compare([int(n) for n in options.nodes.split(",")], options.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
