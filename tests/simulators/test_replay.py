from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import paho.mqtt.client as paho
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaError
from paho.mqtt.enums import CallbackAPIVersion

from plant.clock import SystemClock
from plant.errors import SettingsError
from plant.settings import MqttSourceSettings, OpcUaSourceSettings
from plant.signals import DataType
from plant.site import Site, load_site
from simulators.__main__ import main
from simulators.mqtt_publisher import Broker
from simulators.recording import Recording, read_recording
from simulators.replay import NAMESPACE, TOPIC, PayloadForm, Replay, replay_mqtt
from simulators.rows import BAD_NO_DATA, RowFeed, Timing
from simulators.site_file import MqttPlace

START_US = 1_790_000_000_000_000


class Process:
    """``python -m simulators ...`` that said it is ready."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    def ended(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)


@contextmanager
def simulators(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[Process]:
    command = [sys.executable, "-m", "simulators", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"no ready line: {process.stderr.read()}")
        try:
            yield Process(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def _shortened(folder: Path, source: Path, rows: int) -> Path:
    path = folder / "short.csv"
    path.write_text("".join(source.read_text().splitlines(keepends=True)[: rows + 1]))
    return path


def _assert_same(recording: Recording, rows: dict[int, list[Any]], start_us: int, interval_us: int) -> None:
    """Each row is there once, under its own time, bit for bit."""
    assert sorted(rows) == [start_us + n * interval_us for n in range(len(recording))]
    for number, time_us in enumerate(sorted(rows)):
        texts = iter(recording.text[number])
        for position, value in enumerate(rows[time_us]):
            if recording.is_text[position]:
                assert value == next(texts)
            else:
                assert np.float64(value).tobytes() == recording.number[number, position].tobytes()


# What a reader meets, without a network


def _feed(rows: int, columns: int = 2, *, lossless: bool = True, once: bool = True) -> RowFeed:
    number = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    names = tuple(f"c{n}" for n in range(columns))
    recording = Recording(names, names, (False,) * columns, number, np.zeros((rows, columns), np.bool_), ((),) * rows, ())
    return RowFeed(recording, ("m",), Timing(START_US, 1000, 1.0), lossless=lossless, once=once)


def _settled(feed: RowFeed, reader: str, now_us: int = START_US) -> int:
    """Bring a reader past its first looks; return the time after."""
    everything = frozenset(range(len(feed.variables)))
    for _ in range(2):
        feed.read(now_us, reader, everything)
        now_us += 600_000
    return now_us


def test_a_row_stays_until_each_node_was_read_and_the_reader_asks_again() -> None:
    feed = _feed(4)
    now = _settled(feed, "a")
    seen = []
    for positions in ({0}, {1}, {0}, {0}, {1}, {0, 1}):
        now += 10_000
        seen.append(feed.read(now, "a", frozenset(positions)).source_us - START_US)
    assert seen == [1000, 1000, 2000, 2000, 2000, 3000]
    assert not feed.finished
    feed.read(now + 10_000, "a", frozenset({0, 1}))
    assert feed.finished


def test_the_first_looks_of_a_session_take_nothing() -> None:
    feed = _feed(3)
    both = frozenset({0, 1})
    assert [feed.read(START_US + n * 40_000, "a", both).source_us for n in range(8)] == [START_US] * 8
    late = _feed(3)
    assert [late.read(START_US + us, "b", both).source_us - START_US for us in (0, 700_000, 730_000)] == [0, 0, 1000]


def test_a_reader_that_comes_back_meets_the_row_that_was_not_confirmed() -> None:
    feed = _feed(5)
    now = _settled(feed, "a")
    both = frozenset({0, 1})
    rows = [feed.read(now + n * 10_000, "a", both).source_us for n in range(3)]
    feed.forget("a")
    now = _settled(feed, "b", now + 1_000_000)
    again = [feed.read(now + n * 10_000, "b", both).source_us for n in range(2)]
    assert again[0] in (rows[-1], rows[-1] + 1000)


def test_a_row_waits_for_the_slower_of_two_readers() -> None:
    feed = _feed(5)
    now = _settled(feed, "slow")
    now = _settled(feed, "fast", now)
    both = frozenset({0, 1})
    for n in range(10):
        feed.read(now + n * 10_000, "fast", both)
    held = feed.current_row
    assert held <= 2
    for n in range(10, 14):
        feed.read(now + n * 10_000, "slow", both)
        feed.read(now + n * 10_000 + 1, "fast", both)
    assert feed.current_row > held


def test_in_real_time_rows_come_and_go_by_the_clock_and_begin_again() -> None:
    feed = _feed(3, lossless=False, once=False)
    rows = [feed.read(START_US + us, "a", frozenset({0})) for us in (0, 999, 1000, 2500, 3000, 7100)]
    assert [row.source_us - START_US for row in rows] == [0, 0, 1000, 2000, 3000, 7000]
    assert [row.number[0] for row in rows] == [0, 0, 2, 4, 0, 2]
    assert [scan.source_us - START_US for scan in feed.scans(START_US + 1000, START_US + 3000)] == [2000, 3000]


def test_an_empty_cell_has_a_status_and_no_value() -> None:
    recording = Recording(("a",), ("a",), (False,), np.array([[np.nan]]), np.array([[True]]), ((),), ())
    feed = RowFeed(recording, (), Timing(START_US), lossless=True, once=True)
    assert feed.row(0, START_US).status.tolist() == [BAD_NO_DATA]


# Over OPC UA, as a process


async def _read_all(url: str, site: Site, seconds: float = 60) -> dict[int, list[Any]]:
    """Read like a cyclic client until the server goes, and return the values by source time."""
    rows: dict[int, list[Any]] = {}
    client = Client(url, timeout=30)
    async with client:
        index = await client.get_namespace_index(NAMESPACE)
        nodes = [ua.NodeId(signal.address.partition(";s=")[2], index) for signal in site.signals]  # type: ignore[arg-type]
        params = ua.ReadParameters(NodesToRead=[ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value) for node in nodes])

        async def until_the_end() -> None:
            while True:
                values: list[Any] = await asyncio.wait_for(client.uaclient.read(params), 30)
                times = {round(value.SourceTimestamp.timestamp() * 1e6) for value in values}
                assert len(times) == 1
                row = [value.Value.Value for value in values]
                assert rows.setdefault(times.pop(), row) == row

        try:
            await asyncio.wait_for(until_the_end(), seconds)
        except (TimeoutError, ConnectionError, UaError):
            return rows
    raise AssertionError


async def test_a_recording_played_over_opcua_arrives_bit_for_bit_each_row_once(shared_data: Path, tmp_path: Path) -> None:
    file, site_file = _shortened(tmp_path, shared_data / "experiment_01.csv", 300), tmp_path / "site.toml"
    recording = read_recording(file)
    with simulators("replay", file, "--via", "opcua", "--once", "--speed", "50", "--insecure", "--site-out", site_file) as process:
        site = load_site(site_file)
        assert [signal.name for signal in site.signals] == list(recording.names)
        assert {signal.data_type for signal in site.signals} == {DataType.DOUBLE, DataType.STRING}
        (source,) = site.sources
        assert isinstance(source, OpcUaSourceSettings)
        assert source.url == process.ready["url"]
        assert source.interval_ms == 10
        rows = await _read_all(source.url, site)
        assert process.ended() == 0
        assert process.ready["skipped"]
        _assert_same(recording, rows, process.ready["start_us"], 2000)


async def test_the_default_replay_is_encrypted_and_stops_cleanly_when_told(shared_data: Path, tmp_path: Path) -> None:
    site_file = tmp_path / "site.toml"
    with simulators("replay", shared_data / "experiment_04.csv", "--via", "opcua", "--site-out", site_file) as process:
        (source,) = load_site(site_file).sources
        assert isinstance(source, OpcUaSourceSettings)
        assert (source.security.policy, source.security.mode, source.allow_insecure) == ("Basic256Sha256", "SignAndEncrypt", False)
        assert source.password_file is not None
        assert os.stat(source.password_file).st_mode & 0o777 == 0o600  # noqa: PTH116
        endpoints = await Client(source.url).connect_and_get_server_endpoints()
        assert all(endpoint.SecurityMode != ua.MessageSecurityMode.None_ for endpoint in endpoints)
        process.process.send_signal(signal.SIGTERM)
        assert process.ended() == 0


# Over MQTT, through mosquitto


class Listener:
    """A paho client that keeps all messages of a filter, with a session that outlives its connection."""

    def __init__(self, url: str, topic: str) -> None:
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "listener", protocol=paho.MQTTv5)
        self._client.on_connect = lambda *_: self._subscribe(topic)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _c, _u, message: self.messages.put((message.topic, bytes(message.payload)))
        host, _, port = url.removeprefix("mqtt://").partition(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        assert self._subscribed.wait(60)

    def _subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def all(self) -> list[tuple[str, bytes]]:
        return [self.messages.get_nowait() for _ in range(self.messages.qsize())]


def test_a_recording_played_over_mqtt_arrives_bit_for_bit_and_waits_for_its_listener(
    shared_data: Path, tmp_path: Path, broker: str
) -> None:
    file, site_file = shared_data / "experiment_04.csv", tmp_path / "site.toml"
    recording = read_recording(file)
    arguments = ("replay", file, "--via", "mqtt", "--mqtt-url", broker, "--once", "--speed", "1000", "--site-out", site_file)
    with simulators(*arguments) as process:
        with pytest.raises(subprocess.TimeoutExpired):  # nobody listens yet: the first row is not sent into the void
            process.ended(1.5)
        site = load_site(site_file)
        (source,) = site.sources
        assert isinstance(source, MqttSourceSettings)
        listener = Listener(broker, source.topics[0].filter)
        assert process.ended() == 0
    _wait_until(lambda: listener.messages.qsize() >= len(recording))
    received = [orjson.loads(payload) for _, payload in listener.all()]
    listener.close()
    assert [message["seq"] for message in received] == list(range(len(recording)))
    assert source.topics[0].time_unit == "us"
    keys = [signal.address.removeprefix(f"{TOPIC}#") for signal in site.signals]
    rows = {message["time"]: [message[key] for key in keys] for message in received}
    _assert_same(recording, rows, process.ready["start_us"], 100)


@pytest.mark.parametrize("form", ["samples", "value", "float32"])
def test_each_payload_form_carries_the_recording_and_fits_its_site_file(form: str, tmp_path: Path, broker: str) -> None:
    file, site_file = tmp_path / "short.csv", tmp_path / "site.toml"
    file.write_text("a,b\n" + "".join(f"{n / 4},{n * 8}\n" for n in range(20)))
    arguments = (
        "replay",
        file,
        "--via",
        "mqtt",
        "--mqtt-url",
        broker,
        "--once",
        "--speed",
        "1000",
        "--payload",
        form,
        "--site-out",
        site_file,
    )
    listener = Listener(broker, TOPIC + "/#")
    with simulators(*arguments) as process:
        assert process.ended() == 0
    site = load_site(site_file)
    _wait_until(lambda: listener.messages.qsize() >= (40 if form == "value" else 20))
    messages = listener.all()
    listener.close()
    values: dict[str, list[float]] = {signal.address: [] for signal in site.signals}
    for topic, payload in messages:
        if form == "float32":
            for place, number in enumerate(np.frombuffer(payload, "<f4").tolist()):
                values[f"{topic}#{place}"].append(number)
        elif form == "value":
            values[topic].append(orjson.loads(payload)["value"])
        else:
            for sample in orjson.loads(payload):
                values[f"{topic}#{sample['name']}"].append(sample["value"])
    assert list(values.values()) == [[n / 4 for n in range(20)], [n * 8 for n in range(20)]]


def test_in_real_time_messages_are_not_waited_for_but_none_is_left_behind_at_the_end(tmp_path: Path, broker: str) -> None:
    file = tmp_path / "short.csv"
    file.write_text("a\n" + "".join(f"{n}\n" for n in range(500)))
    arguments = ("--via", "mqtt", "--mqtt-url", broker, "--once", "--real-time", "--speed", "10000", "--site-out", tmp_path / "site.toml")
    listener = Listener(broker, TOPIC)
    with simulators("replay", file, *arguments) as process:
        assert process.ended() == 0
    _wait_until(lambda: listener.messages.qsize() >= 500)
    assert [orjson.loads(payload)["a"] for _, payload in listener.all()] == list(range(500))
    listener.close()


def test_a_held_replay_begins_when_it_is_told(tmp_path: Path, broker: str) -> None:
    file = tmp_path / "short.csv"
    file.write_text("a\n1\n2\n")
    listener = Listener(broker, TOPIC)
    with simulators(
        "replay", file, "--via", "mqtt", "--mqtt-url", broker, "--once", "--hold", "--site-out", tmp_path / "s.toml"
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.ended(0.7)
        assert listener.messages.empty()
        process.process.send_signal(signal.SIGUSR1)
        assert process.ended() == 0
    _wait_until(lambda: listener.messages.qsize() >= 2)
    listener.close()


def _wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def _unsendable(file: Path, form: PayloadForm, site_out: Path) -> str:
    replay = Replay(read_recording(file), Timing(START_US), site_out)
    nowhere = Broker("127.0.0.1", 1, tls=False)
    with pytest.raises(SettingsError) as refused:
        replay_mqtt(replay, SystemClock(), nowhere, form, "5", MqttPlace(nowhere.url, form), lambda _: None, threading.Event())
    assert not site_out.exists()
    return str(refused.value)


def test_what_cannot_be_carried_exactly_is_refused_before_anything_is_sent(shared_data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    assert "Machining_Process" in _unsendable(shared_data / "experiment_01.csv", "float32", site)
    file = tmp_path / "recording.csv"
    file.write_text("exact,inexact\n0.5,0.1\n")
    assert "column 'inexact'" in _unsendable(file, "float32", site)
    file.write_text("a,b\n1,\n2,3\n")
    assert "empty cells" in _unsendable(file, "float32", site)
    file.write_text("a\ninf\n")
    assert "JSON cannot carry" in _unsendable(file, "object", site)
    file.write_text("time,a\n1,2\n")
    assert "--payload samples" in _unsendable(file, "object", site)


def test_wrong_arguments_are_told_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("simulators.__main__._set_up_logging", lambda: None)
    good = tmp_path / "good.csv"
    good.write_text("a\n1\n")
    for arguments, words in (
        ((tmp_path / "no.csv", "--via", "opcua"), "No such file"),
        ((good, "--via", "mqtt"), "--mqtt-url"),
        ((good, "--via", "mqtt", "--mqtt-url", "localhost:1883"), "names no broker"),
        ((good, "--via", "mqtt", "--mqtt-url", "mqtt://me:secret@localhost"), "LEADHAND_MQTT_USER"),
        ((good, "--via", "opcua", "--insecure", "--host", "0.0.0.0"), "loopback"),  # noqa: S104
        ((good, "--via", "opcua", "--speed", "0"), "above 0"),
    ):
        assert main(["replay", *map(str, arguments), "--site-out", str(tmp_path / "site.toml")]) == 2
        told = capsys.readouterr()
        assert words in told.err
        assert told.out == ""
