"""The ingest process: ``python -m ingest``. Builds everything and hands it down."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from uuid import uuid4

import structlog

from ingest.endpoints import Places
from ingest.files import SystemFiles
from ingest.gateway import Gateway
from ingest.reporter import Reporter
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.stored import adopt_stored
from ingest.watch import SettingsWatch
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable
from plant.site import load_site
from storage.database import Connection, connect

_log = structlog.get_logger("ingest")


def main(arguments: list[str] | None = None) -> int:
    """Read all sources of a site until told to stop; returns the exit code."""
    options = _parse(arguments)
    _log_to_stderr()
    url = os.environ.get("LEADHAND_DATABASE_URL", "")
    if not url:
        sys.stderr.write("LEADHAND_DATABASE_URL is not set: name the database in it, e.g. postgresql://user:password@host/leadhand\n")
        return 2
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        _ingest(url, options, stop)
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ingest", description="Read all sources of a site into the database, losing nothing unseen."
    )
    parser.add_argument("--site", type=Path, required=True, help="the site's settings file")
    parser.add_argument("--home", type=Path, required=True, help="folder for spool, certificates and secrets")
    parser.add_argument("--only", default="*", help="glob over source ids: read these only")
    parser.add_argument("--sync-ms", type=float, default=500.0, help="longest time between two syncs of the spool; MQTT syncs at once")
    parser.add_argument("--ship-ms", type=float, default=1000.0, help="time between two shipments to the database")
    parser.add_argument("--spool-gb", type=float, default=4.0, help="most that the spool may hold while the database is away")
    options = parser.parse_args(arguments)
    for name in ("sync_ms", "ship_ms", "spool_gb"):
        if not getattr(options, name) > 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    return options


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    # asyncua reports at each failed attempt what we say once
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _come_first() -> None:
    """Go before other processes where the system allows it (root, CAP_SYS_NICE): a late tick is a lost sample, and we need little time."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def _ingest(url: str, options: argparse.Namespace, stop: threading.Event) -> None:
    _come_first()
    clock = SystemClock()
    watch = SettingsWatch(options.site)
    site = load_site(options.site)
    spool = Spool(options.home / "spool", SystemFiles(), new_id=uuid4, quota_bytes=round(options.spool_gb * 1e9))
    writer = SpoolWriter(spool, clock, sync_seconds=options.sync_ms / 1000)
    writer.open()

    def reach(application: str) -> Connection:
        return connect(url, application=application, statement_seconds=120)

    if spool.fresh:
        adopt_stored(lambda: reach("leadhand ingest"), writer, site, clock)
    gateway = Gateway(spool, writer, Places(options.home, options.site.parent), clock, only=options.only, seed=os.getpid())
    gateway.apply(site)
    quarantine = options.home / "spool" / "quarantine"
    every = options.ship_ms / 1000
    shipper = Shipper(
        spool, writer, lambda: reach("leadhand shipper"), lambda: gateway.site, quarantine, clock, seed=os.getpid(), every_seconds=every
    )
    reporter = Reporter(lambda: reach("leadhand ingest reports"), gateway.reports)
    shipper.start()
    reporter.start()
    # a thread that encodes or ships must not hold up a tick: the default would let it run on for 5 ms
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()
    sys.stdout.write(json.dumps({"ready": True, "sources": gateway.sources, "spool": str(spool.uuid)}) + "\n")
    sys.stdout.flush()
    while not stop.wait(1.0):
        if watch.changed():
            _reload(options.site, gateway)
    _log.info("stopping")
    gateway.stop(5)
    shipper.stop(5)
    reporter.stop()
    writer.close()


def _reload(path: Path, gateway: Gateway) -> None:
    """Read the settings anew; when they are wrong the old ones stay in force."""
    try:
        site = load_site(path)
    except SettingsError as error:
        _log.error("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
        return
    gateway.apply(site)
    _log.info("the settings were read anew", sources=gateway.sources)


if __name__ == "__main__":
    sys.exit(main())
