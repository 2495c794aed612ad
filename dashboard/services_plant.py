"""The hierarchy, its signals, their newest values and states: from the hub's last read, so that no page costs a database call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboard import viewing
from dashboard.hub import Hub
from dashboard.views import ClockView, EquipmentView, ExceptionView, LatestView, SignalView, SiteView
from plant import patterns
from plant.errors import Rejected


class PlantService:
    """What the plant is, and how it stands now. Each call raises Unavailable while the database was never read."""

    def __init__(self, hub: Hub, site: Callable[[], SiteView]) -> None:
        self._hub, self._site = hub, site

    def site(self) -> SiteView:
        """Return the factory's path, name and time zone; never fails."""
        return self._site()

    def clock(self) -> ClockView:
        """Return how old what is shown is; never fails."""
        return self._hub.clock()

    def equipment(self) -> list[EquipmentView]:
        """Return all equipment with states, parents before children."""
        return viewing.equipment(self._hub.last_read())

    def signals(
        self, *, equipment: str | None = None, below: bool = False, glob: str | None = None, source: str | None = None
    ) -> list[SignalView]:
        """Return signals by path: of one equipment (``below`` adds all under it), fitting a glob over paths, of one source."""
        rows = [s for s in self._hub.last_read().plan.signals if source is None or s.source == source]
        if equipment is not None:
            rows = [s for s in rows if s.equipment == equipment or (below and s.equipment.startswith(equipment + "/"))]
        if glob is not None:
            rows = [s for s in rows if patterns.matches(glob, s.path)]
        return [viewing.signal(s) for s in sorted(rows, key=lambda s: s.path)]

    def signal(self, signal: int) -> SignalView:
        """Return one signal; Rejected where there is none."""
        row = self._hub.last_read().plan.signal_by_id.get(signal)
        if row is None:
            raise Rejected(f"there is no signal {signal}")
        return viewing.signal(row)

    def latest(self, signals: Sequence[int] | None = None) -> list[LatestView]:
        """Return the newest value of the given signals, in their order, or of all. Rejected for one that does not exist."""
        read = self._hub.last_read()
        positions = range(len(read.plan.signals)) if signals is None else [read.plan.position.get(s, -1) for s in signals]
        if -1 in positions:
            raise Rejected(f"there is no signal {(signals or [0])[list(positions).index(-1)]}")
        return [viewing.latest(read, position) for position in positions]

    def exceptions(self, most: int = viewing.MOST_EXCEPTIONS) -> list[ExceptionView]:
        """Return the signals that are not normal, the worst first."""
        return viewing.exceptions(self._hub.last_read(), most)
