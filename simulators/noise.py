"""Noise without memory: each number is a hash of seed, what it is for, and time, so any instant can be asked for in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.float64]

_GOLDEN_NUMBER = 0x9E3779B97F4A7C15
_GOLDEN = np.uint64(_GOLDEN_NUMBER)
_ROOT_OF_3 = 3.0**0.5
_BITS = 2**64 - 1
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_11, _27, _30, _31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


def mixed(value: Any, key: Any = 0) -> Hashes:
    """Return the splitmix64 hash of a hash and a key; arrays broadcast."""
    # a few values at a time are hashed thousands of times a second: what counts is the number of numpy's calls
    twist: Any = np.uint64(key * _GOLDEN_NUMBER & _BITS) if isinstance(key, int) else np.atleast_1d(key).astype(np.uint64) * _GOLDEN
    z: Hashes = np.atleast_1d(value).astype(np.uint64, copy=False) ^ twist
    z += _GOLDEN
    z ^= z >> _30
    z *= _FIRST
    z ^= z >> _27
    z *= _SECOND
    z ^= z >> _31
    return z if np.ndim(value) or np.ndim(key) else z[0]  # a single hash for a single value


def unit(hashes: Hashes) -> Numbers:
    """Return numbers in [0, 1)."""
    numbers: Numbers = (hashes >> _11).astype(np.float64) * 2.0**-53
    return numbers


def bell(hashes: Hashes) -> Numbers:
    """Return numbers that are nearly normal, mean 0 and deviation 1, never beyond 3.5: four 16-bit pieces added."""
    pieces = np.ascontiguousarray(hashes).view(np.uint16).reshape(*np.shape(hashes), 4).sum(axis=-1, dtype=np.float64)
    numbers: Numbers = (pieces / 65535.0 - 2.0) * _ROOT_OF_3
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
