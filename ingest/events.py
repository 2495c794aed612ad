"""Events of one OPC UA source: what its controller tells by itself, each kept once, and how its conditions stand, never lost.

A subscription's messages are numbered, so what is missing on the way is known. What happened while nobody listened is told by no
server; but how all conditions stand is (ConditionRefresh), and that is asked for at each new subscription and after each loss.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from ingest.event_fields import EventSource, event_of
from ingest.health import SourceHealth
from ingest.records import Mark, Record, SourceState, merged, without_samples
from ingest.sessions import LONGEST_PAUSE_SECONDS, ListeningReader
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Unavailable
from plant.events import ControllerEvent, Refresh, Told
from plant.ledger import GapReason, minute_of
from plant.samples import empty
from protocols.opcua_client import Handover, OpcUaEndpoint, OpcUaSession, Subscription, SubscriptionLost, Wish
from protocols.opcua_events import (
    QUEUE_OVERFLOW,
    REFRESH_END,
    REFRESH_REQUIRED,
    REFRESH_START,
    Event,
    named_events,
    notifier_of,
    refresh_conditions,
)
from protocols.opcua_link import ServiceFailed
from protocols.opcua_subscription import Delivery

_PUBLISHING_MS: Final = 250.0
_REFRESH_SECONDS: Final = 30.0
"""A refresh that has not ended by then is asked for again."""
_RECENT: Final = 20_000
_log = structlog.get_logger(__name__)


class EventReader(ListeningReader):
    """Takes the events of one server, in a thread and an event loop of its own."""

    def __init__(
        self,
        source: EventSource,
        outage_seconds: float,
        endpoint: Callable[[], OpcUaEndpoint],
        writer: RecordWriter,
        health: SourceHealth,
        clock: Clock,
        state: SourceState | None,
        *,
        seed: int,
        flush_us: int = 250_000,
    ) -> None:
        super().__init__(f"events {source.id}", endpoint, health, clock, state, seed=seed, flush_us=flush_us)
        self._source = source
        self._wish = Wish(_PUBLISHING_MS, 1000 * max(outage_seconds, 1.0), outage_seconds)
        self._writer = writer
        self._events: list[ControllerEvent] = []
        self._refreshes: list[Refresh] = []
        self._recent: OrderedDict[tuple[bytes, int | None], None] = OrderedDict()
        self._refreshing: tuple[int, set[str]] | None = None
        """When the refresh that runs began, and the conditions told since."""
        self._refresh_asked: float | None = None
        """When a refresh was asked for that has not ended."""
        self._refresh_due = False
        self._lost = threading.Event()
        """Set when events were not kept."""
        self._held: Record | None = None
        self._poisoned = 0

    async def _hold(self, session: OpcUaSession) -> None:
        self._connected()
        while not self._stopping:
            self._attempt = await self._listen(session, self._attempt)

    def _kept_seconds(self, before: Handover) -> float:
        return before.wish.outage_seconds

    async def _listen(self, session: OpcUaSession, attempt: int) -> int:
        """Subscribe and take events until the subscription or the session is lost, or the stop; return the next attempt's number."""
        subscription, note = await self._subscribed(session)
        try:
            self._say("connected", note)
            self._refresh_due = True
            await self._take_all(session, subscription)
        except SubscriptionLost as error:
            self._before, self._blind = None, (GapReason.DISCONNECTED, str(error))
            self._say("away", str(error))
            subscription.stop()
            if session.lost.is_set():
                raise
            await subscription.delete()
            await self._pause(min(LONGEST_PAUSE_SECONDS, 0.1 * 2 ** min(attempt, 8)))
            return attempt + 1
        except Unavailable as error:
            self._before, self._blind = subscription.handover(), (GapReason.DISCONNECTED, str(error))
            subscription.stop()
            raise
        finally:
            self._refreshing, self._refresh_asked = None, None
        await subscription.delete()
        return 0

    async def _subscribed(self, session: OpcUaSession) -> tuple[Subscription, str]:
        """Return the subscription of the session before where the server hands it over, else a new one; and what is to be said of it."""
        before, self._before = self._before, None
        if before is not None:
            taken = await session.take_over(before)
            if taken is not None:
                self._blind = None
                return taken, "events: the subscription was taken over"
        subscription = await session.subscribe(self._wish)
        refused = []
        for handle, address in enumerate(self._source.notifiers):
            notifier = notifier_of(address, session.namespaces)
            why = f"'{address}' names no node" if notifier is None else await self._add(subscription, handle, notifier)
            if why:
                refused.append(f"'{address}' tells no events: {why}")
                _log.warning("an object tells no events", source=self._source.id, notifier=address, reason=why)
        kept = subscription.granted.queue_size
        return subscription, "; ".join(refused) or f"events: the server keeps {kept} while we are away"

    async def _add(self, subscription: Subscription, handle: int, notifier: Any) -> str:
        try:
            return await subscription.add_events(handle, notifier, self._source.queue_size)
        except ServiceFailed as failure:
            return str(failure)

    async def _take_all(self, session: OpcUaSession, subscription: Subscription) -> None:
        """Take messages, ask for refreshes that are due, and write records down."""
        stopped = asyncio.create_task(self._stopped.wait())
        receiving = asyncio.create_task(subscription.receive())
        try:
            while not self._stopping:
                if self._lost.is_set():
                    self._lost.clear()
                    self._recent.clear()
                    self._refresh_due = True
                if self._refresh_due or self._refresh_is_late():
                    await self._ask_refresh(session, subscription)
                await asyncio.wait({receiving, stopped}, timeout=self._flush_us / 1e6, return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    delivery = receiving.result()
                    receiving = asyncio.create_task(subscription.receive())
                    self._take(delivery, session)
                self._flush()
        finally:
            stopped.cancel()
            receiving.cancel()
            (last,) = await asyncio.gather(receiving, return_exceptions=True)
            # the server will not send again what the subscription has given out
            for delivery in ([last] if isinstance(last, Delivery) else []) + subscription.rest():
                self._take(delivery, session)

    def _refresh_is_late(self) -> bool:
        return self._refresh_asked is not None and self._clock.monotonic() - self._refresh_asked > _REFRESH_SECONDS

    async def _ask_refresh(self, session: OpcUaSession, subscription: Subscription) -> None:
        """Have the server tell all its conditions; one that cannot is said so once, and its conditions stand as told last."""
        self._refresh_due, self._refresh_asked = False, self._clock.monotonic()
        try:
            await refresh_conditions(session.link, subscription.id)
        except ServiceFailed as failure:
            self._refresh_asked = None
            self._say("connected", f"events; the server does not tell how its conditions stand (ConditionRefresh): {failure}")

    def _take(self, delivery: Delivery, session: OpcUaSession) -> None:
        now = self._clock.now_us()
        if delivery.lost:
            _log.warning("messages of a subscription are lost", source=self._source.id, count=delivery.lost)
            detail = f"{delivery.lost} messages are lost; the server has them no more"
            self._lose(now, GapReason.SEQUENCE, detail)
        if self._blind is not None:
            self._declare_gap(now)
            self._blind = None
        for raw in delivery.events:
            for event in named_events(raw, session.namespaces):
                self._take_event(now, event)
        self._heard_us = now

    def _lose(self, now: int, reason: GapReason, detail: str) -> None:
        self._account.missed(min(self._heard_us, now - 1), now, 0, reason, None, detail)
        self._account.complete = False
        self._refresh_due = True

    def _take_event(self, now: int, event: Event) -> None:
        match event.type:
            case kind if kind == REFRESH_START:
                self._refreshing = (now, set())
            case kind if kind == REFRESH_END:
                self._end_refresh(now)
            case kind if kind == REFRESH_REQUIRED:
                self._refresh_due = True
            case kind if kind == QUEUE_OVERFLOW:
                self._lose(now, GapReason.OVERFLOW, "the server says that it dropped events")
            case _:
                self._keep(now, event)

    def _end_refresh(self, now: int) -> None:
        self._refresh_asked = None
        if self._refreshing is not None:
            begun, keys = self._refreshing
            self._refreshing = None
            self._refreshes.append(Refresh(self._source.id, begun, now, tuple(sorted(keys))))

    def _keep(self, now: int, told: Event) -> None:
        """Keep an event once; what was told before, refreshed or by another notifier, is counted and not kept again."""
        event = event_of(self._source, told, now)
        if event is None:
            self._account.count(now, rejected=1)
            self._poisoned += 1
            if self._poisoned & (self._poisoned - 1) == 0:
                _log.warning(
                    "an event cannot be read", source=self._source.id, fields=str(told.fields)[:500], rejected_so_far=self._poisoned
                )
            return
        if self._refreshing is not None and event.is_condition:
            self._refreshing[1].add(event.key)
            event = replace(event, told=Told.REFRESHED)
        if event.severity < self._source.least_severity or (self._source.conditions_only and not event.is_condition):
            self._account.count(now, filtered=1)
            return
        # a refreshed event may bear the id of the one told before, or another one: the second is no new event either
        key = (event.event_id, event.time_us)
        if key in self._recent:
            self._account.count(now, duplicate=1)
            return
        self._recent[key] = None
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        if event.told is Told.LIVE:
            self._account.count(now, stored=1)
            self.health.last_sample_us = event.time_us
        else:
            self._account.count(now, unchanged=1)
        self._events.append(event)

    def _flush(self, *, last: bool = False) -> None:
        """Submit what was gathered as one record; one at least each minute, so that a quiet source is told from a stopped one."""
        now = self._clock.now_us()
        minute_over = minute_of(now) != minute_of(self._since_us)
        if last or minute_over:
            self._account.close_open()
        if self._account.idle and not self._events and not self._refreshes and not last and not minute_over:
            return
        from_us, self._since_us = self._since_us, now
        told = self._account.record(Mark(self._heard_us if self._blind else now, 0, 0, self._account.open), empty())
        record = replace(told, events=tuple(self._events), refreshes=tuple(self._refreshes))
        self._events, self._refreshes = [], []
        self._account.complete = self._account.complete or minute_over
        self.health.note(record, from_us, now)
        if self._held is not None:
            record, self._held = merged(self._held, record), None
        if not self._writer.submit(Submission(record, None, self._on_lost)):
            self._held = without_samples(record, GapReason.SPOOL_FULL, "the spool's disk is too slow")
            self._on_lost(record)

    def _on_lost(self, record: Record) -> None:
        """Be told, maybe in the writer's thread, that a record was not kept: how the conditions stand is asked for again."""
        if record.events or record.refreshes:
            self._lost.set()
