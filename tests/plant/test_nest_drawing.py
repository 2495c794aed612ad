"""Cut sheets as SVG: all that lies there is drawn where it lies, and names that people wrote cannot break out of the drawing."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from plant.nest_drawing import Theme, as_sheet, label_spot, sheet_svg
from plant.nests import (
    CutSheet,
    CuttingRules,
    NestPart,
    NestProblem,
    PackedStrip,
    Placements,
    Rectangle,
    Shape,
    StockSheet,
    StripProblem,
    rectangle,
)

_FRAME = Shape(rectangle(600.0, 600.0).outline, (rectangle(400.0, 400.0).outline[::-1] + 100.0,))
_PROBLEM = NestProblem(
    "week",
    (
        NestPart("frame", _FRAME, 1, order="A-17", factory="cranes"),
        NestPart("<b>&plate that has a long name", rectangle(300.0, 200.0), 2, factory="pumps"),
    ),
    (StockSheet("S & P", 2000.0, 1000.0, 1),),
    (CuttingRules(margin_mm=10.0),),
)
_CUT = CutSheet(
    0,
    3,
    Placements(np.array([0, 1, 1], np.int32), np.array([10.0, 150, 900]), np.array([10.0, 150, 500]), np.array([0.0, 0, 90])),
    (Rectangle(1600.0, 0.0, 400.0, 1000.0),),
)
_SVG = "{http://www.w3.org/2000/svg}"


def _drawn(problem: NestProblem = _PROBLEM, *, theme: Theme = "auto", labels: bool = True) -> ET.Element:
    return ET.fromstring(sheet_svg(problem, _CUT, theme=theme, labels=labels))  # noqa: S314 - our own drawing


def test_each_part_is_drawn_where_it_lies_with_its_holes_open() -> None:
    paths = [one for one in _drawn().iter(f"{_SVG}path") if "part" in one.get("class", "")]
    assert len(paths) == 3
    assert paths[0].get("d") == "M10 990L610 990 610 390 10 390ZM110 490L510 490 510 890 110 890Z"
    corners = [tuple(map(float, one.split())) for one in re.findall(r"[\d.]+ [\d.]+", paths[2].get("d", ""))]
    assert corners == [(900, 500), (900, 200), (700, 200), (700, 500)], "turned by 90 degrees, and y goes up"


def test_factories_have_colours_of_their_own_and_parts_their_words() -> None:
    paths = list(_drawn().iter(f"{_SVG}path"))
    assert [one.get("class") for one in paths] == ["part f0", "part f1", "part f1"]
    titles = [one.findtext(f"{_SVG}title") for one in paths]
    assert titles[0] == "frame · order A-17 · cranes · at 10.0, 10.0 mm, turned 0°"
    shown = [one.text for one in _drawn().iter(f"{_SVG}text")]
    assert "<b>&plate that ha…" in shown
    assert {"cranes", "pumps", "400 x 1000", "S & P, 2000 x 1000 mm"} <= set(shown)
    assert not list(_drawn(labels=False).iter(f"{_SVG}b"))


def test_remnants_and_the_margin_are_drawn() -> None:
    boxes = {one.get("class"): one for one in _drawn(labels=False).iter(f"{_SVG}rect")}
    remnant, margin = boxes["remnant"], boxes["margin"]
    assert [remnant.get(key) for key in ("x", "y", "width", "height")] == ["1600", "0", "400", "1000"]
    assert [margin.get(key) for key in ("x", "y", "width", "height")] == ["10", "10", "1980", "980"]


@pytest.mark.parametrize(("theme", "asks"), [("auto", True), ("light", False), ("dark", False)])
def test_a_drawing_follows_the_light_of_the_room_where_asked(theme: Theme, asks: bool) -> None:
    text = sheet_svg(_PROBLEM, _CUT, theme=theme)
    assert ("prefers-color-scheme:dark" in text) == asks
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_label_stands_well_inside_also_beside_a_hole() -> None:
    x, y, far = label_spot(_FRAME)
    assert far > 25
    assert not (100 < x < 500 and 100 < y < 500)
    assert label_spot(rectangle(900.0, 90.0)) == (450, 45, 45)
    text = next(one for one in _drawn().iter(f"{_SVG}text") if one.text == "frame")
    assert 0 < float(text.get("font-size", "")) < 100


def test_a_strip_is_drawn_as_a_sheet_as_long_as_it_is() -> None:
    strip = StripProblem("swim", (replace(_PROBLEM.parts[1], quantity=1),), 200.0, 3.0)
    one = Placements(np.array([0], np.int32), np.zeros(1), np.zeros(1), np.zeros(1))
    problem, cut = as_sheet(strip, PackedStrip(300.0, one))
    assert (problem.sheets[0].width_mm, problem.sheets[0].height_mm, problem.rules[0].distance_mm) == (300, 200, 3)
    assert "M0 200L300 200 300 0 0 0Z" in sheet_svg(problem, cut)


def test_lengths_of_a_small_strip_are_not_rounded_away() -> None:
    small = NestProblem("m", (NestPart("p", Shape(rectangle(1.0, 1.0).outline * 1e-4), 1),), (StockSheet("S", 1e-3, 1e-3, 1),))
    text = sheet_svg(small, CutSheet(0, 1, Placements(np.array([0], np.int32), np.zeros(1), np.zeros(1), np.zeros(1))))
    assert "M0 0.001L0.0001 0.001" in text
