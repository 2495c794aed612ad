"""Controllers that wait for a message over REST, by the thousand: none of them holds a thread or a database connection.

While anybody waits, one thread listens to what the database says of deliveries, and reads what is offered to all who wait in one query;
the event loop wakes whose work unit something came for. Nobody waits: nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping

import structlog

from dashboard.services_controllers import ControllerService
from dashboard.views_controllers import OfferView
from plant.clock import Clock
from plant.errors import Unavailable
from storage.database import Connection, connect, heard, listen
from storage.deliveries import DELIVERIES

MOST_WAITING = 2_000
_LOOK_SECONDS = 5.0
"""A look without being told of anything, in case a word was lost with a connection."""
_AGAIN_SECONDS = 1.0
_BREATH_SECONDS = 0.02
"""Between two looks however much is said."""
_BEATS_SECONDS = 1.0
_IDLE_SECONDS = 30.0
_ENDING_SECONDS = 0.3
_log = structlog.get_logger("controllers")


class Waiter:
    """One who waits, on the event loop."""

    def __init__(self, work_unit: str, loop: asyncio.AbstractEventLoop) -> None:
        self.work_unit = work_unit
        self._loop = loop
        self._came = asyncio.Event()
        self._offered: tuple[OfferView, ...] = ()
        self.ended = False
        """Whether the server ends: nobody waits any longer."""

    def tell(self, offered: tuple[OfferView, ...]) -> None:
        """Tell what is offered now; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take, offered)

    async def next(self, after: int, seconds: float) -> tuple[OfferView, ...]:
        """Return what is offered beyond a number, as soon as there is something; nothing after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.ended:
                    fresh = tuple(one for one in self._offered if one.number > after)
                    if fresh:
                        return fresh
                    self._came.clear()
                    await self._came.wait()
        return ()

    def end(self) -> None:
        """Wait no longer; on the event loop."""
        self.ended = True
        self._came.set()

    def _take(self, offered: tuple[OfferView, ...]) -> None:
        self._offered = offered
        self._came.set()


class DeliveryBoard:
    """What is offered to whom, from the first who waits to ``stop``."""

    def __init__(self, url: str, service: ControllerService, clock: Clock) -> None:
        self._url, self._service, self._clock = url, service, clock
        self._waiters: dict[str, list[Waiter]] = {}
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._beats = threading.Thread(target=self._keep_beats, name="controllers' signs of life", daemon=True)

    @property
    def waiting(self) -> int:
        """How many wait now."""
        with self._lock:
            return sum(map(len, self._waiters.values()))

    def start(self) -> None:
        """Begin to write signs of life."""
        self._beats.start()

    def stop(self) -> None:
        """End both threads, at their next turn, and let nobody wait on."""
        self._stopping.set()
        self._wanted.set()
        for thread in (self._thread, self._beats):
            if thread is not None and thread.is_alive():
                thread.join(2 * _LOOK_SECONDS)

    async def end_when(self, stopping: Callable[[], bool]) -> None:
        """Let nobody wait on once the server is asked to end: it closes when its last answer is given."""
        while True:
            await asyncio.sleep(_ENDING_SECONDS)
            if stopping():
                self._stopping.set()
                with self._lock:
                    waiters = [one for each in self._waiters.values() for one in each]
                for one in waiters:
                    one.end()

    def wait(self, work_unit: str) -> Waiter:
        """Return one who waits for a work unit's messages; ``leave`` when done. Raises Unavailable when too many wait."""
        waiter = Waiter(work_unit, asyncio.get_running_loop())
        with self._lock:
            waiter.ended = self._stopping.is_set()
            if sum(map(len, self._waiters.values())) >= MOST_WAITING:
                raise Unavailable("too many controllers wait: try again later")
            self._waiters.setdefault(work_unit, []).append(waiter)
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._listen, name="deliveries", daemon=True)
                self._thread.start()
        self._wanted.set()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Forget one who waited."""
        with self._lock:
            others = [one for one in self._waiters.get(waiter.work_unit, ()) if one is not waiter]
            if others:
                self._waiters[waiter.work_unit] = others
            else:
                self._waiters.pop(waiter.work_unit, None)

    # -- the listening thread ----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(_LOOK_SECONDS)
            if not self._units():
                self._wanted.clear()
                continue
            try:
                with contextlib.closing(connect(self._url, application="leadhand dashboard deliveries")) as connection:
                    listen(connection, DELIVERIES)
                    self._serve(connection)
            except Unavailable as error:
                _log.warning("controllers wait in vain: the database is away", reason=str(error))
                self._stopping.wait(_AGAIN_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it is, controllers wait on
                _log.exception("what is offered to controllers could not be read")
                self._stopping.wait(_AGAIN_SECONDS)

    def _serve(self, connection: Connection) -> None:
        """Tell all who wait what is offered, whenever something is said, until nobody has waited for a while."""
        idle = self._clock.monotonic()
        while not self._stopping.is_set():
            self._wanted.clear()
            units = self._units()
            if units:
                idle = self._clock.monotonic()
                self._tell(self._service.watched(connection, units))
            elif self._clock.monotonic() - idle > _IDLE_SECONDS:
                return
            self._stopping.wait(_BREATH_SECONDS)
            due = self._clock.monotonic() + _LOOK_SECONDS
            # who begins to wait is told at once what is there already, by whoever asks for him: no look is needed for that
            while not self._stopping.is_set() and self._clock.monotonic() < due and not heard(connection, 0.5):
                pass

    def _units(self) -> list[str]:
        with self._lock:
            return list(self._waiters)

    def _tell(self, offered: Mapping[str, tuple[OfferView, ...]]) -> None:
        with self._lock:
            told = [(waiter, offered[unit]) for unit in offered for waiter in self._waiters.get(unit, ())]
        for waiter, each in told:
            waiter.tell(each)

    def _keep_beats(self) -> None:
        while not self._stopping.wait(_BEATS_SECONDS):
            try:
                self._service.keep_beats()
            except Unavailable:
                continue
            except Exception:  # noqa: BLE001 - signs of life must go on
                _log.exception("signs of life of controllers could not be kept")
