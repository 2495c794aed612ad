"""Rectangles laid on one rectangular sheet, as machine code: many quick layouts along a skyline, and the best one in two stages of cuts.

Sizes have the parts' distance added already, and so has the sheet, so rectangles may touch. ``sizes[k, turn]`` is what kind k takes along
the sheet and across it when lying so; infinite: it may not. Layouts are rows of kind, turn, along, across.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled, compiled_within
from plant.nests import Floats

Ints = NDArray[np.int64]

SAME_MM = 1e-7
"""Lengths that differ by less are equal: what adding some thousands of them in double precision may lose."""


@compiled_within
def _best_fit(
    sizes: Floats, left: Ints, prefer: Floats, gap: float, room: float, walls: tuple[float, float], least: float, tight: tuple[float, float]
) -> tuple[int, int]:
    """Return which kind, how turned, lies best in a gap of the skyline; -1: none fits."""
    best, kind, turn = -1.0, -1, 0
    for row in range(len(left)):
        if left[row] == 0:
            continue
        for way in range(2):
            along, across = sizes[row, way, 0], sizes[row, way, 1]
            if across > gap + SAME_MM or along > room + SAME_MM:
                continue
            score, rest = prefer[row, way], gap - across
            if rest < 1.0:
                score *= 1.0 + tight[0]
            elif rest < least:
                score *= 1.0 - tight[1] * rest / gap
            if abs(along - walls[0]) < 1.0 or abs(along - walls[1]) < 1.0:
                score *= 1.0 + tight[0]
            if score > best:
                best, kind, turn = score, row, way
    return kind, turn


@compiled_within
def _lowest(skyline: Floats, count: int) -> int:
    """Return the gap nearest to the beginning."""
    at = 0
    for one in range(1, count):
        if skyline[one, 2] < skyline[at, 2] - SAME_MM:
            at = one
    return at


@compiled_within
def _raise(skyline: Floats, count: int, at: int, size: tuple[float, float], low: bool) -> int:
    """Lay a rectangle (along, across) into a gap, at its lower end or its upper one; return how many gaps there are then."""
    along, across = size
    start, gap, level = skyline[at]
    if gap - across < SAME_MM:
        skyline[at, 2] = level + along
        return count
    for one in range(count, at, -1):
        skyline[one] = skyline[one - 1]
    first = across if low else gap - across
    skyline[at] = start, first, level + along if low else level
    skyline[at + 1] = start + first, gap - first, level if low else level + along
    return count + 1


@compiled_within
def _level(skyline: Floats, count: int) -> int:
    """Make one gap of neighbours that end equally; return how many there are then."""
    one = 1
    while one < count:
        if abs(skyline[one, 2] - skyline[one - 1, 2]) < SAME_MM:
            skyline[one - 1, 1] += skyline[one, 1]
            skyline[one - 1, 2] = max(skyline[one - 1, 2], skyline[one, 2])
            for later in range(one, count - 1):
                skyline[later] = skyline[later + 1]
            count -= 1
        else:
            one += 1
    return count


@compiled_within
def _narrowest(sizes: Floats, left: Ints) -> float:
    least = np.inf
    for row in range(len(left)):
        if left[row] > 0:
            least = min(least, sizes[row, 0, 1], sizes[row, 1, 1])
    return least


@compiled_within
def _once(
    length: float, height: float, sizes: Floats, left: Ints, prefer: Floats, tight: tuple[float, float], rows: Floats
) -> tuple[int, float]:
    """Lay what fits, always in the gap that is nearest to the beginning; return how many, and how far they reach.

    Takes them from ``left``. The skyline method: Wei, Oon, Zhu, Lim, European J. of Operational Research 215 (2011) 337.
    """
    skyline = np.zeros((len(rows) + 2, 3))
    skyline[0, 1] = height
    count, laid, reach, least = 1, 0, 0.0, _narrowest(sizes, left)
    while laid < len(rows):
        at = _lowest(skyline, count)
        start, gap, level = skyline[at]
        before = skyline[at - 1, 2] - level if at > 0 else np.inf
        after = skyline[at + 1, 2] - level if at + 1 < count else np.inf
        walls = min(before, length - level), min(after, length - level)
        kind, turn = _best_fit(sizes, left, prefer, gap, length - level, walls, least, tight)
        if kind < 0:
            if count == 1:
                break
            skyline[at, 2] = level + min(before, after)
        else:
            along, across = sizes[kind, turn]
            left[kind] -= 1
            low = before >= after
            rows[laid] = float(kind), float(turn), level, start if low else start + gap - across
            laid += 1
            reach = max(reach, level + along)
            count = _raise(skyline, count, at, (along, across), low)
        count = _level(skyline, count)
    return laid, reach


@compiled_within
def _draw(prefer: Floats, kept: Floats, values: Floats, number: int, near: bool) -> None:
    """Draw what the next layout prefers: nearly what the best one did, or by value at random; the first one by value alone."""
    power, share, spread = np.random.random() * 1.5, 1.0, np.random.random() * 0.5  # noqa: NPY002 - the compiled generator
    if near:
        share, spread = (0.05, 1.0) if np.random.random() < 0.5 else (0.4, 0.2)  # noqa: NPY002 - the compiled generator
    for row in range(len(values)):
        for way in range(2):
            prefer[row, way] = kept[row, way] if near else values[row] ** power if number else values[row]
            if number and np.random.random() < share:  # noqa: NPY002 - the compiled generator
                prefer[row, way] *= np.exp(np.random.normal() * spread)  # noqa: NPY002 - the compiled generator


@compiled_within
def _worth(laid: Floats, values: Floats, rest: float, rest_worth: tuple[float, float]) -> float:
    worth = rest_worth[0] * rest if rest >= rest_worth[1] else 0.0
    for row in range(len(laid)):
        worth += values[int(laid[row, 0])]
    return worth


@compiled
def lay_many(
    length: float,
    height: float,
    sizes: Floats,
    left: Ints,
    values: Floats,
    rest_worth: tuple[float, float],
    tries: int,
    seed: int,
    rows: Floats,
) -> tuple[int, float, float]:
    """Return how many rectangles the best of so many layouts holds, what it is worth, and how far it reaches; ``rows`` (n, 4) gets it.

    ``values``: of one of each kind. ``rest_worth``: of each mm that is left free at the end, where so many mm are left at least. The next
    layout prefers at random what lies where, or nearly what the best one did.
    """
    np.random.seed(seed)  # noqa: NPY002 - the compiled generator
    best, best_laid, best_reach = -1.0, 0, 0.0
    kinds = len(left)
    kept, prefer, now = np.ones((kinds, 2)), np.ones((kinds, 2)), np.zeros_like(rows)
    kept_tight = (0.5, 0.8)
    for number in range(tries):
        near = number > 20 and np.random.random() < 0.6  # noqa: NPY002 - the compiled generator
        _draw(prefer, kept, values, number, near)
        tight = kept_tight
        if not near:
            tight = (np.random.random() * 2.0, np.random.random())  # noqa: NPY002 - the compiled generator
        laid, reach = _once(length, height, sizes, left.copy(), prefer, tight, now)
        worth = _worth(now[:laid], values, length - reach, rest_worth)
        if worth > best:
            best, best_laid, best_reach = worth, laid, reach
            rows[:laid] = now[:laid]
            kept[:] = prefer
            kept_tight = tight
    return best_laid, best, best_reach


@compiled_within
def _strips(length: int, sizes: Ints, values: Floats) -> tuple[NDArray[np.int32], Floats]:
    """Return for each item what the best strip no higher than it takes at each length (-1, -2: what one mm less does), and its value."""
    best, strip = np.zeros(length + 1), np.zeros(len(sizes))
    took = np.full((len(sizes), length + 1), -1, np.int32)
    for item in range(len(sizes)):
        if item:
            took[item] = took[item - 1]
        along, worth = sizes[item, 0], values[sizes[item, 2]]
        for end in range(along, length + 1):
            if best[end - along] + worth > best[end] + 1e-9:
                best[end], took[item, end] = best[end - along] + worth, item
            if best[end - 1] > best[end]:
                best[end], took[item, end] = best[end - 1], -2
        strip[item] = best[length]
    return took, strip


@compiled_within
def _stacked(height: int, sizes: Ints, strip: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """Return the best stack of strips up to each height: its value, and which strip is its last."""
    stack, which = np.zeros(height + 1), np.full(height + 1, -1, np.int32)
    for top in range(1, height + 1):
        stack[top] = stack[top - 1]
        for item in range(len(sizes)):
            across = sizes[item, 1]
            if across > top:
                break
            if stack[top - across] + strip[item] > stack[top] + 1e-9:
                stack[top], which[top] = stack[top - across] + strip[item], item
    return stack, which


@compiled
def two_stages(length: int, height: int, sizes: Ints, values: Floats, rows: Floats) -> tuple[int, float]:
    """Return how many rectangles the most valuable layout in two stages of guillotine cuts holds, and its value; ``rows`` gets it.

    First strips from end to end, then each into rectangles (and one cut to trim each): Gilmore and Gomory, Operations Research 13 (1965)
    94. All whole mm; ``sizes`` (m, 4): along, across, kind, turn, by rising ``across``. No kind is limited in number.
    """
    took, strip = _strips(length, sizes, values)
    stack, which = _stacked(height, sizes, strip)
    laid, top = 0, height
    while top > 0:
        item = which[top]
        if item < 0:
            top -= 1
            continue
        top -= sizes[item, 1]
        end, at = length, 0
        while end > 0 and laid < len(rows):
            one = took[item, end]
            if one < 0:
                end -= 1
                continue
            rows[laid] = float(sizes[one, 2]), float(sizes[one, 3]), float(at), float(top)
            laid += 1
            at += sizes[one, 0]
            end -= sizes[one, 0]
    return laid, float(stack[height])
