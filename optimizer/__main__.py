"""The optimizer process: ``python -m optimizer --site site.toml``."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import Final

import structlog

from optimizer.working import Worker
from plant.clock import Clock, SystemClock
from plant.errors import SettingsError, Unavailable
from plant.site import load_site
from plant.watch import SettingsWatch
from storage import alarms, design_changes, inspections
from storage.database import Connection, connect, heard, listen
from storage.disturbances import DISTURBED
from storage.job_orders import ORDERED
from storage.nests import NESTED
from storage.new_products import ASKED
from storage.operation_history import ROUTE_SET
from storage.optimizer_jobs import ASKED_JOBS
from storage.part_orders import PARTS_ORDERED
from storage.plan_edits import EDITED
from storage.process import run_process, say_ready
from storage.progress import hold_follower
from storage.recommendations import RECOMMENDED
from storage.stock import STOCKED
from storage.trials import TUNED

NAME: Final = "optimizer"
_CHANNELS: Final = (
    *(ROUTE_SET, ASKED, ASKED_JOBS, RECOMMENDED, TUNED),
    *(PARTS_ORDERED, STOCKED, NESTED),
    *(ORDERED, EDITED, DISTURBED, alarms.CHANGED, inspections.INSPECTED, design_changes.CHANGED),
)
_NICE: Final = 10
"""What reads the machines, and what people look at, goes first."""
_LISTEN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 5.0
"""Time between two looks when nobody says anything."""
_STANDBY_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Recommend routes from what storage holds until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m optimizer", description="Learn from measured history, and recommend routes.")
    parser.add_argument("--site", type=Path, required=True, help="settings of the factory")
    options = parser.parse_args(arguments)
    os.nice(_NICE)
    return run_process(lambda url, stop: watch(options.site, url, SystemClock(), stop))


def watch(path: Path, url: str, clock: Clock, stop: threading.Event) -> int:
    """Work until told to stop; returns the exit code. Changed settings are taken up within seconds, what was learned stays if it may."""
    log = structlog.get_logger(process="optimizer")
    settings = SettingsWatch(path)
    plan = load_site(path).optimizer
    say_ready(wanted=bool(plan))
    worker = Worker(url, plan, clock)
    while not stop.is_set():
        _work(worker, url, clock, stop, settings)
        if not stop.is_set():
            try:
                plan = load_site(path).optimizer
            except SettingsError as error:
                log.warning("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
            else:
                worker.end(_STOP_SECONDS)
                worker = Worker(url, plan, clock, worker.knowledge)
                log.info("the settings were read anew")
    if not worker.end(_STOP_SECONDS):
        log.warning("stopped while it learned; the next one learns anew")
    return 0


def _work(worker: Worker, url: str, clock: Clock, stop: threading.Event, settings: SettingsWatch) -> None:
    """Work until told to stop or the settings change; wait while the database is away, or another optimizer is at work."""
    log = structlog.get_logger(process="optimizer")
    away, pause = "", 1.0
    while not stop.is_set() and not settings.changed():
        try:
            with connect(url, application="leadhand optimizer") as connection:
                if hold_follower(connection, NAME):
                    if away:
                        log.info("goes on")
                    away, pause = "", 1.0
                    if _rounds(worker, connection, clock, stop, settings):
                        return
                    continue
            reason, pause = "another optimizer is at work; this one stands by", _STANDBY_SECONDS
        except Unavailable as error:
            reason = str(error)
        if reason != away:
            log.warning("cannot go on yet", reason=reason)
        away = reason
        stop.wait(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _rounds(worker: Worker, connection: Connection, clock: Clock, stop: threading.Event, settings: SettingsWatch) -> bool:
    """Return whether the settings changed."""
    for channel in _CHANNELS:
        listen(connection, channel)
    worker.begin(connection)
    due = clock.monotonic()
    while not stop.is_set():
        if clock.monotonic() >= due or worker.at_work:
            more = worker.step(connection)
            due = clock.monotonic() + (0.0 if more else _LOOK_SECONDS)
        if settings.changed():
            return True
        if heard(connection, 0.0 if clock.monotonic() >= due else _LISTEN_SECONDS):
            due = clock.monotonic()
    return False


if __name__ == "__main__":
    sys.exit(main())
