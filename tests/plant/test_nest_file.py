"""Files of parts to be nested: read whole, in their unit; what is wrong is told by its name, and the rest goes on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from plant.errors import SettingsError
from plant.nest_file import read_nest_problem
from plant.nest_pieces import LayersPiece
from plant.nest_shapes import CHORD_MM
from plant.nests import CuttingRules, NestProblem, Shape, StripProblem, area_mm2, rectangle

_GOOD = {"name": "plate", "rectangle": [300, 200], "quantity": 2}


def _file(*parts: object, **more: object) -> str:
    told = {
        "leadhand": "nest-problem/1",
        "name": "week 7",
        "parts": [_GOOD, *parts],
        "sheets": [{"name": "S", "width": 2000, "height": 1000}],
    }
    return json.dumps(told | more)


def _strip(*items: object, **more: object) -> str:
    return json.dumps({"name": "strip", "items": items, "strip_height": 100} | more)


def _item(**more: object) -> dict[str, Any]:
    square = {"type": "simple_polygon", "data": [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]}
    return {"id": 4, "demand": 2, "dxf": "x.dxf", "allowed_orientations": [0, 180], "shape": square} | more


def test_a_file_is_read_whole() -> None:
    told = _file(
        {
            "name": "gusset",
            "outline": [[0, 0], [10, 0], [10, 20]],
            "holes": [[[7, 4], [9, 4], [9, 6]], {"circle": 1, "at": [8, 2]}],
            "quantity": 3,
            "order": "A-17",
            "factory": "cranes",
            "material": "S690QL",
            "thickness": 1.2,
            "rotations": "any",
            "grain": 90,
            "due": "2026-12-24",
            "priority": 9,
        },
        unit="cm",
        rules=[
            {"kerf": 0.2, "gap": 0.8, "margin": 1, "thickness_up_to": 2, "least_remnant": [40, 50]},
            {"kerf": 0.4, "gap": 2, "margin": 2},
        ],
        sheets=[
            {"name": "P1", "width": 200, "height": 100, "quantity": 4, "material": "S690QL", "thickness": 1.2, "grain": 0, "remnant": True}
        ],
    )
    read = read_nest_problem(told)
    assert read.refused == ()
    assert (read.ids, read.numbers, read.unit) == (("plate", "gusset"), (1, 2), "cm")
    problem = read.problem
    assert isinstance(problem, NestProblem)
    part, sheet = problem.parts[1], problem.sheets[0]
    assert part.shape.outline.tolist() == [[0, 0], [100, 0], [100, 200]]
    assert [len(hole) > 2 for hole in part.shape.holes] == [True, True]
    assert (part.quantity, part.order, part.factory, part.material, part.priority) == (3, "A-17", "cranes", "S690QL", 9)
    assert (part.thickness_mm, part.rotations_deg, part.grain_deg) == (12.0, None, 90.0)
    assert part.due_us == 1_798_156_800_000_000, "the end of 24 December"
    assert (sheet.width_mm, sheet.height_mm, sheet.quantity, sheet.thickness_mm, sheet.grain_deg, sheet.remnant) == (
        2000,
        1000,
        4,
        12,
        0,
        True,
    )
    assert problem.rules == (CuttingRules(2, 8, 10, (500, 400), 20), CuttingRules(4, 20, 20))
    assert problem.parts[0].rotations_deg == (0.0, 90.0, 180.0, 270.0)


def test_circles_are_drawn_so_that_nothing_is_cut_into() -> None:
    read = read_nest_problem(_file({"name": "disc", "circle": 500}, {"name": "ring", "ring": [500, 300]}))
    disc, ring = read.problem.parts[1].shape, read.problem.parts[2].shape
    sides = (disc.outline + np.roll(disc.outline, -1, axis=0)) / 2
    assert np.linalg.norm(sides, axis=1).min() >= 250 - 1e-9
    assert np.linalg.norm(disc.outline, axis=1).max() <= 250 + CHORD_MM
    assert np.linalg.norm(ring.holes[0], axis=1).max() <= 150 + 1e-9
    middles = (ring.holes[0] + np.roll(ring.holes[0], -1, axis=0)) / 2
    assert np.linalg.norm(middles, axis=1).min() >= 150 - CHORD_MM
    assert area_mm2(ring) == pytest.approx(np.pi * (250**2 - 150**2), rel=2e-3)


def test_inches_are_understood() -> None:
    part = read_nest_problem(_file(unit="inch", sheets=[])).problem.parts[0]
    assert part.shape.outline.max(axis=0).tolist() == [7620, 5080]


def test_drawings_are_read_by_who_can() -> None:
    asked: list[tuple[str, LayersPiece]] = []

    def drawings(name: str, layers: LayersPiece) -> Shape:
        asked.append((name, layers))
        return rectangle(50.0, 60.0)

    drawn = {"name": "bracket", "dxf": "bracket.dxf", "layers": {"cut": ["CUT*"]}}
    read = read_nest_problem(_file(drawn), drawings=drawings)
    assert area_mm2(read.problem.parts[1].shape) == 3_000
    assert asked == [("bracket.dxf", LayersPiece(cut=["CUT*"]))]
    assert read_nest_problem(_file(drawn)).refused[0].problems == ("dxf: drawings cannot be read here; write the outline",)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"name": "bow", "outline": [[0, 0], [100, 100], [100, 0], [0, 100]]}, "crosses or touches itself"),
        ({"name": "bow", "outline": [[0, 0], [100, 0]]}, "has 2 different corners; at least 3"),
        ({"name": "bow", "outline": []}, "has 0 different corners"),
        ({"name": "bow", "outline": [[0, 0], [1, 2, 3], [4, 5]]}, "outline[2]: List should have at most 2 items"),
        ({"name": "bow", "outline": [[0, 0], ["1", 2], [4, 5]]}, 'outline[2][1]: Input should be a valid number, not "1"'),
        ({"name": "bow", "outline": [[0, 0], [float("nan"), 2], [4, 5]]}, "outline[2][1]: Input should be a finite number, not NaN"),
        ({"name": "bow", "outline": [[0, 0], [1e308, 2], [4, 5]]}, "a corner lies at 1e+308 mm"),
        ({"name": "bow", "outline": [[0, 0], [10**500, 2], [4, 5]]}, "outline[2][1]: Input should be a finite number"),
        ({"name": "bow", "rectangle": [300, -2]}, "rectangle[2]: Input should be greater than 0, not -2"),
        ({"name": "bow", "rectangle": [0.3, 0.2]}, "is 0.3 mm long; a part has 5 mm to 50 m: is the unit right?"),
        ({"name": "bow", "circle": 1e8}, "a diameter of 1e+08 is larger than any plate: is the unit right?"),
        ({"name": "bow", "ring": [100, 200]}, "the inner diameter 200 must be less than the outer 100"),
        ({"name": "bow", "circle": 10, "thickness": 40}, "is 10.2 mm long and 40 mm thick: is the unit right?"),
        ({"name": "bow", "circle": 10, "rectangle": [10, 10]}, "tell its shape in one way"),
        ({"name": "bow"}, "tell its shape in one way: rectangle, outline, circle, ring or dxf; there is none"),
        ({"name": "bow", "circle": 10, "colour": "red"}, "colour: unknown key; docs/nesting.md lists the known ones"),
        ({"name": "bow", "circle": 10, "quantity": -1}, "quantity: Input should be greater than or equal to 0, not -1"),
        ({"name": "bow", "circle": 10, "quantity": 1.5}, "quantity: Input should be a valid integer, not 1.5"),
        ({"name": "bow", "circle": 10, "quantity": "3"}, 'quantity: Input should be a valid integer, not "3"'),
        ({"name": "bow", "circle": 10, "quantity": True}, "quantity: Input should be a valid integer, not true"),
        ({"name": "bow", "circle": 10, "due": "tomorrow"}, "due: write a date or time as 2026-12-24"),
        ({"name": "bow", "circle": 10, "rotations": []}, "rotations"),
        ({"name": "bow", "circle": 10, "layers": {}}, "layers: there is no drawing"),
        ({"name": "bow", "ring": [20, 10], "holes": [[]]}, "a part told by ring has no further holes"),
        ({"name": "b\0w", "circle": 10}, "the character NUL"),
        ("bow", "the part: Input should be"),
        (None, "the part: Input should be"),
        ([[[[]]]], "the part: Input should be"),
    ],
)
def test_a_wrong_part_is_refused_by_name_and_the_rest_goes_on(part: object, words: str) -> None:
    read = read_nest_problem(_file(part, {"name": "disc", "circle": 100}))
    assert read.ids == ("plate", "disc")
    assert read.numbers == (1, 3)
    (refused,) = read.refused
    assert (refused.what, refused.number) == ("part", 2)
    assert words in refused.words(), refused.words()
    assert "part 2" in refused.words()
    if isinstance(part, dict):
        assert part["name"] in refused.words()


def test_a_key_said_twice_is_told_with_its_part() -> None:
    text = _file().replace('"quantity": 2', '"quantity": 2, "quantity": 3')
    read = read_nest_problem(text)
    assert read.problem.parts == ()
    assert read.refused[0].words() == 'part 1 (plate) is left aside: the key "quantity" is there twice in one object'


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (
            {"name": "P", "width": 2.5, "height": 6},
            "sheet 1 (P) is left aside: is 2.5 x 6 mm; a side has 10 to 100,000 mm: is the unit right?",
        ),
        ({"name": "P", "width": "wide", "height": 6}, 'width: Input should be a valid number, not "wide"'),
        ({"name": "P", "width": 1000, "height": 2000, "grain": "x"}, "grain"),
    ],
)
def test_a_wrong_sheet_is_left_aside(sheet: dict[str, object], words: str) -> None:
    read = read_nest_problem(_file(sheets=[sheet, {"name": "good", "width": 1000, "height": 1000}]))
    assert isinstance(read.problem, NestProblem)
    assert [one.name for one in read.problem.sheets] == ["good"]
    assert words in read.refused[0].words()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[1]", 'write "leadhand": "nest-problem/1"'),
        ("{}", 'write "leadhand": "nest-problem/1"'),
        ('{"leadhand": "plan-problem/1", "parts": [], "sheets": []}', 'not "plan-problem/1"'),
        ('{"leadhand": "nest-problem/1", "sheets": []}', "parts: is missing"),
        ('{"leadhand": "nest-problem/1", "parts": [], "sheets": {}}', "sheets: must be a list"),
        (_file(unit="feet"), "unit"),
        (_file(colour=1), "colour: unknown key"),
        (_file(rules=[]), "rules: write thickness_up_to in each but the last"),
        (_file(rules=[{"thickness_up_to": 9}, {"thickness_up_to": 4}, {}]), "rules: write them by rising thickness_up_to"),
        (_file(rules={"kerf": -1}), "kerf"),
        (_file(*[_GOOD | {"quantity": 100_000}] * 11), "asks for 1,100,002 parts; at most 1,000,000 at once"),
        ('{"leadhand": "nest-problem/1", "leadhand": 2}', 'the key "leadhand" is there twice in one object'),
        ("[" * 100_000, "is nested too deeply"),
        (_strip(strip_height="tall"), 'strip_height: write a number above 0, not "tall"'),
        (_strip(strip_height=float("nan")), "strip_height: write a number above 0"),
        (_strip(strip_height=True), "strip_height: write a number above 0"),
        (json.dumps({"items": 3, "strip_height": 3}), "items: must be a list"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_told(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_nest_problem(text, "week.json")
    assert str(caught.value).startswith("week.json: ")
    assert words in str(caught.value)


def test_a_strip_of_sparrow_is_read() -> None:
    hull = [[10, 0], [0, 0], [0, 10]]
    read = read_nest_problem(
        _strip(
            _item(),
            _item(id=5, allowed_orientations=None),
            _item(id=6, allowed_orientations=[]),
            _item(id=7, demand=0),
            _item(id=8, shape={"type": "rectangle", "data": {"x_min": -5, "y_min": 2, "width": 4, "height": 3}}),
            _item(id=9, shape={"type": "polygon", "data": {"outer": [[0, 0], [9, 0], [0, 9]], "inner": [[[1, 1], [2, 1], [1, 2]]]}}),
            {"id": 10, "demand": 1, "shape": {"type": "simple_polygon", "data": hull}},
            {"id": 11, "shape": {"type": "simple_polygon", "data": hull}, "orientation": {"rotation": {"mode": "stepped", "step": 120}}},
        )
    )
    problem = read.problem
    assert isinstance(problem, StripProblem)
    assert (problem.name, problem.height_mm, read.refused, read.unit) == ("strip", 100, (), None)
    assert read.ids == (4, 5, 6, 8, 9, 10, 11)
    assert read.not_asked == ("7",)
    assert [part.rotations_deg for part in problem.parts] == [(0, 180), None, (0,), (0, 180), (0, 180), None, (0, 120, 240)]
    assert problem.parts[0].shape.outline.tolist() == [[0, 0], [10, 0], [10, 10], [0, 10]]
    assert problem.parts[3].shape.outline.min(axis=0).tolist() == [-5, 2]
    assert len(problem.parts[4].shape.holes) == 1
    assert area_mm2(problem.parts[5].shape) == 50, "drawn clockwise, and its last side is not said"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (_item(shape={"type": "simple_polygon", "data": [[0, 0], [1, 1]]}), "has 2 different corners"),
        (
            _item(shape={"type": "simple_polygon", "data": [[0, 0], [300, 0], [300, 300], [0, 300]]}),
            "is 300 high as it may lie, and the strip 100",
        ),
        (_item(shape={"type": "multi_polygon", "data": []}), "shape.type: Input should be 'simple_polygon', 'polygon' or 'rectangle'"),
        (_item(shape={"type": "rectangle", "data": [[0, 0], [1, 0], [1, 1]]}), "data: is none of a rectangle"),
        (_item(demand=-2), "demand: Input should be greater than or equal to 0, not -2"),
        (_item(demand="2"), 'demand: Input should be a valid integer, not "2"'),
        (_item(allowed_orientations=["x"]), "allowed_orientations[1]"),
        (_item(orientation={"rotation": {"mode": "stepped", "step": 7}}), "goes into 360 without a rest"),
        ({"id": 4}, "shape: is missing"),
    ],
)
def test_a_wrong_item_is_refused_and_the_strip_goes_on(item: dict[str, object], words: str) -> None:
    read = read_nest_problem(_strip(item, _item(id=1)))
    assert read.ids == (1,)
    assert read.refused[0].name == "4"
    assert words in read.refused[0].words(), read.refused[0].words()


def test_a_part_that_fits_the_strip_only_aslant_is_kept() -> None:
    tall = _item(shape={"type": "rectangle", "data": {"x_min": 0, "y_min": 0, "width": 5, "height": 140}}, allowed_orientations=None)
    assert read_nest_problem(_strip(tall)).ids == (4,)
    assert read_nest_problem(_strip(tall | {"allowed_orientations": [0]})).ids == ()
