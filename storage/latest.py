"""The newest sample of each signal, kept apart so that no page ever searches history for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.database import Connection, translate_errors


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
    with translate_errors():
        rows = connection.cursor(binary=True).execute(
            "SELECT signal_id, (extract(epoch FROM time) * 1000000)::int8, (extract(epoch FROM received_time) * 1000000)::int8, "
            "coalesce(value, 'NaN'), value IS NOT NULL, status, text FROM latest ORDER BY signal_id"
        )
        columns = list(zip(*rows.fetchall(), strict=True)) or [()] * 7
    text = np.empty(len(columns[6]), np.object_)
    text[:] = columns[6]
    return Latest(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.float64),
        np.array(columns[4], np.bool_),
        np.array(columns[5], np.int32).view(np.uint32),
        text,
    )
