"""From frames of the spool to one shipment: what is too old is counted as rejected, what was lost in the spool becomes a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from ingest.records import RECORD, Record, decode_record, refused
from ingest.segments import Frame
from plant.ledger import Counts, Gap, GapReason, LedgerLine, minute_of
from plant.samples import concatenate
from plant.shipment import Shipment
from plant.signals import SourceId

Notes = dict[str, tuple[int, int]]
"""For each source: how many samples its shipped records told of, and until when."""
AcceptedSpan = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Packed:
    """A shipment, what to remember once it is stored, and how many samples of each source it takes out of the spool."""

    shipment: Shipment
    notes: Notes
    taken: dict[SourceId, int]


def pack(
    spool: UUID, frames: Sequence[Frame], notes: Notes, span: AcceptedSpan, refuse: Callable[[Frame], bool] = lambda _: False
) -> Packed:
    """Return what to send for some frames in a row. ``refuse`` names frames whose samples the database will not take.

    Raises Rejected for a frame that cannot be read.
    """
    notes = dict(notes)
    records: list[Record] = []
    taken: dict[SourceId, int] = {}
    gaps: list[Gap] = []
    lines: list[LedgerLine] = []
    for frame in frames:
        if frame.kind != RECORD:
            continue
        record, before = decode_record(frame.content)
        lost = _lost_before(record, before, notes)
        if lost is not None:
            gaps.append(lost)
            lines.append(LedgerLine(record.source, minute_of(lost.from_us), Counts(expected=lost.count, gap=lost.count)))
        notes[record.source] = (before + record.expected, record.mark.end_us)
        taken[record.source] = taken.get(record.source, 0) + len(record.samples)
        record = _within(record, (1, 0) if refuse(frame) else span)
        records.append(record)
        gaps.extend(record.gaps)
        lines.extend(record.ledger)
    samples = concatenate([record.samples for record in records if len(record.samples)])
    shipment = Shipment(spool, frames[0].number, frames[-1].number, samples, _summed(lines), tuple(gaps))
    return Packed(shipment, notes, taken)


def _lost_before(record: Record, before: int, notes: Notes) -> Gap | None:
    """Return the gap that a step in the running count shows: records in between were damaged on the disk."""
    known = notes.get(record.source)
    if known is None or before <= known[0]:
        return None
    detail = "records of the spool were damaged on the disk"
    return Gap(record.source, known[1], max(record.from_us, known[1] + 1), before - known[0], GapReason.SPOOL_CORRUPT, None, detail)


def _within(record: Record, span: AcceptedSpan) -> Record:
    samples = record.samples
    keep = (samples.time_us >= span[0]) & (samples.time_us <= span[1])
    outside = len(samples) - int(np.count_nonzero(keep))
    if not outside:
        return record
    return replace(refused(record, outside), samples=samples.take(keep))


def _summed(lines: Iterable[LedgerLine]) -> tuple[LedgerLine, ...]:
    sums: dict[tuple[SourceId, int], LedgerLine] = {}
    for line in lines:
        key = (line.source, line.minute_us)
        known = sums.get(key)
        sums[key] = (
            line
            if known is None
            else LedgerLine(
                line.source,
                line.minute_us,
                known.counts + line.counts,
                known.complete and line.complete,
                known.ticks + line.ticks,
                known.lateness + line.lateness,
            )
        )
    return tuple(sums.values())
