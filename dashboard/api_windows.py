"""``/api/v1/windows``: process windows, their versions, what differs between them; drafts, which another person approves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.views_windows import (
    WindowChangeView,
    WindowDraftDraft,
    WindowDraftView,
    WindowRefusalDraft,
    WindowSetView,
    WindowVersionView,
)

Version = Annotated[int | None, Query(ge=1, lt=2**31, description="that in force where not given")]
Side = Annotated[int, Query(ge=0, lt=2**31)]
Number = Annotated[int, Path(ge=1, lt=2**63)]


def window_routes(services: Services) -> APIRouter:
    """Return the routes about process windows."""
    router = APIRouter(prefix="/api/v1/windows", tags=["process windows"], route_class=TableRoute)
    service = services.windows

    @router.get("", response_model=WindowSetView, summary="The process windows in force, with what is in use inside of them")
    def show(version: Version = None) -> Response:
        return json_answer(service.windows(version))

    @router.get("/versions", response_model=list[WindowVersionView], summary="Versions of the set, the newest first")
    def versions(most: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        return json_answer(service.versions(most))

    @router.get(
        "/file", response_class=Response, responses=file_of("application/toml"), summary="A version as it was written: windows.toml"
    )
    def file(version: Version = None) -> Response:
        return Response(service.text(version), media_type="application/toml")

    @router.get("/changes", response_model=list[WindowChangeView], summary="What differs between two versions; 0 stands for none")
    def changes(older: Side, newer: Side) -> Response:
        return json_answer(service.changes(older, newer))

    _add_draft_routes(router, services)
    return router


def _add_draft_routes(router: APIRouter, services: Services) -> None:
    service = services.windows

    @router.get("/drafts", response_model=list[WindowDraftView], summary="Drafts, those that wait first")
    def drafts(most: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        return json_answer(service.drafts(most))

    @router.post("/drafts", response_model=WindowDraftView, status_code=201, summary="Propose a window; another person approves it")
    def propose(request: Request, draft: WindowDraftDraft) -> Response:
        return json_answer(service.propose(person_of(request), draft), 201)

    @router.get("/drafts/{draft}", response_model=WindowDraftView, summary="One draft, and what it would change")
    def one(draft: Number) -> Response:
        return json_answer(service.draft(draft))

    @router.post("/drafts/{draft}/approve", response_model=WindowDraftView, summary="Put a draft of another person in force")
    def approve(request: Request, draft: Number) -> Response:
        return json_answer(service.approve(person_of(request), draft))

    @router.post("/drafts/{draft}/decline", response_model=WindowDraftView, summary="Decline a draft for a reason")
    def decline(request: Request, draft: Number, why: WindowRefusalDraft) -> Response:
        return json_answer(service.decline(person_of(request), draft, why))

    @router.post("/drafts/{draft}/withdraw", response_model=WindowDraftView, summary="Take back one's own draft")
    def withdraw(request: Request, draft: Number, why: WindowRefusalDraft) -> Response:
        return json_answer(service.withdraw(person_of(request), draft, why))
