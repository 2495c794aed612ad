"""The hue of each factory, the same in drawings of sheets (``plant.nest_drawing``), legends and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plant.nest_drawing import HUES

_TONES: Final = {"light": "74%", "dark": "34%"}


def factory_hue(name: str, factories: Sequence[str], theme: str) -> str:
    """Return the colour of a factory among those of a drawing: in the order of their names, the ninth as the first."""
    return f"hsl({HUES[sorted(factories).index(name) % len(HUES)]} 62% {_TONES[theme]})"
