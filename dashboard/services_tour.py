"""The story of the demo, as far as it has come."""

from __future__ import annotations

from pathlib import Path

from plant.clock import Clock
from storage.database import Pool


class TourService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, home: Path) -> None:
        self._pool, self._clock, self._home = pool, clock, home

    @property
    def there(self) -> bool:
        """Return whether this is the demo."""
        return False
