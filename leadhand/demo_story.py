"""What happens in the demo: a robot is trimmed at its pendant, and all else follows from that in the real parts.

Here stands only what a plant's people would do: the seams that somebody looked at by hand are entered as a trial, and what is proposed then
waits for a visitor before the demo approves it by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from leadhand.child import Program
from leadhand.home import Home
from plant.errors import Rejected
from plant.tuning import Trial, TuningTarget
from storage.database import Connection
from storage.trials import add_trial

TRIM_SECONDS: Final = 45.0
"""After the robot was switched on, as soon as it welds."""
WHO: Final = "demo"
_LATEST_US: Final = 300_000_000
"""A demo whose robot was not trimmed by then goes on without."""


def book_of(home: Home) -> Path:
    """Return the file in which the simulated robot says what it welds by."""
    return home.path / "simulated" / "recipes.json"


def with_book(program: Program, home: Home) -> Program:
    """Return a simulator that welds, looks or is trimmed by that file."""
    return replace(program, arguments=(*program.arguments, "--recipes", str(book_of(home))))


@dataclass(slots=True)
class Story:
    """What became of it in this start of the demo."""

    book: Path
    target: TuningTarget
    since_us: int
    wait_us: int
    """So long a visitor has for deciding by himself."""
    _entered_us: int | None = field(default=None, init=False)

    def look(self, connection: Connection, now_us: int) -> bool:
        """Enter the seams that were looked at by hand, once; return whether that was done now. Raises Unavailable."""
        trim = self._trim()
        if trim is None or trim.get("sample") is None or self._entered_us is not None:
            return False
        sample = trim["sample"]
        trial = Trial(
            id=f"by-hand-{int(trim['from_us']) // 1_000_000}",
            target=self.target,
            parameters=dict(trim["parameters"]),
            parts=int(sample["parts"]),
            good=int(sample["good"]),
            scrapped=int(sample["scrapped"]),
            responses=dict(sample["responses"]),
            ended_us=now_us,
        )
        try:
            add_trial(connection, trial, actor=WHO, now_us=now_us)
        except Rejected:  # entered before
            self._entered_us = now_us
            return False
        self._entered_us = now_us
        return True

    def holds(self, now_us: int) -> bool:
        """Whether what is proposed is still left to visitors, however long it has waited."""
        if self._entered_us is not None:
            return now_us < self._entered_us + self.wait_us
        return self._trim() is not None or now_us < self.since_us + _LATEST_US

    def _trim(self) -> Mapping[str, Any] | None:
        """Return the recipe that a hand has made in this start; None while there is none."""
        try:
            told = json.loads(self.book.read_bytes())
        except (OSError, ValueError):
            return None
        return next((one for one in reversed(told) if one["trimmed"] and one["from_us"] >= self.since_us), None)
