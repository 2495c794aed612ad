"""Where the bolts are in a picture of any size.

A wide view is looked at by a detector (YOLO); in the picture of one bolt, what hangs together in the maps of parts is the bolt or its hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from vision.bolt_maps import STEP_PX, MapSource, Seen
from vision.frames import Pixels
from vision.nut_shape import Floats
from vision.onnx_models import DetectionModel, load_model

MODEL_FILE: Final = Path(__file__).with_name("models") / "bolt_places.onnx"
PLACE_CLASSES: Final = ("bolt", "hole")
PLACES_PX: Final = 384
LEAST_SURE: Final = 0.25
_SURELY: Final = 0.6
"""How sure the detector must be: to have a place looked at from near, and for it to count even if that is unclear."""
_MOST_OVERLAP: Final = 0.3
_WIDE_PX: Final = 288
_RADIUS: Final = (12.0, 38.0)
"""Corner radius, in pixels of the picture that the net of parts is given, that it knows."""
_HOLE_TO_CORNER: Final = 1.6
_ALIKE: Final = 1.5
_MANY: Final = 8
_MOST_PLACES: Final = 24


@dataclass(frozen=True, slots=True)
class BoltPlace:
    """Where a bolt, or a hole, seems to be."""

    centre_px: tuple[float, float]
    radius_px: float
    """Of the nut's corners, roughly."""
    share: float
    """How sure the net is of it."""
    hole: bool
    sure: bool = True
    """False where only a look from near can tell whether there is a bolt."""


class PlaceSource(Protocol):
    """Whatever tells where bolts are in a wide view."""

    def places(self, pixels: Pixels) -> list[BoltPlace]:
        """Return them, the surest first."""
        ...


class PlaceNet:
    """The shipped detector."""

    def __init__(self, model: DetectionModel) -> None:
        self._model = model

    def places(self, pixels: Pixels) -> list[BoltPlace]:
        """Return the bolts and holes of a wide view, the surest first; a bolt and a hole are not in one place."""
        found: list[BoltPlace] = []
        seen = self._model.detect(pixels, LEAST_SURE, _MOST_OVERLAP)
        for (left, top, right, bottom), share, class_id in zip(
            seen.xyxy.tolist(), seen.confidence.tolist(), seen.class_id.tolist(), strict=True
        ):
            hole = PLACE_CLASSES[class_id] == "hole"
            radius = (right - left + bottom - top) / 4 * (_HOLE_TO_CORNER if hole else 1)
            place = BoltPlace(((left + right) / 2, (top + bottom) / 2), radius, share, hole, sure=share > _SURELY)
            if all(apart(place, other) for other in found):
                found.append(place)
        return found[:_MOST_PLACES]


def shipped_places() -> PlaceNet:
    """Return the detector that comes with Leadhand. Raises Rejected where it is missing."""
    return PlaceNet(load_model(MODEL_FILE))


def apart(place: BoltPlace, other: BoltPlace) -> bool:
    """Return whether there is room for two bolts in two places."""
    away = np.hypot(place.centre_px[0] - other.centre_px[0], place.centre_px[1] - other.centre_px[1])
    return bool(away > 1.2 * max(place.radius_px, other.radius_px))


def shows_many(pixels: Pixels, radii_px: list[float]) -> bool:
    """Return whether bolts of these radii leave room in a picture for many of them; else it shows one from near."""
    return bool(min(pixels.shape[:2]) > _MANY * np.median(radii_px))


def find_bolts(pixels: Pixels, net: MapSource, wide: PlaceSource | None = None, *, radius_px: float | None = None) -> list[BoltPlace]:
    """Return the bolts and holes of a picture, from the left upper corner on.

    ``wide`` looks at wide views; where it is sure of none, or is not given, a picture shows one bolt that fills most of it. ``radius_px``:
    of the nut's corners, where it is known.
    """
    found = wide.places(pixels) if wide is not None and min(pixels.shape[:2]) > _WIDE_PX else []
    found = [each for each in found if radius_px is None or 1 / _ALIKE < each.radius_px / radius_px < _ALIKE]
    sure = [each.radius_px for each in found if each.sure]
    kept: list[BoltPlace] = found if sure and shows_many(pixels, sure) else []
    if not kept:
        for _, place in sorted(_by_parts(pixels, net, radius_px), key=lambda each: each[0]):
            if all(apart(place, other) for other in kept):
                kept.append(place)
    kept = kept or found
    return sorted(kept, key=lambda place: (round(place.centre_px[1] / 50), place.centre_px[0]))


def _by_parts(pixels: Pixels, net: MapSource, radius_px: float | None) -> list[tuple[float, BoltPlace]]:
    """Return what hangs together in the maps of a picture's parts, each with how far it is from the size that the net knows best."""
    side = min(pixels.shape[:2])
    found: list[tuple[float, BoltPlace]] = []
    for scale in [96 / side, 64 / side, 144 / side] if radius_px is None else [24 / radius_px]:
        small = (
            pixels
            if scale == 1
            else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        )
        height, width = small.shape[:2]
        padded = cv2.copyMakeBorder(np.asarray(small, np.uint8), 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
        maps = net.look(np.asarray(padded, np.uint8))
        found += _hanging_together(maps.parts[Seen.HOLE], scale, hole=True)
        found += _hanging_together(np.asarray(maps.parts[Seen.NUT_TOP] + maps.parts[Seen.BOLT_END], np.float32), scale, hole=False)
    return found


def _hanging_together(share: Floats, scale: float, *, hole: bool) -> list[tuple[float, BoltPlace]]:
    found = []
    count, labels, stats, centres = cv2.connectedComponentsWithStats((share > 0.5).astype(np.uint8))
    for label in range(1, count):
        area = float(stats[label, cv2.CC_STAT_AREA]) * STEP_PX**2
        radius = np.sqrt(area / np.pi) * _HOLE_TO_CORNER if hole else np.sqrt(area / 2.6)
        if not _RADIUS[0] <= radius <= _RADIUS[1] or _ragged(stats[label], area):
            continue
        at = _in_picture(float(centres[label][0]), float(centres[label][1]), scale)
        place = BoltPlace(at, float(radius) / scale, float(share[labels == label].mean()), hole)
        found.append((abs(float(np.log(radius / 24))), place))
    return found


def _in_picture(x: float, y: float, scale: float) -> tuple[float, float]:
    """Return a place of the maps as a point of the picture."""
    return (x * STEP_PX + 1) / scale - 0.5, (y * STEP_PX + 1) / scale - 0.5


def _ragged(stats: np.ndarray[tuple[int, ...], np.dtype[np.int32]], area: float) -> bool:
    wide, high = float(stats[cv2.CC_STAT_WIDTH]), float(stats[cv2.CC_STAT_HEIGHT])
    return area / STEP_PX**2 < 0.4 * wide * high or max(wide, high) > 2.2 * min(wide, high)
