"""A reader process: reads some sources and hands encoded records to the process that holds the spool.

A source that hangs, a reply that takes all memory or a decoder that crashes costs the sources of this process some ticks, all of them
counted, and those of other processes none.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import sys
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog
from pydantic import TypeAdapter

from ingest.health import SourceHealth
from ingest.link import Begin, Durable, Ended, Link, Lost, Message, Quit, Reports, SentRecord, Start, Stop, frame_of, frame_of_record
from ingest.logs import log_to_stderr
from ingest.places import Places
from ingest.readers import LeavesAfterwards, Reader, Surroundings, make_reader
from ingest.record_bytes import decode_snapshot, encode
from ingest.records import Encoded, SourceState, without_samples
from ingest.writer import Submission
from plant.clock import Clock, SystemClock
from plant.equipment import EquipmentId
from plant.errors import Unavailable
from plant.ledger import GapReason
from plant.settings import SourceSettings
from plant.signals import SourceId
from storage.health import SourceReport

_MOST_RECORDS: Final = 4096
_MOST_SAMPLES: Final = 2_000_000
"""That wait to be durable: some 90 MB, six seconds of 10,000 signals each 30 ms."""
_BEAT_SECONDS: Final = 1.0
_QUIET_BEATS: Final = 5
"""A reader that shows no sign of life for so many beats is not vouched for."""
_SILENT_BEATS: Final = 10
"""A reader that shows no sign of life for so many beats hangs."""
_STOP_SECONDS: Final = 10.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Sent:
    submission: Submission
    encoded: Encoded
    samples: int


class RemoteWriter:
    """The way to the spool's writer, from the readers of this process. Encodes in a thread of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[Submission] = deque()
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._states: dict[SourceId, SourceState] = {}
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._samples = 0
        self._number = 0

    def adopt(self, states: dict[SourceId, SourceState]) -> None:
        """Be told where sources stand."""
        with self._mutex:
            self._states.update(states)

    def state_of(self, source: SourceId) -> SourceState | None:
        """Return where a source stands by what was taken of it, or None when nothing was."""
        with self._mutex:
            return self._states.get(source)

    def submit(self, submission: Submission) -> bool:
        """Take a record to be written; False when too many wait, then nothing was taken. Never blocks."""
        count = _samples_of(submission)
        with self._changed:
            busy = len(self._waiting) + len(self._sent)
            if busy >= _MOST_RECORDS or (busy and self._samples + count > _MOST_SAMPLES):
                return False
            self._samples += count
            self._waiting.append(submission)
            self._changed.notify_all()
        return True

    def work(self) -> None:
        """Encode and send what is submitted, for ever."""
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                submission = self._waiting[0]
                self._number += 1
                number = self._number
            count = _samples_of(submission)
            submission, encoded = _encoded(submission)
            with self._changed:
                self._sent[number] = _Sent(submission, encoded, count)
                self._waiting.popleft()
            urgent = submission.on_durable is not None
            self._link.post(frame_of_record(SentRecord(number, encoded.body, submission.offered_again, urgent, submission.run)))

    def durable(self, through: int) -> None:
        """Be told that all records up to one are durable."""
        with self._changed:
            done = [self._sent.pop(number) for number in [number for number in self._sent if number <= through]]
            self._follow(done)
            self._changed.notify_all()
        for sent in done:
            if sent.submission.on_durable is not None:
                sent.submission.on_durable()

    def lost(self, number: int) -> None:
        """Be told that a record was not kept; those before it that are not lost were taken."""
        with self._changed:
            sent = self._sent.pop(number, None)
            taken = [self._sent[earlier] for earlier in self._sent if earlier < number]
            self._follow(taken)
            if sent is not None:
                self._samples -= sent.samples
            self._changed.notify_all()
        if sent is not None and sent.submission.on_lost is not None:
            sent.submission.on_lost(sent.submission.record)

    def settle(self, seconds: float) -> bool:
        """Return whether all that was submitted is durable or lost within some seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._sent, seconds)

    def _follow(self, done: list[_Sent]) -> None:
        for sent in done:
            if not sent.samples:
                # followed before
                continue
            source = sent.encoded.record.source
            self._states.setdefault(source, SourceState(sent.encoded.step.mark)).take(sent.encoded.step)
            self._samples -= sent.samples
            sent.samples = 0


def _samples_of(submission: Submission) -> int:
    return max(1, sum(line.counts.stored for line in submission.record.ledger))


def _encoded(submission: Submission) -> tuple[Submission, Encoded]:
    """Return a submission with its samples, and encoded; a record that cannot be encoded becomes a gap."""
    try:
        record = submission.whole()
        return replace(submission, record=record, harvest=None), encode(record)
    except Exception as error:  # noqa: BLE001 - a record that cannot be encoded must take none of the others with it
        _log.exception("a record cannot be encoded; its samples become a gap", source=submission.record.source, error=repr(error))
        gap = without_samples(submission.record, GapReason.SPOOL_FULL, f"it could not be encoded: {error!r}")
        return replace(submission, record=gap, harvest=None), encode(gap)


class Worker:
    """The sources of this process."""

    def __init__(self, link: Link, begin: Begin, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self.writer = RemoteWriter(link)
        self._around = Surroundings(EquipmentId(begin.site), self.writer, Places(Path(begin.home), Path(begin.settings)), clock, begin.seed)
        self._readers: dict[SourceId, Reader] = {}
        self._refused: dict[SourceId, SourceHealth] = {}
        self._beats: dict[SourceId, tuple[int, int]] = {}
        self._mutex = threading.Lock()
        self._settings: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)

    def start(self, what: Start) -> None:
        """Begin to read a source."""
        if what.state:
            self.writer.adopt(decode_snapshot(what.state))
        settings = self._settings.validate_json(what.settings)
        try:
            reader = make_reader(settings, tuple(what.signals), self._around)
        except Exception as error:  # noqa: BLE001 - one source that cannot be read must take none of the others with it
            _log.exception("a source cannot be read", source=settings.id, error=repr(error))
            refused = SourceHealth(SourceId(settings.id), None, insecure=False, now_us=self._clock.now_us())
            refused.say("refused", f"it cannot be read: {error}", self._clock.now_us())
            with self._mutex:
                self._refused[refused.source] = refused
            return
        with self._mutex:
            self._refused.pop(SourceId(settings.id), None)
            self._readers[SourceId(settings.id)] = reader
        reader.start()
        gc.collect()
        gc.freeze()

    def stop(self, sources: list[SourceId]) -> None:
        """Read some sources no more, and say so once their last records are durable."""
        with self._mutex:
            ending = {source: self._readers[source] for source in sources if source in self._readers}
        for reader in ending.values():
            reader.stop()
        deadline = self._clock.monotonic() + _STOP_SECONDS
        for source, reader in ending.items():
            if not reader.join(max(0.1, deadline - self._clock.monotonic())):
                _log.error("a source did not stop in time", source=source)
        self.writer.settle(_STOP_SECONDS)
        for reader in ending.values():
            if isinstance(reader, LeavesAfterwards):
                reader.disconnect()
        self.report()
        with self._mutex:
            for source in sources:
                self._refused.pop(source, None)
                # one that took too long may have a successor by now, which is not ours to forget
                if source in ending and self._readers.get(source) is ending[source]:
                    del self._readers[source]
        for source in sources:
            self._link.post(frame_of(Ended(source)))

    @property
    def sources(self) -> list[SourceId]:
        """The sources that are read."""
        with self._mutex:
            return list(self._readers)

    def report(self) -> None:
        """Tell how the sources are."""
        with self._mutex:
            healths = [*(reader.health for reader in self._readers.values()), *self._refused.values()]
        now = self._clock.now_us()
        reports = [health.report(now, 0, 0) for health in healths]
        self._link.post(frame_of(Reports([self._vouched(report) for report in reports])))

    def _vouched(self, report: SourceReport) -> SourceReport:
        silent = self._beats.get(report.source, (0, 0))[1]
        if silent < _QUIET_BEATS or report.state != "connected":
            return report
        return replace(report, state="connecting", detail=f"its reader shows no sign of life for {silent * _BEAT_SECONDS:.0f} s")

    def hanging(self) -> SourceId | None:
        """Return a source whose reader showed no sign of life for too long; to be asked at each beat."""
        with self._mutex:
            readers = list(self._readers.items())
        for source, reader in readers:
            beats, silent = self._beats.get(source, (0, 0))
            now = reader.health.beats
            self._beats[source] = (now, 0 if now != beats or not now else silent + 1)
            if self._beats[source][1] >= _SILENT_BEATS:
                return source
        return None


def run(end: socket.socket) -> int:
    """Read what the other end says, until it says otherwise or is gone; return the exit code."""
    log_to_stderr()
    sys.setswitchinterval(0.001)
    link = Link(end)
    worker: Worker | None = None
    quitting = threading.Event()
    try:
        while not quitting.is_set():
            for message in link.messages(_BEAT_SECONDS):
                if isinstance(message, Begin):
                    worker = _begin(link, message)
                elif worker is not None and not isinstance(message, SentRecord):
                    _take(worker, message, link, quitting)
    except Unavailable:
        # the process that holds the spool is gone: what was not handed over is lost, and it will be told as a gap
        return 1
    with contextlib.suppress(Unavailable):
        while link.unsent:
            list(link.messages(0.2))
    return 0


def _begin(link: Link, begin: Begin) -> Worker:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (begin.memory_bytes, resource.RLIM_INFINITY))
    worker = Worker(link, begin, SystemClock())
    threading.Thread(target=worker.writer.work, name="encoder", daemon=True).start()
    threading.Thread(target=_beat, args=(worker,), name="beat", daemon=True).start()
    return worker


def _beat(worker: Worker) -> None:
    """Report each second; end this process when one of its readers hangs, so that it is started anew."""
    while True:
        hanging = worker.hanging()
        if hanging is not None:
            _log.error("the reader of a source hangs; its process starts anew", source=hanging)
            os._exit(3)
        worker.report()
        threading.Event().wait(_BEAT_SECONDS)


def _take(worker: Worker, message: Message, link: Link, quitting: threading.Event) -> None:
    if isinstance(message, Durable):
        worker.writer.durable(message.through)
    elif isinstance(message, Lost):
        worker.writer.lost(message.number)
    elif isinstance(message, Start):
        worker.start(message)
        worker.report()
    elif isinstance(message, Stop):
        threading.Thread(target=worker.stop, args=(message.sources,), daemon=True).start()
    elif isinstance(message, Quit):

        def end() -> None:
            worker.stop(worker.sources)
            quitting.set()
            link.ring()

        threading.Thread(target=end, daemon=True).start()
