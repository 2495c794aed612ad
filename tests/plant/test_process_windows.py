"""Process windows: the hard limits, and the one judge of them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.errors import Rejected, SettingsError
from plant.process_windows import Broken, Setpoints, check, parse_windows

WINDOW = """
[[windows]]
work_unit = "robot"
program = "WPS-*"
version = 3
author = "w.engineer"
approver = "q.manager"

[[windows.parameters]]
name = "current"
unit = "A"
low = 200
high = 280
step = 10
rate = 20
dead_band = 1

[[windows.parameters]]
name = "voltage"
unit = "V"
low = 22.0
high = 30.0
step = 0.8
dead_band = 0.1

[[windows.parameters]]
name = "travel_speed"
unit = "mm/min"
low = 300
high = 500
step = 25

[[windows.joint_limits]]
name = "heat_input"
formula = "heat_input"
voltage = "voltage"
current = "current"
speed = "travel_speed"
unit = "kJ/mm"
low = 0.7
high = 1.2

[[windows.responses]]
name = "penetration"
unit = "mm"
low = 3.2
"""
NOW = {"current": 240.0, "voltage": 26.0, "travel_speed": 400.0}
HOUR = 3_600_000_000


def _broken(now: dict[str, float] | None = None, hours: float = 10, **then: float) -> list[tuple[Broken, str]]:
    windows = parse_windows(WINDOW)
    current = Setpoints("robot", "WPS-7", NOW if now is None else now, since_us=0)
    proposal = Setpoints("robot", "WPS-7", {**NOW, **then}, since_us=round(hours * HOUR))
    return [(one.kind, one.name) for one in check(windows, proposal, current)]


def test_what_lies_inside_every_limit_passes() -> None:
    assert _broken() == []
    assert _broken(current=250.0, voltage=26.8, travel_speed=375.0) == []


def test_each_limit_that_is_broken_is_named() -> None:
    assert _broken(now={**NOW, "current": 279.0}, current=281.0) == [(Broken.ABOVE, "current")]
    assert _broken(now={**NOW, "current": 201.0}, current=199.0) == [(Broken.BELOW, "current")]
    assert _broken(current=251.0) == [(Broken.STEP, "current")]
    assert _broken(current=240.5) == [(Broken.DEAD_BAND, "current")]
    assert _broken(hours=0.25, current=246.0) == [(Broken.RATE, "current")]
    assert _broken(current=math.nan) == [(Broken.NO_NUMBER, "current")]
    assert _broken(wire=3.0) == [(Broken.UNKNOWN_PARAMETER, "wire")]


def test_heat_input_ties_parameters_that_are_each_inside() -> None:
    now = {"current": 270.0, "voltage": 29.5, "travel_speed": 400.0}
    assert _broken(now=now, **{**now, "current": 275.0}) == [(Broken.JOINT_LIMIT, "heat_input")]


def test_a_change_is_counted_as_a_person_subtracts() -> None:
    now = {**NOW, "voltage": 26.3}
    assert 26.2 - 26.3 != -0.1  # in binary
    assert _broken(now=now, voltage=26.2) == []
    assert _broken(now=now, voltage=27.1) == []


def test_every_sentence_about_a_broken_limit_can_be_said() -> None:
    found = check(parse_windows(WINDOW), Setpoints("robot", "WPS-7", {"current": 999.0, "x": 1.0}, window_version=2), None)
    assert {one.kind for one in found} == {Broken.OTHER_VERSION, Broken.UNKNOWN_PARAMETER, Broken.ABOVE, Broken.MISSING_PARAMETER}
    assert any("current would be 999 A, above 280 A" in one.words for one in found)


def test_what_has_no_window_is_never_allowed() -> None:
    found = check(parse_windows(WINDOW), Setpoints("press", "P-1", NOW), None)
    assert [one.kind for one in found] == [Broken.NO_WINDOW]


def test_a_proposal_for_an_older_window_is_refused() -> None:
    found = check(parse_windows(WINDOW), Setpoints("robot", "WPS-7", NOW, window_version=2), None)
    assert [one.kind for one in found] == [Broken.OTHER_VERSION]


def test_a_proposal_is_never_judged_against_another_program() -> None:
    found = check(parse_windows(WINDOW), Setpoints("robot", "WPS-7", NOW), Setpoints("robot", "WPS-8", NOW))
    assert [one.kind for one in found] == [Broken.OTHER_TARGET]


def test_nobody_approves_what_he_wrote() -> None:
    with pytest.raises(SettingsError, match="another person than 'author'"):
        parse_windows(WINDOW.replace("q.manager", "W.Engineer "))


@pytest.mark.parametrize(
    ("said", "instead", "told"),
    [
        ("low = 200", "low = 280", r"windows\[1\].parameters\[1\]: low \(280\) must be below high"),
        ("high = 280", "high = inf", r"parameters\[1\].high: Input should be a finite number"),
        ("high = 280", 'high = "280"', r"parameters\[1\].high: Input should be a valid number"),
        ("rate = 20", "rat = 20", r"parameters\[1\].rat: Extra inputs are not permitted"),
        ("dead_band = 1\n", "dead_band = 11\n", "must not be above step"),
        ('current = "current"', 'current = "amps"', "there is no parameter 'amps'"),
        ('speed = "travel_speed"\n', "", "formula 'heat_input' needs 'speed'"),
        ('name = "penetration"', 'name = "voltage"', "has the name of another one or of a parameter"),
        ("version = 3", "version = 0", "windows.*version: Input should be greater"),
        ("[[windows]]", "[windows", "no TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_key(said: str, instead: str, told: str) -> None:
    assert said in WINDOW
    with pytest.raises(SettingsError, match=told):
        parse_windows(WINDOW.replace(said, instead, 1))


def test_two_windows_for_the_same_program_are_refused_and_the_more_exact_one_holds() -> None:
    with pytest.raises(SettingsError, match="keep the newest version only"):
        parse_windows(WINDOW + WINDOW)
    windows = parse_windows(WINDOW + WINDOW.replace("WPS-*", "WPS-7").replace("version = 3", "version = 9"))
    assert windows.of("robot", "WPS-7").version == 9
    assert windows.of("robot", "WPS-8").version == 3
    with pytest.raises(Rejected, match="two process windows hold alike"):
        parse_windows(WINDOW + WINDOW.replace("WPS-*", "*-WPS")).of("robot", "WPS-WPS")


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 3))
def test_whatever_number_comes_the_judge_answers_and_nothing_outside_passes(values: tuple[float, ...]) -> None:
    proposed = dict(zip(NOW, values, strict=True))
    found = check(parse_windows(WINDOW), Setpoints("robot", "WPS-7", proposed), None)
    inside = 200 <= values[0] <= 280 and 22 <= values[1] <= 30 and 300 <= values[2] <= 500
    assert inside or found
