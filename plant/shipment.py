"""What goes from a spool to the database at once: it is stored whole, exactly once, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from plant.events import ControllerEvent, Refresh
from plant.ledger import Gap, LedgerLine
from plant.samples import SampleBatch
from plant.signals import SourceId
from plant.tightening import TighteningResult, TighteningTrace


@dataclass(frozen=True, slots=True)
class SourceStand:
    """By which right the records of one source are written, and where the source stands behind them."""

    source: SourceId
    epoch: int
    """Of the lease as the gateway knows it; when the database knows another one, nothing of the shipment is stored. 0: nobody's."""
    end_us: int | None = None
    """All before this is accounted for but for ``open``. None where only records of an earlier term were in the shipment."""
    interval_us: int = 0
    """0 where the source sends by itself."""
    signals: int = 0
    open: tuple[tuple[int, int], ...] = ()
    """Samples by minute that are missing already and that no ledger line tells of yet."""
    late: tuple[tuple[int, int, int], ...] = ()
    """(epoch of the takeover, minute, expected samples) that records from before a takeover bring after it."""
    late_until_us: int = 0
    """Until when the late records tell."""
    fenced: int = 0
    """Samples that were read after another gateway had taken the source over: they are not stored."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """The records ``first`` to ``last`` of one spool. The pair (spool, last) is the batch id of exactly-once."""

    spool: UUID
    first: int
    last: int
    samples: SampleBatch
    ledger: tuple[LedgerLine, ...] = ()
    gaps: tuple[Gap, ...] = ()
    stands: tuple[SourceStand, ...] = ()
    """One for each source with a record in it; empty where no leases are kept."""
    tightenings: tuple[TighteningResult, ...] = ()
    traces: tuple[TighteningTrace, ...] = ()
    events: tuple[ControllerEvent, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
