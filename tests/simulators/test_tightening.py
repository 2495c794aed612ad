from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from plant.clock import SystemClock
from plant.settings import OpenProtocolSourceSettings
from plant.site import load_site
from plant.tightening import AgainstLimits, error_names
from protocols import open_protocol as op
from protocols.open_protocol import Framer, Telegram, encode_telegram, parse_telegram
from protocols.open_protocol_messages import parse_message
from simulators.open_protocol import Controller
from simulators.open_protocol_settings import ControllerSettings
from simulators.tightening import COUNTS_PER_DEG, COUNTS_PER_NM, JointFault, Program, tighten
from tests.simulators.test_replay import simulators

PROGRAM = Program()


@pytest.mark.parametrize("seed", range(20))
def test_a_good_bolt_ends_within_its_limits_and_its_curve_rises_from_snug_to_the_end(seed: int) -> None:
    one = tighten(PROGRAM, seed)
    assert one.ok
    torque, angle = one.torque_counts / COUNTS_PER_NM, one.angle_counts / COUNTS_PER_DEG
    begin, end = sum(one.stages[:2]), sum(one.stages[:3])
    assert torque[begin] == pytest.approx(PROGRAM.snug_nm, abs=10)
    assert torque[end - 1] == pytest.approx(one.torque_nm, abs=6)
    assert angle[end - 1] - angle[begin] == pytest.approx(one.angle_deg, abs=0.5)
    gradient = np.polyfit(angle[begin:end], torque[begin:end], 1)[0]
    assert gradient == pytest.approx(PROGRAM.gradient_nm_per_deg, rel=0.06)
    assert (torque[: one.stages[0]] < 30).all()


@pytest.mark.parametrize(
    ("fault", "torque", "angle", "words"),
    [
        (JointFault.LOW_TORQUE, AgainstLimits.LOW, AgainstLimits.LOW, "torque below target"),
        (JointFault.CROSS_THREAD, AgainstLimits.OK, AgainstLimits.LOW, "rundown angle below limit"),
        (JointFault.SLIP, AgainstLimits.OK, AgainstLimits.HIGH, "angle above limit"),
        (JointFault.YIELD, AgainstLimits.OK, AgainstLimits.HIGH, "angle above limit"),
    ],
)
def test_what_is_wrong_with_a_joint_shows(fault: JointFault, torque: AgainstLimits, angle: AgainstLimits, words: str) -> None:
    for seed in range(10):
        one = tighten(PROGRAM, seed, fault)
        assert not one.ok
        assert (one.torque_status, one.angle_status) == (torque, angle)
        assert words in error_names(one.errors)


class Integrator:
    """A client that does just what a test tells it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._framer = Framer()
        self._waiting: list[Telegram] = []

    async def hears(self) -> Telegram:
        while not self._waiting:
            content = await asyncio.wait_for(self.reader.read(65_536), 60)
            assert content, "the controller hung up"
            self._waiting += [parse_telegram(frame) for frame in self._framer.feed(content)]
        return self._waiting.pop(0)

    async def asks(self, telegram: Telegram) -> Telegram:
        self.writer.write(encode_telegram(telegram))
        return await self.hears()

    async def is_hung_up_on(self) -> bool:
        try:
            while await asyncio.wait_for(self.reader.read(65_536), 60):
                pass
        except ConnectionError:
            return True
        return True


@pytest.fixture
async def controller() -> AsyncIterator[Controller]:
    made = Controller(SystemClock(), ControllerSettings(result_revision=2, timeout_seconds=0.5, resend_seconds=0.1))
    await made.start()
    yield made
    await made.stop()


Connect = Callable[[], Awaitable[Integrator]]


@pytest.fixture
async def integrator(controller: Controller) -> AsyncIterator[Connect]:
    """Makes clients, and closes them at the end."""
    made: list[Integrator] = []

    async def connect() -> Integrator:
        one = Integrator(*await asyncio.open_connection("127.0.0.1", controller.port))
        made.append(one)
        return one

    yield connect
    for one in made:
        one.writer.close()
        with suppress(ConnectionError):
            await one.writer.wait_closed()


def error_of(telegram: Telegram) -> tuple[int, int]:
    assert telegram.mid == op.COMMAND_ERROR
    told = parse_message(telegram)
    return told["mid"], told["error"]


async def test_the_controller_refuses_as_the_specification_says(integrator: Connect, controller: Controller) -> None:
    one = await integrator()
    assert error_of(await one.asks(Telegram(op.COMMUNICATION_START, 6))) == (1, 97)
    started = await one.asks(Telegram(op.COMMUNICATION_START, 3))
    assert parse_message(started)["name"] == "Slewing bearing"
    assert error_of(await one.asks(Telegram(op.RESULT_SUBSCRIBE, 7))) == (60, 97)
    assert error_of(await one.asks(Telegram(op.RESULT_UNSUBSCRIBE))) == (63, 10)
    assert (await one.asks(Telegram(op.RESULT_SUBSCRIBE, 2))).mid == op.COMMAND_ACCEPTED
    assert error_of(await one.asks(Telegram(op.RESULT_SUBSCRIBE, 2))) == (60, 9)
    assert error_of(await one.asks(Telegram(op.OLD_RESULT, 1, b"0000000099"))) == (64, 15)
    assert error_of(await one.asks(Telegram(op.PROGRAM, 1, b"099"))) == (12, 2)
    assert error_of(await one.asks(Telegram(4242))) == (4242, 99)
    assert (await one.asks(Telegram(op.KEEP_ALIVE))).mid == op.KEEP_ALIVE
    assert parse_message(await one.asks(Telegram(op.TOOL, 5)))["serial"] == controller.settings.tool


async def test_a_second_client_is_refused(integrator: Connect) -> None:
    first = await integrator()
    await first.asks(Telegram(op.COMMUNICATION_START))
    second = await integrator()
    assert error_of(await second.asks(Telegram(op.COMMUNICATION_START))) == (1, 96)


async def test_a_result_is_sent_three_times_and_then_the_controller_hangs_up(integrator: Connect, controller: Controller) -> None:
    one = await integrator()
    await one.asks(Telegram(op.COMMUNICATION_START))
    await one.asks(Telegram(op.RESULT_SUBSCRIBE, 2))
    controller.tighten()
    first = await one.hears()
    assert first.mid == op.RESULT
    assert [await one.hears(), await one.hears()] == [first, first]
    assert await one.is_hung_up_on()


async def test_silence_is_hung_up_on(integrator: Connect) -> None:
    one = await integrator()
    await one.asks(Telegram(op.COMMUNICATION_START))
    assert await one.is_hung_up_on()


def test_the_plant_has_a_slewing_bearing_station_that_its_site_file_names(tmp_path: Path) -> None:
    with simulators("plant", "--spindles", "3", "--insecure", "--site-out", tmp_path / "site.toml") as process:
        site = load_site(tmp_path / "site.toml")
        (source,) = [source for source in site.sources if isinstance(source, OpenProtocolSourceSettings)]
        assert process.ready["tools"] == [source.url]
