"""The upkeep process: ``python -m storage``."""

from __future__ import annotations

import argparse
import sys
import threading

import structlog

from plant.clock import Clock, SystemClock
from plant.errors import Unavailable
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.process import run_process, say_ready
from storage.upkeep import Upkeep

_ROLL_UP_SECONDS = 5.0
_WHOLE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Keep the database that LEADHAND_DATABASE_URL names in shape until told to stop; returns the exit code."""
    options = _parse(arguments)
    return run_process(lambda url, stop: _keep(url, options, stop, SystemClock()))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m storage", description="Keep the database in shape: partitions, rollups, disk budget.")
    parser.add_argument(
        "--budget-gb", type=float, default=None, help="most that the database may take; without it nothing is dropped for room"
    )
    parser.add_argument("--every", type=float, default=_ROLL_UP_SECONDS, help="seconds between two looks at the rollups")
    options = parser.parse_args(arguments)
    if options.budget_gb is not None and options.budget_gb <= 0:
        parser.error("--budget-gb must be above 0")
    if options.every <= 0:
        parser.error("--every must be above 0")
    return options


def _keep(url: str, options: argparse.Namespace, stop: threading.Event, clock: Clock) -> int:
    """Work while the database is there, wait while it is away; say each change once. Returns the exit code."""
    log = structlog.get_logger(process="storage")
    budget = None if options.budget_gb is None else round(options.budget_gb * 1e9)
    said_ready = away = False
    pause = 1.0
    while not stop.is_set():
        try:
            applied = migrate(url)
            if applied:
                log.info("schema brought up to date", migrations=applied)
            with connect(url, application="leadhand storage") as connection:
                if away:
                    log.info("database back")
                away, pause = False, 1.0
                if not said_ready:
                    say_ready(budget_bytes=budget)
                    said_ready = True
                _rounds(connection, Upkeep(connection, budget_bytes=budget, clock=clock), options.every, stop, clock, log)
        except Unavailable as error:
            if not away:
                log.warning("database away", reason=str(error))
            away = True
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return 0


def _rounds(
    connection: Connection, upkeep: Upkeep, every: float, stop: threading.Event, clock: Clock, log: structlog.stdlib.BoundLogger
) -> None:
    next_whole = clock.monotonic()
    while not stop.is_set() and not connection.closed:
        if clock.monotonic() >= next_whole:
            report = upkeep.run_once()
            next_whole = clock.monotonic() + _WHOLE_SECONDS
            if report.dropped:
                log.info("oldest data dropped for the disk budget", parts=len(report.dropped), first=report.dropped[0])
        else:
            upkeep.roll_up()
        stop.wait(every)


if __name__ == "__main__":
    sys.exit(main())
