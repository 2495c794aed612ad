"""Where a nut is and how it is tilted, by its hexagon alone: affine rectification of its top, and the shift down to the flange.

The top of a nut is a regular hexagon of known width across flats. Its picture gives the affine map from mm to px (up to steps of 60
degrees, which do not matter where angles are compared), and the outline of nut and washer gives how far the flange's plane is shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float32]

_STEPS: Final = 12
_FLATS: Final = np.deg2rad(np.array([0.0, 60.0, 120.0]))


@dataclass(frozen=True, slots=True)
class NutSizes:
    """What the drawing says of nut and washer, mm."""

    across_flats_mm: float = 36.0
    washer_mm: float = 44.0
    """Outer diameter; 0: there is none by the drawing."""

    @property
    def corner_mm(self) -> float:
        """Return the radius of the nut's corners."""
        return self.across_flats_mm / 3**0.5


@dataclass(frozen=True, slots=True)
class NutShape:
    """A fitted nut: px = centre + affine @ mm / (1 + recede . mm) on its top; on the flange by base, and affine times base_scale."""

    centre_px: Numbers
    affine: Numbers
    base_px: Numbers
    base_scale: float
    error: float
    """Mean squared difference of the fitted hexagon to what was seen, 0 to 1."""
    base_error: float
    centre_sigma_px: float
    """Standard error of the centre, by the fit."""
    recede: Numbers
    """How much farther the plane is with each mm, as a share of the distance: perspective within the nut."""

    @property
    def radius_px(self) -> float:
        """Return the corners' mean radius for one mm of corner radius, i.e. px for one mm."""
        return float(np.sqrt(abs(np.linalg.det(self.affine))))

    @property
    def tilt(self) -> float:
        """Return the cosine of the tilt."""
        values = np.linalg.svd(self.affine, compute_uv=False)
        return float(values[1] / values[0])

    def top_mm(self, x: Floats, y: Floats) -> tuple[Numbers, Numbers]:
        """Return points of the picture as mm on the nut's top."""
        return _rectified(np.linalg.inv(self.affine), self.centre_px, self.recede, x, y)

    def flange_mm(self, x: Floats, y: Floats) -> tuple[Numbers, Numbers]:
        """Return points of the picture as mm on the flange."""
        return _rectified(np.linalg.inv(self.affine * self.base_scale), self.base_px, self.recede * self.base_scale, x, y)


def fit_nut(top: Floats, body: Floats, seen: Floats, sizes: NutSizes, *, washer: bool, step_px: float = 2.0) -> NutShape | None:
    """Return the nut that best explains two maps of shares (h, w): its top, and all of it with its washer; None where there is no top.

    ``seen`` weighs the pixels: 0 where something is in front. ``step_px`` is how far the maps' pixels are apart in the picture.
    """
    y, x = (each.astype(np.float64) for each in np.mgrid[: top.shape[0], : top.shape[1]])
    mass = top * seen
    total = float(mass.sum())
    if total < 30:
        return None
    middle = np.array([(mass * x).sum(), (mass * y).sum()]) / total
    dx, dy = x - middle[0], y - middle[1]
    spread = np.array([[(mass * dx * dx).sum(), (mass * dx * dy).sum()], [(mass * dx * dy).sum(), (mass * dy * dy).sum()]]) / total
    values, vectors = np.linalg.eigh(spread)
    half = sizes.across_flats_mm / 2
    # a hexagon of half width a has the second moment 5 a^2 / 18 about each axis
    round_map = vectors @ np.diag(np.sqrt(np.maximum(values, 1e-3) * 3.6)) @ vectors.T / half

    recede = np.zeros(2)

    def hexagon(p: Numbers) -> Numbers:
        return (_hexagon(p[:2], p[2:].reshape(2, 2), recede, half, x, y) - top) * seen

    def turned(angle: float) -> Numbers:
        cos, sin = np.cos(angle), np.sin(angle)
        return np.concatenate([middle, (round_map @ np.array([[cos, -sin], [sin, cos]])).ravel()])

    starts = [turned(np.deg2rad(angle)) for angle in range(0, 60, 10)]
    best = min(starts, key=lambda p: float((hexagon(p) ** 2).sum()))
    base, scale, error, base_error, sigma = middle, 1.0, 0.0, 0.0, np.zeros(6)
    for _ in range(2):  # the second time with the perspective that the first told of
        best, error, sigma = _least_squares(hexagon, best, np.array([0.25, 0.25, *[0.25 / half] * 4]))
        if np.linalg.svd(best[2:].reshape(2, 2), compute_uv=False)[1] * half < 2:
            return None
        base, scale, base_error = _fit_base(best[:2], best[2:].reshape(2, 2), recede, body, seen, sizes, washer=washer)
        recede = _receding(np.linalg.inv(best[2:].reshape(2, 2)) @ (base - best[:2]), scale, sizes)
    centre, affine = best[:2], best[2:].reshape(2, 2)
    size = float((seen > 0.5).sum())
    return NutShape(
        centre * step_px + (step_px - 1) / 2,
        affine * step_px,
        base * step_px + (step_px - 1) / 2,
        scale,
        error / max(size, 1),
        base_error / max(size, 1),
        float(np.hypot(sigma[0], sigma[1])) * step_px,
        recede,
    )


def _receding(down_mm: Numbers, scale: float, sizes: NutSizes) -> Numbers:
    """Return how the plane recedes, by where the axis meets the flange and how much smaller things are there."""
    height = 0.6 * sizes.across_flats_mm + 0.1 * sizes.washer_mm / 2
    slope = float(np.linalg.norm(down_mm)) / height
    distance = height / max(1 / min(scale, 0.995) - 1, 0.02)
    receding: Numbers = -down_mm / max(float(np.linalg.norm(down_mm)), 1e-6) * slope / np.hypot(1, slope) / distance
    return receding


def _fit_base(
    centre: Numbers, affine: Numbers, recede: Numbers, body: Floats, seen: Floats, sizes: NutSizes, *, washer: bool
) -> tuple[Numbers, float, float]:
    y, x = (each.astype(np.float64) for each in np.mgrid[: body.shape[0], : body.shape[1]])
    half = sizes.across_flats_mm / 2

    def outline(p: Numbers) -> Numbers:
        under = 0.83 if washer else 1.0  # the nut stands on the washer, some sixth of the way above the flange
        at, scale = centre + p[:2] * under, 1 + (p[2] - 1) * under
        whole = np.maximum(_hexagon(centre, affine, recede, half, x, y), _hexagon(at, affine * scale, recede, half, x, y))
        whole = np.maximum(whole, _hexagon((centre + at) / 2, affine * (1 + scale) / 2, recede, half, x, y))
        if washer:
            for where, size in ((at, scale), (centre + p[:2], p[2])):
                whole = np.maximum(whole, _disc(where, affine * size, recede, sizes.washer_mm / 2, x, y))
        return np.asarray((whole - body) * seen, np.float64)

    left, values, _ = np.linalg.svd(affine)
    slope = np.sqrt(max(1 - (values[1] / values[0]) ** 2, 0.0)) * values[0] * sizes.across_flats_mm * 0.6
    starts = [np.array([*(left[:, 1] * slope * way), 1.0]) for way in (-1, -0.5, 0, 0.5, 1)]
    start = min(starts, key=lambda p: float((outline(p) ** 2).sum()))
    best, error, _ = _least_squares(outline, start, np.array([0.25, 0.25, 0.01]), anchor=(np.array([0, 0, 1.0]), np.array([0, 0, 40.0])))
    return centre + best[:2], float(best[2]), error


def _rectified(inverse: Reals, centre: Numbers, recede: Numbers, x: Reals, y: Reals) -> tuple[Numbers, Numbers]:
    dx, dy = x - centre[0], y - centre[1]
    u, v = inverse[0, 0] * dx + inverse[0, 1] * dy, inverse[1, 0] * dx + inverse[1, 1] * dy
    near = np.maximum(1 - recede[0] * u - recede[1] * v, 0.2)
    return u / near, v / near


def _hexagon(centre: Numbers, affine: Numbers, recede: Numbers, half: float, x: Numbers, y: Numbers) -> Numbers:
    """Return the share of each pixel inside a hexagon."""
    inverse = np.linalg.inv(affine)
    u, v = _rectified(inverse, centre, recede, x, y)
    inside = np.full(x.shape, np.inf)
    for flat in _FLATS:
        cos, sin = np.cos(flat), np.sin(flat)
        length = np.hypot(*(np.array([cos, sin]) @ inverse))
        inside = np.minimum(inside, (half - np.abs(cos * u + sin * v)) / length)
    return np.clip(inside + 0.5, 0, 1)


def _disc(centre: Numbers, affine: Numbers, recede: Numbers, radius: float, x: Numbers, y: Numbers) -> Numbers:
    """Return the share of each pixel inside an ellipse, nearly."""
    u, v = _rectified(np.linalg.inv(affine), centre, recede, x, y)
    scale = np.sqrt(abs(np.linalg.det(affine)))
    share: Numbers = np.clip((radius - np.hypot(u, v)) * scale + 0.5, 0, 1)
    return share


def _least_squares(
    residual: Callable[[Numbers], Numbers], start: Numbers, step: Numbers, anchor: tuple[Numbers, Numbers] | None = None
) -> tuple[Numbers, float, Numbers]:
    """Return the parameters of least squares by damped Gauss-Newton, their squared error, and their standard errors."""
    at, damping = start, 1e-2
    now = residual(at).ravel()
    pull = np.zeros(0) if anchor is None else anchor[1] ** 2
    cost = float(now @ now) + (0.0 if anchor is None else float(pull @ (at - anchor[0]) ** 2))
    normal = np.eye(len(start))
    for _ in range(_STEPS):
        columns = np.stack([(residual(at + step * one).ravel() - now) / (step @ one) for one in np.eye(len(start))])
        normal, slope = columns @ columns.T, columns @ now
        if anchor is not None:
            normal, slope = normal + np.diag(pull), slope + pull * (at - anchor[0])
        move = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -slope)
        tried = residual(at + move).ravel()
        tried_cost = float(tried @ tried) + (0.0 if anchor is None else float(pull @ (at + move - anchor[0]) ** 2))
        if tried_cost < cost:
            done = cost - tried_cost < 1e-4 * cost
            at, now, cost, damping = at + move, tried, tried_cost, damping / 4
            if done:
                break
        else:
            damping *= 8
            if damping > 1e4:
                break
    variance = cost / max(now.size - len(start), 1)
    sigma = np.sqrt(np.maximum(np.diag(np.linalg.pinv(normal)) * variance, 0))
    return at, cost, sigma
