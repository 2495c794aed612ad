"""Messages as job orders over OPC UA: to simulated controllers that check for themselves, and to a receiver that we did not write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from delivery.opcua_jobs import JobsWay, make_ways
from delivery.ways import InDoubt, NotTaken, ReadBack
from plant.deliveries import Answer, Quantity, SetPart, SignedMessage, Verdict
from plant.delivery_messages import message_text, sign
from plant.errors import SettingsError, Unavailable
from plant.settings_delivery import OpcUaJobsController
from protocols import pki
from protocols.opcua_client import OpcUaEndpoint, open_session
from protocols.opcua_nodes import NodeBook
from simulators.controller import Controller
from simulators.controller_rules import Behaviour
from simulators.opcua_controller import OWN, OpcUaControllers
from simulators.opcua_server import Protection
from simulators.protection import ensure_protection
from tests.delivery.way_parts import CLOCK, CURRENT, KEY, Heard, controller, pulse, setup, signed, until
from tests.node_parts import Node
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess

UNITS = ("robot-1", "robot-2", "robot-3", "press-1")
ADDRESS = f"nsu={OWN};s={{work_unit}}"
PLACES = {
    "parameters": {"*": f"{ADDRESS}/{{name}}"},
    "parts": {"*": f"{ADDRESS}/parts/{{name}}"},
    "counter": f"{ADDRESS}/counter",
    "state": f"{ADDRESS}/state",
    "ai_off": f"{ADDRESS}/ai_off",
    "pulse": f"{ADDRESS}/heartbeat",
}
OPEN = {"security": {"policy": "None", "mode": "None"}, "allow_insecure": True}


def fresh() -> dict[str, Controller]:
    return {unit: controller(unit, parts={"recipe": ("R1", "1")}) for unit in UNITS}


@pytest.fixture(scope="module")
def protection(tmp_path_factory: pytest.TempPathFactory) -> Protection:
    made, _ = asyncio.run(ensure_protection(tmp_path_factory.mktemp("controller")))
    return made


@asynccontextmanager
async def line(protection: Protection | None = None) -> AsyncIterator[OpcUaControllers]:
    served = OpcUaControllers(fresh(), CLOCK, protection=protection or Protection(insecure=True))
    await served.start()
    try:
        yield served
    finally:
        await served.stop()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def open_line() -> AsyncIterator[OpcUaControllers]:
    """One server without security for all tests here; each has work units of its own."""
    async with line() as served:
        yield served


def settings(url: str, **more: object) -> OpcUaJobsController:
    told = {"id": "cell", "way": "opcua_jobs", "work_units": [*UNITS], "url": url, "heartbeat_seconds": 0.3, **PLACES}
    return OpcUaJobsController.model_validate({**told, **more})


@asynccontextmanager
async def way_to(url: str, folder: Path, heard: Heard, **more: object) -> AsyncIterator[JobsWay]:
    (way,) = make_ways(setup(folder, settings(url, **(more or OPEN))))
    assert isinstance(way, JobsWay)
    await way.open(heard)
    try:
        await until(lambda: way.reaches(UNITS[0]))
        yield way
    finally:
        await way.close()


async def done(way: JobsWay, heard: Heard, message: SignedMessage) -> None:
    await way.send(message)
    await until(lambda: heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_message_is_carried_out_read_back_and_taken_off_the_list(open_line: OpcUaControllers, tmp_path: Path) -> None:
    heard, served = Heard(), open_line
    async with way_to(served.url, tmp_path, heard) as way:
        message = signed("robot-1", 1)
        await done(way, heard, message)
        assert served.controllers["robot-1"].executions[0].message_id == message.message.id
        assert heard.answers[-1].readback == (Quantity(CURRENT, 210.0, "A"),)
        assert await way.read_back(message) == ReadBack((Quantity(CURRENT, 210.0, "A"),))
        assert isinstance(await way.ask(message), Answer)
        way.settled(message)
        await until(lambda: message.message.id not in served._entries)

        answer = await way.ask(message)
        assert isinstance(answer, Answer)
        assert answer.verdict is Verdict.EXECUTED, "what it took off its list its controller remembers"
        assert len(served.controllers["robot-1"].executions) == 1

        # what it refuses it refuses by name, and what is for another work unit does not reach it
        wrongs = {"counter": signed("robot-1", 1), "above": signed("robot-1", 2, value=999.0), "other_unit": signed("nobody", 3)}
        for reason, wrong in wrongs.items():
            await way.send(wrong)
            assert [(one.verdict, one.reason) for one in heard.answers if one.message_id == wrong.message.id] == [(Verdict.REFUSED, reason)]
        changed = signed("robot-1", 4)
        await way.send(SignedMessage(4, changed.message, changed.text.replace("210", "220"), changed.signature))
        assert heard.answers[-1].reason == "signature"
        with pytest.raises(Unavailable, match="expired"):
            await way.send(signed("robot-1", 5, seconds=-1))

        # a slow one accepts now and is done later: the list's subscription tells it
        slow = served.controllers["robot-2"]
        slow.behaviour, slow.rules = (
            Behaviour.OBEDIENT,
            type(slow.rules)(
                work_unit="robot-2", keys=slow.rules.keys, programs=slow.rules.programs, values=slow.rules.values, work_us=300_000
            ),
        )
        late = signed("robot-2", 1)
        await way.send(late)
        assert heard.verdicts(late.message.id) == [Verdict.ACCEPTED]
        answer = await way.ask(late)
        assert isinstance(answer, Answer)
        assert answer.verdict is Verdict.ACCEPTED
        await until(lambda: heard.verdicts(late.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])


@pytest.mark.asyncio(loop_scope="module")
async def test_signs_of_life_go_both_ways_and_what_is_not_known_is_in_doubt(open_line: OpcUaControllers, tmp_path: Path) -> None:
    heard, served = Heard(), open_line
    async with way_to(served.url, tmp_path, heard) as way:
        first = served.controllers["robot-3"]
        await until(lambda: {unit for unit, _ in heard.beats} == set(UNITS))
        sign = next(beat for unit, beat in reversed(heard.beats) if unit == "robot-3")
        assert (sign.counter, sign.ai_off, sign.state) == (0, False, "Idle")
        first.behaviour = Behaviour.AI_OFF
        await until(lambda: any(unit == "robot-3" and beat.ai_off for unit, beat in heard.beats))
        first.behaviour = Behaviour.OBEDIENT
        first.situation.local = True
        await way.pulse([pulse(unit, 7) for unit in UNITS])
        assert first.situation.local is False

        # it did not say whether it took it: in doubt; its counter says later that it did not
        first.behaviour = Behaviour.DEAF
        lost = signed("robot-3", 9)
        with pytest.raises(InDoubt):
            await way.send(lost)
        first.behaviour = Behaviour.OBEDIENT
        assert await way.ask(lost) is None, "a controller that counts from nothing may have forgotten"
        await done(way, heard, signed("robot-3", 8))
        assert await way.ask(lost) == NotTaken(8)

        # it fails, and says so
        first.behaviour = Behaviour.FAILING
        bad = signed("robot-3", 10)
        await way.send(bad)
        await until(lambda: heard.verdicts(bad.message.id) == [Verdict.ACCEPTED, Verdict.FAILED])

        # it lies: what is read from its variables is not what it says
        first.behaviour = Behaviour.LYING
        lie = signed("robot-3", 11, value=240.0)
        await done(way, heard, lie)
        assert heard.answers[-1].readback == (Quantity(CURRENT, 240.0, "A"),)
        assert await way.read_back(lie) == ReadBack((Quantity(CURRENT, 210.0, "A"),))
        first.behaviour = Behaviour.OBEDIENT

        # the connection breaks: nothing is sent meanwhile, and it comes back by itself
        served.drop_connections()
        await until(lambda: not way.reaches("robot-3"))
        with pytest.raises(Unavailable):
            await way.send(signed("robot-3", 12))
        await until(lambda: way.reaches("robot-3"))
        await done(way, heard, signed("robot-3", 13, value=220.0))
        assert len(first.executions) == 2


async def test_a_protected_controller_is_spoken_to_encrypted_and_only_where_it_is_trusted(protection: Protection, tmp_path: Path) -> None:
    heard = Heard()
    (tmp_path / "password").write_text(protection.users["leadhand"], "utf-8")
    login = {"username": "leadhand", "password_file": "password"}
    async with line(protection) as served:
        (stranger,) = make_ways(setup(tmp_path, settings(served.url, **login)))
        await stranger.open(heard)
        await until(lambda: any((tmp_path / "rejected").glob("*.der")))
        assert not stranger.reaches("robot-1")
        await stranger.close()
        assert protection.certificate is not None
        pki.trust(tmp_path / "trusted", pki.read_certificate(protection.certificate))
        async with way_to(served.url, tmp_path, heard, **login) as way:
            await done(way, heard, signed("press-1", 1))


def test_a_password_file_that_is_not_there_is_told_before_anything_connects(tmp_path: Path) -> None:
    wrong = settings("opc.tcp://127.0.0.1:1/", username="leadhand", password_file="none")
    (way,) = make_ways(setup(tmp_path, wrong))

    async def opened() -> None:
        await way.open(Heard())

    with pytest.raises(SettingsError, match="password"):
        asyncio.run(opened())


@pytest.fixture(scope="module")
def receiver(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder, port = tmp_path_factory.mktemp("receiver"), free_port()
    started = ServerProcess([str(node.program), str(node.folder / "job_receiver.mjs"), str(port), str(folder), "120"], port)
    yield started
    started.kill()


@pytest.mark.heavy
async def test_a_receiver_that_we_did_not_write_takes_orders_as_its_nodeset_has_them(receiver: ServerProcess, tmp_path: Path) -> None:
    heard = Heard()
    own = "nsu=urn:node:machine;s="
    told = {**OPEN, "parameters": {"torque": f"{own}torque"}, "parts": {}, "counter": "", "state": "", "ai_off": "", "pulse": ""}
    async with way_to(receiver.url, tmp_path, heard, **told) as way:
        await until(lambda: bool(heard.beats))
        message = _torque(12.5)
        await way.send(message)
        assert heard.verdicts(message.message.id) == [Verdict.ACCEPTED]
        await until(lambda: heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED])
        assert await way.read_back(message) == ReadBack((Quantity("torque", 12.5, "N.m"),))
        refused = signed("robot-1", 2)
        await way.send(refused)
        assert [(one.verdict, one.reason) for one in heard.answers][-1] == (Verdict.REFUSED, "unable_to_accept")
        assert await way.ask(refused) is None
        way.settled(message)
        session = await open_session(OpcUaEndpoint(receiver.url, policy="None", mode="None", timeout_seconds=30.0))
        try:
            seen = json.loads((await NodeBook(session).read([f"{own}seen"]))[0].value)
        finally:
            await session.close()
    assert seen["jobOrderID"] == refused.message.id
    text = next(one["value"]["value"] for one in seen["jobOrderParameters"] if one["ID"] == "Leadhand.Message")
    assert text == refused.text


def _torque(value: float) -> SignedMessage:
    message = replace(
        signed("robot-1", 1).message,
        parameters=(Quantity("torque", value, "N.m"),),
        parts=(SetPart("torque_program", "T7", "3"),),
        product="B-7",
        serial="0001",
        reason="drift of the spindle",
    )
    text = message_text(message)
    return SignedMessage(1, message, text, sign(text, "cell", KEY))
