"""The one thread that writes the spool: records of all sources, made durable in groups, with a word back when they are."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from ingest.record_bytes import content_of, decode_record, decode_snapshot, encode, encode_record, encode_snapshot, open_record
from ingest.records import RECORD, SNAPSHOT, Encoded, Mark, Record, SourceState, merged, without_samples
from ingest.segments import Frame
from ingest.spool import Spool, SpoolFull
from plant.clock import Clock
from plant.errors import Rejected
from plant.ledger import Gap, GapReason, LedgerLine
from plant.samples import SampleBatch
from plant.signals import SignalPath, SourceId

_WAITING: Final = 4096
"""Records that may wait for the disk; a minute of thirty sources."""
_ROOM_SECONDS: Final = 0.5
"""How often a disk that refuses is tried again."""
_QUIET_SECONDS: Final = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A record on its way to the spool."""

    record: Record
    on_durable: Callable[[], None] | None = None
    """Called, in the writer's thread, once the record is durable; asks for a sync at once."""
    on_lost: Callable[[Record], None] | None = None
    """Called instead when it could not be kept. Without it, or when it returns, the record's samples have become a gap."""
    offered_again: bool = False
    """Whether the source sends the samples again when they are not acknowledged: then a lost record leaves no trace."""
    run: int = 0
    """For such a source: once a record of a run is lost, all later ones of that run are refused too, so that order stays."""
    harvest: Callable[[], SampleBatch] | None = None
    """Gives the samples, where the record comes without: called where it is encoded, so that no tick waits for it."""
    encoded: Encoded | None = None
    """The record in bytes, where it was encoded elsewhere; ``record`` comes without its samples then."""
    urgent: bool = True
    """Whether ``on_durable`` is waited for; otherwise it is called at the next sync."""

    def whole(self) -> Record:
        """Return the record with its samples; to be asked once."""
        return self.record if self.harvest is None else replace(self.record, samples=self.harvest())


class RecordWriter(Protocol):
    """Where readers give their records: the spool's writer itself, or the way to it from a reader process."""

    def state_of(self, source: SourceId) -> SourceState | None:
        """Return where a source stands by what was taken of it, or None when nothing was."""
        ...

    def submit(self, submission: Submission) -> bool:
        """Take a record to be written; False when too many wait, then nothing was taken. Never blocks."""
        ...


class SpoolWriter:
    """Writes records to an open spool. ``states`` tells where each source stood when the spool was opened, and follows."""

    def __init__(self, spool: Spool, clock: Clock, *, sync_seconds: float = 0.03) -> None:
        """``sync_seconds``: how long a record waits for others before they are made durable together."""
        self._spool = spool
        self._clock = clock
        self._sync_seconds = sync_seconds
        self._queue: queue.Queue[Submission | threading.Event | None] = queue.Queue(_WAITING)
        self._states: dict[SourceId, SourceState] = {}
        self._lost: dict[SourceId, Record] = {}
        self._refused: dict[SourceId, int] = {}
        self._unacknowledged: list[Submission] = []
        self._mutex = threading.Lock()
        self._waiting: dict[SourceId, int] = {}
        self._unsynced_since: float | None = None
        self._full_since: float | None = None
        self.drop_oldest = False
        """Whether, when the spool is full, the oldest samples that wait become a gap; otherwise the newest do."""
        self.news = threading.Event()
        """Set when more has become durable."""
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        spool.opening = self._snapshot

    def open(self) -> None:
        """Open the spool, learn from it where each source stands, and begin to write. Raises what ``Spool.open`` raises."""
        self._spool.open(self._learn)
        if self._spool.damaged_bytes:
            _log.warning("the spool held damaged bytes; what they held becomes a gap", bytes=self._spool.damaged_bytes)
        self._thread.start()

    def state_of(self, source: SourceId) -> SourceState | None:
        """Return where a source stands by what the spool holds of it, or None when it holds nothing."""
        return self._states.get(source)

    def adopt(self, source: SourceId, state: SourceState) -> None:
        """Take over what another memory (the database) knows of a source that the spool does not know."""
        self._states.setdefault(source, state)

    def restate(self, source: SourceId, state: SourceState) -> None:
        """Let a source go on from another state than the spool knows: another gateway read it meanwhile. Nobody may be reading it."""
        known = self._states.get(source)
        self._states[source] = replace(state, total=0 if known is None else known.total)

    def in_spool(self, source: SourceId) -> int:
        """Return how many stored samples of a source wait for the database."""
        with self._mutex:
            return self._waiting.get(source, 0)

    def shipped(self, source: SourceId, samples: int) -> None:
        """Be told that samples of a source have reached the database."""
        with self._mutex:
            self._waiting[source] = max(0, self._waiting.get(source, 0) - samples)

    def submit(self, submission: Submission) -> bool:
        """Take a record to be written; False when too many wait, then nothing was taken. Never blocks."""
        try:
            self._queue.put_nowait(submission)
        except queue.Full:
            return False
        return True

    def settle(self, seconds: float) -> bool:
        """Return whether all that was submitted before was written and synced, or lost, within some seconds."""
        event = threading.Event()
        try:
            self._queue.put(event, timeout=seconds)
        except queue.Full:
            return False
        return event.wait(seconds)

    def close(self) -> None:
        """Write and sync what was submitted, then close the spool."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(30)
        self._spool.close()

    def _learn(self, frame: Frame) -> None:
        try:
            if frame.kind == SNAPSHOT:
                for source, state in decode_snapshot(frame.content).items():
                    known = self._states.get(source)
                    if known is None or state.total >= known.total:
                        self._states[source] = state
            elif frame.kind == RECORD:
                encoded, before = open_record(frame.content)
                record = encoded.record
                state = self._states.setdefault(record.source, SourceState(Mark(record.from_us)))
                state.total = before
                state.take(encoded.step)
                if frame.number > self._spool.cursor.released:
                    self._waiting[record.source] = self._waiting.get(record.source, 0) + encoded.samples
        except Rejected as error:
            _log.error("a frame of the spool cannot be read", number=frame.number, error=str(error))

    def _snapshot(self) -> Frame | None:
        if not self._states:
            return None
        # sources are adopted and restated by other threads
        return Frame(0, 0, SNAPSHOT, encode_snapshot(dict(self._states)))

    def _run(self) -> None:
        running = True
        while running:
            try:
                running = self._turn()
            except Exception as error:  # noqa: BLE001 - the one thread that keeps all samples must go on
                _log.error("the spool's writer failed", error=repr(error))
                self._clock.sleep(0.1)

    def _turn(self) -> bool:
        group = self._next_group()
        running = None not in group
        waiting = [item for item in group if isinstance(item, threading.Event)]
        urgent = not running or bool(waiting)
        for item in group:
            if isinstance(item, Submission):
                urgent = self._write(item) or urgent
        if len(waiting) + group.count(None) == len(group):
            # nobody submits: what was lost of a source that says no more is written down once there is room
            for source in list(self._lost):
                self._append_lost(source)
        if self._spool.last > self._spool.durable:
            now = self._clock.monotonic()
            since = self._unsynced_since = now if self._unsynced_since is None else self._unsynced_since
            if urgent or now - since >= self._sync_seconds:
                self._sync()
        else:
            self._unsynced_since = None
        for event in waiting:
            event.set()
        return running

    def _next_group(self) -> list[Submission | threading.Event | None]:
        try:
            group = [self._queue.get(timeout=self._pause())]
        except queue.Empty:
            return []
        while len(group) < 500:
            try:
                group.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return group

    def _pause(self) -> float:
        if self._unsynced_since is not None:
            return max(0.0, self._unsynced_since + self._sync_seconds - self._clock.monotonic())
        return _ROOM_SECONDS if self._lost else _QUIET_SECONDS

    def _write(self, submission: Submission) -> bool:
        record = submission.record
        if record.source in self._lost:
            self._append_lost(record.source)
        try:
            if submission.harvest is not None:
                record = submission.whole()
                submission = replace(submission, record=record, harvest=None)
            if submission.offered_again and self._refused.get(record.source) == submission.run:
                raise SpoolFull("an earlier record of this run was lost")  # noqa: TRY301 - one way to lose
            if record.source in self._lost:
                raise SpoolFull("an earlier record of this source still waits for room")  # noqa: TRY301 - one way to lose
            self._append(submission.encoded or encode(record))
        except Exception as error:  # noqa: BLE001 - a record that cannot be written must take none of the others with it
            self._lose(submission, str(error))
            return False
        if self._full_since is not None:
            _log.info("the spool takes samples again", after_seconds=round(self._clock.monotonic() - self._full_since, 1))
            self._full_since = None
        self._unacknowledged.append(submission)
        return submission.urgent and submission.on_durable is not None

    def _append(self, encoded: Encoded) -> None:
        source = encoded.record.source
        state = self._states.get(source) or SourceState(Mark(encoded.record.from_us))
        content = content_of(encoded, state.total)
        try:
            self._spool.append(encoded.samples, RECORD, content)
        except SpoolFull:
            if not (self.drop_oldest and self._spool.thin_oldest(self._thinned)):
                raise
            self._spool.append(encoded.samples, RECORD, content)
        self._states[source] = state
        state.take(encoded.step)
        with self._mutex:
            self._waiting[source] = self._waiting.get(source, 0) + encoded.samples

    def _thinned(self, frame: Frame) -> Frame:
        """Return a frame whose samples have become a gap: its ledger, by the minute, stays where it was."""
        if frame.kind != RECORD or not frame.samples:
            return frame
        try:
            record, before = decode_record(frame.content)
        except Rejected:
            return frame
        self.shipped(record.source, frame.samples)
        gone = without_samples(record, GapReason.SPOOL_FULL, "the oldest samples gave way to new ones")
        return Frame(frame.number, 0, RECORD, encode_record(gone, before))

    def _lose(self, submission: Submission, detail: str) -> None:
        if self._full_since is None:
            _log.error("the spool takes no more; samples become gaps", reason=detail)
            self._full_since = self._clock.monotonic()
        record = submission.record
        if submission.offered_again:
            self._refused[record.source] = submission.run
        else:
            gap = without_samples(record, GapReason.SPOOL_FULL, detail)
            known = self._lost.get(record.source)
            self._lost[record.source] = gap if known is None else _shortened(merged(known, gap))
        if submission.on_lost is not None:
            submission.on_lost(record)

    def _append_lost(self, source: SourceId) -> None:
        """Try to write down what was lost; it is kept in memory until there is room for it."""
        try:
            self._append(encode(self._lost[source]))
        except SpoolFull:
            return
        del self._lost[source]

    def _sync(self) -> None:
        try:
            self._spool.sync()
        except SpoolFull as error:
            # nothing is acknowledged; the frames are still in memory and are written to a new file next time
            _log.error("the spool cannot be made durable", reason=str(error))
            self._unsynced_since = self._clock.monotonic() + _ROOM_SECONDS
            self._clock.sleep(0.05)
            return
        self._unsynced_since = None
        done, self._unacknowledged = self._unacknowledged, []
        self.news.set()
        for submission in done:
            if submission.on_durable is not None:
                submission.on_durable()


def _shortened(record: Record) -> Record:
    """Return a record of losses with one ledger line a minute and one gap a reason, so that a long outage stays small."""
    lines: dict[int, LedgerLine] = {}
    for line in record.ledger:
        known = lines.get(line.minute_us)
        lines[line.minute_us] = (
            line
            if known is None
            else replace(
                known,
                counts=known.counts + line.counts,
                complete=known.complete and line.complete,
                ticks=known.ticks + line.ticks,
                lateness=known.lateness + line.lateness,
            )
        )
    gaps: dict[tuple[GapReason, SignalPath | None], Gap] = {}
    for gap in record.gaps:
        key = (gap.reason, gap.signal)
        first = gaps.get(key)
        gaps[key] = gap if first is None else replace(first, to_us=max(first.to_us, gap.to_us), count=first.count + gap.count)
    return replace(record, ledger=tuple(lines.values()), gaps=tuple(gaps.values()))
