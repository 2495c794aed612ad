"""What the simulated plant costs at its usual size: ``python -m benchmarks.simulators_cost [--seconds 20] [--units N]``.

The plant runs as a process with a mosquitto and two OPC UA clients (ours) that read all of its nodes each 30 ms, encrypted as by default.
Printed: share of one core by psutil, and CPU microseconds for each value read at the highest rate, beside asyncua's own server on the same
machine in the same run. Ends with exit code 1 where a figure promised is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from plant.settings import OpcUaSourceSettings
from plant.signals import DataType
from plant.site import Site, load_site
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from protocols.opcua_reading import Reading
from protocols.pki import ensure_own_certificate

MOST_SHARE = 0.25
MOST_US_PER_VALUE = 5.0
_PEER_NODES = 300
_FLAT_OUT_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--units", type=int, default=0)
    parser.add_argument("--insecure", action="store_true", help="without encryption")
    parser.add_argument("--asyncua-server", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.asyncua_server is not None:
        asyncio.run(_asyncua_server(given.asyncua_server))
        return 0
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="leadhand-simulators-") as folder:
        share, cost = asyncio.run(_measure(Path(folder), given))
    peer = asyncio.run(_peer())
    print(f"asyncua's own server {peer:8.2f} us of CPU a value ({_PEER_NODES} doubles a Read, plain; {peer / cost:.1f}x ours)")
    missed = []
    if not given.units and share > MOST_SHARE:
        missed.append(f"more than {MOST_SHARE:.0%} of a core")
    if cost > MOST_US_PER_VALUE:
        missed.append(f"more than {MOST_US_PER_VALUE:g} us a value")
    print("missed: " + ", ".join(missed) if missed else "all figures reached")
    return 1 if missed else 0


async def _measure(folder: Path, given: argparse.Namespace) -> tuple[float, float]:
    site_file = folder / "site.toml"
    with _mosquitto(folder) as url:
        command = ["-m", "simulators", "plant", "--seed", "1", "--mqtt-url", url, "--site-out", str(site_file)]
        command += (["--units", str(given.units)] if given.units else []) + (["--insecure"] if given.insecure else [])
        with _process(command) as (process, ready):
            print(f"{ready['devices']} devices, {ready['signals']} signals each 30 ms, {len(ready['topics'])} topics")
            plant = psutil.Process(process.pid)
            await asyncio.sleep(2)
            alone = await _share(plant, given.seconds / 4)
            print(f"nobody reads         {alone:8.1%} of a core (MQTT goes out all the same)")
            site = load_site(site_file)
            readings = [
                reading
                for source in site.sources
                if isinstance(source, OpcUaSourceSettings)
                for reading in [await _reading(folder, site, source)]
            ]
            stop = asyncio.Event()
            readers = [asyncio.create_task(_read_on_the_grid(reading, stop)) for reading, _, _ in readings]
            await asyncio.sleep(1)
            share = await _share(plant, given.seconds)
            stop.set()
            missed = sum([await reader for reader in readers])
            values = sum(count for _, count, _ in readings)
            print(
                f"{values} nodes each 30 ms {share:8.1%} of a core, memory {_megabytes(plant):.0f} MB, {missed} ticks missed by the reader"
            )
            cost = await _flat_out(plant, *readings[0][:2])
            how = "plain" if given.insecure else "encrypted"
            print(f"at the highest rate  {cost:8.2f} us of CPU a value ({readings[0][1]} nodes a Read, {how})")
            for _, _, session in readings:
                await session.close()
    return share, cost


async def _reading(folder: Path, site: Site, source: OpcUaSourceSettings) -> tuple[Reading, int, Any]:
    """Return the cyclic read of a source, how many nodes it reads, and its session."""
    if source.allow_insecure:
        endpoint = OpcUaEndpoint(source.url, policy="None", mode="None")
    else:
        certificate, key = ensure_own_certificate(folder / "client", "urn:leadhand:client")
        assert source.password_file is not None
        assert source.security.server_certificate is not None
        endpoint = OpcUaEndpoint(
            source.url,
            username=source.username,
            password=_content(source.password_file),
            server_certificate=Path(source.security.server_certificate),
            own_certificate=certificate,
            own_key=key,
        )
    session = await open_session(endpoint)
    signals = [signal for signal in site.signals if signal.source == source.id]
    resolved = await session.resolve([s.address for s in signals], [s.data_type for s in signals])
    nodes = [node for node in resolved if isinstance(node, ResolvedNode)]
    assert len(nodes) == len(signals), [node for node in resolved if not isinstance(node, ResolvedNode)][:3]
    return await session.prepare(nodes), len(nodes), session


def _content(file: str) -> str:
    return Path(file).read_text(encoding="utf-8").strip()


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


async def _read_on_the_grid(reading: Reading, stop: asyncio.Event) -> int:
    """Read at each multiple of 30 ms; return how many were missed."""
    missed, tick = 0, int(time.time() / 0.03) + 1
    while not stop.is_set():
        await asyncio.sleep(tick * 0.03 - time.time())
        await reading.read()
        now = int(time.time() / 0.03)
        missed += max(0, now - tick)
        tick = max(tick, now) + 1
    return missed


async def _share(process: psutil.Process, seconds: float) -> float:
    begin, before = time.monotonic(), _cpu(process)
    await asyncio.sleep(seconds)
    return (_cpu(process) - before) / (time.monotonic() - begin)


async def _flat_out(process: psutil.Process, reading: Reading, nodes: int) -> float:
    """Return CPU microseconds of the server for each value, with one read after the other."""
    reads, before, until = 0, _cpu(process), time.monotonic() + _FLAT_OUT_SECONDS
    while time.monotonic() < until:
        await reading.read()
        reads += 1
    return (_cpu(process) - before) / (reads * nodes) * 1e6


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _peer() -> float:
    """Return what asyncua's own server needs for a value, read by the same client."""
    port = _free_port()
    with _process(["-m", "benchmarks.simulators_cost", "--asyncua-server", str(port)]) as (process, _):
        session = await open_session(OpcUaEndpoint(f"opc.tcp://127.0.0.1:{port}/", policy="None", mode="None"))
        addresses = [f"nsu=urn:peer;s=v{n}" for n in range(_PEER_NODES)]
        nodes = [n for n in await session.resolve(addresses, [DataType.DOUBLE] * _PEER_NODES) if isinstance(n, ResolvedNode)]
        assert len(nodes) == _PEER_NODES
        cost = await _flat_out(psutil.Process(process.pid), await session.prepare(nodes), _PEER_NODES)
        await session.close()
    return cost


async def _asyncua_server(port: int) -> None:
    from asyncua import ua
    from asyncua.server.server import Server

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:peer")
    for number in range(_PEER_NODES):
        await server.nodes.objects.add_variable(ua.NodeId(f"v{number}", index), f"{index}:v{number}", float(number))  # type: ignore[arg-type]
    async with server:
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.Event().wait()


@contextmanager
def _process(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[1]) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def _mosquitto(folder: Path) -> Iterator[str]:
    port = _free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        yield f"mqtt://127.0.0.1:{port}"
        process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
