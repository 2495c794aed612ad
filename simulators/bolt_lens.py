"""The lens side of simulated bolt pictures: rays through a distorted, possibly mirrored camera, and what optics and sensor do to light.

The world is in mm: the flange is the plane z = 0, z points to the camera. A mirror flips the picture left to right, as a real one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Lens:
    """A camera: focal length and centre in px, radial distortion, and where it stands: camera = turn @ world + shift."""

    width: int
    height: int
    focal_px: float
    centre_px: tuple[float, float]
    distortion: tuple[float, float]
    turn: Numbers
    shift_mm: Numbers
    mirrored: bool = False

    @property
    def eye_mm(self) -> Numbers:
        """Return where the camera stands in the world."""
        eye: Numbers = -self.turn.T @ self.shift_mm
        return eye


@dataclass(frozen=True, slots=True)
class Optics:
    """What blurs and stains the picture."""

    exposure: float
    """Where the camera puts the brightest twentieth of the picture; above 1 it is burnt out."""
    blur_px: float
    defocus_px_per_mm: float
    focus_mm: float
    motion_px: float
    motion_deg: float
    noise: float
    shot_noise: float
    vignette: float
    gamma: float
    jpeg: int | None
    round_view: bool


def look_at(target_mm: Numbers, distance_mm: float, tilt_deg: float, around_deg: float, roll_deg: float) -> tuple[Numbers, Numbers]:
    """Return turn and shift of a camera that looks at a point of the flange from a distance, tilted from the normal."""
    tilt, around, roll = np.deg2rad([tilt_deg, around_deg, roll_deg])
    forward = -np.array([np.sin(tilt) * np.cos(around), np.sin(tilt) * np.sin(around), np.cos(tilt)])
    right = np.array([-np.sin(around), np.cos(around), 0.0])
    down = np.cross(forward, right)
    base = np.stack([right, down, forward])
    cos, sin = np.cos(roll), np.sin(roll)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ base
    return turn, -turn @ (target_mm - distance_mm * forward)


def project(lens: Lens, points_mm: Numbers) -> Numbers:
    """Return the picture's px (n, 2) of world points (n, 3)."""
    seen = points_mm @ lens.turn.T + lens.shift_mm
    xy = seen[:, :2] / seen[:, 2:]
    r2 = (xy**2).sum(axis=1, keepdims=True)
    xy = xy * (1 + lens.distortion[0] * r2 + lens.distortion[1] * r2**2)
    if lens.mirrored:
        xy = xy * np.array([-1.0, 1.0])
    px: Numbers = xy * lens.focal_px + np.array(lens.centre_px)
    return px


def rays(lens: Lens, left: int, top: int, width: int, height: int, fine: float) -> Floats:
    """Return the world directions (h, w, 3) of a window's pixels, each cut into fine x fine (fewer rays where fine < 1).

    Their z is negative, their length is not 1.
    """
    u = (left - 0.5 + (np.arange(round(width * fine), dtype=np.float32) + 0.5) / fine - lens.centre_px[0]) / lens.focal_px
    v = (top - 0.5 + (np.arange(round(height * fine), dtype=np.float32) + 0.5) / fine - lens.centre_px[1]) / lens.focal_px
    if lens.mirrored:
        u = -u
    x, y = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
    straight_x: npt.NDArray[np.floating[Any]] = x
    straight_y: npt.NDArray[np.floating[Any]] = y
    for _ in range(4 if any(lens.distortion) else 0):
        r2 = straight_x**2 + straight_y**2
        stretch = 1 + np.float32(lens.distortion[0]) * r2 + np.float32(lens.distortion[1]) * r2**2
        straight_x, straight_y = x / stretch, y / stretch
    turn = lens.turn.astype(np.float32)
    directions: Floats = np.stack([straight_x * turn[0, i] + straight_y * turn[1, i] + turn[2, i] for i in range(3)], axis=-1)
    return directions


def expose(light: Floats, depth_mm: Floats, optics: Optics, rng: np.random.Generator) -> Picture:
    """Return the 8-bit picture that a camera makes of linear light (h, w, 3): depth of field, motion, vignette, noise, gamma, JPEG."""
    light = _out_of_focus(light * np.float32(optics.exposure / max(float(np.percentile(light[::4, ::4], 95)), 1e-3)), depth_mm, optics)
    if optics.motion_px > 0.5:
        light = cv2.filter2D(light, -1, _motion_kernel(optics.motion_px, optics.motion_deg)).astype(np.float32)
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light *= (1 - np.float32(optics.vignette) * (x**2 + y**2) / 2)[..., None]
    if optics.round_view:
        edge = np.hypot(x * width, y * height) / min(width, height)
        light *= np.clip((1.08 - edge) * 25, 0.01, 1).astype(np.float32)[..., None]
    deviation = np.sqrt(np.float32(optics.noise**2) + np.float32(optics.shot_noise**2) * np.maximum(light, 0))
    light = light + deviation * rng.standard_normal(light.shape, dtype=np.float32)
    pixels: Picture = (np.clip(light, 0, 1) ** np.float32(1 / optics.gamma) * 255 + 0.5).astype(np.uint8)
    if optics.jpeg is not None:
        pixels = np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, optics.jpeg])[1], cv2.IMREAD_COLOR), np.uint8
        )
    return pixels


def _out_of_focus(light: Floats, depth_mm: Floats, optics: Optics) -> Floats:
    sharp = light if optics.blur_px < 0.3 else cv2.GaussianBlur(light, (0, 0), optics.blur_px).astype(np.float32)
    spread = np.abs(depth_mm - np.float32(optics.focus_mm)) * np.float32(optics.defocus_px_per_mm)
    if float(spread.max()) < 0.3:
        return sharp.copy()
    most = float(np.hypot(spread.max(), optics.blur_px))
    soft = cv2.GaussianBlur(light, (0, 0), most)
    share = np.clip(spread / float(spread.max()), 0, 1)[..., None]
    mixed: Floats = (sharp * (1 - share) + soft * share).astype(np.float32)
    return mixed


def _motion_kernel(length_px: float, direction_deg: float) -> Floats:
    size = int(np.ceil(length_px)) | 1
    size += 2
    kernel = np.zeros((size * 4, size * 4), np.float32)
    half = length_px * 2 * np.array([np.cos(np.deg2rad(direction_deg)), np.sin(np.deg2rad(direction_deg))])
    middle = np.array([size * 2, size * 2])
    ends = [(round(float(p[0])), round(float(p[1]))) for p in (middle - half, middle + half)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 4)
    small = cv2.resize(kernel, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small / small.sum(), np.float32)
