"""The solid side of simulated bolt pictures: which part of which bolt a ray meets, where, and under which normal.

Sizes are those of M24: nut of 36 mm across flats, washer of 44 mm, hole of 26 mm. All in columns: one call for all rays of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

ACROSS_FLATS_MM: Final = 36.0
WASHER_MM: Final = 44.0
HOLE_MM: Final = 26.0
THREAD_MM: Final = 24.0


class Part(IntEnum):
    """What a pixel shows."""

    FLANGE = 0
    WASHER = 1
    NUT_TOP = 2
    NUT_SIDE = 3
    BOLT_END = 4
    HOLE = 5
    COVER = 6
    """A cable, a hose or a rag in front."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one place of the circle is built: heights above the flange, what is there, and how the nut stands."""

    x_mm: float
    y_mm: float
    nut: bool
    washer: bool
    washer_mm: float
    nut_mm: float
    end_mm: float
    """How far the thread stands out of the nut; 0: a hex head without thread."""
    turn_deg: float
    """How the hexagon stands."""
    chamfer: float
    """Radius of the flat of the nut's top, as a share of half the width across flats."""
    collar_mm: float = 0.0
    """Radius of a flange nut's collar; 0: none."""

    @property
    def base_mm(self) -> float:
        """Return the height that the nut stands on."""
        return self.washer_mm if self.washer else 0.0

    @property
    def top_mm(self) -> float:
        """Return the height of the nut's top."""
        return self.base_mm + self.nut_mm


class Hits:
    """What each ray of a window meets first; grows nearer as parts are added."""

    def __init__(self, eye_mm: npt.NDArray[np.float64], directions: Floats) -> None:
        self.eye = eye_mm.astype(np.float32)
        self.d = directions
        self.t: Floats = -self.eye[2] / directions[..., 2]
        self.part = np.zeros(directions.shape[:2], np.uint8)
        self.bolt = np.full(directions.shape[:2], -1, np.int16)
        self.normals = (np.zeros_like(self.t), np.zeros_like(self.t), np.ones_like(self.t))

    def points(self) -> tuple[Floats, Floats, Floats]:
        """Return x, y, z of what is met."""
        x, y, z = (self.eye[i] + self.t * self.d[..., i] for i in range(3))
        return x, y, z

    def put(self, where: Flags, t: Floats, part: Part, normal: tuple[Floats | float, Floats | float, Floats | float], bolt: int) -> None:
        """Take what is met where it is nearer than what was."""
        where &= t < self.t
        where &= t > 0
        np.copyto(self.t, t, where=where)
        self.part[where] = part
        self.bolt[where] = bolt
        for i in range(3):
            value = normal[i]
            np.copyto(self.normals[i], value, where=where)


def add_bolt(hits: Hits, shape: Shape, number: int) -> None:
    """Put one place of the circle before the flange: its hole, or washer, nut and thread."""
    if not shape.nut:
        _disc(hits, shape, 0.0, HOLE_MM / 2, Part.HOLE, number, lift=1e-4)
    if shape.washer:
        _cylinder(hits, shape, (0.0, shape.washer_mm), WASHER_MM / 2, Part.WASHER, number)
        _disc(hits, shape, shape.washer_mm, WASHER_MM / 2, Part.WASHER, number)
        if not shape.nut:
            _disc(hits, shape, shape.washer_mm, HOLE_MM / 2, Part.HOLE, number, lift=1e-4)
    if not shape.nut:
        return
    if shape.collar_mm:
        _cylinder(hits, shape, (shape.base_mm, shape.base_mm + 3.0), shape.collar_mm, Part.NUT_SIDE, number)
        _disc(hits, shape, shape.base_mm + 3.0, shape.collar_mm, Part.NUT_SIDE, number)
    _prism(hits, shape, number)
    if shape.end_mm > 0:
        _cylinder(hits, shape, (shape.top_mm, shape.top_mm + shape.end_mm), THREAD_MM / 2, Part.BOLT_END, number)
        _disc(hits, shape, shape.top_mm + shape.end_mm, THREAD_MM / 2 - 1.0, Part.BOLT_END, number)


def _disc(hits: Hits, shape: Shape, z: float, radius: float, part: Part, number: int, lift: float = 0.0) -> None:
    t = (np.float32(z) - hits.eye[2]) / hits.d[..., 2]
    x, y = (hits.eye[i] + t * hits.d[..., i] - np.float32(at) for i, at in ((0, shape.x_mm), (1, shape.y_mm)))
    hits.put(x * x + y * y <= radius**2, t * np.float32(1 - lift), part, (0.0, 0.0, 1.0), number)


def _cylinder(hits: Hits, shape: Shape, heights: tuple[float, float], radius: float, part: Part, number: int) -> None:
    dx, dy, dz = (hits.d[..., i] for i in range(3))
    ox, oy = hits.eye[0] - np.float32(shape.x_mm), hits.eye[1] - np.float32(shape.y_mm)
    a = dx * dx + dy * dy
    b = ox * dx + oy * dy
    under = b * b - a * np.float32(ox * ox + oy * oy - radius**2)
    t = (-b - np.sqrt(np.maximum(under, 0))) / np.maximum(a, np.float32(1e-12))
    z = hits.eye[2] + t * dz
    x, y = (ox + t * dx) / np.float32(radius), (oy + t * dy) / np.float32(radius)
    hits.put((under > 0) & (z >= heights[0]) & (z <= heights[1]), t, part, (x, y, 0.0), number)


def _prism(hits: Hits, shape: Shape, number: int) -> None:
    half = np.float32(ACROSS_FLATS_MM / 2)
    ox, oy = hits.eye[0] - np.float32(shape.x_mm), hits.eye[1] - np.float32(shape.y_mm)
    top = (np.float32(shape.top_mm) - hits.eye[2]) / hits.d[..., 2]
    bottom = (np.float32(shape.base_mm) - hits.eye[2]) / hits.d[..., 2]
    enter, leave = top.copy(), bottom
    nx, ny, nz = np.zeros_like(top), np.zeros_like(top), np.ones_like(top)
    for step in range(3):
        angle = np.deg2rad(shape.turn_deg + 60 * step)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along = hits.d[..., 0] * cos + hits.d[..., 1] * sin
        at = ox * cos + oy * sin
        along = np.where(np.abs(along) < 1e-9, np.float32(1e-9), along)
        first, second = (-half - at) / along, (half - at) / along
        near, far = np.minimum(first, second), np.maximum(first, second)
        side = near > enter
        sign = np.where(first < second, np.float32(-1), np.float32(1))
        nx[side], ny[side], nz[side] = (sign * cos)[side], (sign * sin)[side], 0
        enter = np.maximum(enter, near)
        leave = np.minimum(leave, far)
    met = enter <= leave
    on_top = nz > 0.5
    x, y = ox + enter * hits.d[..., 0], oy + enter * hits.d[..., 1]
    r = np.sqrt(x * x + y * y)
    slope = on_top & (r > half * np.float32(shape.chamfer))  # the corners fall off under 30 degrees
    for normal, at in ((nx, x), (ny, y)):
        np.copyto(normal, at / np.maximum(r, np.float32(1e-3)) * np.float32(0.5), where=slope)
    np.copyto(nz, np.float32(0.866), where=slope)
    hits.put(met & on_top, enter, Part.NUT_TOP, (nx, ny, nz), number)
    hits.put(met & ~on_top, enter, Part.NUT_SIDE, (nx, ny, nz), number)
