"""One bolt, read: what the maps of its window say about its state, and how sure that is. An OK needs positive evidence of everything.

Bolt, washer and mark must each be seen; what is hidden, small or torn is not decidable, what is between two answers goes to a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np

from plant.bolts import BoltState
from plant.inspections import Decision, Reason
from vision.bolt_maps import STEP_PX, BoltMaps, Seen
from vision.bolt_near import NearLook
from vision.mark_net import MarkLook
from vision.nut_shape import Floats, NutShape, NutSizes, fit_nut
from vision.witness_mark import MarkAngle, Strokes, mark_angle, strokes

SMALLEST_RADIUS_PX: Final = 18.0
"""A bolt that is smaller in the picture is not judged: its mark is some three pixels wide."""


MEASURED_DEG: Final = 2.0
"""Half an interval up to which an angle is a measurement: a wider one says only that a nut is turned."""
_RING_TELLS: Final = 10.0
_RING_EVEN: Final = 0.6
"""By renders that no figure was taken from: where a ring's share speaks neither for nor against a washer, and how strongly it speaks."""


_THERE: Final = (0.05, 0.5)
"""How likely a mark must be there by the net: below the first it may be called absent, below the second a person looks."""
_SMEARED: Final = 0.5
_MOST_MISFIT: Final = 0.5
"""How likely it is smeared by the net, and how much of the paint no stroke may explain."""
_MOST_BESIDE_EDGES: Final = 0.75
_MOST_AXIS_MM: Final = np.array([0.07, 0.14])
_MOST_MOVED_MM: Final = 1.0
"""Where its edges fit worse, or where they or the net of marks leave the axis (on nut and flange) open by more, a bolt is not judged."""
_STROKE_FLOOR_DEG: Final = 0.2
_BY_STROKE: Final = 1.0
_APART_SIGMAS: Final = 2.6
_NET_TELLS_DEG: Final = 3.0
"""The stroke tells the angle, and the net of marks whether to believe it: what they are more apart than both allow widens the interval;
a net that is unsure by more confirms nothing. By renders that no figure is taken from."""
_OPEN_DEG: Final = (2.0, 10.0)
_OPEN_AXIS_MM: Final = np.array([0.09, 0.14])
_OPEN_EDGES: Final = 0.55
"""How much wider the interval of a bolt in doubt is, where little or much leaves its axis open, and how little that is. It is never OK, and
turned where it is turned by more."""
_MOST_COVERED: Final = 0.6
"""Of a bolt that is looked at from near; what is covered by more than the limits say is never OK."""
_NET_ALONE_DEG: Final = 2.0
_NET_SEES: Final = 0.9
"""Where no stroke is found by its colours: how much wider the interval of the net's angle is, and how sure it must be of the mark."""
_LEAST_RING: Final = 0.45
"""Of the washer's ring that must be seen, whatever else tells of it."""
_BY_LOOK: Final = 0.75
_RIMS_TELL: Final = 1.24
_RIMS_EVEN: Final = 3.1
"""The same for the rims of the washer, in logits."""


@dataclass(frozen=True, slots=True)
class BoltLimits:
    """What a bolt must keep to, and when a picture is too poor."""

    loosened_deg: float = 3.5
    """A mark that is turned by less, with its whole interval, is one line."""
    sigmas: float = 2.6
    """How wide the interval is: 98 of 100 renders were inside."""
    angle_floor_deg: float = 0.3
    most_covered: float = 0.35
    most_misfit: float = 0.035
    washer_seen: tuple[float, float] = (0.16, 0.34)
    """Share of its ring below which it is missing, and from which it is there."""
    washer_likely: tuple[float, float] = (0.18, 0.97)
    """How likely there is no washer, by the look of the whole, its ring and its rims: above the first a person is asked, above the
    second it is missing."""
    mark_mm2: tuple[float, float] = (3.0, 9.0)
    """Painted area on nut and on flange below which there is no mark, and from which there is one."""
    most_beside: float = 0.4
    """Share of the paint that may lie beside the line."""


@dataclass(frozen=True, slots=True)
class BoltReading:
    """What was read of one bolt."""

    state: BoltState
    decision: Decision
    reasons: tuple[Reason, ...] = ()
    shape: NutShape | None = None
    mark: MarkAngle | None = None
    half_interval_deg: float = 0.0
    values: dict[str, float] = field(default_factory=dict)
    """Shares and areas that were judged by."""


def read_bolt(
    maps: BoltMaps,
    sizes: NutSizes,
    limits: BoltLimits,
    *,
    mirrored: bool,
    picture_scale: float = 1.0,
    look: Callable[[NutShape], NearLook | None] | None = None,
) -> BoltReading:
    """Return the reading of the bolt in the middle of a window; ``picture_scale``: pixels of the picture for one of the window.

    ``look`` is asked for the mark by the net of marks, given the nut's shape; None where it cannot tell.
    """
    near = _near(maps.paint)
    parts = maps.parts * near
    whole = _in_the_middle(parts, maps.parts[Seen.COVER])
    seen = (1 - maps.parts[Seen.COVER]).astype(np.float32)
    top = parts[Seen.NUT_TOP] + parts[Seen.BOLT_END]
    hole, nut = float((parts[Seen.HOLE] > 0.5).sum()), float((top + parts[Seen.NUT_SIDE] > 0.5).sum())
    if hole > 25 and hole > 0.8 * nut:
        return BoltReading(BoltState.MISSING, Decision.NOK, (Reason("bolt_missing"),), values={"hole": hole, "nut": nut})
    body = np.minimum(top + parts[Seen.NUT_SIDE] + parts[Seen.WASHER], 1).astype(np.float32)
    shape = fit_nut(top * whole, body * whole, seen, sizes, washer=sizes.washer_mm > 0, step_px=STEP_PX)
    if shape is None:
        return _undecided("bolt_not_found")
    values = {"misfit": shape.error, "covered": float((1 - seen)[_disc(maps.paint, shape, 1.3 * sizes.corner_mm)].mean())}
    values["washer"] = _washer_share(parts[Seen.WASHER], seen, shape, sizes)
    radius = shape.radius_px * sizes.corner_mm * picture_scale
    if radius < SMALLEST_RADIUS_PX:
        return _undecided("bolt_small", {"radius": round(radius, 1), "limit": SMALLEST_RADIUS_PX}, shape, values)
    if values["covered"] > (limits.most_covered if look is None else _MOST_COVERED):
        return _undecided(*_why("bolt_covered", values), shape, values)
    told = look(shape) if look is not None else None
    shape = shape if told is None else told.shape
    doubt = _doubt(shape, told, limits, values)
    if maps.looks is not None:
        values |= {"no_washer": _no_washer(maps.looks.washer_missing, values["washer"], told), "smeared": maps.looks.mark_smeared}
    if doubt is not None and told is None:
        return _undecided(*_why(doubt, values), shape, values)
    # what stands on no washer leaves its axis open, as its foot is looked for above the flange
    no_washer = _judged_washer(values, sizes, limits, shape)
    if no_washer is not None and doubt is None and no_washer.decision is Decision.NOK:
        return no_washer
    beyond = 0.0 if doubt is None or told is None else _beyond_deg(told)
    marked = _judged_mark(maps.paint * near, parts, seen, shape, sizes, limits, values, told, mirrored=mirrored, beyond_deg=beyond)
    return _weighed(marked, no_washer, doubt, shape, values)


def _weighed(
    marked: BoltReading, no_washer: BoltReading | None, doubt: str | None, shape: NutShape, values: dict[str, float]
) -> BoltReading:
    """Return what counts of mark, washer and doubt: a nut that is surely turned is not OK, whatever else is not known of it."""
    if marked.state is BoltState.LOOSENED and marked.decision is Decision.NOK:
        return marked
    if doubt is None:
        return marked if no_washer is None else no_washer
    if no_washer is not None and doubt == "bolt_unclear":
        return replace(no_washer, decision=Decision.REVIEW, reasons=(Reason("washer_unsure"), Reason(doubt)))
    return _undecided(*_why(doubt, values), shape, values)


def _doubt(shape: NutShape, told: NearLook | None, limits: BoltLimits, values: dict[str, float]) -> str | None:
    """Return why a bolt cannot be OK, however its mark stands; None where it can."""
    unclear = (shape.error > limits.most_misfit or shape.tilt < 0.6) if told is None else _unclear(told, values)
    if values["covered"] > limits.most_covered:
        return "bolt_covered"
    return "bolt_unclear" if unclear else None


def _why(doubt: str, values: dict[str, float]) -> tuple[str, dict[str, str | float]]:
    return doubt, {"percent": round(100 * values["covered"])} if doubt == "bolt_covered" else {}


def _unclear(told: NearLook, values: dict[str, float]) -> bool:
    """Return whether a bolt's edges leave its axis open."""
    values |= {
        "edges": told.misfit,
        "top_sigma": float(told.axis_sigma_mm[0]),
        "base_sigma": float(told.axis_sigma_mm[1]),
        "rims": told.washer,
        "moved": told.mark.moved_mm,
    }
    sigma = told.axis_sigma_mm
    return told.misfit > _MOST_BESIDE_EDGES or bool((sigma > _MOST_AXIS_MM).any()) or told.mark.moved_mm > _MOST_MOVED_MM


def _beyond_deg(told: NearLook) -> float:
    """Return how much wider the interval is of a bolt that is in doubt."""
    little = told.misfit < _OPEN_EDGES and bool((told.axis_sigma_mm < _OPEN_AXIS_MM).all()) and told.mark.moved_mm < _MOST_MOVED_MM
    return _OPEN_DEG[0] if little else _OPEN_DEG[1]


def _no_washer(look: float, share: float, told: NearLook | None) -> float:
    """Return how likely there is no washer: by the look of the whole, by how much of its ring is there, and by its rims."""
    odds = _logit(look) - _RING_TELLS * (share - _RING_EVEN)
    if told is not None:
        odds = _BY_LOOK * odds + _RIMS_TELL * (_RIMS_EVEN - _logit(told.washer))
    return float(1 / (1 + np.exp(-odds)))


def _logit(likely: float) -> float:
    likely = min(max(likely, 1e-4), 1 - 1e-4)
    return float(np.log(likely / (1 - likely)))


def _judged_washer(values: dict[str, float], sizes: NutSizes, limits: BoltLimits, shape: NutShape) -> BoltReading | None:
    """Return what is wrong with the washer; None where it is there, or where the drawing has none."""
    by_ring = "no_washer" not in values  # maps that tell nothing of the whole
    doubt, least = (-values["washer"], -limits.washer_seen[1]) if by_ring else (values["no_washer"], limits.washer_likely[0])
    if not sizes.washer_mm or (doubt <= least and values["washer"] >= _LEAST_RING):
        return None
    sure = values["washer"] < limits.washer_seen[0] if by_ring else doubt > limits.washer_likely[1]
    decision, code = (Decision.NOK, "washer_missing") if sure else (Decision.REVIEW, "washer_unsure")
    return BoltReading(BoltState.WASHER_MISSING, decision, (Reason(code),), shape, values=values)


def _judged_mark(
    paint: Floats,
    parts: Floats,
    seen: Floats,
    shape: NutShape,
    sizes: NutSizes,
    limits: BoltLimits,
    values: dict[str, float],
    look: NearLook | None,
    *,
    mirrored: bool,
    beyond_deg: float,
) -> BoltReading:
    by_maps = strokes(paint, parts[Seen.NUT_TOP], parts[Seen.FLANGE], seen, shape, sizes, STEP_PX)
    painted = by_maps if look is None else look.strokes
    least = min(painted.nut_area_mm2, painted.flange_area_mm2)
    values |= {"nut_mm2": painted.nut_area_mm2, "flange_mm2": painted.flange_area_mm2}
    axis = shape.centre_sigma_px / shape.radius_px if look is None else float(np.hypot(*look.axis_sigma_mm))
    mark = mark_angle(painted, mirrored=mirrored, centre_sigma_mm=axis)
    there = None if look is None else min(look.mark.nut_there, look.mark.flange_there)
    if look is not None:
        values |= {
            "net_deg": look.mark.angle_deg,
            "net_sigma": look.mark.sigma_deg,
            "net_spread": look.mark.spread_deg,
            "there": there or 0.0,
            "net_washer": 1 - look.mark.no_washer,
            "net_smeared": look.mark.smeared,
        }
        values |= {"stroke_deg": mark.angle_deg, "stroke_sigma": mark.sigma_deg, "misfit_paint": mark.misfit} if mark is not None else {}
    by_net = None if look is None else _turned_by_net(look.mark, limits, beyond_deg)
    if mark is None or (least < limits.mark_mm2[1] if there is None else there < _THERE[1]):
        if by_net is not None:
            return BoltReading(BoltState.LOOSENED, Decision.NOK, (by_net,), shape, None, values=values)
        clear = least < limits.mark_mm2[0] and values["covered"] < 0.05 and (there is None or there < _THERE[0])
        decision = Decision.NOK if clear else Decision.REVIEW
        return BoltReading(BoltState.MARK_ABSENT, decision, (Reason("mark_absent" if clear else "mark_faint"),), shape, mark, values=values)
    # colours tell the stroke from what is near it; what is smeared farther off only the maps show
    values["beside"] = max(beside_share(each, mark, mirrored=mirrored) for each in (painted, by_maps))
    half = limits.sigmas * float(np.hypot(mark.sigma_deg, limits.angle_floor_deg))
    if look is not None:
        mark, half = _agreed(mark, look, limits)
    half += beyond_deg
    ragged = look is not None and (look.mark.smeared > _SMEARED or mark.misfit > _MOST_MISFIT)
    if values["beside"] > limits.most_beside or ragged:
        if by_net is not None:
            return BoltReading(BoltState.LOOSENED, Decision.NOK, (by_net,), shape, None, values=values)
        return BoltReading(BoltState.MARK_SMEARED, Decision.REVIEW, (Reason("mark_smeared"),), shape, mark, half, values)
    told = {"angle": round(mark.angle_deg, 1), "half": round(half, 1), "limit": limits.loosened_deg}
    if abs(mark.angle_deg) - half > limits.loosened_deg:
        return BoltReading(BoltState.LOOSENED, Decision.NOK, (Reason("bolt_turned", told),), shape, mark, half, values)
    agreed = look is None or abs(look.mark.angle_deg) < limits.loosened_deg
    if abs(mark.angle_deg) + half < limits.loosened_deg and agreed:
        return BoltReading(BoltState.PRESENT, Decision.OK, (), shape, mark, half, values)
    state = BoltState.LOOSENED if abs(mark.angle_deg) > limits.loosened_deg else BoltState.PRESENT
    return BoltReading(state, Decision.REVIEW, (Reason("bolt_turn_unsure", told),), shape, mark, half, values)


def _turned_by_net(seen: MarkLook, limits: BoltLimits, beyond_deg: float) -> Reason | None:
    """Return that a nut is turned where the net of marks alone is sure of it; by how much is then not told as an angle."""
    half = limits.sigmas * float(np.hypot(seen.sigma_deg, seen.spread_deg)) + _NET_ALONE_DEG + beyond_deg
    sure = min(seen.nut_there, seen.flange_there) > _NET_SEES and seen.smeared < _SMEARED and seen.sigma_deg < _NET_TELLS_DEG
    if not sure or abs(seen.angle_deg) - half < limits.loosened_deg:
        return None
    return Reason("bolt_turned", {"angle": round(seen.angle_deg, 1), "half": round(half, 1), "limit": limits.loosened_deg})


def _agreed(mark: MarkAngle, look: NearLook, limits: BoltLimits) -> tuple[MarkAngle, float]:
    """Return the angle of the stroke, and half its interval: wide where the net sees the mark elsewhere."""
    apart = abs(float((look.mark.angle_deg - mark.angle_deg + 180) % 360 - 180))
    allowed = _APART_SIGMAS * float(np.hypot(mark.sigma_deg, min(look.mark.sigma_deg, _NET_TELLS_DEG)))
    beyond = max(0.0, apart - allowed)
    sigma = float(np.linalg.norm([_STROKE_FLOOR_DEG, _BY_STROKE * mark.sigma_deg, beyond]))
    return replace(mark, sigma_deg=sigma), limits.sigmas * sigma


def beside_share(painted: Strokes, mark: MarkAngle, *, mirrored: bool) -> float:
    """Return the share of the paint that lies more than 4 mm beside its line: a stroke has hardly any, a smear much."""
    angle = np.deg2rad(mark.angle_deg if mirrored else -mark.angle_deg)
    direction = np.deg2rad(mark.direction_deg)
    away = total = 0.0
    for plane, turn in ((painted.nut, direction + angle), (painted.flange, direction)):
        points, weight = plane.painted()
        beside = np.abs(points[:, 1] * np.cos(turn) - points[:, 0] * np.sin(turn) - mark.beside_mm)
        wrong = (beside > 4) | (points[:, 0] * np.cos(turn) + points[:, 1] * np.sin(turn) < 0)
        away, total = away + float(weight[wrong].sum()), total + float(weight.sum())
    return away / max(total, 1e-9)


def _washer_share(washer: Floats, seen: Floats, shape: NutShape, sizes: NutSizes) -> float:
    """Return how much of the washer's ring is there, of what can be seen of it."""
    if not sizes.washer_mm:
        return 0.0
    outer = sizes.washer_mm / 2
    ring = np.pi * outer**2 - 3**0.5 / 2 * sizes.across_flats_mm**2
    area = (STEP_PX / (shape.radius_px * shape.base_scale)) ** 2 / shape.tilt
    around = _disc(washer, shape, outer + 2)
    hidden = float((1 - seen)[around].mean()) if around.any() else 0.0
    return float((washer * seen)[around].sum()) * area * shape.tilt / ring / max(1 - hidden, 0.3)


def _disc(like: Floats, shape: NutShape, radius_mm: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    y, x = (np.asarray(each, np.float32) * STEP_PX + 0.5 * (STEP_PX - 1) for each in np.mgrid[: like.shape[0], : like.shape[1]])
    u, v = shape.flange_mm(x, y)
    return np.asarray(np.hypot(u, v) < radius_mm, np.bool_)


def _in_the_middle(parts: Floats, cover: Floats) -> Floats:
    """Return where the bolt in the middle hangs together: scratches and neighbours that look like nuts do not belong to it."""
    solid = ((parts[Seen.WASHER : Seen.HOLE].sum(axis=0) + cover) > 0.5).astype(np.uint8)
    count, labels = cv2.connectedComponents(cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    if count < 2:
        return np.ones_like(cover)
    y, x = np.mgrid[-1 : 1 : cover.shape[0] * 1j, -1 : 1 : cover.shape[1] * 1j]
    weight = np.bincount(labels.ravel(), weights=np.exp(-4 * (x**2 + y**2)).ravel(), minlength=count)
    middle = (labels == 1 + int(weight[1:].argmax())).astype(np.uint8)
    return cv2.dilate(middle, np.ones((7, 7), np.uint8)).astype(np.float32)


def _near(like: Floats) -> Floats:
    """Return where the bolt itself is: its neighbours are beyond."""
    y, x = np.mgrid[-1 : 1 : like.shape[0] * 1j, -1 : 1 : like.shape[1] * 1j]
    return np.asarray(np.hypot(x, y) < 1.0, np.float32)


def _undecided(
    code: str, told: dict[str, str | float] | None = None, shape: NutShape | None = None, values: dict[str, float] | None = None
) -> BoltReading:
    return BoltReading(BoltState.PRESENT, Decision.NOT_DECIDABLE, (Reason(code, told or {}),), shape, values=values or {})
