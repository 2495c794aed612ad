from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.record_bytes import decode_record, encode_record
from ingest.records import Record
from ingest.segments import Frame
from ingest.shipments import pack
from ingest.spool import Spool
from ingest.tightening import TighteningReader
from ingest.tightening_values import ToolSource
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.ledger import Counts
from plant.signals import SourceId
from plant.tightening import AgainstLimits, TighteningResult, TighteningTrace, TraceKind, error_names, unpack_counts
from plant.verdict import Verdict
from protocols.open_protocol_client import OpenProtocolEndpoint
from simulators.open_protocol_settings import ControllerSettings, LinkFault
from simulators.tightening import JointFault
from storage.counting import count_rows
from storage.database import Connection, connect
from storage.ledger import read_gaps, read_ledger
from storage.tightening import Wanted, read_curve, read_spindles, read_tightenings
from tests.ingest.controllers import TOOL_SITE, Tools, controller_running
from tests.ingest.parts import start_ingest, until
from tests.ports import free_port

SOURCE = SourceId("nutrunner")
FOREVER = 4_000_000_000_000_000


@dataclass
class Watched:
    """A real spool whose records are also kept here."""

    writer: SpoolWriter
    records: list[Record] = field(default_factory=list)
    refuse: bool = False

    def state_of(self, source: SourceId):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return self.writer.state_of(source)

    def submit(self, submission: Submission) -> bool:
        if self.refuse:
            return False
        self.records.append(submission.record)
        return self.writer.submit(submission)

    @property
    def results(self) -> list[TighteningResult]:
        return [result for record in list(self.records) for result in record.tightenings]

    @property
    def traces(self) -> list[TighteningTrace]:
        return [trace for record in list(self.records) for trace in record.traces]

    @property
    def counts(self) -> Counts:
        return sum((line.counts for record in list(self.records) for line in record.ledger), Counts())

    @property
    def gaps(self) -> list[tuple[int, str]]:
        return [(gap.count, gap.detail) for record in list(self.records) for gap in record.gaps]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    spool = Spool(tmp_path / "spool", SystemFiles(), new_id=uuid4)
    writer = SpoolWriter(spool, SystemClock())
    writer.open()
    yield Watched(writer)
    writer.close()


Begin = Callable[..., TighteningReader]


@pytest.fixture
def begin(watched: Watched) -> Iterator[Begin]:
    """Start a reader; it is stopped at the end."""
    running: list[TighteningReader] = []

    def start(tools: Tools, zone: str = "UTC", answer_seconds: float = 1.0, **more: object) -> TighteningReader:
        clock = SystemClock()
        source = ToolSource(SOURCE, EquipmentId("acme/north/hall/line/bearing"), ZoneInfo(zone), **more)  # type: ignore[arg-type]
        endpoint = OpenProtocolEndpoint("127.0.0.1", tools.port, answer_seconds, 1.0)
        health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
        reader = TighteningReader(source, endpoint, watched, health, clock, seed=1)
        reader.start()
        running.append(reader)
        return reader

    yield start
    for reader in running:
        stop(reader)


def stop(reader: TighteningReader) -> None:
    reader.stop()
    assert reader.join(60)
    reader.disconnect()


def ids(watched: Watched) -> list[int]:
    return [result.tightening_id for result in watched.results]


def exact(watched: Watched, tools: Tools) -> None:
    """Every result is there once, and the ledger says so."""
    assert sorted(ids(watched)) == tools.numbers
    assert watched.counts.unexplained() == 0


def test_a_result_carries_all_that_the_controller_told(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        made = tools.tighten("EX-20260001", {2: JointFault.LOW_TORQUE})
        until(lambda: len(watched.traces) == 8 and tools.controller.idle, 10)
    first, second = watched.results[:2]
    told = made[0].values
    assert (first.tightening_id, first.spindle, first.station, first.part) == (1, 1, 1, "EX-20260001")
    assert (first.program, first.program_name, first.job) == (11, "Slewing bearing M24", 1)
    assert (first.batch_counter, first.batch_size, first.bolt_number) == (1, 36, 1)
    assert first.torque_nm == pytest.approx(told["torque_nm"])
    assert (first.torque_min_nm, first.torque_max_nm, first.torque_target_nm) == (902.5, 997.5, 950.0)
    assert first.angle_deg == pytest.approx(told["angle_deg"])
    assert (first.verdict, first.torque_status, first.angle_status) == (Verdict.OK, AgainstLimits.OK, AgainstLimits.OK)
    assert first.tool == "A4420811"
    assert first.tool_calibrated_us == 1_773_736_200_000_000
    assert abs(first.time_us - SystemClock().now_us()) < 60_000_000
    assert (second.verdict, second.torque_status) == (Verdict.NOT_OK, AgainstLimits.LOW)
    assert "torque below target" in error_names(second.errors)
    assert len({result.sync_id for result in watched.results}) == 1


def test_a_curve_comes_as_it_was_measured(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        made = tools.tighten()
        until(lambda: len(watched.traces) == 8, 10)
    torque = next(trace for trace in watched.traces if trace.kind is TraceKind.TORQUE and trace.tightening_id == 3)
    counts = unpack_counts(torque.packed, torque.samples)
    np.testing.assert_array_equal(counts, made[2].tightened.torque_counts)
    assert torque.resolution == pytest.approx(0.05)
    assert torque.intervals == ((0, 2000.0),)
    assert torque.steps == tuple(np.cumsum([0, *made[2].tightened.stages[:3]]))
    assert torque.bolt == 3


def test_a_controllers_clock_is_read_in_its_own_zone(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools, "Asia/Shanghai")
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.results) == 4, 5)
    behind = SystemClock().now_us() - watched.results[0].time_us
    assert 8 * 3600 <= behind / 1e6 < 8 * 3600 + 60


@pytest.mark.parametrize("best", [1, 2, 6])
def test_an_older_controller_is_asked_for_what_it_has(watched: Watched, begin: Begin, best: int) -> None:
    settings = ControllerSettings(start_revision=1, result_revision=best, has_traces=False)
    with controller_running(settings) as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.results) == 4, 5)
        exact(watched, tools)
    assert watched.results[0].program_name == ("Slewing bearing M24" if best >= 3 else "")
    assert watched.results[0].controller == "Slewing bearing"
    assert watched.results[0].tool.startswith("A442081")


def test_a_result_is_acknowledged_only_once_it_is_durable(watched: Watched, begin: Begin) -> None:
    waiting: list[Submission] = []
    real = watched.submit

    def hold(submission: Submission) -> bool:
        waiting.append(submission)
        return True

    with controller_running(ControllerSettings(resend_seconds=0.2)) as tools:
        begin(tools, curves=False, alarms=False)
        until(lambda: tools.controller.subscribed, 5)
        watched.submit = hold  # type: ignore[method-assign]
        tools.tighten()
        until(lambda: tools.controller.resent > 0, 5)
        assert [submission.record.tightenings[0].tightening_id for submission in waiting[:1]] == [1]
        watched.submit = real  # type: ignore[method-assign]
        real(waiting[0])
        until(lambda: tools.controller.idle, 5)
        exact(watched, tools)


def test_a_result_sent_again_is_counted_and_kept_once(watched: Watched, begin: Begin) -> None:
    with controller_running(ControllerSettings(resend_seconds=1.0)) as tools:
        begin(tools, curves=False)
        until(lambda: tools.controller.subscribed, 5)
        tools.fault(LinkFault.DROP_ACK)
        tools.tighten()
        until(lambda: len(watched.results) == 4 and tools.controller.idle, 10)
        tools.fault(LinkFault.DUPLICATE)
        tools.tighten()
        # where a busy machine acknowledges late, more is sent again than was commanded
        until(lambda: len(watched.results) == 8 and tools.controller.idle and watched.counts.duplicate >= 2, 10)
        exact(watched, tools)
        assert tools.controller.resent >= 1


def test_what_was_tightened_while_the_link_was_down_is_fetched_by_its_number(watched: Watched, begin: Begin) -> None:
    with controller_running(ControllerSettings(keeps_unsent=False)) as tools:
        reader = begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.traces) == 8 and tools.controller.idle, 10)

        def away() -> None:
            tools.controller.hang_up()
            tools.controller.tighten("EX-2")
            tools.controller.tighten("EX-2")

        tools.call(away)
        until(lambda: len(watched.results) == 12, 10)
        exact(watched, tools)
        fetched = [result for result in watched.results if result.fetched]
        assert [result.tightening_id for result in fetched] == list(range(5, 13))
        assert {result.part for result in fetched} == {"EX-2"}
        assert reader.health.reconnects >= 1
        assert watched.counts.gap == 0


def test_a_number_that_the_controller_does_not_have_is_a_gap(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools, curves=False)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.results) == 4 and tools.controller.idle, 5)
        tools.fault(LinkFault.SKIP_ID)
        tools.tighten()
        until(lambda: len(watched.results) == 8, 5)
        exact(watched, tools)
    assert watched.gaps == [(1, "tightening 5 is missing, and the controller no longer has it")]
    assert watched.counts == Counts(expected=9, stored=8, gap=1)


def test_a_result_cut_in_the_middle_comes_whole_over_the_next_link(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        tools.fault(LinkFault.CUT)
        tools.tighten()
        until(lambda: len(watched.results) == 4 and tools.controller.idle, 10)
        exact(watched, tools)


def test_a_result_that_cannot_be_read_is_counted_and_asked_for_anew(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools, curves=False)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.results) == 4 and tools.controller.idle, 5)
        tools.fault(LinkFault.MALFORMED)
        tools.tighten()
        until(lambda: len(watched.results) == 8, 5)
        exact(watched, tools)
    assert watched.counts == Counts(expected=9, stored=8, rejected=1)


def test_a_controller_that_numbers_anew_loses_nothing(watched: Watched, begin: Begin) -> None:
    with controller_running(first_id=5000) as tools:
        begin(tools, curves=False)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.results) == 4, 5)
        second = watched.results[-1].time_us // 1_000_000
        until(lambda: SystemClock().now_us() // 1_000_000 > second, 5)
        tools.call(tools.controller.restart_numbering)
        tools.tighten()
        until(lambda: len(watched.results) == 8, 5)
        assert ids(watched) == [5000, 5001, 5002, 5003, 1, 2, 3, 4]
    assert watched.gaps == [(0, "the controller numbers anew: tightening 1 came after 5003")]


def test_a_half_open_link_is_found_within_ten_seconds(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        reader = begin(tools)
        until(lambda: reader.health.state == "connected", 5)
        tools.fault(LinkFault.SILENT)
        until(lambda: reader.health.state == "away", 10)
        tools.call(tools.controller.speak_again)
        until(lambda: reader.health.state == "connected", 10)
        tools.tighten()
        until(lambda: len(watched.results) == 4, 10)


def test_a_controller_that_has_another_client_says_so_and_is_tried_again(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        first = begin(tools)
        until(lambda: first.health.state == "connected", 5)
        second = begin(tools)
        until(lambda: second.health.state == "refused", 5)
        report = second.health.report(SystemClock().now_us(), 0, 0)
        assert "a client is connected already" in report.detail
    assert watched.counts.unexplained() == 0


def test_all_spindles_of_a_multiple_come_as_results_of_their_own(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools, multiple=True, curves=False)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten(faults={3: JointFault.CROSS_THREAD})
        tools.tighten()
        until(lambda: len(watched.results) == 8, 5)
    assert [(result.tightening_id, result.spindle) for result in watched.results] == [
        (n, spindle) for n in (1, 2) for spindle in (1, 2, 3, 4)
    ]
    assert [result.verdict for result in watched.results[:4]] == [Verdict.OK, Verdict.OK, Verdict.NOT_OK, Verdict.OK]
    assert watched.counts == Counts(expected=8, stored=8)


def test_an_alarm_of_the_controller_is_acknowledged_and_shown(watched: Watched, begin: Begin) -> None:
    del watched
    with controller_running() as tools:
        reader = begin(tools)
        until(lambda: tools.controller.subscribed and tools.controller.idle, 5)
        tools.call(lambda: tools.controller.alarm("E851"))
        until(lambda: "alarm E851" in reader.health.report(0, 0, 0).detail, 5)
        until(lambda: tools.controller.idle, 5)


def test_a_record_of_tightenings_comes_back_from_the_spool_as_it_was(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten(faults={1: JointFault.SLIP})
        until(lambda: len(watched.traces) == 8, 10)
    for record in watched.records:
        back, before = decode_record(encode_record(record, 7))
        assert before == 7
        assert (back.tightenings, back.traces, back.mark, back.gaps) == (record.tightenings, record.traces, record.mark, record.gaps)
        assert back.kept == record.kept


def test_a_record_that_the_database_refuses_counts_its_tightenings_as_rejected(watched: Watched, begin: Begin) -> None:
    with controller_running() as tools:
        begin(tools)
        until(lambda: tools.controller.subscribed, 5)
        tools.tighten()
        until(lambda: len(watched.traces) == 8, 10)
    record = next(record for record in watched.records if record.tightenings)
    frame = Frame(1, 1, 1, encode_record(record, 0))
    packed = pack(uuid4(), [frame], {}, (0, FOREVER), lambda _: True)
    assert packed.shipment.tightenings == ()
    assert [line.counts for line in packed.shipment.ledger] == [Counts(expected=1, rejected=1)]
    assert packed.taken == {SOURCE: 1}


# ------------------------------------------------------------------ the whole way, in processes


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def write_tool_site(path: Path, port: int, more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TOOL_SITE.format(port=port, more=more))
    return path


def stored_ids(database: Connection) -> list[int]:
    return [row[0] for row in database.execute("SELECT tightening_id FROM tightening ORDER BY tightening_id").fetchall()]


def assert_ledger_exact(database: Connection) -> Counts:
    lines = [line for line in read_ledger(database, 0, FOREVER) if line.source == SOURCE]
    total = sum((line.counts for line in lines), Counts())
    assert total.unexplained() == 0
    assert count_rows(database)[SOURCE] == total.stored
    gaps = read_gaps(database, 0, FOREVER, SOURCE, most=10_000)
    assert sum(gap.count for gap in gaps) == total.gap
    return total


def test_results_and_curves_reach_the_database_and_what_is_read_there(tmp_path: Path, database_url: str, database: Connection) -> None:
    with controller_running() as tools:
        ingest = start_ingest(write_tool_site(tmp_path / "site.toml", tools.port), tmp_path / "home", database_url)
        try:
            until(lambda: tools.controller.subscribed, 15)
            made = tools.tighten("EX-7", {4: JointFault.YIELD})
            until(lambda: count_rows(database).get(SOURCE) == 12, 20, 0.2)
        finally:
            ingest.stop()
    total = assert_ledger_exact(database)
    assert total == Counts(expected=12, stored=12)
    found = read_tightenings(database, Wanted(part="EX-7"))
    assert [one.result.spindle for one in found] == [4, 3, 2, 1]
    assert found[0].result.verdict is Verdict.NOT_OK
    assert found[0].result.equipment == "acme/north/hall/line/bearing"
    assert read_tightenings(database, Wanted(verdict=Verdict.NOT_OK)) == found[:1]
    assert read_tightenings(database, Wanted(before=found[1].id, most=1)) == found[2:3]
    curve = read_curve(database, found[0].id)
    assert curve is not None
    assert curve.torque_nm is not None
    assert curve.angle_deg is not None
    np.testing.assert_allclose(curve.torque_nm, made[3].tightened.torque_counts / 20)
    np.testing.assert_allclose(curve.angle_deg, made[3].tightened.angle_counts / 8)
    assert curve.elapsed_us[1] == 2000.0
    assert curve.packed_bytes < len(curve) * 2
    counted = read_spindles(database, 0, FOREVER)
    assert [(one.spindle, one.ok, one.not_ok, one.without_curve) for one in counted] == [
        (1, 1, 0, 0),
        (2, 1, 0, 0),
        (3, 1, 0, 0),
        (4, 0, 1, 0),
    ]
    assert database.execute("SELECT count(*) FILTER (WHERE has_curve), count(*) FROM v_tightening").fetchone() == (4, 4)


@pytest.mark.parametrize(
    "cycles", [pytest.param(3, id="three times"), pytest.param(20, id="twenty times", marks=[pytest.mark.heavy, pytest.mark.timeout(600)])]
)
def test_a_killed_ingest_loses_no_result_and_keeps_none_twice(tmp_path: Path, database_url: str, database: Connection, cycles: int) -> None:
    port = free_port()
    site = write_tool_site(tmp_path / "site.toml", port)
    with controller_running(ControllerSettings(resend_seconds=0.5, timeout_seconds=3.0), port=port) as tools:
        for cycle in range(cycles):
            ingest = start_ingest(site, tmp_path / "home", database_url)
            try:
                until(lambda: tools.controller.subscribed, 20)
                for _ in range(3):
                    tools.tighten(f"EX-{cycle}")
                # in the midst of it: some are acknowledged, some are on their way, some wait
                waiting = 20 - cycle % 10
                until(lambda waiting=waiting: tools.controller.waiting <= waiting, 20)  # type: ignore[misc]
            finally:
                ingest.kill()
        ingest = start_ingest(site, tmp_path / "home", database_url)
        try:
            until(lambda: stored_ids(database) == tools.numbers, 30, 0.2)
            until(lambda: tools.controller.idle, 30)
        finally:
            ingest.stop()
        assert stored_ids(database) == tools.numbers
        assert len(tools.numbers) == 12 * cycles
    assert_ledger_exact(database)
