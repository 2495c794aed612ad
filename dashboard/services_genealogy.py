"""What happened to a serial number, and where lots went."""

from __future__ import annotations

from plant.clock import Clock
from storage.database import Pool


class GenealogyService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
