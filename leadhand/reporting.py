"""Tells the database how the processes are, beside the supervisor, so that a database that is away holds up nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import get_args

from leadhand.child import Child
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from storage.database import Connection, connect
from storage.health import ProcessReport, ProcessStateName, report_process

_SECONDS = 2.0
_STATES = {name: name for name in get_args(ProcessStateName)}


class Reporter:
    """A thread that writes the latest state of all processes to the database each two seconds, and once more at the end."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._reports: tuple[ProcessReport, ...] = ()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def note(self, children: Iterable[Child]) -> None:
        """Take down how the processes are now; the thread writes it."""
        now = self._clock.now_us()
        self._reports = tuple(
            ProcessReport(
                name=child.name,
                state=_STATES[child.state.value],
                pid=child.pid,
                since_us=child.since_us,
                restarts=child.restarts,
                last_exit=child.last_exit,
                updated_us=now,
            )
            for child in children
        )

    def close(self) -> None:
        """Write what was noted last, and end."""
        self._ending.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        connection: Connection | None = None
        while True:
            ending = self._ending.wait(_SECONDS)
            try:
                if connection is None or connection.closed:
                    connection = connect(self._url, application="leadhand", statement_seconds=5.0)
                for report in self._reports:
                    report_process(connection, report)
            except (Unavailable, Rejected):
                if connection is not None:
                    connection.close()
                connection = None
            if ending:
                break
        if connection is not None:
            with contextlib.suppress(Unavailable):
                connection.close()
