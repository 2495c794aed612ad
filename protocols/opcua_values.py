"""What one cyclic read of an OPC UA server brought, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

NOT_SCALAR: Final = 255
"""In ``ReadColumns.type_id``: an array, a structure or anything else that is no single value of a built-in type."""


@dataclass(frozen=True, slots=True)
class ReadColumns:
    """One read of n nodes: columns of equal length, in the order of the nodes prepared.

    Columns that are the same for each reply (types, no status, no time) are shared between reads and read-only.
    """

    value: npt.NDArray[np.float64]
    """The number; NaN where ``has_value`` is False."""
    has_value: npt.NDArray[np.bool_]
    """Whether there is a number: False for null, text, arrays, and whatever has a bad status."""
    status: npt.NDArray[np.uint32]
    """The whole StatusCode; BAD_DECODING_ERROR where a text is no UTF-8."""
    source_time_us: npt.NDArray[np.int64]
    """When the source took it, or NO_TIME."""
    server_time_us: npt.NDArray[np.int64]
    """When the server had it, or NO_TIME."""
    source_ticks: npt.NDArray[np.int64]
    """The source time as sent: 100 ns since 1601, 0 where absent. Exact, so that 'a new source time' can be told."""
    type_id: npt.NDArray[np.uint8]
    """OPC UA built-in type of the value sent: 0 null, NOT_SCALAR for arrays and structures."""
    text: npt.NDArray[np.object_] | None
    """str or None for each node (strings, and exact digits of integers beyond 2**53); None where no node has text."""

    def __len__(self) -> int:
        return len(self.value)


def chosen(columns: ReadColumns, rows: npt.NDArray[np.intp]) -> ReadColumns:
    """Return some rows of the columns, in the order given."""
    return ReadColumns(
        columns.value[rows],
        columns.has_value[rows],
        columns.status[rows],
        columns.source_time_us[rows],
        columns.server_time_us[rows],
        columns.source_ticks[rows],
        columns.type_id[rows],
        None if columns.text is None else columns.text[rows],
    )


def concatenate(parts: Sequence[ReadColumns]) -> ReadColumns:
    """Return the parts of one read, asked for in several requests, as one."""
    if len(parts) == 1:
        return parts[0]
    text = None
    if any(part.text is not None for part in parts):
        text = np.concatenate([np.full(len(p), None, np.object_) if p.text is None else p.text for p in parts])
    return ReadColumns(
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.has_value for p in parts]),
        np.concatenate([p.status for p in parts]),
        np.concatenate([p.source_time_us for p in parts]),
        np.concatenate([p.server_time_us for p in parts]),
        np.concatenate([p.source_ticks for p in parts]),
        np.concatenate([p.type_id for p in parts]),
        text,
    )
