"""``/api/v1/stock``: sheets and remnants that can be cut."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_stock import AddedSheetsView, CountDraft, SheetsDraft, StockSheetView


def stock_routes(services: Services) -> APIRouter:
    """Return the routes about sheets in stock."""
    router = APIRouter(prefix="/api/v1/stock", tags=["stock"], route_class=TableRoute)
    service = services.stock

    @router.get("", response_model=list[StockSheetView], summary="Sheets in stock by material, thickness and size")
    def show(
        material: Annotated[str | None, Query(max_length=200)] = None,
        free_only: Annotated[bool, Query(description="only those that can be nested on")] = False,
        most: Annotated[int, Query(ge=1, le=10_000)] = 2000,
    ) -> Response:
        found = service.sheets(free_only=free_only, material=material, most=most)
        return json_answer(found)

    @router.post("", response_model=AddedSheetsView, summary="Put sheets into stock; more of a name that is there are added to it")
    def add(request: Request, draft: SheetsDraft) -> Response:
        return json_answer(service.add(person_of(request), draft))

    @router.patch("/{name}", status_code=204, summary="Say how many sheets of a name are free, as counted")
    def count(request: Request, name: str, draft: CountDraft) -> Response:
        service.count(person_of(request), name, draft)
        return Response(status_code=204)

    return router
