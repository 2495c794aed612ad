"""The grid of ticks: whole multiples of the interval since 1970, so that what was expected can be counted at any later time."""

from __future__ import annotations

from collections.abc import Iterator

from plant.ledger import MINUTE_US, minute_of


def first_tick(from_us: int, interval_us: int) -> int:
    """Return the first tick at or after a time."""
    return -(-from_us // interval_us) * interval_us


def ticks_between(from_us: int, to_us: int, interval_us: int) -> int:
    """Return how many ticks lie at or after ``from_us`` and before ``to_us``."""
    return max(0, -(-to_us // interval_us) + (-from_us // interval_us))


def minutes_between(from_us: int, to_us: int) -> Iterator[tuple[int, int, int]]:
    """Return the minutes that a span touches, each with the part of the span that lies in it: (minute, from, to)."""
    while from_us < to_us:
        minute = minute_of(from_us)
        end = min(to_us, minute + MINUTE_US)
        yield minute, from_us, end
        from_us = end
