"""What is seen of a mark at the picture's own sharpness: which places of nut and flange are painted, by their colours.

The net's maps are coarse: they say roughly where paint is and where not, and the colours of both say how much of each pixel is paint.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from vision.bolt_edges import HALF_MM
from vision.bolt_maps import BoltMaps, Seen
from vision.bolt_pose import plane_of
from vision.frames import Pixels
from vision.nut_shape import Floats, Numbers
from vision.witness_mark import Plane, Strokes

_BARE, _PAINTED = 0.12, 0.75
_FEWEST: Final = (40, 25)
_APART: Final = 5.0
"""What is less apart than this, in squared deviations, is left to the net."""
_NOISE_GREYS: Final = 30.0
_AROUND_PX: Final = 27
_NEAR_PX: Final = 11
_REACH_MM: Final = 38.0


def fine_strokes(square: Pixels, maps: BoltMaps, pose: Numbers, washer_radius_mm: float) -> Strokes:
    """Return what is seen of both planes of a bolt in a square; ``maps`` are those of the same square, of its size."""
    y, x = (np.asarray(each, np.float64) for each in np.mgrid[: square.shape[0], : square.shape[1]])
    colours = square.astype(np.float64)
    seen = (1 - maps.parts[Seen.COVER]).astype(np.float64)
    u, v = _on_plane(pose, 0.0, x, y)
    on_top = _within(u, v) < -0.6
    nut = on_top & (np.hypot(u, v) > 3) & (maps.parts[Seen.BOLT_END] < 0.3) & (seen > 0.5)
    height = float(pose[7] + pose[8])
    p, q = _on_plane(pose, -height, x, y)
    away = np.hypot(p, q)
    flange = (away > max(washer_radius_mm, HALF_MM + 0.5) + 0.8) & (away < _REACH_MM) & ~_behind(pose, x, y, height) & (seen > 0.5)
    planes = [_plane(colours, maps.paint, seen, here, at) for here, at in ((nut, (u, v)), (flange, (p, q)))]
    return Strokes(planes[0], planes[1], float(1 / np.exp(2 * pose[2])))


def _within(u: Numbers, v: Numbers) -> Numbers:
    far: Numbers = np.max([np.abs(u * np.cos(turn) + v * np.sin(turn)) for turn in np.arange(3) * np.pi / 3], axis=0) - HALF_MM
    return far


def _behind(pose: Numbers, x: Numbers, y: Numbers, height: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return what the nut hides: all that one of its levels is before."""
    hidden = np.zeros(x.shape, np.bool_)
    for high in np.linspace(0, height, 6):
        hidden |= _within(*_on_plane(pose, -float(high), x, y)) < 0.8
    return hidden


def _on_plane(pose: Numbers, height: float, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    at, affine, recede = plane_of(pose, height)
    inverse = np.linalg.inv(affine)
    dx, dy = x - at[0], y - at[1]
    u, v = inverse[0, 0] * dx + inverse[0, 1] * dy, inverse[1, 0] * dx + inverse[1, 1] * dy
    near = np.maximum(1 - recede[0] * u - recede[1] * v, 0.2)
    return u / near, v / near


def _plane(
    colours: Numbers,
    paint: Floats,
    seen: Numbers,
    here: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    at: tuple[Numbers, Numbers],
) -> Plane:
    share = paint.astype(np.float64)
    stroke = ((paint > 0.5) & here).astype(np.uint8)
    around = cv2.dilate(stroke, np.ones((_AROUND_PX, _AROUND_PX), np.uint8)) > 0
    bare, painted = colours[here & around & (paint < _BARE)], colours[here & (paint > _PAINTED)]
    if len(bare) >= _FEWEST[0] and len(painted) >= _FEWEST[1]:
        of_bare, of_paint = np.median(bare, axis=0), np.median(painted, axis=0)
        spread = (np.cov(bare.T) + np.cov(painted.T)) / 2 + np.eye(3) * _NOISE_GREYS
        way = np.linalg.solve(spread, of_paint - of_bare)
        apart = float(way @ (of_paint - of_bare))
        if apart > _APART:
            told = np.clip((colours - of_bare) @ way / apart, 0, 1)
            near = cv2.dilate(((paint > 0.3) & here).astype(np.uint8), np.ones((_NEAR_PX, _NEAR_PX), np.uint8)) > 0
            share = np.where(near, told, 0.0)
    chosen = here & around if around.any() else here
    return Plane(np.stack([at[0][chosen], at[1][chosen]], axis=1), seen[chosen], share[chosen])
