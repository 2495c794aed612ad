"""``/metrics``, ``/healthz`` and ``/readyz``: how Leadhand does, for Prometheus and for whoever watches processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dashboard.api import json_answer
from dashboard.hub import Hub
from dashboard.reading import Read
from plant.clock import Clock
from plant.errors import Unavailable
from plant.ledger import LedgerLine
from storage import ledger
from storage.database import Pool

_READY_WITHIN_US = 30_000_000
_STATES = ("connecting", "connected", "away", "refused", "stopped")
_COUNTS = ("expected", "stored", "unchanged", "filtered", "duplicate", "rejected", "gap")


class Answers:
    """Counts HTTP answers by method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter("leadhand_http_answers", "HTTP answers by method and status", ["method", "status"], registry=registry)

    def count(self, method: str, status: int) -> None:
        """Count one answer."""
        known = method if method in {"GET", "HEAD", "POST", "PUT", "DELETE"} else "other"
        self._counter.labels(known, str(status)).inc()


class PlantCollector(Collector):
    """Makes metrics from the hub's last read and the ledger, each time they are asked for."""

    def __init__(self, hub: Hub, totals: Callable[[], dict[str, LedgerLine]], clock: Clock) -> None:
        self._hub, self._totals, self._clock = hub, totals, clock

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield all metrics; without a read of the database only those that need none."""
        clock = self._hub.clock()
        yield GaugeMetricFamily("leadhand_database_up", "1 where the last read of the database succeeded", float(clock.database == "ok"))
        yield GaugeMetricFamily("leadhand_live_clients", "Pages and programs that listen to live values", self._hub.clients)
        yield CounterMetricFamily("leadhand_live_resets", "Clients that fell behind and got the whole state anew", self._hub.dropped)
        if clock.read_us is None:
            return
        yield GaugeMetricFamily(
            "leadhand_database_read_age_seconds", "Time since the database was last read", (clock.now_us - clock.read_us) / 1e6
        )
        try:
            read = self._hub.last_read()
            yield from _of_sources(read, self._clock.now_us())
            yield from _of_storage(read)
            yield from _of_ledger(self._totals())
        except Unavailable:
            return


def _of_sources(read: Read, now_us: int) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    state = GaugeMetricFamily("leadhand_source_state", "1 for the state a source is in", labels=["source", "state"])
    age = GaugeMetricFamily("leadhand_source_data_age_seconds", "Age of a source's newest sample", labels=["source"])
    lateness = GaugeMetricFamily("leadhand_source_lateness_seconds", "How late reads start", labels=["source", "quantile"])
    interval = GaugeMetricFamily("leadhand_source_interval_seconds", "Sampling interval", labels=["source", "kind"])
    missed = CounterMetricFamily("leadhand_source_missed_ticks", "Reads that could not be made in time", labels=["source"])
    spool = GaugeMetricFamily("leadhand_source_in_spool_samples", "Samples waiting for the database", labels=["source"])
    spool_bytes = GaugeMetricFamily("leadhand_source_spool_bytes", "Bytes waiting for the database", labels=["source"])
    reconnects = CounterMetricFamily("leadhand_source_reconnects", "Times a source was connected anew", labels=["source"])
    for name, report in sorted(read.sources.items()):
        for one in _STATES:
            state.add_metric([name, one], float(report.state == one))
        if report.last_sample_us is not None:
            age.add_metric([name], (now_us - report.last_sample_us) / 1e6)
        for quantile, late in (("0.5", report.lateness_p50_us), ("0.99", report.lateness_p99_us)):
            if late is not None:
                lateness.add_metric([name, quantile], late / 1e6)
        for kind, value in (("requested", report.requested_us), ("granted", report.granted_us), ("achieved", report.achieved_us)):
            if value is not None:
                interval.add_metric([name, kind], value / 1e6)
        missed.add_metric([name], report.missed_ticks)
        spool.add_metric([name], report.in_spool)
        spool_bytes.add_metric([name], report.spool_bytes)
        reconnects.add_metric([name], report.reconnects)
    yield from (state, age, lateness, interval, missed, spool, spool_bytes, reconnects)


def _of_storage(read: Read) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    storage = read.storage
    yield GaugeMetricFamily("leadhand_database_bytes", "Size of the database", storage.database_bytes)
    if storage.budget_bytes is not None:
        yield GaugeMetricFamily("leadhand_database_budget_bytes", "Size the database may have", storage.budget_bytes)
    yield GaugeMetricFamily("leadhand_rollup_lag_seconds", "Age of the oldest sample not yet rolled up", storage.rollup_lag_us / 1e6)
    oldest = GaugeMetricFamily("leadhand_kept_since_seconds", "Unix time of the oldest row kept", labels=["tier"])
    for tier in storage.tiers:
        if tier.oldest_us is not None:
            oldest.add_metric([tier.tier], tier.oldest_us / 1e6)
    yield oldest
    up = GaugeMetricFamily("leadhand_process_up", "1 where a process runs", labels=["process"])
    restarts = CounterMetricFamily("leadhand_process_restarts", "Times a process was started again", labels=["process"])
    for process in read.processes:
        up.add_metric([process.name], float(process.state == "running"))
        restarts.add_metric([process.name], process.restarts)
    yield from (up, restarts)
    yield GaugeMetricFamily("leadhand_signals", "Signals configured", len(read.plan.signals))
    yield GaugeMetricFamily(
        "leadhand_signals_not_normal",
        "Signals outside limits, bad, stale or without value",
        int(read.exceptions[0]) if len(read.exceptions) else 0,
    )


def _of_ledger(totals: dict[str, LedgerLine]) -> Iterator[CounterMetricFamily]:
    samples = CounterMetricFamily("leadhand_samples", "Where the samples of a source went, by the ledger", labels=["source", "went"])
    for source, line in sorted(totals.items()):
        for name in _COUNTS:
            samples.add_metric([source, name], getattr(line.counts, name))
    yield samples


def ever(pool: Pool) -> Callable[[], dict[str, LedgerLine]]:
    """Return what reads the ledger's totals of all time."""

    def totals() -> dict[str, LedgerLine]:
        with pool.connection(2.0) as connection:
            return {str(source): line for source, line in ledger.read_ever(connection).items()}

    return totals


def metric_routes(hub: Hub, registry: CollectorRegistry) -> APIRouter:
    """Return the routes for those who watch."""
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    async def metrics() -> Response:
        body = await run_in_threadpool(generate_latest, registry)
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/healthz")
    async def alive() -> Response:
        return json_answer({"alive": True})

    @router.get("/readyz")
    async def ready() -> Response:
        clock = hub.clock()
        ok = clock.database == "ok" and clock.read_us is not None and clock.now_us - clock.read_us < _READY_WITHIN_US
        return json_answer({"ready": ok, "database": clock.database}, 200 if ok else 503)

    return router
