"""``/api/v1/states``, ``/api/v1/oee`` and what belongs to them over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.services import Services
from dashboard.services_losses import Asked
from dashboard.table_route import TableRoute
from dashboard.views_losses import (
    CounterNoteView,
    OeeView,
    ParetoView,
    PiecesView,
    ReasonView,
    ShiftView,
    SliceView,
    StepView,
    UnitView,
    WordDraft,
    WordView,
)

Below = Annotated[str, Query(max_length=1000, description="path; all below it too")]
Language = Annotated[str, Query(pattern="^(en|zh)$", description="of shown names")]


def _asked(
    from_us: Microseconds,
    to_us: Microseconds,
    equipment: Below = "",
    shift: Annotated[str, Query(max_length=200, description="name of a shift")] = "",
    product: Annotated[str, Query(max_length=1000)] = "",
    order: Annotated[str, Query(max_length=1000)] = "",
) -> Asked:
    return Asked(from_us, to_us, equipment, shift, product, order)


Wanted = Annotated[Asked, Depends(_asked)]


def state_routes(services: Services) -> APIRouter:
    """Return the routes about states, shifts and pieces."""
    router = APIRouter(prefix="/api/v1", tags=["losses"], route_class=TableRoute)
    service = services.losses

    @router.get("/states", response_model=list[UnitView], summary="What each equipment does now")
    def units(equipment: Below = "", language: Language = "en") -> Response:
        found = service.units(equipment, language)
        return json_answer(found)

    @router.get("/states/intervals", response_model=list[SliceView], summary="Where time went, piece by piece")
    def intervals(
        asked: Wanted,
        loss: Annotated[str, Query(description="kind of loss in planned time, of the equipment that the Pareto holds")] = "",
        reason: str | None = None,
        merged: Annotated[bool, Query(description="do not divide by product and part")] = False,
        most: Annotated[int, Query(ge=1, le=100_000)] = 5000,
        language: Language = "en",
    ) -> Response:
        found = service.slices_of(service.gather(asked), loss=loss, reason=reason, most=most, language=language, merged=merged)
        return json_answer(found)

    @router.get("/states/reasons", response_model=list[ReasonView], summary="The tree of reasons")
    def reasons(language: Language = "en") -> Response:
        return json_answer(service.reasons(language))

    @router.get("/states/words", response_model=list[WordView], summary="What people said of spans")
    def words(asked: Wanted) -> Response:
        return json_answer(service.words(asked))

    @router.post(
        "/states/words", response_model=WordView, status_code=201, summary="Say why equipment stood; an empty reason takes it back"
    )
    def say(request: Request, draft: WordDraft) -> Response:
        return json_answer(service.say(person_of(request), draft), 201)

    @router.get("/shifts", response_model=list[ShiftView], summary="Shifts as planned")
    def shifts(from_us: Microseconds, to_us: Microseconds, equipment: Below = "") -> Response:
        found = service.shifts(equipment, from_us, to_us)
        return json_answer(found)

    @router.get("/pieces", response_model=list[PiecesView], summary="Pieces made, second by second")
    def pieces(asked: Wanted) -> Response:
        found = service.pieces(asked)
        return json_answer(found)

    @router.get("/pieces/faults", response_model=list[CounterNoteView], summary="What counters did that is no production")
    def faults(asked: Wanted) -> Response:
        found = service.counter_notes(asked)
        return json_answer(found)

    return router


def oee_routes(services: Services) -> APIRouter:
    """Return the routes about losses and OEE."""
    router = APIRouter(prefix="/api/v1", tags=["losses"], route_class=TableRoute)
    service = services.losses

    @router.get("/oee", response_model=list[OeeView], summary="OEE and its elements by ISO 22400-2")
    def oee(
        asked: Wanted,
        by: Annotated[str, Query(description="equipment, shift, day, hour, team, product or order; all in one where not given")] = "",
    ) -> Response:
        found = service.figures(asked, by)
        return json_answer(found)

    @router.get("/oee/waterfall", response_model=list[StepView], summary="From calendar time to what was made well")
    def waterfall(asked: Wanted) -> Response:
        found = service.waterfall_of(service.gather(asked))
        return json_answer(found)

    @router.get("/oee/pareto", response_model=list[ParetoView], summary="What planned time was lost to, the costliest first")
    def pareto(asked: Wanted, language: Language = "en") -> Response:
        found = service.pareto_of(service.gather(asked), language)
        return json_answer(found)

    @router.get("/oee/six-losses", response_model=dict[str, int | None], summary="The six big losses, microseconds")
    def six_losses(asked: Wanted) -> Response:
        return json_answer(service.six_losses(asked))

    return router
