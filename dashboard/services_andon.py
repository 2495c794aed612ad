"""What stations need, and since when."""

from __future__ import annotations

from dashboard.hub import Hub
from plant.clock import Clock
from storage.database import Pool


class AndonService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, hub: Hub, clock: Clock) -> None:
        self._pool, self._hub, self._clock = pool, hub, clock
