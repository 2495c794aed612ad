"""From the spool to the database, exactly once: what is durable is sent until the database has it, whatever happens between."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from ingest.leases import Leases
from ingest.segments import Frame
from ingest.shipments import AcceptedSpan, Packed, pack
from ingest.spool import Spool
from ingest.tail import Tail
from ingest.writer import SpoolWriter
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.site import Site
from storage.catalogue import register_site
from storage.database import Connection
from storage.leases import LeaseMoved, Terms, read_terms
from storage.samples import SampleWriter, accepted_span, best_batch, spool_watermark

_MOST_SAMPLES: Final = 200_000
_MOST_FRAMES: Final = 4_000
"""A record of few samples takes as much memory by its ledger as by them."""
_ROWS_A_SIGNAL: Final = 66
"""A backlog of a small site needs no batch deeper than this: twice as deep drains little faster and takes twice the memory."""
_SPOOLED_SECONDS: Final = 0.05
"""After records end, until they are in the spool."""
_GATHER_SECONDS: Final = 0.04
"""Sources end their records at the same time: what comes a moment later goes along."""
_SHORT_SECONDS: Final = 2.0
"""Raw samples that come so often need nothing to travel ahead of them."""
_BEHIND_SECONDS: Final = 3.0
_LONGEST_PAUSE_SECONDS: Final = 10.0
_PAUSE_SHARE: Final = 0.2
"""Of the time that the database has been away, until it is tried again."""
_SPAN_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 1.0
"""A wall clock that moved so much more than the steady one has been set."""
_log = structlog.get_logger(__name__)


class Shipper:
    """Ships in a thread of its own, over a connection of its own. ``site`` gives what must be registered before its samples can go."""

    def __init__(
        self,
        spool: Spool,
        writer: SpoolWriter,
        connect: Callable[[], Connection],
        site: Callable[[], Site],
        quarantine: Path,
        clock: Clock,
        *,
        seed: int,
        every_seconds: float | None = 1.0,
        leases: Leases | None = None,
        early_bytes: int = 1_000_000_000,
    ) -> None:
        """Ship each ``every_seconds``, None for what the site's settings say; at once when the spool holds ``early_bytes``."""
        self._spool = spool
        self._writer = writer
        self._connect = connect
        self._site = site
        self._quarantine = quarantine
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._given_seconds = every_seconds
        self._leases = leases
        self._early_bytes = early_bytes
        self._terms: Terms | None = None
        self._most_samples = _MOST_SAMPLES
        self._caught_up_at = clock.monotonic()
        self._waiting: list[Frame] = []
        self._most_frames = _MOST_FRAMES
        self._refused: set[int] = set()
        self._registered: Site | None = None
        self._span: AcceptedSpan = (0, 0)
        self._span_at = float("-inf")
        self._steady = 0.0
        """The steady clock less the wall clock when the span was asked for."""
        self._tail: Tail | None = None
        self._stopping = threading.Event()
        self._stop_at = float("inf")
        self._away_since: float | None = None
        self.away: str | None = "not connected yet"
        """Why nothing can be shipped now; None while the database takes it."""
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    @property
    def every_seconds(self) -> float:
        """Time between two shipments."""
        return self._site().ingest.return_interval_ms / 1000 if self._given_seconds is None else self._given_seconds

    @property
    def behind(self) -> bool:
        """Whether raw samples come too late to tell how things are now: newest values should travel ahead of them."""
        return self.every_seconds > _SHORT_SECONDS or self._clock.monotonic() - self._caught_up_at > _BEHIND_SECONDS

    def start(self) -> None:
        """Begin to ship; the spool must be open."""
        self._tail = Tail(self._spool, self._spool.cursor.released)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ship what the database takes within some seconds, then end."""
        self._stop_at = self._clock.monotonic() + seconds
        self._stopping.set()
        self._writer.news.set()
        self._thread.join(seconds + 10)

    def _run(self) -> None:
        while not self._over():
            try:
                with self._connect() as connection:
                    self._ship_all(connection)
            except Unavailable as error:
                if self.away is None or self._away_since is None:
                    _log.warning("the database is away; samples wait in the spool", reason=str(error))
                self.away = str(error)
            except Exception as error:  # noqa: BLE001 - shipping must go on whatever a library raises
                _log.exception("shipping failed; trying again", error=repr(error))
                self.away = repr(error)
            now = self._clock.monotonic()
            self._away_since = now if self._away_since is None else self._away_since
            # by how long it has been away, not by how often it was: a database that crashed and is back is found at once
            pause = min(_LONGEST_PAUSE_SECONDS, max(0.25, _PAUSE_SHARE * (now - self._away_since)))
            self._wait(0.3 if self._stopping.is_set() else pause * (0.5 + self._random.random()))

    def _wait(self, seconds: float) -> None:
        if self._stopping.is_set():
            self._clock.sleep(seconds)
        else:
            self._stopping.wait(seconds)

    def _over(self) -> bool:
        if not self._stopping.is_set():
            return False
        return self._clock.monotonic() >= self._stop_at or (not self._waiting and self._spool.cursor.released >= self._spool.durable)

    def _ship_all(self, connection: Connection) -> None:
        """Ship until the stop. Raises Unavailable when the database goes away."""
        self._registered = None
        self._span_at = float("-inf")
        if self._leases is not None and not self._leases.settled.wait(1.0):
            raise Unavailable("who reads which source is not known yet")
        self._begin(connection)
        samples = SampleWriter(connection)
        if self.away is not None:
            _log.info("the database takes samples", waiting_frames=self._spool.durable - self._spool.cursor.released)
            self.away = None
        before = self._spool.cursor.released
        while not self._over():
            started = self._clock.monotonic()
            self._writer.news.clear()
            if self._registered is not self._site():
                # also while nothing is to ship: a source that never answered must be seen too
                self._register(connection)
            if self._ship_next(connection, samples):
                self._away_since = None
                self._clock.sleep(0.02)
                continue
            self._away_since = None
            self._caught_up_at = self._clock.monotonic()
            if not self._stopping.is_set():
                # the first of a connection goes at once: somebody has waited for it since the start or since the database went away
                if self._spool.cursor.released > before or self.every_seconds > _SHORT_SECONDS:
                    self._rest(self._due(started))
                if self._writer.news.wait(2.0):
                    self._stopping.wait(_GATHER_SECONDS)

    def _due(self, started: float) -> float:
        """Return when to ship next. Records end at fixed moments of the clock: right behind these, so that none of them waits."""
        every = self.every_seconds
        if every > _SHORT_SECONDS:
            return started + every
        after = min(_SPOOLED_SECONDS, 0.25 * every)
        return self._clock.monotonic() + every - (self._clock.now_us() / 1e6 - after) % every

    def _rest(self, due: float) -> None:
        """Wait until the next shipment, deep batches are what makes COPY cheap; new settings and a full spool do not wait."""
        while not self._stopping.is_set() and self._registered is self._site() and self._spool.size < self._early_bytes:
            left = due - self._clock.monotonic()
            if left <= 0:
                return
            self._stopping.wait(min(1.0, left))

    def _begin(self, connection: Connection) -> None:
        """Learn how far the database is, and go on right behind it: the answer to the last shipment may have been lost."""
        self._look_at_terms(connection)
        signals = len(self._site().signals)
        self._most_samples = min(best_batch(connection, signals), max(_MOST_SAMPLES, _ROWS_A_SIGNAL * signals))
        stored = spool_watermark(connection, self._spool.uuid)
        if stored > self._spool.last:
            _log.error("the database knows records that this spool does not: was an old spool put back?", stored=stored)
            self._spool.floor = stored
        if self._waiting and self._waiting[0].number <= stored:
            self._settle_stored(stored)

    def _look_at_terms(self, connection: Connection) -> None:
        if self._leases is not None:
            self._terms = read_terms(connection, self._spool.uuid)

    def _settle_stored(self, stored: int) -> None:
        done = [frame for frame in self._waiting if frame.number <= stored]
        self._waiting = [frame for frame in self._waiting if frame.number > stored]
        try:
            self._settle(pack(self._spool.uuid, done, self._spool.cursor.notes, self._span))
        except Rejected as error:
            _log.error("frames that the database has cannot be read", error=str(error))

    def _ship_next(self, connection: Connection, samples: SampleWriter) -> bool:
        """Ship what is ready; return whether more may be."""
        durable = self._spool.durable
        if not self._waiting and self._tail is not None:
            self._waiting = self._tail.read(self._most_samples)
            self._spool.read_through = self._tail.after
            stored = spool_watermark(connection, self._spool.uuid) if self._waiting else 0
            if self._waiting and self._waiting[0].number <= stored:
                self._settle_stored(stored)
        if not self._waiting:
            return False
        began = self._clock.monotonic()
        self._look_at_span(connection, began)
        frames = self._waiting[: self._most_frames]
        try:
            packed = self._pack(frames)
            samples.ship(packed.shipment)
        except LeaseMoved as error:
            _log.warning("who reads what has changed; the shipment is made anew", reason=str(error))
            self._look_at_terms(connection)
            return True
        except Rejected as error:
            if self._span_at < began:
                # what is kept may have moved on since it was asked for: no record may suffer from that
                self._span_at = float("-inf")
            else:
                self._narrow(samples, frames, error)
            return True
        self._waiting = self._waiting[len(frames) :]
        self._settle(packed)
        self._most_frames = min(_MOST_FRAMES, self._most_frames * 2)
        # a read ends with its segment: what was durable before it may stand in the next one
        return bool(self._waiting) or packed.shipment.last < durable

    def _look_at_span(self, connection: Connection, now: float) -> None:
        """Ask which times the database takes: now and then, and at once when our clock was set, for it says how late it is."""
        steady = now - self._clock.now_us() / 1e6
        if now - self._span_at > _SPAN_SECONDS or abs(steady - self._steady) > _STEP_SECONDS:
            self._span = accepted_span(connection, self._clock)
            self._span_at, self._steady = now, steady

    def _pack(self, frames: list[Frame]) -> Packed:
        refused = self._refused
        return pack(self._spool.uuid, frames, self._spool.cursor.notes, self._span, lambda frame: frame.number in refused, self._terms)

    def _settle(self, packed: Packed) -> None:
        for source, count in packed.taken.items():
            self._writer.shipped(source, count)
        self._spool.release(packed.shipment.last, packed.notes)

    def _register(self, connection: Connection) -> None:
        site = self._site()
        register_site(connection, site)
        self._registered = site

    def _narrow(self, samples: SampleWriter, frames: list[Frame], error: Rejected) -> None:
        """Find the one frame that the database refuses, keep it aside, and let all others pass."""
        if len(frames) > 1:
            self._most_frames = len(frames) // 2
            return
        frame = frames[0]
        if frame.number not in self._refused:
            self._refused.add(frame.number)
            self._keep_aside(frame, error)
            return
        # not even its ledger is taken: only its number can pass
        _log.error("a record of the spool was refused whole; its samples stand in no ledger", number=frame.number, reason=str(error))
        empty = pack(self._spool.uuid, [Frame(frame.number, 0, 0, b"-")], self._spool.cursor.notes, self._span)
        samples.ship(empty.shipment)
        self._waiting = self._waiting[1:]
        self._settle(empty)

    def _keep_aside(self, frame: Frame, error: Rejected) -> None:
        path = self._quarantine / f"{self._spool.uuid}-{frame.number}.record"
        _log.error("the database refuses a record; it is kept aside and its samples count as rejected", file=str(path), reason=str(error))
        try:
            self._quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(frame.content)
        except OSError as failure:
            _log.error("the refused record could not be kept aside", file=str(path), error=str(failure))
