"""What is proposed of the edge nodes on a broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadhand.discovering_births import BrokerAccess, births_proposal, find_metrics
from plant.clock import SystemClock
from plant.errors import Rejected
from plant.settings import SparkplugSourceSettings
from plant.signals import DataType, Range
from plant.site import load_site
from protocols.mqtt_client import MqttEndpoint
from protocols.sparkplug_discovery import _told
from protocols.sparkplug_payload import Metric, MetricType, encode
from protocols.sparkplug_topics import parse_topic, topic_of
from simulators.sparkplug_node import DeviceMetric, EdgeNode, Speaker
from tests.ingest.parts import Mosquitto

CLOCK = SystemClock()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto.start()
    mosquitto.stop()


@pytest.fixture
def plant(port: int) -> Iterator[EdgeNode]:
    """An edge node that was born before anybody listened, and goes on sending."""
    heat = DeviceMetric("Motor/heat", DataType.DOUBLE, {"engUnit": "Cel", "engLow": 0.0, "engHigh": 90.0})
    again = DeviceMetric("Motor heat", DataType.INT16)
    speaker = Speaker("hall 1/00:1A", {"": [DeviceMetric("uptime", DataType.UINT64)], "booth-1": [heat, again]})
    node = EdgeNode(speaker, MqttEndpoint("127.0.0.1", port, "edge", "3.1.1"), CLOCK)
    node.start()
    stop = threading.Event()

    def scan() -> None:
        count = 0
        while not stop.wait(0.05):
            count += 1
            node.update(CLOCK.now_us() // 1000, {"": [count], "booth-1": [count / 2, -count]})

    thread = threading.Thread(target=scan)
    thread.start()
    yield node
    stop.set()
    thread.join()
    node.stop()


def test_births_are_asked_for_and_become_a_site_file_that_is_right(tmp_path: Path, port: int, plant: EdgeNode) -> None:
    access = BrokerAccess(f"mqtt://127.0.0.1:{port}", ("hall 1",), 2.0)
    found = find_metrics(access, CLOCK)
    assert plant.births >= 1
    file = tmp_path / "site.toml"
    file.write_text(births_proposal(access, found), encoding="utf-8")
    site = load_site(file)
    (source,) = site.sources
    assert isinstance(source, SparkplugSourceSettings)
    assert [(one.address, one.name, one.data_type, one.unit, one.range) for one in site.signals] == [
        ("hall 1/00%3A1A:uptime", "uptime", DataType.UINT64, "", None),
        ("hall 1/00%3A1A/booth-1:Motor/heat", "Motor-heat", DataType.DOUBLE, "Cel", Range(0.0, 90.0)),
        ("hall 1/00%3A1A/booth-1:Motor heat", "Motor-heat-2", DataType.INT16, "", None),
    ]


def test_what_no_signal_can_be_pinned_to_is_left_out_and_told() -> None:
    topic = parse_topic(topic_of("NBIRTH", "g/n"))
    assert topic is not None
    rows = [
        Metric("Node Control/Rebirth", value=False, datatype=MetricType.BOOLEAN),
        Metric("curve", [1.0], MetricType.DOUBLE_ARRAY),
        Metric("x", 1.0, MetricType.FLOAT),
    ]
    found = _told(topic, encode(1, 0, rows))
    assert [(one.name, one.data_type) for one in found] == [("curve", None), ("x", DataType.FLOAT)]
    text = births_proposal(BrokerAccess("mqtts://broker:8883"), found)
    assert "# 1 metrics are arrays" in text
    assert "curve" not in text.partition("[site]")[2]


def test_a_password_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="password file"):
        find_metrics(BrokerAccess("mqtt://127.0.0.1:1883", username="x", password_file=tmp_path / "none"), CLOCK)
