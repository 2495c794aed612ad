"""Stock: sheets and remnants by material and thickness, what comes in, and what somebody counted."""

from __future__ import annotations

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_stock import AddedSheetsView, CountDraft, SheetsDraft, StockSheetView
from plant.clock import Clock
from plant.errors import SettingsError
from plant.nests import StockSheet
from storage import stock
from storage.database import Pool
from storage.people import Role, Scope
from storage.stock import StoredSheet


class StockService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def sheets(self, *, free_only: bool = False, material: str | None = None, most: int = 2000) -> list[StockSheetView]:
        """Return sheets by material, thickness and size; those of which none is left are not among them."""
        clean = (material or "").replace("\0", "") or None
        with self._pool.connection() as connection:
            return [_view(one) for one in stock.read_stock(connection, free_only=free_only, material=clean, most=most)]

    def mark(self) -> str:
        """Return text that differs once stock changed."""
        with self._pool.connection() as connection:
            return stock.stock_mark(connection)

    def add(self, who: Person, draft: SheetsDraft) -> AddedSheetsView:
        """Put sheets into stock. For engineers and tokens for orders; it is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        names = [one.name for one in draft.sheets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingsError([f"sheet '{name}' stands there twice; take one of them out" for name in twice])
        sheets = [
            StockSheet(one.name, one.width_mm, one.height_mm, one.quantity, one.material, one.thickness_mm, one.grain_deg, one.remnant)
            for one in draft.sheets
        ]
        with self._pool.connection() as connection:
            refused = stock.add_sheets(
                connection, sheets, place=draft.place, actor=who.name, now_us=self._clock.now_us(), address=who.address
            )
        return AddedSheetsView(tuple(name for name in names if name not in refused), dict(refused))

    def count(self, who: Person, name: str, draft: CountDraft) -> None:
        """Say how many sheets are free, as counted. For engineers and tokens for orders; it is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        with self._pool.connection() as connection:
            stock.count_sheets(
                connection,
                name.replace("\0", ""),
                draft.free,
                actor=who.name,
                now_us=self._clock.now_us(),
                note=draft.note.strip(),
                address=who.address,
            )


def _view(one: StoredSheet) -> StockSheetView:
    sheet = one.sheet
    return StockSheetView(
        one.id,
        sheet.name,
        sheet.width_mm,
        sheet.height_mm,
        sheet.material,
        sheet.thickness_mm,
        sheet.grain_deg,
        sheet.quantity,
        one.reserved,
        sheet.remnant,
        one.place,
        one.origin_nest,
        sheet.width_mm * sheet.height_mm / 1e6,
        one.added_us,
        one.changed_us,
        one.actor,
    )
