"""Alarms of what delivery cannot mend by itself, from its rows to the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.alarm_follower import AlarmFollower, make_alarms
from monitor.rerun import rerun_alarms
from plant.alarms import AlarmEvent, AlarmState, Priority
from plant.site import Site, load_site
from storage.alarms import Standing, read_journal, read_standings
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.delivery_troubles import StandingTrouble, TroubleKind, add_troubles
from tests.monitor.alarm_parts import ManualClock

SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/weld-1"

[delivery]
[[delivery.controllers]]
way = "rest"
id = "cell"
work_units = ["*"]
"""
T0 = 1_790_000_000_000_000
LOST = "acme/north/hall/line/weld-1:delivery-heartbeat"


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


def trouble(kind: TroubleKind, seconds: float, *, active: bool = True, unit: str = "weld-1", words: str = "") -> StandingTrouble:
    return StandingTrouble(unit, kind, active, T0 + round(seconds * 1e6), words)


def judged(site: Site, database: Connection) -> dict[str, Standing]:
    follower = AlarmFollower(site, ManualClock(T0))
    for _ in range(3):
        follower.step(database)
    return {one.definition.id: one for one in read_standings(database)}


def test_a_site_that_delivers_has_alarms_though_it_names_none(site: Site) -> None:
    assert not site.sources
    assert make_alarms(site, ManualClock(T0)) is not None


def test_a_lost_controller_is_an_alarm_until_it_is_heard_again(site: Site, database: Connection) -> None:
    follower = AlarmFollower(site, ManualClock(T0))
    follower.step(database)
    add_troubles(database, [trouble(TroubleKind.HEARTBEAT, 1, words="its controller is not heard any more")])
    follower.step(database)
    (lost,) = read_standings(database)
    assert (lost.definition.id, lost.life.state, lost.definition.priority) == (LOST, AlarmState.UNACKNOWLEDGED, Priority.MEDIUM)
    assert (lost.active_since_us, lost.definition.equipment) == (T0 + 1_000_000, "acme/north/hall/line/weld-1")
    assert "weld-1" in lost.definition.message
    assert lost.definition.response
    add_troubles(database, [trouble(TroubleKind.HEARTBEAT, 9, active=False)])
    follower.step(database)
    (lost,) = read_standings(database)
    assert lost.life.state is AlarmState.RETURNED


def test_what_began_before_the_monitor_ran_is_told_once_and_goes_on_after_a_restart(site: Site, database: Connection) -> None:
    begun = [trouble(TroubleKind.HEARTBEAT, 1), trouble(TroubleKind.IN_DOUBT, 2, unit="press-9"), trouble(TroubleKind.COUNTER, 3)]
    add_troubles(database, [*begun, trouble(TroubleKind.COUNTER, 4, active=False)])
    first = judged(site, database)
    assert {name for name, one in first.items() if one.life.active} == {LOST, "acme/north/press-9:delivery-in-doubt"}
    assert judged(site, database).keys() == first.keys()
    add_troubles(database, [trouble(TroubleKind.IN_DOUBT, 5, active=False, unit="press-9")])
    assert not judged(site, database)["acme/north/press-9:delivery-in-doubt"].life.active
    events = [(str(one.alarm), one.event) for one in read_journal(database)]
    assert events.count((LOST, AlarmEvent.ACTIVE)) == 1
    assert events.count(("acme/north/press-9:delivery-in-doubt", AlarmEvent.ACTIVE)) == 1


def test_judged_again_the_journal_is_the_same(site: Site, database: Connection) -> None:
    follower = AlarmFollower(site, ManualClock(T0))
    follower.step(database)
    add_troubles(database, [trouble(TroubleKind.MODE_DROP, 1, words="read_back"), trouble(TroubleKind.READ_BACK, 2)])
    follower.step(database)
    add_troubles(database, [trouble(TroubleKind.READ_BACK, 3, active=False)])
    follower.step(database)
    again = rerun_alarms(database, site, T0, T0 + 60_000_000)
    assert again.stored == again.remade == 3
    assert again.difference is None
