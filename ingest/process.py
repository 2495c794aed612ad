"""The process that holds the spool: everything that ``python -m ingest`` does once it knows what it is asked to do."""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import sys
import threading
from pathlib import Path
from uuid import uuid4

import structlog

from ingest.files import SystemFiles
from ingest.gateway import Gateway
from ingest.leases import Leases
from ingest.live import Live
from ingest.places import Places
from ingest.reporter import Reporter
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.stored import adopt_stored
from ingest.writer import SpoolWriter
from ingest.zygote import Zygote
from plant.clock import SystemClock
from plant.errors import SettingsError
from plant.site import load_site
from plant.watch import SettingsWatch
from storage.database import Connection, connect

_STARTED_SECONDS = 15.0
_BEAT_SECONDS = 0.2
_log = structlog.get_logger("ingest")


def ingest(url: str, options: argparse.Namespace, stop: threading.Event, zygote: Zygote) -> None:
    """Read all sources of a site until told to stop. Raises SettingsError or Unavailable when it cannot begin."""
    clock = SystemClock()
    watch = SettingsWatch(options.site)
    site = load_site(options.site)
    spool = Spool(options.home / "spool", SystemFiles(), new_id=uuid4, quota_bytes=round(options.spool_gb * 1e9))
    writer = SpoolWriter(spool, clock, sync_seconds=options.sync_ms / 1000)
    writer.open()
    writer.drop_oldest = site.ingest.when_spool_full == "drop_oldest"

    def reach(application: str) -> Connection:
        return connect(url, application=application, statement_seconds=120)

    if spool.fresh:
        adopt_stored(lambda: reach("leadhand ingest"), writer, site, clock)
    gateway = Gateway(
        spool,
        writer,
        zygote,
        Places(options.home, options.site.parent),
        clock,
        only=options.only,
        seed=os.getpid(),
        processes=options.processes,
    )
    gateway.allow({})
    gateway.apply(site)
    every = None if options.ship_ms is None else options.ship_ms / 1000
    leases = Leases(
        lambda: reach("leadhand ingest leases"),
        spool,
        writer,
        SystemFiles(),
        options.home / "spool",
        clock,
        name=site.ingest.gateway or socket.gethostname(),
        wanted=lambda: gateway.configured,
        running=lambda: gateway.sources,
        return_us=lambda: round(shipper.every_seconds * 1e6),
    )
    shipper = Shipper(
        spool,
        writer,
        lambda: reach("leadhand shipper"),
        lambda: gateway.site,
        options.home / "spool" / "quarantine",
        clock,
        seed=os.getpid(),
        every_seconds=every,
        leases=leases,
        early_bytes=round(options.spool_gb * 1e9 / 4),
    )
    live = Live(lambda: reach("leadhand ingest live"), spool, lambda: shipper.behind)
    leases.start()
    _allow(gateway, leases)
    reporter = Reporter(lambda: reach("leadhand ingest reports"), gateway.reports)
    shipper.start()
    reporter.start()
    live.start()
    if not gateway.started(_STARTED_SECONDS):
        _log.warning("some sources are not read yet", processes=gateway.processes)
    gc.collect()
    gc.freeze()
    sys.stdout.write(json.dumps({"ready": True, "sources": gateway.sources, "spool": str(spool.uuid)}) + "\n")
    sys.stdout.flush()
    looked_at = clock.monotonic()
    while not stop.wait(_BEAT_SECONDS):
        if leases.changed.is_set():
            _allow(gateway, leases)
        if clock.monotonic() - looked_at >= 1.0:
            looked_at = clock.monotonic()
            if watch.changed():
                _reload(options.site, gateway)
                writer.drop_oldest = gateway.site.ingest.when_spool_full == "drop_oldest"
                leases.add()
    _log.info("stopping")
    gateway.stop(5)
    shipper.stop(5)
    live.stop()
    leases.stop(clean=spool.cursor.released >= spool.durable)
    reporter.stop()
    writer.close()


def _allow(gateway: Gateway, leases: Leases) -> None:
    leases.changed.clear()
    gateway.allow({source: right.run for source, right in leases.rights.items()})


def _reload(path: Path, gateway: Gateway) -> None:
    """Read the settings anew; when they are wrong the old ones stay in force."""
    try:
        site = load_site(path)
    except SettingsError as error:
        _log.error("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
        return
    gateway.apply(site)
    _log.info("the settings were read anew", sources=gateway.sources)
