"""Tells the database once a second how each source is, over a connection of its own so that a slow shipment delays no report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from plant.errors import Rejected, Unavailable
from storage.database import Connection
from storage.health import SourceReport, report_source

_LONGEST_PAUSE_SECONDS: Final = 15.0
_log = structlog.get_logger(__name__)


class Reporter:
    """Writes the reports that ``reports`` gives, until stopped."""

    def __init__(
        self, connect: Callable[[], Connection], reports: Callable[[], Iterable[SourceReport]], every_seconds: float = 1.0
    ) -> None:
        self._connect = connect
        self._reports = reports
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Write a last report and end."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause = self._every_seconds
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    pause = self._every_seconds
                    while not self._stopping.is_set():
                        self._report(connection)
                        self._stopping.wait(self._every_seconds)
                    self._report(connection)
                    return
            except Unavailable:
                # the shipper tells of it; two voices would not help
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
            except Exception as error:  # noqa: BLE001 - a report that fails must not end the reports
                _log.exception("reporting failed", error=repr(error))
                pause = _LONGEST_PAUSE_SECONDS
            self._stopping.wait(pause)

    def _report(self, connection: Connection) -> None:
        for report in self._reports():
            try:
                report_source(connection, report)
            except Rejected:
                # not registered yet: the shipper does that
                continue
