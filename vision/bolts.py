"""The inspector of bolts: finds them, reads each, locates the circle where the camera is calibrated, and judges the picture."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from plant.inspections import Decision, Finding, Inspection, Reason, Subject, gravest
from plant.settings_bolts import BoltCircleSettings
from plant.settings_vision import FrameCheckSettings
from vision import frame_checks
from vision.bolt_circle import FEWEST_BOLTS, CameraLens, CircleDrawing, CirclePose, CircleRefusedError, locate, places_px
from vision.bolt_finding import BoltPlace, PlaceSource, find_bolts
from vision.bolt_maps import BoltMaps, MapSource, Window, cut, look_steadily
from vision.bolt_near import NearEyes, NearLook
from vision.bolt_paint import paint_by_colour
from vision.bolt_reading import BoltLimits, BoltReading, read_bolt
from vision.frames import Frame, Pixels
from vision.nut_shape import Numbers, NutShape, NutSizes
from vision.unjudged import undecided

SIDE_PX: Final = 144
ANGLE_SIGMA_DEG: Final = 1.5
"""How far angles read with the shipped net are off, by renders that no figure is taken from; most of it is the nut's edges."""
MOST_MISFIT: Final = 0.01
"""Where its hexagon fits worse, the angle was wrong by more than that."""
_UNCLEAR: Final = frozenset({"bolt_unclear", "bolt_not_found", "bolt_small"})
_SAME: Final = 0.7
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


class BoltInspector:
    """Judges pictures of bolts. Needs no database and no site."""

    subject = Subject.BOLTS

    def __init__(self, nets: BoltNets, view_of: Callable[[Frame], BoltView]) -> None:
        """``view_of`` tells what is known of a frame's view."""
        self._nets = nets
        self._view_of = view_of

    @property
    def model_sha256(self) -> str:
        """Return which net looks."""
        return self._nets.parts.sha256

    def inspect(self, frame: Frame) -> Inspection:
        """Return what was found of each bolt, and the decision over all. A picture without bolts is not decidable."""
        began = time.perf_counter()
        view = self._view_of(frame)
        poor = frame_checks.poor(frame_checks.statistics_of(frame), view.checks)
        if poor:
            return undecided(frame, self.subject, tuple(poor), self.model_sha256)
        looked = look_at_bolts(frame.pixels, self._nets, view)
        circle, told = located(looked, view, frame.pixels)
        if circle is not None:
            looked += not_found(circle, looked, frame.pixels, self._nets, view)
        findings = tuple(_finding(each, circle, view) for each in looked)
        decision = gravest(finding.decision for finding in findings) if findings else Decision.NOT_DECIDABLE
        reasons = list(told) if findings else [Reason("no_bolts")]
        if view.bolts is not None and len(findings) < view.bolts:
            decision = gravest([decision, Decision.NOT_DECIDABLE])
            reasons.append(Reason("too_few_bolts", {"found": len(findings), "expected": view.bolts}))
        return Inspection(
            *(frame.sha256, frame.station, frame.view, frame.part, frame.taken_us, self.subject, self.model_sha256, ""),
            *(decision, findings, tuple(reasons), round((time.perf_counter() - began) * 1e6)),
        )


def look_at_bolts(pixels: Pixels, nets: BoltNets, view: BoltView) -> list[LookedAt]:
    """Return each bolt of a picture, read."""
    places = [place for place in find_bolts(pixels, nets.parts, nets.wide, radius_px=view.radius_px) if _whole(place, pixels)]
    if not places or max(pixels.shape[:2]) > 3 * min(pixels.shape[:2]):
        return []
    sure = [place.radius_px for place in places if place.sure] or [place.radius_px for place in places]
    if min(pixels.shape[:2]) <= 8 * np.median(sure):
        middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
        places = [min(places, key=lambda place: float(np.hypot(*(np.array(place.centre_px) - middle))))]
    looked = [look_at_bolt(pixels, place, nets, view) for place in places]
    return _each_once([each for each in looked if each.place.sure or _made_out(each)])


def _made_out(each: LookedAt) -> bool:
    return each.reading.decision is not Decision.NOT_DECIDABLE and not _codes(each) & _UNCLEAR


def _each_once(looked: list[LookedAt]) -> list[LookedAt]:
    """Return each bolt once: two places may turn out to be the same bolt; the look that is clear, then the surer one, stays."""
    kept: list[LookedAt] = []
    for each in sorted(looked, key=lambda one: (bool(_codes(one) & _UNCLEAR), not one.place.sure, -one.place.share)):
        if all(_away(each.base_px(), one) > _SAME * one.radius_px() for one in kept):
            kept.append(each)
    return [each for each in looked if any(each is one for one in kept)]


def _away(at: tuple[float, float], looked: LookedAt) -> float:
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


def clear_bolts(looked: list[LookedAt]) -> list[LookedAt]:
    """Return the bolts that the circle is located by: what fits no hexagon may be no bolt, and tells nothing of the others."""
    return [each for each in looked if not _codes(each) & _UNCLEAR]


def _codes(each: LookedAt) -> set[str]:
    return {reason.code for reason in each.reading.reasons}


@dataclass(frozen=True, slots=True)
class Located:
    """The circle, located in a picture."""

    pose: CirclePose
    by: tuple[LookedAt, ...]
    """The bolts that it was located by, in the order of the pose's columns."""
    places_px: Numbers
    """(count, 2): where each place of the circle is in the picture or beside it."""

    def number(self, looked: LookedAt) -> int | None:
        """Return which bolt of the circle it is, from 1; None where it is at none of its places."""
        away = np.nan_to_num(np.hypot(*(self.places_px - np.array(looked.base_px())).T), nan=np.inf)
        nearest = int(np.argmin(away))
        return nearest + 1 if away[nearest] < _SAME * looked.radius_px() else None


def located(looked: list[LookedAt], view: BoltView, pixels: Pixels) -> tuple[Located | None, tuple[Reason, ...]]:
    """Return the circle where drawing and camera are known, or why it could not be located.

    One bolt may be far from where it seemed: where they do not fit together, the circle is located by all but one, if that fits.
    """
    circle, lens = view.circle, view.lens
    if circle is None or lens is None:
        return None, ()
    shapes = [each for each in looked if each.reading.shape is not None]
    if not shapes:
        return None, (Reason("circle_no_nut"),)
    maps: list[Numbers] = [
        each.reading.shape.affine * each.reading.shape.base_scale * each.window.scale for each in shapes if each.reading.shape
    ]
    plane = np.median([one @ one.T for one in maps], axis=0)
    values, vectors = np.linalg.eigh(plane)
    rectify = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    clear, middle = clear_bolts(looked), (pixels.shape[1] / 2, pixels.shape[0] / 2)

    def by(some: list[LookedAt]) -> Located:
        points = np.array([each.base_px() for each in some]).reshape(-1, 2)
        pose = locate(points, rectify, circle, lens, nearest=middle, nearest_place=view.middle_bolt - 1)
        return Located(pose, tuple(some), places_px(pose, circle, lens))

    try:
        return by(clear), ()
    except CircleRefusedError as error:
        fits = []
        for without in clear if len(clear) > FEWEST_BOLTS else []:
            with contextlib.suppress(CircleRefusedError):
                fits.append(by([each for each in clear if each is not without]))
        return (min(fits, key=lambda one: one.pose.residual_mm), ()) if fits else (None, (error.reason,))


def not_found(circle: Located, looked: list[LookedAt], pixels: Pixels, nets: BoltNets, view: BoltView) -> list[LookedAt]:
    """Return a look at each place of the circle in the picture where no bolt was found: it is missing, hidden, or was overlooked."""
    radius = float(np.median([each.radius_px() for each in circle.by]))
    found = []
    for x, y in circle.places_px.tolist():
        place = BoltPlace((x, y), radius, 0.0, hole=False, sure=False)
        if _whole(place, pixels) and all(_away((x, y), each) > _SAME * radius for each in looked):
            found.append(look_at_bolt(pixels, place, nets, view))
    return _each_once(found)


def _whole(place: BoltPlace, pixels: Pixels) -> bool:
    x, y = place.centre_px
    room = 0.8 * place.radius_px
    return bool(room < x < pixels.shape[1] - room and room < y < pixels.shape[0] - room)


def _finding(each: LookedAt, circle: Located | None, view: BoltView) -> Finding:
    reading, radius = each.reading, each.place.radius_px
    x, y = each.place.centre_px
    measures = {"radius_px": radius}
    if reading.shape is not None:
        radius = reading.shape.radius_px * view.sizes.corner_mm * each.window.scale
        x, y = each.window.to_picture(float(reading.shape.centre_px[0]), float(reading.shape.centre_px[1]))
        base = each.base_px()
        measures |= {"radius_px": radius, "centre_x_px": x, "centre_y_px": y, "base_x_px": base[0], "base_y_px": base[1]}
    if reading.mark is not None:
        measures |= {"angle_deg": reading.mark.angle_deg, "angle_interval_deg": reading.half_interval_deg}
    if circle is not None:
        measures |= _on_circle(each, circle)
    kind = reading.state.value if reading.decision is not Decision.NOT_DECIDABLE else "bolt"
    measures = {name: float(value) for name, value in measures.items()}
    return Finding(kind, (x - radius, y - radius, x + radius, y + radius), each.place.share, measures, reading.decision, reading.reasons)


def _on_circle(each: LookedAt, circle: Located) -> dict[str, float]:
    """Return which bolt of the circle it is, and where, if the circle was located by it."""
    number = circle.number(each)
    if number is None:
        return {}
    at = next((at for at, one in enumerate(circle.by) if one is each), None)
    if at is None:
        return {"bolt_number": float(number)}
    pose = circle.pose
    (x, y), (x_off, y_off) = pose.found_mm[at], pose.offset_mm[at]
    sigma = float(np.sqrt(np.trace(pose.covariance_mm2[at]) / 2))
    return {"bolt_number": float(pose.places[at] + 1), "x_mm": x, "y_mm": y, "offset_x_mm": x_off, "offset_y_mm": y_off, "sigma_mm": sigma}


def bolt_view(settings: BoltCircleSettings, size_px: tuple[int, int]) -> BoltView:
    """Return what settings say of a view whose pictures have this width and height."""
    circle = None if settings.diameter_mm is None or settings.count is None else CircleDrawing(settings.diameter_mm, settings.count)
    centre = settings.centre_px or (size_px[0] / 2 - 0.5, size_px[1] / 2 - 0.5)
    lens = None if settings.focal_px is None else CameraLens(settings.focal_px, centre, settings.distortion, settings.mirrored)
    return BoltView(
        NutSizes(settings.across_flats_mm, settings.washer_mm),
        net_limits(settings.loosened_deg),
        settings.mirrored,
        circle,
        lens,
        settings.middle_bolt,
        settings.expected,
        settings.radius_px,
    )
