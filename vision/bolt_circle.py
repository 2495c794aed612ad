"""The pose of a bolt circle without a target: by its own bolts, whose pitch diameter and count are known.

The camera's focal length and distortion are known from its calibration. The bolts' places in the picture give where the flange stands
before the camera, and where each bolt is on it in mm, with covariance. A mirror flips the picture, and so the way bolts are counted.
What does not fit (too few, another pitch, another count) is refused with Rejected: no offset is better than a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from plant.errors import Rejected
from plant.inspections import Reason

Numbers = npt.NDArray[np.float64]

FEWEST_BOLTS: Final = 4


class CircleRefusedError(Rejected):
    """The circle could not be located."""

    def __init__(self, text: str, reason: Reason) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CircleDrawing:
    """The circle by its drawing."""

    diameter_mm: float
    count: int


@dataclass(frozen=True, slots=True)
class CameraLens:
    """A calibrated camera."""

    focal_px: float
    centre_px: tuple[float, float]
    distortion: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class CirclePose:
    """Where the flange stands, and its bolts on it. Columns in the order of the points that were given."""

    turn: Numbers
    shift_mm: Numbers
    """camera = turn @ flange + shift; the flange's plane is z = 0, its x axis goes through place 0."""
    places: npt.NDArray[np.int64]
    """Which place of the circle each bolt has, from 0; the first place is the caller's to say."""
    found_mm: Numbers
    """(n, 2): where each bolt is on the flange."""
    offset_mm: Numbers
    """(n, 2): how far that is from the drawing."""
    covariance_mm2: Numbers
    """(n, 2, 2)."""
    residual_mm: float
    """Root mean square of the offsets."""


def locate(
    points_px: Numbers,
    rectify: Numbers,
    drawing: CircleDrawing,
    lens: CameraLens,
    *,
    sigma_px: float = 0.4,
    most_residual_mm: float = 1.5,
    most_sigma_mm: float = 0.5,
    nearest: tuple[float, float] | None = None,
    nearest_place: int = 0,
) -> CirclePose:
    """Return the pose of the circle by where its bolts stand on the flange in the picture (n, 2).

    ``rectify`` (2, 2) is roughly the map from mm of the flange to px, a nut's affine map, up to a turn. The circle's place that is nearest
    to ``nearest``, else to the picture's middle, is ``nearest_place``, whether a bolt was found there or not. Raises Rejected where the
    circle does not fit, by more than ``most_residual_mm`` or so badly that a place has a standard error above ``most_sigma_mm``.
    """
    if len(points_px) < FEWEST_BOLTS:
        reason = Reason("circle_few_bolts", {"found": len(points_px), "least": FEWEST_BOLTS})
        raise CircleRefusedError(f"{len(points_px)} bolts were found, {FEWEST_BOLTS} at least are needed to locate the circle", reason)
    rays = straightened(points_px, lens)
    best: tuple[float, Numbers, npt.NDArray[np.int64]] | None = None
    for way in (1.0, -1.0):  # which side of the tilt is nearer, the nuts do not tell
        flat = _flattened(rays * lens.focal_px, rectify, lens, way)
        for centre in _centres(flat, drawing.diameter_mm / 2):
            steps = _steps(flat - centre, drawing)
            if steps is None:
                continue
            fitted, cost = _fitted(rays, flat, steps, drawing, rectify, lens)
            if best is None or cost < best[0]:
                best = (cost, fitted, steps)
    if best is None:
        reason = Reason("circle_other", {"count": drawing.count, "diameter": drawing.diameter_mm})
        raise CircleRefusedError(f"the bolts do not stand as {drawing.count} on a circle of {drawing.diameter_mm:g} mm do", reason)
    pose = _posed(best[1], best[2], rays, drawing, lens, sigma_px, (most_residual_mm, most_sigma_mm))
    away = np.hypot(*(places_px(pose, drawing, lens) - np.array(nearest or lens.centre_px)).T)
    return _counted_on(pose, drawing, nearest_place - int(np.nanargmin(away)))


def _counted_on(pose: CirclePose, drawing: CircleDrawing, steps: int) -> CirclePose:
    """Return the same pose with its places counted from another one."""
    turn = _about_z(2 * np.pi * steps / drawing.count)
    flat = turn[:2, :2]
    return replace(
        pose,
        turn=pose.turn @ turn.T,
        places=(pose.places + steps) % drawing.count,
        found_mm=pose.found_mm @ flat.T,
        offset_mm=pose.offset_mm @ flat.T,
        covariance_mm2=flat @ pose.covariance_mm2 @ flat.T,
    )


def places_px(pose: CirclePose, drawing: CircleDrawing, lens: CameraLens) -> Numbers:
    """Return (count, 2): where each place of the circle is in the picture or beside it; nan behind the camera."""
    nominal = _nominal(np.arange(drawing.count), drawing)
    seen = np.column_stack([nominal, np.zeros(len(nominal))]) @ pose.turn.T + pose.shift_mm
    with np.errstate(divide="ignore", invalid="ignore"):
        straight = seen[:, :2] / seen[:, 2:]
        r2 = (straight**2).sum(axis=1, keepdims=True)
        stretch = 1 + lens.distortion[0] * r2 + lens.distortion[1] * r2**2
        slope = 1 + 3 * lens.distortion[0] * r2 + 5 * lens.distortion[1] * r2**2
        bent = straight * stretch * ([-1.0, 1.0] if lens.mirrored else [1.0, 1.0])
    bent[(seen[:, 2] <= 0) | (slope[:, 0] <= 0)] = np.nan  # where the slope is below 0, the formula bends back into the picture
    return np.asarray(bent * lens.focal_px + np.array(lens.centre_px), np.float64)


def straightened(points_px: Numbers, lens: CameraLens) -> Numbers:
    """Return points as slopes of their rays, free of distortion, as a camera without mirror sees them."""
    bent = (points_px - np.array(lens.centre_px)) / lens.focal_px
    if lens.mirrored:
        bent = bent * np.array([-1.0, 1.0])
    straight = bent
    for _ in range(8):
        r2 = (straight**2).sum(axis=1, keepdims=True)
        straight = bent / (1 + lens.distortion[0] * r2 + lens.distortion[1] * r2**2)
    return np.asarray(straight, np.float64)


def _flattened(points: Numbers, rectify: Numbers, lens: CameraLens, way: float) -> Numbers:
    """Return points in mm of the flange, roughly, up to a turn; ``way`` says to which side the flange falls away."""
    flip = np.diag([-1.0, 1.0]) if lens.mirrored else np.eye(2)
    values, vectors = np.linalg.eigh(flip @ rectify @ rectify.T @ flip)
    flat = (points - points.mean(axis=0)) @ (vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T)
    sine = np.sqrt(max(1 - values[0] / values[1], 0.0))
    near = 1 - way * sine * np.sqrt(values[1]) / lens.focal_px * (flat @ vectors[:, 0])
    return np.asarray(flat / np.maximum(near, 0.2)[:, None], np.float64)


def _centres(flat: Numbers, radius: float) -> list[Numbers]:
    """Return where the circle's centre may be in the flattened picture, from both sides of the bolts."""
    _, _, axes = np.linalg.svd(flat - flat.mean(axis=0))
    found: list[Numbers] = []

    def off(centre: Numbers) -> Numbers:
        return np.asarray(np.hypot(*(flat - centre).T) - radius, np.float64)

    for side in (axes[1], -axes[1], axes[0], -axes[0]):
        start = flat.mean(axis=0) + side * radius * 0.95
        solved = least_squares(off, start)
        if all(np.hypot(*(solved.x - other)) > 0.2 * radius for other in found):
            found.append(np.asarray(solved.x, np.float64))
    return found


def _steps(from_centre: Numbers, drawing: CircleDrawing) -> npt.NDArray[np.int64] | None:
    """Return each bolt's place by its angle about the centre, from the first one on; None where they are no whole steps."""
    # seen from the camera side with y down, counter-clockwise on the flange is clockwise in these numbers
    angles = -np.arctan2(from_centre[:, 1], from_centre[:, 0])
    steps = (angles - angles[0] + np.pi) % (2 * np.pi) - np.pi
    counted = steps * drawing.count / (2 * np.pi)
    whole = np.round(counted)
    if np.abs(counted - whole).max() > 0.42 or len(set(whole.astype(int) % drawing.count)) < len(whole):
        return None
    return np.asarray(whole.astype(np.int64) % drawing.count, np.int64)


def _fitted(
    rays: Numbers, flat: Numbers, places: npt.NDArray[np.int64], drawing: CircleDrawing, rectify: Numbers, lens: CameraLens
) -> tuple[Numbers, float]:
    nominal = _nominal(places, drawing)
    best, cost = np.zeros(6), np.inf
    scale = float(np.sqrt(abs(np.linalg.det(rectify))))
    values = np.linalg.svd(rectify, compute_uv=False)
    tilt = float(np.arccos(np.clip(values[1] / values[0], 0.2, 1)))
    # the turn that lays the drawing's points on the flattened ones
    target = (flat - flat.mean(axis=0)) * np.array([1.0, -1.0])
    about = nominal - nominal.mean(axis=0)
    turn = float(np.angle(((target[:, 0] + 1j * target[:, 1]) * (about[:, 0] - 1j * about[:, 1])).sum()))
    for around in np.deg2rad(np.arange(0, 360, 45)) if tilt > 0.05 else (0.0,):
        first = _vector(_leaning(tilt, around) @ np.diag([1.0, -1.0, -1.0]) @ _about_z(turn))
        middle = np.append(rays.mean(axis=0), 1.0) * lens.focal_px / scale
        shift = middle - _matrix(first) @ np.append(nominal.mean(axis=0), 0.0)
        solved = least_squares(
            _misses, np.concatenate([first, shift]), args=(rays, nominal, lens.focal_px), x_scale=[0.01] * 3 + [1.0] * 3, max_nfev=60
        )
        if solved.cost < cost and _matrix(solved.x[:3])[2, 2] < 0 and solved.x[5] > 0:
            best, cost = np.asarray(solved.x, np.float64), float(solved.cost)
    return best, cost


def _misses(pose: Numbers, rays: Numbers, nominal: Numbers, focal_px: float) -> Numbers:
    seen = np.column_stack([nominal, np.zeros(len(nominal))]) @ _matrix(pose[:3]).T + pose[3:]
    misses: Numbers = ((seen[:, :2] / seen[:, 2:] - rays) * focal_px).ravel()
    return misses


def _posed(
    pose: Numbers,
    places: npt.NDArray[np.int64],
    rays: Numbers,
    drawing: CircleDrawing,
    lens: CameraLens,
    sigma_px: float,
    most_mm: tuple[float, float],
) -> CirclePose:
    turn, shift = _matrix(pose[:3]), pose[3:]
    nominal = _nominal(places, drawing)
    found = _on_flange(rays, turn, shift)
    offset = found - nominal
    residual = float(np.sqrt((offset**2).sum(axis=1).mean()))
    if not np.isfinite(residual) or residual > most_mm[0]:
        reason = Reason("circle_off", {"off": round(min(residual, 1e6), 2), "limit": most_mm[0]})
        text = f"the circle does not fit: its bolts are {residual:.2f} mm off by root mean square, {most_mm[0]:g} mm at most"
        raise CircleRefusedError(text, reason)
    covariance = _covariance(pose, rays, nominal, lens, max(sigma_px, _spread_px(pose, rays, nominal, lens)))
    sigma = float(np.sqrt(np.trace(covariance, axis1=1, axis2=2).max() / 2))
    if not sigma <= most_mm[1]:
        reason = Reason("circle_unsure", {"sigma": round(min(sigma, 1e6), 2), "limit": most_mm[1]})
        text = f"the circle is located too poorly: a bolt's place has a standard error of {sigma:.2f} mm, {most_mm[1]:g} mm at most"
        raise CircleRefusedError(text, reason)
    return CirclePose(turn, shift, places, found, offset, covariance, residual)


def _spread_px(pose: Numbers, rays: Numbers, nominal: Numbers, lens: CameraLens) -> float:
    misses = _misses(pose, rays, nominal, lens.focal_px)
    return float(np.sqrt((misses**2).sum() / max(len(misses) - 6, 1)))


def _covariance(pose: Numbers, rays: Numbers, nominal: Numbers, lens: CameraLens, sigma_px: float) -> Numbers:
    """Return each bolt's covariance: its own place in the picture, and the pose that it is told in."""
    steps = np.array([1e-5] * 3 + [1e-3] * 3)
    by_pose = np.stack(
        [
            (_misses(pose + step, rays, nominal, lens.focal_px) - _misses(pose - step, rays, nominal, lens.focal_px)) / 2 / step.sum()
            for step in np.diag(steps)
        ]
    )
    of_pose = np.linalg.pinv(by_pose @ by_pose.T) * sigma_px**2
    moved = np.stack(
        [
            (_on_flange(rays, _matrix(pose[:3] + step[:3]), pose[3:] + step[3:]) - _on_flange(rays, _matrix(pose[:3]), pose[3:]))
            / step.sum()
            for step in np.diag(steps)
        ],
        axis=-1,
    )
    turn, shift = _matrix(pose[:3]), pose[3:]
    own = np.stack([(_on_flange(rays + one / lens.focal_px, turn, shift) - _on_flange(rays, turn, shift)) for one in np.eye(2)], axis=-1)
    return np.asarray(moved @ of_pose @ moved.transpose(0, 2, 1) + own @ own.transpose(0, 2, 1) * sigma_px**2, np.float64)


def _on_flange(rays: Numbers, turn: Numbers, shift: Numbers) -> Numbers:
    eye = -turn.T @ shift
    directions = np.column_stack([rays, np.ones(len(rays))]) @ turn
    return np.asarray((eye + directions * (-eye[2] / directions[:, 2])[:, None])[:, :2], np.float64)


def _nominal(places: npt.NDArray[np.int64], drawing: CircleDrawing) -> Numbers:
    angles = 2 * np.pi * places / drawing.count
    return np.asarray(drawing.diameter_mm / 2 * np.column_stack([np.cos(angles), np.sin(angles)]), np.float64)


def _about_z(angle: float) -> Numbers:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _leaning(tilt: float, around: float) -> Numbers:
    return _matrix(tilt * np.array([np.cos(around), np.sin(around), 0.0]))


def _matrix(vector: Numbers) -> Numbers:
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.float64)


def _vector(matrix: Numbers) -> Numbers:
    angle = float(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1)))
    if angle < 1e-9:
        return np.zeros(3)
    if angle > np.pi - 1e-6:
        column = int(np.argmax(np.diag(matrix)))
        axis = (matrix[:, column] + np.eye(3)[column]) / np.sqrt(2 * (1 + matrix[column, column]))
        return np.asarray(angle * axis, np.float64)
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    return np.asarray(axis * angle / (2 * np.sin(angle)), np.float64)


def spindle_offsets(pose: CirclePose, first_place: int = 0) -> list[dict[str, float]]:
    """Return one row a bolt, as spindles take it: number, offsets from the drawing, and their standard errors, mm."""
    return [
        {
            "bolt": int(place) - first_place + 1,
            "offset_x_mm": float(offset[0]),
            "offset_y_mm": float(offset[1]),
            "sigma_x_mm": float(np.sqrt(covariance[0, 0])),
            "sigma_y_mm": float(np.sqrt(covariance[1, 1])),
        }
        for place, offset, covariance in zip(pose.places, pose.offset_mm, pose.covariance_mm2, strict=True)
    ]
