"""Where the bolts are in a picture of any size: the net looks at it in several sizes; what hangs together is a bolt or a hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.bolt_maps import STEP_PX, MapSource, Seen
from vision.frames import Pixels

_SMALLEST_SIDE: Final = 96
_RADIUS: Final = (12.0, 38.0)
"""Corner radius, in pixels of the net's picture, that it knows."""
_HOLE_TO_CORNER: Final = 1.6


@dataclass(frozen=True, slots=True)
class BoltPlace:
    """Where a bolt, or a hole, seems to be."""

    centre_px: tuple[float, float]
    radius_px: float
    """Of the nut's corners, roughly."""
    share: float
    """How much of it the net is sure of."""
    hole: bool


def find_bolts(pixels: Pixels, net: MapSource, *, radius_px: float | None = None) -> list[BoltPlace]:
    """Return the bolts and holes of a picture, from the left upper corner on; ``radius_px``: of the nut's corners, where it is known."""
    found: list[tuple[float, BoltPlace]] = []
    for scale in _scales(pixels, radius_px):
        small = (
            pixels
            if scale == 1
            else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        )
        found += _at_one_scale(np.asarray(small, np.uint8), net, scale)
    kept: list[BoltPlace] = []
    for _, place in sorted(found, key=lambda each: each[0]):
        if all(
            np.hypot(place.centre_px[0] - o.centre_px[0], place.centre_px[1] - o.centre_px[1]) > 1.2 * max(o.radius_px, place.radius_px)
            for o in kept
        ):
            kept.append(place)
    return sorted(kept, key=lambda place: (round(place.centre_px[1] / 50), place.centre_px[0]))


def _scales(pixels: Pixels, radius_px: float | None) -> list[float]:
    if radius_px is not None:
        return [24 / radius_px]
    side = min(pixels.shape[:2])
    if side <= 3 * _SMALLEST_SIDE:  # a crop of one bolt
        return [96 / side, 64 / side, 144 / side]
    return [scale for scale in (1.0, 0.5, 0.25, 0.125) if side * scale >= _SMALLEST_SIDE and side * scale <= 1000]


def _at_one_scale(small: Pixels, net: MapSource, scale: float) -> list[tuple[float, BoltPlace]]:
    height, width = small.shape[:2]
    padded = cv2.copyMakeBorder(small, 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
    maps = net.look(np.asarray(padded, np.uint8))
    found = []
    top = maps.parts[Seen.NUT_TOP] + maps.parts[Seen.BOLT_END]
    for share, hole in ((top, False), (maps.parts[Seen.HOLE], True)):
        mask = (share > 0.5).astype(np.uint8)
        count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
        for label in range(1, count):
            area = float(stats[label, cv2.CC_STAT_AREA]) * STEP_PX**2
            radius = np.sqrt(area / np.pi) * _HOLE_TO_CORNER if hole else np.sqrt(area / 2.6)
            if not _RADIUS[0] <= radius <= _RADIUS[1] or _ragged(stats[label], area):
                continue
            middle = (float(centres[label][0]) * STEP_PX + 0.5, float(centres[label][1]) * STEP_PX + 0.5)
            at = ((middle[0] + 0.5) / scale - 0.5, (middle[1] + 0.5) / scale - 0.5)
            place = BoltPlace(at, float(radius) / scale, float(share[labels == label].mean()), hole)
            found.append((abs(float(np.log(radius / 24))), place))
    return found


def _ragged(stats: np.ndarray[tuple[int, ...], np.dtype[np.int32]], area: float) -> bool:
    wide, high = float(stats[cv2.CC_STAT_WIDTH]), float(stats[cv2.CC_STAT_HEIGHT])
    return area / STEP_PX**2 < 0.4 * wide * high or max(wide, high) > 2.2 * min(wide, high)
