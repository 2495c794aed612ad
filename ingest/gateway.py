"""All sources of a site that this process has read: by reader processes, started, stopped and exchanged when the settings change."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from ingest.groups import ReaderGroup, Wanted, assign
from ingest.places import Places
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from ingest.zygote import Zygote
from plant import patterns
from plant.clock import Clock
from plant.settings import OpcUaSourceSettings, OpenProtocolSourceSettings
from plant.signals import Limits, SourceId
from plant.site import Site
from storage.health import SourceReport

_MEMORY_BYTES = 1_500_000_000
"""Most that one reader process may take: what a server sends must not take the machine's."""
_BYTES_A_SIGNAL = 20_000
_log = structlog.get_logger(__name__)


class Gateway:
    """Reads the sources whose id fits a glob. ``site`` is what the settings said last."""

    def __init__(
        self,
        spool: Spool,
        writer: SpoolWriter,
        zygote: Zygote,
        places: Places,
        clock: Clock,
        *,
        only: str = "*",
        seed: int = 0,
        processes: int = 0,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._zygote = zygote
        self._places = places
        self._clock = clock
        self._only = only
        self._seed = seed
        self._processes = processes or os.cpu_count() or 1
        self._wanted: dict[SourceId, Wanted] = {}
        self._group_of: dict[SourceId, str] = {}
        self._groups: dict[str, ReaderGroup] = {}
        self._mutex = threading.Lock()
        self._site: Site | None = None
        self._runs: dict[SourceId, int] | None = None

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
            return list(self._wanted)

    @property
    def configured(self) -> dict[SourceId, tuple[int, int]]:
        """Each source that this gateway is to read where it may: its interval, 0 where it sends by itself, and its signals.

        Without those that many read at once, because a broker spreads their messages.
        """
        wanted = self._of_site(self.site)
        return {source: (_cyclic_us(what), len(what.signals)) for source, what in wanted.items() if not _is_spread(what)}

    @property
    def processes(self) -> dict[str, int | None]:
        """The reader processes by name."""
        with self._mutex:
            return {name: group.pid for name, group in self._groups.items()}

    def apply(self, site: Site) -> None:
        """Read what a site says: sources that are read as before are left alone, the others are stopped and started anew."""
        self._site = site
        self._follow(site, frozenset())

    def allow(self, runs: Mapping[SourceId, int]) -> None:
        """Read these sources only, of those that the site names; one whose run is another than before is begun anew."""
        before, self._runs = self._runs or {}, dict(runs)
        if self._site is None:
            return
        self._follow(self.site, frozenset(source for source, run in runs.items() if before.get(source, run) != run))

    def _of_site(self, site: Site) -> dict[SourceId, Wanted]:
        wanted = {SourceId(s.id): Wanted(s, site.signals_of(SourceId(s.id))) for s in site.sources if patterns.matches(self._only, s.id)}
        return {source: what for source, what in wanted.items() if what.signals or _tells_by_itself(what)}

    def _follow(self, site: Site, anew: frozenset[SourceId]) -> None:
        runs = self._runs
        wanted = {source: what for source, what in self._of_site(site).items() if runs is None or source in runs or _is_spread(what)}
        with self._mutex:
            before, groups_before = dict(self._wanted), dict(self._group_of)
        group_of = assign(wanted, groups_before, self._processes)
        gone = [
            source
            for source, what in before.items()
            if source not in wanted
            or source in anew
            or group_of[source] != groups_before[source]
            or _to_read(wanted[source]) != _to_read(what)
        ]
        self._forget(gone)
        with self._mutex:
            self._wanted, self._group_of = wanted, group_of
            for source, what in wanted.items():
                group = self._group(group_of[source], site)
                if source not in before or source in gone:
                    group.read(source, what)
                else:
                    group.rename(source, what)
            empty = [name for name in self._groups if name not in group_of.values()]
            idle = [self._groups.pop(name) for name in empty]
        for group in idle:
            group.stop(10)
        if gone:
            _log.info("sources were started anew", sources=gone)

    def started(self, seconds: float) -> bool:
        """Return whether the readers of all sources have begun within some seconds."""
        deadline = self._clock.monotonic() + seconds
        while any(group.waiting for group in self._groups.values()):
            if self._clock.monotonic() >= deadline:
                return False
            self._clock.sleep(0.02)
        return True

    def stop(self, seconds: float) -> None:
        """Stop all sources; their last records are durable and acknowledged when this returns, unless the disk takes too long."""
        with self._mutex:
            groups = list(self._groups.values())
        for group in groups:
            group.ask_to_stop()
        deadline = self._clock.monotonic() + seconds
        for group in groups:
            group.stop(max(0.5, deadline - self._clock.monotonic()))
        self._writer.settle(seconds)

    def reports(self) -> Iterable[SourceReport]:
        """Return how each source is now."""
        with self._mutex:
            groups = list(self._groups.values())
        size = self._spool.size
        for group in groups:
            for report in group.reports():
                yield replace(report, in_spool=self._writer.in_spool(report.source), spool_bytes=size)

    def _group(self, name: str, site: Site) -> ReaderGroup:
        group = self._groups.get(name)
        if group is None:
            signals = len(site.signals)
            group = self._groups[name] = ReaderGroup(
                name,
                site.path,
                self._writer,
                self._zygote,
                self._places,
                self._clock,
                seed=self._seed,
                memory_bytes=_MEMORY_BYTES + _BYTES_A_SIGNAL * signals,
            )
            group.start()
        return group

    def _forget(self, sources: list[SourceId]) -> None:
        """Read some sources no more, and return when the spool has their last records."""
        by_group: dict[str, list[SourceId]] = {}
        for source in sources:
            by_group.setdefault(self._group_of[source], []).append(source)
        for name, some in by_group.items():
            self._groups[name].forget(some, 12)
        if sources:
            self._writer.settle(10)


def _to_read(what: Wanted) -> Wanted:
    """Return of a source only what its reader goes by: limits, names and units are for those who look at its samples."""
    signals = (
        replace(one, limits=Limits(), description="", unit="", range=None if one.deadband_percent is None else one.range)
        for one in what.signals
    )
    return replace(what, signals=tuple(signals))


def _cyclic_us(what: Wanted) -> int:
    settings = what.settings
    return round(settings.interval_ms * 1000) if isinstance(settings, OpcUaSourceSettings) and settings.read == "cyclic" else 0


def _tells_by_itself(what: Wanted) -> bool:
    """Whether a source is read without signals: for its tightenings or its events."""
    settings = what.settings
    return isinstance(settings, OpenProtocolSourceSettings) or (isinstance(settings, OpcUaSourceSettings) and settings.tells_events)


def _is_spread(what: Wanted) -> bool:
    return getattr(what.settings, "share", None) is not None
