"""Simulated controllers behind a broker, in a thread of their own, with the keys that Leadhand made for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from plant.clock import Clock
from plant.delivery_topics import DeliveryTopics
from plant.errors import SettingsError
from protocols.mqtt_client import MqttEndpoint
from simulators.controller import Controller
from simulators.mqtt_controller import MqttControllers
from simulators.mqtt_publisher import Broker

_KEY_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.1


def key_of(folder: Path, controller: str) -> dict[str, bytes]:
    """Return the key of a controller by its id, as the engineer gave it; waits for it. Raises SettingsError where none comes."""
    file = folder / f"{controller}.key"
    end = time.monotonic() + _KEY_SECONDS
    while not file.exists():
        if time.monotonic() > end:
            raise SettingsError(f"{file}: there is no key of controller '{controller}'")
        time.sleep(0.1)
    return {controller: bytes.fromhex(file.read_text("ascii").strip())}


@contextmanager
def behind_broker(controllers: Sequence[Controller], name: str, prefix: str, broker: Broker, clock: Clock) -> Iterator[None]:
    """Have controllers of one id in the settings listen and answer until the block ends; ``prefix``: with what topics begin."""
    endpoint = MqttEndpoint(
        *(broker.host, broker.port, f"simulated-{name}"), tls=broker.tls, username=broker.username, password=broker.password
    )
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def work() -> None:
        line = MqttControllers(controllers, endpoint, DeliveryTopics(prefix, name), clock, tick_seconds=_TICK_SECONDS)
        await line.open()
        try:
            await over.wait()
        finally:
            await line.close()

    def run() -> None:
        try:
            loop.run_until_complete(work())
        finally:
            loop.close()

    thread = threading.Thread(target=run, name=f"controller-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(over.set)
        thread.join(30)
