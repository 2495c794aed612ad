"""Alarms of what the monitor finds: from points of charts and from findings to the journal, and the same again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitor.alarm_follower import AlarmFollower
from monitor.rerun import rerun_alarms
from plant.alarm_found import with_found
from plant.alarms import ActionKind, AlarmEvent, AlarmId, AlarmState, Priority
from plant.condition import Answer
from plant.settings_alarms import AlarmSettings
from plant.site import Site
from storage import charts
from storage import condition as stored
from storage.alarms import Standing, ask, read_journal, read_standings
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.found import read_found_charts
from tests.monitor import condition_stage
from tests.monitor.alarm_parts import ManualClock
from tests.monitor.condition_stage import UNIT, Machine, follow
from tests.monitor.test_control import MILL, bores, charted, pass_time, run, ship_parts
from tests.storage.small_plant import Shipper, an_hour_ago

CHART = AlarmId(f"{MILL}:chart-bore")
CONDITION = AlarmId(f"{UNIT}:condition")
BEYOND = {"equipment": "**", "kind": "chart", "rules": ["beyond_limits"], "priority": "low", "response": "Gauge the next part"}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        yield made


def with_rules(site: Site, *rules: dict[str, Any]) -> Site:
    """A site whose only alarms are those that rules give to its charts and its condition."""
    problems: list[str] = []
    given = [(f"rule {n}", AlarmSettings.model_validate(rule)) for n, rule in enumerate(rules)]
    made = replace(site, alarms=with_found(site.path, (), given, site.charts, site.condition, problems))
    assert not problems
    return made


def look(follower: AlarmFollower, connection: Connection, clock: ManualClock) -> None:
    """Let the monitor look at all that the clock brings, as it does each second."""
    for _ in range(2):
        clock.sleep(6)
        follower.step(connection)


def the(connection: Connection, alarm: AlarmId) -> Standing:
    (one,) = read_standings(connection, alarms=[alarm])
    return one


def told(connection: Connection, alarm: AlarmId) -> list[tuple[AlarmEvent, int, str | None]]:
    return [(entry.event, entry.time_us, entry.text) for entry in read_journal(connection, alarms=[alarm])]


@pytest.mark.parametrize("pieces", [7, 60])
def test_a_chart_out_of_control_is_an_alarm_wherever_its_stream_was_cut_and_whoever_was_killed(connection: Connection, pieces: int) -> None:
    site = with_rules(charted(), BEYOND)
    register_site(connection, site)
    clock = ManualClock(an_hour_ago())
    begin, shipper = an_hour_ago(), Shipper(connection)
    look(AlarmFollower(site, clock), connection, clock)
    values = bores(60, off={12: 5.0, 40: 1.0, 50: 1.2})
    for number in range(0, 60, pieces):
        ship_parts(shipper, begin, values[number : number + pieces], number)
        run(connection, site)
        look(AlarmFollower(site, clock), connection, clock)
    pass_time(shipper, begin, 60)
    run(connection, site)
    look(AlarmFollower(site, clock), connection, clock)
    (chart,) = charts.read_charts(connection)
    time_of = {point.number: point.time_us for point in charts.read_points(connection, chart.id)}
    # part 11, from which limits were learnt, is told on the chart alone; behind each outlier the moving range of the next is beyond too
    assert told(connection, CHART) == [
        (AlarmEvent.ACTIVE, time_of[39], "beyond limits"),
        (AlarmEvent.INACTIVE, time_of[41], None),
        (AlarmEvent.ACTIVE, time_of[49], "beyond limits"),
        (AlarmEvent.INACTIVE, time_of[51], None),
    ]
    standing = the(connection, CHART)
    assert (standing.state, standing.definition.priority, standing.definition.equipment) == (AlarmState.RETURNED, Priority.LOW, MILL)
    assert standing.definition.response == "Gauge the next part"
    ask(connection, [CHART], ActionKind.ACKNOWLEDGE, who="ann", requested_us=clock.us)
    look(AlarmFollower(site, clock), connection, clock)
    assert the(connection, CHART).state is AlarmState.NORMAL
    again = rerun_alarms(connection, site, 0, clock.us + 10**12)
    assert again.difference is None
    assert again.stored == again.remade == 5


def test_only_the_rules_that_count_make_a_chart_an_alarm(connection: Connection) -> None:
    other = {"equipment": "**", "kind": "chart", "name": "trend", "rules": ["six_rising_or_falling"]}
    site = with_rules(charted(), BEYOND, other)
    register_site(connection, site)
    clock = ManualClock(an_hour_ago())
    look(AlarmFollower(site, clock), connection, clock)
    begin, shipper = an_hour_ago(), Shipper(connection)
    rising = [10 + 0.03 * step for step in range(-3, 5)]
    ship_parts(shipper, begin, [*bores(30), *rising])
    pass_time(shipper, begin, 38)
    run(connection, site)
    follower = AlarmFollower(site, clock)
    look(follower, connection, clock)
    assert the(connection, CHART).state is AlarmState.NORMAL
    trend = the(connection, AlarmId(f"{MILL}:trend-bore"))
    assert (trend.state, trend.text) == (AlarmState.UNACKNOWLEDGED, "six rising or falling")


def test_each_spindle_of_a_tool_has_an_alarm_as_soon_as_it_has_a_chart(connection: Connection) -> None:
    torque = {"id": "torque", "equipment": "line/bearing", "tightening": "torque", "low": 900, "high": 1000}
    site = with_rules(charted(torque), BEYOND)
    register_site(connection, site)
    clock = ManualClock(an_hour_ago())
    follower = AlarmFollower(site, clock)
    look(follower, connection, clock)
    (one,) = site.charts
    made = {spindle: charts.register_chart(connection, one, f"{one.id}:{spindle}:1", f"Torque {spindle}", spindle, 1) for spindle in (1, 2)}
    look(follower, connection, clock)
    base = "acme/north/line/bearing:chart-torque"
    assert {s.definition.id for s in read_standings(connection)} == {f"{base}-1-p1", f"{base}-2-p1"}
    limits = charts.Phase(1, 1, clock.us, 1, 1, 1, 950.0, 5.0, 5.0, 935.0, 965.0, None, None, None, "")
    with connection.transaction(), connection.cursor() as cursor:
        charts.write_phase(cursor, made[2], limits)
        point = charts.Point(1, clock.us, 1, 980.0, 980.0, None, 1, None, None, [980.0], ["beyond_limits"], [])
        charts.write_points(cursor, made[2], [point])
    look(follower, connection, clock)
    assert [(s.definition.id, s.state, s.value) for s in read_standings(connection, annunciated=True)] == [
        (f"{base}-2-p1", AlarmState.UNACKNOWLEDGED, 980.0)
    ]
    assert [chart.spindle for chart in read_found_charts(connection, ["torque"])] == [1, 2]


def test_a_machine_that_does_not_work_as_usual_is_an_alarm_until_its_finding_ends(connection: Connection) -> None:
    site = with_rules(condition_stage.site(), {"equipment": "**", "kind": "condition", "severity": "clear", "latching": True})
    machine = Machine(connection, site)
    clock = ManualClock(an_hour_ago())
    look(AlarmFollower(site, clock), connection, clock)
    machine.make([0.0] * 40 + [0.3] * 8)
    follow(connection, site)
    look(AlarmFollower(site, clock), connection, clock)
    (finding,) = stored.read_findings(connection)
    assert finding.severity != "slight"
    standing = the(connection, CONDITION)
    assert (standing.state, standing.text, standing.definition.message) == (
        *(AlarmState.UNACKNOWLEDGED, "O1 · Face", "mill-1 does not work as usual"),
    )
    assert finding.begin_us <= (standing.active_since_us or 0) <= finding.last_us
    stored.add_answer(connection, finding, Answer.FALSE_CALL, "ada", "harder blanks", 1)
    machine.make([0.3] * 3)
    follow(connection, site)
    look(AlarmFollower(site, clock), connection, clock)
    assert the(connection, CONDITION).state is AlarmState.LATCHED_UNACKNOWLEDGED
    assert [event for event, _, _ in told(connection, CONDITION)] == [AlarmEvent.ACTIVE, AlarmEvent.INACTIVE]
    assert rerun_alarms(connection, site, 0, clock.us + 10**15).difference is None


def test_a_rule_that_comes_later_tells_of_what_stands_and_not_of_what_was(connection: Connection) -> None:
    plain = condition_stage.site()
    machine = Machine(connection, plain)
    machine.make([0.0] * 40 + [0.3] * 8 + [0.0] * 20 + [0.3] * 8)
    follow(connection, plain)
    assert [one.end_us is None for one in stored.read_findings(connection)] == [True, False]
    clock = ManualClock(an_hour_ago())
    site = with_rules(plain, {"equipment": "**", "kind": "condition"})
    look(AlarmFollower(site, clock), connection, clock)
    assert [event for event, _, _ in told(connection, CONDITION)] == [AlarmEvent.ACTIVE]
