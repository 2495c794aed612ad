"""Exactly once, whoever is killed and whichever answer is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from plant.clock import SystemClock
from plant.errors import Rejected, Unavailable
from plant.shipment import Shipment
from storage.catalogue import register_site
from storage.database import connect, deadline, translate_errors
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from storage.samples import SampleWriter, spool_watermark
from tests.storage.small_plant import PATHS, an_hour_ago, samples_of, small_site

ROWS = 20_000


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "pg", clock=SystemClock())
    url = server.start()
    migrate(url)
    with connect(url, application="test") as connection:
        register_site(connection, small_site())
    yield server
    server.stop()


def ship_until_stored(server: EmbeddedPostgres, shipment: Shipment) -> bool:
    """As a shipper does: a new connection and the same shipment again, until the database answers."""
    while True:
        try:
            with connect(server.start(), application="shipper") as connection:
                return SampleWriter(connection).ship(shipment)
        except Unavailable:
            continue


@pytest.mark.parametrize("victim", ["backend", pytest.param("postmaster", marks=pytest.mark.heavy)])
def test_what_was_killed_at_any_moment_of_a_shipment_is_stored_exactly_once(own_server: EmbeddedPostgres, victim: str) -> None:
    spool, start = uuid4(), an_hour_ago()
    for n in range(1, 9):
        shipment = Shipment(spool, n, n, samples_of(PATHS[0], start + np.arange(ROWS) + n * ROWS, np.arange(float(ROWS))))
        connection = connect(own_server.url, application="shipper")
        pid = connection.info.backend_pid if victim == "backend" else own_server.pid
        assert pid is not None
        killer = threading.Timer(n * 0.012, os.kill, [pid, signal.SIGKILL])
        killer.start()
        try:
            SampleWriter(connection).ship(shipment)
        except Unavailable:
            assert connection.closed
        killer.join()
        connection.close()
        ship_until_stored(own_server, shipment)
    with connect(own_server.start(), application="test") as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT time) FROM sample").fetchone() == (8 * ROWS, 8 * ROWS)
        assert spool_watermark(connection, spool) == 8


class ReplyLost(SampleWriter):
    """A writer whose connection breaks after the commit, before its answer arrives."""

    def _store(self, *arguments: object) -> bool:
        super()._store(*arguments)  # type: ignore[arg-type]
        raise psycopg.OperationalError("the answer to COMMIT never came")


def test_a_shipment_whose_answer_was_lost_is_not_stored_again(database_url: str) -> None:
    shipment = Shipment(uuid4(), 1, 3, samples_of(PATHS[0], [an_hour_ago()], [1.0]))
    with connect(database_url, application="test") as connection:
        register_site(connection, small_site())
    with connect(database_url, application="test") as connection, pytest.raises(Unavailable, match="never came"):
        ReplyLost(connection).ship(shipment)
    with connect(database_url, application="test") as connection:
        assert SampleWriter(connection).ship(shipment) is False
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (1,)


def test_a_frozen_server_is_given_up_at_the_deadline(database_url: str) -> None:
    with connect(database_url, application="test") as other:
        register_site(other, small_site())
        connection = connect(database_url, application="frozen")
        writer = SampleWriter(connection, deadline_seconds=0.3)
        with other.transaction():
            other.execute("LOCK TABLE sample IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                writer.ship(Shipment(uuid4(), 1, 1, samples_of(PATHS[0], [an_hour_ago()], [1.0])))
        assert connection.closed


def test_only_what_the_values_cause_is_rejected(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        with pytest.raises(Rejected), translate_errors():
            connection.execute("SELECT 1 / 0")
        with pytest.raises(Unavailable, match="migrations"), translate_errors():
            connection.execute("SELECT * FROM not_there")
        with pytest.raises(Unavailable), translate_errors(), deadline(connection, 0.05):
            connection.execute("SELECT pg_sleep(20)")
    with pytest.raises(Unavailable):
        connect("postgresql://nobody@127.0.0.1:1/none", application="test")
    with connect(database_url, application="test", statement_seconds=0.05) as connection, pytest.raises(Unavailable), translate_errors():
        connection.execute("SELECT pg_sleep(20)")
    with connect(database_url, application="test", read_only=True) as connection, pytest.raises(Unavailable), translate_errors():
        connection.execute("DELETE FROM sample")
