"""A stretch of history at the number of points a chart can show, from raw samples or from rollups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from storage.database import Connection

Resolution: TypeAlias = Literal["raw", "1s", "1m", "1h"]


@dataclass(frozen=True, slots=True)
class Window:
    """One signal's history as columns of equal length, oldest first; NaN where a bucket holds no good number."""

    time_us: npt.NDArray[np.int64]
    """Start of the bucket, or the sample's own time."""
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    """Samples in the bucket, whatever their status."""
    good_count: npt.NDArray[np.int64]
    resolution: Resolution
    """What the window was read from."""


@dataclass(frozen=True, slots=True)
class Texts:
    """One text signal's history as columns, oldest first."""

    time_us: npt.NDArray[np.int64]
    text: tuple[str | None, ...]
    status: npt.NDArray[np.uint32]


def read_window(connection: Connection, signal_ids: Sequence[int], from_us: int, to_us: int, points: int) -> dict[int, Window]:
    """Return, for each signal, its history in [from_us, to_us) in at most about 2 * points buckets; min and max are kept."""
    raise NotImplementedError


def read_texts(connection: Connection, signal_id: int, from_us: int, to_us: int, most: int = 10_000) -> Texts:
    """Return the texts of a signal in [from_us, to_us); of more than ``most`` the newest."""
    raise NotImplementedError
