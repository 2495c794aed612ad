"""Noise without memory: each number is a hash of seed, what it is for, and time, so any instant can be asked for in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mixed(value: Any, key: Any = 0) -> Hashes:
    """Return the splitmix64 hash of a hash and a key; arrays broadcast."""
    with np.errstate(over="ignore"):
        z = np.asarray(value).astype(np.uint64) ^ (np.asarray(key).astype(np.uint64) * _GOLDEN)
        z = z + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
        hashed: Hashes = z ^ (z >> np.uint64(31))
    return hashed


def unit(hashes: Hashes) -> Numbers:
    """Return numbers in [0, 1)."""
    numbers: Numbers = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def bell(hashes: Hashes) -> Numbers:
    """Return numbers that are nearly normal, mean 0 and deviation 1, never beyond 3.5: four 16-bit pieces added."""
    pieces = sum(((hashes >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48))
    numbers: Numbers = (pieces / 65535.0 - 2.0) * np.sqrt(3.0)
    return numbers


def wander(hashes: Hashes, position: Numbers) -> Numbers:
    """Return a smooth curve through random points at the whole positions, within [-1, 1]."""
    step = np.floor(position)
    part = position - step
    part = part * part * (3 - 2 * part)
    before = unit(mixed(hashes, step.astype(np.int64)))
    after = unit(mixed(hashes, step.astype(np.int64) + 1))
    curve: Numbers = 2 * (before + (after - before) * part) - 1
    return curve
