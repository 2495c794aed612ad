"""The door to numba: plain functions over columns become machine code, kept on disk so that the next process has it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return a function as machine code that other threads need not wait for; made when it is first called.

    It is kept beside the source, or in the user's cache folder; where neither can be written, each process makes it anew.
    """
    try:
        return cast(Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast(Function, numba.njit(nogil=True)(function))
