"""The way to controllers that fetch over REST. The dashboard gives messages out and takes what is said; here is what stands in rows of it.

A message is offered from the moment it is SENT until it is answered or expires; one that was never given out surely did not arrive.
Answers are rows that the process takes up by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Final, Protocol, TypeVar, runtime_checkable

from delivery.ways import Beat, Ears, NotTaken, Pulse, ReadBack, Setup, Way
from plant.clock import Clock
from plant.deliveries import Answer, SignedMessage
from plant.errors import SettingsError, Unavailable
from plant.settings_delivery import RestController
from storage.database import Connection
from storage.rest_controllers import RestBeat, read_beats, was_fetched

T = TypeVar("T")
_LOOK_SECONDS: Final = 1.0
_ALIVE_TIMES: Final = 3.0
_BACK_US: Final = 60_000_000
"""Signs of life of the last minute count when this process begins."""


class Asks(Protocol):
    """Who does jobs at the database."""

    def ask(self, job: Callable[[Connection], T]) -> Awaitable[T]:
        """Return what a job returns. Raises Unavailable."""
        ...


@runtime_checkable
class NeedsDatabase(Protocol):
    """A way that reads the database itself."""

    def attach(self, desk: Asks) -> None:
        """Use this database."""
        ...


class RestWay:
    """The way to one controller; ``attach`` it to the database before it is opened."""

    def __init__(self, settings: RestController, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._desk: Asks | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard: dict[str, int] = {}

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        return self._settings.id

    def attach(self, desk: Asks) -> None:
        """Use this database."""
        self._desk = desk

    async def open(self, ears: Ears) -> None:
        """Begin to look for signs of life."""
        if self._desk is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look(self._desk, ears))

    async def close(self) -> None:
        """Look no more; what is offered stays so until it expires."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def reaches(self, work_unit: str) -> bool:
        """Whether the controller has fetched or said anything lately: what nobody fetches is not offered."""
        heard = self._heard.get(work_unit)
        return heard is not None and self._clock.now_us() - heard < _ALIVE_TIMES * self._settings.heartbeat_seconds * 1e6

    async def send(self, signed: SignedMessage) -> None:
        """A message that is SENT is offered by that."""

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Return whether it was ever given out; what became of one that was, nobody but the controller can tell."""
        if self._desk is None:
            return None
        number = signed.number
        return None if await self._desk.ask(lambda connection: was_fetched(connection, number)) else NotTaken()

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        """Nothing can be read from a controller that fetches; what it reads itself comes with its answer."""
        del signed
        return None

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """What is told is kept with how controllers stand, and given to each when it fetches."""

    def settled(self, signed: SignedMessage) -> None:
        """What is no longer SENT is no longer offered."""

    async def _look(self, desk: Asks, ears: Ears) -> None:
        after_us = self._clock.now_us() - _BACK_US
        while True:
            try:
                found = await desk.ask(partial(_beats_after, after_us))
            except Unavailable:
                found = []
            for one in found:
                after_us = max(after_us, one.time_us)
                if self._is_ours(one.work_unit):
                    self._heard[one.work_unit] = one.time_us
                    ears.beat(one.work_unit, Beat(one.time_us, bool(one.ai_off), one.counter, one.state or ""))
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_ours(self, work_unit: str) -> bool:
        return any(fnmatchcase(work_unit, pattern) for pattern in self._settings.work_units)


def _beats_after(after_us: int, connection: Connection) -> list[RestBeat]:
    return read_beats(connection, after_us)


def make_ways(setup: Setup) -> Sequence[Way]:
    """Return one way for each controller. Raises SettingsError."""
    ways = []
    for one in setup.controllers:
        if not isinstance(one, RestController):
            raise SettingsError(f"delivery.controllers: '{one.id}' does not fetch over REST")
        ways.append(RestWay(one, setup.clock))
    return ways
