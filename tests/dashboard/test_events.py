"""What controllers tell, as services list it."""

from __future__ import annotations

from dashboard.services_events import EventService
from storage.database import Connection, Pool
from tests.monitor.test_told import T0, database, site, store, told

__all__ = ["database", "site"]


def test_events_and_conditions_are_listed_by_filter(database: Connection, database_url: str) -> None:
    store(database, told(1, 1), told(2, 2, condition="", severity=100, message="door open", source_name="door"))
    pool = Pool(database_url, 1, "test")
    try:
        service = EventService(pool)
        assert [(one.message, one.severity, one.told) for one in service.events()] == [
            ("door open", 100, "live"),
            ("the oil is hot", 700, "live"),
        ]
        assert [one.message for one in service.events(least_severity=500, equipment="acme/north/hall")] == ["the oil is hot"]
        assert service.events(equipment="acme/north/hall/li") == []
        newest = service.events(most=1)[0]
        assert [one.message for one in service.events(before=newest.id)] == ["the oil is hot"]
        (hot,) = service.conditions()
        assert (hot.last.condition_name, hot.last.active, hot.active_since_us) == ("OverTemperature", True, T0 + 1_000_000)
    finally:
        pool.close()
