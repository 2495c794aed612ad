"""A picture with what it shows: which part, from which station and view, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from plant.inspections import FrameHash

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width, 3), blue, green, red."""


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """What is measured of a picture as a whole."""

    brightness: float
    """Mean of its grey values, 0 to 255."""
    sharpness: float
    """Variance of the Laplacian."""
    white_percent: float
    flat_percent: float
    """Share of rows, or of columns where that is more, on which there is nothing."""
    torn: float
    """The clearest straight step between two rows of blocks, in times of how much such steps differ from column to column."""
    cut: float
    """How much more two neighbouring rows differ than those around them, across the whole width: two pictures in one file."""
    joined: float
    """How little two neighbouring rows have in common, times how much more they differ than those around them."""
    woven_percent: float
    """Share of the picture in which every second row or column stands out: damaged JPEG data weave such cloth, cameras do not."""


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
    statistics: FrameStatistics | None = None
    """Of its pixels, where somebody has measured them."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"a frame is uint8 of shape (height, width, 3), not {self.pixels.dtype} of shape {self.pixels.shape}")
