"""Whether the machine stood still while tests ran: what was waiting then ran out of time for no fault of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

LEAST_SECONDS: Final = 10.0
"""Shorter ones are covered by the patience of the tests."""


class Standstill:
    """Looks at the clock each second, and notes by how much it jumped when it did."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._ended = threading.Event()
        self._last = monotonic()
        self.found: list[tuple[float, float]] = []
        """Each as (when it was over, in seconds since 1970; how many seconds it took)."""

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> None:
        """Note how long nothing ran since the look before."""
        now = self._monotonic()
        if now - self._last >= LEAST_SECONDS:
            self.found.append((self._wall(), now - self._last))
        self._last = now

    def words(self) -> list[str]:
        """Return a line for each standstill."""
        return [f"{time.strftime('%H:%M:%S', time.gmtime(at))} UTC: nothing ran here for {seconds:.0f} s" for at, seconds in self.found]

    def _watch(self) -> None:
        while not self._ended.wait(1):
            self.look()
