"""What shows that a tightening reader lives: it may wait long, but one that hangs is noticed."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from ingest import tightening
from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.link import Begin, Link
from ingest.spool import Spool
from ingest.tightening import TighteningReader
from ingest.tightening_values import ToolSource
from ingest.worker import Worker
from ingest.writer import SpoolWriter
from plant.clock import Clock, SystemClock
from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.signals import SourceId
from protocols import open_protocol_client
from protocols.open_protocol_client import OpenProtocolConnection, OpenProtocolEndpoint
from tests.ingest.controllers import controller_running
from tests.ingest.parts import until

SOURCE = SourceId("nutrunner")
NEVER = threading.Event()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    one = SpoolWriter(Spool(tmp_path / "spool", SystemFiles(), new_id=uuid4), SystemClock())
    one.open()
    yield one
    one.close()


def reader_of(writer: SpoolWriter, port: int, connect: type[OpenProtocolConnection] = OpenProtocolConnection) -> TighteningReader:
    clock = SystemClock()
    source = ToolSource(SOURCE, EquipmentId("acme/north/hall/line/bearing"), ZoneInfo("UTC"))
    health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
    return TighteningReader(source, OpenProtocolEndpoint("127.0.0.1", port, 60.0), writer, health, clock, seed=1, connect=connect)


def beats_on(reader: TighteningReader) -> None:
    before = reader.health.beats
    until(lambda: reader.health.beats > before + 2, 10)


def end(reader: TighteningReader) -> None:
    reader.stop()
    assert reader.join(60)
    reader.disconnect()


def test_a_reader_lives_through_a_long_pause_and_ends_in_the_midst_of_it(writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(OpenProtocolConnection):
        def open(self) -> dict[str, object]:
            raise Rejected("another client is connected already")

    monkeypatch.setattr(tightening, "_REFUSED_PAUSE_SECONDS", 10_000.0)
    monkeypatch.setattr(tightening, "_BEAT_SECONDS", 0.05)
    reader = reader_of(writer, 1, Refused)
    reader.start()
    until(lambda: reader.health.state == "refused", 10)
    beats_on(reader)
    end(reader)


def test_a_reader_lives_while_it_waits_for_an_answer_and_while_nothing_is_tightened(
    writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_protocol_client, "_LONGEST_WAIT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reader = reader_of(writer, silent.getsockname()[1])
        reader.start()
        beats_on(reader)
        assert reader.health.state == "connecting"
        reader.stop()
        link, _ = silent.accept()
        link.close()
        end(reader)
    with controller_running() as tools:
        reader = reader_of(writer, tools.port)
        reader.start()
        until(lambda: reader.health.state == "connected", 10)
        beats_on(reader)
        end(reader)


def test_a_name_that_the_system_looks_for_without_end_hangs_no_reader(writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_for_ever(*_: object) -> socket.socket:
        NEVER.wait(600)
        raise OSError

    monkeypatch.setattr(open_protocol_client, "_LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(socket, "create_connection", looks_for_ever)
    reader = reader_of(writer, 1)
    monkeypatch.setattr(reader, "_endpoint", OpenProtocolEndpoint("tool.example", 4545, 0.2))
    reader.start()
    beats_on(reader)
    until(lambda: reader.health.state == "away", 10)
    assert "took too long" in reader.health.report(0, 0, 0).detail
    end(reader)


def test_a_reader_that_hangs_is_noticed(writer: SpoolWriter) -> None:
    hangs, go_on = threading.Event(), threading.Event()

    class Hanging(OpenProtocolConnection):
        def __init__(self, endpoint: OpenProtocolEndpoint, clock: Clock) -> None:
            super().__init__(endpoint, clock)

        def open(self) -> dict[str, object]:
            self.alive()
            hangs.set()
            go_on.wait(600)
            raise Rejected("it is over")

    ours, theirs = socket.socketpair()
    worker = Worker(Link(ours), Begin("g", "acme/north", "/nowhere", "/nowhere", 1, 10**9), SystemClock())
    reader = reader_of(writer, 1, Hanging)
    worker._readers[SOURCE] = reader
    reader.start()
    assert hangs.wait(60)
    assert worker.hanging() is None
    assert [worker.hanging() for _ in range(10)][-1] == SOURCE
    go_on.set()
    end(reader)
    worker._link.close()
    theirs.close()


def test_a_process_with_more_than_a_thousand_open_files_reads_its_controllers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this system lets no process open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with controller_running() as tools:
            connection = OpenProtocolConnection(OpenProtocolEndpoint("127.0.0.1", tools.port, 60.0), SystemClock())
            assert connection.open()["name"] == "Slewing bearing"
            assert connection.receive(0.05) is None
            connection.close()
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
