"""One sheet laid: parts chosen for it, packed as a strip, what sticks out taken away, what is free filled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting import regions
from optimizer.nesting.compaction import compact
from optimizer.nesting.filling import Piece, Room, fill
from optimizer.nesting.holes import guests
from optimizer.nesting.packers import PackedItems, Packer, Strip, StripItem
from plant.nests import Floats, NestPart, Placements, Shape, no_placements, placed, rotations_on

Ints = NDArray[np.int64]
_LOOK_SECONDS: Final = 0.02
_SLACK_MM: Final = 0.01
"""Round each part, for what 32 bit lose on a plate."""
_PLAY: Final = 4.0
"""So many times the slack a strip is higher than its room: what is exactly as high as the room finds a place."""
_CHORD_MM: Final = 0.25
"""How much farther than they are arcs may be drawn, so that they have fewer corners."""
_NEARLY: Final = 1.02
"""A strip that is longer than the room by more will not fit when it is pressed together."""
_PRESS_FROM_SECONDS: Final = 0.5
_TOUCH_MM: Final = 1e-6
_GUESTS_SHARE: Final = 0.5
"""Of a sheet's time at most: for finding what lies in holes."""
_QUARTERS: Final = (0.0, 90.0, 180.0, 270.0)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What lies on a sheet."""

    placements: Placements
    """``part``: row of the kinds it was laid from."""
    boxes: Floats
    """(k, 4) left, bottom, right, top of each part."""
    area_mm2: float
    """What its parts take with half their distance round them, less their holes."""
    whole: bool
    """Whether all parts there were lie on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Packable:
    """Parts as they may lie on sheets of one rolling direction and distance; rows as they were given."""

    shapes: tuple[Shape, ...]
    pieces: tuple[Piece, ...]
    items: tuple[StripItem, ...]
    """For the strip, half the distance round them; demand 1."""
    areas: Floats
    """What each takes with half its distance round it, less its holes."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sheet is laid."""

    seconds: float
    fullness: float
    """Area of the parts that are tried, by the area of the room."""
    seed: int
    threads: int = 1
    upright: bool = False
    """The strip grows from the bottom to the top, not from the left to the right."""


def packable(parts: Sequence[NestPart], distance_mm: float, grain_deg: float | None) -> Packable:
    """Return parts grown by half their distance. Those that may lie at any angle lie along the least box around them, by quarters."""
    pieces, items = [], []
    for row, part in enumerate(parts):
        angles = rotations_on(part, grain_deg)
        if angles is None:
            least = regions.least_box_deg(part.shape.outline)
            angles = tuple((least + one) % 360.0 for one in _QUARTERS)
        pieces.append(Piece(row, regions.grown_polygon(part.shape, distance_mm / 2), angles))
        items.append(StripItem(row, regions.grown(part.shape.outline, distance_mm / 2 + _SLACK_MM, _CHORD_MM), 1, angles))
    areas = np.array([piece.polygon.area for piece in pieces])
    return Packable(tuple(part.shape for part in parts), tuple(pieces), tuple(items), areas)


def fitting(room: Room, packed: Packable) -> NDArray[np.bool_]:
    """Return (parts,) which fit the room, as they may lie."""
    found = np.zeros(len(packed.pieces), np.bool_)
    for row, (shape, piece) in enumerate(zip(packed.shapes, packed.pieces, strict=True)):
        found[row] = any(_stands(shape.outline, angle, room.width_mm, room.height_mm) for angle in piece.angles)
    return found


def _stands(outline: Floats, angle_deg: float, width_mm: float, height_mm: float) -> bool:
    wide, high = np.ptp(placed(outline, angle_deg, 0.0, 0.0), axis=0)
    return bool(wide <= width_mm + _TOUCH_MM and high <= height_mm + _TOUCH_MM)


def choose(room_area_mm2: float, areas: Floats, quantities: Ints, fullness: float, turn: Ints, *, large_first: float = 1.0) -> Ints:
    """Return (parts,) how many of each are tried on a sheet: all sizes in the share they have of what is left.

    ``turn``: rank of each, the urgent ones first; of about equal size they are taken in this order. ``large_first``: by how much more of
    the large ones is taken than their share.
    """
    wanted = fullness * room_area_mm2
    total = float(areas @ quantities)
    if total <= wanted:
        return quantities.copy()
    chosen = np.zeros(len(quantities), np.int64)
    share = min(1.0, large_first * wanted / total)
    sizes = np.floor(np.log2(np.maximum(areas, 1e-9)))
    budget = 0.0
    for size in np.unique(sizes[quantities > 0])[::-1]:
        same = np.flatnonzero((sizes == size) & (quantities > 0))
        budget = min(budget + share * float(areas[same] @ quantities[same]), wanted - float(areas @ chosen))
        for row in same[np.lexsort((-areas[same], turn[same]))]:
            chosen[row] = min(int(quantities[row]), max(0, int(budget / areas[row] + 0.5)))
            budget -= chosen[row] * areas[row]
    return chosen


def lay(packer: Packer, room: Room, packed: Packable, chosen: Ints, spare: Ints, manner: Manner, ended: Callable[[], bool]) -> Layout:
    """Return a sheet with what was chosen and fits, and of what is spare what fits between."""
    until = time.monotonic() + manner.seconds
    whole = not spare.any()
    within = guests(packed.pieces, chosen, _GUESTS_SHARE * manner.seconds)
    found = _packed(packer, room, packed, chosen - within, manner, ended, enough=not whole)
    placements = kept(room, packed, upright(room, found) if manner.upright else found)
    return filled(room, packed, placements, chosen + spare, max(until, time.monotonic() + 0.5 * manner.seconds))


def upright(room: Room, placements: Placements) -> Placements:
    """Return a strip that was packed lying, turned by a quarter: its length along y, its foot at the bottom."""
    across = room.width_mm + room.distance_mm + _PLAY * _SLACK_MM
    return Placements(placements.part, across - placements.y_mm, placements.x_mm, (placements.rotation_deg + 90.0) % 360.0)


def kept(room: Room, packed: Packable, placements: Placements) -> Placements:
    """Return those parts of a strip, moved to where the room is, that lie inside and keep their distance."""
    moved = Placements(
        placements.part,
        placements.x_mm + room.left_mm - room.distance_mm / 2 - _SLACK_MM,
        placements.y_mm + room.bottom_mm - room.distance_mm / 2 - _SLACK_MM,
        placements.rotation_deg,
    )
    window = (room.left_mm, room.bottom_mm, room.left_mm + room.width_mm, room.bottom_mm + room.height_mm)
    moved = _inside(moved, regions.boxes(regions.laid(packed.shapes, moved)), window)
    polygons = regions.laid(packed.shapes, moved)
    stays = ~regions.sticking_out(polygons, window)
    for first, second in regions.too_near(polygons, room.distance_mm):
        if stays[first] and stays[second]:
            smaller = first if packed.areas[moved.part[first]] < packed.areas[moved.part[second]] else second
            stays[smaller] = False
    return Placements(moved.part[stays], moved.x_mm[stays], moved.y_mm[stays], moved.rotation_deg[stays])


def _inside(placements: Placements, boxes: Floats, window: regions.Window) -> Placements:
    """Return parts that stick out by no more than what 32 bit lose, moved back into the window."""
    low, high = np.array(window[:2]) - boxes[:, :2], np.array(window[2:]) - boxes[:, 2:]
    most = _PLAY * _SLACK_MM
    back = np.where((low > 0) & (low < most), low, 0.0) + np.where((high < 0) & (high > -most), high, 0.0)
    return replace(placements, x_mm=placements.x_mm + back[:, 0], y_mm=placements.y_mm + back[:, 1])


def filled(room: Room, packed: Packable, placements: Placements, quantities: Ints, until: float) -> Layout:
    """Return a layout with what else fits into what is free; ``quantities``: of all parts, those that lie there with them."""
    left = quantities - np.bincount(placements.part, minlength=len(quantities))
    every = placements
    if left.any():
        taken = [
            regions.turned(packed.pieces[part].polygon, angle, x, y)
            for part, angle, x, y in zip(placements.part, placements.rotation_deg, placements.x_mm, placements.y_mm, strict=True)
        ]
        rows = np.flatnonzero(left)
        least = float(packed.areas[rows].min())
        free = [one for one in regions.window_less(room.grown, taken) if one.area >= least]
        every = joined(placements, fill(free, [packed.pieces[row] for row in rows], [int(left[row]) for row in rows], until))
    whole = len(every.part) == int(quantities.sum())
    return Layout(every, regions.boxes(regions.laid(packed.shapes, every)), float(packed.areas[every.part].sum()), whole)


def joined(first: Placements, second: Placements) -> Placements:
    """Return both."""
    return Placements(
        np.concatenate([first.part, second.part]),
        np.concatenate([first.x_mm, second.x_mm]),
        np.concatenate([first.y_mm, second.y_mm]),
        np.concatenate([first.rotation_deg, second.rotation_deg]),
    )


def _packed(
    packer: Packer, room: Room, packed: Packable, chosen: Ints, manner: Manner, ended: Callable[[], bool], *, enough: bool
) -> Placements:
    """Return the shortest strip found; one that is not longer than the room is short enough where ``enough``.

    What is so high that 32 bit have no place for it is not on it.
    """
    high, most = (room.width_mm, room.height_mm) if manner.upright else (room.height_mm, room.width_mm)
    high, most = high + room.distance_mm + _PLAY * _SLACK_MM, most + room.distance_mm + _PLAY * _SLACK_MM
    turn = 90.0 if manner.upright else 0.0
    every = [_strip_item(packed.items[row], int(chosen[row]), turn) for row in np.flatnonzero(chosen)]
    items = tuple(item for item in every if any(_stands(item.outline, angle, np.inf, high) for angle in item.angles or ()))
    if not items:
        return no_placements()
    packer.begin(Strip(high, items, manner.seconds, manner.seed, threads=manner.threads, enough_mm=most if enough else None))
    until = time.monotonic() + manner.seconds
    best: PackedItems | None = None
    while True:
        idle = packer.wait(_LOOK_SECONDS)
        for one in packer.found():
            best = one if best is None or one.length_mm < best.length_mm else best
        if idle or (best is not None and (ended() or (enough and best.length_mm <= most) or time.monotonic() > until)):
            break
    packer.stop()
    if best is None:
        return no_placements()
    if manner.seconds < _PRESS_FROM_SECONDS or best.length_mm > _NEARLY * most:
        return best.placements
    outlines = [item.outline for item in packed.items]
    return compact(outlines, best.placements, high, time.monotonic() + manner.seconds)[1]


def _strip_item(item: StripItem, quantity: int, turn_deg: float) -> StripItem:
    angles = None if item.angles is None else tuple((angle - turn_deg) % 360.0 for angle in item.angles)
    return replace(item, demand=quantity, angles=angles)
