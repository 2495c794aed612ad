"""Paint told by its own colour: the net says where paint is and where not, and the colours of both say how much of each place is paint.

The edges of a stroke decide its angle, and the net draws them broader than the picture shows them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from vision.bolt_maps import STEP_PX, BoltMaps, Seen
from vision.frames import Pixels

_SURE: Final = (0.12, 0.75)
_FEWEST: Final = (12, 8)
"""Places without and with paint that colours are taken from."""
_APART: Final = 6.0
"""What is less apart than this, in squared deviations, is left to the net."""
_TRUST: Final = 0.7
_NOISE_GREYS: Final = 30.0


def paint_by_colour(square: Pixels, maps: BoltMaps) -> BoltMaps:
    """Return the maps of a square with the shares of paint on nut and flange by their colours, where those stand apart."""
    height, width = maps.paint.shape
    colours = cv2.resize(square, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    if square.shape[0] != height * STEP_PX:
        return maps
    paint = maps.paint.copy()
    for part in (Seen.NUT_TOP, Seen.FLANGE):
        inside = maps.parts[part] > 0.6
        stroke = ((maps.paint > 0.5) & inside).astype(np.uint8)
        around = cv2.dilate(stroke, np.ones((13, 13), np.uint8)) > 0
        bare, painted = colours[inside & around & (maps.paint < _SURE[0])], colours[inside & (maps.paint > _SURE[1])]
        if len(bare) < _FEWEST[0] or len(painted) < _FEWEST[1]:
            continue
        of_bare, of_paint = np.median(bare, axis=0), np.median(painted, axis=0)
        spread = (np.cov(bare.T) + np.cov(painted.T)) / 2 + np.eye(3) * _NOISE_GREYS
        way = np.linalg.solve(spread, of_paint - of_bare)
        apart = float(way @ (of_paint - of_bare))
        if apart < _APART:
            continue
        share = np.clip((colours - of_bare) @ way / apart, 0, 1).astype(np.float32)
        near = cv2.dilate(((maps.paint > 0.3) & inside).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        where = near & (maps.parts[part] > 0.4)
        paint[where] = (np.float32(_TRUST) * share + np.float32(1 - _TRUST) * maps.paint)[where]
    return replace(maps, paint=paint)
