"""In which order the bolts of a circle are tightened: the star pattern, and whether marks or results appeared in that order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OrderFault:
    """A bolt that came when another was due."""

    position: int
    """Which tightening it was, from 1."""
    due: frozenset[int]
    came: frozenset[int]


def star_pattern(count: int, spindles: int = 1) -> tuple[frozenset[int], ...]:
    """Return the bolts of each tightening, numbered from 1: evenly spread spindles, each next group as far from those done as can be.

    Raises ValueError where the spindles cannot be spread evenly over the circle.
    """
    if count < 1 or spindles < 1 or count % spindles:
        raise ValueError(f"{spindles} spindles cannot be spread evenly over {count} bolts")
    sector = count // spindles
    groups: list[int] = [0]
    while len(groups) < sector:
        left = [place for place in range(sector) if place not in groups]
        # farthest from what is done; of equals, the one farthest from the last, then the first
        groups.append(
            max(left, key=lambda place: (min(_apart(place, done, sector) for done in groups), _apart(place, groups[-1], sector), -place))
        )
    return tuple(frozenset(place + 1 + sector * spindle for spindle in range(spindles)) for place in groups)


def _apart(one: int, other: int, sector: int) -> int:
    steps = abs(one - other) % sector
    return min(steps, sector - steps)


def order_faults(plan: Sequence[frozenset[int]], appeared: Sequence[frozenset[int]]) -> list[OrderFault]:
    """Return where bolts came in another order than planned; what has not come yet is no fault, what comes after the plan is."""
    faults = []
    for at, came in enumerate(appeared):
        due = plan[at] if at < len(plan) else frozenset()
        if came != due:
            faults.append(OrderFault(at + 1, due, came))
    return faults


def newly_marked(looks: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Return which bolts' marks appeared from each look to the next, the first look included; looks without a new mark are left out."""
    seen: set[int] = set()
    appeared = []
    for look in looks:
        new = frozenset(look - seen)
        seen |= look
        if new:
            appeared.append(new)
    return appeared
