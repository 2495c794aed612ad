"""How a server of asyncio ends without leaving a connection behind.

Python 3.11 drops a connection that is taken while its server closes: nobody hears of it, and its socket stays open until it is
found as garbage.
"""

from __future__ import annotations

import asyncio
from typing import Final

_TURNS: Final = 6
"""A connection that was taken has reached its protocol, and the task that serves it has begun, after four turns of the loop."""


async def stop_accepting(server: asyncio.Server) -> None:
    """Listen no more. What was taken before has reached its protocol then; what was not is refused."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
