"""Shapes of parts: corners as they come are put in order, and what cannot be cut is told in words."""

from __future__ import annotations

import numpy as np
import pytest

from plant.nest_shapes import MOST_CORNERS, shape_of, shape_problems
from plant.nests import area_mm2, ring_area

_SQUARE = [(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)]
_HOLE = [(20.0, 20.0), (20.0, 60.0), (60.0, 60.0), (60.0, 20.0)]


def _shifted(ring: list[tuple[float, float]], x: float, y: float = 0.0) -> list[tuple[float, float]]:
    return [(a + x, b + y) for a, b in ring]


def test_outlines_turn_left_and_holes_right_however_they_were_drawn() -> None:
    for outline in (_SQUARE, _SQUARE[::-1]):
        for hole in (_HOLE, _HOLE[::-1]):
            shape = shape_of(outline, [hole])
            assert ring_area(shape.outline) == 10_000
            assert ring_area(shape.holes[0]) == -1_600
            assert area_mm2(shape) == 8_400
            assert shape_problems(shape) == []


def test_a_corner_said_again_is_left_out() -> None:
    said_again = [_SQUARE[0], _SQUARE[0], *_SQUARE[1:], _SQUARE[0], (1e-8, 0.0)]
    assert shape_of(said_again).outline.tolist() == [list(corner) for corner in _SQUARE]


def test_a_circle_of_five_thousand_corners_is_sound() -> None:
    turns = np.linspace(0, 2 * np.pi, 5_000, endpoint=False)
    assert shape_problems(shape_of(np.column_stack((300 * np.cos(turns), 300 * np.sin(turns))))) == []


@pytest.mark.parametrize(
    ("outline", "holes", "words"),
    [
        ([(0, 0), (100, 100), (100, 0), (0, 100)], [], "the outline crosses or touches itself near (50, 50)"),
        ([(0, 0), (100, 0), (100, 100), (50, 0), (0, 100)], [], "the outline crosses or touches itself"),
        ([(0, 0), (100, 0), (100, 100), (60, 100), (60, 180), (60, 100), (0, 100)], [], "the outline runs back on itself at (60, 180)"),
        ([(0, 0), (50, 50), (100, 100)], [], "the outline has no area: its corners lie on one line"),
        ([(0, 0), (100, 0)], [], "the outline has 2 different corners; at least 3"),
        ([(5, 5), (5, 5), (5, 5)], [], "the outline has 1 different corner; at least 3"),
        ([], [], "the outline has 0 different corners"),
        ([(0, 0), (100, float("nan")), (0, 100)], [], "the outline: corner 2 is no number"),
        ([(0, 0), (float("inf"), 0), (0, 100)], [], "the outline: corner 2 is no number"),
        ([(0, 0), (1e300, 0), (0, 1e300)], [], "a corner lies at 1e+300 mm"),
        ([(0, 0), (0.4, 0), (0, 0.4)], [], "is 0.4 mm long; a part has 5 mm to 50 m: is the unit right?"),
        ([(0, 0), (900_000, 0), (0, 400_000)], [], "is 900 m long"),
        (_SQUARE, [_shifted(_HOLE, 200)], "hole 1 is not inside the outline"),
        (_SQUARE, [_shifted(_HOLE, 60)], "the outline crosses or touches hole 1"),
        (_SQUARE, [_shifted(_HOLE, 40)], "the outline crosses or touches hole 1"),
        (_SQUARE, [_HOLE, _shifted(_HOLE, 10, 10)], "hole 1 crosses or touches hole 2"),
        (_SQUARE, [_HOLE, [(30, 30), (40, 30), (40, 40)]], "hole 2 is inside hole 1"),
        (_SQUARE, [[(30, 30), (40, 40)]], "hole 1 has 2 different corners"),
    ],
)
def test_what_cannot_be_cut_is_told(outline: list[tuple[float, float]], holes: list[list[tuple[float, float]]], words: str) -> None:
    problems = shape_problems(shape_of(outline, holes))
    assert any(words in problem for problem in problems), problems


def test_a_part_shorter_than_its_plate_is_thick_has_likely_another_unit() -> None:
    small = shape_of([(0.0, 0.0), (7.5, 0.0), (7.5, 1.2), (0.0, 1.2)])
    assert shape_problems(small) == []
    assert shape_problems(small, thickness_mm=12) == ["is 7.5 mm long and 12 mm thick: is the unit right?"]


def test_where_no_unit_is_known_a_size_tells_nothing() -> None:
    assert shape_problems(shape_of([(0, 0), (0.01, 0), (0, 0.01)]), unit_known=False) == []


def test_more_corners_than_a_nest_can_take_are_told() -> None:
    turns = np.linspace(0, 2 * np.pi, MOST_CORNERS + 1, endpoint=False)
    problems = shape_problems(shape_of(np.column_stack((300 * np.cos(turns), 300 * np.sin(turns)))))
    assert problems == ["has 10,001 corners; at most 10,000: simplify it"]


def test_a_ring_that_is_no_list_of_corners_is_refused() -> None:
    with pytest.raises(ValueError, match="a list of corners"):
        shape_of([[1.0, 2.0, 3.0]])


def _crosses_slowly(corners: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    """Whether two sides meet where they are not neighbours, in whole numbers side by side, or neighbours lie on each other."""

    def turn(a: list[int], b: list[int], c: list[int]) -> int:
        return int(np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])))

    def between(a: list[int], b: list[int], c: list[int]) -> bool:
        return turn(a, b, c) == 0 and all(min(a[k], b[k]) <= c[k] <= max(a[k], b[k]) for k in (0, 1))

    def meet(a: list[int], b: list[int], c: list[int], d: list[int]) -> bool:
        crosses = turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
        return crosses or between(a, b, c) or between(a, b, d) or between(c, d, a) or between(c, d, b)

    points = corners.tolist()
    n = len(points)
    sides = [(points[i], points[(i + 1) % n]) for i in range(n)]
    if any(between(a, b, c) or between(b, c, a) for (a, b), (_, c) in zip(sides, sides[1:] + sides[:1], strict=True)):
        return True
    return any(meet(*sides[i], *sides[j]) for i in range(n) for j in range(i + 2, n) if (j + 1) % n != i)


def test_random_rings_are_judged_as_by_whole_numbers_side_by_side() -> None:
    chance = np.random.default_rng(3)
    judged = {True: 0, False: 0}
    for _ in range(1_500):
        corners = np.unique(chance.integers(0, int(chance.choice([6, 40])), (int(chance.integers(3, 8)), 2)), axis=0)
        chance.shuffle(corners)
        if len(corners) < 3:
            continue
        wrong = _crosses_slowly(corners)
        assert bool(shape_problems(shape_of(corners.astype(float)), unit_known=False)) == wrong, corners.tolist()
        judged[wrong] += 1
    assert min(judged.values()) > 300
