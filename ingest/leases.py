"""Which sources this gateway may read: it holds their leases, or nobody can take them because the database is away.

A gateway reads a source whose lease it holds, and stands by for the others. While the database is away the holder reads on: nobody else
can take over then. At a start without the database it reads what it held last and what it knows nothing of, but not what another gateway
held when it last looked. What it reads after another has taken over is fenced when it is shipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog

from ingest.files import Files
from ingest.records import Mark, SourceState
from ingest.spool import Spool
from ingest.ticks import minutes_between, ticks_between
from ingest.writer import SpoolWriter
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.signals import SignalPath, SourceId
from storage.catalogue import read_source_times
from storage.database import Connection
from storage.leases import Taken, read_begins, release, renew, take
from storage.tightening import newest_of

_PATIENCE_SECONDS: Final = 1.0
"""How long a start waits for the database before it goes by what it knew last."""
_LONGEST_PAUSE_SECONDS: Final = 5.0
_MEMORY: Final = "leases"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Right:
    """To read one source. Another ``run`` says that the source was another gateway's meanwhile: its reader must begin anew."""

    run: int
    begin_us: int = 0
    """Before it another gateway read, or a gap was written down; 0 where this one was the first."""
    interval_us: int = 0
    signals: int = 0


class _Memory(msgspec.Struct):
    """What was known of the leases when the database was last there: the begin of each term of ours, None for another's."""

    begins: dict[str, tuple[int, int, int] | None] = {}


class Leases:
    """Keeps the leases of the sources that ``wanted`` names, in a thread of its own. ``running`` says which are being read right now.

    ``wanted`` gives interval and number of signals of each; the interval is 0 for a source that sends by itself.

    A source that is lost is no longer in ``rights`` at once; it is taken again only after its reader has ended.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        spool: Spool,
        writer: SpoolWriter,
        files: Files,
        memory: Path,
        clock: Clock,
        *,
        name: str,
        wanted: Callable[[], Mapping[SourceId, tuple[int, int]]],
        running: Callable[[], Collection[SourceId]],
        return_us: Callable[[], int],
        every_seconds: float = 1.0,
    ) -> None:
        self._connect = connect
        self._spool = spool
        self._writer = writer
        self._files = files
        self._path = memory / _MEMORY
        self._clock = clock
        self._name = name
        self._wanted = wanted
        self._running = running
        self._return_us = return_us
        self._every_seconds = every_seconds
        self._mutex = threading.Lock()
        self._rights: dict[SourceId, Right] = {}
        self._known: dict[str, tuple[int, int, int] | None] = self._remembered()
        self._runs = 0
        self._stopping = threading.Event()
        self._release = False
        self._clean = False
        self.changed = threading.Event()
        """Set when ``rights`` became others; cleared by who looks."""
        self.settled = threading.Event()
        """Set once the database has said who reads what: before, nothing may be shipped."""
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @property
    def rights(self) -> Mapping[SourceId, Right]:
        """The sources that may be read now."""
        with self._mutex:
            return dict(self._rights)

    def start(self) -> None:
        """Begin, and wait a moment for the database: when it does not answer, go by what was known last."""
        self._thread.start()
        if not self.settled.wait(_PATIENCE_SECONDS):
            self._assume()

    def stop(self, *, clean: bool) -> None:
        """Give all leases back. ``clean``: all that was read has been stored; call it only when nothing reads any more."""
        self._clean, self._release = clean, True
        self._stopping.set()
        self._thread.join(5)

    def add(self) -> None:
        """Be told that other sources are wanted than before: without the database they are read at once."""
        if not self.settled.is_set():
            self._assume()

    def _assume(self) -> None:
        """The database does not answer: read what was ours last and what nobody else is known to read."""
        with self._mutex:
            for source in self._wanted():
                begin = self._known.get(source, (0, 0, 0))
                if source not in self._rights and begin is not None and not self.settled.is_set():
                    self._restate(source, Taken(source, 0, *begin))
                    self._rights[source] = Right(self._next_run(), *begin)
        self.changed.set()

    def _next_run(self) -> int:
        self._runs += 1
        return self._runs

    def _run(self) -> None:
        pause = 0.25
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    pause = 0.25
                    while not self._stopping.is_set():
                        self._round(connection)
                        self.settled.set()
                        self._stopping.wait(self._every_seconds)
                    self._give_back(connection)
                    return
            except (Unavailable, Rejected) as error:
                if pause == 0.25:
                    _log.warning("leases cannot be renewed; what is read is read on", reason=str(error))
            except Exception as error:  # noqa: BLE001 - without leases no other gateway could ever stand in
                _log.exception("leases failed", error=repr(error))
            self._stopping.wait(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 1.5)

    def _round(self, connection: Connection) -> None:
        wanted = self._wanted()
        running = set(self._running())
        held, free = renew(connection, self._spool.uuid, self._name, self._return_us(), wanted, self._clock.now_us())
        with self._mutex:
            before = dict(self._rights)
        lost = [source for source in before if source not in held]
        new = [source for source in held if source not in before]
        begins = read_begins(connection, self._spool.uuid, new) if new else []
        with self._mutex:
            for source in lost:
                del self._rights[source]
        if lost:
            if set(lost) & set(wanted):
                _log.warning("another gateway reads these sources now", sources=sorted(set(lost) & set(wanted)))
            self.changed.set()
        given_up = [source for source in lost if source not in wanted and source not in running]
        if given_up:
            release(connection, self._spool.uuid, given_up, clean=False)
        for begin in begins:
            self._grant(connection, begin)
        for source in free:
            # the reader of an earlier term must have ended: its records stand before those of the new one
            if source not in running and source not in before:
                self._take(connection, source, wanted[source])
        self._remember(wanted)

    def _take(self, connection: Connection, source: SourceId, own: tuple[int, int]) -> None:
        now_us = self._clock.now_us()
        if not self._writer.settle(2.0):
            return
        taken = take(connection, source, self._spool.uuid, self._spool.last + 1, now_us, own, _ticks_by_minute)
        if taken is not None:
            _log.warning("took a source over", source=source, before=taken.before, missing=taken.missing)
            self._grant(connection, taken)

    def _grant(self, connection: Connection, taken: Taken) -> None:
        if taken.epoch > 1:
            tightened = newest_of(connection, taken.source)
            sequences = {} if tightened is None else {"tightening": tightened[0], "time": tightened[1]}
            self._restate(taken.source, taken, read_source_times(connection, taken.source), sequences)
        begin = (taken.from_us, taken.interval_us, taken.signals) if taken.epoch > 1 else (0, 0, 0)
        with self._mutex:
            self._rights[taken.source] = Right(self._next_run(), *begin)
        self.changed.set()

    def _restate(
        self, source: SourceId, taken: Taken, times: Mapping[SignalPath, int] | None = None, sequences: dict[str, int] | None = None
    ) -> None:
        """Let the reader that begins know where it begins, unless the spool tells of a later time."""
        known = self._writer.state_of(source)
        if not taken.from_us or (known is not None and known.mark.end_us >= taken.from_us):
            return
        mark = Mark(taken.from_us, taken.interval_us, taken.signals)
        paths = tuple(times or ())
        last_us = np.array([(times or {})[path] for path in paths], np.int64) if paths else None
        self._writer.restate(source, SourceState(mark, 0, paths, last_us, sequences or {}))

    def _give_back(self, connection: Connection) -> None:
        if self._release:
            release(connection, self._spool.uuid, list(self.rights), clean=self._clean)

    def _remember(self, wanted: Collection[SourceId]) -> None:
        """Keep who reads what, for a start while the database is away."""
        with self._mutex:
            ours = {source: (right.begin_us, right.interval_us, right.signals) for source, right in self._rights.items()}
        known: dict[str, tuple[int, int, int] | None] = {source: ours.get(source) for source in wanted}
        if known == self._known:
            return
        try:
            self._files.replace(self._path, msgspec.json.encode(_Memory(known)))
        except OSError as error:
            _log.warning("who reads what could not be kept", file=str(self._path), error=error.strerror)
        self._known = known

    def _remembered(self) -> dict[str, tuple[int, int, int] | None]:
        try:
            return msgspec.json.decode(self._files.read(self._path), type=_Memory).begins
        except (OSError, msgspec.MsgspecError, ValueError):
            return {}


def _ticks_by_minute(from_us: int, to_us: int, interval_us: int) -> list[tuple[int, int]]:
    return [(minute, ticks_between(start, end, interval_us)) for minute, start, end in minutes_between(from_us, to_us)]
