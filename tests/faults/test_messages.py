"""Rows 25-33, 36, 37: brokers that die, forget, overflow and lie, senders that flood, repeat and poison; one source does not notice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import pytest

from plant.ledger import GapReason
from plant.samples import FLAG_RETAINED
from protocols.mqtt_client import MqttConnection, MqttEndpoint
from tests.faults.broker import WilfulBroker, publish
from tests.faults.proxy import Link, Proxies
from tests.faults.rig import Rig, mqtt_source, signal_of
from tests.faults.stage import Press
from tests.ingest.parts import Mosquitto, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
OLD = 'version = "3.1.1"\n'
POISON = [
    b"",
    b"\0",
    b"{",
    b"\xff\xfe\x00{",
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"seq": 1e400, "counter": 1}',
    b'{"counter": 1e400}',
    b'{"counter": NaN}',
    b'"text"',
    b"17",
    b"null",
    b'{"counter": "\\ud800"}',
    b"\x80\x81\x82",
    b'{"mode": "a\\u0000b", "seq": 9007199254740993}',
    b'{"counter": 99999999999999999999999999}',
    b'{"time": "yesterday", "counter": 4}',
]
GOOD = 40
BURST = 4000
SMALL_QUEUE = 20


@dataclass
class Scene:
    """What was sent and done; the ingest has stopped."""

    rig: Rig
    sent: dict[str, int] = field(default_factory=dict)
    rise_bytes: int = 0
    found_seconds: float = 0.0
    acknowledged: dict[str, list[int]] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)


def _state(number: int, *, back_us: int = 0) -> bytes:
    time_us = _now_us() - back_us
    return json.dumps({"time": time_us, "seq": number, "counter": number, "force": number / 7, "mode": f"m{number}"}).encode()


def _now_us() -> int:
    return time.time_ns() // 1000


def _client(port: int, name: str) -> MqttConnection:
    connection = MqttConnection(MqttEndpoint("127.0.0.1", port, name, session_seconds=0))
    connection.start()
    connection.wait_connected(60)
    return connection


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_url: str, proxies: Proxies) -> Iterator[Scene]:
    with ExitStack() as stack:
        brokers = [
            Mosquitto(tmp_path_factory.mktemp("broker"), "max_queued_messages 100000"),
            Mosquitto(tmp_path_factory.mktemp("small"), f"max_queued_messages {SMALL_QUEUE}"),
            Mosquitto(tmp_path_factory.mktemp("dying")),
        ]
        for broker in brokers:
            broker.start()
            stack.callback(broker.stop)
        large, small, dying = brokers
        topics, huge, doubles = (stack.enter_context(WilfulBroker()) for _ in range(3))
        queue = proxies.link(("127.0.0.1", small.port))
        hole = proxies.link(("127.0.0.1", large.port))
        sources = {name: mqtt_source(name, large.port) for name in ("steady", "poison", "burst", "war")}
        sources["queue"] = mqtt_source("queue", queue.port)
        sources["hole"] = mqtt_source("hole", hole.port)
        sources["dying"] = mqtt_source("dying", dying.port)
        sources["retained"] = mqtt_source("retained", large.port, payload="value", signals=signal_of("retained", "level", "retained/level"))
        for name, wilful in (("topics", topics), ("huge", huge), ("doubles", doubles)):
            sources[name] = mqtt_source(name, wilful.port, more=OLD)
        tester = _client(large.port, "tester")
        stack.callback(tester.stop)
        tester.publish("retained/level", b"41", 1, 60, retain=True)
        scene = Scene(Rig(tmp_path_factory.mktemp("messages"), module_url, sources))
        rig = scene.rig
        stack.callback(rig.close)
        rig.start()
        rig.until_state("connected", *sources)
        steady = Press(large.port, "steady")
        stack.callback(steady.connection.stop)
        steady.start()
        _poison(scene, tester)
        _lie_about_topics(scene, topics)
        _be_huge(scene, huge)
        _repeat(scene, doubles)
        _take_over(scene, large.port)
        _burst(scene, tester)
        _overflow(scene, queue, small.port)
        _kill_broker(scene, dying)
        _black_hole(scene, hole, tester)
        rig.until_state("connected", *sources)
        steady.finish()
        scene.sent["steady"] = steady.sent
        for name, count in scene.sent.items():
            _until_told(rig, name, 3 * count)
        for name, wilful in (("topics", topics), ("huge", huge), ("doubles", doubles)):
            scene.acknowledged[name] = list(wilful.acknowledged)
            scene.connections[name] = wilful.connections
        rig.stop()
        yield scene


def _until_told(rig: Rig, source: str, count: int) -> None:
    def told() -> bool:
        totals = rig.totals(source)
        return totals.stored + totals.gap + totals.duplicate >= count

    until(told, 60, 0.2)


def _poison(scene: Scene, tester: MqttConnection) -> None:
    for number in range(GOOD):
        tester.publish("poison/state", POISON[number % len(POISON)], 1, 60)
        # without numbers: a poisoned message has none either
        time_us = time.time_ns() // 1000
        tester.publish("poison/state", json.dumps({"time": time_us, "counter": number, "force": 0.5, "mode": "x"}).encode(), 1, 60)
    scene.sent["poison"] = GOOD


def _lie_about_topics(scene: Scene, broker: WilfulBroker) -> None:
    wrong = [b"topics/\xff\xfe", b"topics/+", b"#", b"topics/" + b"x" * 65_000, b"topics/a\0b"]
    for number, topic in enumerate([*wrong, b"topics/state"], 1):
        broker.say(publish(topic, _state(number), number))
    until(lambda: len(wrong) + 1 in broker.acknowledged, 20)
    # no topic at all is no MQTT: the link is broken off, as the standard wants it
    broker.say(publish(b"", _state(7), 7))
    until(lambda: broker.connections > 1, 20)
    until(lambda: broker.say(publish(b"topics/state", _state(len(wrong) + 2), 8)), 20)
    scene.sent["topics"] = 2


def _be_huge(scene: Scene, broker: WilfulBroker) -> None:
    rig = scene.rig
    before = max(one.memory_info().rss for one in rig.family())
    peak = [before]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak.append(max(one.memory_info().rss for one in rig.family()))

    watching = threading.Thread(target=watch)
    watching.start()
    size = 200_000_000
    body = publish(b"huge/state", b"", 1, announced=size)
    broker.say(body)
    for _ in range(size // 1_000_000):
        if not broker.say(bytes(1_000_000)):
            break
    stop.set()
    watching.join()
    scene.rise_bytes = max(peak) - before
    rig.until_state("connected", "huge")
    until(lambda: broker.say(publish(b"huge/state", _state(1), 2)), 20)
    scene.sent["huge"] = 1


def _repeat(scene: Scene, broker: WilfulBroker) -> None:
    order = [1, 2, 3, 2, 3, 4, 4, 5]
    said = {number: _state(number) for number in order}
    for place, number in enumerate(order, 1):
        broker.say(publish(b"doubles/state", said[number], place, dup=order.index(number) != place - 1))
    scene.sent["doubles"] = len(order)


def _take_over(scene: Scene, port: int) -> None:
    """Another client comes with our name; both come back again and again, until it goes."""
    other = _client(port, "leadhand-acme-north-war")
    until(lambda: _connects(scene.rig, "war") >= 3, 20, 0.05)
    scene.rig.until_state("away", "war")
    other.stop()
    scene.rig.until_state("connected", "war")
    press = Press(port, "war")
    press.send()
    press.finish()
    scene.sent["war"] = 1


def _connects(rig: Rig, source: str) -> int:
    return sum('"source connected"' in line and f'"{source}"' in line for line in rig.log.splitlines())


def _burst(scene: Scene, tester: MqttConnection) -> None:
    for number in range(BURST):
        tester.publish("burst/state", _state(number), 1)
    tester.flush(60)
    until(lambda: scene.rig.totals("burst").stored >= 3 * BURST, 60, 0.1)
    scene.sent["burst"] = BURST


def _overflow(scene: Scene, link: Link, port: int) -> None:
    press = Press(port, "queue")
    for _ in range(10):
        press.send()
    press.connection.flush(60)
    until(lambda: scene.rig.totals("queue").stored >= 30, 20, 0.1)
    link.close()
    scene.rig.until_state("away", "queue")
    for _ in range(200):
        press.send()
    press.connection.flush(60)
    link.open()
    scene.rig.until_state("connected", "queue")
    until(lambda: scene.rig.totals("queue").stored >= 3 * (10 + SMALL_QUEUE), 20, 0.1)
    press.send()
    press.finish()
    scene.sent["queue"] = press.sent


def _kill_broker(scene: Scene, broker: Mosquitto) -> None:
    press = Press(broker.port, "dying")
    press.start()
    until(lambda: scene.rig.totals("dying").stored >= 30, 20, 0.1)
    broker.kill()
    broker.start()
    until(lambda: press.connection.connected, 20)
    scene.rig.until_state("connected", "dying")
    sent = press.sent
    until(lambda: press.sent > sent + 20, 20)
    press.halt()
    press.send()
    press.finish()
    scene.sent["dying"] = press.sent


def _black_hole(scene: Scene, link: Link, tester: MqttConnection) -> None:
    link.black_hole()
    began = _now_us()
    tester.publish("hole/state", _state(1), 1, 60)
    scene.rig.until_state("away", "hole", seconds=20)
    scene.found_seconds = ((scene.rig.since_us("hole", "away") or _now_us()) - began) / 1e6
    link.reset()
    link.heal()
    scene.rig.until_state("connected", "hole")
    scene.sent["hole"] = 1


def test_the_ledger_is_exact_for_every_source_whatever_its_broker_did(scene: Scene) -> None:
    scene.rig.assert_exact(*scene.sent, "retained")


def test_a_source_of_a_good_broker_loses_nothing_to_the_others(scene: Scene) -> None:
    totals = scene.rig.totals("steady")
    assert (totals.stored, totals.gap) == (3 * scene.sent["steady"], 0)
    assert [int(value or 0) for _, value, *_ in scene.rig.values("steady", "counter")] == list(range(scene.sent["steady"]))


def test_a_broker_killed_and_its_session_lost_become_a_gap_of_exactly_what_is_missing(scene: Scene) -> None:
    totals = scene.rig.totals("dying")
    assert totals.stored + totals.gap == 3 * scene.sent["dying"]
    told = scene.rig.gaps("dying", GapReason.DISCONNECTED)
    assert any("kept no session" in gap.detail for gap in told)
    numbers = [int(value or 0) for _, value, *_ in scene.rig.values("dying", "counter")]
    assert len(numbers) == len(set(numbers))


def test_a_queue_that_overflows_in_the_broker_becomes_a_gap_by_the_numbers(scene: Scene) -> None:
    totals = scene.rig.totals("queue")
    assert totals.gap > 3 * 100
    assert totals.stored + totals.gap == 3 * scene.sent["queue"]
    assert {gap.reason for gap in scene.rig.gaps("queue") if gap.count} == {GapReason.SEQUENCE}


def test_poisoned_payloads_are_rejected_with_a_reason_and_those_behind_them_are_stored(scene: Scene) -> None:
    counters = {value for _, value, *_ in scene.rig.values("poison", "counter")}
    assert set(map(float, range(GOOD))) <= counters
    assert scene.rig.totals("poison").rejected > 3 * 10
    assert "a payload was rejected" in scene.rig.log
    assert "RecursionError" not in scene.rig.log


def test_impossible_topics_are_dropped_and_the_message_behind_them_is_stored(scene: Scene) -> None:
    assert [value for _, value, *_ in scene.rig.values("topics", "counter")][-1] == 7.0
    assert 8 in scene.acknowledged["topics"]


def test_a_payload_of_two_hundred_megabytes_takes_no_such_memory(scene: Scene) -> None:
    assert scene.rise_bytes < 60_000_000
    assert [value for _, value, *_ in scene.rig.values("huge", "counter")] == [1.0]


def test_a_burst_is_stored_whole(scene: Scene) -> None:
    assert scene.rig.totals("burst").stored == 3 * BURST


def test_messages_sent_again_are_counted_as_duplicates_and_stored_once(scene: Scene) -> None:
    assert [value for _, value, *_ in scene.rig.values("doubles", "counter")] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert scene.rig.totals("doubles").duplicate == 3 * 3
    assert set(scene.acknowledged["doubles"]) >= set(range(1, 9))


def test_a_retained_message_is_marked_as_retained(scene: Scene) -> None:
    ((_, value, _, _, flags),) = scene.rig.values("retained", "level")
    assert value == 41.0
    assert flags & FLAG_RETAINED


def test_another_client_with_our_name_is_shown_as_a_lost_link_and_survived_without_haste(scene: Scene) -> None:
    # mosquitto 2.0.11 hangs up without a word; a broker that says "session taken over" is quoted
    times = [
        datetime.fromisoformat(json.loads(line)["timestamp"])
        for line in scene.rig.log.splitlines()
        if '"source connected"' in line and '"war"' in line
    ]
    assert len(times) >= 3
    assert all((after - before).total_seconds() > 0.5 for before, after in pairwise(times))
    assert scene.rig.totals("war").stored == 3


def test_a_half_open_broker_is_found_within_ten_seconds_and_its_message_comes_again(scene: Scene) -> None:
    assert scene.found_seconds < 10
    assert scene.rig.totals("hole").stored == 3
