"""A simulated Sparkplug edge node: births, aliases, numbers, deaths, devices, store and forward, and faults on command.

As strict as a real one: it sends only what changed, has a will with its number of birth, sends its births again when it is asked to, and
with a primary host it keeps values while that host is away and sends them later, marked as history.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.signals import DataType
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage, MqttState, Will
from protocols.sparkplug_payload import Metric, MetricType, Value, decode, encode
from protocols.sparkplug_topics import BDSEQ, REBIRTH, HostState, says_offline, topic_of

METRIC_TYPES: Final = {
    DataType.BOOLEAN: MetricType.BOOLEAN,
    DataType.SBYTE: MetricType.INT8,
    DataType.BYTE: MetricType.UINT8,
    DataType.INT16: MetricType.INT16,
    DataType.UINT16: MetricType.UINT16,
    DataType.INT32: MetricType.INT32,
    DataType.UINT32: MetricType.UINT32,
    DataType.INT64: MetricType.INT64,
    DataType.UINT64: MetricType.UINT64,
    DataType.FLOAT: MetricType.FLOAT,
    DataType.DOUBLE: MetricType.DOUBLE,
    DataType.STRING: MetricType.STRING,
}
_MOST_STORED: Final = 20_000
_MOST_SENT: Final = 500
"""Metrics of one message of history."""
_NUMBERS: Final = 256


@dataclass(frozen=True, slots=True)
class DeviceMetric:
    """One metric of a device."""

    name: str
    data_type: DataType
    properties: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who an edge node is."""

    node: str
    """``group/edge_node``."""
    devices: Mapping[str, Sequence[DeviceMetric]]
    """Metrics by device; those of the name ``""`` are the node's own."""
    primary_host: str | None = None
    """The host without which nothing is sent, where there is one."""


class EdgeNode:
    """An edge node on a broker, from ``start`` to ``stop``; ``update`` is to be called by one thread."""

    def __init__(self, speaker: Speaker, endpoint: MqttEndpoint, clock: Clock) -> None:
        self._speaker = speaker
        self._clock = clock
        self._state = None if speaker.primary_host is None else HostState(speaker.primary_host)
        self.bd_seq = -1
        self.births = 0
        """Node births that were sent."""
        self.lost = 0
        """Values that neither were sent nor found room."""
        self._sequence = 0
        self._aliases: dict[tuple[str, str], int] = {}
        self._latest: dict[str, list[Value]] = {}
        self._told: dict[str, list[Value]] = {}
        self._stored: deque[tuple[str, Metric]] = deque()
        self._speaking = False
        self._host_online = self._state is None
        self._host_ms = 0
        self._wishes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._absent: set[str] = set()
        self._lose = 0
        self._connected = threading.Event()
        endpoint = replace(endpoint, session_seconds=0, will=self._will)
        self._connection = MqttConnection(endpoint, self._take, self._on_state)
        self._connection.subscribe([(topic_of("NCMD", speaker.node), 1)] + ([] if self._state is None else [(self._state.topic, 1)]))

    def start(self) -> None:
        """Begin to connect."""
        self._connection.start()

    def stop(self) -> None:
        """Tell of our death, and leave."""
        if self._speaking:
            with contextlib.suppress(Unavailable):
                self._connection.publish(topic_of("NDEATH", self._speaker.node), self._death(self.bd_seq), 1, 2)
        self._connection.stop()

    @property
    def speaking(self) -> bool:
        """Whether births were sent and data follow."""
        return self._speaking

    @property
    def stored(self) -> int:
        """How many values wait to be sent as history."""
        return len(self._stored)

    def update(self, time_ms: int, values: Mapping[str, Sequence[Value]]) -> None:
        """Take the values of one scan, by device in the order of its metrics: send what changed, or store it while nobody listens."""
        self._latest = {device: list(row) for device, row in values.items()}
        self._attend()
        for device, row in values.items():
            told = self._told.get(device)
            metrics = [self._metric(device, n, value, time_ms) for n, value in enumerate(row) if told is None or not _same(told[n], value)]
            self._told[device] = list(row)
            if device in self._absent or not metrics:
                continue
            if not self._speaking or not self._send_data(device, metrics):
                self._store(device, metrics)

    # faults

    def skip(self, messages: int = 1) -> None:
        """Lose the next messages on the way."""
        self._lose += messages

    def send_unknown_alias(self, device: str = "") -> None:
        """Send a value by an alias that no birth has told of."""
        metric = Metric(value=1.0, datatype=MetricType.DOUBLE, alias=1_000_000, time_ms=self._clock.now_us() // 1000)
        self._send("DDATA" if device else "NDATA", [metric], device)

    def send_death(self, sessions_ago: int = 0) -> None:
        """Send a death as if it came late: of this session, or of one before it."""
        number = (self.bd_seq - sessions_ago) % _NUMBERS
        self._connection.publish(topic_of("NDEATH", self._speaker.node), self._death(number), 1, 5)

    def shuffle_aliases(self) -> None:
        """Give each metric another alias with the next birth."""
        keys = [(device, metric.name) for device, metrics in self._speaker.devices.items() for metric in metrics]
        first = self._aliases.get(keys[0], 0)
        self._aliases = {key: (n + first + 1) % len(keys) for n, key in enumerate(keys)}

    def lose_device(self, device: str) -> None:
        """Tell of the death of a device, and send nothing of it until ``find_device``."""
        self._absent.add(device)
        self._send("DDEATH", [], device)

    def find_device(self, device: str) -> None:
        """Send the birth of a device again."""
        self._absent.discard(device)
        self._device_birth(device, self._clock.now_us() // 1000)

    def lose_link(self) -> None:
        """Break the connection without a goodbye; it comes back by itself."""
        self._speaking = False
        self._connection.reconnect()

    # the session

    def _will(self) -> Will:
        self.bd_seq = (self.bd_seq + 1) % _NUMBERS
        return Will(topic_of("NDEATH", self._speaker.node), self._death(self.bd_seq))

    def _death(self, number: int) -> bytes:
        return encode(self._clock.now_us() // 1000, None, [Metric(BDSEQ, number, MetricType.INT64)])

    def _on_state(self, state: MqttState, detail: str, session_kept: bool) -> None:
        del detail, session_kept
        self._wishes.put("connected" if state is MqttState.CONNECTED else "away")

    def _take(self, message: MqttMessage) -> bool:
        self._connection.acknowledge([message.token])
        if self._state is not None and message.topic == self._state.topic:
            self._hear_host(message.payload)
        elif _asks_rebirth(message.payload):
            self._wishes.put("rebirth")
        return True

    def _hear_host(self, content: bytes) -> None:
        try:
            moment = int(json.loads(content)["timestamp"])
        except (ValueError, KeyError, TypeError):
            return
        if moment < self._host_ms:
            # the will of a connection that the host has replaced since
            return
        self._host_ms = moment
        self._wishes.put("host away" if says_offline(content) else "host")

    def _attend(self) -> None:
        """Do what the broker and the host asked for since the last scan."""
        born = False
        while True:
            try:
                wish = self._wishes.get_nowait()
            except queue.Empty:
                break
            if wish == "connected":
                self._connected.set()
                born = True
            elif wish == "away":
                self._connected.clear()
                self._speaking = False
                self._host_online = self._state is None
            elif wish == "host away":
                self._host_online = False
                if self._speaking:
                    # the specification: end the session, and begin another when the host is back
                    self.lose_link()
            elif wish == "host":
                self._host_online = True
                born = born or not self._speaking
            elif self._speaking:
                born = True
        if born and self._host_online and self._connected.is_set():
            self._birth()

    def _birth(self) -> None:
        if not self._latest:
            return
        now_ms = self._clock.now_us() // 1000
        self._sequence = 0
        self._speaking = True
        if not self._aliases:
            self.shuffle_aliases()
        own = [Metric(BDSEQ, self.bd_seq, MetricType.INT64, time_ms=now_ms), Metric(REBIRTH, value=False, datatype=MetricType.BOOLEAN)]
        if not self._send("NBIRTH", own + self._told_metrics("", now_ms), ""):
            return
        self.births += 1
        for device in self._speaker.devices:
            if device and device not in self._absent:
                self._device_birth(device, now_ms)
        self._send_history()

    def _device_birth(self, device: str, now_ms: int) -> None:
        self._send("DBIRTH", self._told_metrics(device, now_ms), device)

    def _told_metrics(self, device: str, now_ms: int) -> list[Metric]:
        """Return all metrics of a device with name, alias, type and properties."""
        row = self._latest.get(device, [])
        self._told[device] = list(row)
        metrics = []
        for metric, value in zip(self._speaker.devices.get(device, ()), row, strict=False):
            alias = self._aliases[device, metric.name]
            metrics.append(Metric(metric.name, value, METRIC_TYPES[metric.data_type], alias, now_ms, properties=dict(metric.properties)))
        return metrics

    def _metric(self, device: str, n: int, value: Value, time_ms: int) -> Metric:
        metric = self._speaker.devices[device][n]
        return Metric(metric.name, value, METRIC_TYPES[metric.data_type], time_ms=time_ms)

    def _send_data(self, device: str, metrics: Sequence[Metric]) -> bool:
        """Send values by the aliases of the latest birth."""
        by_alias = [replace(metric, name="", alias=self._aliases[device, metric.name]) for metric in metrics]
        return self._send("DDATA" if device else "NDATA", by_alias, device)

    def _send(self, kind: str, metrics: Sequence[Metric], device: str) -> bool:
        """Send one message with the next number; False when the broker is away."""
        number = self._sequence
        self._sequence = (number + 1) % _NUMBERS
        if self._lose and kind in {"NDATA", "DDATA"}:
            self._lose -= 1
            return True
        try:
            self._connection.publish(topic_of(kind, self._speaker.node, device), encode(self._clock.now_us() // 1000, number, metrics), 0)
        except Unavailable:
            self._speaking = False
            return False
        return True

    def _store(self, device: str, metrics: Sequence[Metric]) -> None:
        if self._state is None:
            self.lost += len(metrics)
            return
        for metric in metrics:
            if len(self._stored) >= _MOST_STORED:
                self._stored.popleft()
                self.lost += 1
            self._stored.append((device, metric))

    def _send_history(self) -> None:
        while self._stored and self._speaking:
            device = self._stored[0][0]
            metrics: list[Metric] = []
            while self._stored and self._stored[0][0] == device and len(metrics) < _MOST_SENT:
                metrics.append(replace(self._stored.popleft()[1], historical=True))
            if not self._send_data(device, metrics):
                self._stored.extendleft((device, metric) for metric in reversed(metrics))


def _asks_rebirth(content: bytes) -> bool:
    try:
        payload = decode(content)
    except Rejected:
        return False
    return any(row.name == REBIRTH and row.raw is True for row in payload.metrics)


def _same(one: Value, other: Value) -> bool:
    return one == other and type(one) is type(other)
