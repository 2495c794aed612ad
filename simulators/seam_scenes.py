"""Rendered weld seams with exact truth: a height map of bead and plate, lit from one side, with imperfections made in it.

What is here is simulation: it shows that a chain from picture to verdict works, and gives a model a first idea of imperfections of
which there are no free pictures. It is no proof that they are found on real seams. Frozen: a change of what a seed gives raises
``VERSION``, and a model says on which version it learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

VERSION: Final = 1
KINDS: Final = ("crack", "undercut", "spatter", "burn_through", "lack_of_fusion", "surface_pores")
"""By ISO 6520-1: 100, 501, 602, 510, 401, 2017."""

Map: TypeAlias = npt.NDArray[np.float64]
_LIGHT_HEIGHT: Final = 0.75
_STEEL: Final = np.array([0.52, 0.53, 0.55])
"""Blue, green, red."""
_HEAT: Final = (np.array([0.34, 0.40, 0.50]), np.array([0.50, 0.40, 0.36]))
"""Straw and blue: temper colours beside the bead, from near to far."""


@dataclass(frozen=True, slots=True)
class SeamDefect:
    """One imperfection as it was made."""

    kind: str
    box_px: tuple[float, float, float, float]
    """x and y of its left upper and of its right lower corner."""
    length_mm: float
    width_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class SeamScene:
    """A picture of a seam, and what is in it."""

    pixels: npt.NDArray[np.uint8]
    """Shape (size, size, 3), blue, green, red."""
    px_per_mm: float
    bead_px: tuple[float, float, float, float]
    """The box of the bead."""
    defects: tuple[SeamDefect, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The seam's own coordinates over the picture, in mm: along it, and across it from its middle."""

    along: Map
    across: Map
    half_width: float
    length: float
    px_per_mm: float


def render_seam(seed: int, kinds: Sequence[str] | None = None, *, size: int = 640) -> SeamScene:
    """Return a seam. ``kinds``: its imperfections, nothing for a good one; without it the seed chooses, one seam of two is good."""
    draws = np.random.default_rng([VERSION, seed])
    chosen = tuple(str(kind) for kind in draws.choice(KINDS, int(draws.integers(1, 3)), replace=False)) if draws.random() < 0.5 else ()
    wanted = chosen if kinds is None else tuple(kinds)
    frame = _frame(draws, size)
    height = _bead(frame, draws)
    colour = np.broadcast_to(_STEEL, (size, size, 3)).copy()
    _oxide(frame, colour, draws)
    shade = np.ones((size, size))
    defects: list[SeamDefect] = []
    for kind in wanted:
        for _ in range(int(draws.integers(1, 3)) if kind in {"crack", "undercut", "lack_of_fusion", "burn_through"} else 1):
            for mask in _MAKERS[kind](frame, height, shade, draws):
                found = _truth(kind, mask, frame.px_per_mm)
                if found is not None:
                    defects.append(found)
    pixels = _photograph(_lit(frame, height, draws) * shade, colour, draws)
    return SeamScene(pixels, frame.px_per_mm, _box(np.abs(frame.across) < frame.half_width), tuple(defects))


def _frame(draws: np.random.Generator, size: int) -> _Frame:
    px_per_mm = float(draws.uniform(7.0, 12.0))
    angle, offset = float(draws.normal(0.0, 0.12)), float(draws.normal(0.0, 3.0))
    y, x = (np.mgrid[0:size, 0:size].astype(np.float64) - size / 2) / px_per_mm
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle) - offset
    length = size / px_per_mm
    across = across + 0.35 * np.sin(2 * np.pi * along / float(draws.uniform(25, 60)) + float(draws.uniform(0, 6)))
    return _Frame(along, across, float(draws.uniform(3.5, 6.5)), length, px_per_mm)


def _bead(frame: _Frame, draws: np.random.Generator) -> Map:
    """Return heights in mm: a cap with ripples as the pool froze, on a plate with its grain."""
    half = frame.half_width * (1 + 0.05 * np.sin(2 * np.pi * frame.along / float(draws.uniform(6, 14))))
    inside = np.clip(1 - (frame.across / half) ** 2, 0, None)
    crown, pitch = float(draws.uniform(0.9, 2.0)), float(draws.uniform(0.9, 1.8))
    bent = frame.along + 0.55 * frame.across**2 / frame.half_width
    ripple = 0.06 * np.sin(2 * np.pi * bent / pitch) + 0.03 * np.sin(2 * np.pi * bent / (pitch * 0.37) + 1.0)
    height = crown * inside**0.7 + ripple * np.sqrt(inside)
    grain = draws.normal(0.0, 1.0, (height.shape[0], 1)) * 0.006 + draws.normal(0.0, 1.0, height.shape) * 0.004
    return np.asarray(height + cv2.GaussianBlur(grain, (0, 0), 0.8) * (inside <= 0), np.float64)


def _oxide(frame: _Frame, colour: Map, draws: np.random.Generator) -> None:
    """Colour the plate beside the bead by its heat, and give it a little rust."""
    beyond = (np.abs(frame.across) - frame.half_width) / float(draws.uniform(2.0, 5.0))
    for tint, middle in zip(_HEAT, (0.4, 1.1), strict=True):
        weight = 0.55 * np.exp(-(((beyond - middle) / 0.45) ** 2)) * (beyond > 0)
        colour += weight[..., None] * (tint - colour)
    rust = cv2.GaussianBlur(draws.normal(0.0, 1.0, frame.along.shape), (0, 0), 9.0) * 9.0
    weight = np.clip(rust - float(draws.uniform(0.6, 1.6)), 0, 1) * 0.5
    colour += weight[..., None] * (np.array([0.16, 0.24, 0.38]) - colour)


Maker: TypeAlias = Callable[[_Frame, Map, Map, np.random.Generator], list[npt.NDArray[np.bool_]]]
"""Makes one kind of imperfection in heights and shade; returns where each is."""


def _stretch(frame: _Frame, draws: np.random.Generator, least: float, most: float) -> tuple[float, float]:
    length = min(float(draws.uniform(least, most)), frame.length - 8)
    begin = float(draws.uniform(-frame.length / 2 + 3, frame.length / 2 - 3 - length))
    return begin, begin + length


def _soft(frame: _Frame, begin: float, end: float) -> Map:
    """Return 1 within a stretch of the seam, falling to 0 at its ends within a millimetre."""
    return np.clip((frame.along - begin) / 0.8, 0, 1) * np.clip((end - frame.along) / 0.8, 0, 1)


def _crack(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    begin, end = _stretch(frame, draws, 8, 24)
    knots = draws.normal(0.0, 0.35, 24).cumsum() * 0.35
    place = np.interp(frame.along, np.linspace(begin, end, 24), knots) + float(draws.uniform(-0.4, 0.4)) * frame.half_width
    width = float(draws.uniform(0.12, 0.4)) * (0.5 + 0.5 * _soft(frame, begin, end))
    weight = np.exp(-(((frame.across - place) / width) ** 2)) * (_soft(frame, begin, end) > 0)
    height -= 0.8 * weight
    shade *= 1 - 0.85 * weight
    return [weight > 0.35]


def _undercut(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    begin, end = _stretch(frame, draws, 8, 30)
    side = 1.0 if draws.random() < 0.5 else -1.0
    width, depth = float(draws.uniform(0.5, 1.1)), float(draws.uniform(0.4, 1.2))
    weight = np.exp(-(((side * frame.across - frame.half_width - 0.35 * width) / width) ** 2)) * _soft(frame, begin, end)
    height -= depth * weight
    shade *= 1 - 0.45 * weight
    return [weight > 0.4]


def _lack_of_fusion(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    """Make an edge where the bead lies on the plate without having melted it: a step with a dark gap under it."""
    begin, end = _stretch(frame, draws, 8, 28)
    side = 1.0 if draws.random() < 0.5 else -1.0
    reach = _soft(frame, begin, end)
    from_edge = side * frame.across - frame.half_width
    height += 0.5 * reach * np.clip(1 - np.abs(from_edge + 0.5) / 0.9, 0, 1)
    gap = np.exp(-(((from_edge - 0.28) / float(draws.uniform(0.16, 0.3))) ** 2)) * reach
    shade *= 1 - 0.8 * gap
    return [(np.abs(from_edge - 0.1) < 0.7) & (reach > 0.3)]


def _spatter(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    made = []
    for _ in range(int(draws.integers(3, 12))):
        radius = float(draws.uniform(0.35, 1.4))
        side = 1.0 if draws.random() < 0.5 else -1.0
        middle = float(draws.uniform(-0.5, 0.5)) * frame.length, side * (frame.half_width + float(draws.uniform(1.5, 16)))
        squared = ((frame.along - middle[0]) ** 2 + (frame.across - middle[1]) ** 2) / radius**2
        height += radius * 0.8 * np.sqrt(np.clip(1 - squared, 0, 1))
        shade *= 1 - 0.5 * np.exp(-(((np.sqrt(squared) - 1.05) / 0.18) ** 2))
        made.append(squared < 1)
    return made


def _burn_through(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    radius, stretch = float(draws.uniform(1.4, 3.2)), float(draws.uniform(1.0, 1.6))
    middle = float(draws.uniform(-0.4, 0.4)) * frame.length, float(draws.uniform(-0.2, 0.2)) * frame.half_width
    turn = np.arctan2(frame.across - middle[1], frame.along - middle[0])
    ragged = 1 + 0.10 * np.sin(3 * turn + float(draws.uniform(0, 6))) + 0.06 * np.sin(7 * turn + float(draws.uniform(0, 6)))
    away = np.hypot((frame.along - middle[0]) / stretch, frame.across - middle[1]) / (radius * ragged)
    height += 0.5 * np.exp(-(((away - 1.15) / 0.22) ** 2)) - 3.0 * np.clip(1 - away, 0, 1)
    shade *= 1 - 0.93 / (1 + np.exp(np.clip((away - 0.95) / 0.05, -40, 40)))
    return [away < 1.15]


def _surface_pores(frame: _Frame, height: Map, shade: Map, draws: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    made = []
    for _ in range(int(draws.integers(2, 9))):
        radius = float(draws.uniform(0.3, 0.9))
        middle = float(draws.uniform(-0.45, 0.45)) * frame.length, float(draws.uniform(-0.7, 0.7)) * frame.half_width
        away = np.hypot(frame.along - middle[0], frame.across - middle[1]) / radius
        height += 0.12 * np.exp(-(((away - 1.2) / 0.25) ** 2)) - 1.2 * np.sqrt(np.clip(1 - away**2, 0, 1))
        shade *= 1 - 0.8 / (1 + np.exp(np.clip((away - 0.85) / 0.08, -40, 40)))
        made.append(away < 1.1)
    return made


_MAKERS: Final[dict[str, Maker]] = {
    "crack": _crack,
    "undercut": _undercut,
    "lack_of_fusion": _lack_of_fusion,
    "spatter": _spatter,
    "burn_through": _burn_through,
    "surface_pores": _surface_pores,
}


def _lit(frame: _Frame, height: Map, draws: np.random.Generator) -> Map:
    """Return how bright each place is under a lamp from one side, with what shines."""
    down, right = np.gradient(height * frame.px_per_mm)
    normal = np.sqrt(1 + down**2 + right**2)
    turn = float(draws.uniform(0, 2 * np.pi))
    lamp = np.array([np.cos(turn), np.sin(turn)]) * np.sqrt(1 - _LIGHT_HEIGHT**2)
    facing = np.clip((-right * lamp[0] - down * lamp[1] + _LIGHT_HEIGHT) / normal, 0, None)
    shine = np.clip(2 * facing / normal - _LIGHT_HEIGHT, 0, 1) ** float(draws.uniform(10, 30))
    return np.asarray(0.28 + 0.85 * facing + float(draws.uniform(0.2, 0.7)) * shine, np.float64)


def _photograph(light: Map, colour: Map, draws: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return what a camera makes of it: lens, exposure, fall-off to the corners, noise."""
    size = light.shape[0]
    picture = colour * light[..., None] * float(draws.uniform(0.8, 1.15))
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    picture = picture * (1 - float(draws.uniform(0.1, 0.5)) * (x**2 + y**2))[..., None]
    picture = cv2.GaussianBlur(picture, (0, 0), float(draws.uniform(0.5, 1.1)))
    noisy = picture + draws.normal(0.0, 0.012, picture.shape) * np.sqrt(np.clip(picture, 0.05, 1))
    return np.asarray(np.clip(255 * np.clip(noisy, 0, 1) ** 0.85, 0, 255), np.uint8)


def _truth(kind: str, mask: npt.NDArray[np.bool_], px_per_mm: float) -> SeamDefect | None:
    """Return an imperfection by where it is; None where less than a few pixels of it are in the picture."""
    if int(mask.sum()) < 12:
        return None
    (_, _), sides, _ = cv2.minAreaRect(np.argwhere(mask)[:, ::-1].astype(np.float32))
    return SeamDefect(kind, _box(mask), round((max(sides) + 1) / px_per_mm, 2), round((min(sides) + 1) / px_per_mm, 2))


def _box(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
