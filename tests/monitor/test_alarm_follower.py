"""Alarms come from what storage received, live by ISA-18.2, and survive whatever happens to the monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.alarm_follower import AlarmFollower
from plant.alarms import ActionKind, AlarmState
from plant.clock import SystemClock
from plant.errors import Unavailable
from storage.alarms import ask, read_actions, read_standings
from storage.feed import read_marks
from storage.progress import read_progress
from tests.ingest.parts import until
from tests.monitor.alarm_parts import ManualClock
from tests.monitor.alarm_plant import SECOND, SOURCE, Plant, alarm, robot_site, without_sources

Start = Callable[..., Plant]


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    """Starts a plant with some rules."""
    begun: list[Plant] = []

    def begin(*rules: dict[str, Any], limits: dict[str, float] | None = None) -> Plant:
        begun.append(Plant(database_url, robot_site(*without_sources(), *rules, limits=limits)))
        return begun[-1]

    yield begin
    for plant in begun:
        plant.close()


CURRENT = {"equipment": "line/cell/robot", "signal": "current"}


def test_a_value_beyond_its_limit_raises_an_alarm_that_lives_until_it_is_seen_and_gone(start: Start) -> None:
    plant = start()
    plant.ship([("current", 100, 70), ("current", 200, 90)], 300)
    plant.step()
    assert plant.told() == [("current:high", "active", "normal", "unacknowledged", 200)]
    [stands] = read_standings(plant.connection, annunciated=True)
    assert (stands.definition.id, stands.value, stands.limit, stands.unit) == (alarm("current:high"), 90, 80, "A")
    ask(plant.connection, [alarm("current:high")], ActionKind.ACKNOWLEDGE, who="ann", requested_us=plant.begin + 250)
    plant.ship([("current", 400, 60)], 500)
    plant.step()
    assert plant.told()[1:] == [
        ("current:high", "acknowledge", "unacknowledged", "acknowledged", 250),
        ("current:high", "inactive", "acknowledged", "normal", 400),
    ]
    assert read_standings(plant.connection, annunciated=True) == []
    [action] = read_actions(plant.connection)
    assert (action.outcome, action.answer) == ("applied", "")


def test_the_monitor_goes_on_after_a_kill_without_a_line_lost_or_twice(start: Start) -> None:
    plant = start({**CURRENT, "kind": "high", "on_delay_seconds": 1})
    plant.ship([("current", 0, 90)], SECOND // 2)
    plant.step()
    plant.restart()
    plant.ship([("current", 1_200_000, 91)], 1_300_000)
    plant.step()
    plant.restart()
    plant.step()
    plant.ship([("current", 1_400_000, 10)], 1_500_000)
    plant.step()
    plant.restart()
    plant.step()
    assert plant.told() == [
        ("current:high", "active", "normal", "unacknowledged", SECOND),
        ("current:high", "inactive", "unacknowledged", "returned", 1_400_000),
    ]
    assert [entry.seq for entry in plant.journal()] == [1, 2]


def test_progress_is_saved_with_the_lines_of_the_journal_and_not_a_moment_later(start: Start) -> None:
    plant = start()
    clock = ManualClock(SystemClock().now_us())
    plant.follower = AlarmFollower(plant.site, clock)  # its clock stands: nothing is saved because time goes by
    plant.ship([("current", 100, 70)], 200)
    plant.step()
    for place in range(1, 4):
        at = place * SECOND
        plant.ship([("current", at, 90 if place % 2 else 10)], at + 100)
        plant.step()
        before = plant.told()
        assert len(before) == place
        known = read_progress(plant.connection, "alarms")
        assert known is not None
        # who goes on from what is stored is behind none of the lines
        assert known.done_us == read_marks(plant.connection)[SOURCE].until_us
        plant.restart()
        plant.step()
        assert plant.told() == before
        plant.follower = AlarmFollower(plant.site, clock)


def test_a_line_of_which_the_progress_could_not_be_saved_is_not_in_the_journal(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = start()
    plant.ship([("current", 100, 70)], 200)
    plant.step()

    def away(*_: object) -> None:
        raise Unavailable("the database is away")

    plant.ship([("current", 300, 90)], 400)
    with monkeypatch.context() as broken:
        broken.setattr("monitor.alarm_follower.write_progress", away)
        with pytest.raises(Unavailable):
            plant.step()
    assert plant.told() == []
    plant.restart()
    plant.step()
    assert plant.told() == [("current:high", "active", "normal", "unacknowledged", 300)]


def test_a_delay_ends_though_the_value_rests(start: Start) -> None:
    plant = start({**CURRENT, "kind": "high", "on_delay_seconds": 1})
    plant.ship([("current", 0, 90)], SECOND // 2)
    plant.step()
    assert plant.told() == []
    plant.ship([], 1_100_000)
    plant.step()
    assert plant.told() == [("current:high", "active", "normal", "unacknowledged", SECOND)]


def test_each_kind_of_alarm_is_raised(start: Start) -> None:
    plant = start(
        {**CURRENT, "kind": "rate", "limit": 50, "window_seconds": 0.1},
        {**CURRENT, "kind": "deviation", "limit": 5, "set_point_signal": "target"},
        {**CURRENT, "kind": "deviation", "limit": 20, "set_point": 40, "name": "off-forty"},
        {"equipment": "line/cell/robot", "signal": "state", "kind": "discrete", "values": [3, 4]},
        {"equipment": "line/cell/robot", "signal": "program", "kind": "discrete", "texts": ["SERVICE", "TEST"]},
    )
    plant.ship(
        [
            *(("current", 0, 50), ("target", 0, 50), ("state", 0, 1), ("program", 0, None, "WELD")),
            *(("current", 100_000, 52), ("target", 150_000, 60), ("state", 160_000, 4), ("program", 170_000, None, "TEST")),
            *(("current", 200_000, 58), ("current", 300_000, 61), ("state", 310_000, 2)),
        ],
        400_000,
    )
    plant.step()
    raised = {(name, event, time) for name, event, _, _, time in plant.told()}
    assert raised == {
        *(("current:deviation", "active", 150_000), ("current:deviation", "inactive", 200_000)),
        *(("current:rate", "active", 200_000), ("current:rate", "inactive", 300_000)),
        ("current:off-forty", "active", 300_000),
        *(("state:discrete", "active", 160_000), ("state:discrete", "inactive", 310_000)),
        ("program:discrete", "active", 170_000),
    }
    shown = {entry.alarm: (entry.value, entry.text) for entry in plant.journal() if entry.active}
    assert shown[alarm("state:discrete")] == (4, None)
    assert shown[alarm("program:discrete")] == (None, "TEST")
    assert shown[alarm("current:rate")][0] == pytest.approx(60)


def test_an_alarm_is_suppressed_by_design_while_its_equipment_is_in_a_state(start: Start) -> None:
    plant = start({**CURRENT, "kind": "high", "suppressed_while": {"signal": "state", "values": [0]}})
    plant.ship([("state", 0, 1), ("current", 0, 50)], 100)
    plant.step()
    plant.ship([("state", 200, 0), ("current", 210, 90), ("current", 300, 50)], 400)
    plant.ship([("current", 500, 95)], 600)
    plant.step()
    plant.ship([("state", 700, 1)], 800)
    plant.step()
    assert [(event, after) for _, event, _, after, _ in plant.told()] == [
        ("suppress", "suppressed"),
        *(("active", "suppressed"), ("inactive", "suppressed"), ("active", "suppressed")),
        ("unsuppress", "unacknowledged"),
    ]


def test_what_a_person_may_not_do_is_answered_and_stands_in_no_journal(start: Start) -> None:
    plant = start({**CURRENT, "kind": "high", "latching": True})
    plant.ship([("current", 0, 90)], 100)
    plant.step()
    [number] = ask(plant.connection, [alarm("current:high")], ActionKind.RESET, who="ann", requested_us=plant.begin + 150)
    plant.step()
    [action] = read_actions(plant.connection, ids=[number])
    assert action.outcome == "rejected"
    assert "only a latched alarm" in action.answer
    assert len(plant.journal()) == 1


def test_a_shelved_alarm_is_heard_again_when_its_time_is_over(start: Start) -> None:
    plant = start()
    plant.ship([("current", 0, 90)], 100)
    plant.step()
    name = [alarm("current:high")]
    # asked long ago, so that its time is over as soon as the monitor looks at the clock again
    ask(plant.connection, name, ActionKind.SHELVE, who="ann", requested_us=plant.begin, until_us=plant.begin + SECOND, reason="test run")
    plant.step()
    assert read_standings(plant.connection, alarms=name)[0].state is AlarmState.SHELVED
    assert read_standings(plant.connection, alarms=name)[0].reason == "test run"
    plant.restart()
    plant.step()
    assert [(event, after, who) for event, after, who in ((e.event.value, e.after.value, e.who) for e in plant.journal())] == [
        ("active", "unacknowledged", ""),
        ("shelve", "shelved", "ann"),
        ("unshelve", "unacknowledged", ""),
    ]


def test_late_samples_are_counted_and_neither_judged_nor_judged_twice(start: Start) -> None:
    plant = start()
    plant.ship([("current", 100, 70)], SECOND)
    plant.step()
    plant.ship([("current", 500_000, 99)], SECOND, late=True)
    plant.ship([("current", 1_100_000, 70)], 2 * SECOND)
    plant.step()
    assert plant.told() == []
    row = plant.connection.execute("SELECT late FROM v_feed").fetchone()
    assert row == (1,)


def test_a_signal_of_which_nothing_comes_is_stale_until_something_does(start: Start) -> None:
    plant = start({**CURRENT, "kind": "stale", "limit": 1})
    plant.ship([("current", 0, 70)], 100)

    def told(lines: int) -> bool:
        plant.step()
        return len(plant.journal()) == lines

    until(lambda: told(1), 60)
    [stale] = plant.journal()
    assert (stale.event.value, stale.time_us) == ("active", plant.begin + plant.lag_us + SECOND)
    plant.restart()
    now = SystemClock().now_us() - plant.begin + 60 * SECOND
    plant.ship([("current", now, 70)], now + 100)
    until(lambda: told(2), 60)
    assert plant.told()[-1][1:4] == ("inactive", "unacknowledged", "returned")
