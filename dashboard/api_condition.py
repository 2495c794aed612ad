"""``/api/v1/condition``: watched equipment, findings and answers, trends, energy of parts and tools over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_condition import AnswerDraft, FindingView, PartEnergyView, StreamView, ToolView, TrendView, WatchedView

MaybeMicroseconds = Annotated[int | None, Query(ge=0, le=2**53, description="microseconds since 1970-01-01 UTC")]
Path = Annotated[str, Query(min_length=1, max_length=1000, description="path of the equipment")]
Language = Annotated[str, Query(pattern="^(en|zh)$", description="of the sentences")]


def condition_routes(services: Services) -> APIRouter:
    """Return the routes about the condition of equipment."""
    router = APIRouter(prefix="/api/v1/condition", tags=["condition"], route_class=TableRoute)
    service = services.condition

    @router.get("", response_model=list[WatchedView], summary="How each watched equipment stands")
    def watched() -> Response:
        found = service.watched()
        return json_answer(found)

    @router.get("/findings", response_model=list[FindingView], summary="What is or was not as usual, the newest first")
    def findings(
        equipment: Annotated[str | None, Query(max_length=1000, description="path; all below it too")] = None,
        only_open: bool = False,
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=2000)] = 200,
        language: Language = "en",
    ) -> Response:
        return json_answer(
            service.findings(
                equipment=equipment, only_open=only_open, from_us=from_us, to_us=to_us, before=before, most=most, language=language
            )
        )

    @router.post("/answers", status_code=204, summary="Say what a finding is, or that a tool was changed")
    def answer(request: Request, draft: AnswerDraft) -> Response:
        service.answer(person_of(request), draft)
        return Response(status_code=204)

    @router.get("/streams", response_model=list[StreamView], summary="All numbers that are watched of an equipment")
    def streams(equipment: Path) -> Response:
        return json_answer(service.streams(equipment))

    @router.get("/trends/{stream}", response_model=TrendView, summary="One number of the last parts, and what is usual of it")
    def trend(stream: int, parts: Annotated[int, Query(ge=1, le=500)] = 200) -> Response:
        return json_answer(service.trend(stream, parts))

    @router.get("/parts", response_model=list[PartEnergyView], summary="Parts with their energy, the newest first")
    def parts(
        equipment: Path,
        from_us: Microseconds,
        to_us: Microseconds,
        most: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> Response:
        found = service.parts(equipment, from_us, to_us, most)
        return json_answer(found)

    @router.get("/tools", response_model=list[ToolView], summary="Tools with their remaining use, those put in last first")
    def tools(equipment: str | None = None, only_now: bool = False, most: Annotated[int, Query(ge=1, le=2000)] = 100) -> Response:
        return json_answer(service.tools(equipment, only_now=only_now, most=most))

    return router
