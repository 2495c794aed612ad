"""A small factory, written live on a real database of its own, as the tests of pages have it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plant.clock import SystemClock
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.dashboard.stage import Feeder, Stage, make_stage

ROBOT = "/equipment/acme/north/welding/line-1/robot-1"


@contextlib.contextmanager
def small_plant(history_seconds: int) -> Iterator[Stage]:
    """Lend it with so much history; it is ended and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder, contextlib.ExitStack() as stack:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        stack.callback(server.stop)
        url = server.start()
        migrate(url)
        stage = make_stage(Path(folder) / "home", url)
        stack.callback(stage.close)
        now = stage.clock.now_us()
        stage.fill(now - history_seconds * 1_000_000, now)
        stage.keep_up()
        stage.report()
        stack.callback(Feeder(stage).close)
        yield stage
