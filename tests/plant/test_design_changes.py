"""Design changes: read strictly, compared with what is in force, effective by serial."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.design_changes import (
    EFFECT_WORDS,
    ChangeStage,
    DesignChange,
    InForce,
    Limits,
    change_problems,
    effects,
    new_product,
    read_design_change,
    stage_of,
    stations_of,
    version_for,
)
from plant.errors import SettingsError
from plant.network_file import network_of
from plant.products import Product

NETWORK = network_of(
    {
        "leadhand": "network/1",
        "name": "arms",
        "features": [
            {"name": "plate_mm", "unit": "mm", "kind": "number"},
            {"name": "grade", "unit": "", "kind": "category"},
        ],
        "operations": [
            {
                "id": "cut",
                "stage": "cutting",
                "alternatives": [
                    {"id": "cut-laser", "work_unit": "laser-1", "program": "L1"},
                    {"id": "cut-plasma", "work_unit": "plasma-1"},
                ],
            },
            {
                "id": "weld",
                "stage": "welding",
                "alternatives": [{"id": "weld-robot", "work_unit": "robot-2", "program": "W7"}],
            },
            {"id": "drill", "stage": "machining", "alternatives": [{"id": "drill-cnc", "work_unit": "cnc-1"}]},
        ],
        "network": {"sequence": ["cut", {"one_of": [{"sequence": ["weld"]}, {"sequence": ["weld", "drill"]}]}]},
        "rules": [
            {
                "id": "R1",
                "text": "the laser cuts 20 mm at most",
                "if": {"feature": "plate_mm", "above": 20},
                "remove": {"work_unit": "laser-1"},
            }
        ],
        "cost": {"per_minute": 1, "per_kwh": 0.2, "per_wear": 1, "rework_fixed_min": 5, "rework_share": 0.5, "risk_aversion": 0.1},
        "routes": [{"id": "A", "product": "ARM-1", "alternatives": ["cut-laser", "weld-robot"]}],
        "current": {"ARM-1": "A"},
    }
)
NOW = InForce(
    NETWORK,
    Product("ARM-1", "arms", {"plate_mm": 16.0, "grade": "S355"}),
    {("bolting-1", 11): (Limits(low=900, high=1000), None)},
    {("camera-1", "seam", "seam.level"): "C"},
)
LEAST: dict[str, Any] = {"number": "DC-1", "product": "ARM-1", "version": "B", "effective_from": "EX-100"}


def test_the_example_of_the_documentation_is_a_design_change() -> None:
    text = (Path(__file__).parents[2] / "docs" / "recommendations.md").read_text("utf-8")
    told = read_design_change(json.loads(text.split("```json\n")[1].split("```")[0]))
    assert (told.number, told.features, told.tightening[0].program) == ("DC-2031", {"plate_mm": 28}, 11)


def change(**told: Any) -> DesignChange:
    return read_design_change({**LEAST, **told})


def codes(told: DesignChange, now: InForce = NOW) -> list[str]:
    return [effect.code for effect in effects(told, now)]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "it changes nothing"),
        ({"colour": "red", "features": {"plate_mm": 1}}, "colour: Extra inputs are not permitted"),
        ({"features": {"plate_mm": float("nan")}}, "features.plate_mm"),
        ({"features": {"plate_mm": "a\0b"}}, "features.plate_mm"),
        ({"tightening": [{"station": "s", "program": 1}]}, "give 'torque_nm' or 'angle_deg'"),
        ({"tightening": [{"station": "s", "program": 1, "torque_nm": {"low": 9, "high": 9}}]}, "must lie below high"),
        ({"operations_added": ["cut"], "operations_removed": ["cut"]}, "'cut' is added and removed"),
        ({"leadhand": "design-change/2", "features": {"plate_mm": 1}}, "leadhand"),
    ],
)
def test_a_change_is_read_strictly_and_each_fault_is_said_by_its_key(told: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        change(**told)
    assert words in "\n".join(caught.value.problems)


def test_what_the_plant_does_not_know_is_said() -> None:
    told = change(features={"weight": 5, "grade": 3, "plate_mm": "thick"}, operations_removed=["paint"], programs={"mill": "M1"})
    problems = change_problems(told, NOW)
    for words in (
        "features.weight: is no feature",
        "features.grade: write a text",
        "features.plate_mm: write a number",
        "'paint'",
        "'mill'",
    ):
        assert any(words in problem for problem in problems), words
    assert change_problems(change(features={"plate_mm": 12}), NOW) == []
    assert "no process network" in change_problems(change(features={"plate_mm": 12}), InForce())[0]
    unknown = read_design_change({**LEAST, "product": "NEW", "features": {"plate_mm": 12}})
    assert "no station is known that makes 'NEW'" in change_problems(unknown, NOW)[0]


def test_a_thicker_plate_forbids_the_laser_that_the_current_route_uses() -> None:
    told = change(features={"plate_mm": 25})
    assert codes(told) == ["step_forbidden", "feature"]
    forbidden, thicker = effects(told, NOW)
    assert (forbidden.values["rule"], forbidden.values["alternative"], forbidden.stations) == ("R1", "cut-laser", ("laser-1",))
    assert EFFECT_WORDS["feature"].format(**thicker.values) == "plate_mm becomes 25 instead of 16."
    after = new_product(told, NOW)
    assert after == Product("ARM-1@B", "arms", {"plate_mm": 25, "grade": "S355"})
    back = effects(change(features={"plate_mm": 16}), replace(NOW, product=after))
    assert "alternative_allowed" in [effect.code for effect in back]


def test_each_kind_of_change_is_told_against_what_is_in_force() -> None:
    told = change(
        operations_added=["drill"],
        operations_removed=["weld"],
        alternatives_removed=["cut-laser", "cut-plasma"],
        programs={"weld-robot": "W8", "cut-plasma": "P1", "cut-laser": "L1"},
        tightening=[
            {"station": "bolting-1", "program": 11, "torque_nm": {"low": 950, "high": 1050}, "angle_deg": {"low": 20, "high": 60}},
        ],
        vision=[{"station": "camera-1", "view": "seam", "setting": "seam.level", "value": "B"}],
    )
    assert sorted(codes(told)) == sorted(
        [
            *("operation_added", "operation_removed", "step_removed", "alternative_removed", "program", "program_first", "torque"),
            *("angle_first", "vision"),
        ]
    )
    assert all(EFFECT_WORDS[one.code].format(**one.values) for one in effects(told, NOW))
    torque = next(one for one in effects(told, NOW) if one.code == "torque")
    assert (
        EFFECT_WORDS["torque"].format(**torque.values)
        == "Torque of program 11 at bolting-1: 950\N{EN DASH}1050 N·m instead of 900\N{EN DASH}1000."
    )


def test_what_is_so_already_is_no_effect() -> None:
    told = change(
        features={"plate_mm": 16},
        programs={"cut-laser": "L1"},
        tightening=[{"station": "bolting-1", "program": 11, "torque_nm": {"low": 900, "high": 1000}}],
        vision=[{"station": "camera-1", "view": "seam", "setting": "seam.level", "value": "C"}],
    )
    assert codes(told) == []


def test_stations_of_the_current_route_those_touched_and_those_named_must_acknowledge() -> None:
    told = change(features={"grade": "S690"}, operations_added=["drill"], stations=["store-1", "robot-2"])
    assert stations_of(told, NOW) == ("laser-1", "robot-2", "cnc-1", "store-1")


def test_a_change_is_in_force_when_all_acknowledged_and_refused_when_one_refuses() -> None:
    assert stage_of([True, None]) is ChangeStage.WAITING
    assert stage_of([True, True]) is ChangeStage.IN_FORCE
    assert stage_of([True, False, None]) is ChangeStage.REFUSED


@pytest.mark.parametrize(
    ("serial", "version"),
    [
        ("EX-9", None),
        ("EX-10", "B"),
        ("EX-99", "B"),
        ("EX-100", "C"),
        ("EX-00100", "C"),
        ("EX-1000", "C"),
        ("EX-1000-2", None),
        ("WL-1000", None),
        ("", None),
    ],
)
def test_the_version_of_a_serial_is_the_last_one_that_began_before_it(serial: str, version: str | None) -> None:
    assert version_for(serial, [("EX-100", "C"), ("EX-10", "B")]) == version


def test_of_two_changes_from_the_same_serial_the_later_one_holds() -> None:
    assert version_for("EX-7", [("EX-5", "B"), ("EX-5", "C")]) == "C"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.integers(0, 10**9))
def test_a_later_serial_never_has_an_earlier_beginning(begins: list[int], serial: int) -> None:
    found = version_for(f"A{serial}", [(f"A{begin}", str(begin)) for begin in begins])
    due = [begin for begin in begins if begin <= serial]
    assert found == (str(max(due)) if due else None)
