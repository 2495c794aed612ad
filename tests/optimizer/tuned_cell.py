"""A cell with two parameters whose truth the tests know: the share of good parts has its best a step and a half away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from plant.process_windows import WindowSet, parse_windows
from plant.tuning import Trial, TuningTarget

TARGET: Final = TuningTarget("robot", "P-7")
START: Final = {"current": 240.0, "speed": 400.0}
WINDOWS: Final = """
[[windows]]
work_unit = "robot"
program = "P-*"
version = 4
author = "w.engineer"
approver = "q.manager"

[[windows.parameters]]
name = "current"
unit = "A"
low = 215
high = 265
step = 10
dead_band = 1

[[windows.parameters]]
name = "speed"
unit = "mm/min"
low = 320
high = 480
step = 20
dead_band = 2

[[windows.responses]]
name = "penetration"
unit = "mm"
low = 3.0
"""


def windows(*changes: tuple[str, str]) -> WindowSet:
    """Return the window, with words of it changed."""
    text = WINDOWS
    for said, instead in changes:
        assert said in text
        text = text.replace(said, instead)
    return parse_windows(text)


def true_share(recipe: Mapping[str, float]) -> float:
    """Return the share of good parts."""
    away = ((recipe["current"] - 253) / 10) ** 2 + ((recipe["speed"] - 412) / 20) ** 2
    return 1 / (1 + math.exp(-(3.2 - 0.9 * away)))


def made(number: int, recipe: Mapping[str, float], random: np.random.Generator, parts: int = 60) -> Trial:
    """Return a trial at a recipe."""
    good = int(random.binomial(parts, true_share(recipe)))
    depth = 4.0 + 0.03 * (recipe["current"] - 240) - 0.005 * (recipe["speed"] - 400) + float(random.normal(0, 0.05))
    scrapped = int(random.binomial(parts - good, 0.2))
    return Trial(f"t-{number}", TARGET, dict(recipe), parts, good, scrapped, {"penetration": depth})
