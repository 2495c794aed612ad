"""``/api/v1/audit``: who changed what, searched; whether the chain holds, and up to where."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.services_audit import MOST, MOST_ROWS
from dashboard.table_route import Form, TableRoute
from dashboard.views_audit import AuditCheckView, AuditEntryView, AuditHeadView, AuditRow
from storage.audit_reading import AuditWish

Word = Annotated[str, Query(max_length=200, description="found anywhere in it; * stands for any letters of the whole")]
Moment = Annotated[int | None, Query(ge=0, lt=2**62, description="microseconds since 1970-01-01 UTC")]


def audit_routes(services: Services) -> APIRouter:
    """Return the routes about the audit trail."""
    router = APIRouter(prefix="/api/v1/audit", tags=["people"], route_class=TableRoute)
    service = services.audit

    @router.get("", response_model=list[AuditEntryView], summary="Who changed what, the newest first; as a file up to 100,000 entries")
    async def entries(
        request: Request,
        actor: Word = "",
        act: Word = "",
        subject: Word = "",
        from_us: Moment = None,
        to_us: Moment = None,
        before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        most: Annotated[int | None, Query(ge=1, le=MOST_ROWS)] = None,
        format: Form = "json",  # noqa: A002
    ) -> Response:
        who, wish = person_of(request), AuditWish(actor, act, subject, from_us, to_us, before)
        if format != "json":
            rows = await anyio.to_thread.run_sync(service.rows, who, wish, most or MOST_ROWS)
            return json_answer([], rows=(AuditRow, lambda: rows))
        return json_answer(await anyio.to_thread.run_sync(service.entries, who, wish, min(most or 200, MOST)))

    @router.get("/head", response_model=AuditHeadView, summary="How many entries there are, the newest hash, the newest anchor")
    async def head(request: Request) -> Response:
        return json_answer(await anyio.to_thread.run_sync(service.head, person_of(request)))

    @router.get("/check", response_model=AuditCheckView, summary="Look at every entry: does the chain hold, and agree with its anchors?")
    async def check(request: Request) -> Response:
        return json_answer(await anyio.to_thread.run_sync(service.check, person_of(request)))

    return router
