"""What live pages cost the server: clients listen at 1 Hz while a plant of 500 signals changes each second.

    python -m benchmarks.dashboard_clients [--clients 50 200 500] [--seconds 60] [--seed 1]

Starts an embedded PostgreSQL, a writer and the real dashboard process, and prints for each number of clients its CPU in percent of a core,
memory, bytes per client and second, and how late messages are. Half of the clients show the overview (all newest values, states, sources),
half an equipment (its values, four 30 ms trends). Then, before the fewest clients, each of them opens another page every ten seconds as
well: how long the callbacks take that draw it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.live_plant import admin_session, written
from benchmarks.promises import Promises, spread
from dashboard.gate import SESSION_COOKIE
from plant.clock import SystemClock
from plant.site import load_site
from storage.catalogue import register_site
from storage.database import connect
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.dashboard.running import start_process

EVERY_SECONDS = 10.0
_TLS = ssl.create_default_context()
"""One for all clients, though none uses it: making one takes longer than many messages."""
UNITS, SIGNALS = 50, 10
PER_SECOND = 33
LIMIT_PERCENT = {50: 8.0, 200: 12.0, 500: 25.0}
LIMIT_LATE_MS, LATE_CLIENTS = 150.0, 200
LIMIT_CALLBACK_MS = 150.0
_PAGES = ("/", "/alarms", "/health", "/ledger", "/equipment/bench/one/area/line/unit-7", "/condition", "/losses", "/recommendations")
SITE = f"""
[site]
enterprise = "bench"
id = "one"

[[equipment]]
path = "area/line/unit-{{1..{UNITS}}}"

[[sources]]
protocol = "opcua"
id = "plant"
url = "opc.tcp://127.0.0.1:4840"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true

[[signals]]
equipment = "area/line/*"
name = "s{{1..{SIGNALS}}}"
source = "plant"
address = "nsu=urn:b;s={{equipment}}.{{signal}}"
limits = {{ low = 0.5, high = 9.5 }}
"""


async def listen(url: str, cookie: str, topics: str, until: list[float], lateness: list[float], sizes: list[int]) -> None:
    """Listen as a page does; note how late each clock message is and how much came."""
    received = 0
    async with (
        httpx.AsyncClient(cookies={SESSION_COOKIE: cookie}, timeout=30, verify=_TLS) as client,
        client.stream("GET", f"{url}/live", params={"topics": topics}) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_raw():
            now = time.time()
            received += len(chunk)
            at = chunk.rfind(b'{"topic":"clock"')
            if at >= 0 and chunk.endswith(b"\n\n"):
                lateness.append(now - json.loads(chunk[at:].split(b"\n")[0])["time_us"] / 1e6)
            if now >= until[0]:
                break
    sizes.append(received)


async def visit(url: str, cookie: str, until: list[float], took: list[float], rng: np.random.Generator, call: dict[str, Any]) -> None:
    """Open another page every ten seconds, as a click in the navigation does; note how long its callback takes."""
    async with httpx.AsyncClient(
        base_url=url, cookies={SESSION_COOKIE: cookie}, headers={"Origin": url}, timeout=60, verify=_TLS
    ) as client:
        await asyncio.sleep(float(rng.uniform(0, EVERY_SECONDS)))
        while time.time() < until[0]:
            asked = {"id": "address", "property": "pathname", "value": str(rng.choice(_PAGES))}
            began = time.perf_counter()
            answer = await client.post("/_dash-update-component", json={**call, "inputs": [asked]})
            took.append(time.perf_counter() - began)
            answer.raise_for_status()
            await asyncio.sleep(EVERY_SECONDS)


def showing(url: str, cookie: str) -> dict[str, Any]:
    """Return the call by which the frame asks for a page, but for its address."""
    answer = httpx.get(f"{url}/_dash-dependencies", cookies={SESSION_COOKIE: cookie}, timeout=60).raise_for_status()
    shown = next(one for one in answer.json() if [i["id"] for i in one["inputs"]] == ["address"] and "page.children" in one["output"])
    parts = [part.rsplit(".", 1) for part in shown["output"].strip(".").split("...")]
    outputs = [{"id": name, "property": what} for name, what in parts]
    return {"output": shown["output"], "outputs": outputs, "changedPropIds": ["address.pathname"]}


@dataclass(frozen=True, slots=True)
class Heard:
    """What clients noted."""

    lateness_s: list[float] = field(default_factory=list)
    callbacks_s: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


_SHOWN = [
    "latest,overview,sources",
    *(
        f"equipment:bench/one/area/line/unit-{n},signal:{10 * n - 9},signal:{10 * n - 8},signal:{10 * n - 7},signal:{10 * n - 6}"
        for n in range(1, 26)
    ),
]


async def measure(
    url: str, cookie: str, clients: int, seconds: float, process: psutil.Process, visits: np.random.Generator | None = None
) -> tuple[float, Heard]:
    """Return the percent of a core that clients cost, and what they noted; with ``visits`` each of them also opens pages."""
    warm, heard, call = 5.0, Heard(), showing(url, cookie)
    until = [time.time() + 3600]
    tasks = [
        asyncio.create_task(listen(url, cookie, _SHOWN[0] if n % 2 else _SHOWN[1 + n // 2 % 25], until, heard.lateness_s, heard.sizes))
        for n in range(clients)
    ]
    await asyncio.sleep(warm)
    heard.lateness_s.clear()
    until[0] = time.time() + seconds
    if visits is not None:
        tasks += [asyncio.create_task(visit(url, cookie, until, heard.callbacks_s, visits, call)) for _ in range(clients)]
    before, started = process.cpu_times(), time.perf_counter()
    await asyncio.sleep(seconds)
    after, took = process.cpu_times(), time.perf_counter() - started
    await asyncio.gather(*tasks)
    cpu = (after.user - before.user + after.system - before.system) / took * 100
    late = np.array(heard.lateness_s or [0.0]) * 1000
    print(f"  clients {clients}, signals {UNITS * SIGNALS}, seconds {took:.1f}, load {os.getloadavg()[0]:.1f}")
    print(f"    server cpu {cpu:.1f} % of one core, memory {process.memory_info().rss / 1e6:.0f} MB")
    print(f"    messages {len(late)}, lateness p50 {np.percentile(late, 50):.1f} ms, p95 {np.percentile(late, 95):.1f} ms")
    print(f"    bytes per client and second {np.sum(heard.sizes) / max(1, clients) / (took + warm):,.0f}", flush=True)
    return cpu, heard


def watch(url: str, cookie: str, asked: argparse.Namespace, server: psutil.Process, promises: Promises) -> None:
    """Have more and more clients listen, then the fewest also open pages."""
    for clients in sorted({1, *asked.clients}):
        cpu, heard = asyncio.run(measure(url, cookie, clients, asked.seconds, server))
        if clients in LIMIT_PERCENT:
            promises.most(f"{clients} clients at 1 Hz", cpu, LIMIT_PERCENT[clients], "% of a core")
        if clients == LATE_CLIENTS:
            late = 1000 * float(np.percentile(heard.lateness_s, 95))
            promises.most(f"how late live values come to {clients} clients, p95", late, LIMIT_LATE_MS, "ms")
    fewest = min(asked.clients)
    _, heard = asyncio.run(measure(url, cookie, fewest, asked.seconds, server, np.random.default_rng(asked.seed)))
    took_ms = [1000 * s for s in heard.callbacks_s] or [float("inf")]
    print(f"    pages opened: {spread(took_ms)}")
    promises.most(f"callbacks before {fewest} clients, p95", float(np.percentile(took_ms, 95)), LIMIT_CALLBACK_MS, "ms")


def main() -> int:
    """Start everything, measure with one client and with all, and clear up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="*", default=[50, 200, 500])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    promises = Promises(asked.seed)
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "site.toml").write_text(SITE)
        postgres = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        url = postgres.start()
        try:
            migrate(url)
            site = load_site(home / "site.toml")
            with connect(url, application="bench") as connection:
                register_site(connection, site)
            cookie = admin_session(url)
            with (
                written(url, site, PER_SECOND) as writer,
                start_process(home, home / "site.toml", url, Path(folder) / "log") as (process, ready),
            ):
                watch(f"http://127.0.0.1:{ready['port']}", cookie, asked, psutil.Process(process.pid), promises)
            print(f"rows written meanwhile {writer.rows:,}")
        finally:
            postgres.stop()
    return promises.end()


if __name__ == "__main__":
    sys.exit(main())
