"""Who needs which resource when, while operations are moved about: earlier ones in the order come first."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from plant.plan_problem import PlanProblem
from plant.unit_calendars import OpenTimes

Spans = list[tuple[int, int]]


@dataclass(slots=True)
class Needs:
    """What is needed now, by operations that stand where they stand; in buckets of time, so that neighbours are found at once."""

    of: list[tuple[tuple[int, int], ...]]
    """Of each operation: resource, amount."""
    capacity: list[int]
    away: list[tuple[tuple[int, int, int], ...]]
    whole: list[bool]
    """Whether the resource is held over pauses of the unit too."""
    calendar: Sequence[OpenTimes]
    unit: Sequence[int]
    turn: Sequence[int]
    """The place of each operation in the order; what is fixed comes before all that is not."""
    width: int
    buckets: list[dict[int, set[int]]]
    times: dict[int, tuple[int, int]] = field(default_factory=dict)

    def put(self, row: int, start: int, end: int) -> None:
        """Say where an operation stands now."""
        before = self.times.get(row)
        for resource, _ in self.of[row]:
            bucket = self.buckets[resource]
            if before is not None:
                for at in range(before[0] // self.width, before[1] // self.width + 1):
                    bucket[at].discard(row)
            for at in range(start // self.width, end // self.width + 1):
                bucket.setdefault(at, set()).add(row)
        self.times[row] = (start, end)

    def near(self, row: int, start: int, end: int) -> Iterator[int]:
        """Yield the operations that need something of the same at these times, some more than once."""
        for resource, _ in self.of[row]:
            yield from self._near(resource, start, end)

    def first_fit(self, row: int, start: int, end: int) -> tuple[int, int, int] | None:
        """Return None where there is enough; else when to look again, of which resource there is too little, and who has it (-1: away)."""
        for resource, amount in self.of[row]:
            found = self._lack(row, resource, amount, start, end)
            if found is not None:
                return found[0], resource, found[1]
        return None

    def _near(self, resource: int, start: int, end: int) -> Iterator[int]:
        bucket = self.buckets[resource]
        for at in range(start // self.width, end // self.width + 1):
            yield from bucket.get(at, ())

    def _spans(self, row: int, resource: int, start: int, end: int) -> Spans:
        calendar = self.calendar[self.unit[row]]
        if self.whole[resource] or not calendar.pauses:
            return [(start, end)]
        spans, at = [], start
        for begin, until in zip(calendar.begins, calendar.ends, strict=True):
            if until > at and begin < end:
                spans.append((at, begin))
                at = until
        return [*spans, (at, end)] if at < end else spans

    def _lack(self, row: int, resource: int, amount: int, start: int, end: int) -> tuple[int, int] | None:
        mine, others = self._spans(row, resource, start, end), []
        for other in set(self._near(resource, start, end)):
            if other != row and self.turn[other] < self.turn[row]:
                begin, until = self.times[other]
                if begin < end and until > start:
                    takes = next(taken for one, taken in self.of[other] if one == resource)
                    others += [(at, to, takes, other) for at, to in self._spans(other, resource, begin, until)]
        others += [(at, to, gone, -1) for at, to, gone in self.away[resource] if at < end and to > start]
        for at in sorted({start, *(span[0] for span in mine), *(max(one[0], start) for one in others)}):
            if any(begin <= at < until for begin, until in mine):
                busy = [one for one in others if one[0] <= at < one[1]]
                if sum(one[2] for one in busy) + amount > self.capacity[resource]:
                    return (min((one[1], one[3]) for one in busy)) if busy else (_NEVER, -1)
        return None


_NEVER = 1 << 60


def needs_of(problem: PlanProblem, mode: Sequence[int], lasts: Sequence[int], calendar: Sequence[OpenTimes], turn: Sequence[int]) -> Needs:
    """Return what the modes taken need; nothing stands anywhere yet."""
    of: list[tuple[tuple[int, int], ...]] = [()] * len(mode)
    operations = problem.mode_operation[problem.need_mode].tolist() if len(problem.need_mode) else []
    taken = np.asarray(mode, np.int64)
    for need, row in enumerate(operations):
        if taken[row] == problem.need_mode[need] and problem.need_amount[need] > 0:
            of[row] = (*of[row], (int(problem.need_resource[need]), int(problem.need_amount[need])))
    spans = [span for span, some in zip(lasts, of, strict=True) if some]
    return Needs(
        of=of,
        capacity=[one.capacity for one in problem.resources],
        away=[one.closed for one in problem.resources],
        whole=[one.kind == "fixture" for one in problem.resources],
        calendar=calendar,
        unit=[int(problem.mode_unit[one]) if one >= 0 else -1 for one in mode],
        turn=turn,
        width=max(1, round(2 * statistics.median(spans))) if spans else 1,
        buckets=[{} for _ in problem.resources],
    )
