"""The search for rectangles on the sheets of one material and thickness: at once an answer, then better ones while there is time.

Sheets are laid one after the other by many quick layouts each. Then, in turns: some sheets are taken apart and laid anew; all are laid
anew where rectangles that came to lie badly count for more (sequential value correction: Belov and Scheithauer, INFORMS J. on Computing 19
(2007) 27); and layouts known so far are put together by a linear program, for whose prices new ones are sought (column generation).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting.rectangle_laying import SAME_MM, lay_many, two_stages
from plant.nests import Floats

Ints = NDArray[np.int64]

REMNANT_WORTH: Final = 0.98
"""What goes back into stock is worth a little less than what was not cut."""
_LEFT_WORTH: Final = 10.0
_FIRST_TRIES: Final = 40
_MOST_TRIES: Final = 3_000
_MOST_KNOWN: Final = 1_500
"""Layouts that are kept for the linear program."""
_COLUMNS_FROM: Final = 4
"""Sheets from which putting known layouts together is worth its time."""
_WHOLE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """Equal sheets, grown by the distance of parts, and how kinds lie there."""

    length_mm: float
    height_mm: float
    cost_mm2: float
    sizes: Floats
    """(kinds, 2, 2): along and across of each kind by way of lying, with its distance; infinite: not so."""
    quantity: int
    least_rest_mm: float
    """Along the sheet: what is less does not go back."""
    least_rest_high_mm: float

    @property
    def fits(self) -> NDArray[np.bool_]:
        """(kinds,): whether it can lie here at all."""
        fits: NDArray[np.bool_] = np.any((self.sizes <= (self.length_mm + SAME_MM, self.height_mm + SAME_MM)).all(axis=2), axis=1)
        return fits

    def rest_worth(self, *, upright: bool) -> tuple[float, float]:
        """Return what a mm of free sheet at the end is worth, and from how many mm on."""
        across, along = (self.length_mm, self.height_mm) if upright else (self.height_mm, self.length_mm)
        small, large = sorted((self.least_rest_mm, self.least_rest_high_mm))
        least = np.inf if across < small else small if across >= large else large
        return (REMNANT_WORTH * across if least <= along else 0.0), float(least)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rectangles on one sheet."""

    plate: int
    rows: Floats
    """(n, 4): kind, way of lying, x, y of the lower left corner of the grown rectangle."""
    holds: Ints
    """(kinds,)"""
    cost_mm2: float
    """Of the sheet, less what goes back."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A layout, and how many sheets are cut so."""

    layout: Layout
    copies: int


class RectangleSearch:
    """Kinds, plates and the best cuts so far."""

    def __init__(self, plates: Sequence[Plate], areas: Floats, quantities: Ints, urgent: Ints, seed: int) -> None:
        self.best: tuple[Cut, ...] = ()
        self.cut_short = False
        self._plates, self._areas, self._quantities = plates, areas, quantities
        self._stock = np.array([plate.quantity for plate in plates], np.int64)
        fits = np.array([plate.fits for plate in plates]).reshape(len(plates), len(areas)).any(axis=0)
        self._wanted = np.where(fits, quantities, 0)
        self._urgent = urgent
        self._weights = np.ones(len(areas))
        self._draws = np.random.default_rng(seed)
        self._known: dict[tuple[int, bytes], Layout] = {}
        self._best_cost = np.inf

    def run(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Search so long, or until ``stop``; there is an answer after the first moment."""
        until = time.monotonic() + seconds
        self._take(self._construct(self._wanted, self._stock, _FIRST_TRIES, stop))
        if stop():
            self.cut_short = bool((self._wanted > self._held(self.best)).any())
            return
        tries, turn = 4 * _FIRST_TRIES, 0
        columns_at = time.monotonic() + 0.3 * (until - time.monotonic())
        while time.monotonic() < until and not stop() and self.best:
            sheets = sum(cut.copies for cut in self.best)
            if time.monotonic() > columns_at and sheets >= _COLUMNS_FROM:
                self._put_together(until, stop)
                columns_at = time.monotonic() + 0.4 * (until - time.monotonic()) + 2.0
            elif turn % (2 + sheets) == 0:
                self._correct()
                self._take(self._construct(self._wanted, self._stock, tries, stop, until))
                tries = min(2 * tries, _MOST_TRIES)
            else:
                self._better(tries, stop, until)
            turn += 1

    def _take(self, cuts: Sequence[Cut]) -> None:
        """Make these cuts the best so far where they are."""
        cost = self._cost(cuts, self._wanted)
        if cost < self._best_cost - 1e-6:
            self._best_cost, self.best = cost, tuple(_together(cuts))

    def _construct(self, left: Ints, stock: Ints, tries: int, stop: Callable[[], bool], until: float = np.inf) -> list[Cut]:
        """Return cuts for what is left, sheet by sheet."""
        left, stock = left.copy(), stock.copy()
        short = self._urgent.any()
        cuts: list[Cut] = []
        while left.any() and not stop() and time.monotonic() < until:
            found = [self._lay(row, left, tries, short=bool(short)) for row in np.flatnonzero(stock).tolist()]
            able = [layout for layout in found if layout is not None]
            if not able:
                break
            layout = min(able, key=self._loss)
            some = layout.holds > 0
            most = int(min(stock[layout.plate], (left[some] // layout.holds[some]).min()))
            copies = max(1, most // 2 if most > 3 else 1)
            cuts.append(Cut(layout, copies))
            left -= copies * layout.holds
            stock[layout.plate] -= copies
        return cuts

    def _loss(self, layout: Layout) -> float:
        """Return which part of what a sheet costs is lost."""
        return 1.0 - float((self._areas * self._weights) @ layout.holds) / layout.cost_mm2

    def _lay(self, row: int, left: Ints, tries: int, *, short: bool, prices: Floats | None = None) -> Layout | None:
        """Return the best of so many layouts of a sheet, begun at its left or at its lower edge; None: nothing fits."""
        plate = self._plates[row]
        able = np.where(plate.fits, left, 0)
        if not able.any():
            return None
        values = self._areas * self._weights if prices is None else prices
        if short:
            values = values * np.where(self._urgent > 0, 3.0, 1.0)
        most = int(min(able.sum(), 2 + plate.length_mm * plate.height_mm // self._areas[able > 0].min()))
        best: tuple[float, Floats, float, bool] | None = None
        for upright in (False, True):
            rows = np.zeros((most, 4))
            sizes = np.ascontiguousarray(plate.sizes[:, :, ::-1]) if upright else plate.sizes
            length, height = (plate.height_mm, plate.length_mm) if upright else (plate.length_mm, plate.height_mm)
            worth = plate.rest_worth(upright=upright)
            seed = int(self._draws.integers(1 << 31))
            count, value, reach = lay_many(length, height, sizes, able, values, worth, max(1, tries // 2), seed, rows)
            if count and (best is None or value > best[0]):
                rest = length - reach
                best = value, rows[:count], worth[0] * rest if rest >= worth[1] else 0.0, upright
        if best is None:
            return None
        _, rows, back, upright = best
        return self._layout(row, rows[:, [0, 1, 3, 2]] if upright else rows, plate.cost_mm2 - back)

    def _layout(self, plate: int, rows: Floats, cost: float) -> Layout:
        """Return a layout, known from now on."""
        holds = np.bincount(rows[:, 0].astype(np.int64), minlength=len(self._areas)).astype(np.int64)
        layout = Layout(plate, np.array(rows), holds, cost)
        key = plate, holds.tobytes()
        if key not in self._known or self._known[key].cost_mm2 > cost:
            if len(self._known) >= _MOST_KNOWN:
                worst = sorted(self._known, key=lambda one: -self._loss(self._known[one]))[: _MOST_KNOWN // 4]
                self._known = {one: self._known[one] for one in self._known if one not in set(worst)}
            self._known[key] = layout
        return layout

    def _correct(self) -> None:
        """Let rectangles that lie on poor sheets count for more, those on full ones for less."""
        for cut in self.best:
            share = cut.copies * cut.layout.holds / np.maximum(self._wanted, 1)
            used = float(self._areas @ cut.layout.holds) / cut.layout.cost_mm2
            factor = max(used, 0.3) ** -float(self._draws.uniform(0.5, 2.0))
            self._weights = (1.0 - 0.5 * share) * self._weights + 0.5 * share * factor
        self._weights = np.clip(self._weights / self._weights.min(), 1.0, 1.5)

    def _better(self, tries: int, stop: Callable[[], bool], until: float) -> None:
        """Take some sheets apart and lay their rectangles anew."""
        single = [cut.layout for cut in self.best for _ in range(cut.copies)]
        loss = np.array([max(layout.cost_mm2 - float(self._areas @ layout.holds), 1.0) for layout in single])
        many = min(len(single), int(self._draws.integers(1, 5)))
        apart = {int(row) for row in self._draws.choice(len(single), many, replace=False, p=loss / loss.sum())}
        stay = [layout for row, layout in enumerate(single) if row not in apart]
        held = self._held([Cut(layout, 1) for layout in stay])
        used = np.bincount([layout.plate for layout in stay], minlength=len(self._plates))
        new = self._construct(np.maximum(self._wanted - held, 0), self._stock - used, tries * 2, stop, until)
        if not stop():
            self._take(_together([*(Cut(layout, 1) for layout in stay), *new]))

    def _put_together(self, until: float, stop: Callable[[], bool]) -> None:
        """Choose among all known layouts by linear programs, seeking new ones for its prices; then in whole sheets."""
        from optimizer.nesting.rectangle_columns import copies, prices

        wanted = self._held(self.best)
        ends = time.monotonic() + 0.4 * (until - time.monotonic())
        while time.monotonic() < ends and not stop():
            holds, costs, plates, _ = self._columns()
            found = prices(holds, costs, plates, self._stock, wanted)
            if found is None or not self._new_columns(np.maximum(found, 0.0)):
                break
        holds, costs, plates, layouts = self._columns()
        seconds = min(_WHOLE_SECONDS, 0.5 * (until - time.monotonic()))
        often = copies(holds, costs, plates, self._stock, wanted, seconds) if seconds > 0.1 and not stop() else None
        if often is None:
            return
        chosen = [Cut(layout, int(count)) for layout, count in zip(layouts, often, strict=True) if count]
        self._take(self._without_surplus(chosen))
        rounded = [Cut(one.layout, one.copies - 1) for one in chosen if one.copies > 1]
        if rounded:
            held = self._held(rounded)
            used = self._used(rounded)
            self._take([*rounded, *self._construct(np.maximum(self._wanted - held, 0), self._stock - used, 500, stop, until)])

    def _columns(self) -> tuple[Ints, Floats, Ints, list[Layout]]:
        layouts = list(self._known.values())
        layouts += [cut.layout for cut in self.best]
        holds = np.array([layout.holds for layout in layouts])
        return holds, np.array([layout.cost_mm2 for layout in layouts]), np.array([layout.plate for layout in layouts]), layouts

    def _new_columns(self, prices: Floats) -> bool:
        """Return whether layouts were found that are worth more than they cost at these prices."""
        some = False
        for row, plate in enumerate(self._plates):
            if not self._stock[row]:
                continue
            for layout in (self._two_stages(row, plate, prices), self._lay(row, self._wanted, 600, short=False, prices=prices)):
                some |= layout is not None and float(prices @ layout.holds) > layout.cost_mm2 * (1.0 + 1e-6)
        return some

    def _two_stages(self, row: int, plate: Plate, prices: Floats) -> Layout | None:
        """Return the most valuable layout in two stages of cuts, along or across."""
        able = np.flatnonzero((self._wanted > 0) & (prices > 0))
        best: tuple[float, Floats] | None = None
        for upright in (False, True):
            length, height = (plate.height_mm, plate.length_mm) if upright else (plate.length_mm, plate.height_mm)
            whole = np.ceil(plate.sizes - 1e-6)
            items = [
                (along, across, kind, way)
                for kind in able.tolist()
                for way in range(2)
                for along, across in [whole[kind, way, ::-1] if upright else whole[kind, way]]
                if along <= length and across <= height
            ]
            if not items:
                continue
            sizes = np.array(sorted(items, key=lambda one: one[1]), np.int64)
            rows = np.zeros((2 + int(length * height / self._areas[able].min()), 4))
            count, value = two_stages(int(length), int(height), sizes, prices, rows)
            if best is None or value > best[0]:
                best = value, rows[:count][:, [0, 1, 3, 2]] if upright else rows[:count]
        if best is None or not len(best[1]):
            return None
        return self._layout(row, self._no_more_than_wanted(best[1]), plate.cost_mm2)

    def _no_more_than_wanted(self, rows: Floats) -> Floats:
        seen = np.zeros(len(self._areas), np.int64)
        keep = []
        for number, kind in enumerate(rows[:, 0].astype(np.int64).tolist()):
            seen[kind] += 1
            if seen[kind] <= self._wanted[kind]:
                keep.append(number)
        return rows[keep]

    def _without_surplus(self, cuts: Sequence[Cut]) -> list[Cut]:
        """Return the cuts less what is more than wanted, from the last sheets on."""
        surplus = self._held(cuts) - self._wanted
        result: list[Cut] = []
        for cut in cuts:
            for _ in range(cut.copies):
                layout = cut.layout
                over = np.minimum(layout.holds, np.maximum(surplus, 0))
                if over.any():
                    surplus = surplus - over
                    layout = _less(layout, over)
                if layout.holds.any():
                    result.append(Cut(layout, 1))
        return _together(result)

    def _held(self, cuts: Sequence[Cut]) -> Ints:
        return sum((cut.copies * cut.layout.holds for cut in cuts), np.zeros(len(self._areas), np.int64))

    def _used(self, cuts: Sequence[Cut]) -> Ints:
        used = np.zeros(len(self._plates), np.int64)
        for cut in cuts:
            used[cut.layout.plate] += cut.copies
        return used

    def _cost(self, cuts: Sequence[Cut], wanted: Ints) -> float:
        left = np.maximum(wanted - self._held(cuts), 0)
        worth = np.where(self._urgent > 0, 3.0, 1.0) * _LEFT_WORTH * self._areas
        return sum(cut.copies * cut.layout.cost_mm2 for cut in cuts) + float(worth @ left)


def _less(layout: Layout, over: Ints) -> Layout:
    """Return a layout without so many of each kind."""
    left = over.copy()
    keep = []
    for row in layout.rows[::-1]:
        kind = int(row[0])
        if left[kind]:
            left[kind] -= 1
        else:
            keep.append(row)
    return Layout(layout.plate, np.array(keep[::-1]).reshape(-1, 4), layout.holds - over, layout.cost_mm2)


def _together(cuts: Sequence[Cut]) -> list[Cut]:
    """Return sheets that hold the same as one with more copies, laid as the one of which most goes back."""
    found: dict[tuple[int, bytes], list[Cut]] = {}
    for cut in cuts:
        found.setdefault((cut.layout.plate, cut.layout.holds.tobytes()), []).append(cut)
    return [
        Cut(min((one.layout for one in same), key=lambda layout: layout.cost_mm2), sum(one.copies for one in same))
        for same in found.values()
    ]
