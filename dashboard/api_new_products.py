"""``/api/v1/new-product``: features in, a route out, over REST."""

from __future__ import annotations

from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.api_recommendations import Key
from dashboard.services import Services
from dashboard.services_new_products import NewProductService
from dashboard.table_route import TableRoute
from dashboard.views_new_products import FeatureView, NewProductDraft, NewProductView

_PAUSE_SECONDS = 0.1
"""Between two looks for the answer: one row by its number."""


async def answered(service: NewProductService, number: int, wait_seconds: float) -> NewProductView:
    """Return a request once it is answered, or as it is after so long."""
    one = await anyio.to_thread.run_sync(service.request, number)
    with anyio.move_on_after(wait_seconds):
        while one.state == "waiting":
            await anyio.sleep(_PAUSE_SECONDS)
            one = await anyio.to_thread.run_sync(service.request, number)
    return one


def new_product_routes(services: Services) -> APIRouter:
    """Return the routes about new products."""
    router = APIRouter(prefix="/api/v1/new-product", tags=["recommendations"], route_class=TableRoute)
    service = services.new_products

    @router.post(
        "",
        response_model=NewProductView,
        responses={202: {"model": NewProductView, "description": "not answered in time: ask again by its id"}},
        summary="Ask for the route of a product; the answer comes as soon as the optimizer has it",
    )
    async def ask(
        request: Request,
        draft: NewProductDraft,
        wait_seconds: Annotated[float, Query(ge=0, le=60, description="how long to wait for the answer")] = 10.0,
        idempotency_key: Key = "",
    ) -> Response:
        person = person_of(request)
        number = await anyio.to_thread.run_sync(service.ask, person, draft, idempotency_key)
        one = await answered(service, number, wait_seconds)
        return json_answer(one, 202 if one.state == "waiting" else 200)

    @router.get("", response_model=list[NewProductView], summary="Products that a route was asked for, the newest first")
    def show(
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        return json_answer(service.requests(before=before, most=most))

    @router.get("/features", response_model=list[FeatureView], summary="What is asked of a product")
    def features() -> Response:
        return json_answer(service.features())

    @router.get("/{request}", response_model=NewProductView, summary="One request, with its answer where there is one")
    def one(request: int) -> Response:
        return json_answer(service.request(request))

    return router
