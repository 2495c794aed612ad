"""What goes back into stock of a sheet that was cut."""

from __future__ import annotations

from optimizer.nesting.filling import Room
from optimizer.nesting.layouts import Layout
from plant.nests import CuttingRules, Rectangle, StockSheet


def rest_of(sheet: StockSheet, rules: CuttingRules, room: Room, layout: Layout) -> tuple[Rectangle, ...]:
    """Return the rest to the right of all parts over the whole height of the sheet, where it is large enough."""
    left = room.left_mm + layout.length_mm + rules.distance_mm
    width = sheet.width_mm - left
    longer, shorter = max(width, sheet.height_mm), min(width, sheet.height_mm)
    if longer < max(rules.least_remnant_mm) or shorter < min(rules.least_remnant_mm):
        return ()
    return (Rectangle(left, 0.0, width, sheet.height_mm),)
