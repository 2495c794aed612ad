"""The inspector of bolts: finds them, reads each, locates the circle where the camera is calibrated, and judges the picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from plant.inspections import Decision, Finding, Inspection, Reason, Subject, gravest
from plant.settings_bolts import BoltCircleSettings
from plant.settings_vision import FrameCheckSettings
from vision import frame_checks
from vision.bolt_circle import CameraLens, CircleDrawing, CirclePose, CircleRefusedError, locate
from vision.bolt_finding import BoltPlace, find_bolts
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

    def base_px(self) -> tuple[float, float]:
        """Return where its axis meets the flange in the picture."""
        if self.reading.shape is None:
            return self.place.centre_px
        return self.window.to_picture(float(self.reading.shape.base_px[0]), float(self.reading.shape.base_px[1]))


class BoltInspector:
    """Judges pictures of bolts. Needs no database and no site."""

    subject = Subject.BOLTS

    def __init__(self, net: MapSource, view_of: Callable[[Frame], BoltView], eyes: NearEyes | None = None) -> None:
        """``view_of`` tells what is known of a frame's view; without ``eyes`` an angle is told by the net of parts alone."""
        self._net = net
        self._eyes = eyes
        self._view_of = view_of

    @property
    def model_sha256(self) -> str:
        """Return which net looks."""
        return self._net.sha256

    def inspect(self, frame: Frame) -> Inspection:
        """Return what was found of each bolt, and the decision over all. A picture without bolts is not decidable."""
        began = time.perf_counter()
        view = self._view_of(frame)
        poor = frame_checks.poor(frame_checks.statistics_of(frame), view.checks)
        if poor:
            return undecided(frame, self.subject, tuple(poor), self.model_sha256)
        looked = look_at_bolts(frame.pixels, self._net, view, self._eyes)
        clear = clear_bolts(looked)
        pose, told = located(clear, view, frame.pixels)
        at = {id(each): place for place, each in enumerate(clear)}
        findings = tuple(_finding(each, pose, at.get(id(each)), view) for each in looked)
        decision = gravest(finding.decision for finding in findings) if findings else Decision.NOT_DECIDABLE
        reasons = list(told) if findings else [Reason("no_bolts")]
        if view.bolts is not None and len(findings) < view.bolts:
            decision = gravest([decision, Decision.NOT_DECIDABLE])
            reasons.append(Reason("too_few_bolts", {"found": len(findings), "expected": view.bolts}))
        return Inspection(
            *(frame.sha256, frame.station, frame.view, frame.part, frame.taken_us, self.subject, self.model_sha256, ""),
            *(decision, findings, tuple(reasons), round((time.perf_counter() - began) * 1e6)),
        )


def look_at_bolts(pixels: Pixels, net: MapSource, view: BoltView, eyes: NearEyes | None = None) -> list[LookedAt]:
    """Return each bolt of a picture, read; ``eyes`` look from near where they are given."""
    places = [place for place in find_bolts(pixels, net, radius_px=view.radius_px) if _whole(place, pixels)]
    if not places or max(pixels.shape[:2]) > 3 * min(pixels.shape[:2]):
        return []
    sure = [place.radius_px for place in places if place.sure] or [place.radius_px for place in places]
    if min(pixels.shape[:2]) <= 8 * np.median(sure):
        middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
        places = [min(places, key=lambda place: float(np.hypot(*(np.array(place.centre_px) - middle))))]
    looked = [look_at_bolt(pixels, place, net, view, eyes) for place in places]
    return [
        each for each in looked if each.place.sure or (each.reading.decision is not Decision.NOT_DECIDABLE and not _codes(each) & _UNCLEAR)
    ]


def _maps(net: MapSource, square: Pixels) -> BoltMaps:
    return paint_by_colour(square, look_steadily(net, square))


def look_at_bolt(pixels: Pixels, place: BoltPlace, net: MapSource, view: BoltView, eyes: NearEyes | None = None) -> LookedAt:
    """Return one bolt, read; a window that turns out to lie beside it is cut once more."""
    window, reading = _read(pixels, place.centre_px, _HALF * place.radius_px, net, view, eyes)
    shape = reading.shape
    if shape is not None:
        at = window.to_picture(float(shape.centre_px[0] + shape.base_px[0]) / 2, float(shape.centre_px[1] + shape.base_px[1]) / 2)
        radius = shape.radius_px * view.sizes.corner_mm * window.scale
        if np.hypot(at[0] - place.centre_px[0], at[1] - place.centre_px[1]) > 0.07 * radius or abs(radius / place.radius_px - 1) > 0.06:
            second, again = _read(pixels, at, _HALF * radius, net, view, eyes)
            if again.shape is not None:
                return LookedAt(place, second, again)
    return LookedAt(place, window, reading)


def _read(
    pixels: Pixels, at: tuple[float, float], half_px: float, net: MapSource, view: BoltView, eyes: NearEyes | None
) -> tuple[Window, BoltReading]:
    square, window = cut(pixels, at, half_px, SIDE_PX)

    maps = _maps(net, square)

    def look(shape: NutShape) -> NearLook | None:
        return None if eyes is None else eyes.look(pixels, shape, window, maps, view.sizes, mirrored=view.mirrored, lens=view.lens)

    return window, read_bolt(maps, view.sizes, view.limits, mirrored=view.mirrored, picture_scale=window.scale, look=look)


def clear_bolts(looked: list[LookedAt]) -> list[LookedAt]:
    """Return the bolts that the circle is located by: what fits no hexagon may be no bolt, and tells nothing of the others."""
    return [each for each in looked if not _codes(each) & _UNCLEAR]


def _codes(each: LookedAt) -> set[str]:
    return {reason.code for reason in each.reading.reasons}


def located(looked: list[LookedAt], view: BoltView, pixels: Pixels) -> tuple[CirclePose | None, tuple[Reason, ...]]:
    """Return the circle's pose where drawing and camera are known, or why there is none."""
    if view.circle is None or view.lens is None:
        return None, ()
    shapes = [each for each in looked if each.reading.shape is not None]
    if not shapes:
        return None, (Reason("circle_no_nut"),)
    maps: list[Numbers] = [
        each.reading.shape.affine * each.reading.shape.base_scale * each.window.scale for each in shapes if each.reading.shape
    ]
    plane = np.median([one @ one.T for one in maps], axis=0)
    values, vectors = np.linalg.eigh(plane)
    try:
        pose = locate(
            np.array([each.base_px() for each in looked]),
            vectors @ np.diag(np.sqrt(values)) @ vectors.T,
            view.circle,
            view.lens,
            nearest=(pixels.shape[1] / 2, pixels.shape[0] / 2),
            nearest_place=view.middle_bolt - 1,
        )
    except CircleRefusedError as error:
        return None, (error.reason,)
    return pose, ()


def _whole(place: BoltPlace, pixels: Pixels) -> bool:
    x, y = place.centre_px
    room = 0.8 * place.radius_px
    return bool(room < x < pixels.shape[1] - room and room < y < pixels.shape[0] - room)


def _finding(each: LookedAt, pose: CirclePose | None, at: int | None, view: BoltView) -> Finding:
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
    if pose is not None and at is not None:
        found, offset = pose.found_mm[at], pose.offset_mm[at]
        measures |= {"bolt_number": float(pose.places[at] + 1), "x_mm": found[0], "y_mm": found[1]}
        measures |= {"offset_x_mm": offset[0], "offset_y_mm": offset[1], "sigma_mm": float(np.sqrt(np.trace(pose.covariance_mm2[at]) / 2))}
    kind = reading.state.value if reading.decision is not Decision.NOT_DECIDABLE else "bolt"
    measures = {name: float(value) for name, value in measures.items()}
    return Finding(kind, (x - radius, y - radius, x + radius, y + radius), each.place.share, measures, reading.decision, reading.reasons)


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
