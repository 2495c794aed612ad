"""``/api/v1/shares``: what each factory gets of the shared centres, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from dashboard.api import json_answer
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_shares import OrderShareView, SharesView, SharesWholeView


def share_routes(services: Services) -> APIRouter:
    """Return the routes about shares."""
    router = APIRouter(prefix="/api/v1/shares", tags=["shares"], route_class=TableRoute)
    service = services.shares

    @router.get("", response_model=SharesWholeView, summary="The version that holds: hours by centre, factory and period, and its index")
    def newest() -> Response:
        return json_answer(service.version())

    @router.get("/versions", response_model=list[SharesView], summary="Versions without their hours, the newest first")
    def versions(
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the number of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        return json_answer(service.versions(before=before, most=most))

    @router.get("/orders", response_model=list[OrderShareView], summary="What orders get by the version that holds, with the reasons")
    def orders(number: Annotated[str | None, Query(max_length=200, description="of one part order")] = None) -> Response:
        return json_answer(service.orders(number=number))

    @router.get("/{version}", response_model=SharesWholeView, summary="One version with its hours, as long as they are kept")
    def version(version: Annotated[int, Path(ge=1, le=2**61)]) -> Response:
        return json_answer(service.version(version))

    return router
