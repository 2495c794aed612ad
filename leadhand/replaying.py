"""``leadhand replay``: a recording played as a device, and with ``--store`` taken in by ingest until all of it is durable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from leadhand import programs
from leadhand.accounting import read_accounts, table
from leadhand.child import Facts, import_path
from leadhand.console import Console
from leadhand.databases import connected
from leadhand.draining import drain
from leadhand.home import Home
from leadhand.session import supervised
from leadhand.settings import load_settings
from leadhand.starting import broker_for, reported, start_database
from plant.clock import Clock
from plant.signals import SourceId
from storage.counting import count_rows
from storage.health import read_sources

SOURCE = SourceId("recording")
"""What the simulator calls the recording."""
_SUBSCRIBING_SECONDS = 30.0
_ALWAYS = (0, 253_370_764_800_000_000)
"""Until the year 9999."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What a person chose."""

    file: Path
    via: str
    speed: float = 1.0
    once: bool = False
    mqtt_url: str | None = None


def play(options: ReplayOptions, site_out: Path) -> int:
    """Become the simulator that plays the file, and return its exit code."""
    broker = programs.broker_at(options.mqtt_url) if options.mqtt_url else None
    program = programs.replay_simulator(site_out, file=options.file, via=options.via, broker=broker, speed=options.speed, once=options.once)
    running = subprocess.Popen([sys.executable, "-P", *program.arguments], env={**os.environ, **import_path(), **program.environment})
    while True:
        try:
            return running.wait()
        except KeyboardInterrupt:
            continue  # the terminal told the simulator too; it stops by itself


def play_and_store(options: ReplayOptions, home: Home, console: Console, clock: Clock) -> int:
    """Play the file, take it in, and tell what is in the database; returns 0 only when the ledger adds up and no row is missing."""
    home.create()
    settings = load_settings(home.settings)
    with supervised(home, "replay", console, clock) as supervisor:
        broker = None
        if options.via == "mqtt":
            broker = programs.broker_at(options.mqtt_url) if options.mqtt_url else broker_for(settings, home)
        url = start_database(supervisor, home, settings, () if broker is None else broker.programs)
        with reported(supervisor, url, clock):
            supervisor.start([programs.upkeep(home, url, settings.storage.budget_gb)])
            before = _stored(url)
            player = programs.replay_simulator(
                home.site,
                file=options.file,
                via=options.via,
                broker=broker,
                speed=options.speed,
                once=options.once,
                hold=broker is not None,
            )
            facts = supervisor.start([player])[0]
            supervisor.start([programs.ingest(home, home.site, url)])
            if broker is not None:
                supervisor.watch(_Subscriber(url, clock).is_there, _SUBSCRIBING_SECONDS)
                supervisor.children["simulator"].signal(signal.SIGUSR1)
            console.said(f"playing {facts['rows']:,} rows of {facts['signals']} signals from {options.file}")
            finished = supervisor.watch(lambda: supervisor.children["simulator"].pid is None)
            drain(supervisor, url, console, clock, pushed=options.via == "mqtt")
            return _tell(url, _stored(url) - before, facts if finished else None)
    return 0


class _Subscriber:
    """Ingest's own word on whether it has subscribed: a broker gives a message to those who are there when it comes."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._since_us = clock.now_us()

    def is_there(self) -> bool:
        """Return whether ingest has told, since this was made, that it is connected."""
        with connected(self._url, read_only=True) as connection:
            reports = read_sources(connection)
        return any(r.source == SOURCE and r.state == "connected" and r.updated_us > self._since_us for r in reports)


def _stored(url: str) -> int:
    with connected(url, read_only=True) as connection:
        return count_rows(connection).get(SOURCE, 0)


def _tell(url: str, stored: int, facts: Facts | None) -> int:
    with connected(url, read_only=True) as connection:
        accounts = [account for account in read_accounts(connection, *_ALWAYS) if account.source == SOURCE]
    sys.stdout.write(table(accounts) + "\n")
    unexplained = sum(account.unexplained for account in accounts)
    sys.stdout.write(f"{stored:,} samples stored; the ledger {'adds up' if not unexplained else f'leaves {unexplained:,} unexplained'}\n")
    missing = 0 if facts is None else int(facts["rows"]) * int(facts["signals"]) - stored
    if missing:
        sys.stdout.write(f"{missing:,} samples of the file are missing\n")
    return 0 if unexplained == 0 and missing == 0 else 1
