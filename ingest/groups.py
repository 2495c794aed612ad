"""Which sources share a reader process, and the process of each group: started, heard, and started anew when it dies."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog
from pydantic import BaseModel

from ingest.link import Begin, Durable, Ended, Link, Lost, Message, Quit, Reports, SentRecord, Start, Stop, frame_of
from ingest.places import Places
from ingest.record_bytes import encode_snapshot, open_body
from ingest.writer import SpoolWriter, Submission
from ingest.zygote import Zygote
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.errors import Rejected, Unavailable
from plant.settings import OpcUaSourceSettings, SourceSettings
from plant.signals import Signal, SourceId
from storage.health import SourceReport

_LOAD_OF_ONE: Final = 100_000.0
"""Values a second before cyclic sources are spread over one process more; a third of what one was measured to read at 30 ms."""
_SILENT_SECONDS: Final = 10.0
_UNHEARD_SECONDS: Final = 3.0
"""A reader process that has told nothing for so long is not taken at its last word: it tells each second."""
_CALM_SECONDS: Final = 20.0
_LONGEST_PAUSE_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source that is to be read."""

    settings: SourceSettings
    signals: tuple[Signal, ...]

    @property
    def load(self) -> float:
        """How many values a second are expected."""
        wished = getattr(self.settings, "interval_ms", None) or 1000.0
        return sum(1e6 / (one.interval_us or 1000 * wished) for one in self.signals)


def assign(wanted: Mapping[SourceId, Wanted], known: Mapping[SourceId, str], processes: int) -> dict[SourceId, str]:
    """Return the group of each source.

    ``process`` in its settings names it. Of the others, those read cyclically are spread over as few processes as their load needs, at
    most ``processes``; those that send by themselves share one, so that their bursts make no tick late. A source stays where it is.
    """
    groups: dict[SourceId, str] = {}
    loads: dict[str, float] = {}
    free: list[SourceId] = []
    for source, what in wanted.items():
        named = what.settings.process
        if named is not None:
            groups[source] = named
        elif not isinstance(what.settings, OpcUaSourceSettings) or what.settings.read != "cyclic":
            groups[source] = "listeners"
        else:
            free.append(source)
    total = sum(wanted[source].load for source in free)
    names = [f"readers-{number}" for number in range(1, max(1, min(processes, math.ceil(total / _LOAD_OF_ONE))) + 1)]
    loads = dict.fromkeys(names, 0.0)
    for source in free:
        if known.get(source) in loads:
            groups[source] = known[source]
            loads[known[source]] += wanted[source].load
    for source in sorted((one for one in free if one not in groups), key=lambda one: (-wanted[one].load, one)):
        least = min(names, key=lambda name: (loads[name], name))
        groups[source] = least
        loads[least] += wanted[source].load
    return groups


class _Life:
    """One run of a reader process."""

    def __init__(self, link: Link, pid: int) -> None:
        self.link = link
        self.pid = pid
        self.handle = os.pidfd_open(pid)
        self.through = 0
        self.told = 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        self.link.close()
        os.close(self.handle)


class ReaderGroup:
    """The sources that share a reader process, and that process. ``start`` it once; it lives until ``stop``."""

    def __init__(
        self,
        name: str,
        site: EquipmentId,
        writer: SpoolWriter,
        zygote: Zygote,
        places: Places,
        clock: Clock,
        *,
        seed: int,
        memory_bytes: int,
    ) -> None:
        self.name = name
        self._site = site
        self._writer = writer
        self._zygote = zygote
        self._places = places
        self._clock = clock
        self._seed = seed
        self._memory_bytes = memory_bytes
        self._sources: dict[SourceId, Wanted] = {}
        self._reports: dict[SourceId, SourceReport] = {}
        self._ending: dict[SourceId, threading.Event] = {}
        self._mutex = threading.RLock()
        self._life: _Life | None = None
        self._trouble = ""
        self._told_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"group {name}", daemon=True)

    @property
    def sources(self) -> list[SourceId]:
        """The sources of this group."""
        with self._mutex:
            return list(self._sources)

    @property
    def pid(self) -> int | None:
        """The reader process, while it lives."""
        life = self._life
        return None if life is None else life.pid

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def read(self, source: SourceId, what: Wanted) -> None:
        """Read one source more."""
        with self._mutex:
            self._sources[source] = what
            if self._life is not None:
                self._life.link.post(self._start_of(source))

    def rename(self, source: SourceId, what: Wanted) -> None:
        """Take over settings that change nothing for the reader."""
        with self._mutex:
            self._sources[source] = what

    def forget(self, sources: Iterable[SourceId], seconds: float) -> None:
        """Read some sources no more; returns once their last records are in the spool, or after some seconds."""
        with self._mutex:
            gone = [source for source in sources if source in self._sources]
            for source in gone:
                del self._sources[source]
            ended = {source: threading.Event() for source in gone}
            if self._life is not None:
                self._ending.update(ended)
                self._life.link.post(frame_of(Stop(gone)))
            else:
                ended = {}
        deadline = self._clock.monotonic() + seconds
        for source, event in ended.items():
            if not event.wait(max(0.1, deadline - self._clock.monotonic())):
                _log.error("a source did not stop in time", source=source)
        with self._mutex:
            for source in gone:
                self._reports.pop(source, None)

    def reports(self) -> list[SourceReport]:
        """Return how each source is, as its reader said last; what is not known any more is not vouched for."""
        with self._mutex:
            trouble = self._trouble
            unheard = self._clock.monotonic() - self._told_at
            reports = list(self._reports.values())
        if trouble:
            return [replace(report, state="connecting", detail=trouble) for report in reports]
        if unheard < _UNHEARD_SECONDS:
            return reports
        why = f"its reader process has told nothing for {unheard:.0f} s"
        return [replace(report, state="connecting", detail=why) if report.state == "connected" else report for report in reports]

    @property
    def waiting(self) -> list[SourceId]:
        """The sources of which no reader has told yet."""
        with self._mutex:
            return [source for source in self._sources if source not in self._reports]

    def ask_to_stop(self) -> None:
        """Have the process end after its last records."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with self._mutex:
            if self._life is not None:
                self._life.link.post(frame_of(Quit()))

    def stop(self, seconds: float) -> None:
        """Return once the process has ended; it is killed when it takes too long."""
        self.ask_to_stop()
        self._thread.join(seconds)
        life = self._life
        if self._thread.is_alive() and life is not None:
            _log.error("a reader process did not stop in time", process=self.name)
            life.kill()
            self._thread.join(5)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                self._live()
            except Unavailable as error:
                why = str(error)
            except Exception as error:  # noqa: BLE001 - a group must be read again whatever happens
                _log.exception("a reader process cannot be looked after", process=self.name, error=repr(error))
                why = repr(error)
            else:
                why = ""
            if self._stopping.is_set():
                return
            self._trouble = f"its reader process {why}; it starts anew"
            _log.error("a reader process ended; it starts anew", process=self.name, reason=why)
            failures = 0 if self._clock.monotonic() - began >= _CALM_SECONDS else failures + 1
            if failures > 1:
                self._stopping.wait(min(_LONGEST_PAUSE_SECONDS, 0.25 * 2 ** min(failures, 8)))
            # the next reader goes on where the records of the last one end
            while not self._writer.settle(5) and not self._stopping.is_set():
                pass

    def _live(self) -> None:
        """Start a process and take what it sends until it is gone. Raises Unavailable, saying how it ended."""
        ours, theirs = socket.socketpair()
        link = Link(ours)
        try:
            with theirs:
                pid = self._zygote.fork(theirs)
            life = _Life(link, pid)
        except (OSError, Unavailable) as error:
            link.close()
            raise Unavailable(f"cannot be started: {error}") from error
        with self._mutex:
            self._life = life
            begin = Begin(self.name, self._site, str(self._places.home), str(self._places.settings), self._seed, self._memory_bytes)
            life.link.post(frame_of(begin))
            for source in self._sources:
                life.link.post(self._start_of(source))
            if self._stopping.is_set():
                life.link.post(frame_of(Quit()))
        try:
            self._hear(life)
        except Unavailable as error:
            code = self._zygote.exit_code(pid)
            if code is None:
                raise
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise Unavailable(how) from error
        finally:
            with self._mutex:
                self._life = None
                ending, self._ending = self._ending, {}
            for event in ending.values():
                event.set()
            life.kill()
            life.close()

    def _hear(self, life: _Life) -> None:
        silent = 0.0
        while True:
            if life.through > life.told:
                life.told = life.through
                life.link.post(frame_of(Durable(life.told)))
            looked_at, heard = self._clock.monotonic(), False
            for message in life.link.messages(1.0):
                heard = True
                self._take(life, message)
            # only time that was spent listening counts: this process may have been stopped itself
            silent = 0.0 if heard else silent + min(1.0, self._clock.monotonic() - looked_at)
            if silent > _SILENT_SECONDS:
                raise Unavailable(f"was silent for {silent:.0f} s and was killed")

    def _take(self, life: _Life, message: Message | SentRecord) -> None:
        if isinstance(message, SentRecord):
            self._record(life, message)
        elif isinstance(message, Reports):
            with self._mutex:
                self._trouble, self._told_at = "", self._clock.monotonic()
                self._reports.update({report.source: report for report in message.reports})
        elif isinstance(message, Ended):
            with self._mutex:
                event = self._ending.pop(message.source, None)
            if event is not None:
                event.set()

    def _record(self, life: _Life, sent: SentRecord) -> None:
        try:
            encoded = open_body(sent.body)
        except Rejected as error:
            raise Unavailable(f"sent a record that cannot be read ({error}) and was killed") from error
        submission = Submission(
            encoded.record,
            partial(self._on_durable, life, sent.number),
            lambda _: life.link.post(frame_of(Lost(sent.number))),
            sent.offered_again,
            sent.run,
            encoded=encoded,
            urgent=sent.urgent,
        )
        while not self._writer.submit(submission):
            # the disk is slow: the reader process has room for some seconds more, then it counts gaps
            self._clock.sleep(0.02)

    @staticmethod
    def _on_durable(life: _Life, number: int) -> None:
        life.through = max(life.through, number)
        life.link.ring()

    def _start_of(self, source: SourceId) -> list[bytes]:
        what = self._sources[source]
        state = self._writer.state_of(source)
        settings: BaseModel = what.settings
        known = b"" if state is None else encode_snapshot({source: state})
        return frame_of(Start(settings.model_dump_json().encode(), list(what.signals), known))
