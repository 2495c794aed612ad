"""All sources of a site that this process reads: started, stopped and exchanged when the settings change."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from ingest.endpoints import Places
from ingest.readers import LeavesAfterwards, Reader, Surroundings, make_reader
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from plant import patterns
from plant.clock import Clock
from plant.settings import SourceSettings
from plant.signals import Signal, SourceId
from plant.site import Site
from storage.health import SourceReport

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    settings: SourceSettings
    signals: tuple[Signal, ...]
    reader: Reader


class Gateway:
    """Reads the sources whose id fits a glob. ``site`` is what the settings said last."""

    def __init__(self, spool: Spool, writer: SpoolWriter, places: Places, clock: Clock, *, only: str = "*", seed: int = 0) -> None:
        self._spool = spool
        self._writer = writer
        self._places = places
        self._clock = clock
        self._only = only
        self._seed = seed
        self._running: dict[SourceId, _Running] = {}
        self._mutex = threading.Lock()
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """The site that is read now."""
        if self._site is None:
            raise RuntimeError("no site was applied yet")
        return self._site

    @property
    def sources(self) -> list[SourceId]:
        """The sources that are read."""
        with self._mutex:
            return list(self._running)

    def apply(self, site: Site) -> None:
        """Read what a site says: sources that did not change are left alone, the others are stopped and started anew."""
        self._site = site
        wanted = {SourceId(s.id): (s, site.signals_of(SourceId(s.id))) for s in site.sources if patterns.matches(self._only, s.id)}
        wanted = {source: what for source, what in wanted.items() if what[1]}
        gone = [source for source, running in self._running.items() if wanted.get(source) != (running.settings, running.signals)]
        if gone:
            self._end([self._running[source] for source in gone], 10)
        around = Surroundings(site.path, self._writer, self._places, self._clock, self._seed)
        with self._mutex:
            for source in gone:
                del self._running[source]
            for source, (settings, signals) in wanted.items():
                if source not in self._running:
                    self._running[source] = _Running(settings, signals, make_reader(settings, signals, around))
                    self._running[source].reader.start()
        if gone:
            _log.info("sources were started anew", sources=gone)

    def stop(self, seconds: float) -> None:
        """Stop all sources; their last records are durable and acknowledged when this returns, unless the disk takes too long."""
        with self._mutex:
            running = list(self._running.values())
        self._end(running, seconds)

    def reports(self) -> Iterable[SourceReport]:
        """Return how each source is now."""
        with self._mutex:
            running = list(self._running.items())
        now = self._clock.now_us()
        size = self._spool.size
        for source, one in running:
            yield one.reader.health.report(now, self._writer.in_spool(source), size)

    def _end(self, running: Sequence[_Running], seconds: float) -> None:
        for one in running:
            one.reader.stop()
        deadline = self._clock.monotonic() + seconds
        for one in running:
            if not one.reader.join(max(0.1, deadline - self._clock.monotonic())):
                _log.error("a source did not stop in time", source=one.settings.id)
        self._writer.settle(seconds)
        for one in running:
            if isinstance(one.reader, LeavesAfterwards):
                one.reader.disconnect()
