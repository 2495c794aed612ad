"""Strips as short as possible: searched by spyrrow, then pressed together; the best so far at any moment, checked before it leaves.

One search with two threads finds more than two searches with one each (each round of moves is made twice, in other orders, and the
better one stays), so all workers work at one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.nesting.compaction import compact
from optimizer.nesting.packers import PackedItems, Packer, Strip, StripItem
from optimizer.nesting.regions import TOLERANCE_MM, grown, laid, sticking_out, too_near
from plant.errors import Rejected, Unavailable
from plant.nests import NestPart, PackedStrip, Placements, StripProblem, area_mm2, placed

_LOOK_SECONDS: Final = 0.1
_EXPLORE: Final = 0.85
_PRESS_SHARE: Final = 0.05
"""Of the time: for pressing the shortest layouts together."""
_MOST_PRESS_SECONDS: Final = 3.0
_PRESSED: Final = 3
"""So many of the shortest layouts are pressed together: the shortest of them is not always the shortest then."""
_PLAY: Final = 4.0
"""So many times the slack the strip is higher than it is: what is exactly as high as the strip finds a place."""
_NEARLY: Final = 5e-4
"""A search that is so near to a length below which nothing is possible ends: pressing together does the rest."""
_ROUNDING: Final = 4e-7
"""What 32 bit lose, as a share of the largest coordinate: so much is left round each part."""


@dataclass(frozen=True, slots=True)
class StripProgress:
    """How far the search for a short strip is."""

    seconds: float
    length_mm: float
    density: float
    """Area of all parts by the area of the strip."""


def slack_mm(extent_mm: float) -> float:
    """Return what is left round each part where coordinates reach so far."""
    return _ROUNDING * extent_mm


def strip_items(parts: Sequence[NestPart], quantities: Sequence[int], distance_mm: float, slack: float) -> tuple[StripItem, ...]:
    """Return what a strip is packed from: half the distance round each part, and the slack."""
    return tuple(
        StripItem(row, grown(part.shape.outline, distance_mm / 2 + slack), quantity, part.rotations_deg)
        for row, (part, quantity) in enumerate(zip(parts, quantities, strict=True))
        if quantity > 0
    )


def pack_strip(
    problem: StripProblem,
    *,
    seconds: float,
    seed: int = 1,
    workers: int = 2,
    on_progress: Callable[[StripProgress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> PackedStrip:
    """Return the shortest strip found in the time given; all parts lie on it.

    ``stop``, asked some times a second, and an interrupt (Ctrl-C) end the search with the best so far. ``on_progress`` is called in this
    thread at each better layout. Raises Rejected where a part is higher than the strip, Unavailable where nothing was found.
    """
    if not problem.parts:
        return PackedStrip(0.0, Placements(np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0)))
    _check_heights(problem)
    search = _Search(problem, seconds, seed)
    with Packer() as packer:
        try:
            search.run(packer, max(1, workers), on_progress, stop)
        except KeyboardInterrupt:
            search.gather(packer)
    best = search.best()
    if best is None:
        raise Unavailable(f"the strip {problem.name!r} could not be packed: {packer.problem or 'nothing was found in the time given'}")
    return best


class _Search:
    """The layouts found so far, from the best one on."""

    def __init__(self, problem: StripProblem, seconds: float, seed: int) -> None:
        self._problem, self._seconds, self._seed = problem, seconds, seed
        self._area = sum(area_mm2(part.shape) * part.quantity for part in problem.parts)
        self._half = problem.distance_mm / 2
        extent = max(problem.height_mm, 1.5 * self._area / problem.height_mm)
        self._slack = slack_mm(extent)
        quantities = [part.quantity for part in problem.parts]
        self._items = strip_items(problem.parts, quantities, problem.distance_mm, self._slack)
        self._found: list[PackedStrip] = []
        self._began = time.monotonic()

    def run(
        self, packer: Packer, threads: int, on_progress: Callable[[StripProgress], None] | None, stop: Callable[[], bool] | None
    ) -> None:
        """Search until the time is over, nothing is shorter, or it is stopped."""
        seconds = self._seconds - min(_PRESS_SHARE * self._seconds, _MOST_PRESS_SECONDS)
        until = self._began + seconds
        height = self._problem.height_mm + 2 * self._half + _PLAY * self._slack
        packer.begin(Strip(height, self._items, seconds, self._seed, threads, _EXPLORE, self._least(), early=False))
        told = float("inf")
        ended = False
        while not ended:
            ended = packer.wait(min(_LOOK_SECONDS, max(until - time.monotonic(), 0.0)))
            ended = ended or (bool(self._found) and time.monotonic() > until) or (stop is not None and stop())
            self.gather(packer)
            if on_progress is not None and self._found and self._found[-1].length_mm < told:
                told = self._found[-1].length_mm
                density = self._area / (told * self._problem.height_mm)
                on_progress(StripProgress(time.monotonic() - self._began, told, density))
        packer.stop()

    def gather(self, packer: Packer) -> None:
        """Take what was found since."""
        for one in packer.found():
            strip = self._strip_of(one)
            if not self._found or strip.length_mm < self._found[-1].length_mm:
                self._found.append(strip)

    def best(self) -> PackedStrip | None:
        """Return the shortest layout that holds when looked at in 64 bit, pressed together."""
        pressed = [self._pressed(one) for one in self._found[: -_PRESSED - 1 : -1]]
        for one in sorted([*pressed, *self._found], key=lambda strip: strip.length_mm):
            if self._holds(one):
                return one
        return None

    def _pressed(self, strip: PackedStrip) -> PackedStrip:
        there = replace(strip.placements, x_mm=strip.placements.x_mm + self._half, y_mm=strip.placements.y_mm + self._half)
        outlines = [grown(part.shape.outline, self._half) for part in self._problem.parts]
        until = time.monotonic() + min(_PRESS_SHARE * self._seconds, _MOST_PRESS_SECONDS) / _PRESSED
        length, moved = compact(outlines, there, self._problem.height_mm + 2 * self._half, until)
        moved = replace(moved, x_mm=moved.x_mm - self._half, y_mm=moved.y_mm - self._half)
        return PackedStrip(length - 2 * self._half, moved)

    def _holds(self, strip: PackedStrip) -> bool:
        tolerance = min(TOLERANCE_MM, _ROUNDING * self._problem.height_mm)
        polygons = laid([part.shape for part in self._problem.parts], strip.placements)
        window = (0.0, 0.0, strip.length_mm, self._problem.height_mm)
        near = too_near(polygons, self._problem.distance_mm, tolerance)
        return not len(near) and not sticking_out(polygons, window, tolerance).any()

    def _least(self) -> float:
        """Return a length that nothing is shorter than, and a little more."""
        widths = [self._narrowest(part) for part in self._problem.parts]
        return (1.0 + _NEARLY) * max(self._area / self._problem.height_mm, *widths) + 2 * self._half + _PLAY * self._slack

    def _narrowest(self, part: NestPart) -> float:
        if part.rotations_deg is None:
            return 0.0
        return min(float(np.ptp(placed(part.shape.outline, angle, 0.0, 0.0)[:, 0])) for angle in part.rotations_deg)

    def _strip_of(self, found: PackedItems) -> PackedStrip:
        """Return it with its parts from 0 on: as long as they reach."""
        there = found.placements
        columns = zip(there.part, there.rotation_deg, there.x_mm, there.y_mm, strict=True)
        drawn = [placed(self._problem.parts[part].shape.outline, rotation, x, y) for part, rotation, x, y in columns]
        low, high = np.array([one.min(axis=0) for one in drawn]), np.array([one.max(axis=0) for one in drawn])
        own = self._half + self._slack
        back = np.maximum(own - low[:, 1], 0.0) + np.minimum(own + self._problem.height_mm - high[:, 1], 0.0)
        left = float(low[:, 0].min())
        moved = Placements(there.part, there.x_mm - left, there.y_mm - own + back, there.rotation_deg)
        return PackedStrip(float(high[:, 0].max()) - left, moved)


def _check_heights(problem: StripProblem) -> None:
    for part in problem.parts:
        angles = part.rotations_deg if part.rotations_deg is not None else tuple(range(0, 180, 1))
        heights = [float(np.ptp(placed(part.shape.outline, angle, 0.0, 0.0)[:, 1])) for angle in angles]
        if min(heights, default=np.inf) > problem.height_mm:
            raise Rejected(f"part {part.name!r} is {min(heights):.6g} mm high as it may lie: the strip is {problem.height_mm:.6g} mm")
