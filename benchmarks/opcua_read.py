"""What one value read over OPC UA costs the client in CPU: our columns against asyncua's read_values, in the same run.

Run ``python -m benchmarks.opcua_read [--nodes 1000] [--reads 60] [--seed 1]``. The server is asyncua's in another process; the
client's own CPU is measured, so that the server's slowness does not count. Both clients read the same nodes in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import platform
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncua.client.client import Client

from plant.signals import DataType
from protocols import pki
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from tests.protocols.opcua_servers import CLIENT_URI, SERVER_URI, asyncua_server, make_identity

SPACE = "http://types.test/UA/"
_TYPES = (DataType.DOUBLE, DataType.FLOAT, DataType.INT32, DataType.BOOLEAN, DataType.INT16, DataType.UINT32, DataType.STRING)


@dataclass(frozen=True)
class Case:
    """One kind of server to read."""

    name: str
    arguments: tuple[str, ...]
    mixed: bool
    secured: bool = False


CASES = (
    Case("stable layout, Double", (), mixed=False),
    Case("stable layout, seven types", ("--mixed",), mixed=True),
    Case("seven types, 10 of them change each 30 ms", ("--mixed", "--churn", "10"), mixed=True),
    Case("seven types, 100 of them change each 30 ms", ("--mixed", "--churn", "100"), mixed=True),
    Case("stable layout, Double, SignAndEncrypt", (), mixed=False, secured=True),
)


async def measure(read: Callable[[], Awaitable[object]], reads: int, nodes: int) -> tuple[float, float]:
    """Return CPU microseconds a value and values a second on the wall."""
    await read()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(reads):
        await read()
    return (time.process_time() - cpu) / reads / nodes * 1e6, reads * nodes / (time.perf_counter() - wall)


async def run(case: Case, nodes: int, reads: int, seed: int, folder: Path) -> tuple[float, float]:
    arguments = ["--many", str(nodes), "--seed", str(seed), *case.arguments]
    endpoint = OpcUaEndpoint("", policy="None", mode="None", timeout_seconds=10)
    if case.secured:
        certificate, key = make_identity(folder / "server", SERVER_URI)
        own, own_key = pki.ensure_own_certificate(folder / "own", CLIENT_URI)
        arguments += ["--policies", "Basic256Sha256", "--certificate", str(certificate), "--key", str(key)]
        endpoint = OpcUaEndpoint(
            "", server_certificate=certificate, own_certificate=own, own_key=own_key, application_uri=CLIENT_URI, timeout_seconds=10
        )
    with asyncua_server(*arguments) as server:
        ours = await _ours(_at(endpoint, server.url), case, nodes, reads)
        if case.secured:
            return ours, float("nan")
        return ours, await _theirs(server.url, nodes, max(5, reads // 6))


def _at(endpoint: OpcUaEndpoint, url: str) -> OpcUaEndpoint:
    return OpcUaEndpoint(**{**{name: getattr(endpoint, name) for name in endpoint.__slots__}, "url": url})


async def _ours(endpoint: OpcUaEndpoint, case: Case, nodes: int, reads: int) -> float:
    session = await open_session(endpoint)
    wanted = [_TYPES[n % 7] if case.mixed else DataType.DOUBLE for n in range(nodes)]
    found = await session.resolve([f"nsu={SPACE};i={n + 1}" for n in range(nodes)], wanted)
    reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
    assert len(reading) == nodes
    cpu, rate = await measure(reading.read, reads, nodes)
    print(f"  ours     {cpu:7.3f} us CPU a value   {rate:10,.0f} values/s   {cpu * nodes:8.0f} us a read   layout {reading.layouts}")
    await session.close()
    return cpu


async def _theirs(url: str, nodes: int, reads: int) -> float:
    async with Client(url, timeout=10) as client:
        index = await client.get_namespace_index(SPACE)
        handles = [client.get_node(f"ns={index};i={n + 1}") for n in range(nodes)]
        cpu, rate = await measure(lambda: client.read_values(handles), reads, nodes)
    print(f"  asyncua  {cpu:7.3f} us CPU a value   {rate:10,.0f} values/s   {cpu * nodes:8.0f} us a read")
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--reads", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{options.nodes} nodes, seed {options.seed}, {os.cpu_count()} CPUs ({platform.machine()}), load {os.getloadavg()}")
    with TemporaryDirectory() as folder:
        for case in CASES:
            print(case.name)
            ours, theirs = asyncio.run(run(case, options.nodes, options.reads, options.seed, Path(folder)))
            if not math.isnan(theirs):
                print(f"  => {theirs / ours:.0f} times less CPU a value")
    print(f"load at the end {os.getloadavg()}")


if __name__ == "__main__":
    main()
