"""The pose of a bolt by its edges: a net tells how far each is from where it was thought to be; one solid bolt is fitted to them.

What ``fit_nut`` tells is the start. Nut and washer are one body of known widths that is seen in perspective, so that six sides of the
top, the lower sides and both rims of the washer say together where the axis is, on the nut and on the flange, with covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from vision.bolt_edges import POSE, WASHER, patches, pieces, places, planes, projected
from vision.frames import Pixels
from vision.nut_shape import Numbers, NutShape
from vision.onnx_models import PatchModel, load_patches

MODEL_FILE: Final = Path(__file__).with_name("models") / "edges.onnx"

_STEPS: Final = 6
_FIRST_STEPS: Final = 3
_UNSURE_PX: Final = 0.2
"""Beyond this other starts are tried: by renders that no figure is taken from."""
_LEAN: Final = 0.35
_STEP: Final = np.array([0.3, 0.3, 0.003, 0.005, 0.005, 0.005, 1e-4, 0.2, 0.1])
_USUAL: Final = np.array([0, 0, 0, 0, 0, 0, 0.0024, 18.8, 4.25])
_PRIOR: Final = np.array([30, 30, 1, 0.25, 0.25, 3, 0.001, 2.5, 0.5])
_LOWEST: Final = np.array([-1e3, -1e3, 0.0, -0.7, -0.7, -1e3, 3e-4, 10.0, 2.5])
_HIGHEST: Final = np.array([1e3, 1e3, 3.0, 0.7, 0.7, 1e3, 7e-3, 28.0, 6.5])
_MOST: Final = np.array([6, 6, 0.1, 0.12, 0.12, 0.15, 0.001, 4, 1])
_FLOOR_PX: Final = 0.1
_ALIKE: Final = 0.12
"""Places of one piece err alike: each counts as this much of one."""
_BEYOND: Final = 3.0


@dataclass(frozen=True, slots=True)
class PoseFit:
    """A fitted pose."""

    pose: Numbers
    covariance: Numbers
    washer: float
    """How likely there is one, by its rims: 0 to 1; 0.5 where they cannot be seen."""
    misfit: float
    """How far the edges still are from the pose, in their own sigmas (median)."""


class EdgeNet:
    """The shipped net of edges."""

    def __init__(self, model: PatchModel) -> None:
        self._model = model

    @property
    def sha256(self) -> str:
        """Return which net it is."""
        return self._model.sha256

    def fit(self, square: Pixels, start: Numbers, washer_radius_mm: float) -> PoseFit:
        """Return the pose of the bolt in a square that is brought to the size the net learned from."""
        found = self._fit(square, start, washer_radius_mm, _STEPS)
        if _open(found) > _UNSURE_PX:
            tried = [self._fit(square, other, washer_radius_mm, _FIRST_STEPS) for other in _other_starts(start)]
            best = self._fit(square, min(tried, key=_open).pose, washer_radius_mm, _STEPS)
            found = min((found, best), key=_open)
        if washer_radius_mm and found.washer < 0.5:
            pose = found.pose.copy()
            pose[7], pose[8] = pose[7] + 0.5 * pose[8], 0.0
            bare = self._fit(square, pose, 0.0, _STEPS)
            return PoseFit(bare.pose, bare.covariance, found.washer, bare.misfit)
        return found

    def _fit(self, square: Pixels, start: Numbers, washer_radius_mm: float, steps: int) -> PoseFit:
        pose, misfit, washer, normal = start.copy(), 0.0, 0.5, np.eye(POSE)
        prior = _PRIOR if washer_radius_mm else np.append(_PRIOR[:8], 1e-3)
        usual = _USUAL if washer_radius_mm else np.append(_USUAL[:8], 0.0)
        lowest = _LOWEST if washer_radius_mm else np.append(_LOWEST[:8], 0.0)
        usual = np.concatenate([start[:3], [0, 0, start[5]], usual[6:]])
        for _ in range(steps):
            some = pieces(pose, washer_radius_mm)
            px, outwards = places(pose, some)
            told = self._model.told(planes(patches(square, px, outwards), some)).astype(np.float64)
            off, sigma = told[..., 0], np.exp(np.clip(told[..., 1], -3.5, 3))
            there = 1 / (1 + np.exp(-np.clip(told[..., 2], -30, 30)))
            rims = (some.kind >= WASHER)[:, None] & some.seen
            if rims.any():
                washer = float(1 / (1 + np.exp(-np.clip(np.average(told[..., 2][rims], weights=1 / (1 + sigma[rims])), -30, 30))))
            slopes = np.stack(
                [((places(pose + one, some)[0] - places(pose - one, some)[0]) * outwards).sum(-1) for one in np.diag(_STEP)], -1
            )
            slopes = slopes / (2 * _STEP)
            weight = _ALIKE * there * some.seen / (sigma**2 + _FLOOR_PX**2)
            move = np.zeros(POSE)
            for _again in range(3):
                beyond = (off - slopes @ move) / np.hypot(sigma, _FLOOR_PX)
                robust = weight / (1 + (beyond / _BEYOND) ** 2)
                normal = np.einsum("ijk,ij,ijl->kl", slopes, robust, slopes) + np.diag(prior**-2.0)
                move = np.linalg.solve(normal, np.einsum("ijk,ij->k", slopes, robust * off) + (usual - pose) / prior**2)
            move = np.clip(move, -_MOST, _MOST)
            pose = np.clip(pose + move, lowest, _HIGHEST)
            misfit = float(np.median(np.abs(beyond[some.seen])))
        return PoseFit(pose, np.asarray(np.linalg.inv(normal), np.float64), washer, misfit)


def _open(found: PoseFit) -> float:
    """Return how well the axis is known on the nut, px: edges that fit a pose tell it, those that do not leave it open."""
    return float(np.sqrt(np.trace(found.covariance[:2, :2]) / 2))


def _other_starts(start: Numbers) -> list[Numbers]:
    """Return starts about the same middle: leaning all ways, and straight on with the hexagon as it was and turned."""
    starts = []
    high = np.exp(start[2]) * (start[7] + start[8]) / 2
    for lean in [np.zeros(2), *(_LEAN * np.array([np.cos(way), np.sin(way)]) for way in np.arange(6) * np.pi / 3)]:
        for turn in (0.0,) if lean.any() else (0.0, np.pi / 6):
            other = start.copy()
            other[:2] += (lean - start[3:5]) * high
            other[3:5], other[5] = lean, start[5] + turn
            starts.append(other)
    return starts


def started(centre: Numbers, affine: Numbers, base: Numbers) -> Numbers:
    """Return the pose to start with: by a nut's affine map, and where the axis meets the flange."""
    values = np.linalg.svd(affine, compute_uv=False)
    nut, washer = _USUAL[7:9]
    down = base - centre
    far = float(np.hypot(*down))
    sine = min(far / values[0] / (nut + washer), 0.65)
    lean = -down / max(far, 1e-9) * sine
    bent = np.eye(2) - np.outer(lean, lean) / (1 + np.sqrt(1 - sine**2))
    turn = np.linalg.solve(bent, affine)
    return np.array(
        [*centre, np.log(values[0]), *lean, np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1]), _USUAL[6], nut, washer]
    )


def plane_of(pose: Numbers, height_mm: float) -> tuple[Numbers, Numbers, Numbers]:
    """Return where the axis meets a plane in the picture, the map of one mm there, and how the plane recedes."""

    def seen(*mm: tuple[float, float]) -> Numbers:
        return projected(pose, np.array([(*one, height_mm) for one in mm]))

    at = seen((0.0, 0.0))[0]
    right, left, up, down = seen((2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0))
    affine = np.stack([right - left, up - down], axis=1) / 4
    recede = []
    for column, (one, other) in enumerate((((15.0, 0.0), (-15.0, 0.0)), ((0.0, 15.0), (0.0, -15.0)))):
        ends = seen(one, other) - at
        ratio = -float(ends[1] @ affine[:, column]) / float(ends[0] @ affine[:, column])
        recede.append((ratio - 1) / (ratio + 1) / 15.0)
    return at, affine, np.array(recede)


def shape_of(pose: Numbers, was: NutShape) -> NutShape:
    """Return a pose as a nut's shape; what only the maps tell stays as it was."""
    centre, affine, recede = plane_of(pose, 0.0)
    base, lower, _ = plane_of(pose, -float(pose[7] + pose[8]))
    scale = float(np.sqrt(abs(np.linalg.det(lower)) / abs(np.linalg.det(affine))))
    return NutShape(centre, affine, base, scale, was.error, was.base_error, was.centre_sigma_px, recede)


def shipped_edges() -> EdgeNet:
    """Return the net that comes with Leadhand. Raises Rejected where it is missing."""
    return EdgeNet(load_patches(MODEL_FILE))
