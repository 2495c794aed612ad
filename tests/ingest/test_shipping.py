from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from ingest.files import SystemFiles
from ingest.record_bytes import decode_record, decode_snapshot, encode_record, encode_snapshot
from ingest.records import Mark, Record, SourceState
from ingest.segments import Frame
from ingest.shipments import pack
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.errors import Unavailable
from plant.ledger import Counts, Gap, GapReason, LedgerLine, lateness_histogram, minute_of
from plant.samples import NO_TIME, SampleBatch
from plant.settings import SiteFile
from plant.signals import SignalPath, SourceId
from plant.site import Site, site_of
from storage.database import Connection, connect
from storage.ledger import read_gaps, read_ledger
from tests.ingest.parts import until

SOURCE = SourceId("press")
PATHS = tuple(SignalPath(f"acme/north/hall/line/press/s{n}") for n in range(3))
FOREVER = 4_000_000_000_000_000
SPAN = (0, FOREVER)


def site() -> Site:
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "hall/line/press"}],
                "sources": [
                    {"protocol": "mqtt", "id": "press", "url": "mqtt://127.0.0.1:1", "allow_anonymous": True, "topics": [{"filter": "x/#"}]}
                ],
                "signals": [{"equipment": "**/press", "name": "s{0..2}", "source": "press", "address": "x/{signal}"}],
            }
        )
    )


def record(number: int, *, paths: tuple[SignalPath, ...] = PATHS, count: int = 5, at_us: int | None = None) -> Record:
    start = (SystemClock().now_us() // 1_000_000 - 3600 + number) * 1_000_000 if at_us is None else at_us
    n = count * len(paths)
    time_us = start + np.tile(np.arange(count), len(paths)) * 30_000
    samples = SampleBatch(
        paths,
        np.repeat(np.arange(len(paths)), count).astype(np.int32),
        time_us,
        np.where(np.arange(n) % 2 == 0, time_us + 5, NO_TIME),
        time_us + 100,
        np.arange(n) / 7 + number,
        np.ones(n, np.bool_),
        np.zeros(n, np.uint32),
        np.zeros(n, np.int16),
        np.array([f"t{i}" if i % 3 == 0 else None for i in range(n)], np.object_),
    )
    counts = Counts(n + 3, n, 1, 0, 0, 0, 2)
    line = LedgerLine(SOURCE, minute_of(start), counts, True, count, lateness_histogram(np.array([5, 70, 10**8])))
    gap = Gap(SOURCE, start, start + 60_000, 2, GapReason.OVERRUN, None, "late")
    return Record(SOURCE, samples, (line,), (gap,), Mark(start + 1_000_000, 30_000, 3, (), (("x/s0", number),)))


def assert_same(one: Record, other: Record) -> None:
    assert (one.source, one.gaps, one.mark) == (other.source, other.gaps, other.mark)
    for a, b in zip(one.ledger, other.ledger, strict=True):
        assert (a.minute_us, a.counts, a.complete, a.ticks) == (b.minute_us, b.counts, b.complete, b.ticks)
        assert a.lateness.tolist() == b.lateness.tolist()
    for name in ("time_us", "server_time_us", "received_time_us", "has_value", "status", "flags"):
        assert getattr(one.samples, name).tolist() == getattr(other.samples, name).tolist()
    assert one.samples.value.tobytes() == other.samples.value.tobytes()
    assert [one.samples.paths[n] for n in one.samples.signal] == [other.samples.paths[n] for n in other.samples.signal]
    assert (one.samples.text is None) == (other.samples.text is None)
    if one.samples.text is not None and other.samples.text is not None:
        assert one.samples.text.tolist() == other.samples.text.tolist()


def test_a_record_comes_back_as_it_was() -> None:
    before = record(3)
    values = before.samples.value
    values[:4] = [np.nan, np.inf, -0.0, 5e-324]
    after, told = decode_record(encode_record(before, 77))
    assert told == 77
    assert_same(before, after)


def test_a_record_without_samples_comes_back_as_it_was() -> None:
    before = record(3, count=0)
    assert_same(before, decode_record(encode_record(before, 0))[0])


def test_a_snapshot_knows_the_last_times_and_sequences() -> None:
    state = SourceState(Mark(0))
    state.follow(record(1))
    state.follow(record(2, paths=(PATHS[1], SignalPath("acme/north/x"))))
    again = decode_snapshot(encode_snapshot({SOURCE: state}))[SOURCE]
    assert again.sequences == {"x/s0": 2}
    assert again.total == state.total
    assert again.times_for(PATHS).tolist() == state.times_for(PATHS).tolist()
    assert again.times_for((SignalPath("unknown"),)).tolist() == [NO_TIME]


def test_a_snapshot_knows_the_numbers_of_topics_that_the_last_record_does_not_tell_of() -> None:
    state = SourceState(Mark(0))
    state.follow(record(7))
    state.follow(replace(record(8), mark=Mark(0, sequences=(("x/other", 3),))))
    assert decode_snapshot(encode_snapshot({SOURCE: state}))[SOURCE].sequences == {"x/s0": 7, "x/other": 3}


def frames_of(*records: Record) -> list[Frame]:
    total, frames = 0, []
    for number, one in enumerate(records, 1):
        frames.append(Frame(number, len(one.samples), 1, encode_record(one, total)))
        total += one.expected
    return frames


def test_a_record_damaged_in_the_spool_becomes_a_gap_of_exactly_its_samples() -> None:
    records = [record(n) for n in range(4)]
    frames = frames_of(*records)
    packed = pack(uuid4(), [frames[0], frames[3]], {}, SPAN)
    lost = [gap for gap in packed.shipment.gaps if gap.reason is GapReason.SPOOL_CORRUPT]
    assert [gap.count for gap in lost] == [records[1].expected + records[2].expected]
    total = sum((line.counts for line in packed.shipment.ledger), Counts())
    assert total.expected == sum(one.expected for one in records)
    assert total.unexplained() == 0


def test_what_the_database_keeps_no_more_is_counted_as_rejected() -> None:
    old = record(0, at_us=1_000_000_000)
    packed = pack(uuid4(), frames_of(old, record(1)), {}, (10**15, FOREVER))
    total = sum((line.counts for line in packed.shipment.ledger), Counts())
    assert (total.stored, total.rejected, total.unexplained()) == (15, 15, 0)
    assert len(packed.shipment.samples) == 15


class Parts:
    """A writer and a shipper over one spool and one database that can be taken away."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.away = False
        self.spool = Spool(folder / "spool", SystemFiles(), new_id=uuid4, segment_bytes=3000)
        self.writer = SpoolWriter(self.spool, SystemClock(), sync_seconds=0.05)
        self.writer.open()
        self.site = site()
        self.quarantine = folder / "quarantine"
        self.shipper = Shipper(
            self.spool, self.writer, self.connect, lambda: self.site, self.quarantine, SystemClock(), seed=1, every_seconds=0.05
        )
        self.shipper.start()

    def connect(self) -> Connection:
        if self.away:
            raise Unavailable("taken away by the test")
        return connect(self.url, application="test shipper")

    def submit(self, one: Record) -> None:
        assert self.writer.submit(Submission(one))

    def settled(self) -> bool:
        self.writer.settle(10)
        return self.spool.cursor.released == self.spool.last

    def stop(self) -> None:
        self.shipper.stop(10)
        self.writer.close()


@pytest.fixture
def parts(tmp_path: Path, database_url: str) -> Iterator[Parts]:
    one = Parts(tmp_path, database_url)
    yield one
    one.stop()


def stored(url: str) -> tuple[int, Counts, list[Gap]]:
    with connect(url, application="test") as connection:
        rows = connection.execute("SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample").fetchone()
        assert rows is not None
        assert rows[0] == rows[1]
        lines = read_ledger(connection, 0, FOREVER)
        return int(rows[0]), sum((line.counts for line in lines), Counts()), read_gaps(connection, 0, FOREVER)


def test_what_is_submitted_reaches_the_database_once(parts: Parts) -> None:
    records = [record(n) for n in range(30)]
    for one in records:
        parts.submit(one)
    until(parts.settled, 30)
    rows, counts, gaps = stored(parts.url)
    assert rows == counts.stored == 30 * 15
    assert counts.expected == sum(one.expected for one in records)
    assert sum(gap.count for gap in gaps) == counts.gap
    assert parts.writer.in_spool(SOURCE) == 0


class WrongClock(SystemClock):
    """A wall clock that is years behind until it is set right."""

    def __init__(self) -> None:
        self.behind_us = 40 * 365 * 86_400_000_000

    def now_us(self) -> int:
        return super().now_us() - self.behind_us


def test_samples_are_taken_at_once_when_a_wrong_clock_was_set_right(parts: Parts) -> None:
    clock = parts.shipper._clock = WrongClock()
    parts.submit(record(0))
    until(parts.settled, 30)
    clock.behind_us = 0
    parts.submit(record(1))
    until(parts.settled, 30)
    rows, counts, _ = stored(parts.url)
    assert (rows, counts.stored, counts.rejected) == (15, 15, 15)


def test_samples_wait_while_the_database_is_away_and_go_when_it_is_back(tmp_path: Path, database_url: str) -> None:
    parts = Parts(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    for n in range(10):
        parts.submit(record(n))
    parts.writer.settle(10)
    until(lambda: parts.shipper.away is not None, 10)
    assert parts.writer.in_spool(SOURCE) == 150
    parts.url = database_url
    until(parts.settled, 30)
    parts.stop()
    assert stored(database_url)[0] == 150


def test_a_cut_connection_loses_and_doubles_nothing(parts: Parts) -> None:
    stop = threading.Event()

    def cut() -> None:
        with connect(parts.url, application="cutter") as connection:
            while not stop.wait(0.15):
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test shipper'")

    cutter = threading.Thread(target=cut)
    cutter.start()
    for n in range(60):
        parts.submit(record(n))
        stop.wait(0.02)
    stop.set()
    cutter.join()
    until(parts.settled, 60)
    assert stored(parts.url)[0] == 60 * 15


def test_a_database_that_was_away_often_is_looked_for_as_soon_as_at_the_first_time(parts: Parts) -> None:
    tried: list[float] = []

    def reach() -> Connection:
        tried.append(time.monotonic())
        return parts.connect()

    parts.shipper._connect = reach
    with connect(parts.url, application="cutter") as cutter:
        for n in range(6):
            until(lambda: parts.shipper.away is None, 30)
            parts.away = True
            tried.clear()
            cutter.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test shipper'")
            parts.submit(record(n))
            until(lambda: len(tried) >= 2, 30)
            parts.away = False
            until(parts.settled, 30)
    # by the number of times it would be 5 s at least
    assert tried[1] - tried[0] < 4


def test_one_record_that_the_database_refuses_blocks_no_other(parts: Parts) -> None:
    parts.away = True
    for n in range(6):
        poison = record(n, paths=(SignalPath("acme/north/never/registered"),)) if n == 3 else record(n)
        parts.submit(poison)
    parts.away = False
    until(parts.settled, 30)
    rows, counts, _ = stored(parts.url)
    assert rows == counts.stored == 5 * 15
    assert counts.rejected == 5
    assert counts.unexplained() == 0
    assert len(list(parts.quarantine.iterdir())) == 1


def test_samples_too_old_since_a_moment_ago_cost_no_others_of_their_record(parts: Parts) -> None:
    parts.submit(record(1))
    until(parts.settled, 30)
    parts.away = True
    mixed = record(2)
    mixed.samples.time_us[:5] -= 3_600_000_000
    with connect(parts.url, application="test") as connection:
        connection.execute("UPDATE tier_state SET kept_from = now() - interval '90 minutes' WHERE tier = 'raw'")
    parts.submit(mixed)
    parts.away = False
    until(parts.settled, 30)
    rows, counts, _ = stored(parts.url)
    assert (rows, counts.stored, counts.rejected) == (25, 25, 5)
    assert not parts.quarantine.exists()


def test_a_full_spool_turns_samples_into_an_exact_gap_and_goes_on_when_there_is_room(tmp_path: Path, database_url: str) -> None:
    parts = Parts(tmp_path, database_url)
    parts.spool._quota_bytes = 1
    told: list[Record] = []
    for n in range(5):
        assert parts.writer.submit(Submission(record(n), None, told.append))
    parts.writer.settle(10)
    assert len(told) == 5
    parts.spool._quota_bytes = 10**9
    parts.submit(record(9))
    until(parts.settled, 30)
    parts.stop()
    rows, counts, gaps = stored(database_url)
    assert rows == counts.stored == 15
    assert counts.expected == 6 * 18
    assert counts.unexplained() == 0
    assert sum(gap.count for gap in gaps if gap.reason is GapReason.SPOOL_FULL) == 5 * 15
    assert sum(gap.count for gap in gaps) == counts.gap


def test_what_a_full_spool_lost_is_told_once_there_is_room_though_its_source_says_no_more(tmp_path: Path, database_url: str) -> None:
    parts = Parts(tmp_path, database_url)
    parts.spool._quota_bytes = 1
    parts.submit(record(0))
    parts.writer.settle(10)
    parts.spool._quota_bytes = 10**9
    until(lambda: parts.writer.settle(10) and parts.spool.last > 0, 10)
    until(parts.settled, 30)
    parts.stop()
    rows, counts, gaps = stored(database_url)
    assert (rows, counts.stored, counts.expected, counts.unexplained()) == (0, 0, 18, 0)
    assert sum(gap.count for gap in gaps if gap.reason is GapReason.SPOOL_FULL) == 15


@pytest.mark.parametrize("again", [False, True])
def test_where_the_oldest_give_way_a_full_spool_keeps_the_newest_and_tells_of_the_others_by_the_minute(
    tmp_path: Path, database_url: str, again: bool
) -> None:
    parts = Parts(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    parts.writer.drop_oldest = True
    parts.spool._quota_bytes = 20_000
    records = [record(n * 20) for n in range(40)]
    for one in records:
        parts.submit(one)
        parts.writer.settle(10)
    assert parts.spool.size <= 20_000
    if again:
        parts.shipper.stop(0)
        parts.writer.close()
        parts = Parts(tmp_path, database_url)
    parts.spool._quota_bytes = 10**9
    parts.url = database_url
    until(parts.settled, 30)
    assert parts.writer.in_spool(SOURCE) == 0
    parts.stop()
    rows, counts, gaps = stored(database_url)
    lost = [gap for gap in gaps if gap.reason is GapReason.SPOOL_FULL]
    assert 0 < sum(gap.count for gap in lost) == 40 * 15 - rows
    assert counts.expected == 40 * 18
    assert counts.unexplained() == 0
    with connect(database_url, application="test") as connection:
        newest = connection.execute("SELECT count(*) FROM sample WHERE time >= to_timestamp(%s)", [records[-1].samples.time_us.min() / 1e6])
        assert newest.fetchone() == (15,)
        for line in read_ledger(connection, 0, FOREVER):
            of_minute = [one for one in records if one.ledger[0].minute_us == line.minute_us]
            assert line.counts.expected == 18 * len(of_minute)


def test_a_record_that_cannot_be_written_becomes_a_gap_and_takes_no_other_with_it(parts: Parts) -> None:
    unwritable = record(1)
    assert unwritable.samples.text is not None
    unwritable.samples.text[0] = "\ud800"
    for one in (unwritable, record(2)):
        parts.submit(one)
    parts.submit(record(3))
    until(parts.settled, 30)
    rows, counts, gaps = stored(parts.url)
    assert rows == counts.stored == 2 * 15
    assert counts.expected == 3 * 18
    assert sum(gap.count for gap in gaps) == counts.gap


def test_messages_that_come_again_leave_no_trace_when_the_spool_is_full(tmp_path: Path, database_url: str) -> None:
    parts = Parts(tmp_path, database_url)
    parts.spool._quota_bytes = 1
    assert parts.writer.submit(Submission(record(0), None, None, offered_again=True, run=1))
    parts.writer.settle(10)
    parts.spool._quota_bytes = 10**9
    assert parts.writer.submit(Submission(record(1), None, None, offered_again=True, run=1))
    assert parts.writer.submit(Submission(record(0), None, None, offered_again=True, run=2))
    assert parts.writer.submit(Submission(record(1), None, None, offered_again=True, run=2))
    until(parts.settled, 30)
    parts.stop()
    rows, counts, _ = stored(database_url)
    assert rows == counts.stored == 30
    assert counts.expected == 36


def test_a_spool_opened_again_ships_the_rest_once(tmp_path: Path, database_url: str) -> None:
    for start in (0, 10, 20):
        parts = Parts(tmp_path, database_url)
        for n in range(start, start + 10):
            parts.submit(record(n))
        parts.away = start == 10
        parts.writer.settle(10)
        parts.stop()
    parts = Parts(tmp_path, database_url)
    until(parts.settled, 30)
    parts.stop()
    assert stored(database_url)[0] == 450
