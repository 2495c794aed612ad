"""What keeps the database in shape: partitions ahead, rollups, retention and the disk budget."""

from __future__ import annotations

from dataclasses import dataclass

from plant.clock import Clock
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What one run did."""

    partitions_made: int
    seconds_rolled: int
    """Seconds of samples whose rollups were made anew."""
    dropped: tuple[str, ...]
    """Partitions or chunks given up for the budget, the first first."""


class Upkeep:
    """Keeps one database in shape; two at once do no harm."""

    def __init__(self, connection: Connection, *, budget_bytes: int | None, clock: Clock) -> None:
        self._connection = connection
        self._budget_bytes = budget_bytes
        self._clock = clock

    def run_once(self) -> UpkeepReport:
        """Make partitions ahead, bring all rollups up to date, and drop what the budget has no room for."""
        raise NotImplementedError
