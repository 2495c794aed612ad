"""Polygons with holes for the search: parts grown by their distance, what is free, what touches. The search's side of shapely.

What checks a nest (``checking.py``) does its own geometry and shares none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from plant.nests import Floats, Placements, Shape, placed

Polygon: TypeAlias = shapely.Polygon
Window: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_MITRE_LIMIT: Final = 1.5
"""A corner grown by d reaches 1.5 d at most: more than the round corner that the distance asks for, and without its many corners."""
_FEW_CORNERS: Final = 12
_LEAST_HOLE_MM2: Final = 2_500.0
"""Of a hole that is looked at as a place for parts."""
_EXACT_DEG: Final = 1e-4
_TOUCH_MM: Final = 1e-5
"""What touches is not said to overlap."""
TOLERANCE_MM: Final = 2e-4
"""Parts nearer than their distance by so much are too near."""


def polygon_of(shape: Shape) -> shapely.Polygon:
    """Return a shape as the library knows it."""
    return shapely.Polygon(shape.outline, shape.holes)


def grown(outline: Floats, by_mm: float, chord_mm: float = 0.0) -> Floats:
    """Return (n, 2) the outline of what is not farther than ``by_mm`` from what it encloses, or a little more; holes are closed.

    ``chord_mm``: so much farther it may be where that saves corners.
    """
    chord_mm = chord_mm if len(outline) > _FEW_CORNERS else 0.0
    around = shapely.Polygon(outline).buffer(by_mm + chord_mm, join_style="mitre", mitre_limit=_MITRE_LIMIT).simplify(chord_mm)
    if isinstance(around, shapely.MultiPolygon):
        around = max(around.geoms, key=lambda one: one.area)
    return np.asarray(shapely.get_coordinates(around.exterior)[:-1])


def laid(shapes: Sequence[Shape], placements: Placements) -> NDArray[Any]:
    """Return (k,) polygons where they lie; shapes by row of ``Placements.part``."""
    columns = zip(placements.part, placements.rotation_deg, placements.x_mm, placements.y_mm, strict=True)
    polygons = []
    for part, rotation, x, y in columns:
        shape = shapes[part]
        rings = [placed(ring, rotation, x, y) for ring in (shape.outline, *shape.holes)]
        polygons.append(shapely.Polygon(rings[0], rings[1:]))
    return np.array(polygons, object)


def too_near(polygons: NDArray[Any], distance_mm: float, tolerance_mm: float = TOLERANCE_MM) -> NDArray[np.int64]:
    """Return (pairs, 2) rows of polygons that overlap or are nearer than their distance, by more than the tolerance."""
    if len(polygons) < 2:
        return np.zeros((0, 2), np.int64)
    shapely.prepare(polygons)
    tree = shapely.STRtree(polygons)
    apart = distance_mm > tolerance_mm
    if apart:
        first, second = tree.query(polygons, predicate="dwithin", distance=distance_mm - tolerance_mm)
    else:
        first, second = tree.query(polygons, predicate="intersects")
    once = first < second
    first, second = first[once], second[once]
    if not apart and len(first):
        deep = shapely.intersects(shapely.buffer(polygons[first], -tolerance_mm), polygons[second])
        first, second = first[deep], second[deep]
    return np.stack([first, second], axis=1)


def sticking_out(polygons: NDArray[Any], window: Window, tolerance_mm: float = TOLERANCE_MM) -> NDArray[np.bool_]:
    """Return (k,) whether each polygon leaves the window."""
    if not len(polygons):
        return np.zeros(0, np.bool_)
    bounds = shapely.bounds(polygons)
    low = (bounds[:, :2] < np.array(window[:2]) - tolerance_mm).any(axis=1)
    high = (bounds[:, 2:] > np.array(window[2:]) + tolerance_mm).any(axis=1)
    out: NDArray[np.bool_] = low | high
    return out


def grown_polygon(shape: Shape, by_mm: float, chord_mm: float = 0.0) -> shapely.Polygon:
    """Return what is not farther than ``by_mm`` from a shape, or a little more; its holes shrink and may vanish.

    ``chord_mm``: so much farther it may be where that saves corners.
    """
    outer = grown(shape.outline, by_mm, chord_mm)
    inner = [hole for ring in shape.holes for hole in _shrunk(ring, by_mm + chord_mm, chord_mm)]
    return shapely.Polygon(outer, inner)


def _shrunk(hole: Floats, by_mm: float, chord_mm: float) -> list[Floats]:
    """Return what stays of a hole whose edge is grown; nothing where no part would lie in it."""
    rest = shapely.Polygon(hole).buffer(-by_mm, join_style="mitre", mitre_limit=_MITRE_LIMIT).simplify(chord_mm)
    return [shapely.get_coordinates(one.exterior)[:-1] for one in pieces(rest) if one.area > _LEAST_HOLE_MM2]


def least_box_deg(outline: Floats) -> float:
    """Return by how much a shape is turned so that the rectangle around it is least, its longer side along x."""
    box = shapely.get_coordinates(shapely.minimum_rotated_rectangle(shapely.Polygon(outline)))
    if len(box) < 4:
        return 0.0
    sides = np.diff(box, axis=0)[:2]
    longer = sides[int(np.argmax(np.hypot(sides[:, 0], sides[:, 1])))]
    angle = -float(np.degrees(np.arctan2(longer[1], longer[0]))) % 180.0
    nearest = round(angle / 90.0) * 90.0
    return nearest % 360.0 if abs(angle - nearest) < _EXACT_DEG else angle


def turned(polygon: shapely.Polygon, rotation_deg: float, x_mm: float = 0.0, y_mm: float = 0.0) -> shapely.Polygon:
    """Return a polygon turned about the origin and then moved."""
    moved = shapely.transform(polygon, lambda points: placed(points, rotation_deg, x_mm, y_mm))
    assert isinstance(moved, shapely.Polygon)  # noqa: S101 - a movement keeps the kind
    return moved


def window_less(window: Window, taken: Sequence[shapely.Polygon]) -> list[shapely.Polygon]:
    """Return the pieces of a window that none of the polygons takes."""
    return pieces(shapely.box(*window).difference(shapely.union_all(list(taken))))


def pieces(region: Any) -> list[shapely.Polygon]:
    """Return the polygons of a region that have an area."""
    return [one for one in shapely.get_parts(region) if isinstance(one, shapely.Polygon) and one.area > 0]


def place_in(region: shapely.Polygon, polygon: shapely.Polygon) -> tuple[float, float] | None:
    """Return by how much a polygon must be moved to lie in a region, at its left as far as possible; None where no place was found.

    Tried is each corner of the polygon at each corner of the region, and its box in each corner of the region's box.
    """
    left, bottom, right, top = polygon.bounds
    x0, y0, x1, y1 = region.bounds
    if right - left > x1 - x0 + _TOUCH_MM or top - bottom > y1 - y0 + _TOUCH_MM or polygon.area > region.area + _TOUCH_MM:
        return None
    mine = shapely.get_coordinates(polygon.exterior)[:-1]
    at_corners = (shapely.get_coordinates(region)[:, None, :] - mine[None, :, :]).reshape(-1, 2)
    in_box = np.array([(x0 - left, y0 - bottom), (x0 - left, y1 - top), (x1 - right, y0 - bottom), (x1 - right, y1 - top)])
    moves = np.unique(np.concatenate([at_corners, in_box]).round(6), axis=0)
    inside = (moves[:, 0] + left >= x0 - _TOUCH_MM) & (moves[:, 0] + right <= x1 + _TOUCH_MM)
    inside &= (moves[:, 1] + bottom >= y0 - _TOUCH_MM) & (moves[:, 1] + top <= y1 + _TOUCH_MM)
    moves = moves[inside]
    wider = region.buffer(_TOUCH_MM, join_style="mitre")
    shapely.prepare(wider)
    for corner in mine:
        moves = moves[shapely.contains_xy(wider, moves[:, 0] + corner[0], moves[:, 1] + corner[1])]
    for x, y in moves:
        if wider.contains(shapely.transform(polygon, lambda points, by=(x, y): points + np.array(by))):
            return float(x), float(y)
    return None


def boxes(polygons: NDArray[Any]) -> Floats:
    """Return (k, 4) left, bottom, right, top of each polygon."""
    found: Floats = shapely.bounds(polygons) if len(polygons) else np.zeros((0, 4))
    return found


def convex_pieces(outline: Floats) -> list[Floats]:
    """Return convex pieces, counter-clockwise, that together are what an outline encloses: triangles, joined where that stays convex."""
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(shapely.Polygon(outline)))
    numbers = {tuple(point): row for row, point in enumerate(outline.tolist())}
    found: list[list[int]] = []
    for triangle in triangles:
        corners = [numbers[tuple(point)] for point in shapely.get_coordinates(triangle)[:3].tolist()]
        found.append(corners if _turn(*outline[corners]) > 0 else corners[::-1])
    joined = True
    while joined:
        joined = False
        for first in range(len(found)):
            for second in range(first + 1, len(found)):
                both = _join(outline, found[first], found[second])
                if both is not None:
                    found[first] = both
                    del found[second]
                    joined = True
                    break
            if joined:
                break
    return [outline[piece] for piece in found]


def _join(outline: Floats, first: list[int], second: list[int]) -> list[int] | None:
    """Return two loops that share an edge as one, where that is convex."""
    for at, corner in enumerate(first):
        after = first[(at + 1) % len(first)]
        if corner in second and after in second and second[(second.index(after) + 1) % len(second)] == corner:
            start = second.index(corner)
            beyond = [second[(start + step) % len(second)] for step in range(1, len(second) - 1)]
            both = [*first[: at + 1], *beyond, *first[at + 1 :]]
            turns = [_turn(*outline[[both[row - 1], both[row], both[(row + 1) % len(both)]]]) for row in range(len(both))]
            return both if min(turns) >= 0.0 else None
    return None


def _turn(before: Floats, at: Floats, after: Floats) -> float:
    """Return twice the area of the triangle: positive where the way turns left."""
    return float((at[0] - before[0]) * (after[1] - at[1]) - (at[1] - before[1]) * (after[0] - at[0]))


def holes_of(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Return the holes of a polygon, as what lies in them sees them."""
    return [shapely.Polygon(ring) for ring in polygon.interiors]


def enclosed_mm2(polygon: shapely.Polygon) -> float:
    """Return the area within the outline of a polygon, its holes with it."""
    return float(shapely.Polygon(polygon.exterior).area)
