from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from plant.settings import MqttSourceSettings, OpcUaSourceSettings, SparkplugSourceSettings
from plant.signals import DataType
from plant.site import load_site
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage
from protocols.sparkplug_payload import MetricRow, decode, properties_of
from protocols.sparkplug_topics import HostState, filters_of, parse_topic
from simulators.mqtt_publisher import broker_of
from simulators.plant import Gateway, Line
from simulators.plant_feed import SCAN_US
from simulators.plant_site import NAMESPACE
from simulators.sparkplug_node import METRIC_TYPES
from tests.ingest.parts import until
from tests.ports import free_port
from tests.simulators.test_replay import Listener, simulators


async def _variables_below(client: Client, node: Any) -> list[Any]:
    """The NodeIds of all variables below a node."""
    found = []
    for child in await node.get_children_descriptions():
        if child.NodeClass is ua.NodeClass.Variable:
            found.append(child.NodeId)
        elif child.NodeId.NamespaceIndex:
            found += await _variables_below(client, client.get_node(child.NodeId))
    return found


def _message(listener: Listener, topics: set[str]) -> dict[str, dict[str, Any]]:
    """The latest message of each topic, once each of them has been heard of."""
    found: dict[str, dict[str, Any]] = {}

    def heard() -> bool:
        found.update({topic: orjson.loads(payload) for topic, payload in listener.all()})
        return found.keys() >= topics

    until(heard, 20)
    return found


def _births(url: str, devices: int) -> dict[str, list[MetricRow]]:
    """What the devices of an edge node tell of themselves once its host says that it is there, by address without metric."""
    port = urlsplit(url).port
    assert port is not None
    found: dict[str, list[MetricRow]] = {}

    def take(message: MqttMessage) -> bool:
        topic = parse_topic(message.topic)
        if topic is not None and topic.kind == "DBIRTH":
            found[f"{topic.node}/{topic.device}"] = decode(message.payload).metrics
        return True

    connection = MqttConnection(MqttEndpoint("127.0.0.1", port, "births", session_seconds=0), take)
    connection.subscribe(filters_of(["north"]))
    connection.start()
    connection.wait_connected(60)
    state = HostState("leadhand")
    connection.publish(state.topic, state.payload(time.time_ns() // 1_000_000, online=True), 1, 60, retain=True)
    until(lambda: len(found) == devices, 10)
    connection.stop()
    return found


async def test_the_site_file_names_every_address_that_is_offered_exactly_once(tmp_path: Path, broker: str) -> None:
    site_file = tmp_path / "site.toml"
    listener = Listener(broker, "acme/#")
    with simulators("plant", "--seed", "3", "--mqtt-url", broker, "--insecure", "--site-out", site_file) as process:
        site = load_site(site_file)
        assert len(site.signals) == process.ready["signals"] >= 500
        offered = set()
        for source in site.sources:
            if isinstance(source, OpcUaSourceSettings):
                assert source.interval_ms == 30
                async with Client(source.url, timeout=30) as client:
                    index = await client.get_namespace_index(NAMESPACE)
                    for node in await _variables_below(client, client.nodes.objects):
                        assert node.NamespaceIndex == index
                        offered.add((source.id, f"nsu={NAMESPACE};s={node.Identifier}"))
                    signals = [s for s in site.signals if s.source == source.id]
                    wanted = [
                        ua.ReadValueId(NodeId=ua.NodeId(s.address.partition(";s=")[2], index), AttributeId=AttributeIds.Value)  # type: ignore[arg-type]
                        for s in signals
                    ]
                    values: list[Any] = await client.uaclient.read(ua.ReadParameters(NodesToRead=wanted))
                    for value, known in zip(values, signals, strict=True):
                        if value.StatusCode.is_good():
                            assert value.Value.VariantType.name.lower() == str(known.data_type)
                            if known.range is not None:
                                assert known.range.low <= value.Value.Value <= known.range.high
            elif isinstance(source, SparkplugSourceSettings):
                told = {f"{node}:{row.name}": row for node, rows in _births(source.url, 2).items() for row in rows}
                offered |= {(source.id, address) for address in told}
                for signal_known in (s for s in site.signals if s.source == source.id):
                    row = told[signal_known.address]
                    assert row.datatype == METRIC_TYPES[signal_known.data_type]
                    assert properties_of(row.properties).get("engUnit", "") == signal_known.unit
            else:
                assert isinstance(source, MqttSourceSettings)
                for topic, content in _message(listener, {t.filter for t in source.topics}).items():
                    assert topic in {t.filter for t in source.topics}
                    units = {unit: values for unit, values in content.items() if unit not in ("time", "seq")}
                    offered |= {(source.id, f"{topic}#{unit}.{name}") for unit, values in units.items() for name in values}
        named = [(s.source, s.address) for s in site.signals]
        assert len(named) == len(set(named))
        assert set(named) == offered
        process.process.send_signal(signal.SIGTERM)
        assert process.ended() == 0
        assert process.process.stderr is not None
        assert process.process.stderr.read() == ""
    listener.close()


def test_mqtt_messages_come_each_scan_with_rising_numbers_and_times_on_the_grid(tmp_path: Path, broker: str) -> None:
    listener = Listener(broker, "acme/north/assembly/transport")
    with simulators("plant", "--seed", "3", "--mqtt-url", broker, "--insecure", "--site-out", tmp_path / "site.toml"):
        until(lambda: listener.messages.qsize() > 30, 20)
    messages = [orjson.loads(payload) for _, payload in listener.all()]
    listener.close()
    assert len(messages) > 30
    assert [message["seq"] for message in messages] == list(range(len(messages)))
    assert set(np.diff([message["time"] for message in messages])) == {SCAN_US // 1000}
    assert all(message["time"] % (SCAN_US // 1000) == 0 for message in messages)


def test_a_message_says_what_the_machines_say_and_null_for_what_is_bad() -> None:
    line = Line(3)
    group = next(group for group in line.groups if group.unit == "agv")
    fault = next(f for f in group.fleet.faults(1_790_000_000_000_000, 1_790_009_000_000_000) if f.name == "sensor_failure")
    gateway = Gateway(group)
    number = fault.from_us // SCAN_US + 5
    content = orjson.loads(gateway.message(gateway.feed.at(number)))
    assert content["time"] == number * SCAN_US // 1000
    assert content[fault.equipment.rpartition("/")[2]]["motor_temperature"] is None
    values, _ = group.fleet.values(np.array([number * SCAN_US]))
    types = {model.name: model for model in group.fleet.kind.signals}
    said = [(types[name], value) for unit, row in content.items() if unit not in ("time", "seq") for name, value in row.items()]
    for (model, value), true in zip(said, values[0].tolist(), strict=True):
        if model.text is not None:
            assert value == model.text(int(true))
        elif value is not None:
            assert value == true
            assert isinstance(value, bool) == (model.data_type is DataType.BOOLEAN)
    assert orjson.loads(gateway.message(gateway.feed.at(number)))["seq"] == 1
    gateway.skip(10)
    assert orjson.loads(gateway.message(gateway.feed.at(number)))["seq"] == 12


@pytest.mark.skipif(shutil.which("mosquitto_passwd") is None and "CI" not in os.environ, reason="mosquitto_passwd is not installed")
def test_user_and_password_of_the_broker_come_from_the_environment_and_never_into_the_settings(tmp_path: Path) -> None:
    port = free_port()
    passwords = tmp_path / "passwords"
    subprocess.run(["/usr/bin/mosquitto_passwd", "-b", "-c", str(passwords), "line", "s3cret"], check=True, capture_output=True)
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n")
    site_file = tmp_path / "site.toml"
    with subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        environment = {"LEADHAND_MQTT_USER": "line", "LEADHAND_MQTT_PASSWORD": "s3cret"}
        file = tmp_path / "r.csv"
        file.write_text("a\n1\n")
        arguments = (
            "replay",
            file,
            "--via",
            "mqtt",
            "--mqtt-url",
            f"mqtt://127.0.0.1:{port}",
            "--real-time",
            "--once",
            "--site-out",
            site_file,
        )
        with simulators(*arguments, environment=environment) as replay:
            assert replay.ended() == 0
        assert "s3cret" not in site_file.read_text()
        (source,) = load_site(site_file).sources
        assert isinstance(source, MqttSourceSettings)
        assert source.username == "line"
        assert source.password_file is not None
        assert Path(source.password_file).read_text().strip() == "s3cret"
        assert Path(source.password_file).stat().st_mode & 0o777 == 0o600
        process.terminate()


def test_a_broker_is_named_by_url() -> None:
    assert broker_of("mqtt://broker.example").port == 1883
    assert broker_of("mqtts://broker.example:9000").url == "mqtts://broker.example:9000"
