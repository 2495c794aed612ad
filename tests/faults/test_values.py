"""Rows 38-42: values at the edge, and clocks that step, run backwards, or are in 1970; time never runs twice and every tick is told of."""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from plant.ledger import GapReason
from tests.faults.device import devices
from tests.faults.rig import Rig, mqtt_source, opcua_source, signal_of
from tests.faults.stage import Press
from tests.ingest.parts import Mosquitto, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
HOUR_US = 3_600_000_000
DOUBLES = [-0.0, 5e-324, -5e-324, 1.7976931348623157e308, 0.1, math.pi, -1e-300, 2.0**53 + 2]
INTEGERS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0, -1]
TEXTS = ["", " ", "\u00df\u4e2d\u6587\U0001f600", "a" * 5000, "'; DROP TABLE sample; --", "\\x00", "null", "=1+1"]


@dataclass
class Scene:
    """What was sent and how the clock was set; the ingest has stopped."""

    rig: Rig
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    sent: int = 0


def _now_us() -> int:
    return time.time_ns() // 1000


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_url: str) -> Iterator[Scene]:
    broker = Mosquitto(tmp_path_factory.mktemp("broker"))
    broker.start()
    edge = signal_of("edge", "number", "edge/n#v", "double") + signal_of("edge", "integer", "edge/i#v", "int64")
    edge += signal_of("edge", "text", "edge/t#v", "string") + signal_of("edge", "flag", "edge/b#v", "boolean")
    floats = mqtt_source("floats", broker.port, payload="float32", signals=signal_of("floats", "x", "floats/f#0", "float"))
    with devices(1) as plant:
        sources = {
            "machine": opcua_source("machine", plant.ports[0]),
            "edge": mqtt_source("edge", broker.port, signals=edge),
            "floats": floats,
            "press": mqtt_source("press", broker.port),
        }
        scene = Scene(Rig(tmp_path_factory.mktemp("values"), module_url, sources))
        rig = scene.rig
        press = Press(broker.port)
        rig.start()
        try:
            rig.until_state("connected", *sources)
            press.start()
            rig.until_stored_again("machine", "press")
            _send_edges(scene, press)
            _stall(scene)
            _step(scene, 3 * HOUR_US // 60)
            _step(scene, -5 * HOUR_US // 60)
            _step(scene, 0)
            press.finish()
            scene.sent = press.sent
            until(lambda: rig.totals("press").stored >= 3 * press.sent, 40, 0.2)
            rig.stop()
            yield scene
        finally:
            press.connection.stop()
            rig.close()
            broker.stop()


def _send_edges(scene: Scene, press: Press) -> None:
    time_us = _now_us()
    number = 0

    def say(topic: str, value: str) -> None:
        nonlocal number
        number += 1
        press.connection.publish(f"edge/{topic}", f'{{"time": {time_us + number}, "v": {value}}}'.encode(), 1, 60)

    for value in DOUBLES:
        say("n", repr(value))
    for integer in INTEGERS:
        say("i", str(integer))
    for text in TEXTS:
        say("t", json.dumps(text))
    for flag in ("true", "false", "0", "1"):
        say("b", flag)
    for wrong in ("1e400", "NaN", '"12"', "[1]"):
        say("n", wrong)
    for bits in (0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 0x00000001):
        press.connection.publish("floats/f", struct.pack("<I", bits), 1, 60)
    # two of another type stand in the ledger at the end of the minute
    until(lambda: scene.rig.totals("edge").expected >= number - 2, 20, 0.1)
    until(lambda: scene.rig.totals("floats").expected >= 5, 20, 0.1)


def _stall(scene: Scene) -> None:
    """All processes of the ingest stand still for two seconds, as on a machine whose processors are taken away."""
    family = scene.rig.family()
    for one in family:
        os.kill(one.pid, signal.SIGSTOP)
    from_us = _now_us()
    time.sleep(2)
    scene.spans["stall"] = (from_us, _now_us())
    for one in reversed(family):
        os.kill(one.pid, signal.SIGCONT)
    scene.rig.until_state("connected", "machine", "press")
    scene.rig.until_stored_again("machine", "press")


def _step(scene: Scene, ahead_us: int) -> None:
    """Set the clock of the ingest."""
    told = scene.rig.log.count("the clock was set")
    scene.rig.faults(clock_us=ahead_us)
    scene.steps.append(ahead_us)
    until(lambda: scene.rig.log.count("the clock was set") > told, 20)
    scene.rig.until_stored_again("machine", seconds=30)


def test_the_ledger_is_exact_through_stalls_and_clocks_that_step(scene: Scene) -> None:
    scene.rig.assert_exact("machine", "edge", "floats", "press")
    assert "Traceback" not in scene.rig.log


def test_numbers_texts_and_integers_at_the_edge_come_back_as_they_were_sent(scene: Scene) -> None:
    numbers = [value for _, value, *_ in scene.rig.values("edge", "number") if value is not None]
    assert [struct.pack("<d", value) for value in numbers] == [struct.pack("<d", value) for value in DOUBLES]
    integers = scene.rig.values("edge", "integer")
    assert [int(text) if text is not None else int(value or 0) for _, value, text, *_ in integers] == INTEGERS
    assert [text for _, _, text, *_ in scene.rig.values("edge", "text")] == TEXTS


def test_what_is_no_number_is_rejected_and_infinite_or_absent_floats_keep_their_bits(scene: Scene) -> None:
    assert scene.rig.totals("edge").rejected >= 3
    values = [value for _, value, *_ in scene.rig.values("floats", "x")]
    assert sum(value is not None and math.isnan(value) for value in values) == 1
    assert math.inf in values
    assert -math.inf in values
    assert any(value is not None and value == 0 and math.copysign(1, value) < 0 for value in values)


def test_a_standstill_of_two_seconds_is_a_gap_of_its_length(scene: Scene) -> None:
    from_us, to_us = scene.spans["stall"]
    told = [gap for gap in scene.rig.gaps("machine") if gap.from_us < to_us and gap.to_us > from_us and gap.signal is None]
    assert told
    assert sum(gap.count for gap in told) >= 3 * (to_us - from_us - 400_000) // 100_000
    assert {gap.reason for gap in told} & {GapReason.OVERRUN, GapReason.TIMEOUT}


def test_a_clock_that_steps_is_told_of_and_no_time_is_used_twice(scene: Scene) -> None:
    clock = scene.rig.gaps("machine", GapReason.CLOCK)
    assert len(clock) >= 3, "three steps of the clock"
    assert any("forward" in gap.detail for gap in clock)
    assert any("back" in gap.detail for gap in clock)
    for name in ("level", "count", "mode"):
        times = [t for t, *_ in scene.rig.values("machine", name)]
        assert len(times) == len(set(times))


def test_numbered_messages_lose_nothing_to_a_clock_that_steps(scene: Scene) -> None:
    totals = scene.rig.totals("press")
    assert totals.stored == 3 * scene.sent
    assert totals.gap == 0


@pytest.mark.heavy
def test_a_clock_in_1970_at_boot_stores_no_sample_there_and_is_right_once_it_is_set(
    tmp_path_factory: pytest.TempPathFactory, database_url: str
) -> None:
    with devices(1) as plant:
        rig = Rig(tmp_path_factory.mktemp("boot"), database_url, {"machine": opcua_source("machine", plant.ports[0])})
        rig.faults(clock_us=-_now_us() + HOUR_US)
        rig.start()
        try:
            rig.until_state("connected", "machine")
            until(lambda: rig.totals("machine").rejected > 20, 20, 0.1)
            assert rig.totals("machine").stored == 0
            rig.faults()
            rig.until_stored("machine", 30, seconds=20)
            rig.stop()
            rig.assert_exact("machine")
            assert min(t for t, *_ in rig.values("machine", "level")) > _now_us() - HOUR_US
            assert [gap.reason for gap in rig.gaps("machine", GapReason.CLOCK)] == [GapReason.CLOCK]
        finally:
            rig.close()
