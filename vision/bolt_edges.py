"""Where the edges of a bolt must be for a pose, and what the picture shows across them.

A pose is nine numbers: where the axis meets the nut's top (px), the log of px for one mm there, how the axis leans away from the eye (x, y
of its unit vector), how the hexagon stands, perspective (per mm), height of nut and of washer (mm). Edges are cut into pieces of sixteen
places each: the six sides of the nut's top, its lower sides that face the camera, the washer's upper and lower rim where they can be seen.
Lengths are those of a nut of 36 mm across flats; others are brought to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.frames import Pixels
from vision.nut_shape import Floats, Numbers

POSE: Final = 9
HALF_MM: Final = 18.0
PLACES: Final = 16
ACROSS: Final = 25
STEP_PX: Final = 0.64
"""Places along a piece, and places across it, from inside to outside, this far apart."""
TOP, LOWER, WASHER, RIM = range(4)
_SIDE: Final = (np.arange(PLACES) + 0.5) / PLACES * 1.92 - 0.96
_ARC: Final = ((np.arange(PLACES) + 0.5) / PLACES - 0.5) * np.pi / 3
_FACING: Final = 0.05
"""A face that leans less towards the camera is not looked for."""
_CLEAR_MM: Final = 0.5
_FEWEST: Final = 4


Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of edges, a row each."""

    at: Numbers
    """(n, places, 3): mm from the axis, and height from the nut's top in (nut, washer) heights: 0, 1 or 2."""
    along: Numbers
    """(n, places, 2): direction of the edge, counter-clockwise."""
    kind: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    facing: Numbers
    """(n,): how much the outside of each leans towards the camera, as a slope."""
    seen: Flags
    """(n, places): false where the nut itself is before it."""


def projected(pose: Numbers, at: Numbers) -> Numbers:
    """Return the px (..., 2) of points (..., 3): mm from the axis and height above the nut's top."""
    lean, upright = pose[3:5], np.sqrt(max(1 - pose[3] ** 2 - pose[4] ** 2, 0.2))
    cos, sin = np.cos(pose[5]), np.sin(pose[5])
    flat = np.stack([cos * at[..., 0] - sin * at[..., 1], sin * at[..., 0] + cos * at[..., 1]], -1)
    away = flat @ lean
    seen = flat + (at[..., 2] - away / (1 + upright))[..., None] * lean
    near = np.exp(pose[2]) / (1 + pose[6] * (away - at[..., 2] * upright))
    px: Numbers = np.asarray(pose[:2] + near[..., None] * seen, np.float64)
    return px


def heights(pose: Numbers, levels: Numbers) -> Numbers:
    """Return heights above the nut's top of levels 0 (top), 1 (under the nut) and 2 (flange)."""
    return np.asarray(-(np.minimum(levels, 1) * pose[7] + np.maximum(levels - 1, 0) * pose[8]), np.float64)


def slope(pose: Numbers) -> Numbers:
    """Return how far, in mm of the nut's own directions, what is one mm lower is seen farther away."""
    lean, upright = pose[3:5], np.sqrt(max(1 - pose[3] ** 2 - pose[4] ** 2, 0.2))
    cos, sin = np.cos(pose[5]), np.sin(pose[5])
    away: Numbers = np.array([cos * lean[0] + sin * lean[1], -sin * lean[0] + cos * lean[1]]) / upright
    return away


def pieces(pose: Numbers, washer_radius_mm: float) -> Pieces:
    """Return the edges that can be seen from a pose; no washer's where its radius is 0."""
    tilt = slope(pose)
    rows: list[tuple[Numbers, Numbers, int, float, Flags]] = []
    everywhere = np.ones(PLACES, np.bool_)
    for turn in np.arange(6) * np.pi / 3:
        out = np.array([np.cos(turn), np.sin(turn)])
        way = np.array([-out[1], out[0]])
        flat = HALF_MM * out + _SIDE[:, None] * HALF_MM / 3**0.5 * way
        leans = -float(out @ tilt)
        for kind in (TOP, LOWER) if leans > _FACING else (TOP,):
            at = np.column_stack([flat, np.full(PLACES, float(kind))])
            rows.append((at, np.broadcast_to(way, (PLACES, 2)), kind, leans, everywhere))
    for turn in np.arange(6) * np.pi / 3 if washer_radius_mm else ():
        out = np.column_stack([np.cos(turn + _ARC), np.sin(turn + _ARC)])
        way, flat, facing = np.column_stack([-out[:, 1], out[:, 0]]), washer_radius_mm * out, -out @ tilt
        clear = _beyond_nut(flat, tilt, pose[7]) > _CLEAR_MM
        for kind, seen in ((WASHER, clear), (RIM, clear & (facing > 0.5 * _FACING))):
            if seen.sum() >= _FEWEST:
                at = np.column_stack([flat, np.full(PLACES, float(kind - 1))])
                rows.append((at, way, kind, float(facing.mean()), seen))
    ats, alongs, kinds, leanings, seens = zip(*rows, strict=True)
    return Pieces(np.stack(ats), np.stack(alongs), np.array(kinds), np.array(leanings), np.stack(seens))


def _beyond_nut(flat: Numbers, tilt: Numbers, nut_mm: float) -> Numbers:
    """Return how far, in mm, the look at places under the nut passes beside it."""
    least = np.full(len(flat), np.inf)
    for high in np.linspace(0, nut_mm, 6):
        where = flat - tilt * high
        far = np.max([np.abs(where @ [np.cos(turn), np.sin(turn)]) for turn in np.arange(3) * np.pi / 3], axis=0)
        least = np.minimum(least, far - HALF_MM)
    return least


def places(pose: Numbers, some: Pieces) -> tuple[Numbers, Numbers]:
    """Return the px of each place (n, places, 2), and the direction outwards across the edge there."""
    high = heights(pose, some.at[..., 2])
    at = np.concatenate([some.at[..., :2], high[..., None]], -1)
    px = projected(pose, at)
    on = projected(pose, at + np.concatenate([0.2 * some.along, np.zeros_like(high)[..., None]], -1)) - px
    on = on / np.linalg.norm(on, axis=-1, keepdims=True)
    return px, np.stack([on[..., 1], -on[..., 0]], -1)


def patches(square: Pixels, px: Numbers, outwards: Numbers) -> Pixels:
    """Return what the picture shows across the places: (n, places, across, 3)."""
    off = (np.arange(ACROSS) - ACROSS // 2) * STEP_PX
    where = (px[..., None, :] + off[:, None] * outwards[..., None, :]).reshape(-1, ACROSS, 2).astype(np.float32)
    seen = cv2.remap(square, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8).reshape(*px.shape[:2], ACROSS, 3)


def planes(seen: Pixels, some: Pieces) -> Floats:
    """Return patches as the net of edges takes them: (n, 8, places, across), colours, kind and lean."""
    told = np.zeros((len(seen), 8, PLACES, ACROSS), np.float32)
    told[:, :3] = (seen.transpose(0, 3, 1, 2).astype(np.float32) - 110) / 60
    told[np.arange(len(seen)), 3 + some.kind] = 1
    told[:, 7] = some.facing[:, None, None] * 2
    return told
