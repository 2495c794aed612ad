"""``/api/v1/part-orders``: what factories order of the centres that cut and stamp for all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.part_order_tables import empty_table
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.texts import texts_of
from dashboard.views_part_orders import EndDraft, MadeDraft, PartOrdersDraft, PartOrderView, PartOrderWholeView, WrittenPartOrdersView

Word = Annotated[str | None, Query(max_length=200)]
Language = Annotated[Literal["en", "zh"], Query(description="of the reasons")]
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def part_order_routes(services: Services) -> APIRouter:
    """Return the routes about part orders."""
    router = APIRouter(prefix="/api/v1/part-orders", tags=["part orders"], route_class=TableRoute)
    service = services.part_orders

    @router.get("", response_model=list[PartOrderView], summary="Part orders, the newest first")
    def show(
        state: Annotated[str | None, Query(max_length=40, description="open, done or cancelled")] = None,
        factory: Word = None,
        find: Annotated[str, Query(max_length=200, description="text in number, part or customer order")] = "",
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        found = service.orders(state=state, factory=factory, find=find, before=before, most=most)
        return json_answer(found)

    @router.post(
        "",
        response_model=WrittenPartOrdersView,
        summary="Bring part orders; the same number again changes its order; a wrong one is refused with its row, the others are kept",
    )
    def bring(
        request: Request,
        draft: PartOrdersDraft,
        only_say: Annotated[bool, Query(description="say what would become of them; nothing is written")] = False,
    ) -> Response:
        return json_answer(service.write(person_of(request), draft.orders, only_say=only_say))

    @router.get(
        "/table", response_class=Response, responses=file_of(_WORKBOOK), summary="An empty table of part orders, as a workbook to fill in"
    )
    def table() -> Response:
        return Response(empty_table(), media_type=_WORKBOOK, headers={"Content-Disposition": 'attachment; filename="part-orders.xlsx"'})

    @router.get("/{number}", response_model=PartOrderWholeView, summary="One part order: its shape, where and when it is made, and why")
    def one(number: str, language: Language = "en") -> Response:
        return json_answer(service.order(number, texts_of(language), services.plant.site().time_zone))

    @router.delete("/{number}", response_model=PartOrderWholeView, summary="Make no more of an open part order")
    def end(request: Request, number: str, draft: Annotated[EndDraft, Query()]) -> Response:
        service.cancel(person_of(request), number, draft)
        return json_answer(service.order(number, texts_of("en"), services.plant.site().time_zone))

    @router.post("/{number}/made", response_model=PartOrderWholeView, summary="Count pieces of a stamped part as made")
    def made(request: Request, number: str, draft: MadeDraft) -> Response:
        service.count_made(person_of(request), number, draft)
        return json_answer(service.order(number, texts_of("en"), services.plant.site().time_zone))

    return router
