"""``/api/v1/charts``: control charts and capability over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_charts import ChartView, LimitsAskedView, NoteDraft, NoteView, PointsView, ViolationView


def chart_routes(services: Services) -> APIRouter:
    """Return the routes of control charts."""
    router = APIRouter(prefix="/api/v1/charts", tags=["charts"], route_class=TableRoute)
    service = services.charts

    @router.get("", response_model=list[ChartView], summary="Charts, how they stand, and their capability")
    def charts(equipment: Annotated[str | None, Query(description="path; all below it too")] = None) -> Response:
        return json_answer(service.charts(equipment=equipment))

    @router.get("/violations", response_model=list[ViolationView], summary="What was out of control, the newest first")
    def violations(
        from_us: Microseconds,
        to_us: Microseconds,
        chart: int | None = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Response:
        found = service.violations(from_us, to_us, chart=chart, most=most)
        return json_answer(found)

    @router.get("/{chart}", response_model=ChartView, summary="One chart")
    def chart(chart: int) -> Response:
        return json_answer(service.chart(chart))

    @router.get("/{chart}/points", response_model=PointsView, summary="Points, limits of each phase, notes, and a histogram")
    def points(
        chart: int,
        before: Annotated[int | None, Query(ge=1, description="the last point wanted; the newest where not given")] = None,
        most: Annotated[int, Query(ge=1, le=2000)] = 200,
    ) -> Response:
        return json_answer(service.points(chart, before=before, most=most))

    @router.post("/{chart}/notes", response_model=NoteView, status_code=201, summary="Say why a point is where it is")
    def note(request: Request, chart: int, draft: NoteDraft) -> Response:
        return json_answer(service.note(person_of(request), chart, draft), 201)

    @router.post("/{chart}/limits", response_model=LimitsAskedView, status_code=202, summary="Have the limits made anew")
    def limits(request: Request, chart: int) -> Response:
        return json_answer(service.renew_limits(person_of(request), chart), 202)

    return router
