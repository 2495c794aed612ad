"""Events of servers that we did not write, from the controller into the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.record_bytes import decode_record, encode_record
from ingest.records import Mark, Record
from plant.equipment import EquipmentId
from plant.events import ControllerEvent, Refresh, Told
from plant.ledger import GapReason
from plant.samples import empty
from plant.signals import SourceId
from storage.counting import count_rows
from storage.database import Connection, connect
from storage.events import Condition, StoredEvent, WantedEvents, read_conditions, read_events
from storage.ledger import read_gaps, read_ledger
from tests.ingest.parts import start_ingest, until
from tests.node_parts import Node
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess

FOREVER = 4_000_000_000_000_000
SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/press"

[[sources]]
protocol = "opcua"
id = "press"
url = "{url}"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true
read = "events"
events = {{ equipment = [{{ name = "*pressure", equipment = "hall/line/press" }}] }}
"""
PRESSURE = "nsu=http://node.test/alarms/;i="


@pytest.fixture
def server(node: Node, tmp_path: Path) -> Iterator[ServerProcess]:
    port = free_port()
    started = ServerProcess([str(node.program), str(node.folder / "alarms_server.mjs"), str(port), str(tmp_path / "node")], port)
    yield started
    started.kill()


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def standing(database: Connection) -> dict[str, Condition]:
    return {condition.last.condition_name: condition for condition in read_conditions(database)}


def events(database: Connection) -> list[StoredEvent]:
    return read_events(database, WantedEvents())[::-1]


def adds_up(database: Connection) -> None:
    counts = [line.counts for line in read_ledger(database, 0, FOREVER)]
    assert sum(count.unexplained() for count in counts) == 0
    assert sum(count.stored for count in counts) == count_rows(database)[SourceId("press")]


def test_alarms_of_a_foreign_server_come_into_the_database_once_and_none_is_forgotten_over_a_kill(
    server: ServerProcess, database: Connection, database_url: str, tmp_path: Path
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(url=server.url))
    ingest = start_ingest(site, tmp_path / "home", database_url)
    try:
        until(lambda: "connected" in states(database), 15)
        server.tell("write", node="pressure", value=90)
        server.tell("write", node="force", value=99)
        server.tell("event", message="doors open", severity=300)
        until(lambda: set(standing(database)) == {"pressure limits", "force limits"} and len(events(database)) >= 3, 10)
        first = standing(database)["pressure limits"]
        assert (first.last.active, first.last.acknowledged, first.last.retain, first.last.told) == (True, False, True, Told.LIVE)
        assert first.active_since_us == first.last.time_us
        assert first.last.equipment == EquipmentId("acme/north/hall/line/press")
        assert first.last.condition.startswith(PRESSURE)
        assert first.last.source_node == "nsu=http://node.test/alarms/;s=press-1/pressure"
        plain = [one.event for one in events(database) if one.event.message == "doors open"]
        assert [(event.severity, event.condition, event.equipment, event.retain) for event in plain] == [(300, "", "", None)]
        ingest.kill()
        server.tell("write", node="force", value=50)
        server.tell("acknowledge", node="force")
        server.tell("write", node="temperature", value=2)
        ingest = start_ingest(site, tmp_path / "home", database_url)
        until(lambda: set(standing(database)) == {"pressure limits", "temperature limits"}, 15)
        last = events(database)[-1].event
        assert (last.condition_name, last.told, last.active, last.retain) == ("force limits", Told.UNSEEN, False, False)
        told = {one.event.condition_name: one.event.told for one in events(database)}
        assert told["temperature limits"] is Told.REFRESHED
        # what was told before the kill is not there twice, and that something may be missing between is said
        assert len([one for one in events(database) if one.event.condition_name == "pressure limits"]) == 1
        until(lambda: any(gap.reason is GapReason.STOPPED for gap in read_gaps(database, 0, FOREVER)), 10)
        server.tell("write", node="pressure", value=50)
        until(lambda: events(database)[-1].event.message == "Back to normal", 10)
        assert events(database)[-1].event.active is False
    finally:
        assert ingest.stop() == 0
    adds_up(database)


def states(database: Connection) -> str:
    rows = database.execute("SELECT state FROM source_state").fetchall()
    return " ".join(str(row[0]) for row in rows)


@pytest.mark.heavy
def test_a_server_that_freezes_and_one_that_starts_anew_lose_no_condition(
    server: ServerProcess, database: Connection, database_url: str, tmp_path: Path
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(url=server.url))
    ingest = start_ingest(site, tmp_path / "home", database_url)
    try:
        until(lambda: "connected" in states(database), 15)
        server.tell("write", node="pressure", value=90)
        until(lambda: "pressure limits" in standing(database), 10)
        server.freeze()
        until(lambda: "away" in states(database), 15)
        server.thaw()
        server.tell("write", node="force", value=99)
        until(lambda: "force limits" in standing(database), 20)
        assert "pressure limits" in standing(database)
        server.kill()
        until(lambda: "away" in states(database), 15)
        again = ServerProcess(server.process.args, server.port)  # type: ignore[arg-type]
        try:
            # all of its alarms are normal after a restart, and it says nothing of them when asked
            until(lambda: not standing(database), 30)
            assert {one.event.condition_name for one in events(database) if one.event.told is Told.UNSEEN} == {
                "pressure limits",
                "force limits",
            }
        finally:
            again.kill()
    finally:
        assert ingest.stop() == 0
    adds_up(database)


def event(**more: object) -> ControllerEvent:
    given: dict[str, object] = {
        "source": SourceId("press"),
        "equipment": EquipmentId(""),
        "event_id": b"\x01\x00\xff",
        "event_type": "ns=0;i=2915",
        "source_node": "nsu=urn:press;s=oil",
        "source_name": "oil",
        "time_us": 1_790_000_000_000_001,
        "received_us": 1_790_000_000_000_002,
        "message": "Öl zu heiß",
        "severity": 700,
        "condition": "nsu=urn:press;s=hot",
        "active": True,
    }
    return ControllerEvent(**(given | more))  # type: ignore[arg-type]


def test_events_go_through_the_spool_as_they_came() -> None:
    refresh = Refresh(SourceId("press"), 1, 2, ("a|", "b|c"))
    told = (event(), event(event_id=b"2", told=Told.REFRESHED, acknowledged=False, retain=True))
    record = Record(SourceId("press"), empty(), (), (), Mark(5), events=told, refreshes=(refresh,))
    found, before = decode_record(encode_record(record, 7))
    assert before == 7
    assert (found.events, found.refreshes) == (told, (refresh,))
    assert found.kept == 1  # what was told anew is no new event to the ledger
