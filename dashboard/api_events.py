"""``/api/v1/events`` and ``/api/v1/conditions``: what controllers tell by themselves, over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dashboard.api import json_answer
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_events import ConditionView, EventView

MaybeMicroseconds = Annotated[int | None, Query(description="microseconds since 1970-01-01 UTC")]


def event_routes(services: Services) -> APIRouter:
    """Return the routes that read events and conditions."""
    router = APIRouter(prefix="/api/v1", tags=["events"], route_class=TableRoute)
    service = services.events

    @router.get("/events", response_model=list[EventView], summary="Events of controllers, those stored last first")
    def events(
        equipment: Annotated[str | None, Query(description="path; all below it too")] = None,
        source: str | None = None,
        least_severity: Annotated[int, Query(ge=0, le=1000)] = 0,
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 200,
    ) -> Response:
        return json_answer(
            service.events(
                equipment=equipment,
                source=source,
                least_severity=least_severity,
                from_us=from_us,
                to_us=to_us,
                before=before,
                most=most,
            )
        )

    @router.get("/conditions", response_model=list[ConditionView], summary="How conditions of controllers stand, the most severe first")
    def conditions(
        source: str | None = None, everything: Annotated[bool, Query(alias="all", description="those that are over, too")] = False
    ) -> Response:
        return json_answer(service.conditions(source=source, all_of_them=everything))

    return router
