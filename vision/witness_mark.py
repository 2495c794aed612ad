"""The angle between the nut's part of a witness mark and the flange's, in the rectified planes, with its interval.

A mark is painted as one straight stroke over flange and nut. It need not pass the axis: it passes it at some distance, the same on both,
and the nut carries its part along when it turns. So one line for the flange, the same line turned about the axis for the nut, and their
three unknowns are fitted together: direction, distance, angle. Counter-clockwise as seen on the nut is positive; a mirror flips the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vision.nut_shape import Floats, Numbers, NutShape, NutSizes

_TURNS: Final = 8
_PRIOR: Final = 0.01


@dataclass(frozen=True, slots=True)
class Strokes:
    """Painted pixels of nut and flange in mm from the axis, with weights."""

    nut_mm: Numbers
    nut_weight: Numbers
    flange_mm: Numbers
    flange_weight: Numbers
    px_mm: float
    """Area of one pixel."""

    @property
    def nut_area_mm2(self) -> float:
        """Return how much of the nut is painted."""
        return float(self.nut_weight.sum()) * self.px_mm

    @property
    def flange_area_mm2(self) -> float:
        """Return how much of the flange is painted."""
        return float(self.flange_weight.sum()) * self.px_mm


@dataclass(frozen=True, slots=True)
class MarkAngle:
    """How the nut's part of the mark stands to the flange's."""

    angle_deg: float
    sigma_deg: float
    """One standard deviation, from how well centre and lines are known."""
    direction_deg: float
    beside_mm: float
    nut_width_mm: float
    flange_width_mm: float
    """Twice the deviation of painted points from the line: a stroke is narrow, a smear is not."""
    nut_length_mm: float
    flange_length_mm: float


def strokes(paint: Floats, top: Floats, flange: Floats, seen: Floats, shape: NutShape, sizes: NutSizes, step_px: float) -> Strokes:
    """Return the painted points by maps of shares (h, w): paint, the nut's top, the flange, and what nothing hides."""
    y, x = (
        np.asarray(each, np.float32) * np.float32(step_px) + np.float32((step_px - 1) / 2)
        for each in np.mgrid[: paint.shape[0], : paint.shape[1]]
    )
    u, v = shape.top_mm(x, y)
    # cut at circles about the axis: a stroke that ends at an oblique edge would pull its line aside
    from_axis = np.hypot(u, v)
    on_top = paint * top * seen * (from_axis > sizes.across_flats_mm * 0.15) * (from_axis < sizes.across_flats_mm * 0.5 - 0.4)
    p, q = shape.flange_mm(x, y)
    away = np.hypot(p, q)
    inner = max(sizes.washer_mm / 2, sizes.across_flats_mm * 0.5)
    on_flange = paint * flange * seen * (away > inner + 0.5) * (away < sizes.across_flats_mm)
    one, other = on_top > 0.15, on_flange > 0.15
    return Strokes(
        np.stack([u[one], v[one]], axis=1),
        on_top[one].astype(np.float64),
        np.stack([p[other], q[other]], axis=1),
        on_flange[other].astype(np.float64),
        (step_px / shape.radius_px) ** 2,
    )


def mark_angle(painted: Strokes, *, mirrored: bool, centre_sigma_mm: float) -> MarkAngle | None:
    """Return the angle of the nut's mark to the flange's; None where one of them is not there."""
    if len(painted.nut_weight) < 4 or len(painted.flange_weight) < 4:
        return None
    nut, nut_weight = _main(painted.nut_mm, painted.nut_weight)
    flange, flange_weight = _main(painted.flange_mm, painted.flange_weight)
    outwards = _direction(flange, flange_weight)
    at = np.array([outwards, _wrapped(_direction(nut, nut_weight) - outwards), 0.0])
    spread = 1.0
    normal = np.eye(3)
    for _ in range(_TURNS):
        beside_nut, along_nut = _beside(nut, at[0] + at[1], at[2])
        beside, along = _beside(flange, at[0], at[2])
        w = np.concatenate([nut_weight * _robust(beside_nut, spread), flange_weight * _robust(beside, spread)])
        # how the distances change with direction, angle and distance of the line
        rows = np.concatenate(
            [
                np.stack([-along_nut, -along_nut, -np.ones_like(along_nut)], axis=1),
                np.stack([-along, np.zeros_like(along), -np.ones_like(along)], axis=1),
            ]
        )
        normal = rows.T @ (w[:, None] * rows) + np.diag([0.0, 0.0, float(w.sum()) * _PRIOR])
        move = np.linalg.solve(
            normal + 1e-9 * np.eye(3), -(rows.T @ (w * np.concatenate([beside_nut, beside])) + [0, 0, _PRIOR * float(w.sum()) * at[2]])
        )
        at = at + np.clip(move, -0.3, 0.3)
        spread = max(1.0, 2.5 * float(np.sqrt(np.average(np.concatenate([beside_nut, beside]) ** 2, weights=w))))
    beside_nut, along_nut = _beside(nut, at[0] + at[1], at[2])
    beside, along = _beside(flange, at[0], at[2])
    far_nut, far = float(np.average(along_nut, weights=nut_weight)), float(np.average(along, weights=flange_weight))
    if far_nut < 1 or far < 1:
        return None
    nut_sd, flange_sd = (
        float(np.sqrt(np.average(each**2, weights=weight))) for each, weight in ((beside_nut, nut_weight), (beside, flange_weight))
    )
    edge = np.sqrt(painted.px_mm)
    own = edge * np.hypot(0.1 / far_nut, 0.1 / far) + 0.06 * np.hypot(nut_sd / far_nut, flange_sd / far)
    centre = centre_sigma_mm * np.hypot(1 / far_nut, 1 / far)
    line = 0.25 * abs(1 / far_nut - 1 / far) * 0.6
    angle = float(np.rad2deg(_wrapped(float(at[1]))))
    return MarkAngle(
        # the picture's y points down, so what turns clockwise in its numbers turns counter-clockwise for who looks at it
        angle if mirrored else -angle,
        float(np.rad2deg(np.sqrt(own**2 + centre**2 + line**2))),
        float(np.rad2deg(at[0])),
        float(at[2]),
        2 * nut_sd,
        2 * flange_sd,
        _length(along_nut, nut_weight),
        _length(along, flange_weight),
    )


def _beside(points: Numbers, angle: float, distance: float) -> tuple[Numbers, Numbers]:
    cos, sin = np.cos(angle), np.sin(angle)
    return points[:, 1] * cos - points[:, 0] * sin - distance, points[:, 0] * cos + points[:, 1] * sin


def _robust(beside: Numbers, spread: float) -> Numbers:
    weights: Numbers = 1 / (1 + (beside / spread) ** 4)
    return weights


def _main(points: Numbers, weight: Numbers) -> tuple[Numbers, Numbers]:
    """Return the points within 35 degrees of the direction that most paint lies in."""
    angles = np.arctan2(points[:, 1], points[:, 0])
    turned = np.exp(1j * (angles[:, None] - np.deg2rad(np.arange(0, 360, 6))[None]))
    score = (weight[:, None] * np.exp(-((np.angle(turned) / 0.2) ** 2))).sum(axis=0)
    best = np.deg2rad(6.0 * float(score.argmax()))
    near = np.abs(np.angle(np.exp(1j * (angles - best)))) < np.deg2rad(35)
    return points[near], weight[near]


def _direction(points: Numbers, weight: Numbers) -> float:
    middle = (points * weight[:, None]).sum(axis=0)
    return float(np.arctan2(middle[1], middle[0]))


def _length(along: Numbers, weight: Numbers) -> float:
    mean = float(np.average(along, weights=weight))
    return float(np.sqrt(12 * np.average((along - mean) ** 2, weights=weight)))


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


Column = npt.NDArray[np.float64]
