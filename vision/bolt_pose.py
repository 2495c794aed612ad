"""The pose of a bolt by its edges: a net tells how far each is from where it was thought to be; one solid bolt is fitted to them.

What ``fit_nut`` tells is the start. Nut and washer are one body of known widths that is seen in perspective, so that six sides of the
top, the lower sides and both rims of the washer say together where the axis is, on the nut and on the flange, with covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_ELSEWHERE_PX: Final = 8.0
"""Some three mm: how far the look at the whole may be off itself."""
_LEAN: Final = 0.35
_MOST_LEAN: Final = 0.65
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

    def fit(self, square: Pixels, start: Numbers, seen: Sequence[Numbers], washer_radius_mm: float) -> PoseFit:
        """Return the pose of the bolt in a square that is brought to the size the net learned from; the surest that was found.

        ``start`` is by the bolt's outline; ``seen`` are by a look at the whole, and begun with where the first leads to another place.
        """
        found = self._fit(square, start, washer_radius_mm, _STEPS)
        if seen and (_open(found) > _UNSURE_PX or _apart_px(found.pose, seen[0]) > _ELSEWHERE_PX):
            found = min((found, self._tried(square, seen, washer_radius_mm)), key=_open)
        if _open(found) > _UNSURE_PX:
            found = min((found, self._tried(square, _other_starts(start), washer_radius_mm)), key=_open)
        if washer_radius_mm and found.washer < 0.5:
            pose = found.pose.copy()
            pose[7], pose[8] = pose[7] + 0.5 * pose[8], 0.0
            bare = self._fit(square, pose, 0.0, _STEPS)
            return PoseFit(bare.pose, bare.covariance, found.washer, bare.misfit)
        return found

    def _tried(self, square: Pixels, starts: Sequence[Numbers], washer_radius_mm: float) -> PoseFit:
        tried = [self._fit(square, start, washer_radius_mm, _FIRST_STEPS) for start in starts]
        return self._fit(square, min(tried, key=_open).pose, washer_radius_mm, _STEPS)

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


def _apart_px(one: Numbers, other: Numbers) -> float:
    """Return how far apart two poses see the ends of the axis."""
    ends = [np.concatenate([pose[:2], plane_of(pose, -float(pose[7] + pose[8]))[0]]) for pose in (one, other)]
    return float(np.abs(ends[0] - ends[1]).max())


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
    px_per_mm = float(np.linalg.svd(affine, compute_uv=False)[0])
    lean = _lean(base - centre, px_per_mm)
    bent = np.eye(2) - np.outer(lean, lean) / (1 + np.sqrt(1 - float(lean @ lean)))
    turn = np.linalg.solve(bent, affine)
    return standing(centre, base, px_per_mm, float(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])))


def standing(top: Numbers, base: Numbers, px_per_mm: float, turn: float) -> Numbers:
    """Return the pose to start with: by where the axis meets the nut's top and the flange, the scale, and how the hexagon stands."""
    return np.array([*top, np.log(px_per_mm), *_lean(base - top, px_per_mm), turn, *_USUAL[6:]])


def turned_starts(start: Numbers) -> list[Numbers]:
    """Return a start with its hexagon turned by each quarter of a sixth: for whoever knows all but that."""
    return [start + np.eye(POSE)[5] * quarter * np.pi / 12 for quarter in range(4)]


def _lean(down: Numbers, px_per_mm: float) -> Numbers:
    """Return how the axis leans, by how far below the top the flange is seen."""
    far = float(np.hypot(*down))
    sine = min(far / px_per_mm / float(_USUAL[7] + _USUAL[8]), _MOST_LEAN)
    lean: Numbers = -down / max(far, 1e-9) * sine
    return lean


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
