"""The ledger of samples: what was expected of a source, and where each of them went.

For each source and minute ``expected = stored + unchanged + filtered + duplicate + rejected + in_spool + gap``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from plant.signals import SignalPath, SourceId

MINUTE_US = 60_000_000

LATENESS_EDGES_US: npt.NDArray[np.int64] = np.unique(np.round(np.geomspace(10, 10_000_000, 61)).astype(np.int64))
"""Upper edges of the bins that lateness is counted in, shape (61,), microseconds; one more bin takes the rest.

Ten bins a decade: a percentile read from them is right within 26 %, and bins of any two spans can be added.
"""
LATENESS_BINS = len(LATENESS_EDGES_US) + 1


class GapReason(StrEnum):
    """Why samples could not be taken."""

    OVERRUN = "overrun"
    """The reader was not back in time: ticks were missed."""
    DISCONNECTED = "disconnected"
    """The source was away."""
    STOPPED = "stopped"
    """Our own process was not running."""
    NODE = "node"
    """The source does not know this address."""
    TYPE = "type"
    """The source sends another data type than the signal is pinned to."""
    OVERFLOW = "overflow"
    """The source said that its queue overflowed."""
    SEQUENCE = "sequence"
    """A sequence number was skipped."""
    SPOOL_FULL = "spool_full"
    SPOOL_CORRUPT = "spool_corrupt"
    CLOCK = "clock"
    """Our clock stepped."""
    TIMEOUT = "timeout"
    """The source did not answer in time."""
    TAKEOVER = "takeover"
    """Another gateway took the source over: what the one before may still bring from its spool makes this gap smaller."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that could not be taken: from, to (exclusive), how many, and why."""

    source: SourceId
    from_us: int
    to_us: int
    count: int
    reason: GapReason
    signal: SignalPath | None = None
    """The one signal concerned, or None for the whole source."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many samples went where. Adding two spans adds their counts."""

    expected: int = 0
    stored: int = 0
    unchanged: int = 0
    filtered: int = 0
    duplicate: int = 0
    rejected: int = 0
    gap: int = 0

    def __add__(self, other: Self) -> Self:
        # written out: it is done for each tick of each source
        return type(self)(
            self.expected + other.expected,
            self.stored + other.stored,
            self.unchanged + other.unchanged,
            self.filtered + other.filtered,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.gap + other.gap,
        )

    def unexplained(self, in_spool: int = 0) -> int:
        """Return how many expected samples are accounted for nowhere: 0 when the ledger adds up."""
        return self.expected - in_spool - (self.stored + self.unchanged + self.filtered + self.duplicate + self.rejected + self.gap)


def no_lateness() -> npt.NDArray[np.int64]:
    """Return an empty histogram, shape (LATENESS_BINS,)."""
    return np.zeros(LATENESS_BINS, np.int64)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What happened to the samples of one source within (a part of) one minute."""

    source: SourceId
    minute_us: int
    """Start of the minute, microseconds since 1970."""
    counts: Counts
    complete: bool = True
    """False where the source gives no way to know what was expected (no ticks, no sequence): completeness unknown."""
    ticks: int = 0
    """Cyclic reads made in this span; 0 for sources that send by themselves."""
    lateness: npt.NDArray[np.int64] = field(default_factory=no_lateness)
    """Histogram over LATENESS_EDGES_US of how late each tick started."""


def lateness_histogram(lateness_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many of the given lateness values, in microseconds, fall in each bin; shape (LATENESS_BINS,)."""
    return np.bincount(np.searchsorted(LATENESS_EDGES_US, lateness_us), minlength=LATENESS_BINS).astype(np.int64)


def percentile_us(histogram: npt.NDArray[np.int64], q: float) -> int | None:
    """Return the upper edge of the bin that holds quantile ``q`` (0..1), in microseconds; None for an empty histogram."""
    total = int(histogram.sum())
    if total == 0:
        return None
    position = int(np.searchsorted(np.cumsum(histogram), q * total))
    return int(LATENESS_EDGES_US[min(position, len(LATENESS_EDGES_US) - 1)])


def minute_of(time_us: int) -> int:
    """Return the start of the minute that a time lies in, microseconds."""
    return time_us - time_us % MINUTE_US
