"""Rows 9-24: eight OPC UA devices that restart, lose nodes, lie about types, times and values, or refuse us."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from plant.ledger import GapReason
from plant.samples import FLAG_TIME_NOT_OF_SOURCE
from tests.faults.device import Devices, devices
from tests.faults.proxy import Link, Proxies
from tests.faults.rig import Rig, opcua_source, signal_of
from tests.ingest.parts import PATIENCE, until
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess, asyncua_server

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
AWAY = (GapReason.DISCONNECTED, GapReason.TIMEOUT)
BAD_SENSOR = 0x808C0000
UNCERTAIN = 0x40900000
HOUR_US = 3_600_000_000
NAMES = ("steady", "restarted", "nodes", "types", "statuses", "frozen", "times", "silent", "liar")
REFUSED = ("unsafe", "password")
SECURE = '[sources.security]\npolicy = "Basic256Sha256"\nmode = "SignAndEncrypt"\n'


@dataclass
class Scene:
    """What was done to the devices and when; the ingest has stopped."""

    rig: Rig
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    damaged: int = 0


def _now_us() -> int:
    return time.time_ns() // 1000


def damage(chance: Random, link: Link, scene: Scene) -> None:
    """Change bytes of what the server says, in one reply of three."""

    def lie(content: bytes) -> bytes:
        if chance.random() > 0.33 or len(content) < 30:
            return content
        scene.damaged += 1
        wrong = bytearray(content)
        for _ in range(chance.randrange(1, 5)):
            # behind the head of the message: its length is right
            wrong[chance.randrange(24, len(wrong))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        return bytes(wrong)

    link.to_client = lie


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_url: str, proxies: Proxies, seed: int) -> Iterator[Scene]:
    swapped = free_port()
    with (
        devices(1) as apart,
        devices(len(NAMES) - 1) as plant,
        asyncua_server("--namespaces", "urn:press,urn:oven", port=swapped) as machines,
    ):
        # the steady one stands apart: those that share a process wait while one of them is built anew; the liar lies for the first
        links = [proxies.link(("127.0.0.1", port)) for port in [*apart.ports, *plant.ports[1:], plant.ports[0]]]
        patient = dict.fromkeys(("steady", "restarted"), "timeout_seconds = 10.0\n")
        sources = {name: opcua_source(name, link.port, more=patient.get(name, "")) for name, link in zip(NAMES, links, strict=True)}
        sources["unsafe"] = opcua_source("unsafe", plant.ports[0], more=SECURE)
        sources["password"] = opcua_source("password", plant.ports[0], more='username = "ann"\npassword_file = "nowhere"\n' + SECURE)
        sources["machines"] = opcua_source("machines", swapped).split("[[signals]]", 1)[0] + signal_of(
            "machines", "press", "nsu=urn:press;i=1001"
        )
        scene = Scene(Rig(tmp_path_factory.mktemp("devices"), module_url, sources))
        rig = scene.rig
        rig.start()
        current: list[ServerProcess] = [machines]
        try:
            rig.until_state("connected", *NAMES, "machines")
            rig.until_stored_again(*NAMES)
            _break_all(scene, plant, links, current, swapped, seed)
            rig.until_state("connected", *NAMES)
            rig.until_stored_again(*NAMES)
            scene.states = rig.states()
            rig.stop()
            yield scene
        finally:
            rig.close()
            for one in current:
                one.kill()


def _break_all(scene: Scene, plant: Devices, links: list[Link], machines: list[ServerProcess], port: int, seed: int) -> None:
    at = {name: number for number, name in enumerate(NAMES)}
    rig = scene.rig
    from_us = _now_us()
    plant.tell(at["restarted"], "stop")
    scene.spans["stopped"] = (from_us, _now_us())
    plant.tell(at["silent"], "silent", on=True)
    plant.tell(at["nodes"], "remove", name="count")
    plant.tell(at["types"], "retype", name="count", type="string")
    scene.spans["changed"] = (from_us, _now_us())
    plant.tell(at["statuses"], "bad", status={"level": BAD_SENSOR, "count": UNCERTAIN})
    plant.tell(at["frozen"], "frozen", on=True)
    plant.tell(at["times"], "shift", us=-400 * 365 * 24 * HOUR_US)
    damage(Random(seed), links[at["liar"]], scene)  # noqa: S311
    # the same port, the same numbers of nodes, but now number 2 is the other machine
    machines.pop().kill()
    machines.append(
        ServerProcess(
            [sys.executable, "-m", "tests.protocols.opcua_servers", "--port", str(port), "--namespaces", "urn:oven,urn:press"], port
        )
    )
    rig.until_state("away", "restarted", "silent")
    until(lambda: _now_us() - from_us > 4_000_000, 10)
    until(lambda: scene.damaged > 3, 20)
    plant.tell(at["times"], "shift", us=2 * HOUR_US)
    scene.spans["away"] = (from_us, _now_us())
    plant.tell(at["restarted"], "start", namespaces=["urn:another", "urn:test:device"])
    plant.tell(at["silent"], "silent", on=False)
    plant.tell(at["statuses"], "bad", status={})
    plant.tell(at["frozen"], "frozen", on=False)
    links[at["liar"]].to_client = None
    links[at["liar"]].reset()
    rig.until_state("connected", "restarted", "silent", "machines")
    read = rig.totals("machines").unchanged
    until(lambda: rig.totals("machines").unchanged > read + 3, 30, 0.1)
    until(lambda: any(t > _now_us() + HOUR_US for t, *_ in rig.values("times", "level")), 30, 0.1)
    plant.tell(at["times"], "shift", us=0)
    scene.spans["all"] = (from_us, _now_us())


def test_the_ledger_holds_every_tick_of_every_device_whatever_it_did(scene: Scene) -> None:
    scene.rig.assert_exact(*NAMES, *REFUSED, "machines")
    scene.rig.assert_every_tick(*NAMES, *REFUSED)
    scene.rig.assert_every_tick("machines", signals=1)


def test_a_device_that_does_nothing_wrong_loses_nothing_to_the_others(scene: Scene) -> None:
    from_us, to_us = scene.spans["all"]
    lost = [gap for gap in scene.rig.gaps("steady", *AWAY) if gap.to_us > from_us and gap.from_us < to_us]
    assert lost == []


def test_a_restarted_server_is_a_gap_of_its_downtime(scene: Scene) -> None:
    _, to_us = scene.spans["away"]
    from_us, stopped_us = scene.spans["stopped"]
    gaps = [gap for gap in scene.rig.gaps("restarted", *AWAY) if gap.to_us > from_us]
    assert from_us - 2_000_000 * PATIENCE < gaps[0].from_us < stopped_us + 2_000_000
    assert gaps[-1].to_us >= to_us - 200_000


def test_a_server_that_numbers_its_namespaces_anew_never_gives_another_machines_value(scene: Scene) -> None:
    values = {value for _, value, *_ in scene.rig.values("machines", "press")}
    assert values == {180.0}, "25.0 would be the oven's"
    assert scene.rig.gaps("machines", *AWAY)
    assert scene.rig.values("restarted", "level")[-1][0] > scene.spans["away"][1]


def test_a_node_that_is_gone_is_a_gap_of_its_own_and_the_others_flow(scene: Scene) -> None:
    _, from_us = scene.spans["changed"]
    (gone,) = {gap.signal for gap in scene.rig.gaps("nodes", GapReason.NODE)}
    assert gone is not None
    assert gone.endswith("/count")
    assert not [t for t, *_ in scene.rig.values("nodes", "count") if t > from_us + 500_000]
    assert [t for t, *_ in scene.rig.values("nodes", "level") if t > from_us + 2_000_000]


def test_a_node_of_another_type_is_rejected_and_never_turned_into_a_number(scene: Scene) -> None:
    _, from_us = scene.spans["changed"]
    (changed,) = {gap.signal for gap in scene.rig.gaps("types", GapReason.TYPE)}
    assert changed is not None
    assert changed.endswith("/count")
    assert scene.rig.totals("types").rejected > 10
    assert not [t for t, *_ in scene.rig.values("types", "count") if t > from_us + 500_000]


def test_a_bad_status_is_kept_whole_and_brings_no_number(scene: Scene) -> None:
    bad = [value for _, value, _, status, _ in scene.rig.values("statuses", "level") if status & 0xFFFFFFFF == BAD_SENSOR]
    uncertain = [value for _, value, _, status, _ in scene.rig.values("statuses", "count") if status & 0xFFFFFFFF == UNCERTAIN]
    assert bad
    assert set(bad) == {None}
    assert uncertain
    assert None not in uncertain


def test_a_frozen_source_time_is_unchanged_and_never_stored_again(scene: Scene) -> None:
    assert scene.rig.totals("frozen").unchanged > 3
    times = [t for t, *_ in scene.rig.values("frozen", "level")]
    assert len(times) == len(set(times))


def test_an_impossible_source_time_is_replaced_and_flagged_and_a_wrong_one_is_kept(scene: Scene) -> None:
    samples = scene.rig.values("times", "level")
    flagged = [t for t, _, _, _, flags in samples if flags & FLAG_TIME_NOT_OF_SOURCE]
    assert flagged
    assert all(scene.spans["all"][0] - 5_000_000 < t < scene.spans["all"][1] + 5_000_000 for t in flagged)
    assert min(t for t, *_ in samples) > 1_600_000_000_000_000, "a time before the year 2020 was stored"
    ahead = [t for t, _, _, _, flags in samples if t > _now_us() + HOUR_US]
    assert ahead, "a source whose clock is two hours ahead is believed, and shown so"


def test_a_server_whose_replies_are_damaged_harms_itself_only(scene: Scene) -> None:
    assert scene.damaged > 3
    assert scene.rig.values("liar", "level")[-1][0] > scene.spans["away"][1]


def test_a_server_that_answers_nothing_more_is_found_and_read_anew(scene: Scene) -> None:
    from_us, to_us = scene.spans["away"]
    gaps = [gap for gap in scene.rig.gaps("silent", *AWAY) if gap.to_us > from_us]
    assert gaps
    assert scene.rig.values("silent", "level")[-1][0] > to_us


def test_a_server_that_offers_only_no_security_is_refused_and_no_value_of_it_taken(scene: Scene) -> None:
    assert scene.rig.totals("unsafe").stored == 0
    assert scene.rig.totals("unsafe").gap > 0


def test_a_password_that_cannot_be_read_is_told_and_tried_again_without_haste(scene: Scene) -> None:
    assert scene.rig.totals("password").stored == 0
    assert scene.rig.totals("password").gap > 0
    assert scene.states["password"] in ("refused", "stopped")
