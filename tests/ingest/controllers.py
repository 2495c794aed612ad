"""A simulated tightening controller in a thread of its own, for tests and benchmarks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from plant.clock import SystemClock
from simulators.open_protocol import Controller
from simulators.open_protocol_bolts import Bolt
from simulators.open_protocol_settings import ControllerSettings, LinkFault
from simulators.tightening import JointFault

T = TypeVar("T")

TOOL_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/bearing"

[[sources]]
protocol = "open_protocol"
id = "nutrunner"
url = "op://127.0.0.1:{port}"
equipment = "hall/line/bearing"
keepalive_seconds = 1.0
timeout_seconds = 1.0
allow_insecure = true
{more}
"""


class Tools:
    """A controller that any thread may command."""

    def __init__(self, controller: Controller, loop: asyncio.AbstractEventLoop) -> None:
        self.controller = controller
        self._loop = loop

    @property
    def port(self) -> int:
        return self.controller.port

    def call(self, function: Callable[[], T]) -> T:
        """Run something in the controller's event loop and return its result."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)

    def tighten(self, part: str = "EX-1", faults: dict[int, JointFault] | None = None) -> list[Bolt]:
        return self.call(lambda: self.controller.tighten(part, 36, faults))

    def fault(self, fault: LinkFault) -> None:
        self.call(lambda: self.controller.fault(fault))

    def hang_up(self) -> None:
        self.call(self.controller.hang_up)

    @property
    def numbers(self) -> list[int]:
        return [bolt.values["tightening_id"] for bolt in list(self.controller.made)]


@contextmanager
def controller_running(settings: ControllerSettings | None = None, *, port: int = 0, first_id: int = 1, seed: int = 1) -> Iterator[Tools]:
    """A controller that listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="controller", daemon=True)
    thread.start()

    async def begin() -> Controller:
        controller = Controller(SystemClock(), settings, seed=seed, first_id=first_id)
        await controller.start(port=port)
        return controller

    controller = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    try:
        yield Tools(controller, loop)
    finally:
        asyncio.run_coroutine_threadsafe(controller.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
