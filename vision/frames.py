"""A picture with what it shows: which part, from which station and view, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from plant.inspections import FrameHash

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width, 3), blue, green, red."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture as decoded, and the trigger it came with."""

    pixels: Pixels
    sha256: FrameHash
    """Of the bytes it was decoded from."""
    part: str
    """Serial number; empty where nobody told it."""
    station: str
    view: str
    taken_us: int
    """When the camera was triggered."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"a frame is uint8 of shape (height, width, 3), not {self.pixels.dtype} of shape {self.pixels.shape}")
