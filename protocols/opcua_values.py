"""What one cyclic read of an OPC UA server brought, as columns, and how the reply's bytes become them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NOT_SCALAR = 255
"""In ``ReadColumns.type_id``: an array, a structure or anything else that is no single value of a built-in type."""


@dataclass(frozen=True, slots=True)
class ReadColumns:
    """One read of n nodes: columns of equal length, in the order of the nodes prepared."""

    value: npt.NDArray[np.float64]
    """The number; NaN where ``has_value`` is False."""
    has_value: npt.NDArray[np.bool_]
    """Whether there is a number: False for null, text, arrays, and whatever has a bad status."""
    status: npt.NDArray[np.uint32]
    """The whole StatusCode."""
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
