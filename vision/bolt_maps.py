"""What each pixel of a picture shows of a bolt, by the shipped net: its part, and whether it is painted."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from vision.frames import Pixels
from vision.nut_shape import Floats
from vision.onnx_models import MapModel, load_maps

STEP_PX: Final = 2
"""How far the places of the maps are apart in the picture that the net looks at."""
MODEL_FILE: Final = Path(__file__).with_name("models") / "bolts.onnx"


class Seen(IntEnum):
    """The parts that the net tells apart."""

    FLANGE = 0
    WASHER = 1
    NUT_TOP = 2
    NUT_SIDE = 3
    BOLT_END = 4
    HOLE = 5
    COVER = 6


@dataclass(frozen=True, slots=True)
class BoltLooks:
    """How likely each state is of the bolt in the middle of a window, by the look of the whole."""

    sound: float
    washer_missing: float
    missing: float
    mark_absent: float
    mark_smeared: float


@dataclass(frozen=True, slots=True)
class BoltMaps:
    """Shares (h, w) of a picture, every ``STEP_PX`` pixels."""

    parts: Floats
    """(7, h, w), in the order of ``Seen``."""
    paint: Floats
    looks: BoltLooks | None = None
    """Only where one bolt is in the middle; None where the source tells parts alone."""


class MapSource(Protocol):
    """Whatever tells the parts of a picture: the net, or in tests the truth."""

    @property
    def sha256(self) -> str:
        """Which net it is."""
        ...

    def look(self, pixels: Pixels) -> BoltMaps:
        """Return the maps of a picture whose sides are multiples of 16."""
        ...


class BoltNet:
    """The shipped net."""

    def __init__(self, model: MapModel) -> None:
        self._model = model

    @property
    def sha256(self) -> str:
        """Return which net it is."""
        return self._model.sha256

    def look(self, pixels: Pixels) -> BoltMaps:
        """Return the maps of a picture whose sides are multiples of 16."""
        logits = self._model.maps(pixels)
        parts = np.exp(logits[: len(Seen)] - logits[: len(Seen)].max(axis=0))
        states = logits[len(Seen) + 1 :, 0, 0].astype(np.float64)
        likely = np.exp(states - states.max(initial=0.0))
        looks = BoltLooks(*(float(each) for each in likely / likely.sum())) if len(likely) else None
        return BoltMaps(parts / parts.sum(axis=0), 1 / (1 + np.exp(-logits[len(Seen)])), looks)


def look_steadily(net: MapSource, square: Pixels) -> BoltMaps:
    """Return the maps of a square, averaged over ways to turn and mirror it: what a net errs in one way it seldom errs in all."""
    parts: list[Floats] = []
    paint: list[Floats] = []
    told: list[tuple[float, ...]] = []
    for turns, mirrored in ((0, False), (1, True), (2, False), (3, True), (0, True), (2, True)):
        seen = np.rot90(square, turns)
        maps = net.look(np.ascontiguousarray(seen[:, ::-1] if mirrored else seen))
        for kept, each in ((parts, maps.parts), (paint, maps.paint)):
            kept.append(np.rot90(each[..., ::-1] if mirrored else each, -turns, (-2, -1)))
        told += [astuple(maps.looks)] if maps.looks is not None else []
    looks = BoltLooks(*(float(each) for each in np.mean(told, axis=0))) if told else None
    return BoltMaps(np.mean(parts, axis=0, dtype=np.float32), np.mean(paint, axis=0, dtype=np.float32), looks)


def shipped_net() -> BoltNet:
    """Return the net that comes with Leadhand. Raises Rejected where it is missing."""
    return BoltNet(load_maps(MODEL_FILE))


@dataclass(frozen=True, slots=True)
class Window:
    """A square cut from a picture and brought to the net's size: picture = corner + window * scale."""

    left: float
    top: float
    scale: float

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the window as a point of the picture."""
        return self.left + x * self.scale, self.top + y * self.scale


def cut(pixels: Pixels, centre_px: tuple[float, float], half_px: float, side: int) -> tuple[Pixels, Window]:
    """Return the square about a point, brought to ``side`` pixels; beyond the picture its rim is repeated."""
    scale = 2 * half_px / side
    window = Window(centre_px[0] - half_px + scale / 2 - 0.5, centre_px[1] - half_px + scale / 2 - 0.5, scale)
    source = pixels if scale < 1.3 else cv2.GaussianBlur(pixels, (0, 0), 0.4 * scale)
    turn = np.array([[1 / scale, 0, -window.left / scale], [0, 1 / scale, -window.top / scale]])
    square = cv2.warpAffine(source, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(square, np.uint8), window
