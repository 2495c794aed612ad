"""Parts that lie pressed together as far as they go without turning or jumping: a strip becomes shorter, and is at its least nearby.

Each part is cut into convex pieces. Two pieces that are near each other keep the side they see each other from: along the normal of
one edge they may not come nearer than they may. So all movements that are allowed are linear, and HiGHS finds the shortest strip among
them; then the sides are looked at anew (Li, Milenkovic 1995, doi 10.1016/0377-2217(95)00021-H; Gomes, Oliveira 2006,
doi 10.1016/j.ejor.2004.09.008). A layout made so is free of overlap by construction, to the precision of 64 bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from optimizer.nesting.regions import convex_pieces
from plant.nests import Floats, Placements, placed

_REACH: Final = 0.02
"""How far a part moves in one step, by the height of the strip."""
_WORTH: Final = 2e-5
"""A step that makes the strip so much shorter, by its length, is worth another."""
_LEFTWARDS: Final = 0.01
_DOWNWARDS: Final = 0.003
"""How much it counts where all parts are on average: so what is free comes together."""
_PATIENCE: Final = 4
"""After so many steps that were worth nothing it ends."""


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Two parts that may not come nearer to each other along a direction (unit vector from the first to the second)."""

    first: int
    second: int
    x: float
    y: float
    gap: float


def compact(outlines: Sequence[Floats], placements: Placements, height_mm: float, until: float, seed: int = 1) -> tuple[float, Placements]:
    """Return the length of a strip pressed together, and where its parts lie then; ``outlines`` by row of ``Placements.part``.

    The strip begins at 0; parts keep what is round them in ``outlines``. It ends at ``until`` (monotonic seconds) with what it has.
    """
    draws = np.random.default_rng(seed)
    pieces = {int(part): convex_pieces(outlines[part]) for part in np.unique(placements.part)}
    columns = zip(placements.part, placements.rotation_deg, strict=True)
    turned = [[placed(piece, angle, 0.0, 0.0) for piece in pieces[int(part)]] for part, angle in columns]
    at = np.column_stack([placements.x_mm, placements.y_mm])
    length = _length(turned, at)
    fruitless = 0
    while fruitless < _PATIENCE and time.monotonic() < until:
        # where pieces touch, more than one side is true: after the widest ones others are tried
        moves = _step(turned, at, height_mm, length, _REACH * height_mm, draws if fruitless else None)
        if moves is None:
            break
        shorter = _length(turned, at + moves)
        fruitless = 0 if length - shorter > _WORTH * length else fruitless + 1
        if shorter <= length:
            at, length = at + moves, shorter
    return length, Placements(placements.part, at[:, 0].copy(), at[:, 1].copy(), placements.rotation_deg)


def _length(turned: Sequence[Sequence[Floats]], at: Floats) -> float:
    return max(float(piece[:, 0].max() + x) for own, x in zip(turned, at[:, 0], strict=True) for piece in own)


def _step(
    turned: Sequence[Sequence[Floats]], at: Floats, height: float, length: float, reach: float, draws: np.random.Generator | None
) -> Floats | None:
    """Return the movements (parts, 2) that make the strip shortest; None where HiGHS found none."""
    count = len(turned)
    there = [[piece + move for piece in own] for own, move in zip(turned, at, strict=True)]
    sides = _sides(there, 2 * reach, draws)
    low = np.array([np.min([piece.min(axis=0) for piece in own], axis=0) for own in there])
    high = np.array([np.max([piece.max(axis=0) for piece in own], axis=0) for own in there])
    rows, ends, every = np.arange(len(sides)), len(sides) + np.arange(count), np.arange(count)
    first = np.array([side.first for side in sides], np.int64)
    second = np.array([side.second for side in sides], np.int64)
    along = np.array([(side.x, side.y) for side in sides]).reshape(-1, 2)
    values = [along[:, 0], along[:, 1], -along[:, 0], -along[:, 1], np.ones(count), -np.ones(count)]
    of_rows = [rows, rows, rows, rows, ends, ends]
    of_columns = [2 * first, 2 * first + 1, 2 * second, 2 * second + 1, 2 * every, np.full(count, 2 * count)]
    matrix = csr_array(
        (np.concatenate(values), (np.concatenate(of_rows), np.concatenate(of_columns))), shape=(len(sides) + count, 2 * count + 1)
    )
    most = np.concatenate([[max(side.gap, 0.0) for side in sides], -high[:, 0]])
    back = np.minimum(np.maximum(-reach, -low), 0.0).ravel()
    on = np.maximum(np.minimum(reach, np.array([np.inf, height]) - high), 0.0).ravel()
    goal = np.concatenate([np.tile([_LEFTWARDS, _DOWNWARDS], count) / count, [1.0]])
    bounds = [*zip(back, on, strict=True), (0.0, length)]
    found = linprog(  # type: ignore[call-overload]  # sparse columns are taken, the stubs do not know
        goal, A_ub=matrix, b_ub=most, bounds=bounds, method="highs"
    )
    return None if found.x is None else np.asarray(found.x[:-1]).reshape(-1, 2)


def _sides(there: Sequence[Sequence[Floats]], near: float, draws: np.random.Generator | None) -> list[_Side]:
    """Return from where pieces that are near each other see each other."""
    owner = np.array([row for row, own in enumerate(there) for _ in own], np.int64)
    pieces = [piece for own in there for piece in own]
    normals = [_normals(piece) for piece in pieces]
    low = np.array([piece.min(axis=0) for piece in pieces])
    high = np.array([piece.max(axis=0) for piece in pieces])
    sides = []
    for a in range(len(pieces)):
        others = np.flatnonzero((owner > owner[a]) & (low <= high[a] + near).all(axis=1) & (high >= low[a] - near).all(axis=1))
        found = [_side(pieces[a], normals[a], pieces[b], normals[b], draws) for b in others]
        sides += [_Side(int(owner[a]), int(owner[b]), *side) for b, side in zip(others, found, strict=True)]
    return sides


def _side(
    first: Floats, of_first: Floats, second: Floats, of_second: Floats, draws: np.random.Generator | None
) -> tuple[float, float, float]:
    """Return a direction from the first piece to the second along which they are apart, and how far: the farthest, or one by chance."""
    normals = np.concatenate([of_first, -of_second])
    gaps = (second @ normals.T).min(axis=0) - (first @ normals.T).max(axis=0)
    at = int(np.argmax(gaps))
    if draws is not None:
        apart = np.flatnonzero(gaps >= 0.0)
        at = int(draws.choice(apart)) if len(apart) else at
    return float(normals[at, 0]), float(normals[at, 1]), float(gaps[at])


def _normals(piece: Floats) -> NDArray[np.float64]:
    """Return (n, 2) the outward normals of a convex piece that goes counter-clockwise."""
    edges = np.roll(piece, -1, axis=0) - piece
    outward = np.column_stack([edges[:, 1], -edges[:, 0]])
    lengths = np.hypot(outward[:, 0], outward[:, 1])
    found: NDArray[np.float64] = outward[lengths > 0] / lengths[lengths > 0, None]
    return found
