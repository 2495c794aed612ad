"""One Sparkplug source over a real broker and a real spool, with an edge node that we did not write."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.records import SourceState
from ingest.sparkplug import HostSettings, SparkplugReader
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.ledger import Counts, Gap, GapReason
from plant.samples import FLAG_HISTORICAL, SampleBatch, concatenate
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from plant.status import BAD_NO_COMMUNICATION
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage
from protocols.sparkplug_host import HostRules
from protocols.sparkplug_payload import Metric, MetricType, decode, encode
from protocols.sparkplug_topics import BDSEQ, HostState, topic_of
from simulators.sparkplug_node import DeviceMetric, EdgeNode, Speaker
from storage.database import connect
from storage.ledger import read_totals
from tests.ingest.parts import Mosquitto, start_ingest, until
from tests.ingest.test_sampler import records_in, totals
from tests.node_parts import Node

SOURCE = SourceId("paint")
LEVEL, HEAT, STATE = "a/b/level", "a/b/heat", "a/b/state"
ADDRESSES = {LEVEL: "hall/paint:level", HEAT: "hall/paint/booth-1:Motor/heat", STATE: "hall/paint/booth-1:state"}
TYPES = {LEVEL: DataType.DOUBLE, HEAT: DataType.INT32, STATE: DataType.STRING}
RULES = HostRules(reorder_us=300_000, rebirth_us=1_000_000, hold_us=3_000_000)
PATIENT = HostRules(reorder_us=60_000_000, rebirth_us=60_000_000, hold_us=60_000_000)
"""Of a host that asks nobody for births while the first ones are on their way, however slow the machine."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    yield mosquitto
    mosquitto.stop()


class Run:
    """A host of three signals."""

    def __init__(
        self,
        folder: Path,
        port: int,
        rules: HostRules = PATIENT,
        store: StoreRule = StoreRule.NEW_SOURCE_TIME,
        version: Any = "5",
        state: HostState | None = None,
        deadband: float | None = None,
    ) -> None:
        self.folder = folder / "spool"
        clock = SystemClock()
        self.writer = SpoolWriter(Spool(self.folder, SystemFiles(), new_id=uuid4), clock, sync_seconds=0.05)
        self.writer.open()
        signals = [
            Signal(SignalPath(path), EquipmentId("a/b"), path.rpartition("/")[2], TYPES[path], "", SOURCE, address, 0, store)
            for path, address in ADDRESSES.items()
        ]
        signals[0] = replace(signals[0], deadband=deadband)
        self.health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
        endpoint = MqttEndpoint("127.0.0.1", port, f"host-{uuid4().hex[:8]}", version, keepalive_seconds=2, max_payload_bytes=100_000)
        host = HostSettings(state or HostState("leadhand"), (), rules)
        self.reader = SparkplugReader(SOURCE, signals, host, lambda: endpoint, self.writer, self.health, clock, self.state)
        self.reader.start()
        until(lambda: self.health.state == "connected", 10)

    @property
    def state(self) -> SourceState | None:
        return self.writer.state_of(SOURCE)

    @property
    def detail(self) -> str:
        return self.health.report(0, 0, 0).detail

    def heard(self) -> bool:
        return self.detail.startswith("1 of 1")

    def hear_births(self) -> None:
        """Wait until the first birth was heard; from then on be as impatient as a test can wait for."""
        until(self.heard, 10)
        self.reader._host._rules = RULES

    def expect(self, samples: int) -> None:
        """Wait until the ledger tells of so many samples."""
        until(lambda: self.state is not None and self.state.total >= samples, 10)

    def end(self) -> Counts:
        """End; what the ledger says."""
        self.reader.stop()
        assert self.reader.join(60)
        self.writer.settle(5)
        self.reader.disconnect()
        self.writer.close()
        counts = totals(records_in(self.folder))
        assert counts.unexplained() == 0
        return counts

    def samples(self) -> SampleBatch:
        return concatenate([record.samples for record in records_in(self.folder)])

    def of(self, path: str) -> list[float | str | None]:
        """Numbers and texts of one signal, in order; None where it has none."""
        batch = self.samples()
        mine = np.flatnonzero([batch.paths[place] == path for place in batch.signal.tolist()]).tolist()
        return [float(batch.value[n]) if batch.has_value[n] else None if batch.text is None else batch.text[n] for n in mine]

    def gaps(self, reason: GapReason) -> list[Gap]:
        return [gap for record in records_in(self.folder) for gap in record.gaps if gap.reason is reason]


class Peer:
    """An edge node made with Eclipse Tahu's client for JavaScript."""

    def __init__(self, node: Node, port: int) -> None:
        arguments = [str(node.program), "sparkplug_node.mjs", f"mqtt://127.0.0.1:{port}", "hall", "paint"]
        self.process = subprocess.Popen(
            arguments, cwd=node.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.wait_for("connected")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.put(json.loads(line))

    def say(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def wait_for(self, word: str) -> Any:
        while True:
            told = self.told.get(timeout=60)
            if word in told:
                return told[word]

    def birth(self, *, silent: bool = False) -> None:
        device = [
            {"name": "Motor/heat", "alias": 2, "type": "Int32", "value": -40},
            {"name": "state", "alias": 3, "type": "String", "value": "läuft"},
        ]
        self.say(
            births={"node": [{"name": "level", "alias": 1, "type": "Double", "value": 0.5}], "devices": {"booth-1": device}}, silent=silent
        )

    def data(self, value: float, **options: Any) -> None:
        self.say(data={"metrics": [{"alias": 1, "type": "Double", "value": value}]}, options=options)

    def heat(self, value: int) -> None:
        self.say(device="booth-1", payload={"metrics": [{"alias": 2, "type": "Int32", "value": value}]})

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def peer(node: Node, broker: Mosquitto) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def make() -> Peer:
        peers.append(Peer(node, broker.port))
        return peers[-1]

    yield make
    for one in peers:
        one.end()


def test_births_and_data_of_an_edge_node_we_did_not_write_are_stored_and_its_death_makes_them_stale(
    tmp_path: Path, broker: Mosquitto, peer: Callable[[], Peer]
) -> None:
    run, edge = Run(tmp_path, broker.port), peer()
    edge.birth()
    run.hear_births()
    edge.data(1.5)
    edge.heat(-41)
    edge.data(2.5, compress=True)
    edge.data(3.5, compress=True, algorithm="GZIP")
    run.expect(7)
    edge.say(death="booth-1")
    run.expect(9)
    until(lambda: "hall/paint/booth-1 offline since" in run.detail, 5)
    edge.process.kill()
    run.expect(10)
    until(lambda: "0 of 1 edge nodes online; hall/paint offline since" in run.detail, 5)
    counts = run.end()
    assert counts == Counts(expected=10, stored=10)
    assert run.of(LEVEL) == [0.5, 1.5, 2.5, 3.5, None]
    assert run.of(HEAT) == [-40.0, -41.0, None]
    assert run.of(STATE) == ["läuft", None]
    batch = run.samples()
    assert (batch.status[~batch.has_value & np.array([text is None for text in batch.text])] == BAD_NO_COMMUNICATION).all()  # type: ignore[union-attr]


def test_a_host_that_starts_late_asks_once_for_births_and_the_edge_node_answers(
    tmp_path: Path, broker: Mosquitto, peer: Callable[[], Peer]
) -> None:
    edge = peer()
    edge.birth()
    edge.wait_for("born")
    run = Run(tmp_path, broker.port, replace(PATIENT, reorder_us=300_000))
    assert edge.wait_for("command") == ["Node Control/Rebirth"]
    run.hear_births()
    edge.data(1.5)
    run.expect(4)
    assert run.end() == Counts(expected=4, stored=4)
    assert run.of(LEVEL) == [0.5, 1.5]


class Own:
    """An edge node of ours that may break every rule, and the host's state as edge nodes see it."""

    def __init__(self, port: int, *, state_topic: str = "spBv1.0/STATE/leadhand") -> None:
        self.heard: queue.Queue[MqttMessage] = queue.Queue()
        endpoint = MqttEndpoint("127.0.0.1", port, "edge", "3.1.1", session_seconds=0)
        self.connection = MqttConnection(endpoint, self._take)
        self.connection.subscribe([("spBv1.0/hall/NCMD/paint", 1), (state_topic, 1)])
        self.connection.start()
        self.connection.wait_connected(60)
        self.states: list[bytes] = []
        self.commands: list[MqttMessage] = []
        self.sequence = 0
        self.clock = SystemClock()

    def _take(self, message: MqttMessage) -> bool:
        self.connection.acknowledge([message.token])
        (self.states.append(message.payload) if "STATE" in message.topic else self.commands.append(message))
        return True

    def send(self, kind: str, metrics: Sequence[Metric], device: str = "", *, lose: bool = False) -> None:
        if kind == "NBIRTH":
            self.sequence = 0
        number = None if kind == "NDEATH" else self.sequence
        self.sequence = self.sequence if number is None else (number + 1) % 256
        if not lose:
            self.connection.publish(topic_of(kind, "hall/paint", device), encode(self.clock.now_us() // 1000, number, metrics), 1, 60)

    def birth(self, level: float = 0.5, bd_seq: int = 0) -> None:
        self.send("NBIRTH", [Metric(BDSEQ, bd_seq, MetricType.INT64), Metric("level", level, MetricType.DOUBLE, alias=1)])
        metrics = [Metric("Motor/heat", -40, MetricType.INT32, alias=2), Metric("state", "läuft", MetricType.STRING, alias=3)]
        self.send("DBIRTH", metrics, "booth-1")

    def level(self, value: float, *, alias: int = 1, lose: bool = False, time_ms: int = 0, historical: bool = False) -> None:
        metric = Metric("", value, MetricType.DOUBLE, alias, time_ms, historical)
        self.send("NDATA", [metric], lose=lose)


@pytest.fixture
def edge(broker: Mosquitto) -> Iterator[Own]:
    own = Own(broker.port)
    yield own
    own.connection.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_hole_in_the_sequence_is_a_gap_of_as_many_messages_one_rebirth_request_and_no_other_loss(
    tmp_path: Path, broker: Mosquitto, edge: Own, version: str
) -> None:
    run = Run(tmp_path, broker.port, version=version)
    edge.birth()
    run.hear_births()
    edge.level(1.0)
    edge.level(2.0, lose=True)
    edge.level(3.0, lose=True)
    edge.level(4.0)
    until(lambda: len(edge.commands) == 1, 10)
    assert decode(edge.commands[0].payload).metrics[0].name == "Node Control/Rebirth"
    edge.level(5.0)
    edge.birth(6.0)
    edge.level(7.0)
    run.expect(12)
    assert run.end() == Counts(expected=12, stored=10, gap=2)
    assert run.of(LEVEL) == [0.5, 1.0, 6.0, 4.0, 5.0, 7.0]
    (gap,) = run.gaps(GapReason.SEQUENCE)
    assert (gap.count, gap.detail.split()[0]) == (2, "2")
    assert len(edge.commands) == 1


def test_values_by_an_unknown_alias_are_rejected_and_counted(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port)
    edge.birth()
    run.hear_births()
    edge.level(1.0, alias=99)
    edge.level(2.0)
    run.expect(5)
    until(lambda: len(edge.commands) == 1, 10)
    assert run.end() == Counts(expected=5, stored=4, rejected=1)
    assert [gap.count for gap in run.gaps(GapReason.NODE)] == [1]


def test_only_the_death_of_the_present_session_counts_also_when_it_overtakes_its_birth(
    tmp_path: Path, broker: Mosquitto, edge: Own
) -> None:
    run = Run(tmp_path, broker.port)
    edge.birth(bd_seq=7)
    run.hear_births()
    edge.send("NDEATH", [Metric(BDSEQ, 6, MetricType.INT64)])
    edge.level(1.0)
    run.expect(4)
    assert run.heard()
    born = [Metric(BDSEQ, 8, MetricType.INT64), Metric("level", 2.0, MetricType.DOUBLE, alias=1)]
    late = topic_of("NBIRTH", "hall/paint"), encode(edge.clock.now_us() // 1000, 0, born)
    edge.send("NDEATH", [Metric(BDSEQ, 8, MetricType.INT64)])
    edge.connection.publish(*late, 1, 60)
    run.expect(8)
    until(lambda: "0 of 1 edge nodes online" in run.detail, 5)
    assert run.end() == Counts(expected=8, stored=8)
    assert run.of(LEVEL) == [0.5, 1.0, 2.0, None]
    assert [run.of(path)[-1] for path in (HEAT, STATE)] == [None, None]


def test_history_is_kept_with_its_own_time_and_marked(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port)
    edge.birth()
    run.hear_births()
    now_ms = edge.clock.now_us() // 1000
    for n in range(3):
        edge.level(float(n), time_ms=now_ms - 60_000 + n * 1000, historical=True)
    run.expect(6)
    assert run.end() == Counts(expected=6, stored=6)
    batch = run.samples()
    late = (batch.flags & FLAG_HISTORICAL) != 0
    assert batch.time_us[late].tolist() == [(now_ms - 60_000 + n * 1000) * 1000 for n in range(3)]


def test_a_birth_repeats_nothing_unless_a_signal_was_stale(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port)
    old_ms = edge.clock.now_us() // 1000 - 5000
    born = [Metric(BDSEQ, 0, MetricType.INT64), Metric("level", 0.5, MetricType.DOUBLE, alias=1, time_ms=old_ms)]
    edge.send("NBIRTH", born)
    run.hear_births()
    edge.send("NBIRTH", born)
    run.expect(2)
    edge.send("NDEATH", [Metric(BDSEQ, 0, MetricType.INT64)])
    run.expect(5)
    edge.send("NBIRTH", born)
    run.expect(6)
    assert run.end() == Counts(expected=6, stored=5, duplicate=1)
    assert run.of(LEVEL) == [0.5, None, 0.5]
    batch = run.samples()
    level = batch.take(np.array([batch.paths[place] == LEVEL for place in batch.signal.tolist()]))
    assert (np.diff(level.time_us) > 0).all(), "what is not stale any more comes after what said that it was"


def test_only_changes_are_kept_where_that_is_the_rule(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port, store=StoreRule.ON_CHANGE)
    edge.birth()
    run.hear_births()
    for value in (1.0, 1.0, 2.0, 2.0, 2.0, 1.0):
        edge.level(value)
    run.expect(9)
    assert run.end() == Counts(expected=9, stored=6, filtered=3)
    assert run.of(LEVEL) == [0.5, 1.0, 2.0, 1.0]


def test_small_changes_are_left_out_by_a_deadband_but_not_behind_a_gap(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port, deadband=1.0)
    edge.birth(10.0)
    run.hear_births()
    for value in (10.5, 11.0, 11.5, 12.4, 11.6):
        edge.level(value)
    edge.level(0.0, lose=True)
    edge.level(11.7)
    until(lambda: len(edge.commands) == 1, 10)
    edge.birth(11.8)
    run.expect(13)
    assert run.end() == Counts(expected=13, stored=7, filtered=5, gap=1)
    assert run.of(LEVEL) == [10.0, 11.5, 11.8]


def test_the_host_tells_that_it_is_there_and_when_it_leaves_and_the_broker_tells_when_it_is_lost(
    tmp_path: Path, broker: Mosquitto, edge: Own
) -> None:
    run = Run(tmp_path, broker.port)
    until(lambda: bool(edge.states), 5)
    first = json.loads(edge.states[-1])
    assert first["online"] is True
    assert abs(first["timestamp"] - edge.clock.now_us() // 1000) < 60_000
    edge.connection.publish("spBv1.0/STATE/leadhand", json.dumps({"online": False, "timestamp": 0}).encode(), 1, 60, retain=True)
    until(lambda: json.loads(edge.states[-1]) == first and len(edge.states) >= 3, 5)
    connection = run.reader._connection
    assert connection is not None
    connection.reconnect()
    until(lambda: json.loads(edge.states[-1])["timestamp"] > first["timestamp"] and json.loads(edge.states[-1])["online"], 15)
    run.end()
    until(lambda: json.loads(edge.states[-1])["online"] is False, 5)


def test_edge_nodes_of_specification_2_2_find_the_host_where_they_look(tmp_path: Path, broker: Mosquitto) -> None:
    own = Own(broker.port, state_topic="STATE/leadhand")
    run = Run(tmp_path, broker.port, state=HostState("leadhand", old=True))
    until(lambda: own.states[-1:] == [b"ONLINE"], 5)
    run.end()
    until(lambda: own.states[-1:] == [b"OFFLINE"], 5)
    own.connection.stop()


def test_a_broker_that_goes_away_makes_signals_stale_and_births_are_asked_for_when_it_is_back(
    tmp_path: Path, broker: Mosquitto, edge: Own
) -> None:
    run = Run(tmp_path, broker.port)
    edge.birth()
    run.hear_births()
    run.expect(3)
    broker.kill()
    run.expect(6)
    broker.start()
    until(lambda: len(edge.commands) >= 1, 20)
    edge.birth(7.0)
    run.expect(9)
    assert run.end() == Counts(expected=9, stored=9)
    assert run.of(LEVEL) == [0.5, None, 7.0]
    assert [gap.count for gap in run.gaps(GapReason.DISCONNECTED)] == [0]


def test_signals_that_no_birth_tells_of_are_named_in_a_gap(tmp_path: Path, broker: Mosquitto, edge: Own) -> None:
    run = Run(tmp_path, broker.port)
    edge.send("NBIRTH", [Metric(BDSEQ, 0, MetricType.INT64), Metric("Level", 1.0, MetricType.DOUBLE)])
    until(lambda: "1 signals are in no birth" in run.detail, 10)
    run.end()
    assert [(gap.signal, gap.count) for gap in run.gaps(GapReason.NODE)] == [(LEVEL, 0)]


SITE = """
site = {{ enterprise = "acme", id = "north" }}

[[equipment]]
path = "hall/paint/booth-1"

[[sources]]
protocol = "sparkplug"
id = "paint"
url = "mqtt://127.0.0.1:{port}"
allow_anonymous = true
reorder_seconds = 0.5
rebirth_seconds = 1

[[signals]]
equipment = "hall/paint/booth-1"
name = "heat"
source = "paint"
address = "hall/paint/{{unit}}:heat"
"""


@pytest.mark.heavy
def test_what_an_edge_node_stored_while_the_ingest_was_away_reaches_the_database_and_never_overwrites_the_latest(
    tmp_path: Path, broker: Mosquitto, database_url: str
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(port=broker.port))
    clock = SystemClock()
    speaker = Speaker("hall/paint", {"booth-1": [DeviceMetric("heat", DataType.DOUBLE)]}, "leadhand")
    node = EdgeNode(speaker, MqttEndpoint("127.0.0.1", broker.port, "edge", "3.1.1", keepalive_seconds=2), clock)
    node.start()
    scans = 0.0

    def scan(until_true: Callable[[], bool]) -> None:
        def again() -> bool:
            nonlocal scans
            scans += 1
            node.update(clock.now_us() // 1000, {"booth-1": [scans]})
            return until_true()

        until(again, 60)

    home = tmp_path / "home"
    ingest = start_ingest(site, home, database_url)
    scan(lambda: node.births > 0)
    for _ in range(30):
        scan(lambda: True)
    ingest.stop()
    scan(lambda: not node.speaking)
    for _ in range(30):
        scan(lambda: True)
    ingest = start_ingest(site, home, database_url)
    scan(lambda: node.speaking and not node.stored)
    last = scans
    with connect(database_url, application="test") as database:

        def said(words: str) -> list[Any]:
            rows = database.execute(words).fetchall()
            database.rollback()
            return rows

        until(lambda: (last,) in said("SELECT value FROM v_latest"), 30)
        ingest.stop()
        values = [value for (value,) in said("SELECT value FROM v_samples WHERE value IS NOT NULL")]
        assert set(values) == {n + 1.0 for n in range(int(last))}
        assert said("SELECT value FROM v_latest") == [(last,)]
        counts = sum((line.counts for line in read_totals(database, 0, 10**16).values()), Counts())
        assert counts.unexplained() == 0
        assert counts.stored == said("SELECT count(*) FROM v_samples")[0][0]
    node.stop()
