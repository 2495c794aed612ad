"""The angle between the nut's part of a witness mark and the flange's, in the rectified planes, with its interval.

A mark is painted as one straight stroke over flange and nut. It need not pass the axis: it passes it at some distance, the same on both,
and the nut carries its part along when it turns. So one stroke for the flange, the same turned about the axis for the nut, fitted together
to all that is seen of both planes, painted or not: what something hides says nothing, and an edge that is cut obliquely pulls nothing
aside. Counter-clockwise as seen on the nut is positive; a mirror flips the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from vision.nut_shape import Floats, Numbers, NutShape, NutSizes, Reals

_TURNS: Final = 8
_PRIOR: Final = 0.01
_NOISE: Final = 0.25
"""How far the share of paint of a square mm is off the stroke's, by the net and by ragged paint."""
_SOFT_MM: Final = 0.3
"""How soft the edge of a stroke is at least."""
_PAST_AXIS_MM: Final = 0.25
"""A mark drawn along a straight edge passes the axis within twice this."""
_START: Final = np.array([3.7, 0.0, 8.0, 32.0, 1.0, 1.0])
_SPREAD: Final = np.array([0.8, 0.3, 6.0, 3.0, 0.1, 0.1])
"""Width on the nut, how much wider on the flange, where it begins and ends, mm; how dense the paint is on both."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Places of one plane in mm from the axis: how well each is seen, and its share of paint."""

    mm: Numbers
    seen: Numbers
    paint: Numbers

    def painted(self) -> tuple[Numbers, Numbers]:
        """Return the painted places and their weights."""
        weight = self.seen * self.paint
        enough = weight > 0.15
        return self.mm[enough], weight[enough]


@dataclass(frozen=True, slots=True)
class Strokes:
    """What is seen of the nut's top and of the flange, rings about the axis."""

    nut: Plane
    flange: Plane
    px_mm2: float
    """Area of one place."""

    @property
    def nut_area_mm2(self) -> float:
        """Return how much of the nut is painted."""
        return float(self.nut.painted()[1].sum()) * self.px_mm2

    @property
    def flange_area_mm2(self) -> float:
        """Return how much of the flange is painted."""
        return float(self.flange.painted()[1].sum()) * self.px_mm2


@dataclass(frozen=True, slots=True)
class MarkAngle:
    """How the nut's part of the mark stands to the flange's."""

    angle_deg: float
    sigma_deg: float
    """One standard deviation, from how well centre and strokes are known."""
    direction_deg: float
    beside_mm: float
    misfit: float
    """Root mean square of the share of paint that the strokes do not explain, over their own share: small for a clean mark."""


def strokes(paint: Floats, top: Floats, flange: Floats, seen: Floats, shape: NutShape, sizes: NutSizes, step_px: float) -> Strokes:
    """Return what is seen of both planes by maps of shares (h, w): paint, the nut's top, the flange, and what nothing hides."""
    y, x = (
        np.asarray(each, np.float32) * np.float32(step_px) + np.float32((step_px - 1) / 2)
        for each in np.mgrid[: paint.shape[0], : paint.shape[1]]
    )
    u, v = shape.top_mm(x, y)
    from_axis = np.hypot(u, v)
    on_top = top * seen * (from_axis > sizes.across_flats_mm * 0.15) * (from_axis < sizes.across_flats_mm * 0.5 - 0.5)
    p, q = shape.flange_mm(x, y)
    away = np.hypot(p, q)
    inner = max(sizes.washer_mm / 2, sizes.across_flats_mm * 0.5)
    on_flange = flange * seen * (away > inner + 0.6) * (away < sizes.across_flats_mm * 1.1)
    return Strokes(_plane(u, v, on_top, paint), _plane(p, q, on_flange, paint), (step_px / shape.radius_px) ** 2)


def _plane(x: Numbers, y: Numbers, seen: Reals, paint: Floats) -> Plane:
    clear = seen > 0.5
    return Plane(np.stack([x[clear], y[clear]], axis=1), np.asarray(seen[clear], np.float64), paint[clear].astype(np.float64))


def mark_angle(seen: Strokes, *, mirrored: bool, centre_sigma_mm: float) -> MarkAngle | None:
    """Return the angle of the nut's mark to the flange's; None where one of them is not there.

    ``centre_sigma_mm`` is how well the axis on the nut and that on the flange are known to each other. Both strokes pass it at the same
    distance but for that: where they are long, they tell more of the axis than the axis tells of them.
    """
    start = _lines(seen)
    if start is None:
        return None
    edge = max(0.35 * float(np.sqrt(seen.px_mm2)), _SOFT_MM)
    nut, flange = seen.nut, seen.flange
    root = np.sqrt(np.concatenate([nut.seen, flange.seen]) * min(seen.px_mm2, 1.0)) / _NOISE
    past = float(np.hypot(_PAST_AXIS_MM, centre_sigma_mm / 2**0.5))
    paint = np.concatenate([nut.paint, flange.paint])

    def stroke(p: Numbers) -> Numbers:
        on_nut = _share(nut.mm, p[0] + p[1], p[2] + p[9], p[3], (p[5], np.inf), edge) * p[7]
        on_flange = _share(flange.mm, p[0], p[2], p[3] + p[4], (-np.inf, p[6]), edge) * p[8]
        return np.concatenate([on_nut, on_flange])

    def off(p: Numbers) -> Numbers:
        held = [p[2] / past, p[9] / max(centre_sigma_mm, 1e-3)]
        return np.concatenate([root * (stroke(p) - paint), held, (p[3:9] - _START) / _SPREAD])

    scale = [0.02, 0.02, 0.2, 0.3, 0.3, 0.5, 0.5, 0.1, 0.1, 0.1]
    solved = least_squares(off, np.concatenate([start, _START, [0.0]]), x_scale=scale, max_nfev=20)
    p = solved.x
    explained = stroke(p)
    misfit = float(np.sqrt(((explained - paint) ** 2).sum() / max((explained**2).sum(), 1e-9)))
    slopes = np.asarray(solved.jac, np.float64)
    fit = float(np.sqrt(max(float(np.linalg.pinv(slopes.T @ slopes)[1, 1]), 0.0)))
    far_nut, far = (_far(plane, float(turn)) for plane, turn in ((nut, p[0] + p[1]), (flange, p[0])))
    if far_nut < 1 or far < 1:
        return None
    sigma = fit * max(1.0, misfit / 0.3)
    angle = float(np.rad2deg(_wrapped(float(p[1]))))
    # the picture's y points down, so what turns clockwise in its numbers turns counter-clockwise for who looks at it
    return MarkAngle(angle if mirrored else -angle, float(np.rad2deg(sigma)), float(np.rad2deg(p[0])), float(p[2]), misfit)


def _share(mm: Numbers, angle: float, distance: float, width: float, ends: tuple[float, float], edge: float) -> Numbers:
    """Return how much of each place a stroke covers."""
    beside, along = _beside(mm, angle, distance)
    inside = np.minimum(width / 2 - np.abs(beside), np.minimum(along - max(ends[0], 0.0), ends[1] - along))
    share: Numbers = np.clip(inside / edge * 0.5 + 0.5, 0, 1)
    return share


def _far(plane: Plane, angle: float) -> float:
    points, weight = plane.painted()
    return float(np.average(_beside(points, angle, 0.0)[1], weights=weight)) if weight.sum() > 0 else 0.0


def _lines(seen: Strokes) -> Numbers | None:
    """Return roughly direction, angle and distance from the axis, by the painted places alone."""
    (nut, nut_weight), (flange, flange_weight) = seen.nut.painted(), seen.flange.painted()
    if len(nut_weight) < 4 or len(flange_weight) < 4:
        return None
    (nut, nut_weight), (flange, flange_weight) = _main(nut, nut_weight), _main(flange, flange_weight)
    outwards = _direction(flange, flange_weight)
    at = np.array([outwards, _wrapped(_direction(nut, nut_weight) - outwards), 0.0])
    spread = 1.0
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
    return np.asarray(at, np.float64)


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


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
