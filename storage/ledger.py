"""The ledger as stored: for each source and minute where its samples went, and the gaps."""

from __future__ import annotations

from plant.ledger import Gap, LedgerLine
from plant.signals import SourceId
from storage.database import Connection


def read_ledger(connection: Connection, from_us: int, to_us: int, source: SourceId | None = None) -> list[LedgerLine]:
    """Return the lines of the minutes that start in [from_us, to_us), by source and minute."""
    raise NotImplementedError


def read_totals(connection: Connection, from_us: int, to_us: int) -> dict[SourceId, LedgerLine]:
    """Return, for each source, the sum of its lines; ``minute_us`` is that of its first."""
    raise NotImplementedError


def read_gaps(connection: Connection, from_us: int, to_us: int, source: SourceId | None = None, most: int = 1000) -> list[Gap]:
    """Return the gaps that touch [from_us, to_us), the newest first, at most ``most``."""
    raise NotImplementedError
