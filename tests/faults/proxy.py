"""A place between two programs where links break: reset, black hole, delay, jitter, slices, cuts in mid-stream, flapping, silence."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.listener import Listener
from tests.ports import free_port

Place = tuple[str, int] | Path
"""Host and port, or the file of a Unix socket."""
Change = Callable[[bytes], bytes]
"""From the bytes that came to those that go on; raises ``Cut`` to reset the link before they do."""
_T = TypeVar("_T")


def seed_of_run() -> int:
    """Return the seed of this run, printed: LEADHAND_SEED where it is set (``new`` for one that nobody had), else always the same."""
    given = os.environ.get("LEADHAND_SEED", "4711")
    seed = time.time_ns() % 1_000_000_007 if given == "new" else int(given)
    print(f"LEADHAND_SEED={seed}")  # noqa: T201 - shown by pytest with a failure
    return seed


class Cut(Exception):
    """Break the link here."""


class Link:
    """A listening place that passes bytes on to another, as well as it is told to. All methods may be called from any thread."""

    def __init__(self, proxies: Proxies, target: Place, seed: int) -> None:
        self._proxies = proxies
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._listener: Listener | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._through = asyncio.Event()
        self._through.set()
        self.target = target
        self.port = 0
        self.path: Path | None = None
        self.silent = False
        """Connections are taken, and nothing is ever said on them."""
        self.delay_seconds = 0.0
        self.jitter_seconds = 0.0
        self.slice_bytes = 0
        """Pass on so few bytes at a time; 0 passes on what came."""
        self.to_client: Change | None = None
        self.to_server: Change | None = None
        self.connections: list[float] = []
        """When each connection was made, on the steady clock."""
        self.bytes_down = 0

    def reset(self) -> None:
        """Break all connections with a RST; new ones are taken."""
        self._proxies.run(self._reset())

    def close(self) -> None:
        """Break all connections and listen no more: who connects is refused."""
        self._proxies.run(self._close())

    def open(self) -> None:
        """Listen (again) on the same place."""
        self._proxies.run(self._listen())

    def black_hole(self) -> None:
        """Take what is sent and pass on nothing, without a word to either side."""
        self._proxies.call(self._through.clear)

    def heal(self) -> None:
        """Pass on again."""
        self.silent = False
        self._proxies.call(self._through.set)

    @property
    def alive(self) -> int:
        """How many connections are open now."""
        return len(self._open) // 2

    async def _listen(self) -> None:
        if self._listener is None:
            listening = _unix_listener(self.path) if self.path is not None else socket.create_server((self._host, self.port))
            self._listener = Listener(listening, self._join, resets=True)

    _host = "127.0.0.1"

    async def _reset(self) -> None:
        if self._listener is not None:
            await self._listener.hang_up()

    async def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.end()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self._through.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(time.monotonic())
        ours = [writer]
        self._open.add(writer)
        try:
            if self.silent:
                while await reader.read(65536):
                    pass
                return
            if isinstance(self.target, Path):
                there, back = await asyncio.open_unix_connection(self.target)
            else:
                there, back = await asyncio.open_connection(*self.target)
            ours.append(back)
            self._open.add(back)
            await _first_of(
                self._pass_on(reader, back, lambda: self.to_server, up=True), self._pass_on(there, writer, lambda: self.to_client, up=False)
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in ours:
                _abort(one)
                self._open.discard(one)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[], Change | None], *, up: bool
    ) -> None:
        while content := await reader.read(65536):
            await self._through.wait()
            meddle = change()
            if meddle is not None:
                try:
                    content = meddle(content)
                except Cut:
                    return
            if self.delay_seconds or self.jitter_seconds:
                await asyncio.sleep(self.delay_seconds + self.jitter_seconds * self._random.random())
            if not up:
                self.bytes_down += len(content)
            step = self.slice_bytes or len(content) or 1
            for start in range(0, len(content), step):
                writer.write(content[start : start + step])
                await writer.drain()
                if self.slice_bytes:
                    await asyncio.sleep(0)


class Proxies:
    """Links that live in one thread while the block runs."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._links: list[Link] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            link.close()
        self.call(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def link(self, target: Place, *, host: str = "127.0.0.1", port: int = 0, path: Path | None = None, closed: bool = False) -> Link:
        """Return a link to a target; it listens on a free port, or on the file of a Unix socket."""
        link = Link(self, target, self._seed + len(self._links))
        link._host = host
        link.port = port or free_port(host)
        link.path = path
        self._links.append(link)
        if not closed:
            link.open()
        return link

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the proxies' thread and return what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def call(self, act: Callable[[], None]) -> None:
        """Do something in the proxies' thread."""
        self._loop.call_soon_threadsafe(act)


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Do some things at once until the first of them ends; the others are over then, too."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _unix_listener(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def _abort(writer: asyncio.StreamWriter) -> None:
    link = writer.transport.get_extra_info("socket")
    if link is not None and link.family != socket.AF_UNIX and link.fileno() >= 0:
        # with nothing to linger for, the end is a RST
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Flapping(threading.Thread):
    """Breaks a link and lets it be, again and again, until told to stop."""

    def __init__(self, link: Link, up_seconds: float, down_seconds: float) -> None:
        super().__init__(daemon=True)
        self.link = link
        self.times = 0
        self._up, self._down = up_seconds, down_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(self._up):
            self.link.close()
            self.times += 1
            self._stopping.wait(self._down)
            self.link.open()

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)
