"""A cyclic read: the same nodes again and again, with as little work a tick as can be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.opcua_values import ReadColumns


class Reading:
    """One batched Read of fixed nodes, made ready once and then read each tick."""

    expected_type_id: npt.NDArray[np.uint8]
    """The built-in type each node is pinned to; compare with ``ReadColumns.type_id`` (0 there is null: no mismatch)."""

    async def read(self) -> ReadColumns:
        """Return the nodes' values as columns. Raises Unavailable when the server does not answer rightly in time."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.expected_type_id)
