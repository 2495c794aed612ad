"""The story of the demo, as far as it has come: each chapter holds only when the database shows it, and those before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any

from plant.clock import Clock
from plant.errors import Unavailable
from storage.database import Pool
from storage.tour import TourFacts, read_tour


class Chapter(StrEnum):
    """What happens, in its order."""

    RUNS = "runs"
    ALARM = "alarm"
    PICTURE = "picture"
    CHART = "chart"
    LOSS = "loss"
    PROPOSED = "proposed"
    EXECUTED = "executed"
    GAIN = "gain"


@dataclass(frozen=True, slots=True)
class TourView:
    """The story so far."""

    facts: TourFacts
    reached: tuple[tuple[Chapter, int], ...]
    """Chapters that hold, in order, and since when."""
    now_us: int

    @property
    def next(self) -> Chapter | None:
        """What is to come now; None when all of it has happened."""
        chapters = list(Chapter)
        return chapters[len(self.reached)] if len(self.reached) < len(chapters) else None


def moments_of(facts: TourFacts) -> dict[Chapter, int | None]:
    """Return when each chapter was true by itself; None where the database does not show it."""
    carried, result = facts.carried, facts.result
    return {
        Chapter.RUNS: facts.runs_us,
        Chapter.ALARM: None if facts.alarm is None else facts.alarm.time_us,
        Chapter.PICTURE: None if facts.picture is None else facts.picture.time_us,
        Chapter.CHART: None if facts.violation is None else facts.violation.time_us,
        Chapter.LOSS: None if facts.lost is None else facts.lost.first_scrap_us,
        Chapter.PROPOSED: None if facts.proposed is None or facts.sample is None else facts.proposed.time_us,
        Chapter.EXECUTED: None if carried is None else carried.executed_us,
        # better than the seams that were looked at by hand, or it is no gain
        Chapter.GAIN: result.time_us if result is not None and facts.sample is not None and _better(facts) else None,
    }


def _better(facts: TourFacts) -> bool:
    before, after = facts.sample, facts.result
    return before is not None and after is not None and after.good * before.parts > before.good * after.parts


class TourService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, home: Path) -> None:
        self._pool, self._clock, self._home = pool, clock, home

    @property
    def there(self) -> bool:
        """Return whether this is the demo."""
        return self._status().get("mode") == "demo"

    def story(self) -> TourView:
        """Return the story since this start of the demo."""
        since_us = self._status().get("started_us")
        if not isinstance(since_us, int):
            raise Unavailable("the demo has not said yet when it began")
        now_us = self._clock.now_us()
        with self._pool.connection() as connection:
            facts = read_tour(connection, since_us, now_us)
        held = takewhile(lambda each: each[1] is not None, moments_of(facts).items())
        return TourView(facts, tuple((chapter, time_us) for chapter, time_us in held if time_us is not None), now_us)

    def _status(self) -> dict[str, Any]:
        try:
            told = json.loads((self._home / "run" / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}
