from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from asyncua import ua
from asyncua.server.server import Server

from ingest import sampler as sampler_module
from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.record_bytes import decode_record
from ingest.records import RECORD, Record, SourceState
from ingest.sampler import OpcUaSampler
from ingest.segments import Frame
from ingest.spool import Spool
from ingest.ticks import ticks_between
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.ledger import Counts, Gap, GapReason
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from protocols.opcua_client import OpcUaEndpoint
from tests.ingest.parts import PATIENCE, until
from tests.ports import free_port
from tests.protocols.opcua_servers import started

SOURCE = SourceId("server")
NAMESPACE = "urn:test:machine"
INTERVAL_US = 30_000


def _node(name: str, space: int) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={space};s={name}")


class Machine:
    """A small OPC UA server in a thread: ``level`` moves each 10 ms, ``steady`` never, ``word`` is text,
    ``torn`` is text with a NUL, ``spilled`` says that values were dropped before it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.more = threading.Event()
        """Set it, and there is a node ``later``."""
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self._stop.clear()
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(20 * PATIENCE)
            assert not self._thread.is_alive()

    async def _serve(self) -> None:
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(NAMESPACE)
        level = await server.nodes.objects.add_variable(_node("level", space), "level", 0.0)
        await server.nodes.objects.add_variable(_node("steady", space), "steady", 5.0)
        await server.nodes.objects.add_variable(_node("word", space), "word", "run")
        await server.nodes.objects.add_variable(_node("torn", space), "torn", "a\0b")
        spilled = await server.nodes.objects.add_variable(_node("spilled", space), "spilled", 1.0)
        overflow = ua.StatusCode(0x480)  # type: ignore[arg-type]
        now = ua.DateTime.now(UTC)
        await spilled.write_value(ua.DataValue(ua.Variant(2.0, ua.VariantType.Double), overflow, now))
        async with started(server):
            self._ready.set()
            value = 0.0
            while not self._stop.is_set():
                value += 1
                await level.write_value(value)
                if self.more.is_set():
                    self.more.clear()
                    await server.nodes.objects.add_variable(_node("later", space), "later", 7.0)
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    one = Machine(free_port())
    one.start()
    yield one
    one.stop()


@pytest.fixture
def frail() -> Iterator[Machine]:
    """A machine for one test alone, which may do with it what it likes."""
    one = Machine(free_port())
    one.start()
    yield one
    one.stop()


def signal(name: str, data_type: DataType = DataType.DOUBLE, store: StoreRule = StoreRule.NEW_SOURCE_TIME) -> Signal:
    path = SignalPath(f"a/b/{name}")
    return Signal(path, EquipmentId("a/b"), name, data_type, "", SOURCE, f"nsu={NAMESPACE};s={name}", INTERVAL_US, store)


class Run:
    """A sampler over a spool in a folder, from start to stop."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *signals: Signal,
        endpoint: OpcUaEndpoint | None = None,
        clock: SystemClock | None = None,
        interval_us: int = INTERVAL_US,
    ) -> None:
        self.signals = signals
        self.folder = folder
        self.spool = Spool(folder, SystemFiles(), new_id=uuid4)
        clock = clock or SystemClock()
        self.writer = SpoolWriter(self.spool, clock, sync_seconds=0.1)
        self.writer.open()
        self.state: SourceState | None = self.writer.state_of(SOURCE)
        self.health = SourceHealth(SOURCE, interval_us, insecure=True, now_us=clock.now_us())
        reached = endpoint or OpcUaEndpoint(url, "None", "None", timeout_seconds=1.0)
        self.sampler = OpcUaSampler(SOURCE, signals, interval_us, lambda: reached, self.writer, self.health, clock, self.state, seed=1)
        self.sampler.start()

    @property
    def detail(self) -> str:
        """What is said of the source's state."""
        return self.health.report(0, 0, 0).detail

    def stop(self) -> None:
        self.sampler.stop()
        assert self.sampler.join(60)
        self.writer.close()

    def ticks(self, more: int) -> None:
        """Wait for some more seconds' records."""
        goal = self.spool.last + 2 * more
        until(lambda: self.spool.last >= goal, 20)


def records_in(folder: Path) -> list[Record]:
    frames: list[Frame] = []
    spool = Spool(folder, SystemFiles(), new_id=uuid4)
    spool.open(frames.append)
    spool.close()
    return [decode_record(frame.content)[0] for frame in frames if frame.kind == RECORD]


def totals(records: list[Record]) -> Counts:
    return sum((line.counts for record in records for line in record.ledger), Counts())


def gaps(records: list[Record]) -> list[Gap]:
    return [gap for record in records for gap in record.gaps]


def assert_exact(records: list[Record], signals: int) -> None:
    # where the first record begins; from there on nothing may be missing or double
    told = totals(records[:1]).expected + sum(gap.count for gap in records[0].mark.open)
    first = records[0].mark.end_us - told // signals * INTERVAL_US
    assert totals(records).unexplained() == 0
    assert totals(records).expected == signals * ticks_between(first, records[-1].mark.end_us, INTERVAL_US)
    assert totals(records).stored == sum(len(record.samples) for record in records)
    assert totals(records).gap == sum(gap.count for gap in gaps(records) if gap.reason is not GapReason.TYPE)


def run_through(folder: Path, machine: Machine, *signals: Signal, between: Callable[[Run], None] = lambda _: None) -> list[Record]:
    run = Run(folder, machine.url, *signals)
    until(lambda: run.health.state == "connected", 15)
    run.ticks(2)
    between(run)
    run.stop()
    return records_in(folder)


def test_every_tick_of_every_signal_is_accounted_for(tmp_path: Path, machine: Machine) -> None:
    signals = [signal("level"), signal("steady"), signal("word", DataType.STRING)]
    records = run_through(tmp_path, machine, *signals)
    assert_exact(records, 3)
    of_level = np.concatenate([r.samples.value[r.samples.signal == r.samples.paths.index(signals[0].path)] for r in records[1:-1]])
    assert (np.diff(of_level) > 0).all()
    steady = [r for r in records if signals[1].path in r.samples.paths]
    assert len(steady) == 1, "a source time that never moves is stored once"
    assert totals(records).unchanged > 0
    assert sum(line.ticks for r in records for line in r.ledger) == sum(int(line.lateness.sum()) for r in records for line in r.ledger)


def test_a_slow_source_hands_its_samples_over_long_before_its_next_tick(tmp_path: Path, machine: Machine) -> None:
    clock = SystemClock()
    run = Run(tmp_path, machine.url, signal("level"), clock=clock, interval_us=5_000_000)

    def ahead() -> bool:
        state = run.writer.state_of(SOURCE)
        # all before the next tick is in the spool, and that tick has not come
        return state is not None and state.mark.end_us > clock.now_us() and run.writer.in_spool(SOURCE) > 0

    until(ahead, 60)
    run.stop()


def test_a_missing_node_and_a_wrong_type_stop_no_other_signal(tmp_path: Path, machine: Machine) -> None:
    signals = [signal("level"), signal("nowhere"), signal("word", DataType.DOUBLE)]
    records = run_through(tmp_path, machine, *signals)
    assert_exact(records, 3)
    assert totals(records).stored > 0
    # a busy machine may miss ticks of all of them besides
    told = {(gap.signal, gap.reason) for gap in gaps(records)}
    assert {(signals[1].path, GapReason.NODE), (signals[2].path, GapReason.TYPE)} <= told
    assert {path for path, reason in told if reason in (GapReason.NODE, GapReason.TYPE)} == {signals[1].path, signals[2].path}
    assert totals(records).rejected == sum(gap.count for gap in gaps(records) if gap.reason is GapReason.TYPE) > 0


def test_a_lost_server_becomes_a_gap_and_the_reads_go_on_in_a_new_session(tmp_path: Path, frail: Machine) -> None:
    def outage(run: Run) -> None:
        frail.stop()
        until(lambda: run.health.state == "away", 15)
        frail.start()
        until(lambda: run.health.state == "connected", 30)
        run.ticks(1)

    records = run_through(tmp_path, frail, signal("level"), signal("steady"), between=outage)
    assert_exact(records, 2)
    away = [gap for gap in gaps(records) if gap.reason in (GapReason.DISCONNECTED, GapReason.TIMEOUT)]
    assert away


def test_the_time_between_two_runs_becomes_an_exact_gap_and_nothing_is_stored_twice(tmp_path: Path, machine: Machine) -> None:
    signals = [signal("level"), signal("steady")]
    run_through(tmp_path, machine, *signals)
    records = run_through(tmp_path, machine, *signals)
    assert_exact(records, 2)
    stopped = [gap for gap in gaps(records) if gap.reason is GapReason.STOPPED]
    assert stopped
    assert sum(signals[1].path in record.samples.paths for record in records) == 1


def test_a_server_that_is_away_from_the_start_is_told_and_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, f"opc.tcp://127.0.0.1:{free_port()}/", signal("level"))
    until(lambda: run.health.state == "away", 15)
    later = SystemClock().now_us() + 3 * INTERVAL_US
    until(lambda: SystemClock().now_us() > later, 5)
    run.stop()
    records = records_in(tmp_path)
    assert_exact(records, 1)
    assert totals(records).stored == 0
    assert totals(records).gap > 0


def test_settings_that_the_server_refuses_are_told_as_refused(tmp_path: Path, machine: Machine) -> None:
    run = Run(tmp_path, machine.url, signal("level"), endpoint=OpcUaEndpoint(machine.url, timeout_seconds=1.0))
    until(lambda: run.health.state == "refused", 15)
    run.stop()
    assert totals(records_in(tmp_path)).stored == 0


def test_a_text_with_a_nul_is_rejected_with_its_reason_and_stops_nothing(tmp_path: Path, machine: Machine) -> None:
    signals = [signal("level"), signal("torn", DataType.STRING)]
    records = run_through(tmp_path, machine, *signals)
    assert_exact(records, 2)
    told = [gap for gap in gaps(records) if gap.signal == signals[1].path]
    assert "NUL" in told[0].detail
    assert totals(records).rejected == sum(gap.count for gap in told) > 10
    assert totals(records).stored > 10


def test_values_that_the_server_says_it_dropped_become_a_gap_record(tmp_path: Path, machine: Machine) -> None:
    signals = [signal("level"), signal("spilled")]
    records = run_through(tmp_path, machine, *signals)
    assert_exact(records, 2)
    assert [(gap.signal, gap.count) for gap in gaps(records) if gap.reason is GapReason.OVERFLOW] == [(signals[1].path, 0)]


class WrongClock(SystemClock):
    """A clock that can be set."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


def test_a_clock_set_back_while_the_server_was_away_delays_no_read(tmp_path: Path, frail: Machine) -> None:
    frail.stop()
    clock = WrongClock()
    clock.ahead_us = 3_600_000_000
    run = Run(tmp_path, frail.url, signal("level"), clock=clock)
    until(lambda: run.health.state == "away", 15)
    clock.ahead_us = 0
    frail.start()
    until(lambda: run.health.state == "connected", 30)
    try:
        run.ticks(3)
    finally:
        run.stop()
    records = records_in(tmp_path)
    assert totals(records).unexplained() == 0
    assert totals(records).stored > 10
    assert any(gap.reason is GapReason.CLOCK for gap in gaps(records))


def test_a_node_that_appears_later_is_read_and_no_longer_told_as_missing(
    tmp_path: Path, frail: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler_module, "_ASK_AGAIN_SECONDS", 0.2)
    signals = [signal("level"), signal("later")]

    def appear(run: Run) -> None:
        assert "cannot be read" in run.detail
        frail.more.set()
        until(lambda: run.detail == "", 15)
        run.ticks(1)

    records = run_through(tmp_path, frail, *signals, between=appear)
    assert_exact(records, 2)
    assert any(signals[1].path in record.samples.paths for record in records)
