"""When records end: at the same moments of the clock for all sources, so that what ends together goes to the database together."""

from __future__ import annotations

from typing import Final

RECORD_US: Final = 500_000
"""A sample is as old as this at most when its record ends: half of what an alarm may take would be spent on waiting for a whole second."""


def is_cut(since_us: int, now_us: int, record_us: int = RECORD_US) -> bool:
    """Return whether a record that began at one time is to end by now; also where the clock was set back."""
    return since_us // record_us != now_us // record_us


def seconds_to_cut(now_us: int, record_us: int = RECORD_US) -> float:
    """Return how long it is to the next end of records."""
    return (record_us - now_us % record_us) / 1e6
