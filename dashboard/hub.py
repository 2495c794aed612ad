"""One database read a second shared by all clients: from it a snapshot, numbered deltas, and one serialised message per topic.

A thread reads; the event loop hands out. When the database is away or slow the clients still hear, each second, how old what
they see is. Each client has its own queue and its own place in the numbered sequence: one that falls behind gets the whole state anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
import structlog

from dashboard.reading import Read, Reader
from dashboard.topics import SignalTopic, Topic, make_topic
from dashboard.views import ClockView
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from storage.database import Connection, connect

_log = structlog.get_logger("hub")
_KEPT_TICKS = 120
_LINGER_TICKS = 30
"""A topic that nobody watches any more is kept up for so long, so that who reloads or reconnects goes on where he was."""
_QUEUE = 8
MOST_CLIENTS = 500
MOST_LIVE_TOPICS = 2_000


@dataclass(slots=True, eq=False)
class _Live:
    """A topic somebody watches, with its last messages by tick."""

    topic: Topic
    since: int
    watchers: int = 0
    unwatched_since: int = 0
    messages: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_KEPT_TICKS))
    whole: bytes | None = None
    updated: int = 0
    """Number of the read that the topic was last shown: each read is shown once."""

    def show(self, read: Read) -> dict[str, Any] | None:
        """Return what the topic says of a read, None where it knows this one or nothing changed."""
        if read.number <= self.updated:
            return None
        self.updated, self.whole = read.number, None
        return self.topic.update(read)


@dataclass(slots=True, eq=False)
class Client:
    """One who listens: its topics and what waits to be sent."""

    topics: tuple[str, ...]
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    fell_behind: bool = False


class Hub:
    """The shared read, and who listens to it."""

    def __init__(self, url: str, clock: Clock, *, period_seconds: float = 1.0) -> None:
        self._url, self._clock, self._period = url, clock, period_seconds
        self._boot = secrets.token_hex(4)
        self._tick = 0
        self._live: dict[str, _Live] = {}
        self._clients: list[Client] = []
        self._watched: frozenset[int] = frozenset()
        self._read: Read | None = None
        self._pending: deque[Read] = deque(maxlen=_KEPT_TICKS)
        self._database: Literal["ok", "away"] = "away"
        self._said_away = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self.dropped = 0
        """How often a client fell behind and was given the whole state anew."""

    # -- what services ask -------------------------------------------------------------------------------------------

    def last_read(self) -> Read:
        """Return the newest read. Raises Unavailable while there was none."""
        read = self._read
        if read is None:
            raise Unavailable("the database has not been read yet: it is starting or away")
        return read

    def clock(self) -> ClockView:
        """Return how old what is shown is."""
        read = self._read
        return ClockView(self._clock.now_us(), None if read is None else read.read_us, self._database)

    @property
    def clients(self) -> int:
        """How many listen now."""
        return len(self._clients)

    # -- the reading thread ------------------------------------------------------------------------------------------

    def read_forever(self) -> None:
        """Read the database each period until ``stop``; run it in a thread of its own."""
        reader = Reader()
        due = self._clock.monotonic()
        while not self._stopping.is_set():
            try:
                self.read_once(reader)
            except Exception as error:  # noqa: BLE001 - whatever it is, pages must go on and say how old they are
                _log.exception("reading the database failed in a way nobody expected", error=str(error))
                self._lost()
                reader = Reader()
            due = max(due + self._period, self._clock.monotonic())
            self._stopping.wait(due - self._clock.monotonic())
        self._close()

    def read_once(self, reader: Reader) -> None:
        """Read the database now; where it is away, say so once and keep what was read before."""
        try:
            if self._connection is None:
                self._connection = connect(self._url, application="leadhand dashboard hub", read_only=True, statement_seconds=20)
            read = reader.read(self._connection, self._watched, self._clock.now_us())
        except (Unavailable, Rejected) as error:
            if self._database == "ok" or not self._said_away:
                _log.warning("the database cannot be read", reason=str(error))
            self._lost()
            return
        if self._database == "away":
            _log.info("the database is read", number=read.number)
        self._database, self._said_away = "ok", False
        self._read = read
        self._pending.append(read)
        if self._loop is not None and self._came is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._came.set)

    def _lost(self) -> None:
        self._close()
        self._database, self._said_away = "away", True

    def stop(self) -> None:
        """End the reading thread at its next turn, and all streams."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- the event loop ----------------------------------------------------------------------------------------------

    async def publish_forever(self) -> None:
        """Hand out each read as it comes; while none comes, the clock alone, each period. Ends when cancelled."""
        self._came, self._loop = asyncio.Event(), asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), 1.5 * self._period)
            self._came.clear()
            self.publish()

    def publish(self) -> None:
        """Send each client what changed since the tick before, and always the clock."""
        self._tick += 1
        while self._pending:
            read = self._pending.popleft()
            for name, live in self._live.items():
                message = live.show(read)
                if message is not None:
                    live.messages.append((self._tick, self._event(name, message)))
        self._forget_unwatched()
        clock = self._clock_event()
        shared: dict[tuple[str, ...], bytes] = {}
        for client in self._clients:
            block = shared.get(client.topics)
            if block is None:
                block = shared[client.topics] = self._since(client.topics, self._tick - 1) + clock
            self._give(client, block)

    def check(self, topics: Iterable[str]) -> None:
        """Raise Rejected for unknown topics, Unavailable when too many listen."""
        made = [make_topic(name) for name in set(topics) if name not in self._live]
        if len(self._clients) >= MOST_CLIENTS or len(self._live) + len(made) > MOST_LIVE_TOPICS:
            raise Unavailable("too many clients listen: close some pages, or try again later")

    def subscribe(self, topics: Iterable[str], cursor: str | None) -> Client:
        """Return a new client; its queue starts with what it missed since ``cursor``, or with the whole state."""
        names = tuple(sorted(set(topics)))
        for name in names:
            if name in self._live:
                continue
            live = self._live[name] = _Live(make_topic(name), self._tick)
            if self._read is not None:
                live.show(self._read)
        for name in names:
            self._live[name].watchers += 1
        self._watch()
        client = Client(names)
        self._clients.append(client)
        client.queue.put_nowait(self._catch_up(names, cursor) + self._clock_event())
        return client

    def unsubscribe(self, client: Client) -> None:
        """Forget a client."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        for name in client.topics:
            live = self._live[name]
            live.watchers -= 1
            live.unwatched_since = self._tick

    async def next_block(self, client: Client, timeout_seconds: float) -> bytes | None:
        """Return what to send next, None where nothing came in time; who fell behind gets the whole state."""
        if client.fell_behind:
            client.fell_behind = False
            while not client.queue.empty():
                client.queue.get_nowait()
            return self._catch_up(client.topics, None) + self._clock_event()
        try:
            return await asyncio.wait_for(client.queue.get(), timeout_seconds)
        except TimeoutError:
            return None

    def _give(self, client: Client, block: bytes) -> None:
        if client.fell_behind:
            return
        try:
            client.queue.put_nowait(block)
        except asyncio.QueueFull:
            client.fell_behind = True
            self.dropped += 1

    def _catch_up(self, names: tuple[str, ...], cursor: str | None) -> bytes:
        boot, _, tick = (cursor or "").partition("-")
        known = int(tick) if boot == self._boot and tick.isdigit() else None
        oldest = self._tick - _KEPT_TICKS + 1
        if known is not None and oldest <= known <= self._tick and all(self._live[name].since <= known for name in names):
            return self._since(names, known)
        return b"".join(self._whole(name) for name in names)

    def _since(self, names: tuple[str, ...], tick: int) -> bytes:
        return b"".join(event for name in names for at, event in self._live[name].messages if at > tick)

    def _whole(self, name: str) -> bytes:
        live, read = self._live[name], self._read
        if read is None:
            return b""
        if live.whole is None:
            live.whole = self._event(name, live.topic.whole(read))
        return live.whole

    def _forget_unwatched(self) -> None:
        gone = [name for name, live in self._live.items() if not live.watchers and self._tick - live.unwatched_since > _LINGER_TICKS]
        for name in gone:
            del self._live[name]
        if gone:
            self._watch()

    def _watch(self) -> None:
        self._watched = frozenset(live.topic.signal for live in self._live.values() if isinstance(live.topic, SignalTopic))

    def _event(self, topic: str, message: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps({"topic": topic, **self._head(), **message}) + b"\n\n"

    def _clock_event(self) -> bytes:
        return f"id: {self._boot}-{self._tick}\n".encode() + self._event("clock", {"clients": len(self._clients)})

    def _head(self) -> dict[str, Any]:
        clock = self.clock()
        return {"time_us": clock.now_us, "read_us": clock.read_us, "database": clock.database}
