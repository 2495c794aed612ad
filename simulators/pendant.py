"""The pendant of the simulated welding robot: what it welds by, and the day somebody turned a knob too far.

A trim lies over the program that is loaded, and is gone when a program is loaded anew: so a robot has both, and so nobody finds a trim by
reading programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from simulators.fleet import Fleet
from simulators.machines.robot import ROBOT
from simulators.recipe_book import AHEAD_US, POOR, Recipe, RecipeBook, Sample
from simulators.weld_cell_truth import Cell
from simulators.work import work_of

ROBOT_PATH: Final = "welding/boom-line/robot-1"
SAMPLE_PARTS: Final = 20
_SAMPLE_US: Final = 60_000_000
"""So long after a trim somebody looks at parts by hand."""
_TRIMS: Final = (
    {"wire_feed": -1.0},
    {"wire_feed": -1.0, "voltage": 1.6},
    {"wire_feed": 1.0, "voltage": -1.6},
    {"wire_feed": 1.0},
    {"wire_feed": -1.5, "voltage": 2.4},
    {"wire_feed": 1.5, "voltage": -2.4},
)
_TAKT_SECONDS: Final = 60.0
_LONGEST_WAIT_US: Final = 180_000_000
_EARLY: Final = 0.45
"""A part that has not come further shows a trim in the rest of its seams."""


class Pendant:
    """What the robot welds by, kept in a book; ``trim_after_seconds``: when somebody trims it, None for never."""

    def __init__(self, book: RecipeBook, trim_after_seconds: float | None, plant_seed: int = 1) -> None:
        self._book = book
        self._after_us = None if trim_after_seconds is None else round(trim_after_seconds * 1e6)
        self._fleet = Fleet(ROBOT, (ROBOT_PATH,), plant_seed, _TAKT_SECONDS)
        self._cell: Cell | None = None
        self._begun_us = 0
        self._sample_us: int | None = None
        self._values: dict[str, float] = {}

    def begin(self, cell: Cell, values: Mapping[str, float], now_us: int) -> None:
        """Weld a cell's parts by these set points: a robot that is switched on has no trim."""
        self._cell, self._begun_us = cell, now_us
        self.load(values, now_us)

    def load(self, values: Mapping[str, float], now_us: int) -> None:
        """Weld by another program; what was trimmed before is gone."""
        self._sample_us = None
        self._values = {**self._values, **values}
        self._add(self._values, now_us, trimmed=False)

    def tick(self, now_us: int) -> None:
        """Do what is due: the trim, and the look at parts after it. Call it often."""
        if self._after_us is not None and now_us >= self._begun_us + self._after_us and self._is_time(now_us):
            self._after_us = None
            self.trim(now_us)
        if self._sample_us is not None and now_us >= self._sample_us:
            self._sample_us = None
            self._look()

    def trim(self, now_us: int) -> None:
        """Turn the knobs that do the most harm of those that a hand reaches for."""
        assert self._cell is not None  # noqa: S101 - begun
        cell = self._cell
        tried = [{name: round(value + trim.get(name, 0.0), 3) for name, value in self._values.items()} for trim in _TRIMS]
        # the first that is poor enough, so that most seeds have the same one
        poor = next((one for one in tried if cell.true_yield(one) < POOR / 5), min(tried, key=cell.true_yield))
        self._add(poor, now_us, trimmed=True)
        self._sample_us = now_us + _SAMPLE_US

    def _add(self, values: Mapping[str, float], now_us: int, *, trimmed: bool) -> None:
        assert self._cell is not None  # noqa: S101 - begun
        start = self._cell.start
        ratios = {name: round(value / start[name], 4) for name, value in values.items() if start.get(name)}
        self._book.add(Recipe(now_us + AHEAD_US, round(self._cell.true_yield(values), 4), dict(values), ratios, trimmed))

    def _look(self) -> None:
        assert self._cell is not None  # noqa: S101 - begun
        newest = self._book.recipes()[-1]
        run = self._cell.run(newest.parameters, SAMPLE_PARTS)
        responses = {name: round(value, 3) for name, value in run.responses.items()}
        self._book.note_sample(Sample(SAMPLE_PARTS, int(run.good.sum()), int(run.scrapped.sum()), responses))

    def _is_time(self, now_us: int) -> bool:
        """Whether the robot welds, has most of a part before it, and will go on making parts; or it was waited for long enough."""
        later = np.array([[now_us, now_us + 170_000_000]], np.int64)
        work = work_of(self._fleet.kind, self._fleet.seeds, later, self._fleet.takt_us)
        welds = bool(work.works[0, 0]) and float(work.part[0, 0]) < _EARLY
        goes_on = int(work.made[0, 1] - work.made[0, 0]) >= 2
        waited = now_us - self._begun_us - (self._after_us or 0)
        return (welds and goes_on) or (welds and waited > _LONGEST_WAIT_US / 2) or waited > _LONGEST_WAIT_US
