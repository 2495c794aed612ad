"""Where the bolts are in a picture of any size: the net looks at it in several sizes.

In the picture of one bolt, what hangs together is the bolt or its hole. In a wide view the net takes plain flange for the top of a nut, as
it has seen no flange without a bolt: there a bolt is a round top with something else all around, and a second look from near decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.bolt_maps import STEP_PX, MapSource, Seen
from vision.frames import Pixels
from vision.nut_shape import Floats

_SMALLEST_SIDE: Final = 96
_RADIUS: Final = (12.0, 38.0)
"""Corner radius, in pixels of the net's picture, that it knows."""
_HOLE_TO_CORNER: Final = 1.6
_SIZES: Final = tuple(6 * 1.16**step for step in range(8))
"""Radii of round tops that a wide view is searched for, in places of the maps."""
_LIKE_A_BOLT: Final = 0.5
_SURELY: Final = 0.75
"""How much more of a place than of what is around it must be a nut's top: to be looked at from near, and to count even if that is unclear.
By renders that no figure is taken from."""
_ALIKE: Final = 1.5
_MOST_PLACES: Final = 24


@dataclass(frozen=True, slots=True)
class BoltPlace:
    """Where a bolt, or a hole, seems to be."""

    centre_px: tuple[float, float]
    radius_px: float
    """Of the nut's corners, roughly."""
    share: float
    """How much of it the net is sure of."""
    hole: bool
    sure: bool = True
    """False where only a look from near can tell whether there is a bolt."""


def find_bolts(pixels: Pixels, net: MapSource, *, radius_px: float | None = None) -> list[BoltPlace]:
    """Return the bolts and holes of a picture, from the left upper corner on; ``radius_px``: of the nut's corners, where it is known."""
    found: list[tuple[float, BoltPlace]] = []
    wide = min(pixels.shape[:2]) > 3 * _SMALLEST_SIDE
    for scale in _scales(pixels, radius_px):
        small = (
            pixels
            if scale == 1
            else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        )
        found += _at_one_scale(np.asarray(small, np.uint8), net, scale, wide=wide)
    kept: list[BoltPlace] = []
    for _, place in sorted(found, key=lambda each: each[0]):
        if all(
            np.hypot(place.centre_px[0] - o.centre_px[0], place.centre_px[1] - o.centre_px[1]) > 1.2 * max(o.radius_px, place.radius_px)
            for o in kept
        ):
            kept.append(place)
    kept = _of_one_size(kept)[:_MOST_PLACES] if wide else kept
    return sorted(kept, key=lambda place: (round(place.centre_px[1] / 50), place.centre_px[0]))


def _of_one_size(places: list[BoltPlace]) -> list[BoltPlace]:
    """Return the places without the unsure ones that are far larger or smaller than the sure ones: a circle has bolts of one size."""
    sure = [place.radius_px for place in places if place.sure and not place.hole]
    usual = float(np.median(sure)) if sure else 0.0
    return [place for place in places if place.sure or not sure or 1 / _ALIKE < place.radius_px / usual < _ALIKE]


def _scales(pixels: Pixels, radius_px: float | None) -> list[float]:
    if radius_px is not None:
        return [24 / radius_px]
    side = min(pixels.shape[:2])
    if side <= 3 * _SMALLEST_SIDE:  # a crop of one bolt
        return [96 / side, 64 / side, 144 / side]
    return [scale for scale in (1.0, 0.5, 0.25, 0.125) if side * scale >= _SMALLEST_SIDE and side * scale <= 1000]


def _at_one_scale(small: Pixels, net: MapSource, scale: float, *, wide: bool) -> list[tuple[float, BoltPlace]]:
    height, width = small.shape[:2]
    padded = cv2.copyMakeBorder(small, 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
    maps = net.look(np.asarray(padded, np.uint8))
    top = np.asarray(maps.parts[Seen.NUT_TOP] + maps.parts[Seen.BOLT_END], np.float32)
    holes = _hanging_together(maps.parts[Seen.HOLE], scale, hole=True, sure=not wide)
    return holes + (_standing_out(top, scale) if wide else _hanging_together(top, scale, hole=False))


def _hanging_together(share: Floats, scale: float, *, hole: bool, sure: bool = True) -> list[tuple[float, BoltPlace]]:
    found = []
    count, labels, stats, centres = cv2.connectedComponentsWithStats((share > 0.5).astype(np.uint8))
    for label in range(1, count):
        area = float(stats[label, cv2.CC_STAT_AREA]) * STEP_PX**2
        radius = np.sqrt(area / np.pi) * _HOLE_TO_CORNER if hole else np.sqrt(area / 2.6)
        if not _RADIUS[0] <= radius <= _RADIUS[1] or _ragged(stats[label], area):
            continue
        at = _in_picture(float(centres[label][0]), float(centres[label][1]), scale)
        place = BoltPlace(at, float(radius) / scale, float(share[labels == label].mean()), hole, sure)
        found.append((abs(float(np.log(radius / 24))), place))
    return found


def _standing_out(top: Floats, scale: float) -> list[tuple[float, BoltPlace]]:
    """Return where a round piece of a nut's top has something else around it, the clearest first."""
    score, size = np.full(top.shape, -1, np.float32), np.zeros(top.shape, np.float32)
    for radius in _SIZES:
        disc, ring = _disc_and_ring(radius)
        here = cv2.filter2D(top, -1, disc, borderType=cv2.BORDER_REPLICATE) - cv2.filter2D(top, -1, ring, borderType=cv2.BORDER_REPLICATE)
        better = here > score
        score, size = np.where(better, here, score), np.where(better, np.float32(radius), size)
    peaks = (score >= cv2.dilate(score, np.ones((9, 9), np.uint8))) & (score > _LIKE_A_BOLT)
    found = []
    for y, x in np.argwhere(peaks):
        radius, share = float(size[y, x]) * STEP_PX * 1.05, float(score[y, x])
        place = BoltPlace(_in_picture(float(x), float(y), scale), radius / scale, share, hole=False, sure=share > _SURELY)
        found.append((1 - share + 0.1 * abs(float(np.log(radius / 24))), place))
    return found


def _disc_and_ring(radius: float) -> tuple[Floats, Floats]:
    reach = int(np.ceil(1.5 * radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    away = np.hypot(x, y)
    disc, ring = away <= 0.9 * radius, (away >= 1.12 * radius) & (away <= 1.45 * radius)
    return np.asarray(disc / disc.sum(), np.float32), np.asarray(ring / ring.sum(), np.float32)


def _in_picture(x: float, y: float, scale: float) -> tuple[float, float]:
    """Return a place of the maps as a point of the picture."""
    return (x * STEP_PX + 1) / scale - 0.5, (y * STEP_PX + 1) / scale - 0.5


def _ragged(stats: np.ndarray[tuple[int, ...], np.dtype[np.int32]], area: float) -> bool:
    wide, high = float(stats[cv2.CC_STAT_WIDTH]), float(stats[cv2.CC_STAT_HEIGHT])
    return area / STEP_PX**2 < 0.4 * wide * high or max(wide, high) > 2.2 * min(wide, high)
