"""What goes from a spool to the database at once: it is stored whole, exactly once, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from plant.ledger import Gap, LedgerLine
from plant.samples import SampleBatch


@dataclass(frozen=True, slots=True)
class Shipment:
    """The records ``first`` to ``last`` of one spool. The pair (spool, last) is the batch id of exactly-once."""

    spool: UUID
    first: int
    last: int
    samples: SampleBatch
    ledger: tuple[LedgerLine, ...] = ()
    gaps: tuple[Gap, ...] = ()
