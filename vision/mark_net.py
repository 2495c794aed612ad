"""The angle of a witness mark by a net that sees nut and flange unrolled about the bolt's axis.

What ``fit_nut`` tells of the pose is taken to cut two rings from the picture, the nut's top and the flange, and to lay them out straight:
a turn of the nut is then a shift along the strip. The net tells how far the rings lie beside the axis, they are cut anew, and at last it
tells the direction of the mark on both, how sure it is, and whether each is there at all. It looks several times, from other sides,
mirrored, and with the flange turned against the nut by angles that it is not told of: so it cannot know which strip is a sound bolt's,
neither here nor when it learned, and has to measure. The sign is that of ``mark_angle``: counter-clockwise as seen on the nut is
positive, and a mirror flips it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from vision.bolt_maps import Window, cut
from vision.frames import Pixels
from vision.nut_shape import Numbers, NutShape, NutSizes
from vision.onnx_models import MapModel, load_maps

MODEL_FILE: Final = Path(__file__).with_name("models") / "marks.onnx"

SIDE_PX: Final = 228
RADIUS_PX: Final = 52.0
"""The picture that the strips are cut from, and the radius of the nut's corners in it."""
COLUMNS: Final = 256
NUT_MM: Final = 1.5 + 0.8 * np.arange(24)
FLANGE_MM: Final = 16.0 + 1.0 * np.arange(22)
"""How far each row of the strip is from the axis, for a nut of 36 mm across flats."""
_LEARNED_MM: Final = 36.0
_TURNS: Final = 3
_LOOKS: Final = 6
_FARTHEST_MM: Final = 3.0
_APART_RAD: Final = 0.1
SMALLEST_RADIUS_PX: Final = 36.0
"""The net learned from bolts of 42 px and more."""


@dataclass(frozen=True, slots=True)
class MarkLook:
    """What the net tells of one bolt."""

    angle_deg: float
    sigma_deg: float
    """One standard deviation, as the net tells it: to be widened by what is known of its errors."""
    spread_deg: float
    """How far its looks differ."""
    moved_mm: float
    """How far the last cut was still beside the axis, as the net sees it."""
    nut_there: float
    flange_there: float
    smeared: float
    no_washer: float
    """How likely each is, 0 to 1."""
    direction_deg: float
    shape: NutShape | None = None
    """The nut as the net sees it, in the window that its pose was given in."""


@dataclass(slots=True)
class Planes:
    """Both planes in a picture: where the axis meets them, and what one mm is there; rows are nut and flange."""

    centres: Numbers
    maps: Numbers
    recede: Numbers


class MarkNet:
    """The shipped net."""

    def __init__(self, model: MapModel) -> None:
        self._model = model

    @property
    def sha256(self) -> str:
        """Return which net it is."""
        return self._model.sha256

    def look(self, pixels: Pixels, shape: NutShape, window: Window, sizes: NutSizes, *, mirrored: bool) -> MarkLook:
        """Return the angle of the mark of a bolt whose pose in a window of the picture is roughly known."""
        mm = sizes.across_flats_mm / _LEARNED_MM
        top, base = (np.array(window.to_picture(float(at[0]), float(at[1]))) for at in (shape.centre_px, shape.base_px))
        radius = shape.radius_px * sizes.corner_mm * window.scale
        middle = (top + base) / 2
        square, place = cut(pixels, (float(middle[0]), float(middle[1])), SIDE_PX / 2 / RADIUS_PX * radius, SIDE_PX)
        corner = np.array([place.left, place.top])
        one = shape.affine * window.scale / place.scale * mm
        recede = shape.recede * mm
        pose = Planes(
            (np.stack([top, base]) - corner) / place.scale,
            np.stack([one, one * shape.base_scale]),
            np.stack([recede, recede * shape.base_scale]),
        )
        seen = self.look_at(square, pose, mirrored=mirrored)
        return replace(seen, moved_mm=seen.moved_mm * mm, shape=_shape(pose, shape, place, window, mm))

    def look_at(self, square: Pixels, pose: Planes, *, mirrored: bool, turns: int = _TURNS) -> MarkLook:
        """Return the angle of the mark in a square; ``pose`` is moved ``turns`` times to where the net says the axis is."""
        moved = 0.0
        for turn in range(turns):
            moved = _moved(pose, self._told(square, pose, turn))
        looks = [self._told(square, pose, _TURNS + turn) for turn in range(_LOOKS)]
        still = np.mean([each.beside for each in looks], axis=0)
        moved = float(np.hypot(still[:, 0], still[:, 1]).max()) if not turns else moved
        angles = np.array([each.nut - each.flange for each in looks])
        mean = float(np.angle(np.exp(1j * angles).mean()))
        away = np.angle(np.exp(1j * (angles - mean)))
        direction = float(np.angle(np.exp(1j * np.array([each.flange for each in looks])).mean()))
        log_sigma, *likely = (float(each) for each in np.mean([each.told for each in looks], axis=0))
        nut, flange, smeared, no_washer = (1 / (1 + np.exp(-np.clip(each, -30, 30))) for each in likely)
        degrees = float(np.rad2deg(mean))
        return MarkLook(
            # the picture's y points down, so what turns clockwise in its numbers turns counter-clockwise for who looks at it
            *(degrees if mirrored else -degrees, float(np.exp(np.clip(log_sigma, -4, 5))), float(np.rad2deg(away.std()))),
            *(moved, float(nut), float(flange), float(smeared), float(no_washer)),
            float(np.rad2deg(direction)),
        )

    def _told(self, square: Pixels, pose: Planes, turn: int) -> _Told:
        """Return what the net tells of one look: each is cut from another side, every second one mirrored."""
        side, way = 2 * np.pi * 0.37 * turn, -1.0 if turn % 2 else 1.0
        rolls = np.array([side, side + _APART_RAD * ((3 * turn) % 7 - 3)])
        strip = unrolled(square, pose.centres, pose.maps, pose.recede, rolls)
        answer = self._model.maps(np.ascontiguousarray(strip[:, ::-1] if way < 0 else strip)).astype(np.float64).ravel()
        return _read(answer, rolls, way)


@dataclass(frozen=True, slots=True)
class _Told:
    nut: float
    flange: float
    """Direction of the mark on both, radians in the picture's sense."""
    beside: Numbers
    """(2, 2): how far the axis is from where the rings were cut, mm."""
    stretch: Numbers
    """(2, 2, 2): how much longer each mm is than was thought, less one."""
    told: Numbers
    """Log of sigma, then the logits of what is there."""


def _read(answer: Numbers, rolls: Numbers, way: float) -> _Told:
    nut, flange = (float(each) for each in way * np.arctan2(answer[0:2], answer[2:4]) + rolls)
    beside = _turned(answer[4:8].reshape(2, 2) * [1.0, way], rolls)
    even, odd = answer[8:14].reshape(2, 3)[:, 0], _turned(answer[8:14].reshape(2, 3)[:, 1:] * [1.0, way], 2 * rolls)
    stretch = np.stack([np.stack([even + odd[:, 0], odd[:, 1]], -1), np.stack([odd[:, 1], even - odd[:, 0]], -1)], -2)
    return _Told(nut, flange, beside, np.asarray(stretch, np.float64), answer[14:])


def _turned(rows: Numbers, by: Numbers) -> Numbers:
    """Return vectors, one a row, each turned by its angle."""
    cos, sin = np.cos(by), np.sin(by)
    return np.asarray(np.stack([rows[:, 0] * cos - rows[:, 1] * sin, rows[:, 0] * sin + rows[:, 1] * cos], -1), np.float64)


def _moved(pose: Planes, told: _Told) -> float:
    """Move a pose to where the net says the axis is; return how far, mm."""
    far = np.hypot(told.beside[:, 0], told.beside[:, 1])
    move = told.beside * np.minimum(1, _FARTHEST_MM / np.maximum(far, 1e-9))[:, None]
    pose.centres = pose.centres + np.einsum("kij,kj->ki", pose.maps, move)
    pose.maps = pose.maps @ (np.eye(2) + np.clip(told.stretch, -0.1, 0.1))
    return float(far.max())


def _shape(pose: Planes, shape: NutShape, place: Window, window: Window, mm: float) -> NutShape:
    """Return a pose in the square as a nut's shape in the window."""
    corners = np.array([[place.left, place.top], [window.left, window.top]])
    centre, base = (pose.centres * place.scale + corners[0] - corners[1]) / window.scale
    one, other = (float(abs(np.linalg.det(each))) for each in pose.maps)
    affine = pose.maps[0] / mm * place.scale / window.scale
    return replace(shape, centre_px=centre, base_px=base, affine=affine, base_scale=float(np.sqrt(other / one)))


def unrolled(square: Pixels, centres: Numbers, maps: Numbers, recede: Numbers, rolls: Numbers) -> Pixels:
    """Return the rings of nut and flange as one strip (46, 256, 3): row by row outwards, column by column around, from its roll - pi on."""
    rows = []
    for centre, one, away, rings, roll in zip(centres, maps, recede, (NUT_MM, FLANGE_MM), rolls, strict=True):
        around = (np.arange(COLUMNS) + 0.5) * 2 * np.pi / COLUMNS - np.pi + roll
        u, v = rings[:, None] * np.cos(around), rings[:, None] * np.sin(around)
        near = 1 + away[0] * u + away[1] * v
        u, v = u / near, v / near
        rows.append(np.stack([one[0, 0] * u + one[0, 1] * v + centre[0], one[1, 0] * u + one[1, 1] * v + centre[1]], -1))
    where = np.concatenate(rows).astype(np.float32)
    strip = cv2.remap(square, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(strip, np.uint8)


def shipped_marks() -> MarkNet:
    """Return the net that comes with Leadhand. Raises Rejected where it is missing."""
    return MarkNet(load_maps(MODEL_FILE))
