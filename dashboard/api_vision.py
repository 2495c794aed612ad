"""``/api/v1/inspections`` and ``/api/v1/frames``: what was looked at, pictures, the review queue and answers over REST."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.overlays import overlay
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.texts import texts_of
from dashboard.views_vision import DriftView, InspectionView, LabelDraft, LabelView, RefusedView, TakenView
from plant.errors import Rejected
from plant.frame_triggers import FrameTrigger

MaybeMicroseconds = Annotated[int | None, Query(ge=0, le=2**62, description="microseconds since 1970-01-01 UTC")]
Language = Literal["en", "zh"]
Number = Annotated[int, Query(ge=1, le=2000)]


def inspection_routes(services: Services) -> APIRouter:
    """Return the routes about inspections, their review and their labels."""
    router = APIRouter(prefix="/api/v1/inspections", tags=["vision"], route_class=TableRoute)
    service = services.vision

    @router.get("", response_model=list[InspectionView], summary="Inspections, those taken last first")
    def show(
        subject: Annotated[str | None, Query(description="welds or bolts")] = None,
        station: Annotated[str | None, Query(max_length=200)] = None,
        part: Annotated[str | None, Query(max_length=200, description="what the part's serial number begins with")] = None,
        decision: Annotated[str | None, Query(description="ok, nok, review or not_decidable")] = None,
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        shadow: Annotated[bool, Query(description="those of candidate models instead, which decide nothing")] = False,
        most: Number = 100,
        language: Language = "en",
    ) -> Response:
        return json_answer(
            service.inspections(
                subject=subject,
                station=station,
                part=part,
                decision=decision,
                from_us=from_us,
                to_us=to_us,
                before=before,
                shadow=shadow,
                most=most,
                language=language,
            )
        )

    @router.get("/review", response_model=list[InspectionView], summary="What waits for a person, the most uncertain first")
    def queue(subject: str | None = None, most: Annotated[int, Query(ge=1, le=500)] = 50, language: Language = "en") -> Response:
        return json_answer(service.queue(subject, most, language))

    @router.get("/{inspection}", response_model=InspectionView, summary="One inspection")
    def one(inspection: int, language: Language = "en") -> Response:
        return json_answer(service.inspection(_bounded(inspection), language))

    @router.get(
        "/{inspection}/overlay",
        response_class=Response,
        responses=file_of("image/svg+xml"),
        summary="What was found, as an SVG to lie over the picture",
    )
    def drawn(inspection: int, language: Language = "en") -> Response:
        return Response(overlay(service.inspection(_bounded(inspection)), texts_of(language)), media_type="image/svg+xml")

    @router.get("/{inspection}/labels", response_model=list[LabelView], summary="What inspectors said of it, the newest first")
    def labels(inspection: int) -> Response:
        return json_answer(service.labels(_bounded(inspection)))

    @router.post("/{inspection}/labels", status_code=204, summary="Say what is in the picture: it becomes a label")
    def label(request: Request, inspection: int, draft: LabelDraft) -> Response:
        service.label(person_of(request), _bounded(inspection), draft)
        return Response(status_code=204)

    return router


def frame_routes(services: Services) -> APIRouter:
    """Return the routes about pictures."""
    router = APIRouter(prefix="/api/v1/frames", tags=["vision"], route_class=TableRoute)
    service = services.vision

    @router.post("", response_model=TakenView, status_code=202, summary="Send a picture to be looked at: its bytes are the body")
    async def take(request: Request, trigger: Annotated[FrameTrigger, Query()]) -> Response:
        content = await request.body()
        person = person_of(request)
        return json_answer(await anyio.to_thread.run_sync(service.take, person, content, trigger), 202)

    @router.get("/refused", response_model=list[RefusedView], summary="Files that were not taken as pictures, and why")
    def refused(most: Number = 100, language: Language = "en") -> Response:
        return json_answer(service.refused(most, language))

    @router.get("/drift", response_model=list[DriftView], summary="How the pictures of each view are now, against its first ones")
    def drift() -> Response:
        return json_answer(service.drift())

    @router.get("/{frame}", response_class=Response, responses=file_of("image/jpeg", "image/png"), summary="A picture by its id")
    def picture(frame: str) -> Response:
        content, media = service.picture(frame)
        kept = {"Cache-Control": "private, max-age=86400, immutable", "Content-Disposition": "inline"}
        return Response(content, media_type=media, headers=kept)

    return router


def _bounded(number: int) -> int:
    if not 0 <= number < 2**63:
        raise Rejected(f"there is no inspection {number}")
    return number
