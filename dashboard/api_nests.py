"""``/api/v1/nests``: what is cut from what, as figures, drawings and files for the machine."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.views_nests import NestMovedView, NestView, NestWholeView
from dashboard.views_part_orders import EndDraft
from plant.nest_drawing import Theme

Number = Annotated[int, Path(ge=1, le=2**62)]
Place = Annotated[int, Path(ge=1, le=10_000, description="layout of the nest, from 1")]


def nest_routes(services: Services) -> APIRouter:
    """Return the routes about nests."""
    router = APIRouter(prefix="/api/v1/nests", tags=["nests"], route_class=TableRoute)
    service = services.nests

    @router.get("", response_model=list[NestView], summary="Nests, the newest first")
    def show(
        state: Annotated[
            list[str] | None, Query(max_length=10, description="proposed, released, cut, withdrawn, superseded; as often as wanted")
        ] = None,
        centre: Annotated[str | None, Query(max_length=200)] = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the number of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        return json_answer(service.nests(states=tuple(state or ()), centre=centre, before=before, most=most))

    @router.get("/{nest}", response_model=NestWholeView, summary="One nest: its layouts, its utilisation by each metric, its orders")
    def one(nest: Number) -> Response:
        return json_answer(service.nest(nest))

    @router.post("/{nest}/release", response_model=NestMovedView, summary="Let a proposed nest be cut: its sheets and parts are taken")
    def release(request: Request, nest: Number, draft: EndDraft) -> Response:
        return json_answer(service.release(person_of(request), nest, draft))

    @router.post("/{nest}/withdraw", response_model=NestMovedView, summary="Take a release back")
    def withdraw(request: Request, nest: Number, draft: EndDraft) -> Response:
        return json_answer(service.withdraw(person_of(request), nest, draft))

    @router.post("/{nest}/cut", response_model=NestMovedView, summary="Say that a released nest is cut")
    def cut(request: Request, nest: Number, draft: EndDraft) -> Response:
        return json_answer(service.cut(person_of(request), nest, draft))

    @router.get(
        "/{nest}/sheets/{place}/sheet.svg", response_class=Response, responses=file_of("image/svg+xml"), summary="One layout as a drawing"
    )
    def svg(
        nest: Number,
        place: Place,
        theme: Annotated[Theme, Query(description="auto: as the reader's machine prefers")] = "auto",
        legend: Annotated[bool, Query(description="with the colours of the factories below")] = True,
    ) -> Response:
        return _file(service.drawing(nest, place, theme, legend=legend).encode(), "image/svg+xml", f"nest-{nest}-{place}.svg")

    @router.get(
        "/{nest}/sheets/{place}/sheet.dxf",
        response_class=Response,
        responses=file_of("image/vnd.dxf"),
        summary="One layout as DXF, with layers for what is cut",
    )
    def dxf(nest: Number, place: Place) -> Response:
        return _file(service.dxf(nest, place), "image/vnd.dxf", f"nest-{nest}-{place}.dxf")

    return router


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
