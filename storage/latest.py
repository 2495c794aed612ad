"""The newest sample of each signal, kept apart so that no page ever searches history for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample of each signal that has one, as columns of equal length, by signal number."""

    signal_id: npt.NDArray[np.int32]
    time_us: npt.NDArray[np.int64]
    received_time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    has_value: npt.NDArray[np.bool_]
    status: npt.NDArray[np.uint32]
    text: npt.NDArray[np.object_]


def read_latest(connection: Connection) -> Latest:
    """Return the newest sample of every signal."""
    raise NotImplementedError
