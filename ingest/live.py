"""Newest values travel ahead of raw samples: where these come in minutes, or after a backlog, pages still show how things are now.

Reads the end of the spool, so a value that is shown is durable; nothing is read while raw samples come at once anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import numpy as np
import structlog

from ingest.record_bytes import decode_record
from ingest.records import RECORD
from ingest.segments import Frame
from ingest.spool import Spool
from ingest.tail import Tail
from plant.errors import Rejected, Unavailable
from plant.samples import FLAG_HISTORICAL, SampleBatch, concatenate
from storage.database import Connection
from storage.latest import LiveWriter

_MOST_SAMPLES: Final = 400_000
_LONGEST_PAUSE_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


class Live:
    """Writes the newest value of each signal that changed, once in ``every_seconds``, over a connection of its own.

    ``behind`` says whether raw samples come too late to show how things are. With ``fenced`` only sources are written whose lease the
    spool holds.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        spool: Spool,
        behind: Callable[[], bool],
        *,
        fenced: bool = True,
        every_seconds: float = 1.0,
    ) -> None:
        self._connect = connect
        self._spool = spool
        self._behind = behind
        self._fenced = fenced
        self._every_seconds = every_seconds
        self._tail = Tail(spool, 0)
        self._newest: SampleBatch | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self.written = 0
        """How many values travelled ahead since the start."""

    def start(self) -> None:
        """Begin; the spool must be open."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause = self._every_seconds
        while not self._stopping.is_set():
            if not self._behind():
                self._skip()
                self._stopping.wait(self._every_seconds)
                continue
            try:
                self._gather()
                with self._connect() as connection:
                    pause = self._every_seconds
                    self._write_on(LiveWriter(connection, self._spool.uuid if self._fenced else None))
            except Unavailable:
                # the shipper tells of it
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
            except Rejected as error:
                _log.warning("newest values were refused", reason=str(error))
                self._newest = None
            except Exception as error:  # noqa: BLE001 - what lies in the spool is shipped whatever happens here
                _log.exception("newest values could not be sent ahead", error=repr(error))
                pause = _LONGEST_PAUSE_SECONDS
            self._stopping.wait(pause)

    def _write_on(self, writer: LiveWriter) -> None:
        while self._behind() and not self._stopping.is_set():
            self._gather()
            if self._newest is not None:
                self.written += writer.write(self._newest)
                self._newest = None
            self._stopping.wait(self._every_seconds)

    def _skip(self) -> None:
        """What the database has by now need not travel ahead."""
        self._newest = None
        self._tail.go_to(self._spool.cursor.released)

    def _gather(self) -> None:
        """Keep the newest sample of each signal since the last write; while the database is away too, for it will be behind."""
        durable = self._spool.durable
        while self._tail.after < durable:
            try:
                frames = self._tail.read(_MOST_SAMPLES)
            except OSError:
                # shipped and gone meanwhile
                frames = []
            if not frames:
                self._tail.go_to(durable)
                return
            batches = [batch for frame in frames if (batch := _samples_of(frame)) is not None]
            if self._newest is not None:
                batches.append(self._newest)
            if batches:
                self._newest = newest_of(concatenate(batches))


def _samples_of(frame: Frame) -> SampleBatch | None:
    if frame.kind != RECORD or not frame.samples:
        return None
    try:
        return newest_of(decode_record(frame.content)[0].samples)
    except Rejected:
        # the shipper keeps it aside and says so
        return None


def newest_of(samples: SampleBatch) -> SampleBatch:
    """Return the newest sample of each signal, those left out that the source sends as history."""
    live = np.flatnonzero((samples.flags & FLAG_HISTORICAL) == 0)
    order = live[np.lexsort((samples.time_us[live], samples.signal[live]))]
    keep = np.zeros(len(samples), np.bool_)
    keep[order[np.flatnonzero(np.diff(samples.signal[order], append=-1))]] = True
    return samples.take(keep)
