"""``/api/v1/deliveries``: what is delivered to line controllers, what became of it, and what a person says of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_deliveries import ApprovalDraft, DeclineDraft, DeliveryLine, DeliveryView, SettleDraft, WaitingView
from plant.deliveries import Kind
from plant.recommendations import Stage


def delivery_routes(services: Services) -> APIRouter:
    """Return the routes about deliveries."""
    router = APIRouter(prefix="/api/v1/deliveries", tags=["delivery"], route_class=TableRoute)
    service = services.deliveries

    @router.get("", response_model=list[DeliveryLine], summary="Deliveries, the newest first")
    def show(
        work_unit: Annotated[str | None, Query(max_length=400)] = None,
        stage: Annotated[list[Stage] | None, Query(description="as often as wanted", max_length=20)] = None,
        kind: Annotated[list[Kind] | None, Query(description="as often as wanted", max_length=20)] = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the number of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        unit = (work_unit or "").replace("\0", "") or None
        return json_answer(service.lines(work_unit=unit, stages=stage, kinds=kind, before=before, most=most))

    @router.get("/waiting", response_model=WaitingView, summary="How many wait for a person")
    def waiting() -> Response:
        return json_answer(service.waiting())

    @router.get("/{delivery}", response_model=DeliveryView, summary="One delivery with all that happened to it")
    def one(delivery: int) -> Response:
        return json_answer(service.delivery(_within(delivery)))

    @router.post("/{delivery}/approve", response_model=DeliveryView, summary="Approve a delivery; it is checked once more, and sent")
    def approve(request: Request, delivery: int, draft: ApprovalDraft) -> Response:
        return json_answer(service.approve(person_of(request), _within(delivery), draft))

    @router.post("/{delivery}/decline", response_model=DeliveryView, summary="Decline a delivery that was not sent, with the reason")
    def decline(request: Request, delivery: int, draft: DeclineDraft) -> Response:
        return json_answer(service.decline(person_of(request), _within(delivery), draft))

    @router.post("/{delivery}/settle", response_model=DeliveryView, summary="Say what was found of a delivery that is in doubt")
    def settle(request: Request, delivery: int, draft: SettleDraft) -> Response:
        return json_answer(service.settle(person_of(request), _within(delivery), draft))

    return router


def _within(number: int) -> int:
    """Return a number as the database can hold it; what is beyond it is nobody's."""
    return number if abs(number) < 2**62 else -1
