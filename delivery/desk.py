"""The process's door to the database: one connection in one thread, one job after the other, each with an outer deadline.

The event loop never waits for the database; it awaits. Between two jobs the loop itself watches the connection for what others say
(LISTEN), so that nothing polls and nothing is heard late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog

from plant.errors import Unavailable
from storage.database import Connection, connect, deadline, heard, listen, translate_errors
from storage.progress import hold_follower

T = TypeVar("T")
NAME: Final = "delivery"
JOB_SECONDS: Final = 20.0
"""Whoever froze the server, a job ends after so long; what it wrote is committed whole or not at all, and looked up afterwards."""

_DEADLOCKS: Final = 3


class Desk:
    """Takes jobs for the database. Use it on one event loop."""

    def __init__(self, url: str, channels: Sequence[str], wake: Callable[[], None], *, job_seconds: float = JOB_SECONDS) -> None:
        """``wake`` is called on the loop when somebody else said something on one of the channels."""
        self._url = url
        self._channels = tuple(channels)
        self._wake = wake
        self._job_seconds = job_seconds
        self._thread = ThreadPoolExecutor(1, "delivery-database")
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._watched: int | None = None
        self._log = structlog.get_logger(process=NAME)
        self._away = ""
        self.connects = 0
        """How often a connection was made: what was known before the last one may be old."""

    async def ask(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returns. Raises Unavailable where the database is away, or another delivery process is at work.

        A job whose answer did not come back may be committed all the same.
        """
        async with self._turn:
            self._unwatch()
            try:
                result, said = await asyncio.get_running_loop().run_in_executor(self._thread, self._do, job)
            except Unavailable as error:
                if str(error) != self._away:
                    self._log.warning("cannot go on yet", reason=str(error))
                self._away = str(error)
                raise
            finally:
                self._watch()
            if self._away:
                self._away = ""
                self._log.info("the database is back")
            if said:
                self._wake()
            return result

    async def close(self) -> None:
        """Let go of the connection and of the thread."""
        async with self._turn:
            self._unwatch()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=True)

    def _do(self, job: Callable[[Connection], T]) -> tuple[T, bool]:
        for left in range(_DEADLOCKS, -1, -1):
            try:
                connection = self._connection or self._open()
                with translate_errors(), deadline(connection, self._job_seconds):
                    return job(connection), bool(heard(connection, 0, own=False))
            except Unavailable as error:
                # of two that waited for each other the server ended one, and took back what it did: it is done again
                if left and "deadlock detected" in str(error) and self._connection is not None and not self._connection.closed:
                    continue
                self._drop()
                raise
        raise AssertionError("unreachable")

    def _open(self) -> Connection:
        connection = connect(self._url, application="leadhand delivery")
        self._connection = connection
        with translate_errors(), deadline(connection, self._job_seconds):
            if not hold_follower(connection, NAME):
                raise Unavailable("another delivery process is at work; this one stands by")
            for channel in self._channels:
                listen(connection, channel)
        self.connects += 1
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _watch(self) -> None:
        if self._connection is not None and not self._connection.closed:
            self._watched = self._connection.fileno()
            asyncio.get_running_loop().add_reader(self._watched, self._readable)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None

    def _readable(self) -> None:
        """Somebody said something, or the server is gone: the next job finds out which."""
        self._unwatch()
        self._wake()
