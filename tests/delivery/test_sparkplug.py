"""The way to devices of Sparkplug B, on Debian's mosquitto, to a simulated controller that checks for itself."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from delivery.sparkplug import SparkplugWay, make_ways
from delivery.ways import ReadBack
from plant.deliveries import Answer, Quantity, Verdict
from plant.errors import Unavailable
from plant.settings_delivery import SparkplugController
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from protocols.sparkplug_payload import decode
from simulators.controller_rules import Behaviour
from simulators.sparkplug_controller import SparkplugControlled
from tests.delivery.way_parts import CLOCK, CURRENT, Heard, controller, pulse, setup, signed, until
from tests.ingest.parts import Mosquitto

UNIT = "robot-3"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    mosquitto = Mosquitto(tmp_path_factory.mktemp("broker"))
    yield mosquitto.start()
    mosquitto.stop()


@asynccontextmanager
async def device(port: int, node: str, behaviour: Behaviour = Behaviour.OBEDIENT) -> AsyncIterator[SparkplugControlled]:
    endpoint = MqttEndpoint("127.0.0.1", port, f"node-{uuid.uuid4().hex}")
    one = SparkplugControlled(controller(UNIT, "line", behaviour), node, endpoint, CLOCK)
    await one.open()
    try:
        await until(lambda: one.connected)
        yield one
    finally:
        await one.close()


@asynccontextmanager
async def way_to(port: int, folder: Path, node: str, heard: Heard) -> AsyncIterator[SparkplugWay]:
    told = {"id": "line", "way": "sparkplug", "work_units": ["*"], "url": f"mqtt://127.0.0.1:{port}", "allow_anonymous": True, "node": node}
    (way,) = make_ways(setup(folder, SparkplugController.model_validate(told)))
    assert isinstance(way, SparkplugWay)
    await way.open(heard)
    try:
        yield way
    finally:
        await way.close()


@pytest.fixture
def node() -> str:
    return f"hall/edge-{uuid.uuid4().hex[:8]}/robot"


async def test_a_message_goes_by_dcmd_and_what_is_in_force_is_read_from_the_devices_own_metrics(
    port: int, tmp_path: Path, node: str
) -> None:
    heard, told = Heard(), signed(UNIT, 1, "line")
    async with way_to(port, tmp_path, node, heard) as way, device(port, node) as robot:
        await until(lambda: way.reaches(UNIT))
        await way.send(told)
        await until(lambda: heard.verdicts(told.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])
        assert heard.answers[1].readback == (Quantity(CURRENT, 210.0, "A"),)
        assert await way.read_back(told) == ReadBack((Quantity(CURRENT, 210.0, "A"),))
        asked = await way.ask(told)
        assert isinstance(asked, Answer)
        assert asked.verdict is Verdict.EXECUTED
        assert await way.ask(signed(UNIT, 2, "line")) is None
        assert len(robot.controller.executions) == 1


async def test_a_device_that_was_born_before_we_came_is_born_again_for_us(port: int, tmp_path: Path, node: str) -> None:
    async with device(port, node), way_to(port, tmp_path, node, Heard()) as way:
        await until(lambda: way.reaches(UNIT))


async def test_a_lie_is_seen_by_what_the_device_tells_of_its_set_points(port: int, tmp_path: Path, node: str) -> None:
    heard, told = Heard(), signed(UNIT, 1, "line")
    async with way_to(port, tmp_path, node, heard) as way, device(port, node, Behaviour.LYING):
        await until(lambda: way.reaches(UNIT))
        await way.send(told)
        await until(lambda: Verdict.EXECUTED in heard.verdicts(told.message.id))
        assert await way.read_back(told) == ReadBack((Quantity(CURRENT, 200.0, "A"),))


async def test_an_answer_that_was_lost_on_the_way_comes_with_the_birth_that_is_asked_for(port: int, tmp_path: Path, node: str) -> None:
    heard, told = Heard(), signed(UNIT, 1, "line")
    async with way_to(port, tmp_path, node, heard) as way, device(port, node) as robot:
        await until(lambda: way.reaches(UNIT))
        robot.lose = 3
        await way.send(told)
        await until(lambda: len(robot.controller.executions) == 1 and not robot.lose)
        assert Verdict.EXECUTED not in heard.verdicts(told.message.id)
        await way.pulse([pulse(UNIT, 1)])  # its answer has a number that we did not expect
        await until(lambda: Verdict.EXECUTED in heard.verdicts(told.message.id))
        await until(lambda: way.reaches(UNIT))


async def test_without_the_device_a_message_surely_did_not_arrive(port: int, tmp_path: Path, node: str) -> None:
    async with way_to(port, tmp_path, node, Heard()) as way:
        with pytest.raises(Unavailable):
            await way.send(signed(UNIT, 1, "line"))
        async with device(port, node):
            await until(lambda: way.reaches(UNIT))
        await until(lambda: not way.reaches(UNIT))
        with pytest.raises(Unavailable):
            await way.read_back(signed(UNIT, 1, "line"))


async def test_a_pulse_is_followed_by_a_sign_of_life(port: int, tmp_path: Path, node: str) -> None:
    heard = Heard()
    async with way_to(port, tmp_path, node, heard) as way, device(port, node, Behaviour.AI_OFF):
        await until(lambda: way.reaches(UNIT))
        await way.pulse([pulse(UNIT, 1)])
        await until(lambda: bool(heard.beats))
        unit, beat = heard.beats[0]
        assert (unit, beat.ai_off, beat.state) == (UNIT, True, "Idle")


async def test_commands_are_neither_retained_nor_of_a_higher_quality_of_service(port: int, tmp_path: Path, node: str) -> None:
    letters: list[Letter] = []
    ear = MqttRequests(MqttEndpoint("127.0.0.1", port, f"ear-{uuid.uuid4().hex}", session_seconds=0), ["spBv1.0/+/DCMD/#"], letters.append)
    await ear.open()
    try:
        await until(lambda: ear.connected)
        async with way_to(port, tmp_path, node, Heard()) as way, device(port, node):
            await until(lambda: way.reaches(UNIT))
            told = signed(UNIT, 1, "line")
            await way.send(told)
            await until(lambda: bool(letters))
    finally:
        await ear.close()
    group, edge, robot = node.split("/")
    (letter,) = letters
    assert (letter.topic, letter.retain, letter.packet_id) == (f"spBv1.0/{group}/DCMD/{edge}/{robot}", False, 0)
    assert {row.name: row.raw for row in decode(letter.payload).metrics} == {
        "Delivery/Message": told.text,
        "Delivery/Message Signature": told.signature,
    }
