"""Readers that hold a session with an OPC UA server: connecting, waiting, beating and stopping are the same for all of them."""

from __future__ import annotations

import asyncio
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import structlog

from ingest.account import Account
from ingest.cuts import RECORD_US
from ingest.health import SourceHealth
from ingest.records import SourceState
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.ledger import GapReason, minute_of
from protocols.opcua_client import Handover, OpcUaEndpoint, OpcUaSession, open_session
from storage.health import SourceStateName

LONGEST_PAUSE_SECONDS: Final = 15.0
_REFUSED_PAUSE_SECONDS: Final = 10.0
_BEAT_SECONDS: Final = 1.0
_log = structlog.get_logger(__name__)


class SessionReader(ABC):
    """Holds one session after the other, in a thread and an event loop of its own."""

    def __init__(self, name: str, endpoint: Callable[[], OpcUaEndpoint], health: SourceHealth, clock: Clock, *, seed: int) -> None:
        self._endpoint = endpoint
        self.health = health
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._attempt = 0
        """Attempts to connect since a session was of use."""
        self._sessions = 0
        self._stopping = False
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to end; the last record is submitted before the thread ends."""
        self._stopping = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stopped.set)

    def join(self, seconds: float) -> bool:
        """Return whether the thread has ended within some seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @abstractmethod
    def _resume(self) -> None:
        """Account for the time since the last record; called at each begin, the first and those after a failure."""

    @abstractmethod
    async def _hold(self, session: OpcUaSession) -> None:
        """Read until the session is lost or the stop. Raises Unavailable when the session is of no use any more."""

    @abstractmethod
    def _end(self) -> None:
        """Account for what is over, and submit the last record."""

    @abstractmethod
    async def _while_away(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task or the stop, and write down what is missed meanwhile."""

    def _failed(self) -> None:  # noqa: B027 - most have nothing to remember then
        """Be told that the reader failed and begins anew."""

    def _run(self) -> None:
        while True:
            try:
                asyncio.run(self._live())
            except Exception as error:  # noqa: BLE001 - one source must never stop for good, nor others with it
                _log.exception("the reader of a source failed; starting it anew", source=self.health.source, error=repr(error))
                self._failed()
                self._clock.sleep(1.0)
            else:
                return

    async def _live(self) -> None:
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stopping:
            self._stopped.set()
        self._resume()
        beating = asyncio.create_task(self._beat())
        self._attempt = 0
        while not self._stopping:
            session = await self._connect()
            self._attempt += 1
            if session is None:
                continue
            try:
                await self._hold(session)
            except Unavailable as error:
                self._say("away", str(error))
            finally:
                await session.close()
        self._end()
        self._say("stopped", "")
        beating.cancel()

    async def _beat(self) -> None:
        """Show that the loop turns."""
        while True:
            self.health.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _connect(self) -> OpcUaSession | None:
        """Return a session, or None after a failed attempt and the pause behind it."""
        try:
            opening = asyncio.create_task(open_session(self._endpoint()))
            await self._while_away(opening)
            if not opening.done():
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
                return None
            return opening.result()
        except Rejected as error:
            self._say("refused", str(error))
            pause = _REFUSED_PAUSE_SECONDS
        except Unavailable as error:
            self._say("away", str(error))
            pause = min(LONGEST_PAUSE_SECONDS, 0.25 * 2 ** min(self._attempt, 8))
        await self._pause(pause)
        return None

    async def _pause(self, seconds: float) -> None:
        await self._while_away(asyncio.create_task(asyncio.sleep(seconds * (0.5 + self._random.random()))))

    def _connected(self) -> None:
        """Count a session that is of use."""
        self._sessions += 1
        self.health.reconnects = self._sessions - 1

    def _say(self, state: SourceStateName, detail: str) -> None:
        if self.health.say(state, detail, self._clock.now_us()):
            _log.info("source " + state, source=self.health.source, detail=detail)


class ListeningReader(SessionReader):
    """Takes what a server sends by itself: what nobody heard is a gap from the last message on, of which nobody knows how much it held."""

    def __init__(
        self,
        name: str,
        endpoint: Callable[[], OpcUaEndpoint],
        health: SourceHealth,
        clock: Clock,
        state: SourceState | None,
        *,
        seed: int,
        flush_us: int = RECORD_US,
    ) -> None:
        super().__init__(name, endpoint, health, clock, seed=seed)
        self._flush_us = flush_us
        self._account = Account(health.source)
        self._mark = None if state is None else state.mark
        self._since_us = 0
        self._heard_us = 0
        """When the last message came, by our clock: all before it is known."""
        self._blind: tuple[GapReason, str] | None = None
        """Why nothing is known since then."""
        self._before: Handover | None = None

    @abstractmethod
    def _kept_seconds(self, before: Handover) -> float:
        """Return how long the server keeps what it would have sent over the subscription before."""

    @abstractmethod
    def _flush(self, *, last: bool = False) -> None:
        """Submit what was gathered as one record."""

    def _failed(self) -> None:
        self._blind = self._blind or (GapReason.DISCONNECTED, "the reader failed")

    def _resume(self) -> None:
        """Remember since when nobody listened."""
        if self._since_us:
            return
        self._since_us = self._heard_us = self._clock.now_us()
        if self._mark is not None:
            self._account.reopen(self._mark.open)
            if self._mark.end_us < self._heard_us:
                self._heard_us = self._mark.end_us
                self._blind = (GapReason.STOPPED, "")

    def _end(self) -> None:
        if self._blind is not None:
            self._declare_gap(self._clock.now_us())
        self._flush(last=True)

    async def _while_away(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task or the stop; write down what is lost for sure at each minute's end."""
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            while not task.done() and not self._stopping:
                await asyncio.wait({task, stopped}, timeout=self._flush_us / 1e6, return_when=asyncio.FIRST_COMPLETED)
                now = self._clock.now_us()
                kept_us = 0 if self._before is None else round(self._kept_seconds(self._before) * 1e6)
                if self._blind is not None and now > self._heard_us + kept_us and minute_of(now) != minute_of(self._since_us):
                    self._before = None
                    self._declare_gap(now)
                    self._flush(last=True)
        finally:
            stopped.cancel()

    def _declare_gap(self, to_us: int) -> None:
        """Say that from the last message to a time nothing is known."""
        assert self._blind is not None  # noqa: S101 - asked only when it is set
        reason, detail = self._blind
        if to_us > self._heard_us:
            self._account.missed(self._heard_us, to_us, 0, reason, None, detail)
            self._account.complete = False
            self._heard_us = to_us
