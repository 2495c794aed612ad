"""The check of nests: it finds each broken rule and names it, and agrees with a judge that only samples points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.nesting.checking import nest_faults, strip_faults
from plant.nests import (
    CutSheet,
    CuttingRules,
    Floats,
    LeftPart,
    LeftReason,
    Nest,
    NestPart,
    NestProblem,
    PackedStrip,
    Placements,
    Rectangle,
    Shape,
    StockSheet,
    StripProblem,
    placed,
    rectangle,
)

_RING = Shape(
    np.array([(0.0, 0.0), (600.0, 0.0), (600.0, 600.0), (0.0, 600.0)]),
    (np.array([(100.0, 100.0), (100.0, 500.0), (500.0, 500.0), (500.0, 100.0)]),),
)
_ELL = Shape(np.array([(0.0, 0.0), (300.0, 0.0), (300.0, 80.0), (90.0, 80.0), (90.0, 250.0), (0.0, 250.0)]))


def _problem(**changed: object) -> NestProblem:
    """Return a frame with a hole, plates of which one lies in the hole, and one that minds how it was rolled."""
    problem = NestProblem(
        name="week 7",
        parts=(
            NestPart("frame", _RING, 1, material="S690QL", thickness_mm=12.0),
            NestPart("plate", rectangle(300.0, 200.0), 3, material="S690QL", thickness_mm=12.0),
            NestPart("bent", rectangle(400.0, 100.0), 1, material="S690QL", thickness_mm=12.0, rotations_deg=None, grain_deg=90.0),
        ),
        sheets=(
            StockSheet("S690-12 2000x1000", 2000.0, 1000.0, 2, "S690QL", 12.0, grain_deg=0.0),
            StockSheet("rest 17", 500.0, 500.0, 1, "S690QL", 12.0, remnant=True),
        ),
        rules=(CuttingRules(kerf_mm=2.0, gap_mm=8.0, margin_mm=10.0),),
    )
    return replace(problem, **changed)  # type: ignore[arg-type]


def _laid(*rows: tuple[int, float, float, float]) -> Placements:
    columns = np.array(rows, float).reshape(-1, 4)
    return Placements(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2], columns[:, 3])


_GOOD = (
    (0, 10.0, 10.0, 0.0),
    (1, 150.0, 150.0, 0.0),
    (1, 820.0, 10.0, 90.0),
    (1, 618.0, 400.0, 0.0),
    (2, 1000.0, 430.0, 270.0),
)
_REMNANT = Rectangle(1300.0, 0.0, 700.0, 1000.0)


def _nest(*rows: tuple[int, float, float, float], remnants: tuple[Rectangle, ...] = (_REMNANT,), left: tuple[LeftPart, ...] = ()) -> Nest:
    return Nest((CutSheet(0, 1, _laid(*(rows or _GOOD)), remnants),), left)


def _moved(row: int, **to: float) -> Nest:
    """Return the good nest with one placement changed."""
    part, x, y, turned = _GOOD[row]
    changed = (to.get("part", part), to.get("x", x), to.get("y", y), to.get("turned", turned))
    return _nest(*_GOOD[:row], changed, *_GOOD[row + 1 :])  # type: ignore[arg-type]


def test_a_good_nest_has_no_fault_also_with_a_part_in_a_hole() -> None:
    assert nest_faults(_problem(), _nest()) == []


@pytest.mark.parametrize(
    ("nest", "words"),
    [
        (_moved(1, x=60.0), "frame (placement 1) and plate (placement 2) overlap by"),
        (_moved(1, x=112.0), "frame (placement 1) and plate (placement 2) are 2.0000 mm apart; 8 mm must lie between"),
        (_moved(1, x=110.0), "frame (placement 1) and plate (placement 2) touch; 8 mm must lie between"),
        (_moved(3, x=617.0), "frame (placement 1) and plate (placement 4) are 7.0000 mm apart"),
        (_moved(0, y=9.0), "frame (placement 1) is 1 mm beyond the lower edge of the sheet less its margin of 10 mm"),
        (_moved(2, x=5_000.0), "plate (placement 3) is 3010 mm beyond the right edge"),
        (_moved(3, turned=45.0), "plate (placement 4) is turned by 45 degrees; allowed: 0, 90, 180, 270"),
        (_moved(4, turned=0.0), "bent (placement 5) minds the rolling direction, which is 0 degrees, and lies at 90 degrees"),
        (_moved(1, part=2.0), "part plate: 2 are laid and 0 left, and 3 are asked for"),
        (_moved(1, part=2.0), "part bent: 2 are laid and 0 left, and 1 are asked for"),
        (_moved(1, part=9.0), "a placement names a part that is not there; there are 3"),
        (_moved(1, x=float("nan")), "a placement holds what is no number"),
        (_nest(remnants=(Rectangle(1050.0, 0.0, 950.0, 1000.0),)), "remnant 1 and bent (placement 5) overlap by"),
        (_nest(remnants=(Rectangle(1104.0, 0.0, 896.0, 1000.0),)), "remnant 1 and bent (placement 5) are 4.0000 mm apart"),
        (_nest(remnants=(Rectangle(1300.0, 0.0, 701.0, 1000.0),)), "remnant 1: is not inside the sheet"),
        (_nest(remnants=(Rectangle(1300.0, 0.0, 700.0, 250.0),)), "remnant 1: 700 x 250 mm is smaller than 300 x 300 mm"),
        (_nest(remnants=(_REMNANT, Rectangle(1500.0, 500.0, 400.0, 400.0))), "remnants 1 and 2 overlap by"),
        (_nest(remnants=(Rectangle(float("nan"), 0.0, 700.0, 1000.0),)), "remnant 1: holds what is no number"),
        (_nest(left=(LeftPart(1, 1, LeftReason.STOPPED),)), "part plate: 3 are laid and 1 left, and 3 are asked for"),
        (_nest(left=(LeftPart(7, 1, LeftReason.STOPPED),)), "part 7 is left, and there are 3"),
        (_nest(left=(LeftPart(1, 0, LeftReason.STOPPED),)), "part plate: 0 are left"),
        (Nest((replace(_nest().sheets[0], copies=3),)), "sheet S690-12 2000x1000: 3 are cut, and 2 are in stock"),
        (Nest((replace(_nest().sheets[0], copies=2),)), "part frame: 2 are laid and 0 left, and 1 are asked for"),
        (Nest((replace(_nest().sheets[0], copies=0),)), "is cut 0 times"),
        (Nest((replace(_nest().sheets[0], sheet=2),)), "is cut from sheet 2, and there are 2"),
    ],
)
def test_each_broken_rule_is_found_and_named(nest: Nest, words: str) -> None:
    assert any(words in fault for fault in nest_faults(_problem(), nest)), nest_faults(_problem(), nest)


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (StockSheet("other", 2000.0, 1000.0, 1, "S355", 12.0, grain_deg=0.0), "is of S690QL, and the sheet of S355"),
        (StockSheet("other", 2000.0, 1000.0, 1, "S690QL", 12.5, grain_deg=0.0), "is 12 mm thick, and the sheet 12.5 mm"),
        (StockSheet("other", 2000.0, 1000.0, 1, "S690QL", 12.0), "minds the rolling direction, which is not known, and lies at 0 degrees"),
    ],
)
def test_a_part_lies_on_sheets_of_its_own_kind_only(sheet: StockSheet, words: str) -> None:
    assert any(words in fault for fault in nest_faults(_problem(sheets=(sheet,)), _nest()))


def test_rules_by_thickness_are_those_that_count() -> None:
    wider = (CuttingRules(gap_mm=20.0, thickness_up_to_mm=20.0), CuttingRules())
    assert any("20 mm must lie between" in fault for fault in nest_faults(_problem(rules=wider), _nest()))
    assert nest_faults(_problem(rules=(CuttingRules(gap_mm=20.0, thickness_up_to_mm=11.0), CuttingRules())), _nest()) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (LeftPart(2, 1, LeftReason.NO_SHEET), "is left for 'no_sheet', and there is S690-12 2000x1000"),
        (LeftPart(2, 1, LeftReason.TOO_LARGE), "is left for 'too_large', and it fits S690-12 2000x1000"),
        (LeftPart(2, 1, LeftReason.NO_GRAIN), "is left for 'no_grain', and it fits S690-12 2000x1000"),
        (LeftPart(2, 1, LeftReason.STOCK_USED_UP), "is left for 'stock_used_up', and S690-12 2000x1000 is not used up"),
        (LeftPart(2, 1, LeftReason.STOPPED), None),
    ],
)
def test_a_reason_that_cannot_hold_is_a_fault(left: LeftPart, words: str | None) -> None:
    faults = nest_faults(_problem(), _nest(*_GOOD[:4], left=(left,)))
    assert faults == [] if words is None else words in faults[0]


def test_true_reasons_are_believed() -> None:
    problem = _problem(
        parts=(
            NestPart("beam", rectangle(2500.0, 50.0), 2, material="S690QL", thickness_mm=12.0),
            NestPart("other", rectangle(50.0, 50.0), 1, material="S960QL", thickness_mm=12.0),
            NestPart("bent", rectangle(450.0, 450.0), 1, material="S690QL", thickness_mm=12.0, grain_deg=0.0),
        ),
        sheets=(StockSheet("rest", 1000.0, 1000.0, 1, "S690QL", 12.0),),
    )
    left = (LeftPart(0, 2, LeftReason.TOO_LARGE), LeftPart(1, 1, LeftReason.NO_SHEET), LeftPart(2, 1, LeftReason.NO_GRAIN))
    assert nest_faults(problem, Nest((), left)) == []
    assert nest_faults(_problem(), Nest((), (LeftPart(0, 1, LeftReason.STOPPED), LeftPart(1, 3, LeftReason.STOPPED)))) != []


def test_a_shape_that_crosses_itself_is_not_judged_but_told() -> None:
    bow = Shape(np.array([(0.0, 0.0), (100.0, 100.0), (100.0, 0.0), (0.0, 100.0)]))
    problem = _problem(parts=(NestPart("bow", bow, 1), NestPart("line", Shape(np.zeros((2, 2))), 1)))
    faults = nest_faults(problem, Nest(()))
    assert faults[0].startswith("part bow: its shape is not sound: Self-intersection")
    assert faults[1].startswith("part line: a ring of its shape has fewer than three corners")


def _strip(*rows: tuple[int, float, float, float], length: float = 390.0) -> PackedStrip:
    return PackedStrip(length, _laid(*rows))


_STRIP = StripProblem("two", (NestPart("ell", _ELL, 1), NestPart("plate", rectangle(200.0, 160.0), 1, rotations_deg=(0.0,))), 250.0)
_ROWS = ((0, 0.0, 0.0, 0.0), (1, 90.0, 80.0, 0.0))


def test_parts_of_a_strip_may_touch_but_not_overlap() -> None:
    assert strip_faults(_STRIP, _strip(*_ROWS, length=300.0)) == []
    assert "overlap by 1.6 mm2" in strip_faults(_STRIP, _strip(_ROWS[0], (1, 89.99, 80.0, 0.0), length=300.0))[0]
    assert "touch; 3 mm must lie between" in strip_faults(replace(_STRIP, distance_mm=3.0), _strip(*_ROWS, length=300.0))[0]


@pytest.mark.parametrize(
    ("strip", "words"),
    [
        (_strip(*_ROWS, length=299.0), "ell (placement 1) is 1 mm beyond the right edge of the strip"),
        (_strip(_ROWS[0], (1, 95.0, 95.0, 0.0)), "plate (placement 2) is 5 mm beyond the upper edge of the strip"),
        (_strip(_ROWS[0], (1, 300.0, 0.0, 180.0)), "plate (placement 2) is turned by 180 degrees; allowed: 0"),
        (_strip(_ROWS[0]), "part plate: 0 lie on the strip, and 1 are asked for"),
        (_strip(*_ROWS, length=float("inf")), "its length is inf"),
        (PackedStrip(300.0, replace(_laid(*_ROWS), x_mm=np.zeros(1))), "the columns of its placements are not equally long"),
    ],
)
def test_each_broken_rule_of_a_strip_is_found(strip: PackedStrip, words: str) -> None:
    assert any(words in fault for fault in strip_faults(_STRIP, strip)), strip_faults(_STRIP, strip)


def test_a_strip_in_small_units_is_judged_by_its_own_measure() -> None:
    small = NestPart("ell", Shape(_ELL.outline / 1000), 1)
    problem = StripProblem("metres", (small, replace(small, name="twin")), 0.25)
    faults = strip_faults(problem, _strip((0, 0.0, 0.0, 0.0), (1, 0.2999, 0.0, 0.0), length=0.6))
    assert "overlap" in faults[0]


def _inside(points: Floats, ring: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each point is inside a ring: a ray to the right crosses it an odd number of times."""
    crossed = np.zeros(len(points), bool)
    for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        between = (ay > points[:, 1]) != (by > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            crossed ^= between & (points[:, 0] < (bx - ax) * (points[:, 1] - ay) / (by - ay) + ax)
    return crossed


def _apart(points: Floats, ring: Floats) -> Floats:
    """How far each point is from the line of a ring."""
    ends = np.roll(ring, -1, axis=0) - ring
    share = np.clip(((points[:, None] - ring) * ends).sum(axis=2) / (ends**2).sum(axis=1), 0, 1)
    far: Floats = np.linalg.norm(points[:, None] - (ring + share[:, :, None] * ends), axis=2).min(axis=1)
    return far


def _along(ring: Floats, steps: int = 40) -> Floats:
    shares = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    return (ring + shares * (np.roll(ring, -1, axis=0) - ring)).reshape(-1, 2)


def _signed(one: Shape, other: Shape) -> float:
    """How far apart two regions are, by points along their lines; below 0: so deep does a point of one lie in the other."""
    least = np.inf
    for this, that in ((one, other), (other, one)):
        points = np.vstack([_along(ring) for ring in (this.outline, *this.holes)])
        within = _inside(points, that.outline)
        for hole in that.holes:
            within &= ~_inside(points, hole)
        far = np.min([_apart(points, ring) for ring in (that.outline, *that.holes)], axis=0)
        least = min(least, float(np.where(within, -far, far).min()))
    return least


def test_the_check_agrees_with_points_sampled_along_the_lines() -> None:
    """Random pairs, some in holes; where the sampled distance is within a step of the points of the limit, neither is right."""
    chance = np.random.default_rng(7)
    shapes = (_RING, _ELL, rectangle(120.0, 90.0))
    problem = NestProblem(
        "pairs",
        tuple(NestPart(str(row), shape, 1, rotations_deg=None) for row, shape in enumerate(shapes)),
        (StockSheet("table", 5_000.0, 5_000.0, 1),),
        (CuttingRules(gap_mm=8.0),),
    )
    judged = {True: 0, False: 0}
    for _ in range(500):
        one, other = int(chance.integers(3)), int(chance.integers(3))
        rows = tuple(
            (part, *chance.uniform(1_000, 1_000 + spread, 2), chance.uniform(0, 360)) for part, spread in ((one, 10), (other, 600))
        )
        nest = Nest((CutSheet(0, 1, _laid(*rows)),))
        first, second = (
            Shape(placed(shapes[part].outline, turned, x, y), tuple(placed(hole, turned, x, y) for hole in shapes[part].holes))
            for part, x, y, turned in rows
        )
        signed = _signed(first, second)
        if abs(signed - 8.0) < 1.0:
            continue
        found = any("must lie between" in fault or "overlap" in fault for fault in nest_faults(problem, nest))
        assert found == (signed < 8.0), (rows, signed, nest_faults(problem, nest))
        judged[found] += 1
    assert min(judged.values()) > 120
