"""Alarms that controllers tell of, from stored events to the journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alarm_follower import AlarmFollower
from monitor.rerun import rerun_alarms
from monitor.told import alarm_of, heard
from plant.alarms import ActionKind, AlarmEvent, AlarmKind, AlarmState, Priority
from plant.equipment import EquipmentId
from plant.errors import SettingsError
from plant.events import ControllerEvent, Refresh, Told
from plant.settings_events import EventSettings
from plant.signals import SourceId
from plant.site import Site, load_site
from storage import events
from storage.alarms import Standing, ask, read_journal, read_standings
from storage.catalogue import register_site
from storage.database import Connection, connect
from tests.monitor.alarm_parts import ManualClock

SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/press"

[[sources]]
protocol = "opcua"
id = "press"
url = "opc.tcp://127.0.0.1:4840/"
security = { policy = "None", mode = "None" }
allow_insecure = true
read = "events"
events = { alarm_severity = 200, equipment = [{ name = "oil", equipment = "hall/line/press" }] }
"""
PRESS = SourceId("press")
AT = EquipmentId("acme/north/hall/line/press")
T0 = 1_790_000_000_000_000


def told(number: int, seconds: float, **more: object) -> ControllerEvent:
    time_us = T0 + round(seconds * 1e6)
    given: dict[str, object] = {
        "source": PRESS,
        "equipment": AT,
        "event_id": number.to_bytes(4, "big"),
        "event_type": "ns=0;i=2915",
        "source_node": "nsu=urn:press;s=oil",
        "source_name": "oil",
        "time_us": time_us,
        "received_us": time_us + 1000,
        "message": "the oil is hot",
        "severity": 700,
        "condition": "nsu=urn:press;s=hot",
        "condition_name": "OverTemperature",
        "retain": True,
        "active": True,
        "acknowledged": False,
    }
    return ControllerEvent(**(given | more))  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return load_site(file)


@pytest.fixture
def database(database_url: str, site: Site) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        yield connection


def store(database: Connection, *some: ControllerEvent, refresh: Refresh | None = None) -> None:
    with database.transaction(), database.cursor() as cursor:
        events.add(cursor, some, () if refresh is None else (refresh,))


def settle(follower: AlarmFollower, database: Connection) -> None:
    for _ in range(3):
        follower.step(database)


def of_controllers(database: Connection) -> list[Standing]:
    """Those of its sources, which each site has, left aside."""
    return [one for one in read_standings(database) if one.definition.kind is AlarmKind.TOLD]


def the(database: Connection) -> Standing:
    (one,) = of_controllers(database)
    return one


def test_an_alarm_of_a_controller_lives_as_others_do_and_the_journal_is_made_again_the_same(database: Connection, site: Site) -> None:
    clock = ManualClock(T0)
    follower = AlarmFollower(site, clock)
    settle(follower, database)
    store(database, told(1, 0, severity=100), told(2, 1))
    settle(follower, database)
    hot = the(database)
    assert (hot.definition.kind, hot.definition.priority, hot.definition.equipment) == (AlarmKind.TOLD, Priority.HIGH, AT)
    assert (hot.state, hot.text, hot.active_since_us, hot.source_acknowledged) == (
        *(AlarmState.UNACKNOWLEDGED, "the oil is hot", T0 + 1_000_000, False),
    )
    store(database, told(3, 2, acknowledged=True, user="ann", comment="seen it"))
    settle(follower, database)
    hot = the(database)
    assert (hot.state, hot.who, hot.reason, hot.source_acknowledged) == (
        *(AlarmState.ACKNOWLEDGED, "ann at the controller", "seen it", True),
    )
    # the monitor is killed and goes on; a person shelves the alarm, and the controller tells meanwhile that it is over
    follower = AlarmFollower(site, clock)
    clock.sleep(10)
    settle(follower, database)
    ask(database, [hot.definition.id], ActionKind.SHELVE, who="bob", requested_us=clock.us, reason="known", until_us=clock.us + 10**9)
    settle(follower, database)
    assert the(database).state is AlarmState.SHELVED
    store(database, told(4, 20, active=False, retain=False, acknowledged=True, severity=1))
    settle(follower, database)
    ask(database, [hot.definition.id], ActionKind.UNSHELVE, who="bob", requested_us=clock.us)
    clock.sleep(10)
    settle(follower, database)
    assert the(database).state is AlarmState.NORMAL
    assert [entry.event for entry in read_journal(database, alarms=[hot.definition.id])] == [
        *(AlarmEvent.ACTIVE, AlarmEvent.ACTIVE, AlarmEvent.ACKNOWLEDGE, AlarmEvent.SHELVE, AlarmEvent.INACTIVE, AlarmEvent.UNSHELVE),
    ]
    again = rerun_alarms(database, site, T0, clock.us + 10**9)
    assert again.difference is None
    assert again.stored == again.remade >= 6


def test_what_ended_while_nobody_listened_and_what_stood_before_the_first_start_is_known(database: Connection, site: Site) -> None:
    clock = ManualClock(T0)
    store(database, told(1, 1), told(2, 2, condition="nsu=urn:press;s=low", condition_name="OilLow", severity=900))
    follower = AlarmFollower(site, clock)
    settle(follower, database)
    assert {(one.definition.message, one.state, one.definition.priority) for one in of_controllers(database)} == {
        ("OverTemperature (oil)", AlarmState.UNACKNOWLEDGED, Priority.HIGH),
        ("OilLow (oil)", AlarmState.UNACKNOWLEDGED, Priority.URGENT),
    }
    store(database, refresh=Refresh(PRESS, T0 + 60_000_000, T0 + 61_000_000, ("nsu=urn:press;s=low|",)))
    settle(follower, database)
    states = {one.definition.message: one.state for one in of_controllers(database)}
    assert states == {"OverTemperature (oil)": AlarmState.RETURNED, "OilLow (oil)": AlarmState.UNACKNOWLEDGED}
    assert [entry for entry in read_journal(database) if "overtemp" in entry.alarm][-1].reason == "it ended while nobody listened"


def test_what_is_shelved_suppressed_or_below_the_severity_that_counts_is_no_alarm() -> None:
    wanted = {PRESS: EventSettings(alarm_severity=500)}
    quiet = [told(1, 0, severity=499), told(2, 0, suppressed=True), told(3, 0, shelved=True), told(4, 0, enabled=False)]
    plain = [told(5, 0, condition=""), told(6, 0, branch="i=7"), replace(told(7, 0), source=SourceId("other"))]
    assert heard([*quiet, *plain], wanted, (), EquipmentId("acme/north")).definitions == ()
    found = heard([told(8, 0, active=None), told(9, 1, severity=1, active=False)], wanted, (), EquipmentId("acme/north"))
    assert [one.event for one in found.observations] == [AlarmEvent.ACTIVE, AlarmEvent.INACTIVE]


def test_conditions_of_one_name_are_different_alarms() -> None:
    root = EquipmentId("acme/north")
    one, other = alarm_of(told(1, 0), root), alarm_of(told(1, 0, condition="nsu=urn:press;s=warm"), root)
    assert one != other
    assert one.startswith("acme/north/hall/line/press:overtemperature-")
    assert alarm_of(told(1, 0, equipment=EquipmentId("")), root).startswith("acme/north/press:overtemperature-")


def test_an_event_told_twice_is_there_once_and_fields_that_are_not_told_stay(database: Connection) -> None:
    first = told(1, 1, confirmed=False)
    store(database, first, first)
    store(database, told(2, 2, enabled=None, confirmed=None, message="hotter", told=Told.REFRESHED))
    assert len(events.read_events(database, events.WantedEvents())) == 2
    (hot,) = events.read_conditions(database)
    assert (hot.last.message, hot.last.confirmed, hot.active_since_us) == ("hotter", False, T0 + 1_000_000)
    assert events.read_conditions(database, source="other") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('hall/line/press" }]', 'hall/line/oven" }]'), "there is no equipment 'hall/line/oven'"),
        (("alarm_severity = 200", "alarm_severity = 0"), "alarm_severity"),
        (('name = "oil"', 'name = "oil-{1..2}"'), "each name has one equipment"),
        (('read = "events"', 'read = "events"\nread_events = true'), "reads events already"),
        (("alarm_severity = 200", "priorities = { urgent = 100 }"), "urgent must not begin below high"),
    ],
)
def test_settings_of_events_that_cannot_be_meant_are_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    file = tmp_path / "site.toml"
    assert change[0] in SITE
    file.write_text(SITE.replace(*change))
    with pytest.raises(SettingsError, match=said):
        load_site(file)


def test_a_source_that_is_read_cyclically_may_tell_events_too_as_a_source_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE.replace('read = "events"', "read_events = true"))
    site = load_site(file)
    assert [source.id for source in site.sources] == ["press", "press-events"]
    assert [getattr(source, "tells_events", None) for source in site.sources] == [False, True]
