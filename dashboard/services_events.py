"""Events of controllers and how their conditions stand."""

from __future__ import annotations

from dataclasses import fields

from dashboard.views_events import ConditionView, EventView
from plant.events import ControllerEvent
from storage import events
from storage.database import Pool
from storage.events import WantedEvents

_SAME = tuple(field.name for field in fields(EventView) if field.name not in ("id", "told"))


class EventService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def events(
        self,
        *,
        equipment: str | None = None,
        source: str | None = None,
        least_severity: int = 0,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        most: int = 200,
    ) -> list[EventView]:
        """Return events, those stored last first. ``before``: the number of the last one of the page before."""
        wanted = WantedEvents(from_us, to_us, source or None, equipment or None, least_severity, before, most)
        with self._pool.connection() as connection:
            return [_view(one.id, one.event) for one in events.read_events(connection, wanted)]

    def conditions(self, *, source: str | None = None, all_of_them: bool = False) -> list[ConditionView]:
        """Return how conditions stand, the most severe first."""
        with self._pool.connection() as connection:
            found = events.read_conditions(connection, all_of_them=all_of_them, source=source or None)
        return [ConditionView(_view(0, one.last), one.active_since_us) for one in found]


def _view(number: int, event: ControllerEvent) -> EventView:
    return EventView(id=number, told=event.told.value, **{name: getattr(event, name) for name in _SAME})
