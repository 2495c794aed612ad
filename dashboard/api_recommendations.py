"""``/api/v1/recommendations``, products and routes over REST: what is proposed, why, what people decide, what it brought."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_recommendations import (
    ApprovalDraft,
    CoverageView,
    DeclineDraft,
    ModelView,
    ProductView,
    RecommendationLine,
    RecommendationView,
    RouteView,
)

Word = Annotated[str | None, Query(max_length=200)]
Key = Annotated[
    str, Header(alias="Idempotency-Key", max_length=200, description="a write that is asked again with the same key is done once")
]
Number = Annotated[int, Query(ge=1, le=1000)]


def recommendation_routes(services: Services) -> APIRouter:
    """Return the routes about recommendations."""
    router = APIRouter(prefix="/api/v1/recommendations", tags=["recommendations"], route_class=TableRoute)
    service = services.recommendations

    @router.get("", response_model=list[RecommendationLine], summary="Recommendations, the newest first")
    def show(
        product: Word = None,
        stage: Annotated[str | None, Query(max_length=40, description="proposed, approved, declined ...")] = None,
        answer: Annotated[str | None, Query(max_length=40, description="recommended, keep_current or not_enough_evidence")] = None,
        newest: Annotated[bool, Query(description="only the last one of each product")] = False,
        realised: Annotated[bool, Query(description="only those whose gain was measured")] = False,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Number = 200,
    ) -> Response:
        return json_answer(
            service.recommendations(product=product, stage=stage, answer=answer, newest=newest, realised=realised, before=before, most=most)
        )

    @router.get("/models", response_model=list[ModelView], summary="What predicted, the newest first")
    def models(most: Number = 20) -> Response:
        return json_answer(service.models(most))

    @router.get("/coverage", response_model=list[CoverageView], summary="How well 90 % intervals covered what was measured after them")
    def coverage(model: Word = None, most: Number = 500) -> Response:
        return json_answer(service.coverage(model, most))

    @router.get("/{recommendation}", response_model=RecommendationView, summary="One recommendation, whole")
    def one(recommendation: int) -> Response:
        return json_answer(service.recommendation(recommendation))

    @router.post("/{recommendation}/approve", response_model=RecommendationView, summary="Approve a proposal")
    async def approve(request: Request, recommendation: int, draft: ApprovalDraft, idempotency_key: Key = "") -> Response:
        person = person_of(request)
        await anyio.to_thread.run_sync(service.approve, person, recommendation, draft, idempotency_key)
        return json_answer(await anyio.to_thread.run_sync(service.recommendation, recommendation))

    @router.post("/{recommendation}/decline", response_model=RecommendationView, summary="Decline a proposal, with the reason")
    async def decline(request: Request, recommendation: int, draft: DeclineDraft, idempotency_key: Key = "") -> Response:
        person = person_of(request)
        await anyio.to_thread.run_sync(service.decline, person, recommendation, draft, idempotency_key)
        return json_answer(await anyio.to_thread.run_sync(service.recommendation, recommendation))

    return router


def product_routes(services: Services) -> APIRouter:
    """Return the routes about products and the routes by which they are made."""
    router = APIRouter(prefix="/api/v1", tags=["recommendations"], route_class=TableRoute)
    service = services.recommendations

    @router.get("/products", response_model=list[ProductView], summary="Products with their features and current routes")
    def products() -> Response:
        return json_answer(service.products())

    @router.get("/routes", response_model=list[RouteView], summary="Routes that the process network names")
    def routes(product: Word = None, most: Annotated[int, Query(ge=1, le=20_000)] = 1000) -> Response:
        return json_answer(service.routes(product, most))

    return router
