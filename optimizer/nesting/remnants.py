"""What goes back into stock of a sheet that was cut: its largest free rectangles."""

from __future__ import annotations

from typing import Final

import numpy as np

from plant.nests import CuttingRules, Floats, Rectangle, StockSheet

_MOST: Final = 2
"""Remnants of one sheet: more small ones are not worth their place."""


def remnants_of(sheet: StockSheet, rules: CuttingRules, boxes: Floats) -> tuple[Rectangle, ...]:
    """Return the rectangles that go back, the largest first; ``boxes`` (k, 4): left, bottom, right, top of each part."""
    longest, shortest = max(rules.least_remnant_mm), min(rules.least_remnant_mm)
    away = rules.distance_mm
    taken = boxes + np.array([-away, -away, away, away])
    found: list[Rectangle] = []
    while len(found) < _MOST:
        one = largest_free(sheet.width_mm, sheet.height_mm, taken, shortest)
        if one is None or max(one.width_mm, one.height_mm) < longest:
            break
        found.append(one)
        taken = np.vstack([taken, (one.x_mm, one.y_mm, one.x_mm + one.width_mm, one.y_mm + one.height_mm)])
    return tuple(found)


def largest_free(width_mm: float, height_mm: float, boxes: Floats, shortest_mm: float) -> Rectangle | None:
    """Return the largest rectangle that no box overlaps and whose sides are not shorter than this; None where there is none."""
    lefts = np.unique(np.concatenate([[0.0], np.clip(boxes[:, 2], 0.0, width_mm)]))
    rights = np.unique(np.concatenate([[width_mm], np.clip(boxes[:, 0], 0.0, width_mm)]))[::-1]
    boxes = boxes[np.argsort(boxes[:, 1])]
    best, best_area = None, 0.0
    for left in lefts:
        for right in rights:
            wide = right - left
            if wide < shortest_mm or wide * height_mm <= best_area:
                break
            beside = boxes[(boxes[:, 0] < right) & (boxes[:, 2] > left)]
            begins = np.concatenate([[0.0], np.maximum.accumulate(beside[:, 3])])
            high = np.concatenate([beside[:, 1], [height_mm]]) - begins
            at = int(np.argmax(high))
            if high[at] >= shortest_mm and wide * high[at] > best_area:
                best_area = float(wide * high[at])
                best = Rectangle(float(left), float(max(begins[at], 0.0)), float(wide), float(high[at]))
    return best
