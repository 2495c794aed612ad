"""Simulated OPC UA devices in one process, which do what lines on its standard input say.

``python -m tests.faults.device --devices 5`` prints one line with the ports when ready.
A line is ``{"device": 0, "act": ...}``; see ``obey``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import select
import subprocess
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from plant.clock import SystemClock
from plant.signals import DataType
from simulators.feed import Scan, Variable
from simulators.opcua_server import Protection, SimulatedServer
from tests.ingest.parts import REPOSITORY
from tests.ports import free_port

NAMESPACE = "urn:test:device"
SCAN_US = 20_000
VARIABLES = (
    Variable(("m",), "level", DataType.DOUBLE),
    Variable(("m",), "count", DataType.INT32),
    Variable(("m",), "mode", DataType.STRING),
)
SIGNALS = tuple(variable.name for variable in VARIABLES)


class DeviceFeed:
    """``level`` and ``count`` show the number of the scan, ``mode`` its last digit. ``shift_us`` puts the source's clock wrong."""

    def __init__(self) -> None:
        self.variables: Sequence[Variable] = VARIABLES
        self.scan_us = SCAN_US
        self.shift_us = 0
        self.level: float | None = None

    def _scan(self, number: int) -> Scan:
        time_us = number * SCAN_US
        shown = float(number % 2**31)
        values = np.array([shown if self.level is None else self.level, shown, 0.0])
        return Scan(time_us + self.shift_us, time_us, values, (f"mode {number % 10}",), np.zeros(3, np.uint32))

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:
        del reader, positions
        return self._scan(now_us // SCAN_US)

    def forget(self, reader: Hashable) -> None:
        pass

    def scans(self, after_us: int, until_us: int) -> Iterable[Scan]:
        return [self._scan(number) for number in range(after_us // SCAN_US + 1, until_us // SCAN_US + 1)]


class _Device:
    def __init__(self) -> None:
        self.feed = DeviceFeed()
        self.port = free_port()
        self.server = self._make([NAMESPACE])

    def _make(self, namespaces: Sequence[str]) -> SimulatedServer:
        return SimulatedServer(
            self.feed, SystemClock(), namespace=NAMESPACE, namespaces=namespaces, port=self.port, protection=Protection(insecure=True)
        )

    async def start(self, namespaces: Sequence[str] = (NAMESPACE,)) -> None:
        self.server = self._make(namespaces)
        await self.server.start()

    async def obey(self, wish: dict[str, Any]) -> None:
        match wish["act"]:
            case "stop":
                await self.server.stop()
            case "start":
                await self.start(wish.get("namespaces", (NAMESPACE,)))
            case "lose":
                # so many messages of subscriptions, which are sent again where they are asked for, or not
                self.server.nodes.refuses_republish = wish["for_good"]
                self.server.nodes.messages_to_lose = wish["count"]
            case "silent" | "frozen" | "publishes_nothing" as fault:
                setattr(self.server.nodes, fault, wish["on"])
            case "bad":
                self.server.nodes.bad = {f"m/{name}": code for name, code in wish["status"].items()}
            case "retype":
                self.server.nodes.retype(f"m/{wish['name']}", DataType(wish["type"]))
            case "remove":
                await self.server.remove(f"m/{wish['name']}")
            case "drop":
                self.server.drop_connections()
            case "shift":
                self.feed.shift_us = wish["us"]
            case "level":
                self.feed.level = None if wish["value"] is None else float(wish["value"])
            case other:
                raise ValueError(other)


async def _serve(count: int) -> None:
    devices = [_Device() for _ in range(count)]
    for device in devices:
        await device.start()
    print(json.dumps({"ready": True, "ports": [device.port for device in devices]}), flush=True)  # noqa: T201
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        wish = json.loads(line)
        await devices[wish["device"]].obey(wish)
        print(json.dumps({"done": True}), flush=True)  # noqa: T201


class Devices:
    """The running process: ``ports`` of its devices, and ``tell`` for what they shall do."""

    def __init__(self, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.device", "--devices", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        self.ports: list[int] = self._answer()["ports"]

    def tell(self, device: int, act: str, **facts: Any) -> None:
        """Have one device do something; returns when it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"device": device, "act": act, **facts}).encode() + b"\n")
        self.process.stdin.flush()
        self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 240)
        line = self.process.stdout.readline() if ready else b""
        assert line, "the devices do not answer"
        return json.loads(line)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def devices(count: int) -> Iterator[Devices]:
    """Give a process with so many devices; it is gone afterwards."""
    running = Devices(count)
    try:
        yield running
    finally:
        running.stop()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--devices", type=int, required=True)
    asyncio.run(_serve(options.parse_args().devices))
