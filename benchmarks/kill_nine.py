"""kill -9 of ingest, reader process, database backend, postmaster and broker while numbered messages and cyclic reads come.

``python -m benchmarks.kill_nine [--cycles 20] [--only KIND] [--resume FILE]``; a release wants ``--cycles 200 --resume FILE``, which goes
on where it was stopped. Prints for each kind the cycles, what was lost without a word, what stands twice, the bound that so many clean
cycles give (rule of three), and the time from the kill to the first new sample in the database; also how soon half-open links are found.
Exits 1 when a sample is lost or double, or a time that is promised is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from plant.clock import SystemClock
from plant.errors import Unavailable
from storage.database import connect
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.faults.device import devices
from tests.faults.proxy import Link, Proxies
from tests.faults.rig import Rig, mqtt_source, opcua_source
from tests.faults.stage import Press
from tests.ingest.parts import Mosquitto, until

_KINDS = ("ingest", "reader", "backend", "postmaster", "broker", "half-open")
_MUST_SECONDS = {"ingest": 5.0, "reader": 5.0, "backend": 10.0, "postmaster": 10.0, "broker": 10.0}
_HALF_OPEN_SECONDS = {"opcua": 3.0, "mqtt": 10.0}
_PART = 10
"""Cycles on one plant; what a run that is stopped loses at most."""


@dataclass
class _Plant:
    """All that runs: broker, database, devices, ingest, and a press that sends."""

    rig: Rig
    broker: Mosquitto
    server: EmbeddedPostgres
    press: Press
    links: dict[str, Link]
    seconds: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=20, help="kills of each kind")
    parser.add_argument("--only", choices=_KINDS)
    parser.add_argument("--resume", type=Path, metavar="FILE", help="remember here what is done, and go on from it")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("LEADHAND_SEED", "1")))
    options = parser.parse_args()
    done: dict[str, list[dict[str, Any]]] = {}
    if options.resume is not None and options.resume.exists():
        done = json.loads(options.resume.read_text())
    print(f"seed {options.seed}, load {os.getloadavg()[0]:.1f}")
    well = True
    for kind in [options.only] if options.only else _KINDS:
        parts = done.setdefault(kind, [])
        wanted = min(options.cycles, 5) if kind == "half-open" else options.cycles
        while sum(part["cycles"] for part in parts) < wanted:
            left = wanted - sum(part["cycles"] for part in parts)
            parts.append(_run(kind, min(_PART, left), Random(f"{options.seed} {kind} {len(parts)}")))  # noqa: S311
            if options.resume is not None:
                beside = options.resume.with_suffix(".new")
                beside.write_text(json.dumps(done))
                beside.replace(options.resume)
        well = _tell(kind, parts) and well
    return 0 if well else 1


def _run(kind: str, cycles: int, chance: Random) -> dict[str, Any]:
    with ExitStack() as stack:
        plant = _start(stack)
        rig = plant.rig
        for cycle in range(cycles):
            time.sleep(chance.uniform(0.3, 1.5))
            if kind == "half-open":
                plant.seconds += _half_open(plant, cycle)
            else:
                began = time.monotonic()
                _kill(kind, plant, chance)
                _until_new_samples(rig)
                plant.seconds.append(time.monotonic() - began)
        return {"cycles": cycles, **_judge(plant), "seconds": plant.seconds}


def _start(stack: ExitStack) -> _Plant:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lh")))
    proxies = stack.enter_context(Proxies())
    broker = Mosquitto(folder, "max_queued_messages 100000")
    broker.start()
    stack.callback(broker.stop)
    server = EmbeddedPostgres(folder / "postgres", clock=SystemClock())
    url = server.start()
    stack.callback(server.stop)
    migrate(url)
    device = stack.enter_context(devices(1))
    links = {"machine": proxies.link(("127.0.0.1", device.ports[0])), "press": proxies.link(("127.0.0.1", broker.port))}
    sources = {"press": mqtt_source("press", links["press"].port), "machine": opcua_source("machine", links["machine"].port)}
    rig = Rig(folder / "rig", url, sources, injected=False)
    stack.callback(rig.close)
    rig.start()
    rig.until_state("connected", "press", "machine")
    press = Press(broker.port)
    stack.callback(press.connection.stop)
    press.start()
    rig.until_stored_again("press", "machine")
    return _Plant(rig, broker, server, press, links)


def _kill(kind: str, plant: _Plant, chance: Random) -> None:
    rig = plant.rig
    if kind == "ingest":
        family = rig.family()
        assert rig.child is not None
        rig.child.kill()
        _, alive = psutil.wait_procs(family[1:], 20)
        if alive:
            raise SystemExit(f"orphans: {alive}")
        rig.start()
    elif kind == "reader":
        chance.choice(rig.family()[1:]).kill()
    elif kind == "backend":
        with connect(rig.url, application="benchmark") as database:
            rows = database.execute("SELECT pid FROM pg_stat_activity WHERE application_name ~ 'shipper'").fetchall()
        for (pid,) in rows:
            os.kill(pid, signal.SIGKILL)
    elif kind == "postmaster":
        if plant.server.pid is not None:
            os.kill(plant.server.pid, signal.SIGKILL)
        plant.server.start()
    else:
        plant.broker.kill()
        plant.broker.start()


def _newest(rig: Rig) -> tuple[int, int]:
    """How many samples of the machine and of the press are stored."""
    return rig.totals("machine").stored, rig.totals("press").stored


def _until_new_samples(rig: Rig) -> None:
    before: list[tuple[int, int]] = []

    def more() -> bool:
        try:
            now = _newest(rig)
        except Unavailable:
            # it was killed and comes back
            return False
        before.append(now)
        return now[0] > before[0][0] and now[1] > before[0][1]

    until(more, 120, 0.05)


def _half_open(plant: _Plant, cycle: int) -> list[float]:
    name = "machine" if cycle % 2 == 0 else "press"
    link = plant.links[name]
    told = _told(plant.rig, name)
    link.black_hole()
    began = time.monotonic()
    until(lambda: _told(plant.rig, name) > told, 60)
    seconds = time.monotonic() - began
    link.reset()
    link.heal()
    plant.rig.until_state("connected", "machine", "press", seconds=90)
    plant.rig.until_stored_again("machine", "press", seconds=90)
    return [seconds]


def _told(rig: Rig, source: str) -> int:
    return sum(f'"{source}"' in line and '"source away"' in line for line in rig.log.splitlines())


def _judge(plant: _Plant) -> dict[str, Any]:
    rig, press = plant.rig, plant.press
    # one message after the last kill shows by its number what is missing before it
    press.halt()
    until(lambda: press.connection.connected, 60)
    rig.until_state("connected", "press", "machine", seconds=90)
    press.send()
    press.finish()

    def told() -> bool:
        totals = rig.totals("press")
        return totals.stored + totals.gap >= 3 * press.sent

    until(told, 180, 0.2)
    rig.stop()
    rig.assert_exact("press", "machine")
    rig.assert_every_tick("machine")
    totals, machine = rig.totals("press"), rig.totals("machine")
    numbers = [int(value or 0) for _, value, *_ in rig.values("press", "counter")]
    return {
        "sent": 3 * press.sent,
        "stored": totals.stored,
        "gap_told": totals.gap,
        "kept_out": totals.duplicate,
        "lost": 3 * press.sent - totals.stored - totals.gap,
        "double": len(numbers) - len(set(numbers)),
        "machine_expected": machine.expected,
        "machine_unexplained": machine.unexplained(),
    }


def _tell(kind: str, parts: list[dict[str, Any]]) -> bool:
    def total(name: str) -> int:
        return sum(part[name] for part in parts)

    seconds = sorted(second for part in parts for second in part["seconds"])
    cycles = total("cycles")
    lost, double = total("lost"), total("double")
    print(
        f"{kind:<11} {cycles} cycles: {total('sent'):,} samples sent, {total('stored'):,} stored, {total('gap_told'):,} told as a gap, "
        f"{lost} lost without a word, {double} double, {total('kept_out'):,} doubles kept out, "
        f"{total('machine_expected'):,} cyclic reads, {total('machine_unexplained')} unexplained"
    )
    well = lost == 0 and double == 0 and total("machine_unexplained") == 0
    if kind == "half-open":
        for name, which in (("opcua", 0), ("mqtt", 1)):
            found = [second for part in parts for second in part["seconds"][which::2]]
            if found:
                must = _HALF_OPEN_SECONDS[name]
                print(f"            {name}: found after {max(found):.1f} s at most (must: {must:g} s)")
                well = well and max(found) <= must
        return well
    # no acknowledged message may be lost but with a broker, which takes with it what only it had
    well = well and (kind == "broker" or total("gap_told") == 0)
    must = _MUST_SECONDS[kind]
    print(
        f"            a loss in more than {min(1.0, 3 / cycles):.1%} of kills is ruled out at 95 %; first new sample in the database after "
        f"{seconds[len(seconds) // 2]:.1f} s (median), {seconds[-1]:.1f} s at most (must: {must:g} s)"
    )
    return well and seconds[-1] <= must


if __name__ == "__main__":
    sys.exit(main())
