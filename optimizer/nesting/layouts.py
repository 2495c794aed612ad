"""One sheet laid: parts chosen for it, packed as a strip, what sticks out taken away, what is free filled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting import regions
from optimizer.nesting.filling import Piece, Room, fill
from optimizer.nesting.packers import PackedItems, Packer, Strip, StripItem
from plant.nests import NestPart, Placements, Shape, placed, rotations_on

_LOOK_SECONDS: Final = 0.02
_SLACK_MM: Final = 0.01
"""Round each part, for what 32 bit lose on a plate."""
_CHORD_MM: Final = 0.25
"""How much farther than they are arcs may be drawn, so that they have fewer corners."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What lies on a sheet."""

    placements: Placements
    """``part``: row of the pieces it was laid from."""
    length_mm: float
    """How far from the left edge of the room its parts reach."""
    area_mm2: float
    """What its parts take with half their distance round them, less their holes."""
    free: tuple[regions.Polygon, ...]
    """What nothing with half its distance round it takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Packable:
    """Parts as they may lie on sheets of one rolling direction and distance."""

    shapes: tuple[Shape, ...]
    pieces: tuple[Piece, ...]
    """By row of the parts; those that may not lie there have no angles."""
    items: tuple[StripItem, ...]
    """Likewise, for the strip; demand 1."""

    @property
    def areas(self) -> NDArray[np.float64]:
        """Return (parts,) what each takes with half its distance round it, less its holes."""
        return np.array([piece.area_mm2 for piece in self.pieces])


def packable(parts: Sequence[NestPart], distance_mm: float, grain_deg: float | None) -> Packable:
    """Return parts grown by half their distance."""
    pieces, items = [], []
    for row, part in enumerate(parts):
        angles = rotations_on(part, grain_deg)
        by = distance_mm / 2 + _SLACK_MM
        pieces.append(Piece(row, regions.grown_polygon(part.shape, by), angles))
        items.append(StripItem(row, regions.grown(part.shape.outline, by, _CHORD_MM), 1, angles))
    return Packable(tuple(part.shape for part in parts), tuple(pieces), tuple(items))


def choose(room: Room, packed: Packable, quantities: NDArray[np.int64], fullness: float) -> NDArray[np.int64]:
    """Return (parts,) how many of each are tried on a sheet: all sizes in the share they have of what is left.

    ``fullness``: their area, by the area of the room.
    """
    areas = packed.areas
    total = float(areas @ quantities)
    wanted = fullness * room.area_mm2
    if total <= wanted:
        return quantities.copy()
    chosen = np.zeros(len(quantities), np.int64)
    taken = passed = 0.0
    share = wanted / total
    for row in np.argsort(-areas, kind="stable"):
        for _ in range(int(quantities[row])):
            passed += areas[row]
            if taken + areas[row] <= min(wanted, passed * share + 0.5 * areas[row]):
                chosen[row] += 1
                taken += areas[row]
    return chosen


def lay(
    packers: Sequence[Packer],
    room: Room,
    packed: Packable,
    quantities: NDArray[np.int64],
    *,
    seconds: float,
    fullness: float,
    seed: int,
    ended: Callable[[], bool],
) -> Layout | None:
    """Return a full sheet, or all parts as far to the left as possible; None where nothing lies on it."""
    usable = np.array([piece.angles is None or bool(piece.angles) for piece in packed.pieces])
    usable &= np.array([fits(room, piece) for piece in packed.pieces])
    wanted = np.where(usable, quantities, 0)
    if not wanted.any():
        return None
    chosen = choose(room, packed, wanted, fullness)
    all_of_them = bool((chosen == wanted).all())
    found = _packed(packers, room, packed, chosen, seconds, seed, ended, enough=not all_of_them)
    if found is None:
        return None
    placements = kept(room, packed, found.placements)
    return filled(room, packed, placements, wanted, time.monotonic() + max(1.0, seconds))


def kept(room: Room, packed: Packable, placements: Placements) -> Placements:
    """Return what lies in the room and keeps its distance, where it lies in the room."""
    moved = Placements(
        placements.part,
        placements.x_mm + room.left_mm - room.distance_mm / 2,
        placements.y_mm + room.bottom_mm - room.distance_mm / 2,
        placements.rotation_deg,
    )
    polygons = regions.laid(packed.shapes, moved)
    window = (room.left_mm, room.bottom_mm, room.left_mm + room.width_mm, room.bottom_mm + room.height_mm)
    stays = ~regions.sticking_out(polygons, window)
    for first, second in regions.too_near(polygons, room.distance_mm):
        if stays[first] and stays[second]:
            stays[first if packed.pieces[moved.part[first]].area_mm2 < packed.pieces[moved.part[second]].area_mm2 else second] = False
    return _rows(moved, stays)


def filled(room: Room, packed: Packable, placements: Placements, quantities: NDArray[np.int64], until: float) -> Layout:
    """Return a layout with what else fits into what is free."""
    taken = [
        regions.turned(packed.pieces[part].polygon, angle, x, y)
        for part, angle, x, y in zip(placements.part, placements.rotation_deg, placements.x_mm, placements.y_mm, strict=True)
    ]
    free = regions.window_less(room.grown, taken)
    left = quantities - np.bincount(placements.part, minlength=len(quantities))
    rows = [row for row in range(len(quantities)) if left[row] > 0]
    more, free = fill(free, [packed.pieces[row] for row in rows], [int(left[row]) for row in rows], until)
    every = joined(placements, more)
    length = max(0.0, regions.reach(regions.laid(packed.shapes, every)) - room.left_mm)
    return Layout(every, length, float(packed.areas[every.part].sum()), tuple(free))


def joined(first: Placements, second: Placements) -> Placements:
    """Return both."""
    return Placements(
        np.concatenate([first.part, second.part]),
        np.concatenate([first.x_mm, second.x_mm]),
        np.concatenate([first.y_mm, second.y_mm]),
        np.concatenate([first.rotation_deg, second.rotation_deg]),
    )


def _rows(placements: Placements, stays: NDArray[np.bool_]) -> Placements:
    return Placements(placements.part[stays], placements.x_mm[stays], placements.y_mm[stays], placements.rotation_deg[stays])


def fits(room: Room, piece: Piece) -> bool:
    """Return whether a piece fits the room, as it may lie."""
    angles = piece.angles if piece.angles is not None else tuple(range(0, 180, 5))
    for angle in angles:
        left, bottom, right, top = regions.turned(piece.polygon, angle).bounds
        slack = room.distance_mm + 4 * _SLACK_MM
        if right - left <= room.width_mm + slack and top - bottom <= room.height_mm + slack:
            return True
    return False


def _packed(
    packers: Sequence[Packer],
    room: Room,
    packed: Packable,
    chosen: NDArray[np.int64],
    seconds: float,
    seed: int,
    ended: Callable[[], bool],
    *,
    enough: bool,
) -> PackedItems | None:
    """Return the shortest strip that packers found side by side."""
    items = tuple(
        StripItem(row, item.outline, int(chosen[row]), item.angles)
        for row, item in enumerate(packed.items)
        if chosen[row] and _stands(room, item)
    )
    most = room.width_mm + room.distance_mm
    until = time.monotonic() + seconds
    best: PackedItems | None = None
    for number, packer in enumerate(packers):
        packer.begin(
            Strip(
                room.height_mm + room.distance_mm + 4 * _SLACK_MM,
                items,
                seconds,
                seed + 1000 * number,
                enough_mm=most if enough else None,
            )
        )
    while True:
        done = all(not packer.busy for packer in packers)
        for packer in packers:
            for one in packer.found():
                if best is None or one.length_mm < best.length_mm:
                    best = one
        if done or (best is not None and (ended() or (enough and best.length_mm <= most) or time.monotonic() > until)):
            break
        packers[0].wait(_LOOK_SECONDS)
    for packer in packers:
        packer.stop()
    return best


def _stands(room: Room, item: StripItem) -> bool:
    angles = item.angles if item.angles is not None else tuple(range(0, 180, 5))
    return any(np.ptp(placed(item.outline, angle, 0.0, 0.0)[:, 1]) < room.height_mm + room.distance_mm for angle in angles)
