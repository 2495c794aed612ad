"""How Leadhand itself does: its processes and the database."""

from __future__ import annotations

from dashboard import viewing
from dashboard.hub import Hub
from dashboard.views import ClockView, ProcessView, StorageView


class HealthService:
    """From the hub's last read. Each call but ``clock`` raises Unavailable while the database was never read."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def clock(self) -> ClockView:
        """Return how old what is shown is; never fails."""
        return self._hub.clock()

    def processes(self) -> list[ProcessView]:
        """Return all processes by name."""
        return viewing.processes(self._hub.last_read())

    def storage(self) -> StorageView:
        """Return how big the database is and which span it keeps."""
        return viewing.storage(self._hub.last_read())
