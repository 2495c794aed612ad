"""The line of operations on each unit while they are moved to the right: what is fixed, and in which order the others stand between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plant.plan_holds import Holds
from plant.shift_tables import ShiftTables


@dataclass(slots=True)
class ShiftLines:
    """Fixed operations of each unit, and the chain of those that can be moved."""

    its: ShiftTables
    start: list[int]
    end: list[int]
    now: int
    fixed: list[list[int]]
    """Of each unit, by start."""
    begins: list[list[int]]
    """Their starts."""
    clears: list[list[int]]
    """When the unit is free of all up to each."""
    before: list[int]
    """The operation before in the chain of those that move; -1: none."""
    after: list[int]
    at: list[int]
    """How many of the fixed ones come before it."""
    last: list[int]
    """Of each unit: the last of the chain."""

    def first_fit(self, row: int, start: int, there: int) -> tuple[int, int, Holds, int]:
        """Return the earliest start from a time on, how many fixed ones come before, and what it waited for, of which operation."""
        its, unit, before = self.its, self.its.unit[row], self.before[row]
        begins, clears, calendar = self.begins[unit], self.clears[unit], self.its.calendar[unit]
        at = max(self.at[row], bisect_left(begins, start))
        holds, by = Holds.NOTHING, -1
        while True:
            setup = self.setup(row, at)
            clear = max(clears[at - 1] if at else 0, self.end[before] if before >= 0 else 0)
            if setup:
                clear = max(clear, self.now, there if its.with_part[unit] else 0) + setup
            if clear > start:
                start, holds, by = clear, (Holds.SETUP if setup else Holds.UNIT), self._last(row, at)
            first = calendar.first_fit(start, setup, its.lasts[row])
            if first > start:
                start, holds, by = first, Holds.CLOSED, -1
            passed = bisect_left(begins, start, at)
            if passed == at and at < len(begins):
                passed = self._passed(row, at, calendar.end(start, its.lasts[row]))
                if passed > at:
                    start, holds, by = max(start, clears[passed - 1]), Holds.NEXT_LOCKED, self.fixed[unit][passed - 1]
            if passed == at:
                return start, at, holds, by
            at = passed

    def setup(self, row: int, at: int) -> int:
        """Return the setup that an operation needs, where it stands after so many fixed ones."""
        unit, state = self.its.unit[row], self.its.state[row]
        matrix = self.its.setup[unit]
        if matrix is None or state < 0:
            return 0
        stands = self._stands(unit, self.before[row], at)
        return matrix[stands][state] if stands >= 0 else 0

    def following(self, row: int) -> Iterator[int]:
        """Yield what stands behind in the chain, up to the first that has a setup state of its own."""
        after = self.after[row]
        while after >= 0:
            yield after
            if self.its.setup[self.its.unit[row]] is None or self.its.state[after] >= 0:
                return
            after = self.after[after]

    def clear(self, row: int) -> tuple[int, int, Holds]:
        """Return of a fixed operation: which fixed one before it keeps the unit longest, until when, and by what rule."""
        unit = self.its.unit[row]
        at = self.fixed[unit].index(row) if len(self.fixed[unit]) < 8 else bisect_left(self.begins[unit], self.its.start[row])
        while self.fixed[unit][at] != row:
            at += 1
        for then in self.fixed[unit][at + 1 :]:
            if self.its.start[then] >= self.its.end[row]:
                break
            if self.its.fact[then]:
                return then, self.its.end[then], Holds.UNIT
        if at == 0 or self.clears[unit][at - 1] <= self.its.start[row]:
            return -1, 0, Holds.UNIT
        return max(self.fixed[unit][:at], key=lambda one: self.its.end[one]), self.clears[unit][at - 1], Holds.UNIT

    def unset(self, there: Mapping[int, int]) -> list[int]:
        """Return the fixed operations that have not started, and that the unit cannot be set up for in time as all stands now."""
        found: list[int] = []
        for unit, matrix in enumerate(self.its.setup):
            if matrix is None:
                continue
            chain: list[int] = []
            row = self.last[unit]
            while row >= 0:
                chain.append(row)
                row = self.before[row]
            before = -1
            for at, row in enumerate(self.fixed[unit]):
                while chain and self.at[chain[-1]] <= at:
                    before = chain.pop()
                state = self.its.state[row]
                stands = self._stands(unit, before, at) if state >= 0 else -1
                if self.its.fact[row] or stands < 0:
                    continue
                setup, begins = matrix[stands][state], self.begins[unit][at]
                clear = max(self.clears[unit][at - 1] if at else 0, self.end[before] if before >= 0 else 0)
                clear = max(clear, there.get(row, 0) if self.its.with_part[unit] else 0)
                if setup and (clear > begins - setup or not self._open(unit, begins, setup)):
                    found.append(row)
        return found

    def _last(self, row: int, at: int) -> int:
        before, unit = self.before[row], self.its.unit[row]
        if before >= 0 and (not at or self.end[before] >= self.clears[unit][at - 1]):
            return before
        return self.fixed[unit][at - 1] if at else -1

    def _stands(self, unit: int, before: int, at: int) -> int:
        """Return how the unit is set up after an operation of the chain and so many fixed ones; -1: for nothing."""
        fixed, state = self.fixed[unit], self.its.state
        while True:
            if before >= 0 and self.at[before] >= at:
                last, before = before, self.before[before]
            elif at:
                at -= 1
                last = fixed[at]
            else:
                return self.its.stands[unit]
            if state[last] >= 0:
                return state[last]

    def _passed(self, row: int, at: int, end: int) -> int:
        """Return how many fixed ones come before an operation at least that would end then; the next one keeps its start and its setup."""
        unit, after = self.its.unit[row], self.after[row]
        fixed, begins, matrix = self.fixed[unit], self.begins[unit], self.its.setup[unit]
        if end > begins[at]:
            return at + 1
        if matrix is None:
            return at
        then = at
        while then < len(fixed) and self.its.state[fixed[then]] < 0:
            then += 1
        if then == len(fixed) or self.its.fact[fixed[then]] or (after >= 0 and self.at[after] <= then):
            return at
        own = self.its.state[row]
        stands = own if own >= 0 else self._stands(unit, self.before[row], at)
        setup = matrix[stands][self.its.state[fixed[then]]] if stands >= 0 else 0
        clear = max(end, self.clears[unit][then - 1]) if then > at else end
        if setup and (clear + setup > begins[then] or not self._open(unit, begins[then], setup)):
            return then + 1
        return at

    def _open(self, unit: int, start: int, setup: int) -> bool:
        """Return whether the time of a setup is open."""
        calendar = self.its.calendar[unit]
        window = bisect_left(calendar.ends, start - setup + 1)
        return window == len(calendar.ends) or calendar.begins[window] >= start


def shift_lines(its: ShiftTables, start: list[int], end: list[int], now: int) -> ShiftLines:
    """Return the lines as they stand; ``start`` and ``end`` are shared with who moves the operations."""
    units, count = len(its.calendar), len(start)
    lines = ShiftLines(its, start, end, now, [[] for _ in range(units)], [], [], [-1] * count, [-1] * count, [0] * count, [-1] * units)
    free = [row for row in its.done if not (its.fact[row] or its.held[row])]
    for row in its.done:
        if its.fact[row] or its.held[row]:
            lines.fixed[its.unit[row]].append(row)
    for fixed in lines.fixed:
        fixed.sort(key=lambda row: (its.start[row], its.end[row] > its.start[row]))
        lines.begins.append([its.start[row] for row in fixed])
        clears: list[int] = []
        for row in fixed:
            clears.append(max(its.end[row], clears[-1] if clears else 0))
        lines.clears.append(clears)
    for row in free:
        unit = its.unit[row]
        lines.before[row] = lines.last[unit]
        if lines.last[unit] >= 0:
            lines.after[lines.last[unit]] = row
        lines.last[unit] = row
        lines.at[row] = bisect_left(lines.begins[unit], its.start[row])
    return lines
