"""Pictures of bolt circles with exact truth: what vision is taught on, and measured with on seeds it never saw.

A scene is drawn from a seed: circle, camera, lamps, metal, paint, dirt, what is wrong with which bolt. ``render`` makes its picture.
Profiles: ``usual``, marks drawn along a straight edge through the axis, within some 0.5 mm; ``sloppy``, the same scenes, marks drawn
beside the axis, ragged and worn, which models learn from; ``shift``, with other textures, lamps, strokes and nuts than those learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from plant.bolts import BoltState
from simulators.bolt_draws import Crop, drawn_cover, drawn_lamps, drawn_metals, drawn_optics, drawn_place
from simulators.bolt_lens import Floats, Lens, Numbers, Optics, Picture, expose, look_at, project, rays
from simulators.bolt_light import Colour, Lamp, Metal, Stroke, lit, paint_cover, shadow, surface_colour
from simulators.bolt_surfaces import ACROSS_FLATS_MM, Hits, Part, Shape, add_bolt

VERSION: Final = 1
"""Frozen: a change of what any seed gives is a new version, and models taught on the old one are taught anew."""

CORNER_MM: Final = ACROSS_FLATS_MM / 3**0.5
"""Radius of the nut's corners."""

STATES: Final = (
    (BoltState.PRESENT, 0.42),
    (BoltState.LOOSENED, 0.32),
    (BoltState.MISSING, 0.07),
    (BoltState.WASHER_MISSING, 0.08),
    (BoltState.MARK_ABSENT, 0.06),
    (BoltState.MARK_SMEARED, 0.05),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the circle: what stands there, and its mark."""

    number: int
    state: BoltState
    shape: Shape
    stroke: Stroke


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a picture is made of."""

    seed: int
    profile: str
    diameter_mm: float
    count: int
    lens: Lens
    optics: Optics
    places: tuple[Place, ...]
    lamps: tuple[Lamp, ...]
    ambient: Colour
    metals: dict[int, Metal]
    mirrors: float
    cover: Numbers | None
    """Cable in front: points in px and, last row, its width and its grey."""


@dataclass(frozen=True, slots=True)
class BoltTruth:
    """What is true of one bolt in a picture."""

    number: int
    state: BoltState
    angle_deg: float
    """Of the nut's mark to the flange's, counter-clockwise on the nut."""
    x_mm: float
    y_mm: float
    top_px: tuple[float, float]
    """Axis at the nut's top; at the flange where there is no nut."""
    base_px: tuple[float, float]
    radius_px: float
    """Of the nut's corners."""
    covered: float
    """Share of nut and mark behind something."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture and what it shows."""

    pixels: Picture
    parts: Picture
    paint: Floats
    truths: tuple[BoltTruth, ...]


def crop_scene(seed: int, crop: Crop | None = None, profile: str = "usual", state: BoltState | None = None) -> Scene:
    """Return a scene whose picture is one bolt, with neighbours where they come into view."""
    rng = np.random.default_rng([seed, VERSION, profile == "shift", 1])
    crop = crop or Crop()
    diameter, count = float(rng.uniform(900, 1500)), 36
    radius_px = float(rng.uniform(*crop.radius_px))
    size = 2 * round(radius_px * float(rng.uniform(*crop.margin)))
    distance = float(np.exp(rng.uniform(np.log(220), np.log(900))))
    focal = radius_px * distance / CORNER_MM
    number = int(rng.integers(1, count + 1))
    places = [
        _place(rng, n % count + 1, diameter, count, profile, state if n + 1 == number else None) for n in range(number - 2, number + 1)
    ]
    at = places[1].shape
    off = rng.uniform(-crop.off_centre, crop.off_centre, 2) * CORNER_MM
    target = np.array([at.x_mm + off[0], at.y_mm + off[1], at.top_mm * 0.6 if at.nut else 0.0])
    lens = _lens(rng, (size, size), focal, target, distance, endoscope=False)
    return _scene(rng, seed, profile, diameter, count, lens, places, distance)


def view_scene(
    seed: int, *, profile: str = "usual", diameter_mm: float = 1100.0, count: int = 36, first: int | None = None, good: bool = False
) -> Scene:
    """Return a scene of 1280 x 960 px that shows an arc of the circle, some five to eight bolts, from a camera or through an endoscope."""
    rng = np.random.default_rng([seed, VERSION, profile == "shift", 2])
    middle = int(rng.integers(1, count + 1)) if first is None else first
    places = [
        _place(rng, (middle - 1 + k) % count + 1, diameter_mm, count, profile, BoltState.PRESENT if good else None) for k in range(-5, 6)
    ]
    radius_px = float(rng.uniform(46, 60))
    distance = float(rng.uniform(380, 900))
    around = 2 * np.pi * (middle - 1) / count
    target = diameter_mm / 2 * np.array([np.cos(around), np.sin(around), 0.0]) * rng.uniform(0.96, 1.0)
    lens = _lens(rng, (1280, 960), radius_px * distance / CORNER_MM, target, distance, endoscope=bool(rng.random() < 0.3))
    return _scene(rng, seed, profile, diameter_mm, count, lens, places, distance)


def _scene(
    rng: np.random.Generator, seed: int, profile: str, diameter: float, count: int, lens: Lens, places: list[Place], distance: float
) -> Scene:
    middle = places[len(places) // 2].shape
    lamps, ambient = drawn_lamps(rng, lens.eye_mm, np.array([middle.x_mm, middle.y_mm]), profile)
    metals, colour = drawn_metals(rng, profile)
    places = [replace(place, stroke=replace(place.stroke, colour=colour)) for place in places]
    return Scene(
        seed,
        profile,
        diameter,
        count,
        lens,
        drawn_optics(rng, lens.focal_px, distance, round_view=lens.distortion[1] > 0),
        tuple(places),
        lamps,
        ambient,
        metals,
        float(rng.uniform(0, 0.7)),
        drawn_cover(rng, (lens.width, lens.height)),
    )


def _place(rng: np.random.Generator, number: int, diameter: float, count: int, profile: str, state: BoltState | None) -> Place:
    around = 2 * np.pi * (number - 1) / count
    at = diameter / 2 * np.array([np.cos(around), np.sin(around)]) + rng.normal(0, 0.12, 2)
    drawn = STATES[int(rng.choice(len(STATES), p=[share for _, share in STATES]))][0]
    shape, stroke = drawn_place(rng, (float(at[0]), float(at[1])), around, state or drawn, profile)
    return Place(number, state or drawn, shape, stroke)


def _lens(rng: np.random.Generator, size: tuple[int, int], focal: float, target: Numbers, distance: float, *, endoscope: bool) -> Lens:
    tilt = float(abs(rng.normal(0, 14)))
    turn, shift = look_at(target, distance, min(tilt, 38.0), float(rng.uniform(0, 360)), float(rng.uniform(0, 360)))
    bend = (float(rng.uniform(-0.35, -0.1)), 0.02) if endoscope else (float(rng.uniform(-0.12, 0.06)), 0.0)
    return Lens(*size, focal, (size[0] / 2 - 0.5, size[1] / 2 - 0.5), bend, turn, shift, mirrored=bool(rng.random() < 0.35))


def render(scene: Scene) -> Rendered:
    """Return the picture of a scene, what each pixel shows, how much of it is paint, and the truth of each bolt that is in view."""
    lens = scene.lens
    rng = np.random.default_rng([scene.seed, VERSION, 3])
    fine = 2
    if lens.width * lens.height <= 320 * 320:
        light, parts, paint, depth = _window(scene, (0, 0, lens.width, lens.height), fine)
    else:
        light, parts, paint, depth = _window(scene, (0, 0, lens.width, lens.height), 0.5)
        for place in scene.places:
            window = _around(lens, place.shape)
            if window[2] > 8 and window[3] > 8:
                left, top, width, height = window
                piece = _window(scene, window, fine)
                for whole, part in zip((light, parts, paint, depth), piece, strict=True):
                    np.asarray(whole)[top : top + height, left : left + width] = part
    if scene.cover is not None:
        light, parts, paint = _covered(scene.cover, light, parts, paint)
    truths = tuple(truth for place in scene.places if (truth := _truth(scene, place, parts)) is not None)
    return Rendered(expose(light, depth, scene.optics, rng), parts, paint, truths)


def _around(lens: Lens, shape: Shape) -> tuple[int, int, int, int]:
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)]) * 40 + [shape.x_mm, shape.y_mm]
    px = project(lens, np.vstack([np.column_stack([ring, np.full(12, z)]) for z in (0.0, 30.0)]))
    left, top = np.clip(np.floor(px.min(axis=0)), 0, [lens.width, lens.height]).astype(int)
    right, bottom = np.clip(np.ceil(px.max(axis=0)), 0, [lens.width, lens.height]).astype(int)
    return int(left), int(top), int(right - left), int(bottom - top)


def _window(scene: Scene, window: tuple[int, int, int, int], fine: float) -> tuple[Floats, Picture, Floats, Floats]:
    left, top, width, height = window
    hits = Hits(scene.lens.eye_mm, rays(scene.lens, left, top, width, height, fine))
    near = [place for place in scene.places if _meets(scene.lens, place.shape, window, 95)]
    seen_places = [place for place in near if _meets(scene.lens, place.shape, window, 42)]
    for place in seen_places:
        add_bolt(hits, place.shape, place.number)
    spot = (float(scene.seed * 37 % 509), float(scene.seed * 91 % 503))
    seen = [(lamp, shadow(hits, [p.shape for p in near], lamp)) for lamp in scene.lamps]
    marked = [place for place in seen_places if place.state is not BoltState.MISSING]
    covers = [(place, paint_cover(hits, place.shape, place.number, place.stroke, spot)) for place in marked]
    parts = hits.part.copy()
    colour, gloss, hardness = surface_colour(hits, scene.metals, spot)
    paint = np.zeros(parts.shape, np.float32)
    for place, cover in covers:
        colour += (np.array(place.stroke.colour, np.float32) - colour) * cover[..., None]
        gloss *= 1 - np.float32(0.6) * cover
        paint = np.maximum(paint, cover)
    light = lit(hits, colour, gloss, hardness, scene.mirrors, seen, scene.ambient)
    depth = (hits.t * np.linalg.norm(hits.d, axis=-1)).astype(np.float32)
    kind = cv2.INTER_AREA if fine > 1 else cv2.INTER_LINEAR
    light, paint, depth = (np.asarray(cv2.resize(each, (width, height), interpolation=kind), np.float32) for each in (light, paint, depth))
    parts = np.asarray(cv2.resize(parts, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return light, parts, paint, depth


def _meets(lens: Lens, shape: Shape, window: tuple[int, int, int, int], reach_mm: float) -> bool:
    middle = project(lens, np.array([[shape.x_mm, shape.y_mm, 0.0]]))[0]
    reach = reach_mm * lens.focal_px / float(lens.turn[2] @ [shape.x_mm, shape.y_mm, 0] + lens.shift_mm[2])
    left, top, width, height = window
    return bool(left - reach < middle[0] < left + width + reach and top - reach < middle[1] < top + height + reach)


def _covered(cover: Numbers, light: Floats, parts: Picture, paint: Floats) -> tuple[Floats, Picture, Floats]:
    width, grey = float(cover[-1, 0]), float(cover[-1, 1])
    points = [cover[:-1].round().astype(np.int32)]
    mask = np.zeros(parts.shape, np.uint8)
    cv2.polylines(mask, points, False, 255, max(round(width), 1))
    inside = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3), np.float32) / np.float32(max(width / 2, 1))
    share = cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32)[..., None] / 255
    shade = np.float32(grey) * (np.float32(0.35) + np.sqrt(np.clip(inside, 0, 1)))[..., None] * np.array((1.0, 0.97, 0.95), np.float32)
    hidden = mask > 127
    parts[hidden] = Part.COVER
    return light * (1 - share) + shade * share, parts, np.where(hidden, np.float32(0), paint)


def _truth(scene: Scene, place: Place, parts: Picture) -> BoltTruth | None:
    shape, lens = place.shape, scene.lens
    high = shape.top_mm if shape.nut else 0.0
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 24, endpoint=False)])
    points = np.vstack([[[0.0, 0.0, high], [0.0, 0.0, 0.0]], np.column_stack([ring * CORNER_MM, np.full(24, high)])])
    px = project(lens, points + np.array([shape.x_mm, shape.y_mm, 0.0]))
    inside = np.all((px[2:] > 2) & (px[2:] < [lens.width - 3, lens.height - 3]), axis=1)
    if not inside.all():
        return None
    radius = float(np.median(np.hypot(*(px[2:] - px[0]).T)))
    y, x = np.mgrid[: lens.height, : lens.width]
    hidden = parts == Part.COVER
    covered = 0.0
    if hidden.any():
        around = np.hypot(x - px[0, 0], y - px[0, 1]) < radius * 1.3
        covered = float(hidden[around].mean())
    angle = place.stroke.turned_deg if place.state in {BoltState.PRESENT, BoltState.LOOSENED, BoltState.WASHER_MISSING} else 0.0
    top, base = ((float(px[i, 0]), float(px[i, 1])) for i in (0, 1))
    return BoltTruth(place.number, place.state, angle, shape.x_mm, shape.y_mm, top, base, radius, covered)


def truth_rows(scene: Scene) -> list[list[float | str]]:
    """Return the scene's truth in rounded numbers, the same on every machine."""
    rows: list[list[float | str]] = [[scene.profile, round(scene.diameter_mm, 3), scene.count, round(scene.lens.focal_px, 3)]]
    for p in scene.places:
        stroke = (p.stroke.turned_deg, p.stroke.beside_mm, p.stroke.worn, p.stroke.rough)
        rows.append([p.number, p.state.value, *(round(value, 4) for value in (*stroke, p.shape.x_mm, p.shape.y_mm, p.shape.turn_deg))])
    return rows
