"""Parts of several factories on sheets from stock: by material and thickness, sheet after sheet.

``nest`` is the one entry.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting.filling import Room
from optimizer.nesting.layouts import Layout, Packable, fits, lay, packable
from optimizer.nesting.packers import Packer, Packers
from optimizer.nesting.remnants import rest_of
from plant.nests import CutSheet, LeftPart, LeftReason, Nest, NestPart, NestProblem, Placements, StockSheet, area_mm2

_LOOK_SECONDS: Final = 0.1
_FULLNESS: Final = 0.92


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a nest is."""

    seconds: float
    laid: int
    """Parts that lie on a sheet."""
    asked: int
    sheets: int
    """Sheets that are cut, copies counted."""


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

    ``stop``, asked some times a second, and an interrupt (Ctrl-C) end the search with what is laid so far. ``on_progress`` is called in
    this thread.
    """
    work = _Work(problem, seconds, seed)
    with Packers(max(1, workers)) as packers:
        work.run(packers, on_progress, stop)
    return work.nest()


@dataclass(slots=True, eq=False)
class _Group:
    """Parts and sheets of one material and thickness, and what became of them."""

    rows: list[int]
    sheets: list[int]
    left: NDArray[np.int64]
    stock: NDArray[np.int64]
    cut: list[CutSheet] = field(default_factory=list)
    reasons: dict[int, LeftReason] = field(default_factory=dict)


class _Work:
    """All groups, and who lays them."""

    def __init__(self, problem: NestProblem, seconds: float, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._stopped = threading.Event()
        self._groups = groups_of(problem)
        self._asked = sum(part.quantity for part in problem.parts)
        self._waiting = sorted(self._groups, key=lambda group: float(_area(problem, group)), reverse=True)
        self._lock = threading.Lock()

    def run(self, packers: Sequence[Packer], on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None) -> None:
        """Lay all groups side by side."""
        threads = max(1, min(len(packers), len(self._groups)))
        each = len(packers) // threads
        hands = [
            threading.Thread(
                target=self._lay_groups, args=(packers[number * each : (number + 1) * each], threads), name="nest", daemon=True
            )
            for number in range(threads)
        ]
        for hand in hands:
            hand.start()
        told = -1
        try:
            while any(hand.is_alive() for hand in hands):
                hands[0].join(_LOOK_SECONDS) if hands[0].is_alive() else time.sleep(_LOOK_SECONDS)
                if stop is not None and stop():
                    self._stopped.set()
                now = self._progress()
                if on_progress is not None and now.laid > told:
                    told = now.laid
                    on_progress(now)
        except KeyboardInterrupt:
            self._stopped.set()
        for hand in hands:
            hand.join()

    def nest(self) -> Nest:
        """Return what lies where, and what is left."""
        cut = [sheet for group in self._groups for sheet in group.cut]
        left = [
            LeftPart(row, int(quantity), group.reasons.get(row, LeftReason.STOPPED))
            for group in self._groups
            for row, quantity in zip(group.rows, group.left, strict=True)
            if quantity
        ]
        return Nest(tuple(cut), tuple(left))

    def _progress(self) -> Progress:
        cut = [sheet for group in self._groups for sheet in list(group.cut)]
        laid = sum(len(sheet.placements.part) * sheet.copies for sheet in cut)
        return Progress(time.monotonic() - self._began, laid, self._asked, sum(sheet.copies for sheet in cut))

    def _ended(self) -> bool:
        return self._stopped.is_set() or time.monotonic() > self._until

    def _lay_groups(self, packers: Sequence[Packer], hands: int) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                group = self._waiting.pop(0)
                rest = sum(_area(self._problem, one) for one in self._waiting)
            mine = _area(self._problem, group)
            time_left = self._until - time.monotonic()
            until = time.monotonic() + time_left * min(1.0, mine * hands / (mine + rest) if rest else 1.0)
            self._lay_group(packers, group, until)

    def _lay_group(self, packers: Sequence[Packer], group: _Group, until: float) -> None:
        problem = self._problem
        parts = [problem.parts[row] for row in group.rows]
        kept: dict[float | None, Packable] = {}
        number = 0
        while group.left.any() and not self._ended():
            found = None
            for sheet in _sheets_in_turn(problem, group):
                one = problem.sheets[group.sheets[sheet]]
                rules = problem.rules_for(one.thickness_mm)
                room = room_of(one, problem)
                if one.grain_deg not in kept:
                    kept[one.grain_deg] = packable(parts, rules.distance_mm, one.grain_deg)
                packed = kept[one.grain_deg]
                sheets = max(1.0, float(packed.areas @ group.left) / (0.85 * room.area_mm2))
                seconds = max(0.3, (until - time.monotonic()) / (1.3 * np.ceil(sheets)))
                number += 1
                layout = lay(
                    packers, room, packed, group.left, seconds=seconds, fullness=_FULLNESS, seed=self._seed + number, ended=self._ended
                )
                if layout is not None and len(layout.placements.part):
                    found = sheet, layout, room
                    break
            if found is None:
                _leave(problem, group)
                return
            self._take(group, *found)

    def _take(self, group: _Group, sheet: int, layout: Layout, room: Room) -> None:
        used = np.bincount(layout.placements.part, minlength=len(group.left))
        some = used > 0
        copies = int(min(group.stock[sheet], (group.left[some] // used[some]).min()))
        group.left -= used * copies
        group.stock[sheet] -= copies
        rows = np.array(group.rows, np.int32)[layout.placements.part]
        placements = Placements(rows, layout.placements.x_mm, layout.placements.y_mm, layout.placements.rotation_deg)
        one = self._problem.sheets[group.sheets[sheet]]
        remnants = rest_of(one, self._problem.rules_for(one.thickness_mm), room, layout)
        group.cut.append(CutSheet(group.sheets[sheet], copies, placements, remnants))


def groups_of(problem: NestProblem) -> list[_Group]:
    """Return parts and sheets by material and thickness; parts without a sheet have a group too."""
    found: dict[tuple[str, float], _Group] = {}
    for row, part in enumerate(problem.parts):
        key = (part.material, part.thickness_mm)
        group = found.setdefault(key, _Group([], [], np.zeros(0, np.int64), np.zeros(0, np.int64)))
        group.rows.append(row)
    for row, sheet in enumerate(problem.sheets):
        if (sheet.material, sheet.thickness_mm) in found:
            found[sheet.material, sheet.thickness_mm].sheets.append(row)
    for group in found.values():
        group.left = np.array([problem.parts[row].quantity for row in group.rows], np.int64)
        group.stock = np.array([problem.sheets[row].quantity for row in group.sheets], np.int64)
    return list(found.values())


def room_of(sheet: StockSheet, problem: NestProblem) -> Room:
    """Return where parts may lie on a sheet."""
    rules = problem.rules_for(sheet.thickness_mm)
    margin = rules.margin_mm
    return Room(margin, margin, sheet.width_mm - 2 * margin, sheet.height_mm - 2 * margin, rules.distance_mm, sheet.grain_deg)


def _sheets_in_turn(problem: NestProblem, group: _Group) -> list[int]:
    """Return rows of the group's sheets that are in stock: remnants first, then the largest."""
    there = [row for row in range(len(group.sheets)) if group.stock[row] > 0]

    def turn(row: int) -> tuple[bool, float]:
        sheet = problem.sheets[group.sheets[row]]
        return (not sheet.remnant, -sheet.width_mm * sheet.height_mm)

    return sorted(there, key=turn)


def _leave(problem: NestProblem, group: _Group) -> None:
    """Say why parts are left that fit no sheet that is there."""
    for row, quantity in zip(group.rows, group.left, strict=True):
        if quantity:
            group.reasons[row] = _reason(problem, problem.parts[row], [problem.sheets[sheet] for sheet in group.sheets])


def _reason(problem: NestProblem, part: NestPart, sheets: Sequence[StockSheet]) -> LeftReason:
    if not sheets:
        return LeftReason.NO_SHEET
    fits = {}
    for sheet in sheets:
        rules = problem.rules_for(sheet.thickness_mm)
        room = room_of(sheet, problem)
        fits[sheet.name] = any(_lies(part, grain, room, rules.distance_mm) for grain in ((sheet.grain_deg,)))
        if fits[sheet.name]:
            return LeftReason.STOCK_USED_UP
    if part.grain_deg is not None and any(_lies(part, grain, room_of(sheet, problem), 0.0) for sheet in sheets for grain in (0.0, 90.0)):
        return LeftReason.NO_GRAIN
    return LeftReason.TOO_LARGE


def _lies(part: NestPart, grain_deg: float | None, room: Room, distance_mm: float) -> bool:
    return fits(room, packable([part], distance_mm, grain_deg).pieces[0]) and packable([part], 0.0, grain_deg).pieces[0].angles != ()


def _area(problem: NestProblem, group: _Group) -> float:
    return sum(area_mm2(problem.parts[row].shape) * problem.parts[row].quantity for row in group.rows)
