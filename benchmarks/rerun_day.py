"""A day of history judged again: the journal made a second time from the stored samples is the same, byte for byte.

A simulated cell tells a day of samples, shipped as a gateway would. The monitor's part for alarms follows them by a clock that goes with
the history, is killed again and again, and operators acknowledge, reset, shelve and take out of service meanwhile. Then ``rerun_alarms``
(what ``leadhand monitor rerun`` does) judges the whole day from raw samples and stored inputs, into nothing, and compares.

``python -m benchmarks.rerun_day [--hours 24] [--signals 20] [--interval 1] [--kills 40] [--seed 1]``. Fails where a line differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from monitor.alarm_follower import AlarmFollower
from monitor.rerun import Rerun, rerun_alarms
from plant.alarms import ActionKind, AlarmId
from plant.clock import SystemClock
from plant.samples import NO_TIME, SampleBatch
from plant.shipment import Shipment, SourceStand
from plant.signals import SourceId
from plant.site import Site, load_site
from storage.alarms import ask, read_actions, read_standings
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter

_SECOND_US = 1_000_000
_HOUR_US = 3_600 * _SECOND_US
_SHIPMENT_SECONDS = 10
_STEP_SHIPMENTS = 6
_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/cell"

[[sources]]
protocol = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:4840"

[[signals]]
equipment = "hall/line/cell"
name = "{{1..{signals}}}"
source = "plc"
address = "ns=1;i={{signal}}"
limits = {{ low_low = 5, low = 15, high = 85, high_high = 95 }}

[[alarms]]
equipment = "**"
signal = "*"
kind = "high"
on_delay_seconds = 3
deadband = 4
latching = true

[[alarms]]
equipment = "**"
signal = "*"
kind = "low"
off_delay_seconds = 5

[[alarms]]
equipment = "**"
signal = "*"
kind = "rate"
limit = 11
window_seconds = 2

[[alarms]]
equipment = "**"
signal = "*"
kind = "deviation"
limit = 40
set_point = 50
on_delay_seconds = 20
"""
_WITHOUT_SOURCES = '\n[[alarms]]\nsource = "*"\nkind = "{}"\nenabled = false\n'
"""Those of sources go by the clock of the server, which this history is far behind."""


@dataclass
class HistoryClock:
    """Says what time it is in the history."""

    us: int

    def now_us(self) -> int:
        """Return microseconds since 1970."""
        return self.us

    def monotonic(self) -> float:
        """Return seconds."""
        return self.us / 1e6

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.us += round(seconds * 1e6)


def main() -> int:
    """Make a day, judge it twice and print; 1 where the second judgement differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rerun_day", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds from sample to sample")
    parser.add_argument("--kills", type=int, default=40, help="how often the monitor is killed")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"machine load {os.getloadavg()[0]:.1f}, seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        path = Path(folder) / "site.toml"
        path.write_text(_SITE.format(signals=options.signals) + "".join(map(_WITHOUT_SOURCES.format, ("silent", "disconnected", "gap"))))
        database = EmbeddedPostgres(Path(folder) / "postgres", clock=SystemClock())
        url = database.start()
        try:
            migrate(url)
            return _run(url, load_site(path), options)
        finally:
            database.stop()


def _run(url: str, site: Site, options: argparse.Namespace) -> int:
    begin = (SystemClock().now_us() - round(options.hours * _HOUR_US)) // _HOUR_US * _HOUR_US
    wall = time.monotonic()
    judged, kills = _history(url, site, options, begin)
    print(
        f"{options.hours:g} h of {options.signals} signals each {options.interval:g} s, {len(site.alarms)} alarms: shipped and judged in "
        f"{time.monotonic() - wall:.0f} s, {judged:.1f} s of CPU for judging; the monitor was killed {kills} times"
    )
    cpu, wall = time.process_time(), time.monotonic()
    with connect(url, application="benchmark", statement_seconds=300) as connection:
        found = rerun_alarms(connection, site, 0, begin + round((options.hours + 1) * _HOUR_US))
        asked = len([one for one in read_actions(connection) if one.outcome is not None])
    spent = f"{time.monotonic() - wall:.0f} s, CPU {time.process_time() - cpu:.1f} s"
    print(f"judged again from {found.samples:,} samples and {asked} actions: {spent}")
    return _told(found)


def _told(found: Rerun) -> int:
    print(f"stored  {found.stored:,} lines, sha256 {found.stored_digest}")
    print(f"remade  {found.remade:,} lines, sha256 {found.remade_digest}")
    if found.difference is None and found.stored:
        print("the same, byte for byte (must)")
        return 0
    print(f"MISSED: the first difference is {found.difference}" if found.stored else "MISSED: nothing was judged")
    return 1


def _history(url: str, site: Site, options: argparse.Namespace, begin: int) -> tuple[float, int]:
    """Ship and judge the whole span; return the CPU seconds of judging here and how often the monitor was killed."""
    chance = np.random.default_rng(options.seed)
    clock = HistoryClock(begin)
    alarms = [definition.id for definition in site.alarms]
    judging, kills = 0.0, 0
    with connect(url, application="gateway") as connection, connect(url, application="monitor") as of_monitor:
        register_site(connection, site)
        writer, spool = SampleWriter(connection), uuid4()
        follower = AlarmFollower(site, clock)
        follower.step(of_monitor)
        steps = max(1, round(options.hours * 3600 / _SHIPMENT_SECONDS / _STEP_SHIPMENTS))
        for number, batch in enumerate(_batches(site, options, begin, chance), 1):
            end = begin + number * _SHIPMENT_SECONDS * _SECOND_US
            stand = SourceStand(SourceId("plc"), 0, end, round(options.interval * 1e6), options.signals)
            writer.ship(Shipment(spool, number, number, batch, stands=(stand,)))
            clock.us = end
            if number % _STEP_SHIPMENTS:
                continue
            _operate(connection, alarms, chance, end)
            if chance.random() < options.kills / steps:
                follower, kills = AlarmFollower(site, clock), kills + 1
            begun = time.process_time()
            follower.step(of_monitor)
            judging += time.process_time() - begun
        clock.us += _HOUR_US
        follower.step(of_monitor)
    return judging, kills


def _operate(connection: Connection, alarms: list[AlarmId], chance: np.random.Generator, now_us: int) -> None:
    """Let operators do what comes to their mind, to alarms that may or may not allow it."""
    standing = [one.definition.id for one in read_standings(connection, annunciated=True)]
    for name in standing:
        if chance.random() < 0.3:
            action = chance.choice(np.array([ActionKind.ACKNOWLEDGE, ActionKind.RESET]))
            ask(connection, [name], ActionKind(action), who="ann", requested_us=now_us)
    if chance.random() < 0.05:
        some = alarms[int(chance.integers(len(alarms)))]
        until = now_us + int(chance.integers(1, 60)) * 60 * _SECOND_US
        ask(connection, [some], ActionKind.SHELVE, who="bob", requested_us=now_us, reason="known", until_us=until)
    if chance.random() < 0.05:
        some = alarms[int(chance.integers(len(alarms)))]
        action = ActionKind.RETURN if chance.random() < 0.7 else ActionKind.REMOVE
        ask(connection, [some], action, who="cem", requested_us=now_us, reason="sensor changed")


def _batches(site: Site, options: argparse.Namespace, begin: int, chance: np.random.Generator) -> Iterator[SampleBatch]:
    """Yield what is shipped each ten seconds: values that wander about the middle and now and then far from it, some of them bad."""
    paths = tuple(signal.path for signal in site.signals)
    count = max(1, round(_SHIPMENT_SECONDS / options.interval))
    level = np.full(len(paths), 50.0)
    for number in range(round(options.hours * 3600 / _SHIPMENT_SECONDS)):
        values = np.empty((len(paths), count))
        for n in range(count):
            level += 0.01 * (50 - level) + chance.normal(0, 1.5, len(paths)) + 30 * (chance.random(len(paths)) < 0.0005)
            values[:, n] = np.clip(level, 0, 100)
        has = np.asarray(chance.random(values.shape) > 0.001)
        at = begin + number * _SHIPMENT_SECONDS * _SECOND_US + np.arange(count, dtype=np.int64) * round(options.interval * 1e6)
        times = np.tile(at, len(paths))
        yield SampleBatch(
            paths,
            np.repeat(np.arange(len(paths), dtype=np.int32), count),
            times,
            np.full(times.shape, NO_TIME),
            times + 20_000,
            np.where(has, np.round(values, 2), np.nan).ravel(),
            has.ravel(),
            np.zeros(times.shape, np.uint32),
            np.zeros(times.shape, np.int16),
        )


if __name__ == "__main__":
    sys.exit(main())
