"""Sheets in stock as services return them and as people and programs send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dashboard.views_orders import Word
from plant.strict import Strict

Name = Annotated[Word, Field(min_length=1)]
Millimetres = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class StockSheetView:
    """Equal sheets in stock."""

    id: int
    name: str
    """Lot or plate number; of a remnant its nest's and its place in it."""
    width_mm: float
    height_mm: float
    material: str
    thickness_mm: float
    grain_deg: float | None
    """Rolling direction: 0 along the width, 90 along the height; None: not known."""
    free: int
    """Sheets that can be nested on, ..."""
    reserved: int
    """... and those that released nests hold."""
    remnant: bool
    place: str
    origin_nest: int | None
    """The nest that left it."""
    area_m2: float
    """Of one sheet."""
    added_us: int
    changed_us: int
    actor: str


class SheetDraft(Strict):
    """Equal sheets that come into stock; more of a name that is there are added to it."""

    name: Name
    width_mm: Millimetres
    height_mm: Millimetres
    quantity: Annotated[int, Field(ge=1, le=100_000)] = 1
    material: Name
    thickness_mm: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    grain_deg: Annotated[
        float | None, Field(ge=0, lt=180, allow_inf_nan=False, description="rolling direction: 0 along the width; not given: not known")
    ] = None
    remnant: bool = False


class SheetsDraft(Strict):
    """Sheets that come into stock at one place."""

    sheets: Annotated[tuple[SheetDraft, ...], Field(min_length=1, max_length=2000)]
    place: Annotated[Word, Field(description="where they lie")] = ""


class CountDraft(Strict):
    """How many sheets of a name are free, as somebody counted them."""

    free: Annotated[int, Field(ge=0, le=100_000)]
    note: Annotated[str, Field(max_length=2000)] = ""


@dataclass(frozen=True, slots=True)
class AddedSheetsView:
    """What became of sheets that were sent."""

    added: tuple[str, ...]
    refused: dict[str, str]
    """By name, why it cannot be so."""
