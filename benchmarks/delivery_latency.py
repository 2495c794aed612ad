"""How soon what was committed as SENT is done and read back, over MQTT and over OPC UA; and what a database that is away costs.

    python -m benchmarks.delivery_latency [--way mqtt|opcua] [--units 1000] [--per-second 100] [--seconds 20] [--away 60] [--seed 1]

Everything is as it runs in a factory: an embedded PostgreSQL that syncs, a broker (mosquitto), simulated controllers in a process of their
own that check each message, the delivery process by its command, 1,000 work units that beat and are told that we are alive. From the
commit of SENT to the comparison of what was read back: p50 at most 6 ms, p99 at most 15 ms. Beside it the peer's published write (EMQX
Neuron: 6/12/19 ms minimum, average, maximum) and, measured in the same run, the limit: bare round trips of the same transport, two for
MQTT (message and answer, question and value), one Call and one Read for OPC UA. Then the database is stopped for ``--away`` seconds while
messages pass: none may be sent twice, none lost. Exit code 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.delivery_cells import BACK, CLOCK, ECHO, WAYS, cells, delivery, units_of
from plant.recommendations import Stage
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from protocols.opcua_client import OpcUaEndpoint, open_session
from protocols.opcua_nodes import NodeBook
from storage.audit import verify_audit
from storage.database import Connection, connect
from storage.deliveries import open_deliveries, propose
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.process_windows import write_windows
from tests.delivery.stage import draft, windows_of
from tests.ingest.parts import Mosquitto, until

Column = npt.NDArray[np.float64]
P50_MS, P99_MS = 6.0, 15.0
_PEER = "EMQX Neuron, published: 6 / 12 / 19 ms minimum / average / maximum"
_WARM = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--way", choices=WAYS, help="only this one")
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--per-second", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--away", type=float, default=60.0, help="seconds without the database; 0 leaves that part out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors, seed {options.seed}; {options.units:,} work units")
    missed: list[str] = []
    for way in [options.way] if options.way else WAYS:
        with tempfile.TemporaryDirectory(prefix="leadhand-delivery-") as folder:
            missed += _run(way, Path(folder), options)
    print(f"load {os.getloadavg()[0]:.2f} at the end; " + ("all figures held" if not missed else "MISSED: " + "; ".join(missed)))
    return 1 if missed else 0


def _run(way: str, folder: Path, options: argparse.Namespace) -> list[str]:
    server = EmbeddedPostgres(folder / "pg", clock=CLOCK)
    url = server.start()
    broker = Mosquitto(folder, "max_queued_messages 100000", "max_inflight_messages 1000")
    broker.start()
    try:
        migrate(url)
        (folder / "home").mkdir()
        with cells(way, broker.port if way == "mqtt" else 0, options.units) as pipe:
            port = pipe.recv()
            with connect(url, application="benchmark") as connection:
                write_windows(connection, windows_of(units_of(options.units)), actor="anna", now_us=CLOCK.now_us())
                limit = asyncio.run(_round_trips(way, port, options.per_second))
                with delivery(url, folder / "home", way, port) as child:
                    process = psutil.Process(child.pid)
                    chance = Random(options.seed)  # noqa: S311
                    _send(connection, options, chance, _WARM)
                    cpu = sum(process.cpu_times()[:2])
                    began = time.monotonic()
                    numbers = _send(connection, options, chance, round(options.seconds * options.per_second))
                    took, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
                    missed = _tell(way, connection, numbers, took, cpu, limit)
            if options.away:
                with connect(url, application="benchmark") as connection:
                    (folder / "home" / "site.toml").unlink()
                    missed += _away(way, url, folder, port, server, options, pipe)
            return missed
    finally:
        broker.stop()
        server.stop()


def _send(connection: Connection, options: argparse.Namespace, chance: Random, count: int) -> list[int]:
    """Approve so many recommendations, evenly over time, and return their numbers when all have ended."""
    names = units_of(options.units)
    chance.shuffle(names)
    numbers: list[int] = []
    begin = time.monotonic()
    for at in range(count):
        time.sleep(max(0.0, begin + at / options.per_second - time.monotonic()))
        wish = draft(names[at % len(names)], value=200.0 + chance.randrange(20))
        numbers += [number for number in propose(connection, [wish], CLOCK.now_us()) if number is not None]
    until(lambda: not open_deliveries(connection, (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED)), 60, 0.1)
    return numbers


def _tell(way: str, connection: Connection, numbers: list[int], took: float, cpu: float, limit: Column) -> list[str]:
    rows = connection.execute(
        "SELECT stage, (stage_detail ->> 'seconds')::float8 FROM delivery WHERE number = ANY (%s)", [numbers]
    ).fetchall()
    stages = Counter(stage for stage, _ in rows)
    ours = np.array([seconds * 1000 for stage, seconds in rows if stage == "executed" and seconds is not None])
    print(f"{way}: {len(rows):,} messages in {took:.1f} s, {dict(stages)}; {cpu:.1f} CPU s of the delivery process")
    if not len(ours):
        return [f"{way}: nothing was executed"]
    p50, p99 = float(np.percentile(ours, 50)), float(np.percentile(ours, 99))
    print(f"  SENT committed to read back: {_shape(ours)}")
    print(f"  bare round trips:            {_shape(limit)}")
    print(f"  ours : peer : limit, mean    {ours.mean():.2f} : 12 : {limit.mean():.2f} ms   ({_PEER})")
    missed = [] if p50 <= P50_MS else [f"{way}: p50 {p50:.2f} ms (at most {P50_MS:g})"]
    missed += [] if p99 <= P99_MS else [f"{way}: p99 {p99:.2f} ms (at most {P99_MS:g})"]
    return missed + ([] if stages["executed"] == len(rows) else [f"{way}: {len(rows) - stages['executed']} were not executed"])


def _shape(found: Column) -> str:
    p50, p99 = np.percentile(found, (50, 99))
    return f"min {found.min():.2f}  p50 {p50:.2f}  mean {found.mean():.2f}  p99 {p99:.2f}  max {found.max():.2f} ms"


def _away(way: str, url: str, folder: Path, port: int, server: EmbeddedPostgres, options: argparse.Namespace, pipe: Pipe) -> list[str]:
    """Stop the database while messages pass, and start it again; compare what controllers did with what stands in it."""
    home = folder / "again"
    home.mkdir()
    chance = Random(options.seed + 1)  # noqa: S311
    names = units_of(options.units)
    with delivery(url, home, way, port) as child:
        with connect(url, application="benchmark") as connection:
            before = _numbers(connection)
            wishes = [draft(unit, value=200.0 + chance.randrange(20), valid_seconds=600.0) for unit in names[: len(names) // 2]]
            propose(connection, wishes, CLOCK.now_us())
            until(lambda: _sent_since(connection, before) > len(wishes) // 4, 60, 0.001)
        server.stop()
        print(f"  the database is stopped for {options.away:g} s while {len(wishes)} messages pass")
        time.sleep(options.away)
        alive = child.poll() is None
        server.start()
        with connect(url, application="benchmark") as connection:
            until(lambda: not open_deliveries(connection, (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED)), 120, 0.1)
            rows = connection.execute("SELECT message_id::text, stage FROM delivery WHERE number > %s", [before]).fetchall()
            pipe.send("executions")
            done: Counter[str] = Counter(pipe.recv())
            twice = sum(done[message] > 1 for message, _ in rows)
            lost = sum(stage != "executed" for _, stage in rows)
            broken = verify_audit(connection)
    print(f"  {len(rows)} messages: {twice} done twice, {lost} not executed; the audit chain {'holds' if broken is None else 'is broken'}")
    wrong = [] if alive else [f"{way}: the process ended while the database was away"]
    wrong += [f"{way}: {twice} were done twice"] if twice else []
    wrong += [f"{way}: {lost} of {len(rows)} were lost"] if lost or not rows else []
    return wrong + ([f"{way}: the audit chain is broken at {broken}"] if broken else [])


def _numbers(connection: Connection) -> int:
    row = connection.execute("SELECT coalesce(max(number), 0) FROM delivery").fetchone()
    return 0 if row is None else int(row[0])


def _sent_since(connection: Connection, before: int) -> int:
    row = connection.execute("SELECT count(*) FROM delivery WHERE number > %s AND counter IS NOT NULL", [before]).fetchone()
    return 0 if row is None else int(row[0])


async def _round_trips(way: str, port: int, per_second: int, count: int = 500) -> Column:
    """Return milliseconds of bare round trips at the same pace, as many for each message as the way needs."""
    return await (_over_mqtt(port, per_second, count) if way == "mqtt" else _over_opcua(port, per_second, count))


async def _over_mqtt(port: int, per_second: int, count: int) -> Column:
    waiting: dict[bytes, asyncio.Future[None]] = {}

    def back(letter: Letter) -> None:
        line.acknowledge(letter)
        one = waiting.pop(letter.payload, None)
        if one is not None:
            one.set_result(None)

    line = MqttRequests(MqttEndpoint("127.0.0.1", port, "bare", session_seconds=0), [BACK], back)
    await line.open()
    while not line.connected:  # noqa: ASYNC110 - it says so by no event
        await asyncio.sleep(0.01)
    found = []
    for at in range(count):
        began = time.perf_counter()
        for each in (b"message", b"question"):
            payload = each + b" %d " % at + b"x" * 500
            waiting[payload] = asyncio.get_running_loop().create_future()
            future = waiting[payload]
            await line.publish(Letter(ECHO, payload), 10.0)
            await future
        found.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(max(0.0, 1 / per_second - found[-1] / 1000))
    await line.close()
    return np.array(found)


async def _over_opcua(port: int, per_second: int, count: int) -> Column:
    session = await open_session(OpcUaEndpoint(f"opc.tcp://127.0.0.1:{port}/", policy="None", mode="None"))
    try:
        book = NodeBook(session)
        found = []
        for _ in range(count):
            began = time.perf_counter()
            for _ in range(2):
                await book.read(["ns=0;i=2259"])
            found.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(max(0.0, 1 / per_second - found[-1] / 1000))
        return np.array(found)
    finally:
        await session.close()


if __name__ == "__main__":
    sys.exit(main())
