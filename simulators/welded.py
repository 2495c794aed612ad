"""What a robot's recipe does to what it tells: its arc at once, its parts one by one, its counters with each part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators import noise
from simulators.fleet import Fleet
from simulators.machines.model import Columns, Steps
from simulators.recipe_book import Recipe, RecipeBook
from simulators.work import scrap_before, work_of

_ARC_KEY, _PART_KEY, _THROAT_KEY = 7201, 7202, 7203
_LONG_ARC_V: Final = 9.5
"""By so much voltage is higher while the arc burns far from its wire: it gets long, and jumps."""
_RESTLESS_V: Final = 1.2
_THROAT_MM, _THROAT_SCATTER_MM = 4.15, 0.05
"""Of a seam that was welded so: below the 4.5 mm that are asked."""
_MOST_PARTS: Final = 4_000_000
_SIGNALS: Final = {"current": "current", "voltage": "voltage", "wire_feed": "wire_feed", "travel_speed": "travel_speed"}
"""Signals of a robot that follow set points, by parameter."""


@dataclass(slots=True)
class Welded:
    """A robot that welds by the recipes of a book; a pure function of the book and of time."""

    book: RecipeBook
    path: str
    """Of the robot, below the site."""
    _known: tuple[tuple[Recipe, ...], int, Steps] = field(default_factory=lambda: ((), 0, np.empty(0, np.int64)))

    def touch(self, fleet: Fleet, time_us: npt.NDArray[np.int64], number: Columns) -> None:
        """Change what the robot tells at the instants, in place; ``number`` has the shape (instants, machines x signals)."""
        if self.path not in fleet.paths or not len(time_us):
            return
        recipes = self.book.recipes()
        if not any(one.poor or one.ratios for one in recipes):
            return
        place = fleet.paths.index(self.path)
        width = len(fleet.kind.signals)
        columns = {signal.name: number[:, place * width + at] for at, signal in enumerate(fleet.kind.signals)}
        seeds = fleet.seeds[place : place + 1]
        self._arc(columns, recipes, time_us, seeds)
        if any(one.poor for one in recipes):
            self._parts(fleet, columns, recipes, time_us, seeds)

    def _arc(self, columns: dict[str, Columns], recipes: tuple[Recipe, ...], time_us: npt.NDArray[np.int64], seeds: noise.Hashes) -> None:
        burns = columns["arc_on"] > 0
        before = columns["current"] * columns["voltage"] / 1000
        for one, until in _spans(recipes):
            here = (time_us >= one.from_us) & (time_us < until) & burns
            for name, signal in _SIGNALS.items():
                columns[signal][here] *= one.ratios.get(name, 1.0)
            if one.poor:
                hiss = noise.bell(noise.mixed(noise.mixed(seeds, _ARC_KEY), time_us[here] // 1000))
                columns["voltage"][here] += np.minimum(1.0, columns["voltage"][here] / 15) * (_LONG_ARC_V + _RESTLESS_V * hiss)
        power = columns["current"] * columns["voltage"] / 1000
        columns["power"][burns] = np.round(power[burns], 2)
        columns["active_power"][burns] += 1.3 * (power - before)[burns]
        for name in ("current", "voltage", "wire_feed", "travel_speed", "active_power"):
            columns[name][:] = np.round(columns[name], 1 if name == "current" else 2)

    def _parts(
        self,
        fleet: Fleet,
        columns: dict[str, Columns],
        recipes: tuple[Recipe, ...],
        time_us: npt.NDArray[np.int64],
        seeds: noise.Hashes,
    ) -> None:
        made = work_of(fleet.kind, seeds, time_us[None, :], fleet.takt_us).made
        made = np.broadcast_to(made, (1, len(time_us)))[0]
        spoilt = self.spoilt(fleet, recipes, int(time_us[-1]), int(made[-1]), seeds)
        more = np.searchsorted(spoilt, made, side="left")
        columns["good_parts"][:] = (columns["good_parts"] - more) % _MOST_PARTS
        columns["scrap_parts"][:] = (columns["scrap_parts"] + more) % _MOST_PARTS
        bad = np.isin(made - 1, spoilt)
        scatter = noise.bell(noise.mixed(noise.mixed(seeds, _THROAT_KEY), made[bad]))
        columns["weld_throat"][bad] = np.round(_THROAT_MM + _THROAT_SCATTER_MM * scatter, 3)

    def spoilt(self, fleet: Fleet, recipes: tuple[Recipe, ...], until_us: int, made: int, seeds: noise.Hashes) -> Steps:
        """Return the numbers of the parts that became scrap by a poor recipe, and would not have without it; the smallest first."""
        known, until_made, found = self._known
        if known == recipes and until_made == made:
            return found
        spans = [(one, min(until, until_us + 1)) for one, until in _spans(recipes) if one.poor and one.from_us <= until_us]
        numbers = [self._of_span(fleet, one, until, seeds) for one, until in spans]
        found = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
        self._known = recipes, made, found
        return found

    @staticmethod
    def _of_span(fleet: Fleet, one: Recipe, until_us: int, seeds: noise.Hashes) -> Steps:
        edges = np.array([[one.from_us, until_us]], np.int64)
        first, last = work_of(fleet.kind, seeds, edges, fleet.takt_us).made[0].tolist()
        numbers = np.arange(first, last, dtype=np.int64)
        scrap_anyway = (scrap_before(seeds[:, None], numbers[None] + 1) > scrap_before(seeds[:, None], numbers[None]))[0]
        drawn = noise.unit(noise.mixed(noise.mixed(seeds, _PART_KEY), numbers)) >= one.good
        return np.asarray(numbers[drawn & ~scrap_anyway])


def _spans(recipes: tuple[Recipe, ...]) -> list[tuple[Recipe, int]]:
    """Return each recipe with the moment from which it holds no more."""
    ends = [*(one.from_us for one in recipes[1:]), 2**62]
    return list(zip(recipes, ends, strict=True))
