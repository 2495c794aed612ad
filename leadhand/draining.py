"""Ends the flow of data so that nothing is left on the way: the sources first, then what they sent reaches the database, then ingest."""

from __future__ import annotations

from leadhand.console import Console
from leadhand.databases import connected
from leadhand.supervisor import Supervisor
from plant.clock import Clock
from plant.errors import Unavailable
from storage.health import read_sources

_LONGEST_SECONDS = 20.0
_LOOK_SECONDS = 0.5


def drain(supervisor: Supervisor, url: str, console: Console, clock: Clock, *, pushed: bool) -> None:
    """Stop what gives data, then ingest, which stores what it has before it ends.

    Data that are ``pushed`` may still be on their way through a broker: until the spool stays empty, 20 s at most, is waited for.
    A source that is read has nothing on its way; each further second would only be told as a gap.
    """
    supervisor.stop(["simulator"])
    if pushed:
        console.waiting("waiting until all samples are stored ...")
        supervisor.watch(_Spools(url, clock).are_empty, _LONGEST_SECONDS)
        console.waiting(None)
    supervisor.stop(["ingest"])


class _Spools:
    """What sources have told of their spools since this was made."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._since_us = clock.now_us() + 1_000_000
        """What was read just before is in the spool by then."""
        self._next = 0.0

    def are_empty(self) -> bool:
        """Return whether all sources have told that theirs is empty; looks twice a second at most."""
        if self._clock.monotonic() < self._next:
            return False
        self._next = self._clock.monotonic() + _LOOK_SECONDS
        try:
            with connected(self._url, read_only=True) as connection:
                reports = read_sources(connection)
        except Unavailable:
            return False
        return all(report.in_spool == 0 and report.updated_us > self._since_us for report in reports if report.state != "stopped")
