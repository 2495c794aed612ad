"""The sheets of one material and thickness: by rectangles, then by shapes, then some taken apart and cut anew while that saves plate.

What is saved is plate: sheets, less what goes back into stock, less the parts. A remnant is worth a little less than a whole sheet of its
area, so that remnants are taken first where they fit, and not made without need.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.nesting import regions
from optimizer.nesting.filling import Room
from optimizer.nesting.kinds import Kind, most_urgent, urgency
from optimizer.nesting.layouts import Ints, Layout, Manner, Packable, choose, filled, fitting, lay, packable
from optimizer.nesting.packers import Packer
from optimizer.nesting.rectangles import RectangleCut, cut_rectangles, is_rectangle
from optimizer.nesting.remnants import remnants_of
from plant.nests import CuttingRules, NestPart, Rectangle, StockSheet

_REMNANT_WORTH: Final = 0.98
_LEFT_WORTH: Final = 10.0
"""A part that is left costs as much as so many times its area of plate."""
_URGENT_WORTH: Final = 3.0
"""What is urgent and left where stock is short costs so many times more."""
_SHORT: Final = 0.85
"""Where stock is short, so much of it is for the most urgent."""
_FULL: Final = 0.9
"""How full of parts a sheet becomes where nothing else is known."""
_OVER: Final = 0.03
"""So much more is tried than a sheet took before."""
_POOR: Final = 0.12
"""A remnant of which so much more is lost than of other sheets is left in stock."""
_IN_USE: Final = 0.8
"""Of a sheet's time: the rest is for choosing and filling."""
_LEAST_SECONDS: Final = 0.25
_MOST_SECONDS: Final = 20.0
_MOST_FIRST_SECONDS: Final = 4.0
"""Of a sheet that is laid for the first time: all shall be laid soon."""
_UPRIGHT: Final = 0.3
"""So often a strip is tried that grows upwards."""
_GOOD_SECONDS: Final = 1.0
"""How long a sheet is laid at first where the time allows; where it does not, layouts are cut several times."""
_BOXES_SHARE: Final = 0.1
"""Of the time: for cutting all by the rectangles around them."""
_SOON_SECONDS: Final = 0.5
"""So soon there is something to show."""
_FIRST_SHARE: Final = 0.4
"""Of the time: for laying all sheets once."""
_MOST_TAKEN_APART: Final = 3
_FILL_SHARE: Final = 0.4
"""So often a sheet that stays is filled with parts of those taken apart."""
_ANEW_LOG_SECONDS: Final = (0.3, 2.0)
"""Logarithms of the least and the most seconds for a sheet that is cut anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Equal sheets, and the kinds as they may lie there."""

    sheet: StockSheet
    row: int
    """Of the problem's sheets."""
    room: Room
    rules: CuttingRules
    packed: Packable
    fits: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def area_mm2(self) -> float:
        """Area of one sheet."""
        return self.sheet.width_mm * self.sheet.height_mm

    @property
    def cost_mm2(self) -> float:
        """What one sheet costs, as an area of whole sheets."""
        return self.area_mm2 * (_REMNANT_WORTH if self.sheet.remnant else 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """One layout, and how many sheets are cut so."""

    ground: int
    copies: int
    layout: Layout
    remnants: tuple[Rectangle, ...]
    waste_mm2: float
    """Of one sheet: what is neither part nor worth anything in stock."""


def grounds_of(kinds: Sequence[Kind], sheets: Sequence[tuple[int, StockSheet]], rules: Sequence[CuttingRules]) -> list[Ground]:
    """Return the sheets of a material and thickness with all that may lie on them."""
    packed: dict[tuple[float | None, float], Packable] = {}
    grounds = []
    for (row, sheet), rule in zip(sheets, rules, strict=True):
        key = sheet.grain_deg, rule.distance_mm
        if key not in packed:
            packed[key] = packable([kind.part for kind in kinds], rule.distance_mm, sheet.grain_deg)
        margin = rule.margin_mm
        room = Room(margin, margin, sheet.width_mm - 2 * margin, sheet.height_mm - 2 * margin, rule.distance_mm)
        grounds.append(Ground(sheet, row, room, rule, packed[key], fitting(room, packed[key])))
    return grounds


class Cutting:
    """Kinds and sheets of one material and thickness, and the best way to cut them so far."""

    def __init__(
        self, kinds: Sequence[Kind], grounds: Sequence[Ground], packer: Packer, threads: int, seed: int, stopped: Callable[[], bool]
    ) -> None:
        self.best: tuple[Pattern, ...] = ()
        """All patterns so far."""
        self._kinds, self._grounds, self._packer, self._threads = kinds, grounds, packer, threads
        self._draws = np.random.default_rng(seed)
        self._stopped = stopped
        self._quantities = np.array([kind.quantity for kind in kinds], np.int64)
        self._areas = grounds[0].packed.areas if grounds else np.zeros(len(kinds))
        ranks = sorted(range(len(kinds)), key=lambda row: urgency(kinds[row].part))
        self._turn = np.argsort(np.array(ranks, np.int64)) if ranks else np.zeros(0, np.int64)
        self._full = _FULL
        self._wanted = self._first = np.zeros(len(kinds), np.int64)
        self._until = np.inf

    def run(self, parts: Sequence[NestPart], stock: Ints, seconds: float) -> None:
        """Cut all, then better, until the time is over."""
        began = time.monotonic()
        self._until = began + seconds
        self._wanted = np.where(self._fit_anywhere(), self._quantities, 0)
        self._first = self._most_urgent(parts, stock)
        self._cut_boxes(min(_BOXES_SHARE * seconds, _SOON_SECONDS))
        straight = all(is_rectangle(kind.part) for kind in self._kinds)
        self._cut_boxes(seconds - _SOON_SECONDS if straight else _BOXES_SHARE * seconds)
        if straight and (self.held() == self._wanted).all():
            return
        self._cut_shapes(stock, began + _FIRST_SHARE * seconds)
        while self.best and not self._ended():
            self._better(stock)

    def _ended(self) -> bool:
        """Return whether to end: told to, or the time is over and there is something to show."""
        return self._stopped() or (time.monotonic() > self._until and bool(self.best))

    def _cut_boxes(self, seconds: float) -> None:
        """Cut what is first by the rectangles around it: soon there, and of rectangles nothing better is known."""
        sheets, rules = [ground.sheet for ground in self._grounds], [ground.rules for ground in self._grounds]
        kinds = [Kind(kind.part, kind.rows[:1], (int(count),)) for kind, count in zip(self._kinds, self._first, strict=True)]
        seed = int(self._draws.integers(1 << 31))
        cuts, _ = cut_rectangles(kinds, sheets, rules, seconds=seconds, seed=seed, stop=self._stopped)
        found = tuple(self._pattern(cut.sheet, self._layout(cut), cut.copies) for cut in cuts)
        self.best = min(self.best, found, key=self._cost)

    def _cut_shapes(self, stock: Ints, until: float) -> None:
        """Cut all by their shapes, and what came of the rectangles so that nothing is left; the better one stays."""
        for begun, first in ((self.best, self._wanted - self.held()), ((), self._first)):
            found, left = self._construct(first, stock - self._used(begun), until)
            rest = left + self._wanted - first - self._held(begun)
            more, _ = self._construct(rest, stock - self._used([*begun, *found]), until)
            self.best = min(self.best, (*begun, *found, *more), key=self._cost)

    def _layout(self, cut: RectangleCut) -> Layout:
        packed = self._grounds[cut.sheet].packed
        boxes = regions.boxes(regions.laid(packed.shapes, cut.placements))
        return Layout(cut.placements, boxes, float(packed.areas[cut.placements.part].sum()), whole=True)

    def held(self) -> Ints:
        """Return (kinds,) how many lie on a sheet."""
        return self._held(self.best)

    def _most_urgent(self, parts: Sequence[NestPart], stock: Ints) -> Ints:
        """Return (kinds,) what is cut first: all, or where stock is short the most urgent."""
        there = sum(ground.room.area_mm2 * int(count) for ground, count in zip(self._grounds, stock, strict=True))
        if float(self._areas @ self._wanted) < _FULL * there:
            return self._wanted
        return np.minimum(most_urgent(self._kinds, parts, self._areas, _SHORT * there), self._wanted)

    def _fit_anywhere(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        found = np.zeros(len(self._kinds), np.bool_)
        for ground in self._grounds:
            found |= ground.fits
        return found

    def _construct(self, left: Ints, stock: Ints, until: float, *, wild: bool = False) -> tuple[list[Pattern], Ints]:
        """Return patterns for what is left from what is in stock, and what is left then."""
        found: list[Pattern] = []
        refused: set[int] = set()
        poor: set[int] = set()
        while left.any() and not self._ended():
            ground = self._next_ground(left, stock, refused | poor, wild=wild)
            if ground is None and poor <= refused:
                break
            if ground is None:
                # rather a remnant that is filled badly than a part that is left
                ground = max(poor - refused, key=lambda row: self._grounds[row].area_mm2)
            pattern = self._cut(ground, left, stock, until, wild=wild) if (left[self._grounds[ground].fits] > 0).any() else None
            if pattern is None:
                refused.add(ground)
                continue
            if self._poor(pattern, ground) and ground not in poor:
                poor.add(ground)
                continue
            if stock[ground] == pattern.copies:
                refused.add(ground)
            left = left - pattern.copies * self._one(pattern)
            stock[ground] -= pattern.copies
            found.append(pattern)
        return found, left

    def _next_ground(self, left: Ints, stock: Ints, refused: set[int], *, wild: bool) -> int | None:
        """Return which sheet is cut next: remnants before whole sheets, the large before the small, the last one no larger than need be."""
        there = [row for row, ground in enumerate(self._grounds) if stock[row] > 0 and row not in refused and (left[ground.fits] > 0).any()]
        if not there:
            return None
        if wild and self._draws.random() < 0.5:
            sizes = np.array([self._grounds[row].area_mm2 for row in there])
            return int(self._draws.choice(there, p=sizes / sizes.sum()))
        remnants = [row for row in there if self._grounds[row].sheet.remnant]
        if remnants:
            return max(remnants, key=lambda row: self._grounds[row].area_mm2)
        there = self._for_the_hardest(left, stock, there)
        need = float(self._areas @ left) / self._full
        enough = [row for row in there if self._grounds[row].room.area_mm2 >= need and self._grounds[row].fits[left > 0].all()]
        if enough:
            return min(enough, key=lambda row: self._grounds[row].area_mm2)
        return max(there, key=lambda row: (float(self._areas @ (left * self._grounds[row].fits)) >= need, self._grounds[row].area_mm2))

    def _for_the_hardest(self, left: Ints, stock: Ints, there: Sequence[int]) -> list[int]:
        """Return which of these sheets take the part that the fewest sheets in stock take: it must not find them used up."""
        choice = np.zeros(len(left))
        for row in there:
            choice += np.where(self._grounds[row].fits, stock[row] * self._grounds[row].area_mm2, 0.0)
        choice[(left == 0) | (choice == 0)] = np.inf
        hardest = int(np.argmin(choice))
        return [row for row in there if self._grounds[row].fits[hardest]]

    def _cut(self, row: int, left: Ints, stock: Ints, until: float, *, wild: bool) -> Pattern | None:
        """Return one sheet laid, as often as parts and stock allow."""
        ground = self._grounds[row]
        sheets = max(1.0, float(self._areas @ left) / (self._full * ground.room.area_mm2))
        time_left = until - time.monotonic()
        able = np.where(ground.fits, left, 0)
        copies = self._copies(ground, able, min(sheets * _GOOD_SECONDS / max(time_left, _GOOD_SECONDS), float(stock[row])))
        once = able // copies
        manner = self._manner(float(time_left * copies / np.ceil(sheets)), wild=wild)
        large_first = float(self._draws.choice([1.0, 1.0, 1.5, 3.0])) if wild else 1.0
        chosen = choose(ground.room.area_mm2, ground.packed.areas, once, manner.fullness, self._turn, large_first=large_first)
        layout = lay(self._packer, ground.room, ground.packed, chosen, once - chosen, manner, self._ended)
        if not len(layout.placements.part):
            return None
        if not layout.whole:
            self._full += 0.3 * (layout.area_mm2 / ground.room.area_mm2 - self._full)
        used = np.bincount(layout.placements.part, minlength=len(left))
        some = used > 0
        return self._pattern(row, layout, int(min(stock[row], (left[some] // used[some]).min())))

    def _manner(self, seconds: float, *, wild: bool) -> Manner:
        fullness = self._full + _OVER * (float(self._draws.uniform(0.0, 2.0)) if wild else 1.0)
        upright = wild and bool(self._draws.random() < _UPRIGHT)
        seconds = min(max(_IN_USE * seconds, _LEAST_SECONDS), _MOST_SECONDS if wild else _MOST_FIRST_SECONDS)
        return Manner(seconds, fullness, int(self._draws.integers(1 << 31)), self._threads, upright)

    def _copies(self, ground: Ground, able: Ints, wanted: float) -> int:
        """Return how many sheets are to be cut in one way, so that there is time for each way and parts for each sheet."""
        copies = max(1, int(wanted))
        while copies > 1 and float(ground.packed.areas @ (able // copies)) < self._full * ground.room.area_mm2:
            copies = copies * 3 // 4
        return copies

    def _pattern(self, row: int, layout: Layout, copies: int) -> Pattern:
        ground = self._grounds[row]
        remnants = remnants_of(ground.sheet, ground.rules, layout.boxes)
        back = sum(one.width_mm * one.height_mm for one in remnants)
        return Pattern(row, copies, layout, remnants, ground.cost_mm2 - _REMNANT_WORTH * back - layout.area_mm2)

    def _poor(self, pattern: Pattern, row: int) -> bool:
        """Return whether a remnant is better left in stock: too much of it would be lost."""
        if not self._grounds[row].sheet.remnant:
            return False
        return pattern.waste_mm2 > (1.0 - self._full + _POOR) * self._grounds[row].area_mm2

    def _better(self, stock: Ints) -> None:
        """Take some sheets apart and cut their parts anew, or fill another with them first; keep what is better."""
        apart = self._apart()
        stay = [one for row, one in enumerate(self.best) if row not in apart]
        budget = min(self._until, time.monotonic() + len(apart) * float(np.exp(self._draws.uniform(*_ANEW_LOG_SECONDS))))
        single = [row for row, one in enumerate(stay) if one.copies == 1]
        if single and self._draws.random() < _FILL_SHARE:
            row = int(self._draws.choice(single))
            more = self._filled(stay[row], self._wanted - self._held(stay), budget)
            if more is None:
                return
            stay[row] = more
        new, _ = self._construct(self._wanted - self._held(stay), stock - self._used(stay), budget, wild=True)
        if self._cost([*stay, *new]) < self._cost(self.best) - 1.0:
            self.best = (*stay, *new)

    def _filled(self, pattern: Pattern, spare: Ints, until: float) -> Pattern | None:
        """Return a sheet with what of the spare parts fits between those it has, and into their holes; None where none does."""
        ground = self._grounds[pattern.ground]
        there = pattern.layout.placements
        layout = filled(ground.room, ground.packed, there, self._one(pattern) + np.where(ground.fits, spare, 0), until)
        return self._pattern(pattern.ground, layout, 1) if len(layout.placements.part) > len(there.part) else None

    def _apart(self) -> list[int]:
        """Return which sheets are taken apart: those of which much is lost sooner, and one that has a remnant more often."""
        waste = np.array([max(one.waste_mm2 * one.copies, 1.0) for one in self.best])
        waste += [0.05 * self._grounds[one.ground].area_mm2 if one.remnants else 0.0 for one in self.best]
        many = min(len(self.best), int(self._draws.integers(1, _MOST_TAKEN_APART + 1)))
        return [int(row) for row in self._draws.choice(len(self.best), many, replace=False, p=waste / waste.sum())]

    def _cost(self, patterns: Sequence[Pattern]) -> float:
        """Return what is lost of plate, with what is left and what of that was to be first."""
        held = self._held(patterns)
        left = float(self._areas @ (self._wanted - held)) + _URGENT_WORTH * float(self._areas @ np.maximum(self._first - held, 0))
        return sum(one.waste_mm2 * one.copies for one in patterns) + _LEFT_WORTH * left

    def _one(self, pattern: Pattern) -> Ints:
        return np.bincount(pattern.layout.placements.part, minlength=len(self._kinds)).astype(np.int64)

    def _held(self, patterns: Sequence[Pattern]) -> Ints:
        return sum((one.copies * self._one(one) for one in patterns), np.zeros(len(self._kinds), np.int64))

    def _used(self, patterns: Sequence[Pattern]) -> Ints:
        used = np.zeros(len(self._grounds), np.int64)
        for one in patterns:
            used[one.ground] += one.copies
        return used
