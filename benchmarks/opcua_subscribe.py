"""What one value received by subscription costs the client in CPU: ours against asyncua's Subscription and a node-opcua client.

Run ``python -m benchmarks.opcua_subscribe [--nodes 1000] [--seconds 6] [--seed 1]``. The server changes all nodes each 100 ms and sends
each 100 ms; the clients listen one after the other, and only their own CPU counts. The server is open62541 (C) where
``LEADHAND_O6_PYTHON`` names a Python with the package o6, else asyncua's. Exits with 1 when ours is not cheaper by the factors aimed at,
or a message was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from typing import Any

from asyncua.client.client import Client

from benchmarks.opcua_native_server import PYTHON, available, native_server
from benchmarks.opcua_read import NODE_CLIENT, TYPES, Cost
from plant.signals import DataType
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, Wish, open_session
from tests.protocols.opcua_servers import asyncua_server

EVERY_MS = 100
MUST_ASYNCUA, MUST_NODE = 20.0, 4.0


async def ours(url: str, space: str, nodes: int, seconds: float, *, mixed: bool) -> tuple[Cost, int]:
    """Return what our subscription used, and how many messages were lost."""
    session = await open_session(OpcUaEndpoint(url, policy="None", mode="None", timeout_seconds=30))
    wanted = [TYPES[n % 7] if mixed else DataType.DOUBLE for n in range(nodes)]
    found = await session.resolve([f"{space};i={n + 1}" for n in range(nodes)], wanted)
    subscription = await session.subscribe(Wish(EVERY_MS, EVERY_MS))
    assert await subscription.add({n: node.node_id for n, node in enumerate(found) if isinstance(node, ResolvedNode)}) == {}
    cost, lost = Cost(), 0
    until = time.perf_counter() + 1.5
    while time.perf_counter() < until:
        await subscription.receive()
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        delivery = await subscription.receive()
        cost.values += sum(len(changes) for changes in delivery.changes)
        lost += delivery.lost
    cost.cpu_us, cost.wall_us = (time.process_time() - cpu) * 1e6, (time.perf_counter() - wall) * 1e6
    await subscription.delete()
    await session.close()
    return cost, lost


class _Counting:
    """asyncua's handler."""

    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, _node: Any, _value: Any, _sent: Any) -> None:
        self.values += 1


async def theirs(url: str, space: str, nodes: int, seconds: float) -> Cost:
    """Return what asyncua's subscription used."""
    handler = _Counting()
    async with Client(url, timeout=60) as client:
        subscription: Any = await client.create_subscription(EVERY_MS, handler)
        handles = [client.get_node(f"{space};i={n + 1}") for n in range(nodes)]
        await subscription.subscribe_data_change(handles, sampling_interval=EVERY_MS, queuesize=100)
        await asyncio.sleep(1.5)
        handler.values, wall, cpu = 0, time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        cost = Cost(handler.values, (time.process_time() - cpu) * 1e6, (time.perf_counter() - wall) * 1e6)
        await subscription.delete()
    return cost


def node_client(url: str, space: str, nodes: int, seconds: float) -> Cost | None:
    """Return what a node-opcua client used, None where it is not installed."""
    node = shutil.which("node")
    if node is None or not (NODE_CLIENT.parent / "node_modules" / "node-opcua").is_dir():
        return None
    command = [node, str(NODE_CLIENT), "subscribe", url, space, str(nodes), str(seconds), str(EVERY_MS), str(EVERY_MS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(answer.stdout.strip().splitlines()[-1])
    return Cost(facts["values"], facts["cpu_us"], facts["wall_us"])


async def run(nodes: int, seconds: float, seed: int, *, mixed: bool) -> bool:
    """Print one comparison; return whether what is aimed at was reached."""
    arguments = ["--many", str(nodes), "--seed", str(seed), "--churn", str(nodes), *(["--mixed"] if mixed else [])]
    native = available()
    if native:
        arguments += ["--every-ms", str(EVERY_MS)]
    else:
        arguments += ["--write-ms", str(EVERY_MS)]
    with (native_server if native else asyncua_server)(*arguments) as server:
        space = server.ready.get("space", "ns=4")
        our_cost, lost = await ours(server.url, space, nodes, seconds, mixed=mixed)
        peers = {"asyncua": (await theirs(server.url, space, nodes, seconds), MUST_ASYNCUA)}
        other = await asyncio.to_thread(node_client, server.url, space, nodes, seconds)
    if other is not None:
        peers["node-opcua"] = (other, MUST_NODE)
    print(f"{nodes} nodes, {'seven types' if mixed else 'Double'}, all change each {EVERY_MS} ms; {lost} messages lost")
    print(our_cost.line("ours"))
    kept = lost == 0
    for who, (cost, aim) in peers.items():
        print(cost.line(who))
        if not cost.values:
            print(f"  {who} received nothing")
            continue
        ratio = cost.each_us / our_cost.each_us
        must = aim if nodes >= 1000 and not mixed else 0.0
        print(
            f"  => {ratio:6.1f} times less CPU than {who}" + (f" (aim: {must:g}) {'kept' if ratio >= must else 'MISSED'}" if must else "")
        )
        kept = kept and ratio >= must
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="1000")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    source = "open62541 (C)" if available() else f"asyncua's, as {PYTHON} names no Python with o6"
    print(f"server: {source}; seed {options.seed}, {os.cpu_count()} CPUs ({platform.machine()}), load {os.getloadavg()}")
    cpu, kept = time.process_time(), True
    for nodes in map(int, options.nodes.split(",")):
        for mixed in (False, True):
            kept = asyncio.run(run(nodes, options.seconds, options.seed, mixed=mixed)) and kept
    print(f"{time.process_time() - cpu:.1f} s CPU, load at the end {os.getloadavg()}")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
