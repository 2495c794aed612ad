"""How a bolt stands in a square, roughly, by a small net that looks at the whole: what the fit of its edges begins with.

The outline of what looks like a nut (``fit_nut``) is far off where rust, glare or a lens near by blur the parts into one another. A look at
the whole is not sharp, and is not led astray so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from vision.frames import Pixels
from vision.mark_net import RADIUS_PX, SIDE_PX
from vision.nut_shape import Numbers
from vision.onnx_models import MapModel, load_maps

MODEL_FILE: Final = Path(__file__).with_name("models") / "starts.onnx"

SMALLER: Final = 3
SEEN_PX: Final = SIDE_PX // SMALLER
"""The net sees the square this much smaller, and how many pixels a side that is."""
_CORNER_MM: Final = 36 / 3**0.5


@dataclass(frozen=True, slots=True)
class Stand:
    """How a bolt stands in a square, px."""

    top: Numbers
    """Where its axis meets the nut's top."""
    base: Numbers
    """Where it meets the flange."""
    px_per_mm: float
    """On the nut's top."""
    turn: float
    """How the hexagon stands, radians; each sixth of a turn is the same."""
    sigma: float
    """How unsure the net is, in radii of the nut."""


class StartNet:
    """The shipped net of starts."""

    def __init__(self, model: MapModel) -> None:
        self._model = model

    @property
    def sha256(self) -> str:
        """Return which net it is."""
        return self._model.sha256

    def stand(self, square: Pixels) -> Stand:
        """Return how the bolt stands that is about in the middle of a square, about as large as the net learned it."""
        small = np.asarray(cv2.resize(square, (SEEN_PX, SEEN_PX), interpolation=cv2.INTER_AREA), np.uint8)
        told = self._model.maps(small).astype(np.float64).ravel()
        ends = told[:4].reshape(2, 2) * RADIUS_PX + (SIDE_PX - 1) / 2
        turn = float(np.arctan2(told[6], told[5])) / 6
        size = RADIUS_PX / _CORNER_MM * float(np.exp(np.clip(told[4], -0.7, 0.7)))
        return Stand(ends[0], ends[1], size, turn, float(np.exp(np.clip(told[7], -5, 1))))


def shipped_starts() -> StartNet:
    """Return the net that comes with Leadhand. Raises Rejected where it is missing."""
    return StartNet(load_maps(MODEL_FILE))
