"""Cyclic reads of one OPC UA source on the absolute grid of ticks, each tick accounted for whatever happens."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog

from ingest.account import Account
from ingest.cuts import RECORD_US, is_cut
from ingest.health import SourceHealth
from ingest.readings import ReadingTable
from ingest.records import Mark, Record, SourceState, merged, without_samples
from ingest.sessions import SessionReader
from ingest.ticks import first_tick
from ingest.wakes import Waker
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Unavailable
from plant.ledger import MINUTE_US, Gap, GapReason, minute_of
from plant.samples import NO_TIME, SampleBatch, empty
from plant.signals import Signal, SourceId
from plant.status import BAD_TYPE_MISMATCH
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, ResolvedNode
from protocols.opcua_reading import Reading

_ASK_AGAIN_SECONDS: Final = 30.0
"""How often nodes that the server did not know are looked for again."""
_STEP_US: Final = 2_000_000
"""A wall clock that moved so much more than the steady one has been set."""
_LONGEST_STEP_US: Final = 86_400_000_000
"""A clock that is set further forward was never right, as after a start in 1970: the time between did not pass, no tick was missed."""
_NEEDED_FOR_REAL_TIME: Final = "CAP_SYS_NICE or LimitRTPRIO=10"
_NUL: Final = "a text holds the character NUL, which no database keeps"
_log = structlog.get_logger(__name__)


class _Nodes:
    """What is read in one session: which signals, and which are missing and why."""

    def __init__(self, reading: Reading | None, places: npt.NDArray[np.intp], missing: dict[int, tuple[GapReason, str]]) -> None:
        self.reading = reading
        self.places = places
        self.missing = missing


class OpcUaSampler(SessionReader):
    """Reads all signals of one source at each tick, in a thread and an event loop of its own."""

    def __init__(
        self,
        source: SourceId,
        signals: Sequence[Signal],
        interval_us: int,
        endpoint: Callable[[], OpcUaEndpoint],
        writer: RecordWriter,
        health: SourceHealth,
        clock: Clock,
        state: SourceState | None,
        *,
        seed: int,
        flush_us: int = RECORD_US,
    ) -> None:
        super().__init__(f"opcua {source}", endpoint, health, clock, seed=seed)
        self._source = source
        self._signals = tuple(signals)
        self._interval_us = interval_us
        self._writer = writer
        self._flush_us = flush_us
        self._account = Account(source)
        paths = tuple(signal.path for signal in self._signals)
        last_us = np.full(len(paths), NO_TIME) if state is None else state.times_for(paths)
        self._table = ReadingTable(self._signals, last_us, flush_us // interval_us + 2)
        self._mark = None if state is None else state.mark
        self._next_us = 0
        self._since_us = 0
        self._held: Record | None = None
        self._names: dict[str, str] = {}
        """Browse names of the addresses, as met first: a node id that names another thing later is not read."""
        self._lost: deque[SampleBatch] = deque()
        self._steady = 0.0
        """The steady clock less the wall clock, in seconds, as looked at last."""

    def _run(self) -> None:
        # A real-time thread where the system allows it: on two busy cores p99 of lateness was 43 ms without and 1.2 ms with it.
        try:
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(10))
            self.health.real_time = True
        except OSError:
            self.health.real_time = False
            _log.warning("no real-time priority: ticks may be late on a busy machine", source=self._source, needs=_NEEDED_FOR_REAL_TIME)
        super()._run()

    async def _hold(self, session: OpcUaSession) -> None:
        nodes = await self._resolve(session)
        self._attempt = 0
        self._connected()
        self._say("connected", _shortcoming(nodes, len(self._signals)))
        await self._cycle(session, nodes)

    def _end(self) -> None:
        self._catch_up(GapReason.STOPPED)
        self._flush(self._next_us, last=True)

    def _resume(self) -> None:
        """Account for the time since the last record: nobody read then."""
        if self._next_us:
            return
        self._next_us = self._since_us = first_tick(self._clock.now_us(), self._interval_us)
        self._steady = self._clock.monotonic() - self._clock.now_us() / 1e6
        mark = self._mark
        if mark is None:
            return
        self._account.reopen(mark.open)
        if mark.interval_us and mark.end_us < self._next_us:
            missed = self._account.missed_ticks(mark.end_us, self._next_us, mark.interval_us, mark.signals, GapReason.STOPPED)
            self.health.missed_ticks += missed // max(1, mark.signals)
        self._flush(self._next_us)

    async def _while_away(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task or the stop, and write down each minute's missed ticks as it ends."""
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            while not task.done() and not self._stopping:
                now = self._clock.now_us()
                left = (minute_of(now) + MINUTE_US - now) / 1e6
                await asyncio.wait({task, stopped}, timeout=left + 0.001, return_when=asyncio.FIRST_COMPLETED)
                self._watch_clock()
                if minute_of(self._clock.now_us()) != minute_of(self._next_us):
                    self._catch_up(GapReason.DISCONNECTED)
                    self._flush(self._next_us)
        finally:
            stopped.cancel()

    def _catch_up(self, reason: GapReason, detail: str = "") -> None:
        """Account for the ticks that are over without a read."""
        now = first_tick(self._clock.now_us(), self._interval_us)
        if now <= self._next_us:
            return
        self._table.after_gap()
        missed = self._account.missed_ticks(self._next_us, now, self._interval_us, len(self._signals), reason, detail)
        self.health.missed_ticks += missed // max(1, len(self._signals))
        self._next_us = now

    async def _resolve(self, session: OpcUaSession) -> _Nodes:
        found = await session.resolve([s.address for s in self._signals], [s.data_type for s in self._signals], self._names)
        nodes: list[ResolvedNode] = []
        places: list[int] = []
        missing: dict[int, tuple[GapReason, str]] = {}
        for place, node in enumerate(found):
            if isinstance(node, ResolvedNode):
                nodes.append(node)
                places.append(place)
            else:
                reason = GapReason.TYPE if node.status & 0xFFFF0000 == BAD_TYPE_MISMATCH else GapReason.NODE
                missing[place] = (reason, node.reason)
        if missing:
            place, (_, why) = next(iter(missing.items()))
            _log.warning("signals cannot be read", source=self._source, count=len(missing), signal=self._signals[place].path, reason=why)
        reading = await session.prepare(nodes) if nodes else None
        return _Nodes(reading, np.array(places, np.intp), missing)

    async def _cycle(self, session: OpcUaSession, nodes: _Nodes) -> None:
        """Read at each tick until the session is lost or the stop."""
        failures = 0
        asking: asyncio.Task[_Nodes] | None = None
        asked_at = self._clock.monotonic()
        self._watch_clock()
        self._catch_up(GapReason.DISCONNECTED)
        waker = Waker()
        try:
            while not self._stopping and not session.lost.is_set():
                await self._wait_for_tick(session, waker)
                if self._stopping or session.lost.is_set():
                    break
                self._watch_clock()
                tick = self._begin_tick()
                if tick is None:
                    continue
                failures = 0 if await self._read_tick(session, nodes, tick) else failures + 1
                if is_cut(self._since_us, self._next_us, self._flush_us):
                    # now and not at the next tick, which of a slow source comes seconds later
                    self._flush(self._next_us)
                if failures >= 3:
                    raise Unavailable("the server answered none of three reads in time")
                if asking is not None and asking.done():
                    nodes, asking = self._taken_over(asking, nodes), None
                if nodes.missing and asking is None and self._clock.monotonic() - asked_at > _ASK_AGAIN_SECONDS:
                    asking, asked_at = asyncio.create_task(self._resolve(session)), self._clock.monotonic()
        finally:
            waker.close()
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        if session.lost.is_set():
            self._say("away", session.lost_reason)

    def _taken_over(self, asking: asyncio.Task[_Nodes], nodes: _Nodes) -> _Nodes:
        """Return the nodes as the server knows them now; those known before where it did not say."""
        try:
            nodes = asking.result()
        except Unavailable as error:
            _log.warning("the missing signals could not be looked for", source=self._source, reason=str(error))
        else:
            self._say("connected", _shortcoming(nodes, len(self._signals)))
        return nodes

    async def _wait_for_tick(self, session: OpcUaSession, waker: Waker) -> None:
        while True:
            left = (self._next_us - self._clock.now_us()) / 1e6
            if left <= 0 or self._stopping or session.lost.is_set():
                return
            if left > self._interval_us / 1e6 + _STEP_US / 1e6:
                return
            await waker.sleep(min(left, 0.25))

    def _watch_clock(self) -> None:
        """Notice a wall clock that was set: the grid goes on from the new time, and a gap tells of it."""
        now_us = self._clock.now_us()
        steady, self._steady = self._steady, self._clock.monotonic() - now_us / 1e6
        step_us = round((steady - self._steady) * 1e6)
        if abs(step_us) < _STEP_US:
            # slewing is followed without a word
            return
        _log.warning("the clock was set", source=self._source, step_seconds=step_us / 1e6)
        detail = f"our clock was set {abs(step_us) / 1e6:.1f} s {'forward' if step_us > 0 else 'back'}"
        if 0 < step_us <= _LONGEST_STEP_US:
            self._catch_up(GapReason.CLOCK, detail)
        else:
            self._flush(self._next_us)
            self._next_us = self._since_us = first_tick(now_us, self._interval_us)
            self._account.note(Gap(self._source, self._next_us, self._next_us + 1, 0, GapReason.CLOCK, None, detail))

    def _begin_tick(self) -> int | None:
        """Return the tick to read now, after accounting for those that are over; None when it lies ahead."""
        now = self._clock.now_us()
        late = now - self._next_us
        if late < 0:
            return None
        if late >= self._interval_us:
            over = late // self._interval_us
            to_us = self._next_us + over * self._interval_us
            self._table.after_gap()
            self._account.missed_ticks(self._next_us, to_us, self._interval_us, len(self._signals), GapReason.OVERRUN)
            self.health.missed_ticks += over
            self._next_us = to_us
            late -= over * self._interval_us
        tick = self._next_us
        if is_cut(self._since_us, tick, self._flush_us) or self._table.full:
            self._flush(tick)
        while self._lost:
            self._table.forget(self._lost.popleft())
        self._account.tick(tick, late)
        self._next_us = tick + self._interval_us
        return tick

    async def _read_tick(self, session: OpcUaSession, nodes: _Nodes, tick: int) -> bool:
        """Read once and account for every signal; False when the server did not answer."""
        if nodes.reading is not None:
            try:
                read = await nodes.reading.read()
            except Unavailable as error:
                reason = GapReason.DISCONNECTED if session.lost.is_set() else GapReason.TIMEOUT
                self._account.missed(tick, tick + self._interval_us, len(self._signals), reason, None, str(error))
                self._table.after_gap()
                self._catch_up(reason, str(error))
                return False
            outcome = self._table.take(self._clock.now_us(), read, nodes.places, nodes.reading.expected_type_id)
            self._account.count(tick, stored=outcome.stored, unchanged=outcome.unchanged, filtered=outcome.filtered)
            end = tick + self._interval_us
            if len(outcome.mismatched):
                self._account.grow(tick, end, (self._signals[n].path for n in outcome.mismatched), GapReason.TYPE, "another data type")
            if len(outcome.unkeepable):
                self._account.grow(tick, end, (self._signals[n].path for n in outcome.unkeepable), GapReason.TYPE, _NUL)
            if len(outcome.overflowed):
                paths = (self._signals[n].path for n in outcome.overflowed)
                self._account.grow(tick, end, paths, GapReason.OVERFLOW, "the server says that it dropped values", by=0)
            if len(outcome.gone):
                for place in outcome.gone.tolist():
                    self._account.grow(tick, end, [self._signals[place].path], GapReason.NODE, "the server does not know it any more")
                    nodes.missing.setdefault(place, (GapReason.NODE, "gone"))
        read_now = set(nodes.places.tolist()) if nodes.missing else set()
        for place, (reason, why) in nodes.missing.items():
            if place not in read_now:
                self._account.grow(tick, tick + self._interval_us, [self._signals[place].path], reason, why)
        return True

    def _flush(self, end_us: int, *, last: bool = False) -> None:
        """Submit what was gathered before a tick as one record."""
        if last or minute_of(end_us) != minute_of(self._since_us):
            self._account.close_open()
        from_us, self._since_us = self._since_us, end_us
        page = self._table.turn()
        if self._account.idle and not len(page):
            page.harvest()
            return
        mark = Mark(end_us, self._interval_us, len(self._signals), self._account.open)
        record = self._account.record(mark, empty(self._table.paths))
        told = record

        def harvest() -> SampleBatch:
            samples = page.harvest()
            self.health.note(replace(told, samples=samples), from_us, end_us)
            return samples

        if self._held is not None:
            record, self._held = merged(self._held, record), None
        if not self._writer.submit(Submission(record, None, self._on_lost, harvest=harvest)):
            record = replace(record, samples=harvest())
            self._held = without_samples(record, GapReason.SPOOL_FULL, "the spool's disk is too slow")
            self._on_lost(record)

    def _on_lost(self, record: Record) -> None:
        """Be told, maybe in the writer's thread, that a record was not kept."""
        if len(record.samples):
            self._lost.append(record.samples)


def _shortcoming(nodes: _Nodes, signals: int) -> str:
    if not nodes.missing:
        return ""
    why = next(iter(nodes.missing.values()))[1]
    return f"{len(nodes.missing)} of {signals} signals cannot be read, the first because: {why}"
