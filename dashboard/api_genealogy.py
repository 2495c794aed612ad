"""``/api/v1/genealogy``: what happened to a serial number, and where lots went."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.genealogy_files import empty_table
from dashboard.services import Services
from dashboard.services_genealogy import GenealogyService
from dashboard.table_route import TableRoute, file_of
from dashboard.views_genealogy import (
    BranchView,
    BuiltInsDraft,
    FoundNameView,
    JobView,
    LotsDraft,
    LotView,
    MadePieceView,
    PartAtView,
    RecallView,
    SerialView,
    TakenOutDraft,
    Traceable,
    WrittenBuiltInView,
    WrittenLotsView,
)
from storage.genealogy_trees import MOST_RECALLED

Word = Annotated[str, Query(min_length=1, max_length=200)]
Kind = Annotated[Traceable, Query(description="heat: all lots of one melt")]
Moment = Annotated[int, Query(ge=0, lt=7_258_118_400_000_000, description="microseconds since 1970-01-01 UTC")]


def genealogy_routes(services: Services) -> APIRouter:
    """Return these routes."""
    router = APIRouter(prefix="/api/v1/genealogy", tags=["genealogy"], route_class=TableRoute)
    service = services.genealogy

    @router.get("/search", response_model=list[FoundNameView], summary="Serials, lots, heats and orders by a piece of their name")
    def search(name: Word, most: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        return json_answer(service.search(name, most))

    @router.get("/serial", response_model=SerialView, summary="What a piece has been through: all that names its serial number")
    def serial(name: Word) -> Response:
        return json_answer(service.serial(name))

    @router.get("/order", response_model=list[JobView], summary="The pieces of a customer order or job order")
    def order(number: Word) -> Response:
        return json_answer(service.jobs(number))

    @router.get("/part-at", response_model=PartAtView, summary="Which piece was at a work unit at a time")
    def part_at(equipment: Annotated[str, Query(min_length=1, max_length=1000)], at_us: Moment) -> Response:
        return json_answer(service.part_at(equipment, at_us))

    @router.get(
        "/made-by", response_model=list[MadePieceView], summary="Pieces made by the route of an approved recommendation, the newest first"
    )
    def made_by(recommendation: Annotated[int, Query(ge=1, le=2**62)], most: Annotated[int, Query(ge=1, le=10_000)] = 50) -> Response:
        return json_answer(service.made_by(recommendation, most))

    @router.get("/lot", response_model=LotView, summary="A lot, sublot, heat or piece, and where it went")
    def lot(name: Word, kind: Kind = "lot") -> Response:
        return json_answer(service.lot(kind, name))

    @router.get("/made-of", response_model=list[BranchView], summary="What a piece or lot is made of, level by level")
    def made_of(name: Word, kind: Kind = "serial", most: Annotated[int, Query(ge=1, le=10_000)] = 500) -> Response:
        return json_answer(service.tree(kind, name, up=False, most=most))

    @router.get("/where-used", response_model=list[BranchView], summary="What a lot or piece is built into, level by level")
    def where_used(name: Word, kind: Kind = "lot", most: Annotated[int, Query(ge=1, le=10_000)] = 500) -> Response:
        return json_answer(service.tree(kind, name, up=True, most=most))

    @router.get("/recall", response_model=list[RecallView], summary="Each piece and lot that something stands or stood in, once")
    def recall(name: Word, kind: Kind = "lot", most: Annotated[int, Query(ge=1, le=MOST_RECALLED)] = MOST_RECALLED) -> Response:
        return json_answer(service.recall(kind, name, most))

    _tell(router, service)
    return router


def _tell(router: APIRouter, service: GenealogyService) -> None:
    @router.post(
        "/built-in",
        response_model=WrittenBuiltInView,
        summary="Tell what is built in; the same again does nothing, a wrong row is refused with why, the others are kept",
    )
    def built_in(request: Request, draft: BuiltInsDraft) -> Response:
        return json_answer(service.write_built_in(person_of(request), draft.built_in))

    @router.get(
        "/built-in/table", response_class=Response, responses=file_of("text/csv"), summary="An empty table of what is built in, to fill in"
    )
    def built_in_table() -> Response:
        return Response(empty_table(), media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="built-in.csv"'})

    @router.post("/lots", response_model=WrittenLotsView, summary="Tell of material lots and sublots; what is left empty stays")
    def lots(request: Request, draft: LotsDraft) -> Response:
        return json_answer(service.write_lots(person_of(request), draft.lots))

    @router.post("/taken-out", status_code=204, summary="Say that something was taken out again, and why")
    def taken_out(request: Request, draft: TakenOutDraft) -> Response:
        service.take_out(person_of(request), draft)
        return Response(status_code=204)
