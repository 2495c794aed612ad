"""``/api/v1/andon``: what stations need, calls and who comes; ``/andon`` itself, the page that a screen on the wall shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, Response

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.context import current_context
from dashboard.pages.andon import board_page
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.texts import LANGUAGES
from dashboard.views_andon import AnswersView, BoardView, CallDraft, CallView, StepDraft

Place = Annotated[str, Query(max_length=1000, description="path of an equipment: this and all below it; empty: the site")]
Number = Annotated[int, Path(ge=1, le=2**62)]


def andon_routes(services: Services) -> APIRouter:
    """Return these routes."""
    router = APIRouter(prefix="/api/v1/andon", tags=["andon"], route_class=TableRoute)
    andon = services.andon

    @router.get("", response_model=BoardView, summary="The board: whom each station needs, why, and since when")
    def board(place: Place = "", language: str = "en") -> Response:
        return json_answer(andon.board(place, language))

    @router.get("/calls", response_model=list[CallView], summary="Calls of people at stations; of no span those that are not done")
    def calls(
        place: Place = "",
        from_us: Microseconds | None = None,
        to_us: Microseconds | None = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Response:
        found = andon.open_calls(place)[:most] if from_us is None and to_us is None else andon.calls(place, from_us, to_us, most)
        return json_answer(found)

    @router.get("/answers", response_model=list[AnswersView], summary="How soon those who were called in a span came")
    def answers(from_us: Microseconds, to_us: Microseconds, place: Place = "") -> Response:
        return json_answer(andon.answers(place, from_us, to_us))

    @router.post("/calls", response_model=CallView, status_code=201, summary="Call somebody to a station; 200 where he is called already")
    def call(request: Request, draft: CallDraft) -> Response:
        made, new = andon.call(person_of(request), draft)
        return json_answer(made, 201 if new else 200)

    @router.post("/calls/{call}/answer", response_model=CallView, summary="Say that somebody comes")
    def answer(request: Request, call: Number, draft: StepDraft) -> Response:
        return json_answer(andon.answer(person_of(request), call, draft))

    @router.post("/calls/{call}/done", response_model=CallView, summary="Say that a call is done")
    def done(request: Request, call: Number, draft: StepDraft) -> Response:
        return json_answer(andon.end(person_of(request), call, draft))

    return router


def board_routes(services: Services) -> APIRouter:
    """Return the route of the board's page, which needs none of the scripts that other pages are made of."""
    router = APIRouter(include_in_schema=False)

    @router.get("/andon")
    def page(place: Place = "", language: str = "", theme: str = "") -> Response:
        context = current_context()
        chosen = language if language in LANGUAGES else context.language
        shade = theme if theme in {"light", "dark"} else context.theme
        return HTMLResponse(board_page(context, services, place, chosen, shade), headers={"Cache-Control": "no-store"})

    return router
