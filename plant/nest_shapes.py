"""Shapes from corners as people and programs write them, and what makes a shape none that can be cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from plant.nests import Floats, Shape, area_mm2, ring_area

MOST_CORNERS = 10_000
"""Of a shape with all its holes."""
SMALLEST_MM, LARGEST_MM = 5.0, 50_000.0
"""The longer side of a part that is cut from plate; beyond, the unit is likely another."""
CHORD_MM = 0.1
"""How far a side may be from the arc it stands for."""
_FARTHEST_MM = 1e9
"""From the origin of the drawing: farther out, double precision does not hold what a cut needs."""
_OVERFLOWS = 1e100
_SAME = 1e-9
"""What is nearer than this share of the shape's size is the same place."""
_PAIRS_AT_ONCE = 500_000


def shape_of(outline: Sequence[Sequence[float]] | Floats, holes: Sequence[Sequence[Sequence[float]] | Floats] = ()) -> Shape:
    """Return a shape with its outline counter-clockwise and its holes clockwise; a corner said again, as at the end of a ring, is left out.

    It may be none that can be cut: ``shape_problems`` tells. Raises ValueError where a ring is no list of x and y.
    """
    rings = [_ring(points) for points in (outline, *holes)]
    same = 4 * _SAME * _span(rings[0])
    outer, *inner = [_without_repeats(ring, same) for ring in rings]
    return Shape(_turned(outer, 1.0), tuple(_turned(ring, -1.0) for ring in inner))


def shape_problems(shape: Shape, *, thickness_mm: float = 0.0, unit_known: bool = True) -> list[str]:
    """Return a sentence for each thing for which a shape cannot be cut; none: its rings are simple, apart, and each hole is inside.

    ``unit_known``: its lengths are mm, so that a size which no part of plate has is told. At most one crossing is told.
    """
    return list(_problems(shape, thickness_mm, unit_known=unit_known))


def _problems(shape: Shape, thickness_mm: float, *, unit_known: bool) -> Iterator[str]:
    rings = (shape.outline, *shape.holes)
    if (count := sum(map(len, rings))) > MOST_CORNERS:
        yield f"has {count:,} corners; at most {MOST_CORNERS:,}: simplify it"
        return
    wrong = [problem for number, ring in enumerate(rings) for problem in _ring_problems(ring, _name(number))]
    if wrong:
        yield from wrong
        return
    longer = _span(shape.outline)
    if unit_known and not SMALLEST_MM <= longer <= LARGEST_MM:
        yield f"is {_length(longer)} long; a part has {SMALLEST_MM:g} mm to {LARGEST_MM / 1000:g} m: is the unit right?"
    elif unit_known and longer < thickness_mm:
        yield f"is {_length(longer)} long and {thickness_mm:g} mm thick: is the unit right?"
    same = _SAME * longer
    flat = [number for number, ring in enumerate(rings) if _breadth(ring) <= 2 * same]
    if flat:
        yield f"{_name(flat[0])} has no area: its corners lie on one line"
        return
    crossing = _crossing(rings, same)
    if crossing:
        yield crossing
        return
    yield from _misplaced_holes(shape)


def _ring_problems(ring: Floats, name: str) -> Iterator[str]:
    if not np.isfinite(ring).all():
        yield f"{name}: corner {int(np.flatnonzero(~np.isfinite(ring).all(axis=1))[0]) + 1} is no number"
    elif len(ring) < 3:
        yield f"{name} has {len(ring)} different corner{'' if len(ring) == 1 else 's'}; at least 3"
    elif float(np.abs(ring).max()) > _FARTHEST_MM:
        yield f"{name}: a corner lies at {np.abs(ring).max():.3g} mm; draw it near the origin: is the unit right?"


def _misplaced_holes(shape: Shape) -> Iterator[str]:
    """No ring crosses another here, so one corner speaks for its ring."""
    corners = np.array([hole[0] for hole in shape.holes]).reshape(-1, 2)
    outside = ~_inside(corners, shape.outline)
    for number in np.flatnonzero(outside).tolist():
        yield f"hole {number + 1} is not inside the outline"
    for number, hole in enumerate(shape.holes):
        for other in np.flatnonzero(_inside(corners, hole)).tolist():
            if other != number:
                yield f"hole {other + 1} is inside hole {number + 1}"
    if not outside.any() and area_mm2(shape) <= 0:
        yield "its holes leave nothing of it"


def _ring(points: Sequence[Sequence[float]] | Floats) -> Floats:
    ring: Floats = np.array(points, float)
    if ring.size == 0:
        return ring.reshape(0, 2)
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise ValueError("a ring is a list of corners, each an x and a y")
    return ring


def _without_repeats(ring: Floats, same: float) -> Floats:
    if not _measurable(ring):
        return ring
    ring = ring[np.concatenate(([True], _lengths(np.diff(ring, axis=0)) > same))]
    while len(ring) > 1 and _lengths(ring[-1:] - ring[:1])[0] <= same:
        ring = ring[:-1]
    return ring


def _turned(ring: Floats, sense: float) -> Floats:
    return ring[::-1].copy() if len(ring) > 2 and _measurable(ring) and ring_area(ring) * sense < 0 else ring


def _measurable(ring: Floats) -> bool:
    """Whether lengths and areas of a ring are numbers."""
    return len(ring) > 0 and bool(np.isfinite(ring).all()) and float(np.abs(ring).max()) < _OVERFLOWS


def _span(ring: Floats) -> float:
    """Return the longer side of the box around a ring, 0 where that is no number."""
    if not _measurable(ring):
        return 0.0
    return float((ring.max(axis=0) - ring.min(axis=0)).max())


def _breadth(ring: Floats) -> float:
    """Return how far corners are from the line through the first and the one farthest from it."""
    ways = ring - ring[0]
    longest = ways[int(_lengths(ways).argmax())]
    return float(np.abs(ways @ np.array([-longest[1], longest[0]])).max() / np.hypot(*longest))


def _lengths(vectors: Floats) -> Floats:
    long: Floats = np.hypot(vectors[..., 0], vectors[..., 1])
    return long


def _name(number: int) -> str:
    return f"hole {number}" if number else "the outline"


def _length(length_mm: float) -> str:
    return f"{length_mm / 1000:,.4g} m" if length_mm >= 10_000 else f"{length_mm:.4g} mm"


def _crossing(rings: Sequence[Floats], same: float) -> str | None:
    """Tell where rings cross or touch themselves or each other, None where they keep apart."""
    begins = np.vstack(rings)
    ends = np.vstack([np.roll(ring, -1, axis=0) for ring in rings])
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    after = np.concatenate([first + np.roll(np.arange(len(ring)), -1) for ring, first in zip(rings, _firsts(rings), strict=True)])
    back = _turns_back(begins, ends, ends[after], same)
    if back.any():
        corner = ends[int(np.flatnonzero(back)[0])]
        return f"{_name(int(ring_of[back][0]))} runs back on itself at ({corner[0]:g}, {corner[1]:g})"
    for near_one, near_other in _near_pairs(begins, ends, same):
        apart = (after[near_one] != near_other) & (after[near_other] != near_one)
        one, other = near_one[apart], near_other[apart]
        touching = _touches(begins[one], ends[one], begins[other], ends[other], same)
        if touching.any():
            row = int(np.flatnonzero(touching)[0])
            names = sorted({int(ring_of[one[row]]), int(ring_of[other[row]])})
            near = _meeting(begins[one[row]], ends[one[row]], begins[other[row]], ends[other[row]])
            what = f"{_name(names[0])} crosses or touches {'itself' if len(names) == 1 else _name(names[1])}"
            return f"{what} near ({near[0]:g}, {near[1]:g})"
    return None


def _firsts(rings: Sequence[Floats]) -> list[int]:
    return [sum(map(len, rings[:number])) for number in range(len(rings))]


def _near_pairs(begins: Floats, ends: Floats, same: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows of sides whose boxes meet, by a sweep along x."""
    low, high = np.minimum(begins, ends) - same, np.maximum(begins, ends)
    order = np.argsort(low[:, 0], kind="stable")
    follow = np.searchsorted(low[order, 0], high[order, 0], side="right") - np.arange(len(order)) - 1
    block = np.cumsum(follow) // _PAIRS_AT_ONCE
    for number in np.unique(block):
        rows = np.flatnonzero(block == number)
        first = np.repeat(rows, follow[rows])
        step = np.arange(len(first)) - np.repeat(np.cumsum(follow[rows]) - follow[rows], follow[rows]) + 1
        one, other = order[first], order[first + step]
        meet = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
        yield one[meet], other[meet]


def _turns_back(begins: Floats, corners: Floats, ends: Floats, same: float) -> NDArray[np.bool_]:
    """Whether the way from begin to corner to end lies on itself."""
    sharp = ((corners - begins) * (ends - corners)).sum(axis=1) < 0
    back: NDArray[np.bool_] = sharp & ((_to_side(ends, begins, corners) <= same) | (_to_side(begins, corners, ends) <= same))
    return back


def _touches(a: Floats, b: Floats, c: Floats, d: Floats, same: float) -> NDArray[np.bool_]:
    """Whether the sides a-b and c-d come nearer than ``same``."""
    crosses = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
    nearest = np.minimum.reduce([_to_side(a, c, d), _to_side(b, c, d), _to_side(c, a, b), _to_side(d, a, b)])
    touches: NDArray[np.bool_] = crosses | (nearest <= same)
    return touches


def _meeting(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Return where the side a-b comes to the line c-d."""
    across = np.array([d[1] - c[1], c[0] - d[0]])
    begin, end = float((a - c) @ across), float((b - c) @ across)
    share = min(max(begin / (begin - end), 0.0), 1.0) if begin != end else 0.5
    return a + share * (b - a)


def _side(a: Floats, b: Floats, point: Floats) -> Floats:
    """Above 0 where a point is left of the way from a to b."""
    turned: Floats = (b[:, 0] - a[:, 0]) * (point[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (point[:, 0] - a[:, 0])
    return np.sign(turned)


def _to_side(point: Floats, a: Floats, b: Floats) -> Floats:
    """How far each point is from the side from a to b; sides have a length."""
    way = b - a
    share = np.clip(((point - a) * way).sum(axis=1) / (way**2).sum(axis=1), 0.0, 1.0)
    return _lengths(point - a - share[:, None] * way)


def _inside(points: Floats, ring: Floats) -> NDArray[np.bool_]:
    """Whether each point is inside a ring: a ray to the right crosses it an odd number of times."""
    x, y = points[:, :1], points[:, 1:]
    (ax, ay), (bx, by) = ring.T, np.roll(ring, -1, axis=0).T
    between = (ay > y) != (by > y)
    rise = np.where(ay == by, 1.0, by - ay)
    inside: NDArray[np.bool_] = np.count_nonzero(between & (x < (bx - ax) * (y - ay) / rise + ax), axis=1) % 2 == 1
    return inside


def circle(diameter_mm: float, x_mm: float = 0.0, y_mm: float = 0.0, *, outwards: bool = True) -> Floats:
    """Return corners (n, 2) that are at most ``CHORD_MM`` off a circle: outside of it; for a hole inside, so that no part is cut into."""
    radius = diameter_mm / 2
    count = max(12, int(np.ceil(np.pi / np.arccos(radius / (radius + CHORD_MM)))))
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    reach = radius / np.cos(np.pi / count) if outwards else radius
    return np.column_stack((x_mm + reach * np.cos(turns), y_mm + reach * np.sin(turns)))


def least_height_mm(shape: Shape, rotations_deg: Sequence[float] | None) -> float:
    """Return how high the lowest strip is that a shape lies in, turned as it may be; None: at any angle, then a side lies flat."""
    ring = shape.outline
    if rotations_deg is None:
        sides = np.roll(ring, -1, axis=0) - ring
        across = np.column_stack((-sides[:, 1], sides[:, 0])) / _lengths(sides)[:, None]
    else:
        turns = np.radians(np.array(rotations_deg))
        across = np.column_stack((np.sin(turns), np.cos(turns)))
    return min(float(np.ptp(ring @ one)) for one in across)
