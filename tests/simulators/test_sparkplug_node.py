"""The simulated edge node, as a host application sees it over a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plant.clock import SystemClock
from plant.signals import DataType
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage
from protocols.sparkplug_events import Changed, Event, Missing, Refused, Stale
from protocols.sparkplug_host import HostRules, SparkplugHost
from protocols.sparkplug_tables import Samples
from protocols.sparkplug_topics import HostState, address_of, filters_of, rebirth_request, topic_of
from simulators.sparkplug_node import DeviceMetric, EdgeNode, Speaker
from tests.ingest.parts import Mosquitto, until

NODE = "hall/paint"
STATE = HostState("leadhand")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto.start()
    mosquitto.stop()


class Listener:
    """A host of two signals."""

    def __init__(self, port: int) -> None:
        self.clock = SystemClock()
        addresses = [address_of(f"{NODE}/booth-1:heat"), address_of(f"{NODE}/booth-2:heat")]
        rules = HostRules(reorder_us=100_000, rebirth_us=1_000_000, hold_us=2_000_000)
        self.host = SparkplugHost(addresses, [DataType.DOUBLE] * 2, rules)
        self.all: list[Event] = []
        self.connection = MqttConnection(MqttEndpoint("127.0.0.1", port, "host", session_seconds=0), self._take)
        self.connection.subscribe(filters_of(["hall"]))
        self.connection.start()
        self.connection.wait_connected(60)

    def _take(self, message: MqttMessage) -> bool:
        self.connection.acknowledge([message.token])
        self.host.take(message.topic, message.payload, self.clock.now_us())
        self.host.tick(self.clock.now_us())
        self.all += self.host.events()
        return True

    def say(self, *, online: bool) -> None:
        payload = STATE.payload(self.clock.now_us() // 1000, online=online)
        self.connection.publish(STATE.topic, payload, 1, 60, retain=True)

    def rebirth(self) -> None:
        self.connection.publish(topic_of("NCMD", NODE), rebirth_request(self.clock.now_us() // 1000), 1, 60)

    def values(self, place: int = 0, *, historical: bool = False) -> list[float]:
        samples = [event for event in self.all if isinstance(event, Samples)]
        rows = [row for one in samples for row in zip(one.place, one.value, one.historical, strict=True)]
        return [value for where, value, late in rows if where == place and late == historical]

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.all)

    def trouble(self) -> list[Event]:
        return [event for event in self.all if isinstance(event, Missing | Refused)]


class Scans:
    """An edge node of two devices, whose values count up."""

    def __init__(self, port: int, primary_host: str | None = None) -> None:
        self.clock = SystemClock()
        metric = DeviceMetric("heat", DataType.DOUBLE, {"engUnit": "Cel", "engLow": 0.0, "engHigh": 90.0})
        speaker = Speaker(NODE, {"booth-1": [metric], "booth-2": [metric]}, primary_host)
        self.node = EdgeNode(speaker, MqttEndpoint("127.0.0.1", port, "edge", "3.1.1"), self.clock)
        self.node.start()
        self.value = 0.0

    def scan(self) -> None:
        self.value += 1
        self.node.update(self.clock.now_us() // 1000, {"booth-1": [self.value], "booth-2": [-self.value]})

    def until(self, condition: Callable[[], bool], *, scanning: bool = True) -> None:
        """Scan until a condition holds."""

        def again() -> bool:
            if scanning:
                self.scan()
            return condition()

        until(again, 15)


@pytest.fixture
def host(port: int) -> Iterator[Listener]:
    listener = Listener(port)
    yield listener
    listener.connection.stop()


@pytest.fixture
def scans(port: int, host: Listener) -> Iterator[Scans]:
    del host
    found = Scans(port)
    yield found
    found.node.stop()


def speak(host: Listener, scans: Scans) -> None:
    scans.until(lambda: bool(host.values()))
    scans.until(lambda: host.values()[-1:] == [scans.value], scanning=False)


def test_each_change_is_sent_once_and_births_come_again_when_they_are_asked_for(host: Listener, scans: Scans) -> None:
    speak(host, scans)
    first = host.values()[0]
    for _ in range(20):
        scans.scan()
    host.rebirth()
    scans.until(lambda: scans.node.births == 2)
    scans.until(lambda: host.values()[-1] == scans.value, scanning=False)
    assert sorted(set(host.values())) == [first + n for n in range(int(scans.value - first) + 1)]
    assert host.values(1)[-1] == -scans.value
    assert host.trouble() == []


def test_skipped_messages_unknown_aliases_and_deaths_of_former_sessions_are_as_a_host_must_expect_them(
    host: Listener, scans: Scans
) -> None:
    speak(host, scans)
    scans.node.send_unknown_alias("booth-1")
    until(lambda: host.count(Refused) == 1, 5)
    scans.node.send_death(sessions_ago=1)
    scans.node.skip(2)
    scans.scan()
    scans.until(lambda: host.count(Missing) == 1)
    assert host.count(Stale) == 0
    (missing,) = (event for event in host.all if isinstance(event, Missing))
    assert missing.count == 2
    scans.node.send_death()
    until(lambda: host.count(Stale) == 1, 5)


def test_a_device_goes_and_comes_back(host: Listener, scans: Scans) -> None:
    speak(host, scans)
    scans.node.lose_device("booth-1")
    until(lambda: host.count(Stale) == 1, 5)
    before = len(host.values())
    scans.scan()
    scans.until(lambda: host.values(1)[-1] == -scans.value, scanning=False)
    assert len(host.values()) == before
    scans.node.find_device("booth-1")
    until(lambda: len(host.values()) == before + 1, 5)
    assert host.trouble() == []


def test_a_link_that_breaks_brings_the_will_with_its_number_and_a_new_session(host: Listener, scans: Scans) -> None:
    speak(host, scans)
    number = scans.node.bd_seq
    scans.node.shuffle_aliases()
    scans.node.lose_link()
    until(lambda: host.count(Stale) == 1, 15)
    scans.until(lambda: scans.node.births == 2)
    scans.until(lambda: host.values()[-1] == scans.value, scanning=False)
    assert scans.node.bd_seq == number + 1
    assert [event.online for event in host.all if isinstance(event, Changed) and not event.device] == [True, False, True]


def test_without_its_primary_host_values_are_stored_and_come_later_as_history(port: int, host: Listener) -> None:
    scans = Scans(port, "leadhand")
    for _ in range(5):
        scans.scan()
    assert scans.node.births == 0
    host.say(online=True)
    scans.until(lambda: bool(host.values()))
    until(lambda: host.values(historical=True)[:5] == [1.0, 2.0, 3.0, 4.0, 5.0], 5)
    host.say(online=False)
    scans.until(lambda: not scans.node.speaking)
    stored = [scans.value + n for n in range(1, 11)]
    for _ in stored:
        scans.scan()
    host.say(online=True)
    scans.until(lambda: scans.node.speaking)
    until(lambda: set(stored) <= set(host.values(historical=True)), 5)
    assert scans.node.stored == 0
    host.connection.publish(STATE.topic, json.dumps({"online": False, "timestamp": 1}).encode(), 1, 60, retain=True)
    births = scans.node.births
    for _ in range(10):
        scans.scan()
    scans.until(lambda: host.values()[-1] == scans.value, scanning=False)
    assert (scans.node.speaking, scans.node.births) == (True, births), "an old word of the host's death counts for nothing"
    scans.node.stop()
