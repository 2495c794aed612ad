"""What a reader process tells of its sources, and what the process that hears it vouches for."""

from __future__ import annotations

import errno
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from ingest import worker
from ingest.files import SystemFiles
from ingest.groups import ReaderGroup, _Life
from ingest.health import SourceHealth
from ingest.link import Begin, Link, Reports, Start, frame_of
from ingest.places import Places
from ingest.readers import Reader
from ingest.spool import Spool
from ingest.worker import Worker
from ingest.writer import SpoolWriter
from ingest.zygote import Zygote
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.signals import SourceId
from storage.health import SourceReport
from tests.ingest.test_groups import sending

SOURCE = SourceId("s")


class HandClock(SystemClock):
    """A steady clock that is moved by hand."""

    at = 100.0

    def monotonic(self) -> float:
        return self.at


class SlowReader:
    """A reader that ends when it is let."""

    def __init__(self) -> None:
        self.health = SourceHealth(SOURCE, None, insecure=True, now_us=1)
        self.health.say("connected", "", 1)
        self.asked = threading.Event()
        self.may_end = threading.Event()

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.asked.set()

    def join(self, seconds: float) -> bool:
        return self.may_end.wait(seconds)


class Pair:
    """A worker, and what it tells at the other end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.readers: list[Reader] = []
        self.error: Exception | None = None
        ours, theirs = socket.socketpair()
        self.link, self.far = Link(theirs), Link(ours)
        begin = Begin("g", "a/b", str(folder), str(folder), 1, 10**9)
        self.worker = Worker(self.link, begin, SystemClock())
        monkeypatch.setattr(worker, "make_reader", lambda *_: self.make())

    def make(self) -> SlowReader:
        if self.error is not None:
            raise self.error
        self.readers.append(SlowReader())
        return self.readers[-1]  # type: ignore[return-value]

    def start(self) -> None:
        _, what = sending(SOURCE)
        self.worker.start(Start(what.settings.model_dump_json().encode(), list(what.signals), b""))

    def told(self) -> list[SourceReport]:
        self.worker.report()
        list(self.link.messages(0))
        return [report for message in self.far.messages(1) if isinstance(message, Reports) for report in message.reports]

    def close(self) -> None:
        self.link.close()
        self.far.close()


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pair:
    return Pair(monkeypatch, tmp_path)


def test_a_reader_that_ends_late_does_not_take_its_successor_with_it(pair: Pair) -> None:
    pair.start()
    first = pair.readers[0]
    assert isinstance(first, SlowReader)
    stopping = threading.Thread(target=pair.worker.stop, args=([SOURCE],))
    stopping.start()
    assert first.asked.wait(60)
    pair.start()
    first.may_end.set()
    stopping.join(60)
    assert pair.worker.sources == [SOURCE], "the second reader is still looked after"
    pair.close()


def test_a_source_that_no_reader_can_be_made_for_is_reported_with_the_reason(pair: Pair) -> None:
    pair.error = ValueError("there is no such thing")
    pair.start()
    assert [(report.source, report.state) for report in pair.told()] == [(SOURCE, "refused")]
    assert "there is no such thing" in pair.told()[0].detail
    pair.error = None
    pair.start()
    assert [report.state for report in pair.told()] == ["connected"]
    pair.close()


def test_a_reader_that_shows_no_sign_of_life_is_not_told_as_connected(pair: Pair) -> None:
    pair.start()
    health = pair.readers[0].health
    for _ in range(20):
        health.beat()
        assert pair.worker.hanging() is None
    assert [report.state for report in pair.told()] == ["connected"]
    for _ in range(6):
        assert pair.worker.hanging() is None
    (report,) = pair.told()
    assert (report.state, "no sign of life" in report.detail) == ("connecting", True)
    health.beat()
    assert pair.worker.hanging() is None
    assert [report.state for report in pair.told()] == ["connected"]
    pair.close()


def test_what_a_silent_reader_process_said_last_is_not_vouched_for(tmp_path: Path) -> None:
    clock = HandClock()
    spool = Spool(tmp_path / "spool", SystemFiles(), new_id=uuid4)
    group = ReaderGroup(
        "g", EquipmentId("a/b"), SpoolWriter(spool, clock), Zygote(), Places(tmp_path, tmp_path), clock, seed=1, memory_bytes=10**9
    )
    health = SourceHealth(SOURCE, None, insecure=True, now_us=1)
    health.say("connected", "", 1)
    ours, theirs = socket.socketpair()
    life = _Life(Link(ours), os.getpid())
    said = health.report(77, 0, 0)
    group._take(life, Reports([said, replace(said, source=SourceId("t"), state="stopped")]))
    assert [report.state for report in group.reports()] == ["connected", "stopped"]
    clock.at += 4
    states = [(report.state, report.updated_us) for report in group.reports()]
    assert states == [("connecting", 77), ("stopped", 77)]
    assert "told nothing for 4 s" in group.reports()[0].detail
    group._take(life, Reports([said]))
    assert group.reports()[0].state == "connected"
    life.close()
    theirs.close()


def test_a_link_that_is_closed_rings_in_no_other_file() -> None:
    ours, theirs = socket.socketpair()
    link = Link(ours)
    bell = link._bell
    link._mutex.acquire()
    ringing = threading.Thread(target=link.ring)
    ringing.start()
    closing = threading.Thread(target=link.close)
    closing.start()
    ringing.join(0.3)
    assert ringing.is_alive(), "ringing and closing take turns"
    link._mutex.release()
    ringing.join(60)
    closing.join(60)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(bell)
    link.ring()
    link.post(frame_of(Reports([])))
    theirs.close()
