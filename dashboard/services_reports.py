"""Reports of shifts, and every table as a file."""

from __future__ import annotations

from pathlib import Path

from plant.clock import Clock
from storage.database import Pool


class ReportService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._site_file = pool, clock, site_file
