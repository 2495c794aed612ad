"""Time as an argument, so that a test can compress a day into a second."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What tells time. All times are whole microseconds since 1970-01-01 UTC, except ``monotonic``."""

    def now_us(self) -> int:
        """Return the wall clock in microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps; only differences mean something."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread; zero or less returns at once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Return the wall clock in microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)
