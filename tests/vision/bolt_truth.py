"""Maps as a perfect net would give them, from a rendered scene's truth: the geometry is tested without the net."""

from __future__ import annotations

import cv2
import numpy as np

from simulators.bolt_scenes import BoltTruth, Rendered
from vision.bolt_maps import STEP_PX, BoltMaps
from vision.nut_shape import Floats

SIDE = 144


def true_maps(shown: Rendered) -> tuple[BoltMaps, float]:
    """Return the maps of a square crop, and how many of its pixels one pixel of the window is."""
    side = SIDE // STEP_PX

    def small(each: Floats) -> Floats:
        return np.asarray(cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA), np.float32)

    parts = np.stack([small((shown.parts == part).astype(np.float32)) for part in range(7)])
    return BoltMaps(parts, small(shown.paint)), shown.pixels.shape[0] / SIDE


def middle_truth(shown: Rendered) -> BoltTruth:
    """Return the truth of the bolt in the middle."""
    middle = shown.pixels.shape[0] / 2
    return min(shown.truths, key=lambda truth: float(np.hypot(truth.top_px[0] - middle, truth.top_px[1] - middle)))
