"""What the database remembers of sources when the spool is new: the last stored time of each signal, so that none is stored twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import structlog

from ingest.records import Mark, SourceState
from ingest.writer import SpoolWriter
from plant.clock import Clock
from plant.errors import Unavailable
from plant.settings import OpenProtocolSourceSettings
from plant.signals import SignalPath, SourceId
from plant.site import Site
from storage.catalogue import read_catalogue
from storage.database import Connection
from storage.latest import read_latest
from storage.tightening import newest_of

_log = structlog.get_logger(__name__)


def adopt_stored(connect: Callable[[], Connection], writer: SpoolWriter, site: Site, clock: Clock) -> None:
    """Let the writer know the last stored times; when the database is away, say so and go on without."""
    try:
        with connect() as connection:
            catalogue = read_catalogue(connection)
            latest = read_latest(connection)
            tools = [SourceId(source.id) for source in site.sources if isinstance(source, OpenProtocolSourceSettings)]
            tightened = {source: newest_of(connection, source) for source in tools}
    except Unavailable as error:
        _log.warning("the spool is new and the database away: a value read before may be stored again", reason=str(error))
        return
    times = dict(zip(latest.signal_id.tolist(), latest.time_us.tolist(), strict=True))
    known: dict[SourceId, list[tuple[SignalPath, int]]] = {}
    ours = {signal.path for signal in site.signals}
    for row in catalogue.signals:
        if row.id in times and row.path in ours:
            known.setdefault(row.source, []).append((row.path, times[row.id]))
    for source, newest in tightened.items():
        if newest is not None:
            number, time_us = newest
            state = SourceState(Mark(clock.now_us()), sequences={"tightening": number, "time": time_us})
            writer.adopt(source, state)
    for source, pairs in known.items():
        # the time between the runs is unknown here: no count is made up for it
        mark = Mark(clock.now_us())
        writer.adopt(source, SourceState(mark, 0, tuple(path for path, _ in pairs), np.array([time for _, time in pairs], np.int64)))
