"""One MQTT source over a real broker and a real spool."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ingest import subscriber
from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.records import Mark, SourceState, without_samples
from ingest.spool import Spool
from ingest.subscriber import MqttSubscriber
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.ledger import Counts, GapReason
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
        self.sender.wait_connected(60)

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.sender.publish(TOPIC, payload, 1, 60)

    def counts_after(self, expected: int) -> Counts:
        """What the ledger says once so many samples came."""
        until(lambda: (state := self.writer.state_of(SOURCE)) is not None and state.total >= expected, 10)
        self.sender.stop()
        self.reader.stop()
        assert self.reader.join(60)
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


FEW = 4


class Hall:
    """A subscriber of some topics, with a writer that can be made to refuse, and one who publishes."""

    def __init__(self, port: int, payload: str, name: str = "reader", *, share: str | None = None, qos: int = 1) -> None:
        self.refusing = False
        self.records: list[Submission] = []
        self.state: SourceState | None = None
        clock = SystemClock()
        signals = [
            Signal(SignalPath(f"a/u{n}/x"), EquipmentId(f"a/u{n}"), "x", DataType.DOUBLE, "", SOURCE, f"hall/{n}", 0) for n in range(FEW)
        ]
        topics = [MqttTopicSettings.model_validate({"filter": "hall/#", "payload": payload, "time_unit": "us", "qos": qos})]
        self.health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
        endpoint = MqttEndpoint("127.0.0.1", port, name)
        self.reader = MqttSubscriber(SOURCE, signals, topics, lambda: endpoint, self, self.health, clock, None, share=share)
        self.reader.start()
        until(lambda: self.health.state == "connected", 10)

    def state_of(self, source: SourceId) -> SourceState | None:
        del source
        return self.state

    def submit(self, submission: Submission) -> bool:
        if self.refusing:
            if submission.on_lost is not None:
                submission.on_lost(submission.record)
            if not submission.offered_again:
                self.keep(replace(submission, record=without_samples(submission.record, GapReason.SPOOL_FULL, "full")))
            return True
        self.keep(submission)
        if submission.on_durable is not None:
            submission.on_durable()
        return True

    def keep(self, submission: Submission) -> None:
        self.state = self.state or SourceState(Mark(0))
        self.state.follow(submission.record)
        self.records.append(submission)

    @property
    def counts(self) -> Counts:
        return totals([one.record for one in list(self.records)])

    @property
    def values(self) -> list[float]:
        return sorted(value for one in list(self.records) for value in one.record.samples.value.tolist())

    def close(self) -> None:
        self.reader.stop()
        assert self.reader.join(60)
        self.reader.disconnect()


class Voice:
    """One who publishes."""

    def __init__(self, port: int) -> None:
        self.connection = MqttConnection(MqttEndpoint("127.0.0.1", port, "voice", session_seconds=0))
        self.connection.start()
        self.connection.wait_connected(60)

    def say(self, place: int, content: object, qos: int = 1) -> None:
        self.connection.publish(f"hall/{place}", json.dumps(content).encode(), qos, 5 if qos else None)


def numbered_value(number: int, value: float) -> dict[str, float]:
    return {"value": value, "seq": number, "time": SystemClock().now_us() + number}


def test_with_a_full_spool_what_comes_again_is_asked_for_and_what_does_not_is_a_gap_once(port: int) -> None:
    hall, voice = Hall(port, "value"), Voice(port)
    voice.say(0, numbered_value(1, 1))
    voice.say(1, numbered_value(1, 100), 0)
    until(lambda: hall.counts.stored == 2, 10)
    hall.refusing = True
    for n in (2, 3, 4):
        voice.say(0, numbered_value(n, n))
        voice.say(1, numbered_value(n, 100 + n), 0)
    until(lambda: hall.counts.gap == 3, 10)
    hall.refusing = False
    until(lambda: hall.counts.stored == 5, 20)
    voice.say(1, numbered_value(5, 105), 0)
    until(lambda: hall.counts.stored == 6, 10)
    hall.close()
    voice.connection.stop()
    assert hall.values == [1, 2, 3, 4, 100, 105]
    assert hall.counts == Counts(expected=9 + hall.counts.duplicate, stored=6, gap=3, duplicate=hall.counts.duplicate)


def test_a_topic_with_both_kinds_of_messages_counts_each_once_when_the_spool_was_full(port: int) -> None:
    hall, voice = Hall(port, "value"), Voice(port)
    voice.say(0, numbered_value(1, 1), 0)
    until(lambda: hall.counts.stored == 1, 10)
    hall.refusing = True
    for n in range(2, 8):
        voice.say(0, numbered_value(n, n), n % 2)
    until(lambda: hall.counts.gap == 6, 10)
    hall.refusing = False
    voice.say(0, numbered_value(8, 8))
    until(lambda: hall.counts.stored == 2, 10)
    hall.close()
    voice.connection.stop()
    assert hall.values == [1, 8]
    assert hall.counts.expected - hall.counts.duplicate == 8


def test_an_array_becomes_a_sample_for_each_value_and_a_missing_array_as_many_missing_samples(port: int) -> None:
    hall, voice = Hall(port, "array"), Voice(port)
    start = SystemClock().now_us()
    for n in (0, 1, 3):
        voice.say(2, {"value": [n + k / 8 for k in range(50)], "time": start + n * 50_000, "dt": 1000, "seq": n})
    until(lambda: hall.counts.expected == 200, 10)
    hall.close()
    voice.connection.stop()
    assert hall.counts == Counts(expected=200, stored=150, gap=50)
    times = np.concatenate([one.record.samples.time_us for one in hall.records])
    assert sorted(times.tolist()) == [start + n * 50_000 + k * 1000 for n in (0, 1, 3) for k in range(50)]
    assert all(line.complete for one in hall.records for line in one.record.ledger)


def test_two_readers_of_a_shared_subscription_get_each_message_once_and_claim_no_completeness(port: int) -> None:
    halls = [Hall(port, "value", f"reader-{n}", share="leadhand") for n in range(2)]
    voice = Voice(port)
    until(lambda: voice.say(3, numbered_value(0, 0.0)) is None and all(hall.values for hall in halls), 10)  # type: ignore[func-returns-value]
    for n in range(1, 41):
        voice.say(0, numbered_value(n, n))
    until(lambda: sum(len(hall.values) - hall.values.count(0.0) for hall in halls) == 40, 10)
    for hall in halls:
        hall.close()
    voice.connection.stop()
    assert sorted(value for hall in halls for value in hall.values if value) == list(range(1, 41))
    assert all(len(hall.values) > 5 for hall in halls)
    for hall in halls:
        assert hall.counts.gap == 0
        assert not any(line.complete for one in hall.records for line in one.record.ledger)


@pytest.mark.parametrize("qos", [0, 1])
def test_while_there_is_no_room_nothing_is_taken_from_the_broker_and_nothing_is_lost(port: int, qos: int) -> None:
    hall, voice = Hall(port, "value", qos=qos), Voice(port)
    open_gate, submit = threading.Event(), hall.submit
    hall.submit = lambda submission: open_gate.is_set() and submit(submission)  # type: ignore[method-assign]
    for n in range(1, 501):
        voice.say(0, numbered_value(n, n), qos)
    assert not hall.records
    open_gate.set()
    until(lambda: hall.counts.stored == 500, 20)
    hall.close()
    voice.connection.stop()
    assert hall.counts == Counts(expected=500, stored=500)
    assert hall.health.reconnects == 0
