"""``/api/v1/orders``: customer orders, what was promised of them, and what programs bring."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.order_tables import empty_table
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.views_orders import (
    CancelDraft,
    JobOrderView,
    OrderChangeDraft,
    OrderDraft,
    OrdersDraft,
    OrderView,
    SplitDraft,
    WrittenOrdersView,
)
from plant.errors import Rejected

Word = Annotated[str | None, Query(max_length=200)]
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def order_routes(services: Services) -> APIRouter:
    """Return the routes about customer orders."""
    router = APIRouter(prefix="/api/v1/orders", tags=["orders"], route_class=TableRoute)
    service = services.orders

    @router.get("", response_model=list[OrderView], summary="Customer orders, the newest first")
    def show(
        state: Annotated[str | None, Query(max_length=40, description="open, done or cancelled")] = None,
        product: Word = None,
        customer: Word = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        return json_answer(service.orders(state=state, product=product, customer=customer, before=before, most=most))

    @router.post(
        "",
        response_model=WrittenOrdersView,
        summary="Bring orders; the same number again changes its order, the same content again does nothing",
    )
    def bring(
        request: Request,
        draft: OrdersDraft,
        only_say: Annotated[bool, Query(description="say what would become of them; nothing is written")] = False,
    ) -> Response:
        return json_answer(service.write(person_of(request), draft.orders, only_say=only_say))

    @router.get(
        "/table", response_class=Response, responses=file_of(_WORKBOOK), summary="An empty table of orders, as a workbook to fill in"
    )
    def table() -> Response:
        return Response(empty_table(), media_type=_WORKBOOK, headers={"Content-Disposition": 'attachment; filename="orders.xlsx"'})

    @router.get("/{number}", response_model=OrderView, summary="One order")
    def one(number: str) -> Response:
        return json_answer(service.order(number))

    @router.get("/{number}/parts", response_model=list[JobOrderView], summary="The parts of one order")
    def parts(number: str) -> Response:
        return json_answer(service.parts(number))

    return router


def order_change_routes(services: Services) -> APIRouter:
    """Return the routes that change one order."""
    router = APIRouter(prefix="/api/v1/orders", tags=["orders"], route_class=TableRoute)
    service = services.orders

    @router.put("/{number}", response_model=OrderView, summary="Bring or change one order")
    def put(request: Request, number: str, draft: OrderDraft) -> Response:
        if draft.number != number:
            raise Rejected(f"the address names order '{number}', the draft '{draft.number}'")
        told = service.write(person_of(request), [draft])
        if told.refused:
            raise Rejected(f"order '{number}': {told.refused[number]}")
        return json_answer(service.order(number))

    @router.patch("/{number}", response_model=OrderView, summary="Change what is named of an order: priority, due time, quantity ...")
    def change(request: Request, number: str, draft: OrderChangeDraft) -> Response:
        return json_answer(service.change(person_of(request), number, draft))

    @router.post("/{number}/cancel", response_model=OrderView, summary="Take an open order out of the plan")
    def cancel(request: Request, number: str, draft: CancelDraft) -> Response:
        return json_answer(service.cancel(person_of(request), number, draft))

    @router.post("/{number}/split", response_model=list[OrderView], summary="Make the last parts of an order an order of their own")
    def split(request: Request, number: str, draft: SplitDraft) -> Response:
        return json_answer(service.split(person_of(request), number, draft))

    return router
