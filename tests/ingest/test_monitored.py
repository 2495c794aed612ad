"""A subscribed source's samples reach the spool once and in order; what is missing has a gap with its reason."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ingest.endpoints import Places
from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.monitored import OpcUaMonitor
from ingest.readers import Surroundings, make_reader
from ingest.record_bytes import decode_record
from ingest.records import RECORD, Mark, Record
from ingest.sampler import OpcUaSampler
from ingest.segments import Frame
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.errors import Unavailable
from plant.ledger import Counts, Gap, GapReason
from plant.samples import empty
from plant.settings import OpcUaSourceSettings
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from protocols.opcua_client import OpcUaEndpoint, Wish
from protocols.opcua_subscription import Delivery
from simulators.device_limits import DeviceLimits
from simulators.opcua_server import SimulatedServer
from tests.ingest.parts import PATIENCE, until
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess, asyncua_server
from tests.simulators.conftest import NAMESPACE, CountingFeed, serving

SOURCE = SourceId("server")
SCAN_US = 20_000
COUNT = 5
WISH = Wish(publishing_ms=50, sampling_ms=20, outage_seconds=10)
LIMITS = DeviceLimits(min_sampling_us=SCAN_US, max_queue_size=1000)


class Device:
    """A strict server in a thread; each of its variables counts its scans."""

    def __init__(self, limits: DeviceLimits = LIMITS) -> None:
        self.port = free_port()
        self.server: SimulatedServer
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._thread: threading.Thread

    def start(self) -> None:
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(CountingFeed(COUNT, SCAN_US), port=self.port, limits=self._limits) as self.server:
            self._ready.set()
            await self._stop.wait()

    def do(self, act: Callable[[], Any]) -> None:
        """Have something done in the server's own thread."""
        self._loop.call_soon_threadsafe(act)

    def stop(self) -> None:
        if not self._loop.is_closed():
            self.do(self._stop.set)
        self._thread.join(60)


@pytest.fixture
def device() -> Iterator[Device]:
    one = Device()
    one.start()
    yield one
    one.stop()


def signal(name: str, data_type: DataType = DataType.DOUBLE) -> Signal:
    path, address = SignalPath(f"a/b/{name}"), f"nsu={NAMESPACE};s=cell/machine/{name}"
    return Signal(path, EquipmentId("a/b"), name, data_type, "", SOURCE, address, SCAN_US, StoreRule.NEW_SOURCE_TIME)


SIGNALS = tuple(signal(f"v{n}") for n in range(COUNT))


class Run:
    """A monitor over a spool in a folder, from start to stop."""

    def __init__(
        self, folder: Path, device: Device | ServerProcess, *signals: Signal, wish: Wish = WISH, check_seconds: float = 60.0
    ) -> None:
        clock = SystemClock()
        self.folder = folder
        self.spool = Spool(folder, SystemFiles(), new_id=uuid4)
        self.writer = SpoolWriter(self.spool, clock, sync_seconds=0.1)
        self.writer.open()
        self.health = SourceHealth(SOURCE, SCAN_US, insecure=True, now_us=clock.now_us())
        endpoint = OpcUaEndpoint(f"opc.tcp://127.0.0.1:{device.port}/", "None", "None", timeout_seconds=1.0)
        state = self.writer.state_of(SOURCE)
        self.monitor = OpcUaMonitor(
            SOURCE,
            signals or SIGNALS,
            wish,
            lambda: endpoint,
            self.writer,
            self.health,
            clock,
            state,
            seed=1,
            flush_us=200_000,
            check_seconds=check_seconds,
        )
        self.monitor.start()

    @property
    def detail(self) -> str:
        return self.health.report(0, 0, 0).detail

    def records(self, more: int) -> None:
        """Wait for some more records."""
        goal = self.spool.last + more
        until(lambda: self.spool.last >= goal, 20)

    def samples(self, count: int) -> None:
        """Wait until the spool holds so many samples: a record may be full of what came before."""
        until(lambda: self.writer.in_spool(SOURCE) >= count, 20)

    def stop(self) -> list[Record]:
        """End it and return all that the spool holds."""
        self.monitor.stop()
        assert self.monitor.join(60)
        self.writer.close()
        frames: list[Frame] = []
        spool = Spool(self.folder, SystemFiles(), new_id=uuid4)
        spool.open(frames.append)
        spool.close()
        return [decode_record(frame.content)[0] for frame in frames if frame.kind == RECORD]


def steps(records: list[Record]) -> set[int]:
    """By how much the numbers of any signal rose."""
    numbers: dict[str, list[int]] = {}
    for record in records:
        samples = record.samples
        for place, value in zip(samples.signal.tolist(), samples.value.tolist(), strict=True):
            numbers.setdefault(samples.paths[place], []).append(int(value))
    return {after - before for each in numbers.values() for before, after in itertools.pairwise(each)}


def gaps(records: list[Record]) -> list[Gap]:
    return [gap for record in records for gap in record.gaps]


def total(records: list[Record]) -> Counts:
    return sum((line.counts for record in records for line in record.ledger), Counts())


def assert_it_adds_up(records: list[Record]) -> None:
    counts = total(records)
    assert counts.unexplained() == 0
    assert counts.stored == sum(len(record.samples) for record in records)


def test_each_sample_is_kept_once_and_in_order_and_the_grant_is_shown(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device)
    run.records(5)
    assert run.health.state == "connected"
    assert "samples each 20 ms, sends each 50 ms, keeps 500 values a signal: 10.0 s of 10 s" in run.detail
    assert run.health.report(0, 0, 0).granted_us == SCAN_US
    records = run.stop()
    assert steps(records) == {1}
    assert gaps(records) == []
    assert all(line.complete for record in records for line in record.ledger)
    assert_it_adds_up(records)
    assert all((np.diff(r.samples.time_us[r.samples.signal == 0]) == SCAN_US).all() for r in records)


def test_a_broken_connection_leaves_no_gap_where_the_server_hands_over(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device)
    run.records(3)
    device.do(device.server.drop_connections)
    until(lambda: run.health.reconnects == 1, 10)
    run.records(4)
    records = run.stop()
    assert steps(records) == {1}
    assert gaps(records) == []
    assert_it_adds_up(records)


def test_a_broken_connection_is_a_gap_with_its_reason_where_the_server_does_not(tmp_path: Path, device: Device) -> None:
    device.server.nodes.refuses_transfer = True
    run = Run(tmp_path, device)
    run.records(3)
    device.do(device.server.drop_connections)
    until(lambda: run.health.reconnects >= 1, 10)
    run.records(3)
    records = run.stop()
    found = gaps(records)
    # a busy machine may be too slow for the new connection, too
    assert found[0].reason is GapReason.DISCONNECTED
    assert {gap.reason for gap in found} <= {GapReason.DISCONNECTED, GapReason.TIMEOUT}
    assert 0 < found[0].to_us - found[0].from_us < 5_000_000 * PATIENCE
    assert any(not line.complete for record in records for line in record.ledger)
    assert_it_adds_up(records)


def test_lost_messages_are_a_gap_and_those_sent_again_are_none(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device)
    run.records(2)
    nodes = device.server.nodes
    nodes.messages_to_lose = 2
    until(lambda: nodes.messages_to_lose == 0, 10)
    run.records(4)
    nodes.refuses_republish = True
    nodes.messages_to_lose = 3
    until(lambda: nodes.messages_to_lose == 0, 10)
    run.records(4)
    records = run.stop()
    found = gaps(records)
    assert {gap.reason for gap in found} == {GapReason.SEQUENCE}
    assert sum(int(gap.detail.split()[0]) for gap in found) == 3
    assert max(steps(records)) > 1
    assert_it_adds_up(records)


async def test_what_was_given_out_when_the_link_broke_is_taken_for_the_server_sends_it_to_nobody_else(tmp_path: Path) -> None:
    class GivesOut:
        handles: frozenset[int] = frozenset()

        def __init__(self) -> None:
            self.left = [Delivery((), lost=2), Delivery((), lost=3), Delivery((), lost=4)]

        async def receive(self) -> Delivery:
            return self.left.pop(0)

        async def missing(self) -> set[int]:
            await asyncio.sleep(0.01)
            raise Unavailable("the link broke")

        def rest(self) -> list[Delivery]:
            return self.left

    clock = SystemClock()
    writer = SpoolWriter(Spool(tmp_path, SystemFiles(), new_id=uuid4), clock)
    health = SourceHealth(SOURCE, SCAN_US, insecure=True, now_us=clock.now_us())
    endpoint = OpcUaEndpoint("opc.tcp://127.0.0.1:1/", "None", "None")
    monitor = OpcUaMonitor(
        SOURCE, SIGNALS, WISH, lambda: endpoint, writer, health, clock, None, seed=1, flush_us=60_000_000, check_seconds=0
    )
    monitor._since_us = clock.now_us()
    with pytest.raises(Unavailable, match="the link broke"):
        await monitor._take_all(None, GivesOut())  # type: ignore[arg-type]
    gaps = monitor._account.record(Mark(clock.now_us()), empty()).gaps
    assert [gap.detail.split()[0] for gap in gaps] == ["2", "3", "4"]


@pytest.mark.heavy
def test_a_silent_subscription_is_made_anew_again_and_again_until_it_speaks(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device)
    run.records(2)
    device.server.nodes.publishes_nothing = True
    until(lambda: run.health.state == "away" and "silent" in run.detail, 10)
    until(lambda: run.health.state == "connected", 10)
    until(lambda: run.health.state == "away", 10)
    device.server.nodes.publishes_nothing = False
    until(lambda: run.health.state == "connected", 10)
    run.records(3)
    records = run.stop()
    found = gaps(records)
    assert {gap.reason for gap in found} == {GapReason.DISCONNECTED}
    assert sum(gap.to_us - gap.from_us for gap in found) > 4_000_000
    assert_it_adds_up(records)


def test_the_time_between_two_runs_is_a_gap_and_no_value_is_stored_twice(tmp_path: Path, device: Device) -> None:
    first = Run(tmp_path, device)
    first.records(3)
    before = first.stop()
    second = Run(tmp_path, device)
    second.records(3)
    records = second.stop()
    later = records[len(before) :]
    assert GapReason.STOPPED in [gap.reason for gap in gaps(later)]
    times = [(place, at) for r in records for place, at in zip(r.samples.signal.tolist(), r.samples.time_us.tolist(), strict=True)]
    assert len(set(times)) == len(times)
    assert_it_adds_up(records)


def test_items_that_the_server_lost_are_noticed_and_made_anew(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device, check_seconds=0.5)
    run.records(2)
    device.do(lambda: device.server.forget_items(2))
    run.records(8)
    records = run.stop()
    found = [gap for gap in gaps(records) if gap.reason is GapReason.NODE]
    assert {gap.signal for gap in found} == {SIGNALS[0].path, SIGNALS[1].path}
    newest = records[-1].samples
    assert set(newest.signal.tolist()) == set(range(COUNT)) if len(newest) else True
    last = {int(place): int(at) for r in records for place, at in zip(r.samples.signal, r.samples.time_us, strict=True)}
    assert max(last.values()) - min(last.values()) < 1_000_000
    assert_it_adds_up(records)


def test_a_signal_that_the_server_does_not_know_or_of_another_type_stops_no_other(tmp_path: Path, device: Device) -> None:
    run = Run(tmp_path, device, *SIGNALS, signal("nowhere"), signal("v1", DataType.INT32))
    run.records(3)
    assert "2 of 7 signals cannot be read" in run.detail
    records = run.stop()
    assert steps(records) == {1}
    assert {(gap.signal, gap.reason) for gap in gaps(records)} == {
        (SignalPath("a/b/nowhere"), GapReason.NODE),
        (SignalPath("a/b/v1"), GapReason.TYPE),
    }
    assert_it_adds_up(records)


def test_values_that_a_full_queue_dropped_are_told_of(tmp_path: Path) -> None:
    device = Device(DeviceLimits(min_sampling_us=SCAN_US, max_queue_size=4))
    device.start()
    try:
        run = Run(tmp_path, device, wish=Wish(publishing_ms=300, sampling_ms=20))
        run.records(4)
        assert "keeps 4 values a signal: 0.1 s of 10 s" in run.detail
        records = run.stop()
    finally:
        device.stop()
    assert {gap.reason for gap in gaps(records)} == {GapReason.OVERFLOW}
    assert_it_adds_up(records)


@pytest.mark.heavy
def test_a_server_killed_and_started_anew_is_subscribed_to_again(tmp_path: Path) -> None:
    port = free_port()
    one = Signal(SignalPath("a/b/t"), EquipmentId("a/b"), "t", DataType.DOUBLE, "", SOURCE, "nsu=urn:press;i=1001", SCAN_US)
    with asyncua_server(port=port) as server:
        run = Run(tmp_path, server, one)
        run.samples(1)
        server.tell("write", node="press", value=181.0)
        run.samples(2)
    until(lambda: run.health.state == "away", 10)
    # the same node id is another machine's now
    with asyncua_server("--namespaces", "urn:oven,urn:press", port=port) as server:
        run.samples(3)
        server.tell("write", node="oven", value=26.0)
        server.tell("write", node="press", value=182.0)
        run.samples(4)
        records = run.stop()
    assert [gap.reason for gap in gaps(records)] == [GapReason.DISCONNECTED]
    assert [value for record in records for value in record.samples.value.tolist()] == [180.0, 181.0, 180.0, 182.0]
    assert_it_adds_up(records)


def test_a_source_that_says_subscription_is_subscribed_to_with_what_it_says(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", SystemFiles(), new_id=uuid4)
    around = Surroundings(EquipmentId("a/b"), SpoolWriter(spool, SystemClock()), Places(tmp_path / "home", tmp_path), SystemClock(), 1)
    said = {"protocol": "opcua", "id": "server", "url": "opc.tcp://127.0.0.1:4840", "interval_ms": 20}
    cyclic = make_reader(OpcUaSourceSettings.model_validate(said), SIGNALS, around)
    subscribed = make_reader(
        OpcUaSourceSettings.model_validate({**said, "read": "subscription", "publishing_interval_ms": 80, "outage_seconds": 2}),
        SIGNALS,
        around,
    )
    assert isinstance(cyclic, OpcUaSampler)
    assert isinstance(subscribed, OpcUaMonitor)
    assert subscribed.wish == Wish(80, 20, 2)
    assert subscribed.wish.queue_size == 100
