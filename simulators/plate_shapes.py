"""Outlines of plate parts as drawn in weldments: rectangles, gussets, lugs, rings, windows, boom sides. Lengths mm.

Corners are rounded and circles drawn by chords that leave the arc by at most ``CHORD_MM``, so the parts have as many corners as a
drawing of a real one that was flattened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plant.nests import Shape

Floats = NDArray[np.float64]
CHORD_MM = 0.5


def circle(radius_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> Floats:
    """Return the corners (n, 2) of a circle, counter-clockwise."""
    count = max(12, int(np.ceil(np.pi / np.arccos(1.0 - CHORD_MM / radius_mm))))
    angles = 2.0 * np.pi * np.arange(count) / count
    return np.column_stack((x_mm + radius_mm * np.cos(angles), y_mm + radius_mm * np.sin(angles)))


def rounded(corners: Sequence[tuple[float, float]], radii_mm: Sequence[float] | float = 0.0) -> Floats:
    """Return the polygon of these corners (counter-clockwise) with arcs instead of corners whose radius is not 0.

    An arc takes at most 0.45 of the shorter edge beside it.
    """
    points = np.asarray(corners, np.float64)
    radii = np.broadcast_to(np.asarray(radii_mm, np.float64), len(points))
    arcs = [
        _arc(points[at - 1], points[at], points[(at + 1) % len(points)], float(radius)) if radius > 0 else points[at : at + 1]
        for at, radius in enumerate(radii)
    ]
    return np.concatenate(arcs)


def _arc(before: Floats, corner: Floats, after: Floats, radius: float) -> Floats:
    to_before, to_after = before - corner, after - corner
    lengths = float(np.linalg.norm(to_before)), float(np.linalg.norm(to_after))
    to_before, to_after = to_before / lengths[0], to_after / lengths[1]
    half = float(np.arccos(np.clip(to_before @ to_after, -1.0, 1.0))) / 2.0
    cut: float = min(radius / float(np.tan(half)), 0.45 * min(lengths))
    turn = np.pi - 2.0 * half
    steps = max(1, int(np.ceil(turn / (2.0 * np.arccos(max(0.5, 1.0 - CHORD_MM / (cut * np.tan(half))))))))
    bisector = (to_before + to_after) / np.linalg.norm(to_before + to_after)
    middle = corner + bisector * cut / np.cos(half)
    begin, end = corner + to_before * cut - middle, corner + to_after * cut - middle
    shares = np.arange(steps + 1) / steps
    angle = np.arctan2(begin[0] * end[1] - begin[1] * end[0], begin @ end) * shares
    cosine, sine = np.cos(angle), np.sin(angle)
    arc: Floats = middle + np.column_stack((cosine * begin[0] - sine * begin[1], sine * begin[0] + cosine * begin[1]))
    return arc


def _hole(ring: Floats) -> Floats:
    return np.ascontiguousarray(ring[::-1])


def bar(length_mm: float, width_mm: float) -> Shape:
    """Return a rectangle, its length along x."""
    return Shape(rounded([(0, 0), (length_mm, 0), (length_mm, width_mm), (0, width_mm)]))


def drilled_bar(length_mm: float, width_mm: float, bore_mm: float) -> Shape:
    """Return a rectangle with a round hole near each end."""
    inset = min(0.2 * length_mm, 0.5 * width_mm)
    holes = tuple(_hole(circle(bore_mm / 2, x, width_mm / 2)) for x in (inset, length_mm - inset))
    return Shape(bar(length_mm, width_mm).outline, holes)


def gusset(long_mm: float, short_mm: float, snipe_mm: float, nose_mm: float) -> Shape:
    """Return a right-angled triangle whose right angle is cut off for the seam, and whose tips are blunt."""
    corners = [(snipe_mm, 0.0), (long_mm, 0.0), (long_mm, nose_mm), (nose_mm, short_mm), (0.0, short_mm), (0.0, snipe_mm)]
    return Shape(rounded(corners))


def stiffener(length_mm: float, width_mm: float, snipe_mm: float) -> Shape:
    """Return a rectangle with both corners of one long side cut off."""
    corners = [(snipe_mm, 0.0), (length_mm - snipe_mm, 0.0), (length_mm, snipe_mm), (length_mm, width_mm), (0.0, width_mm), (0.0, snipe_mm)]
    return Shape(rounded(corners))


def lug(width_mm: float, height_mm: float, bore_mm: float) -> Shape:
    """Return an ear: straight at its foot, round about its bore at the top."""
    outline = rounded([(0, 0), (width_mm, 0), (width_mm, height_mm), (0, height_mm)], (0, 0, 0.45 * width_mm, 0.45 * width_mm))
    return Shape(outline, (_hole(circle(bore_mm / 2, width_mm / 2, height_mm - width_mm / 2)),))


def ring(outer_mm: float, inner_mm: float) -> Shape:
    """Return a ring of these diameters."""
    return Shape(circle(outer_mm / 2), (_hole(circle(inner_mm / 2)),))


def flange(outer_mm: float, bore_mm: float, bolt_mm: float, bolts: int) -> Shape:
    """Return a disc with a bore and a circle of bolt holes."""
    pitch = (outer_mm + bore_mm) / 4
    angles = 2 * np.pi * np.arange(bolts) / bolts
    holes = [circle(bore_mm / 2), *(circle(bolt_mm / 2, float(pitch * np.cos(at)), float(pitch * np.sin(at))) for at in angles)]
    return Shape(circle(outer_mm / 2), tuple(_hole(one) for one in holes))


def window(length_mm: float, width_mm: float, rim_mm: float, radius_mm: float) -> Shape:
    """Return a bulkhead: a plate with round corners and a window as wide as its rim leaves."""
    outline = rounded([(0, 0), (length_mm, 0), (length_mm, width_mm), (0, width_mm)], radius_mm)
    right, top = length_mm - rim_mm, width_mm - rim_mm
    return Shape(outline, (_hole(rounded([(rim_mm, rim_mm), (right, rim_mm), (right, top), (rim_mm, top)], radius_mm)),))


def angle_plate(long_mm: float, short_mm: float, leg_mm: float, radius_mm: float) -> Shape:
    """Return an L whose inner corner is round."""
    corners = [(0.0, 0.0), (long_mm, 0.0), (long_mm, leg_mm), (leg_mm, leg_mm), (leg_mm, short_mm), (0.0, short_mm)]
    return Shape(rounded(corners, (0, 0, 0, radius_mm, 0, 0)))


def saddle(width_mm: float, height_mm: float, bore_mm: float) -> Shape:
    """Return a plate with a half round out of its upper edge, as a pipe lies in."""
    angles = np.linspace(0.0, -np.pi, max(9, int(np.ceil(len(circle(bore_mm / 2)) / 2)) + 1))
    arc = np.column_stack((width_mm / 2 + bore_mm / 2 * np.cos(angles), height_mm + bore_mm / 2 * np.sin(angles)))
    return Shape(np.concatenate((rounded([(0, 0), (width_mm, 0), (width_mm, height_mm)]), arc, rounded([(0, height_mm)]))))


def base_plate(length_mm: float, width_mm: float, cut_mm: float, bore_mm: float) -> Shape:
    """Return a plate with all four corners cut off and a bore in its middle."""
    corners = [
        (cut_mm, 0.0),
        (length_mm - cut_mm, 0.0),
        (length_mm, cut_mm),
        (length_mm, width_mm - cut_mm),
        (length_mm - cut_mm, width_mm),
        (cut_mm, width_mm),
        (0.0, width_mm - cut_mm),
        (0.0, cut_mm),
    ]
    return Shape(rounded(corners), (_hole(circle(bore_mm / 2, length_mm / 2, width_mm / 2)),))


def tapered(length_mm: float, foot_mm: float, tip_mm: float, bores: int) -> Shape:
    """Return the side of an arm or of a boom's section: it tapers on one edge, is round at its ends; bored at both, lighter by more."""
    outline = rounded(
        [(0, 0), (length_mm, 0), (length_mm, tip_mm), (0, foot_mm)], (0.4 * foot_mm, 0.4 * tip_mm, 0.4 * tip_mm, 0.4 * foot_mm)
    )
    ends = [circle(0.15 * foot_mm, 0.35 * foot_mm, 0.5 * foot_mm), circle(0.15 * tip_mm, length_mm - 0.45 * tip_mm, 0.5 * tip_mm)]
    at = length_mm * (np.arange(bores) + 1.0) / (bores + 1.0)
    height = foot_mm + (tip_mm - foot_mm) * at / length_mm
    lighter = [circle(0.2 * float(high), float(x), 0.5 * float(high)) for x, high in zip(at, height, strict=True)]
    return Shape(outline, tuple(_hole(one) for one in (*ends, *lighter)))


def boom_side(length_mm: float, rise_mm: float, foot_mm: float, belly_mm: float, tip_mm: float) -> Shape:
    """Return the side of an excavator's boom: two limbs that meet at an obtuse bend, bored at foot, bend and tip."""
    bend = 0.45 * length_mm
    corners = [
        (0.0, 0.0),
        (bend, rise_mm),
        (length_mm, 0.15 * rise_mm),
        (length_mm, 0.15 * rise_mm + tip_mm),
        (bend, rise_mm + belly_mm),
        (0.0, foot_mm),
    ]
    outline = rounded(corners, (0.4 * foot_mm, length_mm, 0.4 * tip_mm, 0.4 * tip_mm, 0.8 * length_mm, 0.4 * foot_mm))
    holes = (
        circle(0.16 * foot_mm, 0.4 * foot_mm, 0.55 * foot_mm),
        circle(0.1 * belly_mm, bend, rise_mm + 0.42 * belly_mm),
        circle(0.16 * tip_mm, length_mm - 0.5 * tip_mm, 0.18 * rise_mm + 0.5 * tip_mm),
    )
    return Shape(outline, tuple(_hole(one) for one in holes))
