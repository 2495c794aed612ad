"""Gateways as processes: one stands by for another, and one with nothing but a URL and the rights to add what it read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from ingest.endpoints import Places
from ingest.files import SystemFiles
from ingest.gateway import Gateway
from ingest.spool import Spool
from ingest.writer import SpoolWriter
from ingest.zygote import Zygote
from plant.clock import SystemClock
from plant.ledger import Counts, GapReason
from plant.signals import SourceId
from storage.database import Connection, connect
from storage.leases import read_holdings
from storage.ledger import read_gaps, read_ledger
from tests.ingest.parts import Child, start_ingest, start_plant, until
from tests.ingest.test_shipping import FOREVER, SOURCE, site


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Path]:
    site = tmp_path / "plant" / "site.toml"
    running = start_plant(site, "--insecure", "--units", "1")
    yield site
    running.stop()


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def rows_of(database: Connection) -> int:
    row = database.execute("SELECT count(*) FROM sample").fetchone()
    assert row is not None
    return int(row[0])


def holder(database: Connection) -> str:
    return next((one.gateway for one in read_holdings(database) if one.holds), "")


def standby(database: Connection) -> tuple[str, ...]:
    return next((one.standby for one in read_holdings(database)), ())


def assert_adds_up(database: Connection) -> Counts:
    lines = read_ledger(database, 0, FOREVER)
    total = sum((line.counts for line in lines), Counts())
    assert all(line.counts.unexplained() == 0 for line in lines)
    assert total.stored == rows_of(database)
    assert total.gap == sum(gap.count for gap in read_gaps(database, 0, FOREVER, most=100_000))
    return total


def gateway(site: Path, home: Path, url: str, name: str) -> Child:
    own = site.with_name(f"{name}.toml")
    own.write_text(site.read_text() + f'\n[ingest]\ngateway = "{name}"\n')
    return start_ingest(own, home / name, url, "--ship-ms", "300")


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_another_gateway_takes_over_when_one_stops_and_when_one_is_killed(
    plant: Path, tmp_path: Path, database_url: str, database: Connection
) -> None:
    one = gateway(plant, tmp_path, database_url, "one")
    until(lambda: rows_of(database) > 0, 20)
    other = gateway(plant, tmp_path, database_url, "other")
    until(lambda: standby(database) == ("other",), 10)
    assert one.facts["sources"] != []
    assert other.facts["sources"] == []
    one.stop()
    until(lambda: holder(database) == "other", 4)
    before = rows_of(database)
    until(lambda: rows_of(database) > before, 10)
    one = gateway(plant, tmp_path, database_url, "one")
    until(lambda: standby(database) == ("one",), 10)
    other.kill()
    until(lambda: holder(database) == "one", 15)
    before = rows_of(database)
    until(lambda: rows_of(database) > before, 10)
    # what the killed one held in its spool comes late, once, and makes the gap of the takeover smaller
    gap = sum(gap.count for gap in read_gaps(database, 0, FOREVER) if gap.reason is GapReason.TAKEOVER)
    other = gateway(plant, tmp_path, database_url, "other")
    until(lambda: standby(database) == ("other",), 10)
    until(lambda: sum(g.count for g in read_gaps(database, 0, FOREVER) if g.reason is GapReason.TAKEOVER) <= gap, 10)
    other.stop()
    one.stop()
    assert_adds_up(database)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_gateway_frozen_for_30_seconds_writes_nothing_stale(plant: Path, tmp_path: Path, database_url: str, database: Connection) -> None:
    one = gateway(plant, tmp_path, database_url, "one")
    other = gateway(plant, tmp_path, database_url, "other")
    until(lambda: rows_of(database) > 0 and standby(database) == ("other",), 20)
    os.kill(one.pid, signal.SIGSTOP)
    until(lambda: holder(database) == "other", 30)
    taken_us = read_holdings(database)[0].taken_us
    signal.sigtimedwait([], 15)
    os.kill(one.pid, signal.SIGCONT)
    until(lambda: standby(database) == ("one",), 15)
    before = rows_of(database)
    until(lambda: rows_of(database) > before, 10)
    one.stop()
    other.stop()
    total = assert_adds_up(database)
    doubled = database.execute(
        "SELECT count(*) - count(DISTINCT (signal_id, time)) FROM sample WHERE time > to_timestamp(%s)", [taken_us / 1e6 + 1]
    )
    assert doubled.fetchone() == (0,)
    assert total.expected > 0


def test_an_edge_gateway_needs_no_more_than_the_rights_of_the_role_for_it(
    plant: Path, tmp_path: Path, database_url: str, database: Connection
) -> None:
    name = f"gateway_{os.getpid()}"
    database.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'only for this test' IN ROLE leadhand_ingest")
    try:
        parts = urlsplit(database_url)
        password = tmp_path / "password"
        password.write_text("*:*:*:*:only for this test\n")
        password.chmod(0o600)
        url = parts._replace(netloc=f"{name}@").geturl() + f"&passfile={password}"
        with connect(url, application="test") as edge, pytest.raises(psycopg.errors.InsufficientPrivilege):
            edge.execute("SELECT * FROM account")
        with connect(url, application="test") as edge, pytest.raises(psycopg.errors.InsufficientPrivilege):
            edge.execute("DELETE FROM gap")
        with connect(url, application="test") as edge, pytest.raises(psycopg.errors.InsufficientPrivilege):
            edge.execute("SELECT make_partition('account', 'account_20200101_0000_600', now(), now() + interval '1 hour')")
        running = gateway(plant, tmp_path, url, "edge")
        until(lambda: rows_of(database) > 0, 20)
        until(lambda: database.execute("SELECT count(*) FROM source_state WHERE state = 'connected'").fetchone() != (0,), 10)
        running.stop()
        assert_adds_up(database)
        assert "lacks a right" not in running.log.read_text()
    finally:
        database.execute(f"DROP OWNED BY {name}")
        database.execute(f"DROP ROLE {name}")


def test_a_source_whose_messages_the_broker_spreads_needs_no_lease(tmp_path: Path) -> None:
    file = site()
    spread = file.source(SOURCE).model_copy(update={"share": "plant"})
    other = file.source(SOURCE).model_copy(update={"id": "other"})
    signals = (*file.signals, *(replace(signal, source=SourceId("other")) for signal in file.signals))
    spool = Spool(tmp_path, SystemFiles(), new_id=uuid4)
    writer = SpoolWriter(spool, SystemClock())
    one = Gateway(spool, writer, cast(Zygote, None), Places(tmp_path, tmp_path), SystemClock())
    one._site = replace(file, sources=(spread, other), signals=signals)
    assert one.configured == {SourceId("other"): (0, len(file.signals))}
