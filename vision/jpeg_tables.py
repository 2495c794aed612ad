"""Whether the quantisation tables of a JPEG are such as an encoder writes: each number a decoder multiplies all blocks with.

A single bit that flips in one of them fills the whole picture with a pattern, or changes its contrast, and no decoder notices. Nearly all
encoders scale the two tables of ITU-T T.81 annex K by one quality; where most of a table is so scaled, all of it must be. Tables of
other make must at least be smooth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int64]

_ZIGZAG: Final = np.array(sorted(range(64), key=lambda at: (at // 8 + at % 8, (at // 8 if (at // 8 + at % 8) % 2 else at % 8))))
"""Where each number of a file stands in the square of eight by eight."""
_LUMINANCE: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(
        18,
        22,
        37,
        56,
        68,
        109,
        103,
        77,
        24,
        35,
        55,
        64,
        81,
        104,
        113,
        92,
        49,
        64,
        78,
        87,
        103,
        121,
        120,
        101,
        72,
        92,
        95,
        98,
        112,
        100,
        103,
        99,
    ),
)
_CHROMINANCE: Final = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *([99] * 32),
)
_ANNEX_K: Final = np.array([_LUMINANCE, _CHROMINANCE])
_MOST_BYTES: Final = 255
_TELLING: Final = 4
"""From here on a number tells of its scale; smaller ones fit many."""
_FEWEST: Final = 16
_ROUGH: Final = 6.0
_FEW: Final = 8


def tables(body: bytes) -> Iterator[Table]:
    """Give the tables of a segment DQT, each (64,) row by row. Raises ValueError for one that is cut off or of a kind there is not."""
    at = 0
    while at < len(body):
        precision = body[at] >> 4
        size = 64 * (1 + precision)
        if precision > 1 or body[at] & 15 > 3 or at + 1 + size > len(body):
            raise ValueError("a quantisation table is cut off")
        table = np.zeros(64, np.int64)
        table[_ZIGZAG] = np.frombuffer(body[at + 1 : at + 1 + size], ">u2" if precision else "u1")
        yield table
        at += 1 + size


def is_sound(table: Table) -> bool:
    """Return whether an encoder may have written a table."""
    if not table.all():
        return False
    fits, expected = max((_scaled(table, base) for base in _ANNEX_K), key=lambda found: found[0])
    telling = int((table >= _TELLING).sum())
    if telling >= _FEWEST and 2 * fits >= telling:
        return bool((np.abs(table - expected) <= 1 + expected // 4).all())
    return _is_smooth(table)


def _scaled(table: Table, base: Table) -> tuple[int, Table]:
    """Return how many of the telling numbers of a table one scale of ``base`` explains, and what that scale gives."""
    low = np.where(table == 1, 0.0, (table - 0.5) / base)
    high = np.where(table >= _MOST_BYTES, np.inf, (table + 0.5) / base)
    scales = np.unique(low)
    fits = ((low <= scales[:, None]) & (scales[:, None] < high) & (table >= _TELLING)).sum(axis=1)
    best = int(fits.argmax())
    return int(fits[best]), np.clip(np.floor(base * scales[best] + 0.5), 1, max(_MOST_BYTES, int(table.max()))).astype(np.int64)


def _is_smooth(table: Table) -> bool:
    """Return whether no number is far from those around it."""
    wide = np.pad(table.reshape(8, 8).astype(np.float64), 1, mode="reflect")
    around = np.median([wide[1 + y : 9 + y, 1 + x : 9 + x] for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y], axis=0)
    inner = wide[1:9, 1:9]
    return bool(((inner <= _ROUGH * around + _FEW) & (around <= _ROUGH * inner + _FEW)).all())
