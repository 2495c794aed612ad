"""Large holes of parts as small sheets: which parts go there, so that they need no place beside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting import regions
from optimizer.nesting.filling import Piece, fill

_MOST_SECONDS: Final = 1.0


def guests(pieces: Sequence[Piece], chosen: NDArray[np.int64], most_seconds: float = _MOST_SECONDS) -> NDArray[np.int64]:
    """Return (parts,) how many of those chosen lie in holes of others that are chosen, the largest holes first.

    Where they lie is found again when the parts with the holes lie on the sheet: here they are only counted.
    """
    until = time.monotonic() + most_seconds
    found = np.zeros(len(chosen), np.int64)
    hosts = [row for row in np.flatnonzero(chosen).tolist() if pieces[row].polygon.interiors]
    for host in sorted(hosts, key=lambda row: -pieces[row].area_mm2):
        polygon = regions.turned(pieces[host].polygon, pieces[host].angles[0])
        holes = regions.holes_of(polygon)
        largest = max(hole.area for hole in holes)
        others = [row for row in np.flatnonzero(chosen - found).tolist() if row != host]
        able = [row for row in others if regions.enclosed_mm2(pieces[row].polygon) < largest]
        for _ in range(int(chosen[host] - found[host])):
            left = [int(chosen[row] - found[row]) for row in able]
            if not any(left) or time.monotonic() > until:
                break
            lies = fill(holes, [pieces[row] for row in able], left, until).part
            if not len(lies):
                break
            found += np.bincount(lies, minlength=len(found))
    return found
