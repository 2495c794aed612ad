"""The light side of simulated bolt pictures: metal, rust, oil, scratches and paint, lit by lamps, shadowed by the nuts.

Colours are linear light, blue-green-red as OpenCV keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from simulators.bolt_surfaces import ACROSS_FLATS_MM, Hits, Part, Shape

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
Planes = tuple[Floats, Floats, Floats]

_TILE: Final = 512
_MOST_ROWS: Final = 32_000  # of a picture that OpenCV remaps


@dataclass(frozen=True, slots=True)
class Lamp:
    """A lamp: where it stands, its colour, and how hard its shadows are (mm of half shadow)."""

    at_mm: tuple[float, float, float]
    colour: Colour
    half_shadow_mm: float


@dataclass(frozen=True, slots=True)
class Metal:
    """How a part's surface looks."""

    colour: Colour
    gloss: float
    """How strong it shines."""
    hardness: float
    """Exponent of its highlight."""
    grain: float
    """How much its brightness varies."""
    grain_mm: float
    bumps: float
    """How much its normal varies."""
    rust: float
    """Share that is rusty."""
    oil: float
    """Share under a film of oil."""
    scratches: float
    pattern: str = "fine"
    """Which tile its brightness follows."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A witness mark, painted in one go over flange, washer and nut while the nut stood at its place."""

    colour: Colour
    direction_deg: float
    beside_mm: float
    """How far the line passes the axis."""
    width_mm: float
    inner_mm: float
    outer_mm: float
    turned_deg: float
    """How far the nut, with its part of the mark, was turned since: counter-clockwise seen from the camera side, that is loosened."""
    washer_deg: float
    rough: float
    worn: float
    on_nut: bool
    on_flange: bool
    smear_deg: float
    """How far it was wiped, 0: not."""
    over_thread: bool
    bend: float = 0.0
    """How much the line bends, in 1/mm."""


@cache
def tiles(kind: str) -> Floats:
    """Return a tile of noise that repeats without a seam; 'cloud' and 'fine' are smooth, 'cells' has edges, 'lines' is scratched."""
    rng = np.random.default_rng([ord(c) for c in kind])
    if kind == "lines":
        return _scratched(rng)
    powers = {"cloud": 1.6, "fine": 0.7, "cells": 1.2, "grit": 0.25}[kind]
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(_TILE), np.fft.fftfreq(_TILE)))
    f[0, 0] = 1
    spectrum = np.fft.fft2(rng.standard_normal((_TILE, _TILE))) / f**powers
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    field /= field.std()
    if kind == "cells":
        field = np.tanh(3 * np.sin(2.5 * field))
    return field.astype(np.float32)


def _scratched(rng: np.random.Generator) -> Floats:
    canvas = np.zeros((_TILE, _TILE), np.float32)
    for _ in range(90):
        start = rng.uniform(0, _TILE, 2)
        end = start + rng.normal(0, 90, 2)
        points = np.linspace(start, end, 8) + rng.normal(0, 2, (8, 2))
        for ox in (-_TILE, 0, _TILE):
            for oy in (-_TILE, 0, _TILE):
                cv2.polylines(
                    canvas, [(points + np.array([ox, oy])).round().astype(np.int32)], False, float(rng.uniform(0.3, 1)), 1, cv2.LINE_AA
                )
    return canvas


def sampled(kind: str, x: Floats, y: Floats, scale_mm: float, where: tuple[float, float]) -> Floats:
    """Return a tile's values at points in mm; a cycle of its coarsest features is some scale_mm * 100 long."""
    zoom = np.float32(8 / scale_mm)
    u, v = (_wrapped(at * zoom + np.float32(start)) for at, start in ((x, where[0]), (y, where[1])))
    if max(u.shape) < _MOST_ROWS:
        return np.asarray(cv2.remap(tiles(kind), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)
    folded = [np.resize(each, (-(-each.size // _TILE), _TILE)) for each in (u, v)]
    found = cv2.remap(tiles(kind), folded[0], folded[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32).reshape(-1)[: u.size].reshape(u.shape)


def _wrapped(at: Floats) -> Floats:
    cycles = np.floor(at * np.float32(1 / _TILE))
    cycles *= np.float32(_TILE)
    wrapped: Floats = at - cycles
    return wrapped


def paint_cover(hits: Hits, shape: Shape, number: int, stroke: Stroke, spot: tuple[float, float]) -> Floats:
    """Return how much of each ray's surface is covered by a bolt's mark, 0 to 1."""
    x, y, _ = hits.points()
    x, y = x - np.float32(shape.x_mm), y - np.float32(shape.y_mm)
    mine = hits.bolt == number
    nut = mine & ((hits.part == Part.NUT_TOP) | (hits.part == Part.NUT_SIDE))
    end = mine & (hits.part == Part.BOLT_END)
    washer = mine & (hits.part == Part.WASHER)
    flange = hits.part == Part.FLANGE
    turned = np.zeros_like(x)
    turned[nut] = stroke.turned_deg
    turned[washer] = stroke.washer_deg
    angle = np.deg2rad(stroke.direction_deg + turned)
    along, beside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    allowed = (nut & stroke.on_nut) | ((washer | flange) & stroke.on_flange) | (end & stroke.over_thread)
    edge = sampled("fine", along, beside, 14.0, spot) * np.float32(stroke.rough * stroke.width_mm * 0.12)
    beside = beside - np.float32(stroke.beside_mm) - np.float32(stroke.bend) * (along - 20) ** 2
    inside = _step(stroke.width_mm / 2 - np.abs(beside) + edge, 0.25)
    inside *= _step(along - stroke.inner_mm + edge, 0.4) * _step(stroke.outer_mm - along + edge, 0.4)
    wear = sampled("fine", x, y, 9.0, (spot[1], spot[0]))
    inside *= np.clip((wear + 2.4 - np.float32(4.2 * stroke.worn)) * 2, 0, 1)
    if stroke.smear_deg:
        inside = np.maximum(inside * np.float32(0.55), _wiped(x, y, np.deg2rad(stroke.direction_deg), stroke, spot))
    cover: Floats = (inside * allowed).astype(np.float32)
    return cover


def _wiped(x: Floats, y: Floats, direction: float, stroke: Stroke, spot: tuple[float, float]) -> Floats:
    """Return the thin film that a wiped mark leaves: a fan with streaks along the way of the rag."""
    away = np.angle(np.exp(1j * (np.arctan2(y, x) - direction)))
    r = np.hypot(x, y)
    reach = np.deg2rad(abs(stroke.smear_deg))
    way = away * np.float32(np.sign(stroke.smear_deg))
    fan = _step(way + 0.12, 0.06) * _step(reach - way, 0.15) * _step(r - stroke.inner_mm, 1.5) * _step(stroke.outer_mm + 2 - r, 2.0)
    streaks = sampled("fine", r * np.float32(3), away.astype(np.float32) * np.float32(6), 10.0, spot)
    film: Floats = fan * np.clip(0.55 + 0.3 * streaks - way / max(reach, 0.1) * 0.3, 0, 0.9)
    return film.astype(np.float32)


def _step(distance_mm: npt.NDArray[np.floating[Any]], soft_mm: float) -> Floats:
    step: Floats = np.clip(distance_mm / np.float32(soft_mm) * np.float32(0.5) + np.float32(0.5), 0, 1)
    return step


def shadow(hits: Hits, shapes: list[Shape], lamp: Lamp) -> Floats:
    """Return how much of a lamp each point sees: nuts throw shadows on flange and washers, as capsules of their width."""
    x, y, z = hits.points()
    seen = np.ones_like(x)
    for shape in shapes:
        if not shape.nut:
            continue
        lx, ly, lz = lamp.at_mm[0] - shape.x_mm, lamp.at_mm[1] - shape.y_mm, lamp.at_mm[2]
        slope_x, slope_y = -lx / max(lz, 1.0), -ly / max(lz, 1.0)
        px, py = x - np.float32(shape.x_mm), y - np.float32(shape.y_mm)
        reach = np.maximum(np.float32(shape.top_mm) - z, 0)
        length = np.float32(slope_x**2 + slope_y**2) * reach + np.float32(1e-6)
        share = np.clip((px * np.float32(slope_x) + py * np.float32(slope_y)) / length, 0, reach)
        far = np.hypot(px - share * np.float32(slope_x), py - share * np.float32(slope_y))
        dark = _step(np.float32(ACROSS_FLATS_MM * 0.53) - far, lamp.half_shadow_mm) * np.clip(reach, 0, 1)
        own = (hits.part >= Part.NUT_TOP) & (hits.part <= Part.BOLT_END)
        seen *= np.where(own, np.float32(1), 1 - dark)
    return seen


def surface_colour(hits: Hits, metals: dict[int, Metal], spot: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """Return colour (h, w, 3), gloss (h, w) and hardness (h, w) of what the rays meet; bends the normals of rough parts."""
    x, y, z = hits.points()
    colour = np.zeros_like(hits.d)
    gloss, hardness = np.zeros_like(x), np.ones_like(x)
    tall = z * np.float32(0.7)
    for part, metal in metals.items():
        where = hits.part == part
        if not where.any():
            continue
        u, v = x[where][None] + tall[where][None], y[where][None] + tall[where][None] * np.float32(0.6)
        tone = 1 + np.float32(metal.grain) * sampled(metal.pattern, u, v, metal.grain_mm, (spot[0] + part * 61, spot[1]))
        base = np.array(metal.colour, np.float32)[None, None] * np.clip(tone, 0.15, 2)[..., None]
        shine = np.full_like(u, metal.gloss)
        base, shine = _aged(base, shine, metal, u, v, (spot[0] + part * 37, spot[1] + 11))
        bend = [sampled("cloud", u, v, metal.grain_mm * 1.5, (spot[i] + 91 * part, spot[1 - i] + 7)) for i in (0, 1)]
        for i in (0, 1) if metal.bumps else ():
            hits.normals[i][where] += np.float32(metal.bumps) * bend[i][0]
        colour[where], gloss[where], hardness[where] = base[0], shine[0], metal.hardness
    hits.normals = _unit(*hits.normals)
    return colour, gloss, hardness


def _aged(base: Floats, shine: Floats, metal: Metal, u: Floats, v: Floats, spot: tuple[float, float]) -> tuple[Floats, Floats]:
    if metal.rust > 0.02:
        spread = sampled("cloud", u, v, 22.0, spot) + 0.5 * sampled("fine", u, v, 6.0, spot)
        rusty = np.clip((spread - np.float32(1.6 - 3.0 * metal.rust)) * 1.5, 0, 1)[..., None]
        ochre = np.array((0.03, 0.09, 0.22), np.float32) * (1 + 0.35 * sampled("fine", u, v, 4.0, spot))[..., None]
        base = base * (1 - rusty) + ochre * rusty
        shine = shine * (1 - 0.9 * rusty[..., 0])
    if metal.scratches > 0.02:
        cut = (sampled("lines", u, v, 6.0, (spot[1], spot[0])) * np.float32(metal.scratches))[..., None]
        base = base * (1 - cut) + cut * np.float32(0.75)
    if metal.oil > 0.02:
        wet = np.clip((sampled("cloud", u, v, 30.0, (spot[1] + 5, spot[0] + 9)) - np.float32(1.3 - 2.6 * metal.oil)) * 3, 0, 1)
        base = base * (1 - 0.45 * wet[..., None])
        shine = shine + 0.5 * wet
    return base.astype(np.float32), shine.astype(np.float32)


def lit(
    hits: Hits, colour: Floats, gloss: Floats, hardness: Floats, mirrors: float, lamps: list[tuple[Lamp, Floats]], ambient: Colour
) -> Floats:
    """Return the light that comes back along each ray: diffuse, highlights and a share of the surroundings."""
    points, n = hits.points(), hits.normals
    to_eye = _unit(*(-hits.d[..., i] for i in range(3)))
    out: Floats = colour * (np.array(ambient, np.float32) * (np.float32(0.6) + np.float32(0.4) * n[2])[..., None])
    for lamp, seen in lamps:
        to_lamp = _unit(*(np.float32(lamp.at_mm[i]) - points[i] for i in range(3)))
        facing = np.maximum(_dot(n, to_lamp), 0) * seen
        half = _unit(*(to_lamp[i] + to_eye[i] for i in range(3)))
        shine = np.exp(hardness * np.log(np.maximum(_dot(n, half), np.float32(1e-4)))) * gloss * seen
        for i in range(3):
            out[..., i] += (colour[..., i] * facing + shine) * np.float32(lamp.colour[i])
    if mirrors:
        twice = 2 * _dot(n, to_eye)
        sky = np.sin(4 * (twice * n[0] - to_eye[0]) + 2) * np.cos(5 * (twice * n[1] - to_eye[1]) + 1)
        shown = np.float32(mirrors) * gloss * (np.float32(0.5) + np.float32(0.5) * sky)
        for i in range(3):
            out[..., i] += shown * np.float32(ambient[i])
    return out


def _dot(a: Planes, b: Planes) -> Floats:
    dot: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return dot


def _unit(x: Floats, y: Floats, z: Floats) -> Planes:
    length = np.float32(1) / np.sqrt(x * x + y * y + z * z)
    return x * length, y * length, z * length
