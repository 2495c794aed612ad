"""What every server on asyncua's needs: to be built without the garbage collector in the way, and to end without a connection left open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator

from asyncua.server.binary_server_asyncio import BinaryServer

from protocols.listening import stop_accepting


@contextlib.contextmanager
def no_collecting() -> Iterator[None]:
    """No garbage collection inside: asyncua builds 6,000 nodes that stay, and looking through them again and again doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def end_connections(server: BinaryServer) -> None:
    """Listen no more and break all connections; they are closed then. asyncua waits for what a client does not take, and loses some."""
    if isinstance(server._server, asyncio.Server):  # noqa: SLF001 - asyncua has no other way to it
        await stop_accepting(server._server)  # noqa: SLF001
    tasks = [task for client in server.clients for task in (client._task, client._activation_watchdog_task) if task is not None]  # noqa: SLF001
    for transport in list(server.iserver.asyncio_transports):
        transport.abort()
    await asyncio.sleep(0)  # the protocols hear of it in the loop's next turn
    await asyncio.gather(*tasks, return_exceptions=True)
