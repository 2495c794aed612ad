"""Each bolt of a picture, found and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from plant.inspections import Decision
from plant.settings_vision import FrameCheckSettings
from vision.bolt_circle import CameraLens, CircleDrawing
from vision.bolt_finding import BoltPlace, PlaceSource, find_bolts, shows_many
from vision.bolt_maps import BoltMaps, MapSource, Window, cut, look_steadily
from vision.bolt_near import NearEyes, NearLook
from vision.bolt_paint import paint_by_colour
from vision.bolt_reading import BoltLimits, BoltReading, read_bolt
from vision.frames import Pixels
from vision.nut_shape import NutShape, NutSizes

SIDE_PX: Final = 144
ANGLE_SIGMA_DEG: Final = 1.5
"""How far angles read with the shipped net are off, by renders that no figure is taken from; most of it is the nut's edges."""
MOST_MISFIT: Final = 0.01
"""Where its hexagon fits worse, the angle was wrong by more than that."""
UNCLEAR: Final = frozenset({"bolt_unclear", "bolt_not_found", "bolt_small"})
SAME: Final = 0.7
"""Two bolts are not so near to one another, in radii of their corners."""
_HALF: Final = 1.8
"""Half the side of the window that a bolt is read in, in radii of its corners."""


def net_limits(loosened_deg: float = 3.5) -> BoltLimits:
    """Return the limits that go with the shipped net."""
    return BoltLimits(loosened_deg=loosened_deg, angle_floor_deg=ANGLE_SIGMA_DEG, most_misfit=MOST_MISFIT)


@dataclass(frozen=True, slots=True)
class BoltView:
    """What is known of a view: mirror, drawing, camera, and what is expected in it."""

    sizes: NutSizes = field(default_factory=NutSizes)
    limits: BoltLimits = field(default_factory=net_limits)
    mirrored: bool = False
    circle: CircleDrawing | None = None
    lens: CameraLens | None = None
    middle_bolt: int = 1
    """Number of the bolt nearest to the picture's middle."""
    bolts: int | None = None
    """How many bolts the picture shows; fewer are not OK."""
    radius_px: float | None = None
    checks: FrameCheckSettings = field(default_factory=lambda: FrameCheckSettings(dark_below=10, sharp_above=2, flat_percent=95))
    """A flange is plain, and a crop of a bolt is small: what counts for frames of a line would refuse them."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One bolt of a picture."""

    place: BoltPlace
    window: Window
    reading: BoltReading

    def radius_px(self) -> float:
        """Return the radius of the nut's corners in the picture; roughly where no nut is made out."""
        return self.place.radius_px

    def base_px(self) -> tuple[float, float]:
        """Return where its axis meets the flange in the picture."""
        if self.reading.shape is None:
            return self.place.centre_px
        return self.window.to_picture(float(self.reading.shape.base_px[0]), float(self.reading.shape.base_px[1]))


@dataclass(frozen=True, slots=True)
class BoltNets:
    """What bolts are looked at with."""

    parts: MapSource
    wide: PlaceSource | None = None
    """Finds bolts in wide views; without it a picture shows one bolt."""
    near: NearEyes | None = None
    """Without them an angle is told by the net of parts alone."""


def look_at_bolts(pixels: Pixels, nets: BoltNets, view: BoltView) -> list[LookedAt]:
    """Return each bolt of a picture, read."""
    places = [place for place in find_bolts(pixels, nets.parts, nets.wide, radius_px=view.radius_px) if whole(place, pixels)]
    if not places or max(pixels.shape[:2]) > 3 * min(pixels.shape[:2]):
        return []
    sure = [place.radius_px for place in places if place.sure] or [place.radius_px for place in places]
    if not shows_many(pixels, sure):
        middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
        places = [min(places, key=lambda place: float(np.hypot(*(np.array(place.centre_px) - middle))))]
    looked = [look_at_bolt(pixels, place, nets, view) for place in places]
    return each_once([each for each in looked if each.place.sure or _made_out(each)])


def _made_out(each: LookedAt) -> bool:
    return each.reading.decision is not Decision.NOT_DECIDABLE and not codes(each) & UNCLEAR


def each_once(looked: list[LookedAt]) -> list[LookedAt]:
    """Return each bolt once: two places may turn out to be the same bolt; the look that is clear, then the surer one, stays."""
    kept: list[LookedAt] = []
    for each in sorted(looked, key=lambda one: (bool(codes(one) & UNCLEAR), not one.place.sure, -one.place.share)):
        if all(away(each.base_px(), one) > SAME * one.radius_px() for one in kept):
            kept.append(each)
    return [each for each in looked if any(each is one for one in kept)]


def away(at: tuple[float, float], looked: LookedAt) -> float:
    """Return how far a point of the picture is from where a bolt meets the flange, px."""
    base = looked.base_px()
    return float(np.hypot(at[0] - base[0], at[1] - base[1]))


def _maps(net: MapSource, square: Pixels) -> BoltMaps:
    return paint_by_colour(square, look_steadily(net, square))


def look_at_bolt(pixels: Pixels, place: BoltPlace, nets: BoltNets, view: BoltView) -> LookedAt:
    """Return one bolt, read; a window that turns out to lie beside it is cut once more."""
    window, reading = _read(pixels, place.centre_px, _HALF * place.radius_px, nets, view)
    shape = reading.shape
    if shape is not None:
        at = window.to_picture(float(shape.centre_px[0] + shape.base_px[0]) / 2, float(shape.centre_px[1] + shape.base_px[1]) / 2)
        radius = shape.radius_px * view.sizes.corner_mm * window.scale
        if np.hypot(at[0] - place.centre_px[0], at[1] - place.centre_px[1]) > 0.07 * radius or abs(radius / place.radius_px - 1) > 0.06:
            second, again = _read(pixels, at, _HALF * radius, nets, view)
            if again.shape is not None:
                return LookedAt(place, second, again)
    return LookedAt(place, window, reading)


def _read(pixels: Pixels, at: tuple[float, float], half_px: float, nets: BoltNets, view: BoltView) -> tuple[Window, BoltReading]:
    square, window = cut(pixels, at, half_px, SIDE_PX)
    maps, eyes = _maps(nets.parts, square), nets.near

    def look(shape: NutShape) -> NearLook | None:
        return None if eyes is None else eyes.look(pixels, shape, window, maps, view.sizes, mirrored=view.mirrored, lens=view.lens)

    return window, read_bolt(maps, view.sizes, view.limits, mirrored=view.mirrored, picture_scale=window.scale, look=look)


def codes(each: LookedAt) -> set[str]:
    """Return the codes of why a bolt was judged as it was."""
    return {reason.code for reason in each.reading.reasons}


def whole(place: BoltPlace, pixels: Pixels) -> bool:
    """Return whether nearly all of a bolt is inside the picture."""
    x, y = place.centre_px
    room = 0.8 * place.radius_px
    return bool(room < x < pixels.shape[1] - room and room < y < pixels.shape[0] - room)
