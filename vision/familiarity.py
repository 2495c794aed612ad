"""Whether a picture looks like those a model learned from. Where it does not, the model's silence is no proof that all is well."""

from __future__ import annotations

from typing import Final

import numpy as np

from vision.detections import Floats
from vision.model_sheets import Familiar

_DIRECTIONS: Final = 16


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
