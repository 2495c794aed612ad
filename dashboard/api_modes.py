"""``/api/v1/modes``: how much is delivered to each work unit, and how its controller does; set, asked for, confirmed, dropped."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_modes import DropDraft, DroppedView, LoopConfirmDraft, LoopDraft, ModeChangeView, ModeDraft, ModeView


def mode_routes(services: Services) -> APIRouter:
    """Return the routes about modes of work units."""
    router = APIRouter(prefix="/api/v1/modes", tags=["delivery"], route_class=TableRoute)
    service = services.modes

    @router.get("", response_model=list[ModeView], summary="Each work unit's mode, why it holds, and how its controller does")
    def show() -> Response:
        return json_answer(service.modes())

    @router.get("/changes", response_model=list[ModeChangeView], summary="What happened to modes, the newest first")
    def changes(work_unit: Annotated[str, Query(max_length=400)] = "", most: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        return json_answer(service.changes(work_unit, most))

    @router.post("", response_model=ModeView, summary="Set a mode: a lower one, or a higher one as approver")
    def change(request: Request, draft: ModeDraft) -> Response:
        return json_answer(service.set(person_of(request), draft))

    @router.post("/ask", response_model=ModeView, summary="Ask for a closed loop; it begins when another person confirms it")
    def ask(request: Request, draft: LoopDraft) -> Response:
        return json_answer(service.ask(person_of(request), draft))

    @router.post("/confirm", response_model=ModeView, summary="Confirm the closed loop that another person asked for")
    def confirm(request: Request, draft: LoopConfirmDraft) -> Response:
        return json_answer(service.confirm(person_of(request), draft))

    @router.post("/drop", response_model=DroppedView, summary="End all closed loops at once")
    def drop(request: Request, draft: DropDraft) -> Response:
        return json_answer(service.drop_all(person_of(request), draft))

    return router
