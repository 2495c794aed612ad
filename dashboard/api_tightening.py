"""``/api/v1/tightenings``: results, curves and spindles over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dashboard.api import Microseconds, json_answer
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_tightening import CurveView, SpindleView, TighteningView

MaybeMicroseconds = Annotated[int | None, Query(description="microseconds since 1970-01-01 UTC")]


def tightening_routes(services: Services) -> APIRouter:
    """Return the routes that read tightenings."""
    router = APIRouter(prefix="/api/v1", tags=["tightening"], route_class=TableRoute)
    service = services.tightening

    @router.get("/tightenings", response_model=list[TighteningView], summary="Tightenings, the newest first")
    def tightenings(
        equipment: Annotated[str | None, Query(description="path; all below it too")] = None,
        source: str | None = None,
        spindle: Annotated[int | None, Query(ge=0, le=99)] = None,
        part: Annotated[str | None, Query(description="what the part's serial number begins with")] = None,
        verdict: Annotated[str | None, Query(description="ok, not_ok, not_decidable or undefined")] = None,
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 200,
    ) -> Response:
        return json_answer(
            service.tightenings(
                equipment=equipment,
                source=source,
                spindle=spindle,
                part=part,
                verdict=verdict,
                from_us=from_us,
                to_us=to_us,
                before=before,
                most=most,
            )
        )

    @router.get("/tightenings/spindles", response_model=list[SpindleView], summary="How each spindle did over a span")
    def spindles(from_us: Microseconds, to_us: Microseconds) -> Response:
        return json_answer(service.spindles(from_us, to_us))

    @router.get("/tightenings/{tightening}", response_model=TighteningView, summary="One tightening")
    def tightening(tightening: int) -> Response:
        return json_answer(service.tightening(tightening))

    @router.get("/tightenings/{tightening}/curve", response_model=CurveView, summary="Torque over angle of one tightening")
    def curve(tightening: int) -> Response:
        return json_answer(service.curve(tightening))

    return router
