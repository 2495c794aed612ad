"""The programs and the rights of docs/controllers.md, cut out of the page and run as they stand there. The shell one: tests/dashboard."""

from __future__ import annotations

import asyncio
import getpass
import re
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from delivery.mqtt import MqttWay
from plant.deliveries import Quantity, Verdict
from plant.delivery_messages import read_message, sign
from plant.delivery_topics import DeliveryTopics
from plant.errors import Unavailable
from plant.settings_delivery import DeliverySettings
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from tests.delivery.test_mqtt import TOPICS, UNIT, someone, way_to
from tests.delivery.way_parts import CURRENT, KEY, PATIENCE, Heard, pulse, signed, until
from tests.ingest.parts import Mosquitto
from tests.node_parts import Node

PAGE = Path(__file__).parents[2] / "docs" / "controllers.md"


def piece(name: str) -> str:
    """What stands in the page under a mark."""
    (found,) = re.findall(rf"^<!-- {name} -->\n```\w*\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    mosquitto = Mosquitto(tmp_path_factory.mktemp("broker"))
    yield mosquitto.start()
    mosquitto.stop()


@asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*map(str, command))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def tried(port: int, folder: Path, command: list[str | Path], where: list[str]) -> None:
    """A controller takes a message, says the same again, refuses an old counter, hears nobody else, and follows each pulse."""
    heard = Heard()
    told = [*where, TOPICS.of(UNIT, "x").removesuffix("/x"), UNIT, "cell", KEY.hex()]
    async with way_to(port, folder, heard, questions=False) as way, running(*command, *told) as process:
        await alive(way, heard, process)
        message = signed(UNIT, 2)
        await way.send(message)
        await until(lambda: heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])
        assert heard.answers[-1].readback == (Quantity(CURRENT, 210.0, "A"),)
        async with someone(port) as (somebody, _):
            topic = TOPICS.of(UNIT, "message")
            forged = signed(UNIT, 3)
            foreign = sign(forged.text, "cell", b"x")
            assert await somebody.publish(Letter(topic, forged.text.encode(), user={"signature": foreign}), PATIENCE)
            assert await somebody.publish(Letter(topic, message.text.encode(), user={"signature": message.signature}), PATIENCE)
        await until(lambda: heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED, Verdict.EXECUTED])
        old = signed(UNIT, 2)
        await way.send(old)
        await until(lambda: heard.verdicts(old.message.id) == [Verdict.REFUSED])
        assert not heard.verdicts(forged.message.id)
        known = len(heard.beats)
        await way.pulse([pulse(UNIT, 2)])
        await until(lambda: len(heard.beats) > known)
        assert heard.beats[-1][1].counter == 2


async def alive(way: MqttWay, heard: Heard, process: asyncio.subprocess.Process) -> None:
    """Return once the controller listens: pulses before that go to nobody."""
    for number in range(1, 100):
        assert process.returncode is None, "it ended"
        await way.pulse([pulse(UNIT, number)])
        end = time.monotonic() + min(number / 4, 5)  # a sign of life counts that follows one of the newest three
        while time.monotonic() < end:
            await asyncio.sleep(0.02)
            if heard.beats:
                return
    raise AssertionError("it never listened")


async def test_the_controller_in_python_does_what_a_controller_does(port: int, tmp_path: Path) -> None:
    file = tmp_path / "controller.py"
    file.write_text(piece("python mqtt"), "utf-8")
    await tried(port, tmp_path, [sys.executable, file], ["127.0.0.1", str(port)])


@pytest.mark.heavy
async def test_the_controller_in_javascript_does_what_a_controller_does(node: Node, port: int, tmp_path: Path) -> None:
    file = tmp_path / "controller.mjs"
    file.write_text(piece("js mqtt"), "utf-8")
    (tmp_path / "node_modules").symlink_to(node.folder / "node_modules")
    await tried(port, tmp_path, [node.program, file], [f"mqtt://127.0.0.1:{port}"])


def test_the_settings_of_the_page_are_settings() -> None:
    found = "\n".join(re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    told = DeliverySettings.model_validate(tomllib.loads(found)["delivery"])
    assert [one.way for one in told.controllers] == ["mqtt", "sparkplug", "rest"]


def test_the_message_of_the_page_is_one() -> None:
    (example,) = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert read_message(example).counter == 42


def test_a_client_is_some_twenty_lines() -> None:
    for name in ("python mqtt", "js mqtt", "sh rest"):
        assert len([line for line in piece(name).splitlines() if line.strip()]) <= 30, name


def broker_with_rights(folder: Path) -> Mosquitto:
    """A broker that knows Leadhand, the robots and one other, with the rights of the page."""
    passwords, rights, config = folder / "passwords", folder / "rights", folder / "mosquitto.conf"
    rights.write_text(piece("acl"), "utf-8")
    passwords.write_text("".join(f"{user}:secret\n" for user in ("leadhand-delivery", "robots", "other")), "utf-8")
    subprocess.run(["/usr/bin/mosquitto_passwd", "-U", str(passwords)], check=True, capture_output=True)
    # as root it would become a user who may not read these files
    broker = Mosquitto(folder, f"password_file {passwords}", f"acl_file {rights}", f"user {getpass.getuser()}")
    config.write_text(config.read_text("utf-8").replace("allow_anonymous true", "allow_anonymous false"), "utf-8")
    return broker


async def test_by_the_rights_of_the_page_each_says_only_what_is_his(tmp_path: Path) -> None:
    broker = broker_with_rights(tmp_path)
    port = await asyncio.to_thread(broker.start)
    topics = DeliveryTopics("acme/north", "robots")

    @asynccontextmanager
    async def named(user: str, *filters: str) -> AsyncIterator[tuple[MqttRequests, list[Letter]]]:
        letters: list[Letter] = []
        endpoint = MqttEndpoint("127.0.0.1", port, f"{user}-{uuid.uuid4().hex}", username=user, password="secret", session_seconds=0)
        one = MqttRequests(endpoint, filters, letters.append)
        await one.open()
        try:
            await until(lambda: one.connected)
            yield one, letters
        finally:
            await one.close()

    message, answer = topics.of("welding/cell-1", "message"), topics.of("welding/cell-1", "answer")
    try:
        async with (
            named("leadhand-delivery", *topics.filters(["*"], ["answer", "beat"])) as (ours, answers),
            named("robots", message) as (robots, taken),
            named("other") as (other, _),
        ):
            assert await ours.publish(Letter(message, b"ours"), PATIENCE)
            await until(lambda: [one.payload for one in taken] == [b"ours"])
            assert await robots.publish(Letter(answer, b"theirs"), PATIENCE)
            for wrong, topic in ((other, answer), (other, message), (robots, message), (robots, topics.of("welding/cell-1", "pulse"))):
                with pytest.raises(Unavailable, match=r"(?i)not authorized"):
                    await wrong.publish(Letter(topic, b"forged"), PATIENCE)
            await until(lambda: bool(answers))
            assert [one.payload for one in answers] == [b"theirs"]
            assert [one.payload for one in taken] == [b"ours"]
    finally:
        await asyncio.to_thread(broker.stop)
