"""The bolt circle in a picture: located by its bolts, it tells which bolt is which, where none was found, and what was made out wrongly."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from plant.inspections import Decision, Reason
from vision.bolt_circle import FEWEST_BOLTS, CirclePose, CircleRefusedError, locate, places_px
from vision.bolt_finding import BoltPlace
from vision.bolt_looks import SAME, UNCLEAR, BoltNets, BoltView, LookedAt, away, codes, each_once, look_at_bolt, whole
from vision.frames import Pixels
from vision.nut_shape import Numbers

_BESIDE_MM: Final = 1.0
"""A bolt that stands so far beside its place was made out wrongly: its hole does not leave it so much room."""


@dataclass(frozen=True, slots=True)
class Located:
    """The circle, located in a picture."""

    pose: CirclePose
    by: tuple[LookedAt, ...]
    """The bolts that it was located by, in the order of the pose's columns."""
    places_px: Numbers
    """(count, 2): where each place of the circle is in the picture or beside it."""
    px_per_mm: Numbers
    """(count,): there."""

    def number(self, looked: LookedAt) -> int | None:
        """Return which bolt of the circle it is, from 1; None where it is at none of its places."""
        nearest, off = self._nearest(looked)
        return nearest + 1 if off < SAME * looked.radius_px() else None

    def beside_mm(self, looked: LookedAt) -> float:
        """Return how far beside the nearest place a bolt seems to stand."""
        nearest, off = self._nearest(looked)
        return off / float(self.px_per_mm[nearest])

    def measures(self, looked: LookedAt) -> dict[str, float]:
        """Return which bolt of the circle it is, and where, if the circle was located by it."""
        number = self.number(looked)
        if number is None:
            return {}
        at = next((at for at, one in enumerate(self.by) if one is looked), None)
        if at is None:
            return {"bolt_number": float(number)}
        (x, y), (x_off, y_off) = self.pose.found_mm[at], self.pose.offset_mm[at]
        sigma = float(np.sqrt(np.trace(self.pose.covariance_mm2[at]) / 2))
        there = {"x_mm": x, "y_mm": y, "offset_x_mm": x_off, "offset_y_mm": y_off, "sigma_mm": sigma}
        return {"bolt_number": float(self.pose.places[at] + 1), **there}

    def _nearest(self, looked: LookedAt) -> tuple[int, float]:
        off = np.nan_to_num(np.hypot(*(self.places_px - np.array(looked.base_px())).T), nan=np.inf)
        nearest = int(np.argmin(off))
        return nearest, float(off[nearest])


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
        seen = places_px(pose, circle, lens)
        apart = np.hypot(*(np.roll(seen, -1, axis=0) - np.roll(seen, 1, axis=0)).T)
        scales = apart / (circle.diameter_mm * np.sin(2 * np.pi / circle.count))
        return Located(pose, tuple(some), seen, np.where(np.isnan(scales), np.nanmedian(scales), scales))

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
        if whole(place, pixels) and all(away((x, y), each) > SAME * radius for each in looked):
            found.append(look_at_bolt(pixels, place, nets, view))
    return each_once(found)


def held_against(circle: Located, looked: list[LookedAt], pixels: Pixels, nets: BoltNets, view: BoltView) -> list[LookedAt]:
    """Return the bolts; one that seems to stand beside its place is looked at anew from there, and is not decidable if that does not help.

    Whoever takes a nut's axis for elsewhere takes its mark for turned, or a turned one for straight.
    """
    return [each if _in_place(circle, each) else _anew(circle, each, pixels, nets, view) for each in looked]


def _in_place(circle: Located, each: LookedAt) -> bool:
    return each.reading.shape is None or circle.number(each) is None or circle.beside_mm(each) <= _BESIDE_MM


def _anew(circle: Located, each: LookedAt, pixels: Pixels, nets: BoltNets, view: BoltView) -> LookedAt:
    x, y = circle.places_px[(circle.number(each) or 1) - 1].tolist()
    again = look_at_bolt(pixels, replace(each.place, centre_px=(x, y)), nets, view)
    if again.reading.shape is not None and circle.beside_mm(again) <= _BESIDE_MM:
        return again
    reason = Reason("bolt_beside", {"off": round(circle.beside_mm(each), 1), "limit": _BESIDE_MM})
    return replace(each, reading=replace(each.reading, decision=Decision.NOT_DECIDABLE, reasons=(reason,), mark=None))


def clear_bolts(looked: list[LookedAt]) -> list[LookedAt]:
    """Return the bolts that the circle is located by: what fits no hexagon may be no bolt, and tells nothing of the others."""
    return [each for each in looked if not codes(each) & UNCLEAR]
