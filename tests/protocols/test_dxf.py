"""DXF: drawings as CAD programs write them become shapes that are not smaller than drawn; what is wrong is told with its place."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from ezdxf import units
from ezdxf.filemanagement import new

from plant.errors import SettingsError
from plant.nest_shapes import CHORD_MM, shape_problems
from plant.nests import (
    CutSheet,
    Floats,
    NestPart,
    NestProblem,
    Placements,
    Rectangle,
    Shape,
    StockSheet,
    area_mm2,
    placed,
    rectangle,
    ring_area,
)
from protocols.dxf import JOIN_MM, read_parts, write_sheet


def _drawing(unit: int = units.MM) -> tuple[Any, Any]:
    document: Any = new("R2010", units=unit)
    return document, document.modelspace()


def _bytes(document: Any) -> bytes:
    text = io.StringIO()
    document.write(text)
    return text.getvalue().encode()


def _one(document: Any, **asked: Any) -> Shape:
    (shape,) = read_parts(_bytes(document), "part.dxf", **asked)
    assert shape_problems(shape) == []
    return shape


def _refused(document: Any, **asked: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        read_parts(_bytes(document), "part.dxf", **asked)
    return str(caught.value)


def _square(space: Any, side: float = 100.0, x: float = 0.0, y: float = 0.0, **attributes: Any) -> None:
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    space.add_lwpolyline(corners, close=True, dxfattribs=attributes)


def test_lines_and_an_arc_that_lie_in_any_order_become_an_outline() -> None:
    document, space = _drawing()
    space.add_line((100, 0), (0, 0))
    space.add_arc((100, 50), 50, 270, 90)
    space.add_line((0, 0), (0, 100))
    space.add_line((100, 100 + JOIN_MM / 2), (0, 100))
    shape = _one(document)
    drawn = 100 * 100 + np.pi * 50**2 / 2
    assert drawn <= area_mm2(shape) + 3 <= drawn + 3 + 160 * CHORD_MM
    assert shape.outline[:, 0].max() == pytest.approx(150, abs=CHORD_MM)


@pytest.mark.parametrize("radius", [3.0, 25.0, 500.0, 4_000.0])
def test_a_round_part_is_not_smaller_and_its_hole_not_larger_than_drawn(radius: float) -> None:
    document, space = _drawing()
    space.add_circle((7, -9), radius)
    space.add_circle((7, -9), radius / 2)
    shape = _one(document)

    def reach(ring: Floats) -> tuple[float, float]:
        sides = (ring + np.roll(ring, -1, axis=0)) / 2
        middle = np.array([7, -9])
        return float(np.linalg.norm(sides - middle, axis=1).min()), float(np.linalg.norm(ring - middle, axis=1).max())

    least, most = reach(shape.outline)
    assert radius - 1e-3 <= least <= most <= radius + 1.1 * CHORD_MM
    least, most = reach(shape.holes[0])
    assert radius / 2 - 1.1 * CHORD_MM <= least <= most <= radius / 2 + 1e-3


def _covers(outer: Shape, points: Floats) -> bool:
    """Whether points lie in an outline, or nearer to it than a thousandth of a mm."""
    ring = outer.outline
    ends = np.roll(ring, -1, axis=0)
    normal = np.column_stack((ends[:, 1] - ring[:, 1], ring[:, 0] - ends[:, 0])) / np.linalg.norm(ends - ring, axis=1)[:, None]
    convex = (((points[:, None] - ring) * normal).sum(axis=2) <= 1e-3).all(axis=1)
    return bool(convex.all())


def test_ellipses_splines_and_bulges_are_not_taken_from() -> None:
    turns = np.linspace(0, 2 * np.pi, 720)
    document, space = _drawing()
    space.add_ellipse((0, 0), (300, 0), 0.4)
    assert _covers(_one(document), np.column_stack((300 * np.cos(turns), 120 * np.sin(turns))))
    document, space = _drawing()
    space.add_lwpolyline([(0, 0, 1), (200, 0, 1)], format="xyb", close=True)
    assert _covers(_one(document), np.column_stack((100 + 100 * np.cos(turns), 100 * np.sin(turns))))
    document, space = _drawing()
    spline = space.add_spline([(0, 0), (100, -40), (200, 0)])
    space.add_line((200, 0), (0, 0))
    assert _covers(_one(document), np.array([(p.x, p.y) for p in spline.flattening(0.001)]))


def test_a_notch_drawn_as_an_arc_takes_nothing_from_the_part() -> None:
    document, space = _drawing()
    space.add_lwpolyline([(0, 0), (200, 0), (200, 100), (150, 100, -1), (50, 100), (0, 100)], format="xyb", close=True)
    shape = _one(document)
    drawn = 200 * 100 - np.pi * 50**2 / 2
    assert drawn <= area_mm2(shape) <= drawn + 160 * CHORD_MM


def test_parts_lie_in_holes_of_parts_and_beside() -> None:
    document, space = _drawing()
    _square(space, 400)
    _square(space, 300, 50, 50)
    _square(space, 100, 100, 100)
    space.add_circle((150, 150), 20)
    _square(space, 50, 1000, 0)
    frame, inner, beside = sorted(read_parts(_bytes(document), "parts.dxf"), key=area_mm2, reverse=True)
    assert area_mm2(frame) == 400**2 - 300**2
    assert len(inner.holes) == 1
    assert area_mm2(beside) == 2_500


@pytest.mark.parametrize(("unit", "side"), [(units.IN, 254.0), (units.MM, 10.0), (units.CM, 100.0), (units.M, 10_000.0), (0, 10.0)])
def test_the_unit_of_a_drawing_counts(unit: int, side: float) -> None:
    document, space = _drawing(unit)
    _square(space, 10)
    assert _one(document).outline.max() == pytest.approx(side)


def test_blocks_are_read_turned_mirrored_and_many_times() -> None:
    document, space = _drawing()
    block = document.blocks.new("plate")
    block.add_lwpolyline([(0, 0), (30, 0), (30, 10)], close=True)
    block.add_circle((22, 3), 2)
    space.add_blockref("plate", (100, 0), dxfattribs={"rotation": 90, "xscale": -2, "yscale": 2})
    space.add_blockref("plate", (500, 0), dxfattribs={"column_count": 3, "column_spacing": 50, "row_count": 2, "row_spacing": 50})
    parts = read_parts(_bytes(document), "parts.dxf")
    assert len(parts) == 7
    areas = sorted(round(ring_area(part.outline), 6) for part in parts)
    assert areas == [150] * 6 + [600]
    assert all(len(part.holes) == 1 for part in parts)


def test_layers_are_those_asked_for_and_what_is_written_is_no_line() -> None:
    document, space = _drawing()
    document.layers.add("FOLD")
    hidden = document.layers.add("OLD")
    hidden.off()
    _square(space)
    space.add_line((0, 50), (100, 50), dxfattribs={"layer": "FOLD"})
    space.add_line((0, 50), (100, 70), dxfattribs={"layer": "OLD"})
    space.add_text("S690QL t=12")
    space.add_linear_dim(base=(0, -20), p1=(0, 0), p2=(100, 0)).render()
    assert "a line ends at (0, 50) mm and meets no other; the next end is 100 mm away" in _refused(document)
    assert area_mm2(_one(document, ignore=["fold"])) == 10_000
    assert area_mm2(_one(document, cut=["0"])) == 10_000
    assert "there is no line to cut on the layers that are asked for; there are: 0, Defpoints, FOLD, OLD" in _refused(
        document, cut=["CUT*"]
    )


def test_a_line_drawn_twice_counts_once() -> None:
    document, space = _drawing()
    for _ in range(2):
        for begin, end in (((0, 0), (50, 0)), ((50, 0), (50, 50)), ((50, 50), (0, 0))):
            space.add_line(begin, end)
    assert area_mm2(_one(document)) == 1_250


def test_what_is_no_closed_line_is_told_with_its_place() -> None:
    document, space = _drawing()
    space.add_lwpolyline([(0, 0), (100, 0), (100, 100), (0, 1)])
    told = _refused(document)
    assert "part.dxf: a line ends at (0, 0) mm and meets no other; the next end is 1 mm away" in told
    document, space = _drawing()
    for end in ((100, 0), (0, 100), (100, 100)):
        space.add_line((0, 0), end)
    assert "3 lines meet at (0, 0) mm; an outline has two" in _refused(document)


def test_what_is_no_part_is_told() -> None:
    document, space = _drawing()
    space.add_lwpolyline([(0, 0), (100, 100), (100, 0), (0, 100)], close=True)
    assert "the part near (50, 50) mm the outline crosses or touches itself" in _refused(document)
    document, space = _drawing()
    _square(space, 0.2)
    assert "is the unit right?" in _refused(document)
    document, space = _drawing()
    space.add_solid([(0, 0), (1, 0), (1, 1)])
    assert "layer 0 holds a SOLID, which is no line; explode it, or leave the layer out" in _refused(document)
    document, space = _drawing()
    space.add_line((0, 0, 0), (100, 0, 40))
    assert "is not flat: it rises by 40 mm" in _refused(document)
    document, space = _drawing(units.MI)
    _square(space)
    assert "its unit ($INSUNITS 3) is none of mm, cm, dm, m, inch, foot" in _refused(document)
    assert "there is no line to cut" in _refused(_drawing()[0])


def test_blocks_without_an_end_are_told() -> None:
    document, space = _drawing()
    for level in range(12):
        block = document.blocks.new(f"b{level}")
        block.add_blockref(f"b{level + 1}", (0, 0))
    _square(document.blocks.new("b12"))
    space.add_blockref("b0", (0, 0))
    assert "has blocks in blocks, deeper than 8" in _refused(document)


def test_a_block_inserted_a_million_times_is_told_and_not_counted_to_its_end() -> None:
    document, space = _drawing()
    document.blocks.new("dot")
    many = {"column_count": 30_000, "column_spacing": 1, "row_count": 30_000, "row_spacing": 1}
    space.add_blockref("dot", (0, 0), dxfattribs=many)
    assert "has more than 100,000 lines and blocks" in _refused(document)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "part.dxf: is empty"),
        (b"PK\x03\x04 a zip", "part.dxf: is no DXF file"),
        (b"AC1032\0 a DWG", "part.dxf: is no DXF file"),
        (b"0\nSECTION\nEOF", "part.dxf: "),
        (b"hello\nEOF", "part.dxf: "),
    ],
)
def test_what_is_no_drawing_is_told(content: bytes, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_parts(content, "part.dxf")
    assert words in str(caught.value)


def test_a_drawing_that_was_cut_off_is_refused_wherever_it_was_cut() -> None:
    document, space = _drawing()
    _square(space, 400)
    space.add_circle((200, 200), 50)
    whole = _bytes(document)
    for share in np.linspace(0.01, 0.999, 25):
        with pytest.raises(SettingsError):
            read_parts(whole[: int(share * len(whole))], "part.dxf")


def test_a_layout_that_is_written_is_read_back_as_it_lies() -> None:
    frame = Shape(rectangle(600.0, 600.0).outline, (rectangle(400.0, 400.0).outline[::-1] + 100.0,))
    problem = NestProblem(
        "week", (NestPart("frame Ö\n1", frame, 1), NestPart("plate", rectangle(300.0, 200.0), 2)), (StockSheet("S", 2000.0, 1000.0, 1),)
    )
    laid = Placements(np.array([0, 1, 1], np.int32), np.array([10.0, 150, 1200]), np.array([10.0, 150, 500]), np.array([0.0, 0, 33]))
    written = write_sheet(problem, CutSheet(0, 1, laid, (Rectangle(1600.0, 0.0, 400.0, 1000.0),)))
    parts = read_parts(written, "layout.dxf")
    assert sorted(round(area_mm2(part)) for part in parts) == [60_000, 60_000, 600**2 - 400**2]
    turned = placed(rectangle(300.0, 200.0).outline, 33, 1200, 500)
    assert any(np.allclose(part.outline, turned, atol=1e-9) for part in parts)
    (sheet,) = read_parts(written, "layout.dxf", cut=["SHEET"])
    assert area_mm2(sheet) == 2_000_000
    (remnant,) = read_parts(written, "layout.dxf", cut=["REMNANT"])
    assert remnant.outline.max(axis=0).tolist() == [2000, 1000]
    assert b"frame" in written
