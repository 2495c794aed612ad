"""Parts that the tests of simulators share: a device in memory, a real server with a real client, a real broker."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from asyncua.client.client import Client

from plant.clock import SystemClock
from plant.signals import DataType
from simulators.device_limits import DeviceLimits
from simulators.feed import Scan, Variable
from simulators.opcua_server import Protection, SimulatedServer
from tests.ports import free_port

NAMESPACE = "urn:test:device"
SHARED_DATA = Path(os.environ.get("LEADHAND_SHARED_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))


class CountingFeed:
    """A device whose doubles all show the number of the scan, so that mixed scans are seen at once."""

    def __init__(self, count: int, scan_us: int = 30_000) -> None:
        self.variables: Sequence[Variable] = tuple(Variable(("cell", "machine"), f"v{n}", DataType.DOUBLE) for n in range(count))
        self.scan_us = scan_us

    def _scan(self, number: int) -> Scan:
        count = len(self.variables)
        time_us = number * self.scan_us
        return Scan(time_us, time_us, np.full(count, float(number)), (), np.zeros(count, np.uint32))

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:  # noqa: ARG002
        return self._scan(now_us // self.scan_us)

    def forget(self, reader: Hashable) -> None:
        pass

    def scans(self, after_us: int, until_us: int) -> Iterable[Scan]:
        return [self._scan(number) for number in range(after_us // self.scan_us + 1, until_us // self.scan_us + 1)]


@asynccontextmanager
async def serving(feed: object, **options: object) -> AsyncIterator[SimulatedServer]:
    """A simulated server without security, open while the block runs."""
    options.setdefault("namespace", NAMESPACE)
    options.setdefault("protection", Protection(insecure=True))
    server = SimulatedServer(feed, SystemClock(), **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def connected(server: SimulatedServer) -> AsyncIterator[Client]:
    """A client of asyncua, connected while the block runs."""
    client = Client(server.url, timeout=30)
    async with client:
        yield client


@pytest.fixture
def shared_data() -> Path:
    """The folder of real recordings."""
    folder = SHARED_DATA / "cnc_mill"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{folder} is missing; set LEADHAND_SHARED_DATA")
        pytest.skip(f"no real recordings at {folder}; set LEADHAND_SHARED_DATA")
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A mosquitto of its own, by URL."""
    port = free_port()
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 100\nmax_queued_messages 0\n")
    with subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"mqtt://127.0.0.1:{port}"
        process.terminate()


SMALL = DeviceLimits(max_nodes_per_read=5, max_queue_size=10)
FAST = DeviceLimits(min_sampling_us=10_000, max_queue_size=1000)
