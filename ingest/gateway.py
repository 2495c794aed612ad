"""All sources of a site that this process reads: started, stopped and exchanged when the settings change."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingest.endpoints import Places, mqtt_endpoint, opcua_endpoint
from ingest.health import SourceHealth
from ingest.sampler import OpcUaSampler
from ingest.spool import Spool
from ingest.subscriber import MqttSubscriber
from ingest.writer import SpoolWriter
from plant import patterns
from plant.clock import Clock
from plant.settings import MqttSourceSettings, OpcUaSourceSettings, SourceSettings
from plant.signals import Signal, SourceId
from plant.site import Site
from protocols.opcua_client import OpcUaEndpoint
from storage.health import SourceReport

_log = structlog.get_logger(__name__)


class Reader(Protocol):
    """What reads one source."""

    health: SourceHealth

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def stop(self) -> None:
        """Ask to end."""
        ...

    def join(self, seconds: float) -> bool:
        """Return whether it has ended within some seconds."""
        ...


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
        self._certificate = threading.Lock()
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
        with self._mutex:
            for source in gone:
                del self._running[source]
            for source, (settings, signals) in wanted.items():
                if source not in self._running:
                    self._running[source] = _Running(settings, signals, self._reader(site, settings, signals))
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
            if isinstance(one.reader, MqttSubscriber):
                one.reader.disconnect()

    def _reader(self, site: Site, settings: SourceSettings, signals: tuple[Signal, ...]) -> Reader:
        now = self._clock.now_us()
        if isinstance(settings, OpcUaSourceSettings):
            return self._sampler(settings, signals, now)
        return self._subscriber(site, settings, signals, now)

    def _sampler(self, settings: OpcUaSourceSettings, signals: tuple[Signal, ...], now: int) -> Reader:
        source = SourceId(settings.id)
        interval_us = round(settings.interval_ms * 1000)
        return OpcUaSampler(
            source,
            signals,
            interval_us,
            lambda: self._opcua_endpoint(settings),
            self._writer,
            SourceHealth(source, interval_us, insecure=settings.security.policy == "None", now_us=now),
            self._clock,
            self._writer.state_of(source),
            seed=hash((self._seed, source)),
        )

    def _opcua_endpoint(self, settings: OpcUaSourceSettings) -> OpcUaEndpoint:
        # two threads that both find no certificate would make two
        with self._certificate:
            return opcua_endpoint(settings, self._places, self._clock)

    def _subscriber(self, site: Site, settings: MqttSourceSettings, signals: tuple[Signal, ...], now: int) -> Reader:
        source = SourceId(settings.id)
        requested = None if settings.interval_ms is None else round(settings.interval_ms * 1000)
        return MqttSubscriber(
            source,
            signals,
            settings.topics,
            lambda: mqtt_endpoint(settings, site.path, self._places),
            self._writer,
            SourceHealth(source, requested, insecure=settings.username is None, now_us=now),
            self._clock,
            self._writer.state_of(source),
        )
