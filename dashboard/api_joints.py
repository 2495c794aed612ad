"""``/api/v1/joints``: flanges, joints with their curve's band, what was said of them, and decisions over REST."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_joints import JointBandView, JointDecisionDraft, JointGroupView, JointView, SpindleView

Language = Literal["en", "zh"]
Word = Annotated[str | None, Query(max_length=200)]


def joint_routes(services: Services) -> APIRouter:
    """Return the routes about joints."""
    router = APIRouter(prefix="/api/v1/joints", tags=["joints"], route_class=TableRoute)
    service = services.joints

    @router.get("", response_model=list[JointView], summary="Joints, the newest first")
    def show(
        group: Word = None,
        part: Annotated[str | None, Query(max_length=200, description="what the part's serial number begins with")] = None,
        state: Annotated[str | None, Query(description="released, waiting, case or stopped")] = None,
        cases: Annotated[bool, Query(description="only those that a person must look at")] = False,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 200,
        language: Language = "en",
    ) -> Response:
        return json_answer(service.joints(group=group, part=part, state=state, cases=cases, before=before, most=most, language=language))

    @router.get("/groups", response_model=list[JointGroupView], summary="How flanges stand, the newest first")
    def groups(group: Word = None, part: Word = None, most: Annotated[int, Query(ge=1, le=5000)] = 50) -> Response:
        return json_answer(service.groups(group=group, part=part, most=most))

    @router.get("/groups/{group}/spindles", response_model=list[SpindleView], summary="How spindles stand among each other")
    def spindles(group: str, language: Language = "en") -> Response:
        return json_answer(service.spindles(group, language))

    @router.get("/{joint}", response_model=JointView, summary="One joint")
    def joint(joint: int, language: Language = "en") -> Response:
        return json_answer(service.joint(joint, language))

    @router.get("/{joint}/revisions", response_model=list[JointView], summary="All that was ever said of a joint")
    def revisions(joint: int, language: Language = "en") -> Response:
        return json_answer(service.revisions(joint, language))

    @router.get(
        "/{joint}/band",
        response_model=JointBandView,
        summary="Between which torques good runs of its program lie; empty, with words, while the program is not learned",
    )
    def band(joint: int, language: Language = "en") -> Response:
        return json_answer(service.band(joint, language))

    @router.post("/{joint}/decision", response_model=JointView, status_code=201, summary="Decide about a joint, with the reason")
    async def decide(request: Request, joint: int, draft: JointDecisionDraft) -> Response:
        person = person_of(request)
        added = await anyio.to_thread.run_sync(service.decide, person, joint, draft)
        return json_answer(await anyio.to_thread.run_sync(service.joint, added), 201)

    return router
