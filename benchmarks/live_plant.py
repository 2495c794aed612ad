"""What keeps a benchmark's plant alive: a writer of new values each second, and browsers and sessions for who looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import numpy as np

from plant.clock import SystemClock
from plant.samples import SampleBatch
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.site import Site
from storage import people
from storage.database import connect
from storage.health import SourceReport, report_source
from storage.samples import SampleWriter

_FEW_OUT_OF_NORMAL = 200
"""Each 200th signal leaves its limits now and then."""


class Writer:
    """Stores so many new values of each signal every second, as an ingest does."""

    def __init__(self, url: str, site: Site, per_second: int) -> None:
        self._url, self._site, self._per_second = url, site, per_second
        self.ended = threading.Event()
        self.rows = 0

    def run(self) -> None:
        """Write until ended."""
        clock, spool, record = SystemClock(), uuid4(), 0
        paths = tuple(s.path for s in self._site.signals)
        step_us = 1_000_000 // self._per_second
        with connect(self._url, application="bench writer") as connection:
            writer = SampleWriter(connection)
            while not self.ended.wait(1.0 - time.time() % 1.0):
                record += 1
                end = clock.now_us()
                time_us = np.tile(end - step_us * np.arange(self._per_second, 0, -1, dtype=np.int64), len(paths))
                n = len(time_us)
                signal = np.repeat(np.arange(len(paths), dtype=np.int32), self._per_second)
                value = 5 + np.sin(time_us / 5e6 + signal) * np.where(signal % _FEW_OUT_OF_NORMAL == 7, 5, 4)
                columns = (time_us, np.full(n, end, np.int64), value, np.ones(n, np.bool_), np.zeros(n, np.uint32), np.zeros(n, np.int16))
                writer.ship(Shipment(spool, record, record, SampleBatch(paths, signal, time_us, *columns)))
                self.rows += n
                for source in {SourceId(s.id) for s in self._site.sources}:
                    times = (end, step_us, step_us, step_us, 100, 900, 0, end, 0, 0, 0)
                    report_source(connection, SourceReport(source, "connected", "", *times, insecure=True, complete=True, updated_us=end))


@contextmanager
def written(url: str, site: Site, per_second: int) -> Iterator[Writer]:
    """Lend a writer that runs; it ends with the block."""
    writer = Writer(url, site, per_second)
    thread = threading.Thread(target=writer.run, daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.ended.set()
        thread.join(60)


def admin_session(url: str) -> str:
    """Return the secret of a fresh session of the administrator, who is made where there is none."""
    clock = SystemClock()
    with connect(url, application="bench") as connection:
        people.ensure_first_admin(connection, clock)
        return people.open_session(connection, people.read_account(connection, "admin"), "127.0.0.1", clock)
