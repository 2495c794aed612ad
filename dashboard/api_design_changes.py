"""``/api/v1/design-changes``: PLM tells a new version of a product; stations acknowledge it; what holds for a serial."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.api_recommendations import Key, Word
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_design_changes import AcknowledgementDraft, DesignChangeView, VersionView, WithdrawalDraft
from plant.design_changes import DesignChange

Language = Literal["en", "zh"]
Needed = Annotated[str, Query(min_length=1, max_length=200)]


def design_change_routes(services: Services) -> APIRouter:
    """Return the routes about design changes."""
    router = APIRouter(prefix="/api/v1/design-changes", tags=["design changes"], route_class=TableRoute)
    service = services.design_changes

    @router.get("", response_model=list[DesignChangeView], summary="Design changes, the newest first")
    def show(
        product: Word = None,
        stage: Annotated[str | None, Query(max_length=40, description="waiting, in_force, refused or withdrawn")] = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 100,
        language: Language = "en",
    ) -> Response:
        return json_answer(service.changes(product=product, stage=stage, before=before, most=most, language=language))

    @router.post("", response_model=DesignChangeView, status_code=201, summary="Tell a design change")
    async def add(request: Request, change: DesignChange, language: Language = "en", idempotency_key: Key = "") -> Response:
        person = person_of(request)
        number = await anyio.to_thread.run_sync(service.add, person, change, idempotency_key)
        return json_answer(await anyio.to_thread.run_sync(service.change, number, language), 201)

    @router.get("/version", response_model=VersionView, summary="Which version of a product holds for a serial number")
    def version(product: Needed, serial: Needed) -> Response:
        return json_answer(service.version(product, serial))

    @router.get("/{change}", response_model=DesignChangeView, summary="One design change")
    def one(change: int, language: Language = "en") -> Response:
        return json_answer(service.change(change, language))

    @router.post("/{change}/acknowledge", response_model=DesignChangeView, summary="A station acknowledges a change, or refuses it")
    async def acknowledge(
        request: Request, change: int, draft: AcknowledgementDraft, language: Language = "en", idempotency_key: Key = ""
    ) -> Response:
        person = person_of(request)
        await anyio.to_thread.run_sync(service.acknowledge, person, change, draft, idempotency_key)
        return json_answer(await anyio.to_thread.run_sync(service.change, change, language))

    @router.post("/{change}/withdraw", response_model=DesignChangeView, summary="Take a change back, with the reason")
    async def withdraw(
        request: Request, change: int, draft: WithdrawalDraft, language: Language = "en", idempotency_key: Key = ""
    ) -> Response:
        person = person_of(request)
        await anyio.to_thread.run_sync(service.withdraw, person, change, draft, idempotency_key)
        return json_answer(await anyio.to_thread.run_sync(service.change, change, language))

    return router
