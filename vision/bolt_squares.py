"""The square that a bolt is looked at in from near: cut from the picture as a camera would see it that points at the bolt.

Where the lens is known the picture is straightened and turned towards the bolt: a nut at the rim of a wide view is stretched, and what
stretches it is not its tilt. Without a lens the square is cut as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.bolt_circle import CameraLens, straightened
from vision.bolt_maps import STEP_PX, BoltMaps, Window
from vision.frames import Pixels
from vision.nut_shape import Floats, Numbers

_STEP: Final = 2.0


@dataclass(frozen=True, slots=True)
class Square:
    """How a square lies in the picture."""

    side_px: int
    middle_px: Numbers
    """What of the picture is in its middle."""
    scale: float
    """Pixels of the picture for one of the square, in its middle."""
    lens: CameraLens | None = None

    def to_picture(self, points: Numbers) -> Numbers:
        """Return points (..., 2) of the square as points of the picture."""
        off = (points - (self.side_px - 1) / 2) * self.scale
        if self.lens is None:
            return np.asarray(self.middle_px + off, np.float64)
        turn, stretch = self._turned(self.lens)
        rays = np.concatenate([off * stretch / self.lens.focal_px, np.ones((*off.shape[:-1], 1))], -1) @ turn.T
        straight = rays[..., :2] / rays[..., 2:]
        r2 = (straight**2).sum(-1, keepdims=True)
        bent = straight * (1 + self.lens.distortion[0] * r2 + self.lens.distortion[1] * r2**2)
        return np.asarray(bent * self.lens.focal_px + np.array(self.lens.centre_px), np.float64)

    def from_picture(self, points: Numbers) -> Numbers:
        """Return points (n, 2) of the picture as points of the square."""
        if self.lens is None:
            off = points - self.middle_px
        else:
            turn, stretch = self._turned(self.lens)
            rays = np.column_stack([straightened(points, _unmirrored(self.lens)), np.ones(len(points))]) @ turn
            off = rays[:, :2] / rays[:, 2:] * self.lens.focal_px / stretch
        return np.asarray(off / self.scale + (self.side_px - 1) / 2, np.float64)

    def _turned(self, lens: CameraLens) -> tuple[Numbers, float]:
        """Return how the camera is turned to the bolt, and how much farther the bolt is than along the lens's own axis."""
        x, y = straightened(self.middle_px[None], _unmirrored(lens))[0]
        far = float(np.sqrt(1 + x * x + y * y))
        ray = np.array([x, y, 1.0]) / far
        across = ray[:2]
        bend = np.outer(across, across) / (1 + ray[2])
        turn = np.array([[1 - bend[0, 0], -bend[0, 1], ray[0]], [-bend[1, 0], 1 - bend[1, 1], ray[1]], [-ray[0], -ray[1], ray[2]]])
        return turn, 1 / far

    def affine(self, at: Numbers, affine: Numbers, *, back: bool) -> Numbers:
        """Return a map of one mm at a point of the picture as one of the square; ``back``: the other way."""
        step = _STEP * np.linalg.svd(affine, compute_uv=False)[0]
        way = affine / np.linalg.norm(affine, axis=0) * step
        ends = np.concatenate([at + way.T, at - way.T])
        seen = self.to_picture(ends) if back else self.from_picture(ends)
        return np.asarray((seen[:2] - seen[2:]).T / 2 / step * np.linalg.norm(affine, axis=0), np.float64)

    def cut(self, pixels: Pixels) -> Pixels:
        """Return its pixels; beyond the picture its rim is repeated."""
        where = self._field().astype(np.float32)
        reach = int(3 * self.scale) + 4
        left, top = np.maximum(np.floor(where.min(axis=(0, 1))).astype(int) - reach, 0)
        right, bottom = np.ceil(where.max(axis=(0, 1))).astype(int) + reach
        piece = np.ascontiguousarray(pixels[min(top, len(pixels) - 1) : max(bottom, 1), min(left, pixels.shape[1] - 1) : max(right, 1)])
        source = piece if self.scale < 1.3 else cv2.GaussianBlur(piece, (0, 0), 0.4 * self.scale)
        x = (where[..., 0] - min(left, pixels.shape[1] - 1)).astype(np.float32)
        y = (where[..., 1] - min(top, len(pixels) - 1)).astype(np.float32)
        return np.asarray(cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def maps(self, maps: BoltMaps, window: Window) -> BoltMaps:
        """Return the maps of a window as those of the square."""
        where = ((self._field() - [window.left, window.top]) / window.scale - (STEP_PX - 1) / 2) / STEP_PX
        x, y = where[..., 0].astype(np.float32), where[..., 1].astype(np.float32)

        def brought(each: Floats) -> Floats:
            return np.asarray(cv2.remap(each, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)

        return BoltMaps(np.stack([brought(part) for part in maps.parts]), brought(maps.paint), maps.looks)

    def _field(self) -> Numbers:
        y, x = np.mgrid[: self.side_px, : self.side_px]
        return self.to_picture(np.stack([x, y], -1).astype(np.float64))


def _unmirrored(lens: CameraLens) -> CameraLens:
    """Return the lens without its mirror: a square is mirrored as its picture is."""
    return CameraLens(lens.focal_px, lens.centre_px, lens.distortion)
