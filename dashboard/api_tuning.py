"""``/api/v1/tuning``: programs that are fine-tuned over REST: what is proposed, what people decide, what was measured."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_tuning import (
    AcceptDraft,
    AcceptedView,
    ConfirmedView,
    KeptView,
    PolicyDraft,
    ReadBackDraft,
    TargetDraft,
    TrialDraft,
    TuningApprovalDraft,
    TuningDeclineDraft,
    TuningLine,
    TuningView,
)

Word = Annotated[str, Query(min_length=1, max_length=400)]
Number = Annotated[int, Path(ge=1, lt=2**63)]


def tuning_routes(services: Services) -> APIRouter:
    """Return the routes about fine-tuning."""
    router = APIRouter(prefix="/api/v1/tuning", tags=["tuning"], route_class=TableRoute)
    service = services.tuning

    @router.get("", response_model=list[TuningLine], summary="Programs that are tuned, those to decide first")
    def show() -> Response:
        return json_answer(service.programs())

    @router.get("/program", response_model=TuningView, summary="One program: recipe, window, proposal, trials, roll-backs")
    def one(work_unit: Word, program: Word, job: Annotated[str, Query(max_length=400)] = "") -> Response:
        return json_answer(service.program(work_unit, program, job))

    @router.post("/proposals/{proposal}/approve", status_code=204, summary="Approve a proposed trial")
    def approve(request: Request, proposal: Number, draft: TuningApprovalDraft) -> Response:
        service.approve(person_of(request), proposal, draft)
        return Response(status_code=204)

    @router.post("/proposals/{proposal}/decline", status_code=204, summary="Decline a proposed trial, with the reason")
    def decline(request: Request, proposal: Number, draft: TuningDeclineDraft) -> Response:
        service.decline(person_of(request), proposal, draft)
        return Response(status_code=204)

    @router.post("/proposals/{proposal}/readback", response_model=ConfirmedView, summary="Say what the device holds after it was written")
    def read_back(request: Request, proposal: Number, draft: ReadBackDraft) -> Response:
        return json_answer(ConfirmedView(service.read_back(person_of(request), proposal, draft)))

    @router.post("/trials", response_model=KeptView, status_code=201, summary="Say what a trial gave")
    def trial(request: Request, draft: TrialDraft) -> Response:
        return json_answer(KeptView(service.add_trial(person_of(request), draft)), 201)

    @router.post("/accept", response_model=AcceptedView, status_code=201, summary="Make a recipe the accepted one")
    def accept(request: Request, draft: AcceptDraft) -> Response:
        return json_answer(AcceptedView(service.accept(person_of(request), draft)), 201)

    @router.post("/policy", response_model=KeptView, status_code=201, summary="Let trials run for a while without asking for each one")
    def policy(request: Request, draft: PolicyDraft) -> Response:
        return json_answer(KeptView(service.enable_policy(person_of(request), draft)), 201)

    @router.post("/policy/end", status_code=204, summary="Ask a person for each trial again")
    def end(request: Request, draft: TargetDraft) -> Response:
        service.end_policy(person_of(request), draft)
        return Response(status_code=204)

    return router
