"""Parts of several factories on sheets from stock: each material and thickness by itself; what is due first is cut first.

``nest`` is the one entry.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.nesting.cutting import Cutting, Ground, Pattern, grounds_of
from optimizer.nesting.kinds import Kind, kinds_of, urgency
from optimizer.nesting.layouts import Ints
from optimizer.nesting.packers import Packer, Packers
from plant.nests import CutSheet, LeftPart, LeftReason, Nest, NestProblem, Placements, area_mm2

_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a nest is."""

    seconds: float
    laid: int
    """Parts that lie on a sheet."""
    asked: int
    sheets: int
    """Sheets that are cut, copies counted."""
    plate_mm2: float
    """Area of these sheets, less what goes back into stock."""


def nest(
    problem: NestProblem,
    *,
    seconds: float,
    seed: int = 1,
    workers: int = 2,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Nest:
    """Return what is cut from what in the time given; every part is laid, or left with its reason.

    The order of the sheets is the order to cut them: what is urgent comes early. ``stop``, asked some times a second, and an interrupt
    (Ctrl-C) end the search with what is laid so far. ``on_progress`` is called in this thread, where more is laid or plate is saved.
    """
    work = _Work(problem, seconds, seed, max(1, workers))
    work.run(on_progress, stop)
    return work.nest()


class _Group:
    """What is of one material and thickness."""

    def __init__(self, problem: NestProblem, rows: Sequence[int], sheets: Sequence[int]) -> None:
        self.kinds: list[Kind] = kinds_of(problem.parts, rows)
        there = [(row, problem.sheets[row]) for row in sheets]
        self.grounds: list[Ground] = grounds_of(self.kinds, there, [problem.rules_for(sheet.thickness_mm) for _, sheet in there])
        self.stock: Ints = np.array([sheet.quantity for _, sheet in there], np.int64)
        self.area_mm2 = sum(area_mm2(kind.part.shape) * kind.quantity for kind in self.kinds)
        self.cutting: Cutting | None = None

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """All layouts so far."""
        return () if self.cutting is None else self.cutting.best


class _Work:
    """All groups, and the threads that cut them; a thread has a process that packs for it."""

    def __init__(self, problem: NestProblem, seconds: float, seed: int, workers: int) -> None:
        self._problem, self._seed, self._workers = problem, seed, workers
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._failed: list[BaseException] = []
        self._groups = _groups(problem)
        self._waiting = sorted((one for one in self._groups if one.grounds), key=lambda group: group.area_mm2, reverse=True)
        self._asked = sum(part.quantity for part in problem.parts)

    def run(self, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None) -> None:
        """Cut all groups, some side by side."""
        hands = max(1, min(self._workers, len(self._waiting)))
        with Packers(hands) as packers:
            threads = [threading.Thread(target=self._hand, args=(packer, hands), name="nest", daemon=True) for packer in packers]
            for thread in threads:
                thread.start()
            try:
                self._watch(threads, on_progress, stop)
            except KeyboardInterrupt:
                self._stopped.set()
            finally:
                self._stopped.set()
                for thread in threads:
                    thread.join()
        for error in self._failed:
            raise error

    def nest(self) -> Nest:
        """Return what lies where, and what is left."""
        cut: list[tuple[tuple[int, int], CutSheet]] = []
        left: list[LeftPart] = []
        for group in self._groups:
            remaining = [list(kind.quantities) for kind in group.kinds]
            for pattern in sorted(group.patterns, key=lambda one: _urgency_of(one, group)):
                cut += _cut_sheets(self._problem, group, pattern, remaining)
            left += _left_parts(group, remaining)
        return Nest(tuple(sheet for _, sheet in sorted(cut, key=lambda one: one[0])), tuple(left))

    def _watch(
        self, threads: Sequence[threading.Thread], on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None
    ) -> None:
        told: tuple[int, float] = (0, 0.0)
        while any(thread.is_alive() for thread in threads):
            time.sleep(_LOOK_SECONDS)
            if stop is not None and stop():
                self._stopped.set()
            now = self._progress()
            if on_progress is not None and (now.laid, -now.plate_mm2) > told:
                told = now.laid, -now.plate_mm2
                on_progress(now)

    def _progress(self) -> Progress:
        patterns = [(group, one) for group in self._groups for one in group.patterns]
        laid = sum(len(one.layout.placements.part) * one.copies for _, one in patterns)
        plate = 0.0
        for group, one in patterns:
            back = sum(rest.width_mm * rest.height_mm for rest in one.remnants)
            plate += one.copies * (group.grounds[one.ground].area_mm2 - back)
        return Progress(time.monotonic() - self._began, laid, self._asked, sum(one.copies for _, one in patterns), plate)

    def _hand(self, packer: Packer, hands: int) -> None:
        try:
            while self._waiting and not self._stopped.is_set():
                with self._lock:
                    if not self._waiting:
                        return
                    group = self._waiting.pop(0)
                    rest = sum(one.area_mm2 for one in self._waiting)
                time_left = max(0.0, self._until - time.monotonic())
                share = min(1.0, hands * group.area_mm2 / (group.area_mm2 + rest)) if rest else 1.0
                threads = max(1, self._workers // hands)
                seed = self._seed + self._groups.index(group)
                group.cutting = Cutting(group.kinds, group.grounds, packer, threads, seed, self._stopped.is_set)
                group.cutting.run(self._problem.parts, group.stock, time_left * share)
        except BaseException as error:  # noqa: BLE001 - it is raised where the nest was asked for
            self._failed.append(error)


def _groups(problem: NestProblem) -> list[_Group]:
    """Return parts and sheets by material and thickness; parts without a sheet have a group too."""
    parts: dict[tuple[str, float], list[int]] = {}
    sheets: dict[tuple[str, float], list[int]] = {}
    for row, part in enumerate(problem.parts):
        parts.setdefault((part.material, part.thickness_mm), []).append(row)
    for row, sheet in enumerate(problem.sheets):
        sheets.setdefault((sheet.material, sheet.thickness_mm), []).append(row)
    return [_Group(problem, rows, sheets.get(key, [])) for key, rows in parts.items()]


def _urgency_of(pattern: Pattern, group: _Group) -> tuple[int, int]:
    return min(urgency(group.kinds[row].part) for row in np.unique(pattern.layout.placements.part))


def _cut_sheets(
    problem: NestProblem, group: _Group, pattern: Pattern, remaining: Sequence[list[int]]
) -> Iterable[tuple[tuple[int, int], CutSheet]]:
    """Return a pattern's sheets with the parts of whose order they are; equal ones are said once. Takes them from ``remaining``."""
    there = pattern.layout.placements
    found: list[tuple[bytes, list[int]]] = []
    rows_of: dict[bytes, np.ndarray[tuple[int], np.dtype[np.int32]]] = {}
    for _ in range(pattern.copies):
        rows = np.array([_next_row(group.kinds[kind], remaining[kind]) for kind in there.part], np.int32)
        key = rows.tobytes()
        rows_of[key] = rows
        if found and found[-1][0] == key:
            found[-1][1][0] += 1
        else:
            found.append((key, [1]))
    for key, (copies,) in found:
        rows = rows_of[key]
        placements = Placements(rows, there.x_mm, there.y_mm, there.rotation_deg)
        first = min(urgency(problem.parts[row]) for row in rows)
        yield first, CutSheet(group.grounds[pattern.ground].row, copies, placements, pattern.remnants)


def _next_row(kind: Kind, remaining: list[int]) -> int:
    """Return the row of the most urgent part of a kind that is not laid yet, and take it."""
    at = next(number for number, count in enumerate(remaining) if count)
    remaining[at] -= 1
    return kind.rows[at]


def _left_parts(group: _Group, remaining: Sequence[Sequence[int]]) -> Iterable[LeftPart]:
    for number, (kind, counts) in enumerate(zip(group.kinds, remaining, strict=True)):
        for row, count in zip(kind.rows, counts, strict=True):
            if count:
                yield LeftPart(row, count, _reason(group, number))


def _reason(group: _Group, kind: int) -> LeftReason:
    """Return why parts of a kind are left."""
    if not group.grounds:
        return LeftReason.NO_SHEET
    if any(ground.fits[kind] for ground in group.grounds):
        used = sum((np.eye(1, len(group.grounds), one.ground, dtype=np.int64)[0] * one.copies for one in group.patterns), 0 * group.stock)
        there = (count > 0 and ground.fits[kind] for ground, count in zip(group.grounds, group.stock - used, strict=True))
        return LeftReason.STOPPED if any(there) else LeftReason.STOCK_USED_UP
    if group.kinds[kind].part.grain_deg is not None:
        unknown = [ground for ground in group.grounds if ground.sheet.grain_deg is None]
        rules = [ground.rules for ground in unknown]
        for grain in (0.0, 90.0):
            known = [(ground.row, replace(ground.sheet, grain_deg=grain)) for ground in unknown]
            if any(one.fits[0] for one in grounds_of([group.kinds[kind]], known, rules)):
                return LeftReason.NO_GRAIN
    return LeftReason.TOO_LARGE
