"""A bolt looked at from near: its pose by its edges, then its mark, by the net of marks and by the picture's own pixels.

Whoever has only the net of marks has the pose corrected by that net.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vision.bolt_circle import CameraLens
from vision.bolt_edges import HALF_MM
from vision.bolt_maps import BoltMaps, Window
from vision.bolt_pose import EdgeNet, plane_of, shape_of, shipped_edges, standing, started, turned_starts
from vision.bolt_squares import Square
from vision.bolt_start import Stand, StartNet, shipped_starts
from vision.bolt_stroke import fine_strokes
from vision.frames import Pixels
from vision.mark_net import RADIUS_PX, SIDE_PX, SMALLEST_RADIUS_PX, MarkLook, MarkNet, Planes, shipped_marks
from vision.nut_shape import Numbers, NutShape, NutSizes
from vision.witness_mark import Strokes

_LEARNED_MM: Final = 2 * HALF_MM
_RECUTS: Final = 2
_BESIDE_PX: Final = 9.0
_LARGER: Final = 0.1
"""How often, at most, a square is cut anew, and how far beside its middle, or how much larger, a bolt must be for that."""


@dataclass(frozen=True, slots=True)
class NearLook:
    """What is seen of a bolt from near."""

    shape: NutShape
    """In the window that the first pose was given in."""
    mark: MarkLook
    strokes: Strokes
    washer: float
    """How likely there is one, by its rims."""
    misfit: float
    axis_sigma_mm: Numbers
    """How well the axis is known on the nut and on the flange, by the fit."""


class NearEyes:
    """The nets of starts, of edges and of marks."""

    def __init__(self, starts: StartNet, edges: EdgeNet, marks: MarkNet) -> None:
        self._starts = starts
        self._edges = edges
        self._marks = marks

    def look(
        self,
        pixels: Pixels,
        shape: NutShape,
        window: Window,
        maps: BoltMaps,
        sizes: NutSizes,
        *,
        mirrored: bool,
        lens: CameraLens | None = None,
    ) -> NearLook | None:
        """Return what is seen of a bolt whose pose in a window of the picture is roughly known; None where it is too small."""
        mm = sizes.across_flats_mm / _LEARNED_MM
        radius = shape.radius_px * sizes.corner_mm * window.scale
        if radius < SMALLEST_RADIUS_PX:
            return None
        ends = np.array([window.to_picture(float(at[0]), float(at[1])) for at in (shape.centre_px, shape.base_px)])
        square, stand = self._squared(pixels, Square(SIDE_PX, ends.mean(axis=0), radius / RADIUS_PX, lens))
        pixels, washer_mm = square.cut(pixels), sizes.washer_mm / 2 / mm
        affine = square.affine(ends[0], shape.affine * window.scale * mm, back=False)
        top, base = square.from_picture(ends)
        seen = turned_starts(standing(stand.top, stand.base, stand.px_per_mm, stand.turn))
        fit = self._edges.fit(pixels, started(top, affine, base), seen, washer_mm)
        planes = Planes(
            *(np.stack(each) for each in zip(*(plane_of(fit.pose, high) for high in (0.0, -fit.pose[7] - fit.pose[8])), strict=True))
        )
        strokes = fine_strokes(pixels, square.maps(maps, window), fit.pose, washer_mm)
        look = self._marks.look_at(pixels, planes, mirrored=mirrored, turns=0)
        scale = float(np.exp(fit.pose[2]))
        sigma = np.sqrt([np.trace(fit.covariance[:2, :2]) / 2, np.trace(_of_base(fit.pose, fit.covariance)) / 2]) / scale * mm
        return NearLook(_in_window(shape_of(fit.pose, shape), square, window, mm), look, strokes, fit.washer, fit.misfit, sigma)

    def _squared(self, pixels: Pixels, square: Square) -> tuple[Square, Stand]:
        """Return the square that the bolt is in the middle of, and how it stands there: that of its outline may be far beside it."""
        for _ in range(_RECUTS):
            stand = self._starts.stand(square.cut(pixels))
            middle, larger = (stand.top + stand.base) / 2, stand.px_per_mm * HALF_MM * 2 / 3**0.5 / RADIUS_PX
            if float(np.abs(middle - (SIDE_PX - 1) / 2).max()) < _BESIDE_PX and abs(np.log(larger)) < _LARGER:
                break
            square = replace(square, middle_px=square.to_picture(middle), scale=square.scale * larger)
            stand = self._starts.stand(square.cut(pixels))
        return square, stand


def _of_base(pose: Numbers, covariance: Numbers) -> Numbers:
    """Return the covariance of where the axis meets the flange, px."""
    step = np.array([0.1, 0.1, 1e-3, 1e-3, 1e-3, 1e-3, 1e-5, 0.05, 0.05])
    moved = [
        (plane_of(pose + one, -(pose + one)[7] - (pose + one)[8])[0] - plane_of(pose - one, -(pose - one)[7] - (pose - one)[8])[0])
        / 2
        / one.sum()
        for one in np.diag(step)
    ]
    slopes = np.stack(moved, axis=1)
    found: Numbers = slopes @ covariance @ slopes.T
    return found


def _in_window(shape: NutShape, square: Square, window: Window, mm: float) -> NutShape:
    """Return a shape of the square as one of the window."""
    centre, base = (square.to_picture(np.stack([shape.centre_px, shape.base_px])) - [window.left, window.top]) / window.scale
    affine = square.affine(shape.centre_px, shape.affine, back=True) / mm / window.scale
    return NutShape(centre, affine, base, shape.base_scale, shape.error, shape.base_error, shape.centre_sigma_px, shape.recede / mm)


def shipped_eyes() -> NearEyes:
    """Return the nets that come with Leadhand. Raises Rejected where one is missing."""
    return NearEyes(shipped_starts(), shipped_edges(), shipped_marks())
