"""Alarms of a site by its settings: defaults from limits and sources, and rules that change them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from plant.alarms import FOUND, AlarmDefinition, AlarmKind, Priority, Suppression
from plant.errors import SettingsError
from plant.settings import SiteFile
from plant.signals import SignalPath
from plant.site import site_of

ROBOT = "acme/north/line/cell/robot-1"


def settings(*rules: dict[str, Any]) -> SiteFile:
    """Two robots with a current, a target for it, a state and a program, and some rules."""
    of_robots = {"equipment": "line/cell/*", "source": "plc"}
    limits = {"low": 10, "high": 80, "high_high": 90}
    return SiteFile.model_validate(
        {
            "site": {"enterprise": "acme", "id": "north"},
            "equipment": [{"path": "line/cell/robot-{1..2}"}],
            "sources": [{"protocol": "opcua", "id": "plc", "url": "opc.tcp://plc:4840"}],
            "signals": [
                {**of_robots, "name": "current", "address": "{unit}.c", "range": {"low": 0, "high": 100}, "limits": limits},
                {**of_robots, "name": "target", "address": "{unit}.t"},
                {**of_robots, "name": "state", "address": "{unit}.s", "data_type": "int32"},
                {**of_robots, "name": "program", "address": "{unit}.p", "data_type": "string"},
            ],
            "alarms": list(rules),
        }
    )


def alarms(*rules: dict[str, Any]) -> dict[str, AlarmDefinition]:
    """The alarms, by their ids below the site."""
    return {alarm.id.removeprefix("acme/north/"): alarm for alarm in site_of(settings(*rules)).alarms}


CURRENT = {"equipment": "line/cell/robot-1", "signal": "current"}


def test_limits_and_sources_give_alarms_without_any_rule() -> None:
    found = alarms()
    assert [name for name in found if "/" not in name] == ["plc:silent", "plc:disconnected", "plc:gap"]
    assert [name.partition("robot-1/")[2] for name in found if "robot-1" in name] == ["current:high_high", "current:high", "current:low"]
    high = found["line/cell/robot-1/current:high"]
    assert (high.kind, high.limit, high.deadband, high.priority) == (AlarmKind.HIGH, 80, 1.0, Priority.MEDIUM)
    assert (high.equipment, high.source) == (ROBOT, "plc")


def test_a_rule_changes_only_what_it_says_and_only_of_what_fits() -> None:
    rule = {**CURRENT, "kind": "high", "priority": "urgent", "on_delay_seconds": 2, "message": "{unit} draws too much", "latching": True}
    found = alarms(rule)
    changed, other = found["line/cell/robot-1/current:high"], found["line/cell/robot-2/current:high"]
    assert (changed.limit, changed.on_delay_us, changed.priority, changed.latching) == (80, 2_000_000, Priority.URGENT, True)
    assert changed.message == "robot-1 draws too much"
    assert (other.on_delay_us, other.priority, other.message) == (0, Priority.MEDIUM, "")


def test_a_later_rule_goes_on_from_an_earlier_one_and_may_take_an_alarm_away() -> None:
    everywhere = {"equipment": "**", "signal": "current", "kind": "high", "limit": 70}
    found = alarms(everywhere, {**CURRENT, "kind": "high", "deadband": 3}, {**CURRENT, "kind": "low", "enabled": False})
    changed = found["line/cell/robot-1/current:high"]
    assert (changed.limit, changed.deadband) == (70, 3)
    assert "line/cell/robot-1/current:low" not in found
    assert "line/cell/robot-2/current:low" in found


def test_each_kind_takes_what_it_needs() -> None:
    found = alarms(
        {**CURRENT, "kind": "rate", "limit": 5, "window_seconds": 2},
        {**CURRENT, "kind": "deviation", "limit": 4, "set_point_signal": "target"},
        {**CURRENT, "kind": "stale", "limit": 5},
        {"equipment": "**", "signal": "state", "kind": "discrete", "values": [3, 4], "name": "fault"},
        {"equipment": "**", "signal": "program", "kind": "discrete", "texts": ["SERVICE"]},
        {**CURRENT, "kind": "high", "suppressed_while": {"signal": "state", "values": [0]}},
        {"source": "p*", "kind": "silent", "limit": 30},
    )
    at = "line/cell/robot-1"
    assert found[f"{at}/current:rate"].window_us == 2_000_000
    assert found[f"{at}/current:deviation"].set_point_signal == f"{ROBOT}/target"
    assert found[f"{at}/current:stale"].limit == 5
    assert found[f"{at}/state:fault"].values == (3, 4)
    assert found["line/cell/robot-2/program:discrete"].texts == ("SERVICE",)
    assert found[f"{at}/current:high"].suppressed_while == Suppression(SignalPath(f"{ROBOT}/state"), (0,))
    assert found["plc:silent"].limit == 30


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"equipment": "nowhere/*", "signal": "current", "kind": "high", "limit": 1}, "no equipment with signals fits 'nowhere/*'"),
        ({"equipment": "**", "signal": "curent", "kind": "high", "limit": 1}, "no signal there fits 'curent'; there is e.g. 'current'"),
        ({**CURRENT, "kind": "low_low"}, "alarms[1].limit: is missing"),
        ({**CURRENT, "kind": "high", "limit": 95}, "must rise"),
        ({**CURRENT, "kind": "deviation", "limit": 4}, "give 'set_point' or 'set_point_signal'"),
        ({**CURRENT, "kind": "deviation", "limit": 4, "set_point_signal": "goal"}, f"there is no signal '{ROBOT}/goal'"),
        (
            {**CURRENT, "kind": "high", "suppressed_while": {"signal": "status", "values": [0]}},
            "alarms[1].suppressed_while.signal: there is",
        ),
        ({"equipment": "**", "signal": "program", "kind": "high", "limit": 1}, "is a text: it can be discrete or stale only"),
        ({"equipment": "**", "signal": "state", "kind": "discrete"}, "give values of"),
        ({**CURRENT, "kind": "rate", "limit": 1, "name": "high"}, "is of the kind 'high' already"),
        ({"source": "robots", "kind": "silent"}, "alarms[1].source: no source fits 'robots'; the file names: plc"),
    ],
)
def test_a_rule_that_cannot_be_meant_names_its_place_and_what_is_wrong(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as error:
        site_of(settings(rule))
    assert words in str(error.value)
    assert "settings: alarms[1]" in str(error.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"equipment": "**", "kind": "high"}, "give 'equipment' and 'signal'"),
        ({**CURRENT, "kind": "silent"}, "give 'source'"),
        ({**CURRENT, "kind": "high", "values": [1]}, "'values' means nothing for the kind 'high'"),
        ({**CURRENT, "kind": "stale", "limit": 0}, "must be above 0"),
        ({**CURRENT, "kind": "stale", "limit": 5, "on_delay_seconds": 1}, "has no delays"),
        ({**CURRENT, "kind": "discrete", "values": [1], "deadband": 1}, "'deadband' means nothing"),
        ({**CURRENT, "kind": "high", "suppressed_while": {"signal": "state"}}, "give 'values' or 'texts'"),
        ({**CURRENT, "kind": "high", "limit": 1, "prority": "low"}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings(rule)
    assert words in str(error.value)


FOUND_ON = {
    "charts": [{"id": "current", "equipment": "line/cell/*", "signal": "current", "every_seconds": 60, "rules": "western_electric"}],
    "condition": [{"equipment": "line/cell/robot-1", "signals": ["current"], "parts": "program"}],
}


def found_alarms(*rules: dict[str, Any]) -> dict[str, AlarmDefinition]:
    whole = settings(*rules).model_dump(exclude_unset=True) | FOUND_ON
    return {alarm.id.removeprefix("acme/north/line/cell/"): alarm for alarm in site_of(SiteFile.model_validate(whole)).alarms}


def test_charts_and_condition_are_alarms_where_a_rule_says_so_and_nowhere_else() -> None:
    assert not any(alarm.kind in FOUND for alarm in found_alarms().values())
    found = found_alarms(
        {"equipment": "**", "kind": "chart", "priority": "low", "message": "{chart} of {unit}"},
        {"equipment": "**/robot-2", "kind": "chart", "chart": "cur*", "rules": ["beyond_limits"], "latching": True},
        {"equipment": "**", "kind": "condition", "severity": "clear"},
    )
    one, two = found["robot-1:chart-current"], found["robot-2:chart-current"]
    assert (one.priority, one.texts, one.chart, one.latching) == (Priority.LOW, (), f"current:{ROBOT}", False)
    assert (two.priority, two.texts, two.latching) == (Priority.LOW, ("beyond_limits",), True)
    wear = found["robot-1:condition"]
    assert (wear.texts, wear.message) == (("clear", "strong"), "robot-1 does not work as usual")
    assert "robot-2:condition" not in found
    away = found_alarms({"equipment": "**", "kind": "chart"}, {"equipment": "**/robot-1", "kind": "chart", "enabled": False})
    assert [name for name, alarm in away.items() if alarm.kind is AlarmKind.CHART] == ["robot-2:chart-current"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"equipment": "paint/**", "kind": "chart"}, "no chart '*' of equipment that fits 'paint/**'; there is e.g. 'current' of"),
        ({"equipment": "**/robot-2", "kind": "condition"}, "no equipment that [[condition]] watches fits"),
        ({"equipment": "**", "kind": "chart", "rules": ["nine_on_one_side"]}, "is judged by 'western_electric', which has none of them"),
    ],
)
def test_a_rule_for_what_is_found_that_can_never_hold_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        found_alarms(rule)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"equipment": "**", "signal": "current", "kind": "chart"}, "give 'equipment', not 'signal' or 'source'"),
        ({"equipment": "**", "kind": "chart", "limit": 3}, "'limit' means nothing for the kind 'chart'"),
        ({"equipment": "**", "kind": "chart", "severity": "clear"}, "'severity' means nothing for the kind 'chart'"),
        ({**CURRENT, "kind": "high", "rules": ["beyond_limits"]}, "'rules' means nothing for the kind 'high'"),
    ],
)
def test_keys_that_mean_nothing_for_what_is_found_are_named(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(rule)
    assert words in str(caught.value)
