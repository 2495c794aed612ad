"""``/api/v1/changeovers``: changeover sets, which is next at each work unit, and whether what was read back agrees."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from dashboard.api import json_answer
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_changeovers import ChangeoversView, NextChangeoverView, ReadbackCheckDraft, ReadbackCheckView

Language = Literal["en", "zh"]


def changeover_routes(services: Services) -> APIRouter:
    """Return the routes about changeover sets."""
    router = APIRouter(prefix="/api/v1/changeovers", tags=["changeover sets"], route_class=TableRoute)
    service = services.changeovers

    @router.get("", response_model=ChangeoversView, summary="The changeover sets in force, each complete or with what is missing")
    def show(language: Language = "en") -> Response:
        return json_answer(service.sets(language))

    @router.get("/next", response_model=list[NextChangeoverView], summary="What each work unit is switched to next, by the live plan")
    def upcoming(language: Language = "en") -> Response:
        return json_answer(service.upcoming(language))

    @router.post("/check", response_model=ReadbackCheckView, summary="Does what was read back agree, so that the first part may be let in?")
    async def check(draft: ReadbackCheckDraft, language: Language = "en") -> Response:
        return json_answer(await anyio.to_thread.run_sync(service.check, draft, language))

    return router
