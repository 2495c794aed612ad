"""Subscription to one OPC UA source: what the server samples and sends, with every message accounted for by its number.

What is expected is what was delivered: a server tells each change once and numbers its messages. Completeness is known while the
numbers are unbroken; where messages are lost, or nobody listened, a gap says from when to when and why, and the minute is marked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog

from ingest.cuts import RECORD_US, is_cut, seconds_to_cut
from ingest.health import SourceHealth
from ingest.readings import ReadingTable
from ingest.records import Mark, Record, SourceState, merged, without_samples
from ingest.sessions import LONGEST_PAUSE_SECONDS, ListeningReader
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Unavailable
from plant.ledger import GapReason, minute_of
from plant.samples import NO_TIME, SampleBatch
from plant.signals import Signal, SourceId
from plant.status import BAD_TYPE_MISMATCH
from protocols.opcua_client import Handover, OpcUaEndpoint, OpcUaSession, ResolvedNode, Subscription, SubscriptionLost, Wish
from protocols.opcua_notifications import Changes
from protocols.opcua_subscription import Delivery
from protocols.opcua_types import TYPE_IDS
from protocols.opcua_values import ReadColumns, chosen

_MOST_ROWS_BYTES: Final = 32_000_000
_BYTES_A_CELL: Final = 48
_NUL: Final = "a text holds the character NUL, which no database keeps"
_OVERFLOWED: Final = "the server says that it dropped values"
_log = structlog.get_logger(__name__)


class OpcUaMonitor(ListeningReader):
    """Takes what one server sends, in a thread and an event loop of its own."""

    def __init__(
        self,
        source: SourceId,
        signals: Sequence[Signal],
        wish: Wish,
        endpoint: Callable[[], OpcUaEndpoint],
        writer: RecordWriter,
        health: SourceHealth,
        clock: Clock,
        state: SourceState | None,
        *,
        seed: int,
        flush_us: int = RECORD_US,
        check_seconds: float = 60.0,
    ) -> None:
        super().__init__(f"opcua {source}", endpoint, health, clock, state, seed=seed, flush_us=flush_us)
        self._source = source
        self._signals = tuple(signals)
        self.wish = wish
        """What is asked of the server."""
        self._writer = writer
        self._check_seconds = check_seconds
        paths = tuple(signal.path for signal in self._signals)
        last_us = np.full(len(paths), NO_TIME) if state is None else state.times_for(paths)
        rows = max(8, min(4096, _MOST_ROWS_BYTES // (_BYTES_A_CELL * max(1, len(paths)))))
        self._table = ReadingTable(self._signals, last_us, rows)
        self._pinned = np.array([TYPE_IDS[signal.data_type] for signal in self._signals], np.uint8)
        self._missing: dict[int, tuple[GapReason, str]] = {}
        self._note = ""
        self._names: dict[str, str] = {}
        self._held: Record | None = None
        self._lost: deque[SampleBatch] = deque()

    async def _hold(self, session: OpcUaSession) -> None:
        profile = session.profile
        self._note = f"; {profile.name}: {profile.note}" if profile is not None and profile.note else ""
        nodes = await self._resolve(session)
        self._connected()
        while not self._stopping:
            self._attempt = await self._listen(session, nodes, self._attempt)

    def _kept_seconds(self, before: Handover) -> float:
        return before.granted.outage_seconds

    async def _resolve(self, session: OpcUaSession) -> dict[int, Any]:
        """Return the nodes of the signals that the server knows, by place."""
        found = await session.resolve([s.address for s in self._signals], [s.data_type for s in self._signals], self._names)
        nodes: dict[int, Any] = {}
        self._missing = {}
        for place, node in enumerate(found):
            if isinstance(node, ResolvedNode):
                nodes[place] = node.node_id
            else:
                reason = GapReason.TYPE if node.status & 0xFFFF0000 == BAD_TYPE_MISMATCH else GapReason.NODE
                self._missing[place] = (reason, node.reason)
        return nodes

    async def _listen(self, session: OpcUaSession, nodes: dict[int, Any], attempt: int) -> int:
        """Subscribe and take messages until the subscription or the session is lost, or the stop; return the next attempt's number."""
        subscription = await self._subscribed(session, nodes)
        try:
            self._tell_granted(subscription)
            await self._take_all(session, subscription)
        except SubscriptionLost as error:
            # The session may live: a new subscription in it, not in haste where the server ends each one.
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
        await subscription.delete()
        return 0

    async def _subscribed(self, session: OpcUaSession, nodes: dict[int, Any]) -> Subscription:
        """Return the subscription of the session before where the server hands it over, else a new one."""
        before, self._before = self._before, None
        if before is not None:
            subscription = await session.take_over(before)
            if subscription is not None:
                self._blind = None
                await self._add(subscription, {place: node for place, node in nodes.items() if place not in subscription.handles})
                return subscription
        subscription = await session.subscribe(self.wish)
        try:
            await self._add(subscription, nodes)
        except Unavailable:
            subscription.stop()
            raise
        return subscription

    async def _add(self, subscription: Subscription, nodes: dict[int, Any]) -> None:
        for place, why in (await subscription.add(nodes) if nodes else {}).items():
            self._missing[place] = (GapReason.NODE, f"'{self._signals[place].address}' is not monitored: {why}")
        if self._missing:
            place, (_, why) = next(iter(self._missing.items()))
            _log.warning(
                "signals cannot be read", source=self._source, count=len(self._missing), signal=self._signals[place].path, reason=why
            )

    def _tell_granted(self, subscription: Subscription) -> None:
        granted = subscription.granted
        self.health.granted_us = round(granted.sampling_ms * 1000) or None
        told = (
            f"subscription: the server samples each {granted.sampling_ms:g} ms, sends each {granted.publishing_ms:g} ms, "
            f"keeps {granted.queue_size} values a signal: {granted.outage_seconds:.1f} s of {self.wish.outage_seconds:g} s asked for"
            f"{self._note}"
        )
        if self._missing:
            why = next(iter(self._missing.values()))[1]
            told = f"{len(self._missing)} of {len(self._signals)} signals cannot be read, the first because: {why}; {told}"
        self._say("connected", told)

    async def _take_all(self, session: OpcUaSession, subscription: Subscription) -> None:
        """Take messages, write records down, and compare what is monitored with what should be."""
        stopped = asyncio.create_task(self._stopped.wait())
        receiving = asyncio.create_task(subscription.receive())
        checked_at, cut_us = self._clock.monotonic(), self._clock.now_us()
        try:
            while not self._stopping:
                left = seconds_to_cut(self._clock.now_us(), self._flush_us)
                await asyncio.wait({receiving, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    delivery = receiving.result()
                    receiving = asyncio.create_task(subscription.receive())
                    self._take(delivery)
                now_us = self._clock.now_us()
                if is_cut(cut_us, now_us, self._flush_us) or minute_of(now_us) != minute_of(self._since_us):
                    cut_us = now_us
                    self._flush()
                now = self._clock.monotonic()
                if now - checked_at >= self._check_seconds:
                    checked_at = now
                    await self._check(session, subscription)
        finally:
            stopped.cancel()
            receiving.cancel()
            (last,) = await asyncio.gather(receiving, return_exceptions=True)
            # the server will not send again what the subscription has given out
            for delivery in ([last] if isinstance(last, Delivery) else []) + subscription.rest():
                self._take(delivery)

    async def _check(self, session: OpcUaSession, subscription: Subscription) -> None:
        """Make monitored items anew that the server has lost, and those of nodes that it knows by now."""
        gone = await subscription.missing()
        absent = set(self._missing)
        if not gone and not absent:
            return
        nodes = await self._resolve(session)
        await self._add(subscription, {place: nodes[place] for place in gone | (absent - subscription.handles) if place in nodes})
        if gone:
            now = self._clock.now_us()
            _log.warning("the server lost monitored items; they were made anew", source=self._source, count=len(gone))
            since = max(self._since_us, now - round(self._check_seconds * 1e6))
            paths = (self._signals[place].path for place in sorted(gone))
            self._account.grow(min(since, now - 1), now, paths, GapReason.NODE, "the server lost the monitored item", by=0)
            self._account.complete = False
        self._tell_granted(subscription)

    def _take(self, delivery: Delivery) -> None:
        now = self._clock.now_us()
        while self._lost:
            self._table.forget(self._lost.popleft())
        if minute_of(now) != minute_of(self._since_us):
            self._flush()
        if delivery.lost:
            _log.warning("messages of a subscription are lost", source=self._source, count=delivery.lost)
            detail = f"{delivery.lost} messages are lost; the server has them no more"
            self._table.after_gap()
            self._account.missed(self._heard_us, now, 0, GapReason.SEQUENCE, None, detail)
            self._account.complete = False
        if self._blind is not None:
            self._table.after_gap()
            self._declare_gap(now)
            self._blind = None
        for changes in delivery.changes:
            for columns, places in _rounds(changes, len(self._signals)):
                self._keep(now, columns, places)
        self._heard_us = now

    def _keep(self, now: int, columns: ReadColumns, places: npt.NDArray[np.intp]) -> None:
        """Keep values of different signals."""
        if self._table.full:
            self._flush()
        outcome = self._table.take(now, columns, places, self._pinned[places])
        self._account.count(now, stored=outcome.stored, unchanged=outcome.unchanged, filtered=outcome.filtered)
        for found, reason, detail, by in (
            (outcome.mismatched, GapReason.TYPE, "another data type", 1),
            (outcome.unkeepable, GapReason.TYPE, _NUL, 1),
            (outcome.overflowed, GapReason.OVERFLOW, _OVERFLOWED, 0),
            (outcome.gone, GapReason.NODE, "the server does not know it any more", 1),
        ):
            if len(found):
                self._account.grow(now, now + 1, (self._signals[n].path for n in found.tolist()), reason, detail, by=by)

    def _flush(self, *, last: bool = False) -> None:
        """Submit what was gathered as one record; one at least each minute, so that a quiet source is told from a stopped one."""
        now = self._clock.now_us()
        minute_over = minute_of(now) != minute_of(self._since_us)
        for place, (reason, why) in self._missing.items():
            self._account.grow(self._since_us, now, [self._signals[place].path], reason, why, by=0)
        if last or minute_over:
            self._account.close_open()
        from_us, self._since_us = self._since_us, now
        samples = self._table.harvest()
        if self._account.idle and not len(samples) and not last and not minute_over:
            self._since_us = from_us
            return
        # what is not known yet begins where the last message ended, also for whoever goes on after a stop
        record = self._account.record(Mark(self._heard_us if self._blind else now, 0, len(self._signals), self._account.open), samples)
        self._account.complete = self._account.complete or minute_over
        self.health.note(record, from_us, now)
        if self._held is not None:
            record, self._held = merged(self._held, record), None
        if not self._writer.submit(Submission(record, None, self._on_lost)):
            self._held = without_samples(record, GapReason.SPOOL_FULL, "the spool's disk is too slow")
            self._on_lost(record)

    def _on_lost(self, record: Record) -> None:
        """Be told, maybe in the writer's thread, that a record was not kept."""
        if len(record.samples):
            self._lost.append(record.samples)


def _rounds(changes: Changes, signals: int) -> Iterator[tuple[ReadColumns, npt.NDArray[np.intp]]]:
    """Return the values in rounds of at most one a signal, the oldest first. Handles that are not ours are left out."""
    places = changes.handle.astype(np.intp)
    columns = changes.columns
    if len(places) and int(places.max()) >= signals:
        ours = np.flatnonzero(places < signals)
        places, columns = places[ours], chosen(columns, ours)
    if not len(places):
        return
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if len(starts) == len(places):
        yield columns, places
        return
    number = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    for one in range(int(number.max()) + 1):
        rows = order[number == one]
        yield chosen(columns, rows), places[rows]
