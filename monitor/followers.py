"""The parts of the monitor, each following what storage receives in its own thread: one that fails or waits holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeAlias

import structlog

from plant.clock import Clock
from plant.errors import Unavailable
from plant.site import Site
from storage.database import Connection, connect, translate_errors
from storage.progress import hold_follower

_STATEMENT_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_log = structlog.get_logger(process="monitor")


class Follower(Protocol):
    """Turns samples into results, a bounded piece at a time.

    What it makes depends on settings, stored samples and stored inputs alone, so that history judged again gives the same.
    """

    name: str
    pause_seconds: float
    """How long to wait when nothing is due."""

    def step(self, connection: Connection) -> bool:
        """Do a piece of what is due, results and progress in one transaction; return whether more waits.

        After an error the follower is built anew: it goes on from what it last wrote.
        """
        ...


MakeFollower: TypeAlias = Callable[[Site, Clock], Follower | None]
"""Builds a follower; None where the site asks for nothing of the kind."""


class Following:
    """One follower in its thread, kept going until stopped."""

    def __init__(self, name: str, make: Callable[[], Follower], url: str) -> None:
        self._make = make
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follower {name}", daemon=True)
        self._log = _log.bind(follower=name)
        self.name = name
        self.steps = 0
        """Steps done since the start."""
        self.failures = 0
        """How often it was built anew after an error of its own."""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def end(self) -> None:
        """Ask it to end after the step at hand."""
        self._stop.set()

    def stop(self, seconds: float) -> bool:
        """End after the step at hand; return whether it ended in time."""
        self.end()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause, wrong = _FIRST_PAUSE_SECONDS, ""
        while not self._stop.is_set():
            before = self.steps
            try:
                with connect(self._url, application=f"leadhand monitor {self.name}", statement_seconds=_STATEMENT_SECONDS) as connection:
                    self._follow(connection, wrong)
                wrong = ""
            except Unavailable as error:
                if str(error) != wrong:
                    self._log.warning("cannot go on yet", reason=str(error))
                wrong = str(error)
            except Exception as error:  # noqa: BLE001 - a defect of one part must not take the others with it
                self.failures += 1
                wrong = f"{type(error).__name__}: {error}"
                self._log.exception("failed; it is built anew and goes on from what it last wrote")
            if self.steps > before:
                pause = _FIRST_PAUSE_SECONDS
            self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _follow(self, connection: Connection, wrong: str) -> None:
        if not hold_follower(connection, self.name):
            raise Unavailable("another monitor follows already; this one stands by")
        follower = self._make()
        while not self._stop.is_set():
            with translate_errors():
                more = follower.step(connection)
            self.steps += 1
            if wrong:
                self._log.info("goes on")
                wrong = ""
            if not more:
                self._stop.wait(follower.pause_seconds)
