from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from ingest.ticks import ticks_between
from plant.clock import SystemClock
from plant.ledger import Counts, GapReason, LedgerLine
from plant.signals import SourceId
from protocols.mqtt_broker import EmbeddedBroker
from storage.database import Connection, connect
from storage.health import read_sources
from storage.ledger import read_gaps, read_ledger
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.ingest.parts import REPOSITORY, Mosquitto, spool_states, start_ingest, start_plant, until, write_mqtt_site
from tests.ingest.senders import Sender
from tests.ports import free_port

FOREVER = 4_000_000_000_000_000
INTERVAL_US = 30_000


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def lines_of(database: Connection) -> list[LedgerLine]:
    return read_ledger(database, 0, FOREVER)


def totals_of(database: Connection, source: str) -> Counts:
    return sum((line.counts for line in lines_of(database) if line.source == source), Counts())


def rows_of(database: Connection, source: str) -> int:
    row = database.execute(
        "SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample JOIN signal ON signal.id = signal_id "
        "JOIN source ON source.id = source_id WHERE source.name = %s",
        [source],
    ).fetchone()
    assert row is not None
    assert row[0] == row[1], f"{row[0] - row[1]} rows stand twice"
    return int(row[0])


def assert_ledger_exact(database: Connection, sources: list[str]) -> None:
    """Every minute of every source adds up, and rows and gap records say the same as the counts."""
    for line in lines_of(database):
        assert line.counts.unexplained() == 0, line
    for source in sources:
        totals = totals_of(database, source)
        assert rows_of(database, source) == totals.stored
        gaps = read_gaps(database, 0, FOREVER, SourceId(source), most=100_000)
        assert sum(gap.count for gap in gaps if gap.reason is not GapReason.TYPE) == totals.gap


def assert_every_tick_counted(database: Connection, home: Path, source: str, signals: int) -> None:
    """From the first tick to the last, through kills and outages, each tick of each signal was expected once."""
    with spool_states(home) as state_of:
        state = state_of(source)
    assert state is not None
    first = min(gap.from_us for gap in read_gaps(database, 0, FOREVER, SourceId(source), most=100_000))
    assert totals_of(database, source).expected == signals * ticks_between(first, state.mark.end_us, INTERVAL_US)


def assert_all_messages_once(database: Connection, sent: int) -> None:
    rows = database.execute(
        "SELECT value::int8 FROM sample JOIN signal ON signal.id = signal_id WHERE signal.name = 'counter' ORDER BY time, value"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(sent))


def signals_of(database: Connection) -> dict[str, int]:
    rows = database.execute("SELECT source.name, count(*) FROM signal JOIN source ON source.id = source_id GROUP BY 1").fetchall()
    return dict(rows)


def all_stored_more(database: Connection, before: dict[str, int]) -> bool:
    """Whether there are sources, and of each more is stored than before."""
    sources = signals_of(database)
    return bool(sources) and all(totals_of(database, source).stored > before.get(source, 0) for source in sources)


def newest_of(database: Connection) -> int:
    """The highest number of a message that is stored."""
    row = database.execute(
        "SELECT max(value)::int8 FROM sample JOIN signal ON signal.id = signal_id WHERE signal.name = 'counter'"
    ).fetchone()
    return -1 if row is None or row[0] is None else int(row[0])


def kill_ingest_over_opcua(tmp_path: Path, url: str, database: Connection, cycles: int) -> None:
    plant = start_plant(tmp_path / "plant" / "site.toml", "--insecure", "--units", "8")
    home = tmp_path / "home"
    # a plant that sleeps at first: the first tick is then known, because it is missed
    plant.process.send_signal(signal.SIGSTOP)
    try:
        for cycle in range(cycles):
            before = {source: totals_of(database, source).stored for source in signals_of(database)}
            ingest = start_ingest(tmp_path / "plant" / "site.toml", home, url)
            time.sleep(0.2)
            plant.process.send_signal(signal.SIGCONT)
            until(lambda: all_stored_more(database, before), 20, 0.1)  # noqa: B023
            time.sleep(0.2 + 0.37 * (cycle % 3))
            ingest.kill()
        ingest = start_ingest(tmp_path / "plant" / "site.toml", home, url)
        until(lambda: all_stored_more(database, dict.fromkeys(signals_of(database), 100)), 20, 0.1)
        assert ingest.stop() == 0
        signals = signals_of(database)
        assert_ledger_exact(database, list(signals))
        for source, count in signals.items():
            assert_every_tick_counted(database, home, source, count)
        reasons = {gap.reason for gap in read_gaps(database, 0, FOREVER, most=100_000)}
        assert GapReason.STOPPED in reasons
    finally:
        plant.stop()


def kill_ingest_over_mqtt(tmp_path: Path, url: str, database: Connection, port: int, version: Literal["5", "3.1.1"], cycles: int) -> None:
    site = write_mqtt_site(tmp_path / "site.toml", port, version)
    home = tmp_path / "home"
    ingest = start_ingest(site, home, url)
    until(lambda: "source connected" in ingest.log.read_text(), 15)
    sender = Sender(port, version)
    sender.start()
    for cycle in range(cycles):
        time.sleep(0.9 + 0.31 * (cycle % 3))
        ingest.kill()
        ingest = start_ingest(site, home, url)
    time.sleep(1)
    sender.finish()
    until(lambda: totals_of(database, "press").stored >= 3 * sender.sent, 30)
    assert ingest.stop() == 0
    assert_all_messages_once(database, sender.sent)
    assert_ledger_exact(database, ["press"])
    totals = totals_of(database, "press")
    assert totals.stored == 3 * sender.sent
    assert totals.gap == 0


def test_kill_9_of_the_ingest_leaves_every_opcua_tick_accounted_for(tmp_path: Path, database_url: str, database: Connection) -> None:
    kill_ingest_over_opcua(tmp_path, database_url, database, 2)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_twenty_kills_of_the_ingest_leave_every_opcua_tick_accounted_for(tmp_path: Path, database_url: str, database: Connection) -> None:
    kill_ingest_over_opcua(tmp_path, database_url, database, 20)


@pytest.mark.parametrize("version", ["5", pytest.param("3.1.1", marks=pytest.mark.heavy)])
def test_kill_9_of_the_ingest_loses_and_doubles_no_message_of_mosquitto(
    tmp_path: Path, database_url: str, database: Connection, version: Literal["5", "3.1.1"]
) -> None:
    broker = Mosquitto(tmp_path, "max_queued_messages 10000")
    broker.start()
    try:
        kill_ingest_over_mqtt(tmp_path, database_url, database, broker.port, version, 2)
    finally:
        broker.stop()


@pytest.mark.heavy
def test_kill_9_of_the_ingest_loses_and_doubles_no_message_of_the_embedded_broker(
    tmp_path: Path, database_url: str, database: Connection
) -> None:
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    try:
        kill_ingest_over_mqtt(tmp_path, database_url, database, broker.port, "5", 2)
    finally:
        broker.stop()


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_twenty_kills_of_the_ingest_lose_and_double_no_message(tmp_path: Path, database_url: str, database: Connection) -> None:
    broker = Mosquitto(tmp_path, "max_queued_messages 10000")
    broker.start()
    try:
        kill_ingest_over_mqtt(tmp_path, database_url, database, broker.port, "5", 20)
    finally:
        broker.stop()


def kill_broker(tmp_path: Path, url: str, database: Connection, cycles: int) -> None:
    """A broker that dies takes with it what it had accepted: that becomes a gap of exactly so many samples."""
    broker = Mosquitto(tmp_path)
    broker.start()
    ingest = start_ingest(write_mqtt_site(tmp_path / "site.toml", broker.port), tmp_path / "home", url)
    until(lambda: "source connected" in ingest.log.read_text(), 15)
    sender = Sender(broker.port)
    sender.start()
    for _ in range(cycles):
        time.sleep(1.1)
        broker.kill()
        broker.start()
        until(lambda: sender.connection.connected, 20)
    # only a message that comes over the new subscription tells how many did not
    sent = sender.sent
    until(lambda: newest_of(database) > sent, 30, 0.1)
    sender.halt()

    def accounted() -> bool:
        totals = totals_of(database, "press")
        return totals.stored + totals.gap >= 3 * sender.sent

    sender.send()
    sender.finish()
    until(accounted, 30)
    assert ingest.stop() == 0
    totals = totals_of(database, "press")
    assert_ledger_exact(database, ["press"])
    assert totals.stored + totals.gap == 3 * sender.sent
    broker.stop()


def test_kill_9_of_the_broker_becomes_a_gap_of_exactly_what_it_lost(tmp_path: Path, database_url: str, database: Connection) -> None:
    kill_broker(tmp_path, database_url, database, 1)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_twenty_kills_of_the_broker_become_gaps_of_exactly_what_it_lost(tmp_path: Path, database_url: str, database: Connection) -> None:
    kill_broker(tmp_path, database_url, database, 20)


def kill_postmaster(tmp_path: Path, cycles: int) -> None:
    """The database dies again and again while messages come; it starts away, too."""
    broker = Mosquitto(tmp_path)
    broker.start()
    server = EmbeddedPostgres(tmp_path / "postgres", clock=SystemClock())
    url = server.start()
    migrate(url)
    server.stop()
    ingest = start_ingest(write_mqtt_site(tmp_path / "site.toml", broker.port), tmp_path / "home", url)
    try:
        until(lambda: "source connected" in ingest.log.read_text(), 15)
        sender = Sender(broker.port)
        sender.start()
        server.start()
        for cycle in range(cycles):
            time.sleep(1.2 + 0.23 * (cycle % 3))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            time.sleep(0.3)
            server.start()
        time.sleep(1)
        sender.finish()
        with connect(url, application="test") as database:
            until(lambda: totals_of(database, "press").stored >= 3 * sender.sent, 60, 0.2)
            assert ingest.stop() == 0
            assert_all_messages_once(database, sender.sent)
            assert_ledger_exact(database, ["press"])
    finally:
        if ingest.process.poll() is None:
            ingest.stop()
        server.stop()
        broker.stop()


@pytest.mark.heavy
def test_kill_9_of_the_database_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kill_postmaster(tmp_path, 1)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_twenty_kills_of_the_database_lose_and_double_nothing(tmp_path: Path) -> None:
    kill_postmaster(tmp_path, 20)


def test_changed_settings_are_taken_over_and_wrong_ones_are_not(tmp_path: Path, database_url: str, database: Connection) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    site = write_mqtt_site(tmp_path / "site.toml", broker.port)
    ingest = start_ingest(site, tmp_path / "home", database_url)
    try:
        until(lambda: "source connected" in ingest.log.read_text(), 15)
        sender = Sender(broker.port)
        sender.send()
        good = site.read_text()
        site.write_text(good + "nonsense = 1\n")
        until(lambda: "the old ones stay in force" in ingest.log.read_text(), 15)
        site.write_text(good.replace('name = "force"', 'name = "pressing-force"'))
        until(lambda: "the settings were read anew" in ingest.log.read_text(), 20)
        until(lambda: ingest.log.read_text().count("source connected") >= 2, 20)
        sender.send()
        sender.finish()
        until(lambda: totals_of(database, "press").stored >= 6, 30)
        names = database.execute("SELECT name, retired FROM signal ORDER BY name").fetchall()
        assert ("pressing-force", False) in names
        assert ("force", True) in names
        assert totals_of(database, "press").gap == 0
    finally:
        assert ingest.stop() == 0
        broker.stop()


def test_a_source_that_never_answers_is_shown_as_away(tmp_path: Path, database_url: str, database: Connection) -> None:
    site = write_mqtt_site(tmp_path / "site.toml", free_port())
    ingest = start_ingest(site, tmp_path / "home", database_url)
    try:
        until(lambda: [(r.source, r.state) for r in read_sources(database)] in ([("press", "away")], [("press", "connecting")]), 15)
    finally:
        assert ingest.stop() == 0


def test_settings_that_are_wrong_end_with_the_problem_as_text(tmp_path: Path, database_url: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text("[site]\nenterprise = 1\n")
    arguments = [sys.executable, "-m", "ingest", "--site", str(site), "--home", str(tmp_path)]
    environment = {**os.environ, "LEADHAND_DATABASE_URL": database_url}
    ended = subprocess.run(arguments, capture_output=True, text=True, cwd=REPOSITORY, env=environment, timeout=60, check=False)
    assert ended.returncode == 2
    assert "site.enterprise" in ended.stderr
    assert ended.stdout == ""
