"""One MQTT source over a real broker and a real spool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ingest import subscriber
from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.records import Mark, SourceState
from ingest.spool import Spool
from ingest.subscriber import MqttSubscriber
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.ledger import Counts
from plant.settings import MqttTopicSettings
from plant.signals import DataType, Signal, SignalPath, SourceId
from protocols.mqtt_client import MqttConnection, MqttEndpoint
from tests.ingest.parts import Mosquitto, until
from tests.ingest.test_sampler import records_in, totals

SOURCE = SourceId("press")
TOPIC = "hall/press/state"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    broker = Mosquitto(tmp_path)
    yield broker.start()
    broker.stop()


class Run:
    """A subscriber of one signal, and one who publishes."""

    def __init__(
        self, folder: Path, port: int, connect: Callable[..., MqttConnection] = MqttConnection, stored_us: int | None = None
    ) -> None:
        self.folder = folder / "spool"
        clock = SystemClock()
        self.writer = SpoolWriter(Spool(self.folder, SystemFiles(), new_id=uuid4), clock, sync_seconds=0.05)
        self.writer.open()
        signal = Signal(SignalPath("a/b/x"), EquipmentId("a/b"), "x", DataType.DOUBLE, "", SOURCE, f"{TOPIC}#x", 0)
        topics = [MqttTopicSettings(filter="hall/#", payload="object", time_unit="us")]
        self.health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
        endpoint = MqttEndpoint("127.0.0.1", port, "reader", "3.1.1", max_payload_bytes=1000)
        state = None if stored_us is None else SourceState(Mark(0), 0, (signal.path,), np.array([stored_us]))
        self.reader = MqttSubscriber(SOURCE, [signal], topics, lambda: endpoint, self.writer, self.health, clock, state, connect=connect)
        self.reader.start()
        until(lambda: self.health.state == "connected", 10)
        self.sender = MqttConnection(MqttEndpoint("127.0.0.1", port, "sender", "3.1.1", session_seconds=0))
        self.sender.start()
        self.sender.wait_connected(10)

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.sender.publish(TOPIC, payload, 1, 5)

    def counts_after(self, expected: int) -> Counts:
        """What the ledger says once so many samples came."""
        until(lambda: (state := self.writer.state_of(SOURCE)) is not None and state.total >= expected, 10)
        self.sender.stop()
        self.reader.stop()
        assert self.reader.join(10)
        self.writer.settle(5)
        self.reader.disconnect()
        self.writer.close()
        return totals(records_in(self.folder))


def numbered(*numbers: int) -> list[bytes]:
    return [json.dumps({"seq": number, "x": number / 7, "time": SystemClock().now_us() + number}).encode() for number in numbers]


def test_a_payload_that_cannot_be_read_is_rejected_and_not_missing_as_well(tmp_path: Path, port: int) -> None:
    run = Run(tmp_path, port)
    run.send(*numbered(1, 2), b"{torn", *numbered(4))
    assert run.counts_after(4) == Counts(expected=4, stored=3, rejected=1)


def test_a_payload_larger_than_agreed_is_counted_as_rejected(tmp_path: Path, port: int) -> None:
    run = Run(tmp_path, port)
    run.send(*numbered(1), b"[" + b" " * 2000 + b"]", *numbered(3))
    assert run.counts_after(3) == Counts(expected=3, stored=2, rejected=1)


def test_a_fault_at_connecting_does_not_end_a_source(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "_REFUSED_PAUSE_SECONDS", 0.05)
    faults = [OSError("no more files")]

    def connect(endpoint: MqttEndpoint, *callbacks: Any, **more: Any) -> MqttConnection:
        if faults:
            raise faults.pop()
        return MqttConnection(endpoint, *callbacks, **more)

    run = Run(tmp_path, port, connect)
    run.send(*numbered(1))
    assert run.counts_after(1) == Counts(expected=1, stored=1)


def test_after_a_restart_a_sender_whose_clock_was_ahead_is_heard_at_once(tmp_path: Path, port: int) -> None:
    run = Run(tmp_path, port, stored_us=SystemClock().now_us() + 10 * 3_600_000_000)
    now = SystemClock().now_us()
    run.send(*(json.dumps({"x": 1.0, "time": now + n}).encode() for n in range(3)))
    assert run.counts_after(3) == Counts(expected=3, stored=3)
