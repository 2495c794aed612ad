"""How much of the plates becomes parts, by each metric: worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.nest_figures import METRICS, sheet_utilisation, strip_density, utilisation
from plant.nests import (
    CutSheet,
    CuttingRules,
    Nest,
    NestPart,
    NestProblem,
    PackedStrip,
    Placements,
    Rectangle,
    Shape,
    StockSheet,
    StripProblem,
    no_placements,
    rectangle,
)

_PROBLEM = NestProblem(
    "two",
    (NestPart("plate", rectangle(400.0, 300.0), 9), NestPart("small", rectangle(100.0, 50.0), 9)),
    (StockSheet("S", 1000.0, 500.0, 9),),
    (CuttingRules(kerf_mm=2.0, gap_mm=8.0, margin_mm=10.0),),
)
_CUT = CutSheet(
    0,
    2,
    Placements(np.array([0, 1], np.int32), np.array([10.0, 10.0]), np.array([10.0, 318.0]), np.zeros(2)),
    (Rectangle(600.0, 0.0, 400.0, 500.0),),
)


def test_each_share_is_what_its_name_says() -> None:
    found = utilisation(_PROBLEM, Nest((_CUT,)))
    parts = 120_000 + 5_000
    assert (found.sheets, found.parts) == (2, 4)
    assert found.parts_mm2 == 2 * parts
    assert found.gross == parts / 500_000
    assert found.credited == parts / 300_000
    round_each = (1_400 + 300) * 4 + 2 * np.pi * 16
    assert found.net == pytest.approx((parts + round_each) / (988 * 488))
    assert found.net_credited == pytest.approx((parts + round_each) / (988 * 488 - 394 * 488))
    assert list(found.shares()) == list(METRICS)


def test_one_sheet_counts_once() -> None:
    assert sheet_utilisation(_PROBLEM, _CUT).parts_mm2 == 125_000


def test_rectangles_side_by_side_fill_what_may_be_cut() -> None:
    """Nine of 300 x 150 with 8 mm between and 10 mm round: all that may be cut, but for the corners of the distance."""
    sheet = StockSheet("S", 20 + 3 * 300 + 2 * 8, 20 + 3 * 150 + 2 * 8, 1)
    across, up = (axis.ravel() for axis in np.meshgrid(10 + 308.0 * np.arange(3), 10 + 158.0 * np.arange(3)))
    problem = NestProblem("full", (NestPart("plate", rectangle(300.0, 150.0), 9),), (sheet,), _PROBLEM.rules)
    found = utilisation(problem, Nest((CutSheet(0, 1, Placements(np.zeros(9, np.int32), across, up, np.zeros(9))),)))
    assert 0.999 < found.net <= 1
    assert found.gross < 0.95


def test_a_hole_is_no_part() -> None:
    frame = Shape(rectangle(400.0, 300.0).outline, (rectangle(200.0, 100.0).outline[::-1] + 50.0,))
    problem = replace(_PROBLEM, parts=(replace(_PROBLEM.parts[0], shape=frame), _PROBLEM.parts[1]))
    assert sheet_utilisation(problem, _CUT).parts_mm2 == 105_000


def test_where_nothing_is_cut_nothing_is_used() -> None:
    assert set(utilisation(_PROBLEM, Nest(())).shares().values()) == {0.0}


def test_the_density_of_a_strip() -> None:
    problem = StripProblem("s", (NestPart("plate", rectangle(40.0, 30.0), 2),), 50.0)
    assert strip_density(problem, PackedStrip(60.0, no_placements())) == 2 * 1_200 / 3_000
    assert strip_density(problem, PackedStrip(0.0, no_placements())) == 0
