"""Parts that are no rectangles, by the rectangles around them: two of a drawing lie in less than two rectangles, and never too near."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from optimizer.nesting.checking import nest_faults
from optimizer.nesting.kinds import kinds_of
from optimizer.nesting.pairs import best_pair
from optimizer.nesting.rectangles import cut_rectangles
from plant.nests import CutSheet, CuttingRules, Nest, NestPart, NestProblem, Shape, StockSheet, placed
from simulators.plate_parts import plate_parts
from simulators.plate_shapes import boom_side, gusset, tapered

RULES = CuttingRules(kerf_mm=3, gap_mm=8, margin_mm=10)
SHEET = StockSheet("sheet", 3_000, 1_500, 3)


def nested(part: NestPart, sheet: StockSheet = SHEET) -> tuple[NestProblem, Nest]:
    """Return a problem of this part, and its nest by rectangles; all parts are laid."""
    problem = NestProblem("boxes", (part,), (sheet,), (RULES,))
    cuts, _ = cut_rectangles(kinds_of(problem.parts, [0]), problem.sheets, [RULES], seconds=0.0)
    assert sum(cut.copies * len(cut.placements.part) for cut in cuts) == part.quantity
    return problem, Nest(tuple(CutSheet(cut.sheet, cut.copies, cut.placements) for cut in cuts))


def test_two_triangles_make_a_rectangle() -> None:
    outline = np.array([(0.0, 0.0), (400.0, 0.0), (0.0, 300.0)])
    pair = best_pair(outline, 0.0)
    assert pair is not None
    assert pair.rotation_deg == 180.0
    both = np.vstack((outline, placed(outline, 180.0, pair.x_mm, pair.y_mm)))
    assert np.prod(np.ptp(both, axis=0)) == pytest.approx(400 * 300, rel=0.01)


def test_two_of_any_drawing_of_the_plant_keep_their_distance() -> None:
    outlines = {part.name: part.shape.outline for part in plate_parts(9, 400) if len(part.shape.outline) > 4}
    for name, outline in outlines.items():
        pair = best_pair(outline, 8.0)
        if pair is not None:
            other = placed(outline, pair.rotation_deg, pair.x_mm, pair.y_mm)
            assert shapely.Polygon(outline).distance(shapely.Polygon(other)) >= 8.0 - 1e-3, name


def test_gussets_laid_two_by_two_take_little_more_than_their_area() -> None:
    # as many single rectangles would need 20 * 308 * 208 of 2988 x 1488
    problem, nest = nested(NestPart("gusset", gusset(300, 200, 20, 15), 100, rotations_deg=None))
    assert nest_faults(problem, nest) == []
    assert len(nest.sheets) == 1
    assert 100 * 308 * 208 > 2_988 * 1_488


@pytest.mark.parametrize("rotations", [(0.0,), (0.0, 180.0), (90.0, 270.0), (90.0,)])
def test_a_pair_lies_only_as_its_parts_may(rotations: tuple[float, ...]) -> None:
    problem, nest = nested(NestPart("arm", tapered(1_200, 300, 150, 1), 5, rotations_deg=rotations))
    assert nest_faults(problem, nest) == []


def test_a_part_that_may_be_turned_by_half_for_its_grain_is_paired_along_it() -> None:
    sheet = StockSheet("across", 3_000, 1_500, 3, grain_deg=90.0)
    problem, nest = nested(NestPart("bent", tapered(1_200, 300, 150, 0), 6, grain_deg=0.0), sheet)
    assert nest_faults(problem, nest) == []
    turned = np.concatenate([cut.placements.rotation_deg for cut in nest.sheets])
    assert set(turned.tolist()) == {90.0, 270.0}


def test_a_ring_is_laid_alone() -> None:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    assert best_pair(Shape(500 * np.column_stack((np.cos(angles), np.sin(angles)))).outline, 8.0) is None


def test_boom_sides_lie_one_in_the_other_in_a_row() -> None:
    part = NestPart("boom", boom_side(3_000, 600, 250, 450, 180), 5, rotations_deg=(0.0, 180.0))
    single = float(np.prod(np.ptp(part.shape.outline, axis=0) + 8))
    problem, nest = nested(part, StockSheet("long", 6_000, 2_900, 2))
    assert nest_faults(problem, nest) == []
    low, high = (np.inf, -np.inf)
    for cut in nest.sheets:
        for x, turn in zip(cut.placements.y_mm, cut.placements.rotation_deg, strict=True):
            ring = placed(part.shape.outline, float(turn), 0.0, float(x))
            low, high = min(low, ring[:, 1].min()), max(high, ring[:, 1].max())
    assert len(nest.sheets) == 1
    assert (high - low) * 3_000 < 0.8 * 5 * single
