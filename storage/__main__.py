"""The upkeep process: ``python -m storage``."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import structlog

from plant.clock import Clock, SystemClock
from plant.errors import Unavailable
from storage.audit import audit_anchor
from storage.audit_anchors import add_anchor
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.process import run_process, say_ready
from storage.upkeep import Upkeep

_ROLL_UP_SECONDS = 5.0
_WHOLE_SECONDS = 30.0
_ANCHOR_SECONDS = 3600.0
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
    parser.add_argument("--anchors", type=Path, default=None, help="file that each hour gets a line of how the audit trail stands")
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
                upkeep = Upkeep(connection, budget_bytes=budget, clock=clock)
                _rounds(connection, upkeep, options.every, options.anchors, stop, clock, log)
        except Unavailable as error:
            if not away:
                log.warning("database away", reason=str(error))
            away = True
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return 0


def _rounds(
    connection: Connection,
    upkeep: Upkeep,
    every: float,
    anchors: Path | None,
    stop: threading.Event,
    clock: Clock,
    log: structlog.stdlib.BoundLogger,
) -> None:
    next_whole = next_anchor = clock.monotonic()
    while not stop.is_set() and not connection.closed:
        if anchors is not None and clock.monotonic() >= next_anchor:
            _anchor(connection, anchors, clock, log)
            next_anchor = clock.monotonic() + _ANCHOR_SECONDS
        if clock.monotonic() >= next_whole:
            report = upkeep.run_once()
            next_whole = clock.monotonic() + _WHOLE_SECONDS
            if report.dropped:
                log.info("oldest data dropped for the disk budget", parts=len(report.dropped), first=report.dropped[0])
        else:
            upkeep.roll_up()
        stop.wait(every)


def _anchor(connection: Connection, path: Path, clock: Clock, log: structlog.stdlib.BoundLogger) -> None:
    anchor = audit_anchor(connection, clock.now_us())
    if anchor is None:
        return
    # in the log too: who changes the file must find each copy of the log
    log.info("audit trail anchored", entry=anchor.id, hash=anchor.hash)
    try:
        add_anchor(path, anchor)
    except OSError as error:
        log.warning("the anchor of the audit trail cannot be written", path=str(path), reason=str(error))


if __name__ == "__main__":
    sys.exit(main())
