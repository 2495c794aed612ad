"""From frames of the spool to one shipment: what is too old is counted as rejected, what was lost in the spool becomes a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from ingest.record_bytes import decode_record
from ingest.records import RECORD, Record, refused
from ingest.segments import Frame
from plant.ledger import Counts, Gap, GapReason, LedgerLine, minute_of
from plant.samples import concatenate
from plant.shipment import Shipment, SourceStand
from plant.signals import SourceId
from storage.leases import Term, Terms

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
    spool: UUID,
    frames: Sequence[Frame],
    notes: Notes,
    span: AcceptedSpan,
    refuse: Callable[[Frame], bool] = lambda _: False,
    terms: Terms | None = None,
) -> Packed:
    """Return what to send for some frames in a row. ``refuse`` names frames whose samples the database will not take.

    ``terms`` says by which right each record is written; without it all are. Raises Rejected for a frame that cannot be read.
    """
    notes = dict(notes)
    records: list[Record] = []
    taken: dict[SourceId, int] = {}
    gaps: list[Gap] = []
    lines: list[LedgerLine] = []
    stands: dict[SourceId, SourceStand] = {}
    for frame in frames:
        if frame.kind != RECORD:
            continue
        record, before = decode_record(frame.content)
        source = record.source
        lost = _lost_before(record, before, notes)
        notes[source] = (before + record.expected, record.mark.end_us)
        taken[source] = taken.get(source, 0) + record.kept
        term = None
        if terms is not None:
            stand = stands.get(source) or SourceStand(source, terms.epochs.get(source, 0))
            term, fenced = _right(terms, record, frame.number)
            if fenced:
                stands[source] = replace(stand, fenced=stand.fenced + record.kept)
                continue
            stands[source] = stand
        record = _without(record) if refuse(frame) else _within(record, span)
        told = record.ledger
        if lost is not None:
            gaps.append(lost)
            told = (LedgerLine(source, minute_of(lost.from_us), Counts(expected=lost.count, gap=lost.count)), *told)
        records.append(record)
        gaps.extend(record.gaps)
        lines.extend(told)
        if terms is not None:
            stands[source] = _moved(stands[source], record, told, term)
    samples = concatenate([record.samples for record in records if len(record.samples)])
    shipment = Shipment(spool, frames[0].number, frames[-1].number, samples, _summed(lines), tuple(gaps), tuple(stands.values()))
    shipment = replace(
        shipment,
        tightenings=tuple(result for record in records for result in record.tightenings),
        traces=tuple(trace for record in records for trace in record.traces),
        events=tuple(event for record in records for event in record.events),
        refreshes=tuple(refresh for record in records for refresh in record.refreshes),
    )
    return Packed(shipment, notes, taken)


def _right(terms: Terms, record: Record, number: int) -> tuple[Term | None, bool]:
    """Return the ended term that a record belongs to, None for the present one, and whether the record is fenced."""
    if record.source not in terms.epochs:
        return None, False
    own = [term for term in terms.terms if term.source == record.source and term.first_record <= number]
    if not own:
        return None, True
    term = own[-1]
    if term.until_us is None:
        return None, False
    return term, record.mark.end_us > term.until_us


def _moved(stand: SourceStand, record: Record, told: Sequence[LedgerLine], late: Term | None) -> SourceStand:
    mark = record.mark
    if late is None:
        still_open = tuple((minute_of(gap.from_us), gap.count) for gap in mark.open)
        return replace(stand, end_us=mark.end_us, interval_us=mark.interval_us, signals=mark.signals, open=still_open)
    brought: dict[tuple[int, int], int] = {(epoch, minute): count for epoch, minute, count in stand.late}
    for line in told:
        key = (late.next_epoch, line.minute_us)
        brought[key] = brought.get(key, 0) + line.counts.expected
    entries = tuple((epoch, minute, count) for (epoch, minute), count in brought.items())
    return replace(stand, late=entries, late_until_us=max(stand.late_until_us, mark.end_us))


def _lost_before(record: Record, before: int, notes: Notes) -> Gap | None:
    """Return the gap that a step in the running count shows: records in between were damaged on the disk."""
    known = notes.get(record.source)
    if known is None or before <= known[0]:
        return None
    detail = "records of the spool were damaged on the disk"
    return Gap(record.source, known[1], max(record.begins_us, known[1] + 1), before - known[0], GapReason.SPOOL_CORRUPT, None, detail)


def _without(record: Record) -> Record:
    """Return a record that the database will not take, with all it holds counted as rejected."""
    samples = record.samples.take(np.zeros(len(record.samples), np.bool_))
    return replace(refused(record, record.kept), samples=samples, tightenings=(), traces=(), events=(), refreshes=())


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
