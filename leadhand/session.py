"""One run of leadhand on one home: locked, guarded, and stopped in order however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from leadhand.child import base_environment
from leadhand.console import Console
from leadhand.guarding import Guard
from leadhand.home import Home
from leadhand.nursery import Nursery
from leadhand.supervisor import Interrupted, Supervisor
from plant.clock import Clock

STOP_ORDER: Sequence[Sequence[str]] = (("ingest",), ("simulator", "dashboard", "upkeep"), ("broker",), ("database",))
"""Ingest first: it stops its sources and stores what they gave, so that no simulator is missed. What keeps data stops last."""


@contextmanager
def supervised(home: Home, mode: str, console: Console, clock: Clock, *, grace_seconds: float = 10.0) -> Iterator[Supervisor]:
    """Give a supervisor on a locked home, and stop all its processes at the end. A wish to stop while starting ends the block quietly.

    ``grace_seconds`` is how long the processes of a killed leadhand have to end by themselves.
    """
    facts: dict[str, object] = {"mode": mode, "pid": os.getpid(), "started_us": clock.now_us(), "home": str(home.path)}
    with home.locked() as lock, Guard(lock, grace_seconds) as guard:
        nursery = Nursery(guard, base_environment())
        supervisor = Supervisor(home, guard, nursery, console, clock, facts)
        with supervisor.listening(), contextlib.closing(nursery):
            nursery.load()
            try:
                yield supervisor
            except Interrupted:
                console.said("asked to stop while starting")
            finally:
                supervisor.stop_all(STOP_ORDER)
