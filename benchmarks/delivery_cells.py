"""Simulated controllers in a process of their own, and a delivery process before them: what figures of delivery are measured on."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

from plant.clock import SystemClock
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from simulators.mqtt_controller import MqttControllers
from simulators.opcua_controller import OWN, OpcUaControllers
from simulators.opcua_server import Protection
from tests.delivery.killing import TOPICS
from tests.delivery.way_parts import KEY, controller

CLOCK: Final = SystemClock()
WAYS: Final = ("mqtt", "opcua")
ECHO: Final = "echo/there"
BACK: Final = "echo/back"
_HEAD: Final = """
[site]
enterprise = "acme"
id = "north"

[delivery]
[[delivery.controllers]]
id = "cell"
work_units = ["weld-*"]
takes = ["parameters"]
answer_seconds = 30.0
done_seconds = 30.0
heartbeat_seconds = 5.0
valid_seconds = 60.0
"""
_MQTT: Final = """way = "mqtt"
url = "mqtt://127.0.0.1:{port}"
allow_anonymous = true
"""
_OPCUA: Final = """way = "opcua_jobs"
url = "opc.tcp://127.0.0.1:{port}/"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true
parameters = {{ "*" = "nsu={own};s={{work_unit}}/{{name}}" }}
counter = "nsu={own};s={{work_unit}}/counter"
state = "nsu={own};s={{work_unit}}/state"
pulse = "nsu={own};s={{work_unit}}/heartbeat"
"""


def units_of(count: int) -> list[str]:
    """Return the names of so many work units."""
    return [f"weld-{number}" for number in range(count)]


@contextmanager
def cells(way: str, port: int, units: int) -> Iterator[Pipe]:
    """Controllers at work; ask the pipe with a word (``executions``) and read what it says. An OPC UA server's port is said first."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, way, port, units), daemon=True)
    child.start()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send("stop")
        child.join(30)
        if child.is_alive():
            child.kill()


def _serve(pipe: Pipe, way: str, port: int, units: int) -> None:
    asyncio.run(_mqtt(pipe, port, units) if way == "mqtt" else _opcua(pipe, port, units))


async def _mqtt(pipe: Pipe, port: int, units: int) -> None:
    controllers = [controller(unit) for unit in units_of(units)]
    front = MqttControllers(controllers, MqttEndpoint("127.0.0.1", port, "cells", session_seconds=0), TOPICS, CLOCK, tick_seconds=1.0)
    await front.open()
    echo: list[MqttRequests] = []

    def back(letter: Letter) -> None:
        echo[0].acknowledge(letter)
        tasks.add(asyncio.get_running_loop().create_task(echo[0].publish(Letter(BACK, letter.payload), 10.0)))

    tasks: set[asyncio.Task[bool]] = set()
    echo.append(MqttRequests(MqttEndpoint("127.0.0.1", port, "echo", session_seconds=0), [ECHO], back))
    await echo[0].open()
    while not (front.connected and echo[0].connected):  # noqa: ASYNC110 - they say so by no event
        await asyncio.sleep(0.01)
    pipe.send(port)
    await _talk(pipe, {one.rules.work_unit: one for one in controllers})
    await echo[0].close()
    await front.close()


async def _opcua(pipe: Pipe, port: int, units: int) -> None:
    controllers = {unit: controller(unit) for unit in units_of(units)}
    front = OpcUaControllers(controllers, CLOCK, protection=Protection(insecure=True), port=port)
    await front.start()
    pipe.send(int(front.url.rstrip("/").rpartition(":")[2]))
    await _talk(pipe, controllers)
    await front.stop()


async def _talk(pipe: Pipe, controllers: dict[str, Any]) -> None:
    """Answer what is asked until told to stop."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        word = ""
        while word != "stop":
            try:
                word = pipe.recv()
            except EOFError:
                word = "stop"
            loop.call_soon_threadsafe(heard.put_nowait, word)

    threading.Thread(target=listen, daemon=True).start()
    while (await heard.get()) == "executions":
        pipe.send([one.message_id for each in controllers.values() for one in each.executions])


@contextmanager
def delivery(url: str, folder: Path, way: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A delivery process at work on a database, before controllers on a port."""
    (folder / "site.toml").write_text(_HEAD + (_MQTT if way == "mqtt" else _OPCUA).format(port=port, own=OWN))
    keys = folder / "delivery" / "keys"
    keys.mkdir(mode=0o700, parents=True)
    (keys / "cell.key").write_text(KEY.hex())
    (keys / "cell.key").chmod(0o600)
    environment = os.environ | {"LEADHAND_DATABASE_URL": url, "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "delivery", "--site", str(folder / "site.toml"), "--home", str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert child.stdout is not None
    try:
        assert json.loads(child.stdout.readline())["ready"], (folder / "log").read_text()
        yield child
    finally:
        child.terminate()
        child.wait(60)
        child.stdout.close()
