"""What the clock on the wall brings: silent, disconnected and incomplete sources, without a storm of alarms at each start."""

from __future__ import annotations

from dataclasses import replace

from monitor.alarm_watch import Seen, Sources
from plant.alarms import AlarmEvent, AlarmLife
from plant.signals import SourceId
from storage.alarm_sources import SourceSign
from storage.alarms import Standing
from tests.monitor.alarm_plant import SECOND, robot_site

NOW = 1_800_000_000 * SECOND
FINE = SourceSign(SourceId("plc"), "connected", "", NOW - 3600 * SECOND, SECOND, None, 0, NOW)


def seen(sign: SourceSign, *, begun_us: int = NOW - 3600 * SECOND, active: str = "") -> list[tuple[str, AlarmEvent, int]]:
    """What the signs of life of the robot's source change; ``active``: the alarm that is."""
    alarms = [one for one in robot_site().alarms if one.source is not None and not one.signal]
    standings = {one.id: Standing(n, one, "", False, AlarmLife(active=one.kind.value == active)) for n, one in enumerate(alarms)}
    found: list[Seen] = Sources(alarms, begun_us).look([sign], standings)
    return [(one.alarm.rpartition(":")[2], one.event, one.time_us - NOW) for one in found]


def test_a_source_that_is_connected_and_heard_of_is_fine() -> None:
    assert seen(FINE) == []


def test_a_gateway_that_says_nothing_any_more_is_an_alarm_and_its_last_word_is_none() -> None:
    assert seen(replace(FINE, silent_us=11 * SECOND)) == [("silent", AlarmEvent.ACTIVE, -SECOND)]
    assert seen(replace(FINE, silent_us=3000 * SECOND, state="away")) == [("silent", AlarmEvent.ACTIVE, -2990 * SECOND)]
    assert seen(replace(FINE, silent_us=SECOND), active="silent") == [("silent", AlarmEvent.INACTIVE, 0)]


def test_a_device_that_cannot_be_read_is_another_alarm() -> None:
    assert seen(replace(FINE, state="away", since_us=NOW - 12 * SECOND)) == [("disconnected", AlarmEvent.ACTIVE, -2 * SECOND)]
    assert seen(replace(FINE, state="away", since_us=NOW - 5 * SECOND)) == []
    assert seen(FINE, active="disconnected") == [("disconnected", AlarmEvent.INACTIVE, 0)]


def test_missing_samples_are_an_alarm_until_none_are_missing_for_a_minute() -> None:
    assert seen(replace(FINE, gap_until_us=NOW - 30 * SECOND, missing=7)) == [("gap", AlarmEvent.ACTIVE, -30 * SECOND)]
    assert seen(replace(FINE, gap_until_us=NOW - 61 * SECOND, missing=7), active="gap") == [("gap", AlarmEvent.INACTIVE, 0)]


def test_a_start_of_everything_raises_no_alarm_for_what_was_silent_meanwhile() -> None:
    just = NOW - 2 * SECOND
    assert seen(replace(FINE, silent_us=9000 * SECOND), begun_us=just) == []
    assert seen(replace(FINE, state="stopped", since_us=NOW - 9000 * SECOND), begun_us=just) == []
    assert seen(replace(FINE, state=None, silent_us=None, since_us=None), begun_us=just) == []
    never = seen(replace(FINE, state=None, silent_us=None, since_us=None), begun_us=NOW - 15 * SECOND)
    assert never == [("silent", AlarmEvent.ACTIVE, -5 * SECOND)]


def test_a_monitor_that_starts_anew_does_not_take_an_alarm_back_that_still_is_one() -> None:
    just = NOW - 2 * SECOND
    assert seen(replace(FINE, silent_us=9000 * SECOND), begun_us=just, active="silent") == []
