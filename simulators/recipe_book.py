"""By what recipe a simulated robot has welded since when: a file that its controller writes, and the line and its cameras read.

A robot's arc, its seams and its scrap hang together because they all follow from this one record. Times lie a little ahead of the
writing, so that what readers have computed already stays true: a moment asked again is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plant.errors import SettingsError

AHEAD_US: Final = 2_000_000
"""From the writing of a recipe until it holds."""
POOR: Final = 0.5
"""A recipe with a smaller share of good parts is welded visibly badly."""
_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """What came of some parts that were looked at by hand."""

    parts: int
    good: int
    scrapped: int
    responses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a robot welds by from a moment on, until the next recipe."""

    from_us: int
    good: float
    """Share of good parts that the cell really makes by it."""
    parameters: Mapping[str, float]
    ratios: Mapping[str, float] = field(default_factory=dict)
    """Each parameter over that of the recipe that was accepted."""
    trimmed: bool = False
    """Whether somebody has changed it at the pendant."""
    sample: Sample | None = None

    @property
    def poor(self) -> bool:
        """Whether most parts are not good."""
        return self.good < POOR


class RecipeBook:
    """The file, read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._recipes: tuple[Recipe, ...] = ()

    def recipes(self) -> tuple[Recipe, ...]:
        """Return all recipes, the oldest first; none where there is no file yet. Raises SettingsError where it cannot be read."""
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_size) != self._stamp:
                told = json.loads(self._path.read_text("utf-8"))
                self._recipes = tuple(_recipe(one) for one in told)
                self._stamp = found.st_mtime_ns, found.st_size
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SettingsError(f"{self._path}: is no book of recipes ({error}); remove it, it is written anew") from error
        return self._recipes

    def at(self, time_us: int) -> Recipe | None:
        """Return the recipe that holds at a moment; None before the first."""
        return next((one for one in reversed(self.recipes()) if one.from_us <= time_us), None)

    def add(self, recipe: Recipe) -> None:
        """Add a recipe; the file is the one before or the new one at any moment."""
        self._write((*self.recipes(), recipe)[-_KEPT:])

    def note_sample(self, sample: Sample) -> None:
        """Say what parts by the newest recipe were like. Raises SettingsError where there is none."""
        *before, newest = self.recipes() or [None]
        if newest is None:
            raise SettingsError(f"{self._path}: holds no recipe that a sample could be of")
        self._write((*(one for one in before if one is not None), replace(newest, sample=sample)))

    def _write(self, recipes: tuple[Recipe, ...]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([asdict(one) for one in recipes]), "utf-8")
        new.replace(self._path)


def _recipe(told: Mapping[str, Any]) -> Recipe:
    sample = told["sample"]
    return Recipe(
        *(int(told["from_us"]), float(told["good"]), told["parameters"], told["ratios"], bool(told["trimmed"])),
        None if sample is None else Sample(int(sample["parts"]), int(sample["good"]), int(sample["scrapped"]), sample["responses"]),
    )
