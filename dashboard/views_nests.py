"""Nests as services return them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeftPartView:
    """Pieces that found no place."""

    order: str
    part: str
    quantity: int
    reason: str
    """no_sheet, too_large, no_grain, stock_used_up or stopped."""


@dataclass(frozen=True, slots=True)
class NestView:
    """What a centre cuts in a period from plates of one material and thickness."""

    id: int
    made_us: int
    centre: str
    from_us: int
    to_us: int
    material: str
    thickness_mm: float
    state: str
    """proposed, released, cut, withdrawn or superseded."""
    state_us: int
    actor: str
    sheets: int
    layouts: int
    parts: int
    """Pieces that lie on its sheets."""
    hours: float | None
    factory_hours: dict[str, float]
    gross: float | None
    """Area of the parts over the area of the sheets."""
    credited: float | None
    """The same, less the remnants that go back into stock."""
    net: float | None
    """Parts with half the distance round each, over what may be cut of the sheets."""
    left: tuple[LeftPartView, ...]
    seconds: float
    """That its search took."""
    whole: bool
    """Whether its layouts are still kept; of old ones only these figures are."""


@dataclass(frozen=True, slots=True)
class NestSheetView:
    """One layout of a nest, and the sheets it is cut from."""

    place: int
    """From 1."""
    name: str
    """Of the sheet in stock."""
    width_mm: float
    height_mm: float
    remnant: bool
    copies: int
    parts: int
    """On one copy."""
    gross: float
    remnants_mm: tuple[tuple[float, float], ...]
    """Width and height of what goes back into stock of each copy."""
    drawn: tuple[int, ...]
    """For each part in the order in which it is drawn: the row of its order among the nest's; -1: of none."""


@dataclass(frozen=True, slots=True)
class NestOrderView:
    """A part order of which pieces lie in a nest."""

    number: str
    factory: str
    part: str
    pieces: int
    due_us: int | None
    priority: int


@dataclass(frozen=True, slots=True)
class NestWholeView:
    """A nest with its layouts and its orders."""

    nest: NestView
    utilisation: dict[str, float]
    """By the metric's name: gross, credited, net, net_credited; empty where its layouts are no more kept."""
    kerf_mm: float
    gap_mm: float
    margin_mm: float
    factories: tuple[str, ...]
    """In the order of their hues."""
    sheets: tuple[NestSheetView, ...]
    orders: tuple[NestOrderView, ...]


@dataclass(frozen=True, slots=True)
class NestMovedView:
    """A nest that went a step."""

    nest: NestView
    remnants: tuple[str, ...]
    """Names of what lies in stock now, where it was cut."""
