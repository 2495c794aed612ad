"""``/api/v1/plan``, what people and programs ask of it: edits, what-ifs, disturbances, an earlier plan, a new one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.api_recommendations import Key
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_plan import (
    DisturbanceDraft,
    DisturbanceView,
    EditDraft,
    EditView,
    EndDraft,
    PlanJobView,
    PlanVersionView,
    ReferenceDraft,
    RestoreDraft,
    WhatIfDraft,
)

VersionNumber = Annotated[int, Path(ge=1, le=2**62)]


def planning_routes(services: Services) -> APIRouter:
    """Return the routes that ask something of the plan."""
    router = APIRouter(prefix="/api/v1/plan", tags=["plan"], route_class=TableRoute)
    service = services.planning

    @router.post("/edits", response_model=EditView, status_code=201, summary="Move, lock or unlock an operation; checked before it is kept")
    def edit(request: Request, draft: EditDraft, idempotency_key: Key = "") -> Response:
        return json_answer(service.edit(person_of(request), draft, idempotency_key), 201)

    @router.post("/jobs", response_model=PlanJobView, status_code=202, summary="Plan again now")
    def again(request: Request) -> Response:
        return json_answer(service.plan_again(person_of(request)), 202)

    @router.post("/undo", response_model=PlanJobView, status_code=202, summary="Let an earlier version hold again")
    def undo(request: Request, draft: RestoreDraft) -> Response:
        return json_answer(service.undo(person_of(request), draft), 202)

    @router.put("/reference", response_model=PlanVersionView | None, summary="Make a version the one that others are compared with")
    def reference(request: Request, draft: ReferenceDraft) -> Response:
        return json_answer(service.set_reference(person_of(request), draft))

    @router.post("/what-if", response_model=PlanJobView, status_code=202, summary="A copy of the plan with something else in it")
    def what_if(request: Request, draft: WhatIfDraft) -> Response:
        return json_answer(service.what_if(person_of(request), draft), 202)

    @router.post("/versions/{version}/adopt", response_model=PlanJobView, status_code=202, summary="Follow a what-if's plan")
    def adopt(request: Request, version: VersionNumber) -> Response:
        return json_answer(service.adopt(person_of(request), version), 202)

    @router.delete("/what-if/{name}", status_code=204, summary="Throw a what-if away")
    def forget(request: Request, name: str) -> Response:
        service.forget(person_of(request), name)
        return Response(status_code=204)

    @router.post("/disturbances", response_model=DisturbanceView, status_code=201, summary="Tell what came between: the plan is repaired")
    def disturb(request: Request, draft: DisturbanceDraft) -> Response:
        return json_answer(service.disturb(person_of(request), draft), 201)

    @router.post("/disturbances/{disturbance}/end", response_model=DisturbanceView, summary="Tell that a disturbance is over")
    def end(request: Request, disturbance: VersionNumber, draft: EndDraft) -> Response:
        return json_answer(service.end_disturbance(person_of(request), disturbance, draft))

    return router
