"""The way over MQTT 5, on Debian's mosquitto and on our own broker, to simulated controllers that check for themselves."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from delivery.mqtt import MqttWay, make_ways
from delivery.ways import NotTaken, ReadBack
from plant.answer_messages import answer_text, beat_text
from plant.deliveries import Answer, Quantity, SignedMessage, Verdict
from plant.delivery_messages import sign
from plant.delivery_topics import DeliveryTopics
from plant.errors import SettingsError, Unavailable
from plant.settings_delivery import MqttController
from protocols.mqtt_broker import EmbeddedBroker
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from simulators.controller import Controller
from simulators.controller_rules import Behaviour
from simulators.mqtt_controller import MqttControllers
from tests.delivery.way_parts import CLOCK, CURRENT, KEY, PATIENCE, Heard, controller, pulse, setup, signed, until
from tests.ingest.parts import Mosquitto
from tests.ports import free_port

UNIT = "welding/cell-1/robot-3"
TOPICS = DeliveryTopics("acme/north", "cell")


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("broker")
    if request.param == "mosquitto":
        mosquitto = Mosquitto(folder)
        yield mosquitto.start()
        mosquitto.stop()
        return
    embedded = EmbeddedBroker(folder / "broker")
    yield embedded.start()
    embedded.stop()


def settings(port: int, **more: object) -> MqttController:
    told = {"id": "cell", "way": "mqtt", "work_units": ["*"], "url": f"mqtt://127.0.0.1:{port}", "allow_anonymous": True}
    return MqttController.model_validate({**told, **more})


@asynccontextmanager
async def way_to(port: int, folder: Path, heard: Heard, **more: object) -> AsyncIterator[MqttWay]:
    (way,) = make_ways(setup(folder, settings(port, **more)))
    assert isinstance(way, MqttWay)
    await way.open(heard)
    try:
        await until(lambda: way.reaches(UNIT))
        yield way
    finally:
        await way.close()


@asynccontextmanager
async def cell(port: int, *controllers: Controller) -> AsyncIterator[MqttControllers]:
    cells = MqttControllers(controllers, MqttEndpoint("127.0.0.1", port, f"cell-{uuid.uuid4().hex}", session_seconds=0), TOPICS, CLOCK)
    await cells.open()
    try:
        await until(lambda: cells.connected)
        yield cells
    finally:
        await cells.close()


@asynccontextmanager
async def someone(port: int, *filters: str) -> AsyncIterator[tuple[MqttRequests, list[Letter]]]:
    """A client on the broker that is neither Leadhand nor a controller."""
    letters: list[Letter] = []
    one = MqttRequests(MqttEndpoint("127.0.0.1", port, f"someone-{uuid.uuid4().hex}", session_seconds=0), filters, letters.append)
    await one.open()
    try:
        await until(lambda: one.connected)
        yield one, letters
    finally:
        await one.close()


def said(message: SignedMessage, verdict: str, *, key: bytes = KEY, unit: str = UNIT) -> Letter:
    """An answer as a controller says it."""
    text = answer_text(message.message.id, unit, verdict)
    return Letter(TOPICS.of(UNIT, "answer"), text.encode(), user={"signature": sign(text, "cell", key)})


async def test_a_message_is_accepted_and_executed_and_read_back(port: int, tmp_path: Path) -> None:
    heard, told = Heard(), signed(UNIT, 1)
    async with cell(port, controller(UNIT)) as cells, way_to(port, tmp_path, heard) as way:
        await way.send(told)
        await until(lambda: heard.verdicts(told.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])
        assert heard.answers[1].readback == (Quantity(CURRENT, 210.0, "A"),)
        assert await way.read_back(told) == ReadBack((Quantity(CURRENT, 210.0, "A"),), ())
        asked = await way.ask(told)
        assert isinstance(asked, Answer)
        assert (asked.verdict, asked.actor) == (Verdict.EXECUTED, "cell")
        assert [one.message_id for one in cells.controller(UNIT).executions] == [told.message.id]


async def test_a_message_bears_what_mqtt_5_has_for_requests_and_is_not_retained(port: int, tmp_path: Path) -> None:
    told = signed(UNIT, 1, seconds=60)
    async with way_to(port, tmp_path, Heard()) as way, someone(port, TOPICS.of(UNIT, "message")) as (_, letters):
        await way.send(told)
        await until(lambda: bool(letters))
        (letter,) = letters
        assert letter.topic == "acme/north/welding/cell-1/robot-3/delivery/cell/message"
        assert (letter.payload.decode(), letter.user) == (told.text, {"signature": told.signature})
        assert letter.correlation == uuid.UUID(told.message.id).bytes
        assert letter.response_topic == "acme/north/welding/cell-1/robot-3/delivery/cell/answer"
        assert letter.content_type == "application/json"
        assert letter.expires_seconds is not None
        assert 0 < letter.expires_seconds <= 60
    async with someone(port, TOPICS.of(UNIT, "message")) as (_, later):
        async with way_to(port, tmp_path, Heard()) as way:
            second = signed(UNIT, 2)
            await way.send(second)
            await until(lambda: bool(later))
        assert [json.loads(one.payload)["id"] for one in later] == [second.message.id], "the first was kept for nobody"


async def test_a_refusal_has_its_reason_and_a_lie_is_found_by_reading_back(port: int, tmp_path: Path) -> None:
    heard = Heard()
    refuser, liar = controller("refuser", behaviour=Behaviour.REFUSING), controller("liar", behaviour=Behaviour.LYING)
    async with cell(port, refuser, liar), way_to(port, tmp_path, heard) as way:
        refused, lied = signed("refuser", 1), signed("liar", 1)
        await asyncio.gather(way.send(refused), way.send(lied))
        await until(lambda: Verdict.EXECUTED in heard.verdicts(lied.message.id) and bool(heard.verdicts(refused.message.id)))
        (answer,) = (one for one in heard.answers if one.message_id == refused.message.id)
        assert (answer.verdict, answer.reason) == (Verdict.REFUSED, "not_ready")
        assert await way.read_back(lied) == ReadBack((Quantity(CURRENT, 200.0, "A"),), ()), "what it says is not what is in force"


async def test_what_a_controller_has_not_taken_it_says_when_asked(port: int, tmp_path: Path) -> None:
    async with cell(port, controller(UNIT)), way_to(port, tmp_path, Heard()) as way:
        assert await way.ask(signed(UNIT, 1)) == NotTaken(0)


async def test_a_controller_that_answers_no_questions_is_asked_none(port: int, tmp_path: Path) -> None:
    async with someone(port, TOPICS.of(UNIT, "+")) as (_, letters), way_to(port, tmp_path, Heard(), questions=False) as way:
        assert await way.ask(signed(UNIT, 1)) is None
        assert await way.read_back(signed(UNIT, 1)) is None
        await way.send(signed(UNIT, 2))
        await until(lambda: bool(letters))
        assert letters[0].topic.endswith("/message")


async def test_a_retained_command_is_refused(port: int, tmp_path: Path) -> None:
    heard, told = Heard(), signed(UNIT, 1)
    async with someone(port) as (somebody, _), way_to(port, tmp_path, heard):
        letter = Letter(TOPICS.of(UNIT, "message"), told.text.encode(), user={"signature": told.signature}, retain=True)
        assert await somebody.publish(letter, PATIENCE)
        async with cell(port, controller(UNIT)) as cells:
            await until(lambda: heard.verdicts(told.message.id) == [Verdict.REFUSED])
            assert heard.answers[0].reason == "retained"
            assert cells.retained == 1
            assert not cells.controller(UNIT).executions
        assert await somebody.publish(Letter(letter.topic, b"", retain=True), PATIENCE)


async def test_only_what_the_controllers_key_signed_counts(port: int, tmp_path: Path) -> None:
    heard, told = Heard(), signed(UNIT, 1)
    async with someone(port) as (somebody, _), way_to(port, tmp_path, heard) as way:
        ours = way.refused
        for letter in (
            said(told, "executed", key=b"x" * 32),
            said(told, "executed", unit="welding/cell-1/robot-4"),
            Letter(TOPICS.of(UNIT, "answer"), said(told, "refused").payload, user=said(told, "executed").user),
            Letter(TOPICS.of(UNIT, "answer"), b"\xff\xfe"),
            Letter(TOPICS.of(UNIT, "answer"), b"{}", user={"signature": sign("{}", "cell", KEY)}),
        ):
            assert await somebody.publish(letter, PATIENCE)
        assert await somebody.publish(said(told, "accepted"), PATIENCE)
        await until(lambda: bool(heard.answers))
        assert [one.verdict for one in heard.answers] == [Verdict.ACCEPTED]
        assert (ours.unsigned, ours.elsewhere, ours.unreadable) == (2, 1, 2)


async def test_an_answer_is_acknowledged_when_it_is_committed_and_comes_again_until_then(port: int, tmp_path: Path) -> None:
    told, forgetful, heard = signed(UNIT, 1), Heard(settled=False), Heard()
    async with someone(port) as (somebody, _):
        async with way_to(port, tmp_path, forgetful):
            assert await somebody.publish(said(told, "accepted"), PATIENCE)
            await until(lambda: bool(forgetful.answers))
        async with way_to(port, tmp_path, heard):
            await until(lambda: heard.verdicts(told.message.id) == [Verdict.ACCEPTED])
            assert await somebody.publish(said(told, "executed"), PATIENCE)
            await until(lambda: len(heard.answers) == 2)
        async with way_to(port, tmp_path, again := Heard()):
            assert await somebody.publish(said(told, "measured"), PATIENCE)
            await until(lambda: bool(again.answers))
            assert again.verdicts(told.message.id) == [Verdict.MEASURED], "what was committed does not come again"


async def test_a_pulse_is_followed_by_a_sign_of_life_and_an_old_one_played_again_is_none(port: int, tmp_path: Path) -> None:
    heard = Heard()
    off = controller(UNIT, behaviour=Behaviour.AI_OFF)
    async with cell(port, off), way_to(port, tmp_path, heard) as way, someone(port) as (somebody, _):
        await way.pulse([pulse(UNIT, 7)])
        await until(lambda: bool(heard.beats))
        unit, beat = heard.beats[0]
        assert (unit, beat.ai_off, beat.counter, beat.state) == (UNIT, True, 0, "Idle")
        for number in (8, 9, 10):
            await way.pulse([pulse(UNIT, number)])
        await until(lambda: len(heard.beats) == 4)
        text = beat_text(UNIT, 7)
        old = Letter(TOPICS.of(UNIT, "beat"), text.encode(), user={"signature": sign(text, "cell", KEY)})
        assert await somebody.publish(old, PATIENCE)
        await until(lambda: way.refused.old == 1)
        assert len(heard.beats) == 4


async def test_a_message_sent_again_by_a_third_is_done_once(port: int, tmp_path: Path) -> None:
    heard, told = Heard(), signed(UNIT, 1)
    async with cell(port, controller(UNIT)) as cells, way_to(port, tmp_path, heard) as way, someone(port) as (somebody, _):
        await way.send(told)
        await until(lambda: Verdict.EXECUTED in heard.verdicts(told.message.id))
        for _ in range(3):
            assert await somebody.publish(
                Letter(TOPICS.of(UNIT, "message"), told.text.encode(), user={"signature": told.signature}), PATIENCE
            )
        await until(lambda: len(heard.verdicts(told.message.id)) == 5)
        assert len(cells.controller(UNIT).executions) == 1


async def test_without_a_broker_a_message_surely_did_not_arrive(tmp_path: Path) -> None:
    (way,) = make_ways(setup(tmp_path, settings(free_port())))
    await way.open(Heard())
    try:
        assert not way.reaches(UNIT)
        with pytest.raises(Unavailable):
            await way.send(signed(UNIT, 1))
        with pytest.raises(Unavailable):
            await way.pulse([pulse(UNIT, 1)])
        with pytest.raises(Unavailable):
            await way.ask(signed(UNIT, 1))
    finally:
        await way.close()


async def test_work_units_that_cannot_be_in_a_topic_are_not_reached(port: int, tmp_path: Path) -> None:
    async with way_to(port, tmp_path, Heard()) as way:
        assert not way.reaches("cell/+/robot")
        with pytest.raises(Unavailable):
            await way.send(signed("cell/#", 1))


def test_a_url_with_a_password_in_it_or_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="by themselves"):
        make_ways(setup(tmp_path, settings(1883, url="mqtt://u:p@broker")))
    with pytest.raises(SettingsError, match="password_file"):
        make_ways(setup(tmp_path, settings(1883, username="u", password_file="nowhere")))
    with pytest.raises(SettingsError, match="ca_file"):
        make_ways(setup(tmp_path, settings(1883, ca_file="nowhere")))
    with pytest.raises(SettingsError, match="prefix"):
        make_ways(setup(tmp_path, settings(1883, prefix="a/+/b")))
