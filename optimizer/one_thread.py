"""Linear algebra by one thread: the equations here are many and small; threads that wait for each other make them eight times slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy's linear algebra use one thread while this is open, whatever the machine has."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
