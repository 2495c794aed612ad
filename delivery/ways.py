"""Ways to line controllers: what every one of them does, whatever it speaks, and what the process and a way say to each other.

A way is one module (``mqtt``, ``sparkplug``, ``rest``, ``opcua_jobs``, ``opcua_server``) with a function ``make_ways``. It carries bytes
and answers and decides nothing: which message may go, what an answer means for a delivery and who is told is the worker's. Everything here
runs on the one event loop of the process; a library with threads of its own hands over by ``loop.call_soon_threadsafe``.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from plant.clock import Clock
from plant.deliveries import Answer, Quantity, SetPart, SignedMessage
from plant.delivery_modes import Mode
from plant.settings_delivery import Controller
from plant.site import Site


class InDoubt(Exception):
    """The message left, and nobody knows whether it arrived: it is never sent again, a person or a late answer settles it."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Answer to ``ask``: the controller remembers what it takes, and has not taken this message.

    It may still come to it while it has not expired, unless the controller has taken a higher counter meanwhile.
    """

    counter: int | None = None
    """The highest that it has taken; None where it does not say."""


class Taken(StrEnum):
    """What became of an answer; by then it is committed."""

    STEP = "step"
    """The delivery went on by it."""
    AGAIN = "again"
    """It was said before: nothing changed, and nothing needed to."""
    REFUSED = "refused"
    """No such message of this work unit, or it may not be said of it any more; it stands in the audit trail."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life of a controller for one work unit."""

    heard_us: int
    """When it came in, by our clock."""
    ai_off: bool = False
    """The switch at the machine that forbids it to take anything from outside."""
    counter: int | None = None
    """The highest that it has taken; None where it does not say."""
    state: str = ""
    """PackML-like, as it says it: ``Idle``, ``Execute``, ``Held``."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Our own sign of life to one work unit; a controller that misses it goes on by its own set points."""

    work_unit: str
    number: int
    """One more each time; a controller sees by it that it is new."""
    time_us: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What is in force at a controller, read from it and not said by it."""

    parameters: tuple[Quantity, ...] = ()
    parts: tuple[SetPart, ...] = ()


class Ears(Protocol):
    """Where a way tells what it hears; each way has its own. Call it on the event loop; neither call ever waits."""

    def told(self, answer: Answer) -> Future[Taken]:
        """Take an answer. The future is done when it is committed: acknowledge to the controller (PUBACK, method result) only then.

        It fails with Unavailable where the process ends before: the controller says it again.
        """
        ...

    def beat(self, work_unit: str, beat: Beat) -> None:
        """Take a sign of life."""
        ...


class Way(Protocol):
    """How one controller of the settings is reached; several may share a connection or a server behind it."""

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        ...

    async def open(self, ears: Ears) -> None:
        """Begin, and return at once: connecting and connecting again goes on by itself until ``close``. Raises SettingsError only."""
        ...

    async def close(self) -> None:
        """Let go of everything; what was not answered stays as it is."""
        ...

    def reaches(self, work_unit: str) -> bool:
        """Whether a message would go out now; while it would not, approved ones wait until they expire."""
        ...

    async def send(self, signed: SignedMessage) -> None:
        """Give a message to the controller, or offer it where controllers fetch. An answer comes through ``Ears.told``, even at once.

        Raises Unavailable where it surely did not arrive and never will, InDoubt where nobody knows. Never sends anything twice, and
        never lets a library or a broker do so after its ``expires_us``.
        """
        ...

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Return what became of a message that is without an answer: after a restart, or at its deadline.

        NotTaken where the controller says for certain that it has not taken it; None where nobody can tell. Raises Unavailable where it
        cannot be asked now.
        """
        ...

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        """Return what is in force of what a message asked for; None where this way cannot read back. Raises Unavailable."""
        ...

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """Tell that we are alive, to each work unit that it reaches. Raises Unavailable; nothing of it is made up for later."""
        ...

    def settled(self, signed: SignedMessage) -> None:
        """Know that nothing is waited for any more: what is still offered is taken back. It never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What ``make_ways`` of a way's module gets."""

    site: Site
    """With ``site.delivery`` in it; ``site.path`` begins topics."""
    controllers: tuple[Controller, ...]
    """Those of the settings that use this way."""
    folder: Path
    """For certificates and whatever the way must remember: its own, in the state folder of this process, 0700."""
    clock: Clock
    keys: Callable[[str], bytes]
    """The key of a controller by its id: answers and signs of life are signed with it too."""


class MakeWays(Protocol):
    """The one function that a way's module offers to the process, by the name ``make_ways``."""

    def __call__(self, setup: Setup) -> Sequence[Way]:
        """Return one way for each controller. Nothing connects yet. Raises SettingsError."""
        ...
