"""When a unit is open: where work and its setup fit, and when it ends; for one operation at a time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from plant.plan_problem import WorkUnit


@dataclass(frozen=True, slots=True)
class OpenTimes:
    """The calendar of one work unit."""

    begins: tuple[int, ...]
    """Of closed times, in order."""
    ends: tuple[int, ...]
    pauses: bool

    def first_fit(self, start: int, setup: int, duration: int) -> int:
        """Return the earliest start, no earlier than the one given, with open time for the setup before it and the work."""
        while True:
            window = bisect_right(self.ends, start - setup)
            until = start + (1 if self.pauses else duration)
            if window == len(self.ends) or self.begins[window] >= until:
                return start
            start = self.ends[window] + setup

    def end(self, start: int, duration: int) -> int:
        """Return when work ends that starts in open time."""
        if not self.pauses or not duration:
            return start + duration
        window = bisect_right(self.ends, start)
        while window < len(self.ends) and self.begins[window] < start + duration:
            duration -= max(self.begins[window] - start, 0)
            start = self.ends[window]
            window += 1
        return start + duration


def open_times(unit: WorkUnit) -> OpenTimes:
    """Return the calendar of a unit."""
    return OpenTimes(tuple(begin for begin, _ in unit.closed), tuple(end for _, end in unit.closed), unit.pauses)


def closed_with(closed: tuple[tuple[int, int], ...], begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return closed times with one more: in order, and what touches is one."""
    joined: list[tuple[int, int]] = []
    for one in sorted((*closed, (begin, end))):
        if one[1] <= one[0]:
            continue
        if joined and one[0] <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], one[1]))
        else:
            joined.append(one)
    return tuple(joined)
