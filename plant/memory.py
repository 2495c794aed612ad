"""Memory that is free in this process goes back to the machine, where the C library can do that."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Give back what is free: after a start, or when work that took much is done. Takes milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc only
    if trim is not None:
        trim(ctypes.c_size_t(0))
