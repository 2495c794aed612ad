"""Shipments into the database: stored whole, exactly once, or not at all."""

from __future__ import annotations

from uuid import UUID

from plant.shipment import Shipment
from storage.database import Connection


class SampleWriter:
    """What stores shipments over one connection of its own; keeps the numbers of signals it has met."""

    def __init__(self, connection: Connection, *, deadline_seconds: float = 60.0) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds

    def ship(self, shipment: Shipment) -> bool:
        """Store a shipment in one transaction; return False where it was stored before.

        Raises Rejected for an unknown signal or source, for a shipment that overlaps a stored one in part, and for values the
        database cannot hold: nothing of it is stored then. Raises Unavailable where the database is away: whether it was
        stored is then unknown, the connection is closed, and the same shipment is to be sent again over a new one.
        """
        raise NotImplementedError


def spool_watermark(connection: Connection, spool: UUID) -> int:
    """Return the last record of a spool that is stored; 0 where none is."""
    raise NotImplementedError


def accepted_span(connection: Connection) -> tuple[int, int]:
    """Return (from_us, to_us), the times that samples may have: within what raw storage keeps, at most a day ahead."""
    raise NotImplementedError
