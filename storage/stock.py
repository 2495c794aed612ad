"""Sheets in stock, remnants among them: what is free to be nested on, and what released nests hold.

All that changes stock tells the channel ``stock`` and the audit trail; callers add nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row

from plant.errors import Rejected
from plant.nests import StockSheet
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

STOCKED: Final = "stock"
"""The channel; its payload is empty."""
_FIELDS: Final = ("name", "width_mm", "height_mm", "quantity", "material", "thickness_mm", "grain_deg", "remnant")


@dataclass(frozen=True, slots=True)
class StoredSheet:
    """Equal sheets in stock."""

    id: int
    sheet: StockSheet
    """Its quantity is what is free."""
    reserved: int
    """Sheets that released nests hold."""
    place: str
    """Where it lies."""
    origin_nest: int | None
    """The nest that left it."""
    added_us: int
    changed_us: int
    actor: str


def add_sheets(
    connection: Connection, sheets: Sequence[StockSheet], *, place: str = "", actor: str, now_us: int, address: str = ""
) -> Mapping[str, str]:
    """Put sheets into stock; more of a name that is there are added to it. Return by name why one is refused; the others are kept."""
    refused: dict[str, str] = {}
    with translate_errors(), connection.transaction():
        for sheet in sheets:
            if sheet.quantity < 1:
                refused[sheet.name] = f"{sheet.quantity} sheets cannot be put into stock"
                continue
            row = connection.execute(
                "INSERT INTO stock_sheet (name, width_mm, height_mm, material, thickness_mm, grain_deg, quantity, remnant, place, "
                "added_time, changed_time, actor) VALUES (%(name)s, %(width_mm)s, %(height_mm)s, %(material)s, %(thickness_mm)s, "
                "%(grain_deg)s, %(quantity)s, %(remnant)s, %(place)s, %(now)s, %(now)s, %(actor)s) "
                "ON CONFLICT (name) DO UPDATE SET quantity = stock_sheet.quantity + excluded.quantity, "
                "changed_time = excluded.changed_time WHERE (stock_sheet.width_mm, stock_sheet.height_mm, stock_sheet.material, "
                "stock_sheet.thickness_mm, stock_sheet.grain_deg, stock_sheet.remnant) IS NOT DISTINCT FROM (excluded.width_mm, "
                "excluded.height_mm, excluded.material, excluded.thickness_mm, excluded.grain_deg, excluded.remnant) RETURNING id",
                {
                    **{name: getattr(sheet, name) for name in _FIELDS},
                    "place": place,
                    "now": moment(now_us),
                    "actor": actor,
                },
            ).fetchone()
            if row is None:
                refused[sheet.name] = (
                    "there are other sheets of this name in stock: of another size, material, thickness or rolling direction"
                )
        kept = [sheet for sheet in sheets if sheet.name not in refused]
        if kept:
            notify(connection, STOCKED, "")
            told = {sheet.name: sheet.quantity for sheet in kept[:50]} | ({"count": len(kept)} if len(kept) > 50 else {})
            add_audit(connection, time_us=now_us, actor=actor, act="add", subject="stock", next_=told, address=address)
    return refused


def count_sheets(connection: Connection, name: str, quantity: int, *, actor: str, now_us: int, note: str = "", address: str = "") -> None:
    """Say how many sheets are free, as somebody counted them. Raises Rejected where there is no sheet of this name."""
    if quantity < 0:
        raise Rejected(f"{quantity} sheets cannot lie in stock")
    with translate_errors(), connection.transaction():
        row = connection.execute("SELECT quantity FROM stock_sheet WHERE name = %s FOR UPDATE", [name]).fetchone()
        if row is None:
            raise Rejected(f"there is no sheet '{name}' in stock")
        connection.execute("UPDATE stock_sheet SET quantity = %s, changed_time = %s WHERE name = %s", [quantity, moment(now_us), name])
        notify(connection, STOCKED, "")
        before, after = {"quantity": row[0]}, {"quantity": quantity, "note": note.replace("\0", "")}
        subject = f"sheet {name}"
        add_audit(connection, time_us=now_us, actor=actor, act="count", subject=subject, previous=before, next_=after, address=address)


def read_stock(connection: Connection, *, free_only: bool = False, material: str | None = None, most: int = 2000) -> list[StoredSheet]:
    """Return sheets in stock by material, thickness and size; those of which none is left are not among them."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM stock_sheet WHERE CASE WHEN %(free_only)s THEN quantity > 0 ELSE quantity + reserved > 0 END "
            "AND (%(material)s::text IS NULL OR material = %(material)s) "
            "ORDER BY material, thickness_mm, remnant DESC, width_mm * height_mm, id LIMIT %(most)s",
            {"free_only": free_only, "material": material, "most": max(1, min(most, 100_000))},
        ).fetchall()
    return [_sheet(row) for row in rows]


def stock_mark(connection: Connection) -> str:
    """Return text that differs once stock changed."""
    with translate_errors():
        row = connection.execute(
            "SELECT concat_ws(' ', count(*), max(changed_time), sum(quantity), sum(reserved)) FROM stock_sheet"
        ).fetchone()
    return str(row)


def _sheet(row: Mapping[str, Any]) -> StoredSheet:
    sheet = StockSheet(
        row["name"],
        row["width_mm"],
        row["height_mm"],
        row["quantity"],
        row["material"],
        row["thickness_mm"],
        row["grain_deg"],
        row["remnant"],
    )
    return StoredSheet(
        row["id"],
        sheet,
        row["reserved"],
        row["place"],
        row["origin_nest_id"],
        micros(row["added_time"]),
        micros(row["changed_time"]),
        row["actor"],
    )
