"""``/api/v1/plan``: the plan as it stands, its versions, why each operation is where it is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from dashboard.api import json_answer
from dashboard.context import current_context
from dashboard.plan_drawing import PlanDrawing
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.views_plan import (
    AlternativeView,
    CheckDraft,
    CheckedEdit,
    CompareView,
    DisturbanceView,
    EditView,
    MeasuresView,
    OperationRow,
    OperationView,
    PlanJobView,
    PlanStateView,
    PlanVersionView,
)
from plant.errors import Rejected

Word = Annotated[str | None, Query(max_length=200)]
MaybeMicroseconds = Annotated[int | None, Query(description="microseconds since 1970-01-01 UTC")]
Before = Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")]
Number = Annotated[int, Query(ge=1, le=1000)]
Row = Annotated[int, Path(ge=0, lt=2**31, description="the operation's row")]
Version = Annotated[str, Path(max_length=20, description="a version's number, or 'live'")]


def number_of(version: str) -> int | None:
    """Return the number that an address names; None for the live plan."""
    if version == "live":
        return None
    if not (version.isascii() and version.isdigit()):
        raise Rejected(f"'{version}' is no version of the plan: write its number, or 'live'")
    return int(version)


def plan_routes(services: Services) -> APIRouter:
    """Return the routes that read plans."""
    router = APIRouter(prefix="/api/v1/plan", tags=["plan"], route_class=TableRoute)
    service = services.schedule

    @router.get("", response_model=PlanStateView, summary="How the plan stands: the live one, the reference, what the optimizer is at")
    def standing() -> Response:
        return json_answer(service.standing())

    @router.get("/versions", response_model=list[PlanVersionView], summary="Versions of the plan, the newest first")
    def versions(
        kind: Annotated[str | None, Query(max_length=40, description="live or what_if")] = None,
        name: Annotated[str | None, Query(max_length=200, description="of this what-if")] = None,
        before: Before = None,
        most: Number = 50,
    ) -> Response:
        return json_answer(service.versions(kind=kind, name=name, before=before, most=most))

    @router.get("/versions/{version}", response_model=PlanVersionView, summary="One version")
    def one(version: Version) -> Response:
        return json_answer(service.version(number_of(version)))

    @router.get("/versions/{version}/drawing", response_model=PlanDrawing, summary="One version as columns, as the schedule is drawn from")
    def drawn(version: Version) -> Response:
        return json_answer(service.drawing(number_of(version)))

    @router.get("/versions/{version}/measures", response_model=MeasuresView, summary="What a version is worth")
    def measured(version: Version) -> Response:
        return json_answer(service.measures(number_of(version)))

    @router.get("/versions/{version}/operations", response_model=list[OperationRow], summary="Operations of a version")
    def operations(
        version: Version,
        unit: Word = None,
        job: Word = None,
        order: Word = None,
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        late: Annotated[bool, Query(description="only those of jobs that end late")] = False,
        after: Annotated[int | None, Query(ge=0, le=2**31, description="the row of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> Response:
        return json_answer(
            service.operations(
                *(number_of(version),),
                unit=unit,
                job=job,
                order=order,
                from_us=from_us,
                to_us=to_us,
                late=late,
                after=after,
                most=most,
            )
        )

    @router.get("/versions/{version}/operations/{row}", response_model=OperationView, summary="One operation: why here, why late")
    def operation(version: Version, row: Row, language: Annotated[Literal["en", "zh"] | None, Query()] = None) -> Response:
        context = current_context()
        return json_answer(service.operation(number_of(version), row, language or context.language, context.time_zone))

    @router.get(
        "/versions/{version}/operations/{row}/alternatives", response_model=list[AlternativeView], summary="Where else it could be done"
    )
    def alternatives(version: Version, row: Row) -> Response:
        return json_answer(service.alternatives(number_of(version), row))

    @router.post("/versions/{version}/check", response_model=CheckedEdit, summary="What would be wrong with an operation elsewhere")
    def check(version: Version, draft: CheckDraft) -> Response:
        return json_answer(services.planning.check(number_of(version), draft))

    return router


def plan_news_routes(services: Services) -> APIRouter:
    """Return the routes that compare plans, and read what came between and what the optimizer is at."""
    router = APIRouter(prefix="/api/v1/plan", tags=["plan"], route_class=TableRoute)
    service = services.schedule

    @router.get("/compare", response_model=CompareView, summary="What differs between two versions")
    def compare(
        before: Annotated[int | None, Query(ge=1, le=2**62, description="the reference, else the live plan, where none is told")] = None,
        after: Annotated[int | None, Query(ge=1, le=2**62, description="the live plan where none is told")] = None,
        most: Annotated[int, Query(ge=1, le=20_000)] = 500,
    ) -> Response:
        return json_answer(service.compare(before, after, most))

    @router.get("/edits", response_model=list[EditView], summary="What people did to plans, the newest first")
    def edits(
        state: Annotated[str | None, Query(max_length=40, description="waiting, taken, refused or ended")] = None,
        plan: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        before: Before = None,
        most: Number = 200,
    ) -> Response:
        return json_answer(service.edits(state=state, plan=plan, before=before, most=most))

    @router.get("/disturbances", response_model=list[DisturbanceView], summary="What came between, the newest first")
    def disturbances(only_open: bool = True, before: Before = None, most: Number = 200) -> Response:
        return json_answer(service.disturbances(only_open=only_open, before=before, most=most))

    @router.get("/jobs", response_model=list[PlanJobView], summary="What the optimizer was asked to plan, the newest first")
    def jobs(most: Number = 50) -> Response:
        return json_answer(service.jobs(most))

    @router.get("/jobs/{job}", response_model=PlanJobView, summary="One planning job: how far it is, its answer")
    def job(job: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
        return json_answer(service.job(job))

    return router
