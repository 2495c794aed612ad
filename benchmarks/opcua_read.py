"""What one value read over OPC UA costs the client in CPU: our columns against asyncua's read_values and a node-opcua client.

Run ``python -m benchmarks.opcua_read [--nodes 100,1000,5000,10000] [--seconds 2] [--seed 1]``. The clients read the same nodes of one
server in turn, and only their own CPU counts, so that the server's slowness does not. The server is open62541 (C) where
``LEADHAND_O6_PYTHON`` names a Python with the package o6, else asyncua's. A stable layout is all Double; a changing one has seven types
and texts, of which a tenth changes each 30 ms. Exits with 1 when a figure promised for 1,000 nodes and more is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asyncua.client.client import Client

from benchmarks.opcua_native_server import PYTHON, available, native_server
from plant.signals import DataType
from protocols import pki
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, ResolvedNode, open_session
from protocols.opcua_reading import Reading
from tests.protocols.opcua_servers import CLIENT_URI, SERVER_URI, asyncua_server, make_identity

TYPES = (DataType.DOUBLE, DataType.FLOAT, DataType.INT32, DataType.BOOLEAN, DataType.INT16, DataType.UINT32, DataType.STRING)
NODE_CLIENT = Path(__file__).resolve().parents[1] / "tests" / "node" / "opcua_client.mjs"
ROUNDS = 3
MUST_STABLE, MUST_CHANGING, MUST_NODE = 50.0, 4.0, 8.0
JUDGED_FROM_NODES = 1000
"""With fewer nodes the fixed cost of one request is most of the cost of any client."""


@dataclass(frozen=True)
class Case:
    """One kind of server to read."""

    name: str
    mixed: bool = False
    mode: str = "None"


CASES = (Case("stable layout"), Case("changing layout", mixed=True))
SECURED = (Case("stable layout, Sign", mode="Sign"), Case("stable layout, SignAndEncrypt", mode="SignAndEncrypt"))


@dataclass
class Cost:
    """What a client has used so far."""

    values: int = 0
    cpu_us: float = 0.0
    wall_us: float = 0.0

    @property
    def each_us(self) -> float:
        """CPU microseconds a value."""
        return self.cpu_us / max(1, self.values)

    def line(self, who: str) -> str:
        """Return it for a person."""
        rate = self.values / self.wall_us * 1e6 if self.wall_us else 0.0
        return f"  {who:12} {self.each_us:8.3f} us CPU a value  {self.wall_us / max(1, self.values):8.3f} us wall  {rate:11,.0f} values/s"


async def measure(read: Callable[[], Awaitable[object]], nodes: int, seconds: float, cost: Cost) -> None:
    """Read for some seconds, three times at least, and add what it took."""
    await read()
    wall, cpu, reads = time.perf_counter(), time.process_time(), 0
    while reads < 3 or time.perf_counter() - wall < seconds:
        await read()
        reads += 1
    cost.values += reads * nodes
    cost.cpu_us += (time.process_time() - cpu) * 1e6
    cost.wall_us += (time.perf_counter() - wall) * 1e6


def serve(case: Case, nodes: int, seed: int, folder: Path) -> tuple[AbstractContextManager[Any], OpcUaEndpoint]:
    """Return the server and how it is spoken to, without its address."""
    arguments = ["--many", str(nodes), "--seed", str(seed)]
    if case.mixed:
        arguments += ["--mixed", "--churn", str(nodes // 10)]
    endpoint = OpcUaEndpoint("", policy="None", mode="None", timeout_seconds=20)
    # its trial mode offers no security over the certificate that we make
    native = available() and case.mode == "None"
    if case.mode != "None":
        certificate, key = make_identity(folder / "server", SERVER_URI)
        own, own_key = pki.ensure_own_certificate(folder / "own", CLIENT_URI)
        suffix = "-Sign" if case.mode == "Sign" else ""
        arguments += ["--policies", f"Basic256Sha256{suffix}", "--certificate", str(certificate), "--key", str(key)]
        endpoint = dataclasses.replace(
            endpoint,
            policy="Basic256Sha256",
            mode=case.mode,
            server_certificate=certificate,
            own_certificate=own,
            own_key=own_key,
            application_uri=CLIENT_URI,
        )
    return (native_server if native else asyncua_server)(*arguments), endpoint


async def prepared(session: OpcUaSession, space: str, nodes: int, *, mixed: bool) -> Reading:
    """Return our read of the numbered nodes."""
    wanted = [TYPES[n % 7] if mixed else DataType.DOUBLE for n in range(nodes)]
    found = await session.resolve([f"{space};i={n + 1}" for n in range(nodes)], wanted)
    reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
    assert len(reading) == nodes
    return reading


async def run(case: Case, nodes: int, seconds: float, seed: int, folder: Path) -> dict[str, Cost]:
    """Return what each client used, in rounds that alternate so that the machine's load meets all."""
    server, endpoint = serve(case, nodes, seed, folder)
    costs = {"ours": Cost()}
    with server as started:
        space = started.ready.get("space") or await space_of(dataclasses.replace(endpoint, url=started.url))
        session = await open_session(dataclasses.replace(endpoint, url=started.url))
        reading = await prepared(session, space, nodes, mixed=case.mixed)
        if case.mode == "None":
            costs["asyncua"] = Cost()
            for _ in range(ROUNDS):
                await measure(reading.read, nodes, seconds / ROUNDS, costs["ours"])
                await _theirs(started.url, space, nodes, seconds / ROUNDS, costs["asyncua"])
            node = shutil.which("node")
            if node is not None and (NODE_CLIENT.parent / "node_modules" / "node-opcua").is_dir():
                costs["node-opcua"] = await _node(node, started.url, space, nodes)
        else:
            await measure(reading.read, nodes, seconds, costs["ours"])
        print(f"{case.name}, {nodes} nodes: {reading.requests} request(s) a read, layouts {reading.layouts}")
        await session.close()
    return costs


async def _theirs(url: str, space: str, nodes: int, seconds: float, cost: Cost) -> None:
    """Read with asyncua's own client, connected anew each round: its watchdog gives up on a busy machine."""
    async with Client(url, timeout=60, watchdog_intervall=1000) as client:
        handles = [client.get_node(f"{space};i={n + 1}") for n in range(nodes)]
        await measure(lambda: client.read_values(handles), nodes, seconds, cost)


async def space_of(endpoint: OpcUaEndpoint) -> str:
    """Return the index of the namespace that holds the numbered nodes of asyncua's server, as addresses begin."""
    session = await open_session(endpoint)
    index = session.namespaces.index("http://types.test/UA/")
    await session.close()
    return f"ns={index}"


async def _node(node: str, url: str, space: str, nodes: int) -> Cost:
    reads = max(10, 100_000 // nodes)
    command = [node, str(NODE_CLIENT), "read", url, space, str(nodes), str(reads)]
    answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    facts = json.loads(answer.stdout.strip().splitlines()[-1])
    return Cost(facts["values"], facts["cpu_us"], facts["wall_us"])


def judged(case: Case, nodes: int, costs: dict[str, Cost]) -> bool:
    """Print the costs and their ratios; return whether what is promised was kept."""
    kept = True
    for who, cost in costs.items():
        print(cost.line(who))
    limits = {"asyncua": MUST_CHANGING if case.mixed else MUST_STABLE, "node-opcua": MUST_NODE if not case.mixed else 0.0}
    for who, cost in costs.items():
        if who in limits:
            ratio, must = cost.each_us / costs["ours"].each_us, limits[who] if nodes >= JUDGED_FROM_NODES else 0.0
            fine = ratio >= must
            print(f"  => {ratio:6.1f} times less CPU than {who}" + (f" (must: {must:g}) {'kept' if fine else 'MISSED'}" if must else ""))
            kept = kept and fine
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="100,1000,5000,10000")
    parser.add_argument("--seconds", type=float, default=2.0, help="of reading, for each client and case")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    began, cpu, kept = time.monotonic(), time.process_time(), True
    source = "open62541 (C)" if available() else f"asyncua's, as {PYTHON} names no Python with o6"
    print(f"server: {source}; seed {options.seed}, {os.cpu_count()} CPUs ({platform.machine()}), load {os.getloadavg()}")
    with TemporaryDirectory() as folder:
        for nodes in map(int, options.nodes.split(",")):
            for case in CASES:
                kept = judged(case, nodes, asyncio.run(run(case, nodes, options.seconds, options.seed, Path(folder)))) and kept
            for case in SECURED if nodes in {1000, 10_000} else ():
                judged(case, nodes, asyncio.run(run(case, nodes, options.seconds, options.seed, Path(folder))))
    print(f"{time.monotonic() - began:.0f} s, {time.process_time() - cpu:.1f} s CPU, load at the end {os.getloadavg()}")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
