"""Whether a picture looks like those a model learned from. Where it does not, the model's silence is no proof that all is well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from vision.detections import Floats
from vision.frames import Pixels
from vision.model_sheets import Familiar

_DIRECTIONS: Final = 16
_COLOUR_PX: Final = 64
MOST_STRANGE: Final = 3.0
"""Colours further than this from the known ones: a lamp or a camera may differ, but not by more than all that was seen."""


def learn_familiar(features: Floats, parts: list[list[int]], share: float = 0.99) -> Familiar:
    """Return what familiar means for pictures with these features, shape (n, d).

    The limit is the distance that ``share`` of the pictures keep when the part they are in is left out.
    """
    held: list[float] = []
    for part in parts:
        rest = np.setdiff1d(np.arange(len(features)), part)
        if part and len(rest) > _DIRECTIONS:
            found = _fitted(features[rest], 0.0)
            held += [distance(found, features[one]) for one in part]
    limit = float(np.quantile(held, share, method="higher")) if held else 0.0
    return _fitted(features, limit)


def distance(familiar: Familiar, features: Floats) -> float:
    """Return how far a picture is from what is familiar: about 1 for a usual one."""
    away = np.asarray(features, np.float64) - np.array(familiar.mean)
    directions = np.array(familiar.directions)
    along = directions @ away
    inside = float(np.sqrt(np.mean((along / np.array(familiar.spread)) ** 2)))
    beside = float(np.sqrt(np.mean((away - directions.T @ along) ** 2))) / familiar.rest
    return max(inside, beside)


def colour_statistics(pixels: Pixels) -> Floats:
    """Return means and spreads of a picture's two colours (blue and red against grey), and how coloured it is; size does not matter."""
    small = cv2.resize(pixels, (_COLOUR_PX, _COLOUR_PX), interpolation=cv2.INTER_AREA)
    red, blue = (cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb).astype(np.float32) - 128)[..., 1:].reshape(-1, 2).T
    strength = np.hypot(red, blue)
    return np.array([red.mean(), blue.mean(), red.std(), blue.std(), np.quantile(strength, 0.95), strength.mean()], np.float32)


def learn_colours(statistics: Floats) -> tuple[tuple[float, float], ...]:
    """Return between which values each colour statistic was, shape (n, 6), but one picture in two hundred at each end."""
    low, high = np.quantile(statistics, (0.005, 0.995), axis=0)
    return tuple((round(float(one), 3), round(float(other), 3)) for one, other in zip(low, np.maximum(high, low + 1), strict=True))


def colour_distance(colours: Sequence[tuple[float, float]], statistics: Floats) -> float:
    """Return how far colours are from those that are known: 1 at their edge, 3 a whole range beyond it."""
    low, high = np.array(colours).T
    return float(np.max(np.abs(statistics - (low + high) / 2) / ((high - low) / 2)))


def _fitted(features: Floats, limit: float) -> Familiar:
    values = np.asarray(features, np.float64)
    mean = values.mean(axis=0)
    _, sizes, directions = np.linalg.svd(values - mean, full_matrices=False)
    count = min(_DIRECTIONS, max(1, len(values) - 2))
    spread = np.maximum(sizes[:count] / np.sqrt(len(values) - 1), 1e-6)
    beside = (values - mean) - (values - mean) @ directions[:count].T @ directions[:count]
    return Familiar(
        mean=tuple(np.round(mean, 5).tolist()),
        directions=tuple(tuple(row) for row in np.round(directions[:count], 5).tolist()),
        spread=tuple(np.round(spread, 6).tolist()),
        rest=max(float(np.sqrt(np.mean(beside**2))), 1e-6),
        limit=limit,
    )
