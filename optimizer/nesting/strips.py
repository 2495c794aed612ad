"""Strips as short as possible: several searches side by side, the best so far at any moment, checked before it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.nesting.packers import PackedItems, Packer, Packers, Strip, StripItem, away
from optimizer.nesting.regions import grown, laid, sticking_out, too_near
from plant.errors import Rejected
from plant.nests import NestPart, PackedStrip, Placements, StripProblem, area_mm2, placed

_LOOK_SECONDS: Final = 0.1
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
    with Packers(max(1, workers)) as packers:
        try:
            search.run(packers, on_progress, stop)
        except KeyboardInterrupt:
            search.gather(packers)
        best = search.best()
    if best is None:
        raise away(packers)
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
        self._begun = 0

    def run(self, packers: Sequence[Packer], on_progress: Callable[[StripProgress], None] | None, stop: Callable[[], bool] | None) -> None:
        """Search until the time is over."""
        until = self._began + self._seconds
        told = float("inf")
        while (left := until - time.monotonic()) > 0 and not (stop is not None and stop()):
            for packer in packers:
                if not packer.busy and (left > 1.0 or not self._begun):
                    packer.begin(self._strip(left))
            packers[0].wait(min(_LOOK_SECONDS, left))
            self.gather(packers)
            if on_progress is not None and self._found and self._found[-1].length_mm < told:
                told = self._found[-1].length_mm
                density = self._area / (told * self._problem.height_mm)
                on_progress(StripProgress(time.monotonic() - self._began, told, density))
        for packer in packers:
            packer.stop()
        self.gather(packers)

    def gather(self, packers: Sequence[Packer]) -> None:
        """Take what was found since."""
        for packer in packers:
            for one in packer.found():
                strip = self._strip_of(one)
                if not self._found or strip.length_mm < self._found[-1].length_mm:
                    self._found.append(strip)

    def best(self) -> PackedStrip | None:
        """Return the shortest layout that holds when looked at in 64 bit."""
        shapes = [part.shape for part in self._problem.parts]
        for one in reversed(self._found):
            polygons = laid(shapes, one.placements)
            window = (0.0, 0.0, one.length_mm, self._problem.height_mm)
            if not len(too_near(polygons, self._problem.distance_mm)) and not sticking_out(polygons, window).any():
                return one
        return None

    def _strip(self, seconds: float) -> Strip:
        self._begun += 1
        height = self._problem.height_mm + 2 * self._half + 2 * self._slack
        return Strip(height, self._items, seconds, self._seed + 1000 * (self._begun - 1))

    def _strip_of(self, found: PackedItems) -> PackedStrip:
        """Return it with its parts from 0 on: as long as they reach."""
        there = found.placements
        low, high = np.inf, -np.inf
        for part, rotation, x in zip(there.part, there.rotation_deg, there.x_mm, strict=True):
            reach = placed(self._problem.parts[part].shape.outline, rotation, x, 0.0)[:, 0]
            low, high = min(low, reach.min()), max(high, reach.max())
        moved = Placements(there.part, there.x_mm - low, there.y_mm - self._half - self._slack, there.rotation_deg)
        return PackedStrip(float(high - low), moved)


def _check_heights(problem: StripProblem) -> None:
    for part in problem.parts:
        angles = part.rotations_deg if part.rotations_deg is not None else tuple(range(0, 180, 1))
        heights = [float(np.ptp(placed(part.shape.outline, angle, 0.0, 0.0)[:, 1])) for angle in angles]
        if min(heights, default=np.inf) > problem.height_mm:
            raise Rejected(f"part {part.name!r} is {min(heights):.6g} mm high as it may lie: the strip is {problem.height_mm:.6g} mm")
