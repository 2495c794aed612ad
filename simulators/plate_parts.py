"""Plate parts as four factories order them week by week, and the sheets in stock.

Excavators, cranes, concrete pumps and aerial platforms order boom sides, bulkheads, gussets, lugs, rings and long rectangles of S355,
S690 and S960 between 6 and 40 mm. Sizes and shares are what weldments of such machines show, from general knowledge of the trade, not
from the books of a plant: what is measured on them tells of this mix, not of every plant. Frozen: a change of what a seed gives raises
``VERSION``; never tuned so that a nest comes out better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np

from plant.nests import CuttingRules, NestPart, NestProblem, Shape, StockSheet, area_mm2, rotations_on
from simulators.plate_shapes import (
    angle_plate,
    bar,
    base_plate,
    boom_side,
    drilled_bar,
    flange,
    gusset,
    lug,
    ring,
    saddle,
    stiffener,
    tapered,
    window,
)

VERSION: Final = 1
DRAWINGS_PER_FACTORY: Final = 40
MONDAY_US: Final = 1_767_571_200_000_000
"""2026-01-05, 00:00 UTC: the first week's begin."""
_DAY_US: Final = 86_400_000_000

Plate: TypeAlias = tuple[str, float]
"""Grade and thickness in mm."""
PLATES: Final[tuple[Plate, ...]] = (
    *(("S355J2", thickness) for thickness in (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0)),
    *(("S690QL", thickness) for thickness in (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 30.0)),
    *(("S960QL", thickness) for thickness in (6.0, 8.0, 10.0)),
)
MILL_SIZES_MM: Final = ((6_000.0, 2_000.0), (8_000.0, 2_000.0), (8_000.0, 2_500.0), (12_000.0, 2_500.0))
RULES: Final = (
    CuttingRules(kerf_mm=2.5, gap_mm=6.0, margin_mm=8.0, thickness_up_to_mm=12.0),
    CuttingRules(kerf_mm=3.0, gap_mm=8.0, margin_mm=10.0, thickness_up_to_mm=25.0),
    CuttingRules(kerf_mm=4.0, gap_mm=12.0, margin_mm=12.0),
)

Draws: TypeAlias = np.random.Generator


@dataclass(frozen=True, slots=True)
class Family:
    """Parts of one kind in one factory."""

    name: str
    share: float
    """Of the factory's drawings."""
    grades: tuple[str, ...]
    thickness_mm: tuple[float, float]
    per_machine: tuple[int, int]
    draw: Callable[[Draws], Shape]
    bent: float = 0.0
    """Share of drawings that are bent afterwards, so the rolling direction matters: their length lies along it."""


def _between(draws: Draws, least: float, most: float, step: float = 5.0) -> float:
    """Return a size as a designer chooses it: a multiple of the step, small ones more often."""
    return float(step * np.round(np.exp(draws.uniform(np.log(least), np.log(most))) / step))


def _bar(length: tuple[float, float], width: tuple[float, float]) -> Callable[[Draws], Shape]:
    return lambda draws: bar(_between(draws, *length), _between(draws, *width))


def _drilled(length: tuple[float, float], width: tuple[float, float]) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, *length)
        across = min(_between(draws, *width), long)
        return drilled_bar(long, across, _between(draws, 0.15 * across, 0.3 * across, 1.0))

    return draw


def _gusset(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        leg = _between(draws, least, most)
        return gusset(
            leg, _between(draws, 0.5 * leg, leg), float(draws.choice([15.0, 20.0, 25.0])), float(draws.choice([10.0, 15.0, 20.0]))
        )

    return draw


def _stiffener(length: tuple[float, float], width: tuple[float, float]) -> Callable[[Draws], Shape]:
    return lambda draws: stiffener(_between(draws, *length), _between(draws, *width), float(draws.choice([15.0, 20.0, 30.0])))


def _lug(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        across = _between(draws, least, most)
        return lug(across, _between(draws, 1.1 * across, 2.0 * across), _between(draws, 0.35 * across, 0.55 * across, 1.0))

    return draw


def _ring(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        outer = _between(draws, least, most)
        return ring(outer, _between(draws, 0.55 * outer, 0.85 * outer))

    return draw


def _flange(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        outer = _between(draws, least, most)
        return flange(
            outer, _between(draws, 0.35 * outer, 0.55 * outer, 1.0), float(draws.choice([13.5, 17.5, 22.0])), int(draws.choice([4, 6, 8]))
        )

    return draw


def _window(length: tuple[float, float]) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, *length)
        across = _between(draws, 0.5 * long, 0.95 * long)
        return window(long, across, _between(draws, 0.14 * across, 0.25 * across), float(draws.choice([20.0, 30.0, 40.0])))

    return draw


def _angle(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, least, most)
        short = _between(draws, 0.5 * long, long)
        return angle_plate(long, short, _between(draws, 0.3 * short, 0.5 * short), float(draws.choice([20.0, 40.0])))

    return draw


def _saddle(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        across = _between(draws, least, most)
        return saddle(across, _between(draws, 0.5 * across, 0.9 * across), _between(draws, 0.5 * across, 0.75 * across, 1.0))

    return draw


def _base(least: float, most: float) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, least, most)
        across = _between(draws, 0.6 * long, long)
        return base_plate(long, across, _between(draws, 0.08 * across, 0.2 * across), _between(draws, 0.25 * across, 0.5 * across))

    return draw


def _tapered(length: tuple[float, float], foot: tuple[float, float], bores: int) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, *length)
        high = min(_between(draws, *foot), 0.5 * long)
        return tapered(long, high, _between(draws, 0.45 * high, 0.75 * high), int(draws.integers(0, bores + 1)))

    return draw


def _boom(length: tuple[float, float]) -> Callable[[Draws], Shape]:
    def draw(draws: Draws) -> Shape:
        long = _between(draws, *length)
        sizes = (_between(draws, low * long, high * long) for low, high in ((0.12, 0.2), (0.07, 0.1), (0.13, 0.19), (0.05, 0.08)))
        return boom_side(long, *sizes)

    return draw


_MILD, _STRONG, _BOTH = ("S355J2",), ("S690QL", "S960QL"), ("S355J2", "S690QL")
FAMILIES: Final[dict[str, tuple[Family, ...]]] = {
    "excavator": (
        Family("boom side", 0.08, _BOTH, (10, 16), (2, 2), _boom((2_600, 5_400))),
        Family("arm side", 0.07, _BOTH, (10, 16), (2, 2), _tapered((1_500, 3_000), (350, 600), 1)),
        Family("boom flange", 0.10, _BOTH, (10, 20), (1, 2), _bar((1_800, 5_000), (280, 480)), bent=0.6),
        Family("frame web", 0.10, _BOTH, (12, 25), (1, 4), _bar((600, 2_400), (180, 600))),
        Family("bulkhead", 0.08, _MILD, (8, 16), (1, 3), _window((350, 1_100))),
        Family("gusset", 0.16, _BOTH, (8, 20), (4, 10), _gusset(80, 380)),
        Family("stiffener", 0.14, _MILD, (8, 16), (2, 8), _stiffener((150, 800), (60, 220))),
        Family("lug", 0.13, _BOTH, (20, 40), (2, 6), _lug(110, 360)),
        Family("pad", 0.10, _MILD, (6, 16), (2, 8), _drilled((100, 420), (60, 220)), bent=0.2),
        Family("swing ring", 0.04, _MILD, (25, 40), (1, 1), _ring(700, 1_500)),
    ),
    "crane": (
        Family("boom shell", 0.12, _STRONG, (6, 10), (1, 2), _bar((5_500, 11_500), (550, 1_250)), bent=1.0),
        Family("outrigger web", 0.10, ("S690QL",), (8, 16), (2, 4), _bar((1_500, 3_600), (250, 520))),
        Family("outrigger cap", 0.08, ("S690QL",), (8, 20), (2, 4), _bar((900, 3_000), (160, 360)), bent=0.3),
        Family("turntable plate", 0.06, _BOTH, (16, 40), (1, 2), _base(900, 1_900)),
        Family("turntable ring", 0.06, _BOTH, (25, 40), (1, 1), _ring(900, 1_800)),
        Family("sheave side", 0.10, _BOTH, (8, 20), (2, 6), _flange(260, 640)),
        Family("wear collar", 0.12, _BOTH, (6, 12), (4, 8), _angle(180, 560)),
        Family("gusset", 0.18, ("S690QL", "S960QL", "S355J2"), (6, 20), (4, 12), _gusset(70, 320)),
        Family("lug", 0.18, _BOTH, (16, 40), (2, 6), _lug(90, 300)),
    ),
    "concrete pump": (
        Family("boom section side", 0.14, _STRONG, (6, 8), (2, 2), _tapered((2_400, 6_800), (320, 620), 3)),
        Family("boom section cap", 0.14, _STRONG, (6, 8), (2, 2), _bar((2_400, 6_800), (200, 420)), bent=0.7),
        Family("joint plate", 0.12, _STRONG, (6, 16), (2, 4), _tapered((500, 1_100), (280, 480), 1)),
        Family("leg web", 0.12, _BOTH, (8, 16), (2, 4), _bar((900, 2_600), (220, 480))),
        Family("pipe saddle", 0.14, _MILD, (6, 12), (4, 8), _saddle(160, 320)),
        Family("hopper plate", 0.08, _MILD, (6, 10), (1, 4), _bar((500, 1_600), (300, 900)), bent=0.4),
        Family("boss ring", 0.12, _BOTH, (12, 30), (4, 8), _ring(120, 380)),
        Family("gusset", 0.14, _BOTH, (6, 16), (4, 12), _gusset(60, 300)),
    ),
    "aerial platform": (
        Family("scissor lug", 0.16, _MILD, (8, 20), (4, 8), _lug(70, 200)),
        Family("chassis plate", 0.12, _MILD, (6, 12), (1, 2), _bar((900, 2_400), (350, 900)), bent=0.3),
        Family("floor frame", 0.08, _MILD, (6, 10), (1, 2), _window((600, 1_400))),
        Family("arm side", 0.12, _BOTH, (6, 10), (2, 4), _tapered((900, 2_600), (180, 340), 2)),
        Family("bracket", 0.18, _MILD, (6, 12), (4, 12), _angle(90, 320)),
        Family("clamp bar", 0.16, _MILD, (6, 16), (4, 10), _drilled((80, 360), (40, 120)), bent=0.2),
        Family("flange", 0.08, _MILD, (10, 20), (2, 4), _flange(140, 360)),
        Family("stiffener", 0.10, _MILD, (6, 10), (4, 12), _stiffener((90, 420), (40, 140))),
    ),
}
FACTORIES: Final = tuple(FAMILIES)
_PREFIX: Final = {"excavator": "EX", "crane": "CR", "concrete pump": "CP", "aerial platform": "AP"}


@dataclass(frozen=True, slots=True, eq=False)
class _Drawing:
    name: str
    shape: Shape
    plate: Plate
    per_machine: int
    grain_deg: float | None


def plate_parts(
    seed: int, count: int, *, weeks: int = 1, begin_us: int = MONDAY_US, plates: Sequence[Plate] = PLATES
) -> tuple[NestPart, ...]:
    """Return what the four factories order: ``count`` parts in all, due on the working days of so many weeks.

    Each row is one drawing of one order, so a drawing comes again in other orders. ``plates``: only drawings of these grades and
    thicknesses, as a nester gathers them before he begins.
    """
    draws = np.random.default_rng([VERSION, seed])
    drawings = {factory: _catalogue(factory, draws, plates) for factory in FACTORIES}
    drawings = {factory: found for factory, found in drawings.items() if found}
    if not drawings:
        raise ValueError(f"no factory orders parts of {list(plates)}")
    parts: list[NestPart] = []
    missing, number = count, 0
    while missing > 0:
        number += 1
        factory = str(draws.choice(list(drawings)))
        for part in _order(factory, number, drawings[factory], draws, begin_us, weeks):
            taken = min(part.quantity, missing)
            if taken:
                parts.append(_with_quantity(part, taken))
            missing -= taken
    return tuple(parts)


def plate_stock(seed: int, parts: Sequence[NestPart], *, cover: float = 1.5, remnants: int = 3) -> tuple[StockSheet, ...]:
    """Return sheets for these parts: for each plate two mill sizes, the area of its parts ``cover`` times, and up to so many remnants.

    The longest part fits one of the sizes. The rolling direction is along the width; of one remnant in five nobody knows it.
    """
    draws = np.random.default_rng([VERSION, seed, 1])
    sheets: list[StockSheet] = []
    for plate, found in groupby(sorted(parts, key=_plate_of), key=_plate_of):
        of_plate = list(found)
        area = cover * sum(part.quantity * area_mm2(part.shape) for part in of_plate)
        fitting = [size for size in MILL_SIZES_MM if all(_fits(part, size) for part in of_plate)] or [MILL_SIZES_MM[-1]]
        sizes = {fitting[int(draws.integers(len(fitting)))], MILL_SIZES_MM[int(draws.integers(len(MILL_SIZES_MM)))]}
        share = 1.0 / len(sizes)
        for width, height in sorted(sizes):
            quantity = int(np.ceil(area * share / (width * height))) + 1
            sheets.append(StockSheet(f"{plate[0]}-{plate[1]:g}-{width:g}x{height:g}", width, height, quantity, *plate, grain_deg=0.0))
        for at in range(int(draws.integers(remnants + 1))):
            width, height = _between(draws, 600, 4_000), _between(draws, 400, 2_000)
            grain = None if draws.random() < 0.2 else 0.0
            sheets.append(StockSheet(f"R-{plate[0]}-{plate[1]:g}-{at + 1}", width, height, 1, *plate, grain_deg=grain, remnant=True))
    return tuple(sheets)


def plate_problem(seed: int, count: int, *, weeks: int = 1, plates: Sequence[Plate] = PLATES, cover: float = 1.5) -> NestProblem:
    """Return parts, stock and rules of one seed as a job for the nester."""
    parts = plate_parts(seed, count, weeks=weeks, plates=plates)
    return NestProblem(f"plates of four factories, seed {seed}", parts, plate_stock(seed, parts, cover=cover), RULES)


def _catalogue(factory: str, draws: Draws, plates: Sequence[Plate]) -> list[_Drawing]:
    """Return the factory's drawings of these plates."""
    able = [(family, _plates_of(family, plates)) for family in FAMILIES[factory]]
    able = [(family, of_family) for family, of_family in able if of_family]
    if not able:
        return []
    shares = np.array([family.share for family, _ in able])
    drawings = []
    for at, chosen in enumerate(draws.choice(len(able), DRAWINGS_PER_FACTORY, p=shares / shares.sum())):
        family, of_family = able[int(chosen)]
        plate = of_family[int(draws.integers(len(of_family)))]
        grain = 0.0 if draws.random() < family.bent else None
        per_machine = int(draws.integers(family.per_machine[0], family.per_machine[1] + 1))
        drawings.append(_Drawing(f"{_PREFIX[factory]}-{at + 101} {family.name}", family.draw(draws), plate, per_machine, grain))
    return drawings


def _plates_of(family: Family, plates: Sequence[Plate]) -> list[Plate]:
    low, high = family.thickness_mm
    return [plate for plate in plates if plate[0] in family.grades and low <= plate[1] <= high]


def _order(factory: str, number: int, drawings: Sequence[_Drawing], draws: Draws, begin_us: int, weeks: int) -> list[NestPart]:
    """Return the rows of one order: some drawings, for one to four machines, due at the end of a working day."""
    machines = int(draws.choice([1, 1, 2, 2, 3, 4]))
    day = int(draws.integers(5 * weeks))
    due_us = begin_us + (7 * (day // 5) + day % 5) * _DAY_US + 16 * 3_600_000_000
    priority = int(draws.choice([3, 5, 5, 5, 5, 7, 9]))
    chosen = draws.permutation(len(drawings))[: int(draws.integers(3, 11))]
    return [
        NestPart(
            name=one.name,
            shape=one.shape,
            quantity=machines * one.per_machine,
            order=f"{_PREFIX[factory]}-{number:04d}",
            factory=factory,
            material=one.plate[0],
            thickness_mm=one.plate[1],
            rotations_deg=_rotations(one),
            grain_deg=one.grain_deg,
            due_us=due_us,
            priority=priority,
        )
        for one in (drawings[int(at)] for at in chosen)
    ]


def _rotations(drawing: _Drawing) -> tuple[float, ...] | None:
    """Long parts lie along the edges of a sheet, as they are lifted; rectangles too. The torch does not mind how others lie."""
    straight = len(drawing.shape.outline) == 4 or np.ptp(drawing.shape.outline, axis=0).max() > 1_500
    return (0.0, 90.0, 180.0, 270.0) if straight or drawing.grain_deg is not None else None


def _with_quantity(part: NestPart, quantity: int) -> NestPart:
    return part if part.quantity == quantity else replace(part, quantity=quantity)


def _plate_of(part: NestPart) -> Plate:
    return part.material, part.thickness_mm


def _fits(part: NestPart, size: tuple[float, float]) -> bool:
    """Whether it lies on a sheet of this size by quarter turns, with 12 mm of margin."""
    wide, high = np.ptp(part.shape.outline, axis=0)
    room = size[0] - 24, size[1] - 24
    turns = rotations_on(part, 0.0)
    along = wide <= room[0] and high <= room[1]
    across = high <= room[0] and wide <= room[1]
    return bool(along if turns is not None and 90.0 not in turns else along or across)
