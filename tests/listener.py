"""A listening place in the loop of a test, which leaves no socket and no task behind when it closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Takes connections and serves each in a task. What it took is its own from the first moment, so closing finds it."""

    def __init__(self, listening: socket.socket, serve: Serve, *, resets: bool = False) -> None:
        self._resets = resets
        """Whether each end of a connection is a RST."""
        self._listening = listening
        self._serve = serve
        self._taken: dict[asyncio.Task[None], socket.socket] = {}
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._take)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        """Listen no more; connections that were taken go on."""
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    async def end(self) -> None:
        """Listen no more and break what is open; nothing of it is left then."""
        self.close()
        while self._taken:
            await self.hang_up()

    async def hang_up(self) -> None:
        """Break what is open now; new connections are taken."""
        for task in self._taken:
            task.cancel()
        await asyncio.gather(*self._taken, return_exceptions=True)
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            taken, _ = self._listening.accept()
            taken.setblocking(False)
            if self._resets and taken.family != socket.AF_UNIX:
                # with nothing to linger for, the end is a RST
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            task = self._loop.create_task(self._run(taken))
            self._taken[task] = taken
            task.add_done_callback(self._forget)

    async def _run(self, taken: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=taken)
        try:
            await self._serve(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _forget(self, task: asyncio.Task[None]) -> None:
        # a task that was cancelled before it began has closed nothing
        self._taken.pop(task).close()
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a test's server failed", "exception": task.exception(), "task": task})


def listen(serve: Serve, host: str = "127.0.0.1", port: int = 0) -> Listener:
    """Return a listener on TCP, on a free port unless one is given."""
    return Listener(socket.create_server((host, port)), serve)
