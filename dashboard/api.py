"""``/api/v1``: plant, history and sources over REST, by the same services as the pages. Who may ask: ``dashboard/permissions.py``."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard import views
from dashboard.context import Person
from dashboard.drafts import DiscoverDraft, SourceDraft
from dashboard.services import Services
from dashboard.table_route import JsonAnswer, OtherRows, TableRoute
from plant.errors import Rejected

Microseconds = Annotated[int, Query(description="microseconds since 1970-01-01 UTC")]
Ids = Annotated[list[int], Query(description="numbers of signals, as often as wanted", max_length=1000)]


def json_answer(content: Any, status: int = 200, rows: OtherRows | None = None) -> Response:
    """Return JSON that never holds NaN or infinity; ``rows`` gives what stands in files where that is not the same."""
    return JsonAnswer(content, status, rows)


def person_of(request: Request) -> Person:
    """Return who asks, as the gate found."""
    person = request.scope["state"]["person"]
    assert isinstance(person, Person)  # noqa: S101 - the gate lets nobody else reach a route that asks
    return person


def plant_routes(services: Services) -> APIRouter:
    """Return the routes that read the plant as it is now."""
    router = APIRouter(prefix="/api/v1", tags=["plant"], route_class=TableRoute)
    plant = services.plant

    @router.get("/site", response_model=views.SiteView, summary="The factory")
    def site() -> Response:
        return json_answer(plant.site())

    @router.get("/clock", response_model=views.ClockView, summary="How old what is shown is")
    def clock() -> Response:
        return json_answer(plant.clock())

    @router.get("/equipment", response_model=list[views.EquipmentView], summary="The hierarchy with states, parents before children")
    def equipment() -> Response:
        return json_answer(plant.equipment())

    @router.get("/signals", response_model=list[views.SignalView], summary="Signals by path")
    def signals(equipment: str | None = None, below: bool = False, glob: str | None = None, source: str | None = None) -> Response:
        return json_answer(plant.signals(equipment=equipment, below=below, glob=glob, source=source))

    @router.get("/signals/{signal}", response_model=views.SignalView, summary="One signal")
    def signal(signal: int) -> Response:
        return json_answer(plant.signal(signal))

    @router.get("/latest", response_model=list[views.LatestView], summary="Newest values, of all signals or of those named")
    def latest(signal: Annotated[list[int] | None, Query(max_length=10_000)] = None) -> Response:
        return json_answer(plant.latest(signal))

    @router.get("/exceptions", response_model=list[views.ExceptionView], summary="Signals that are not normal, the worst first")
    def exceptions(most: Annotated[int, Query(ge=1, le=10_000)] = 200) -> Response:
        return json_answer(plant.exceptions(most))

    @router.get("/processes", response_model=list[views.ProcessView], summary="Processes of Leadhand")
    def processes() -> Response:
        return json_answer(services.health.processes())

    @router.get("/storage", response_model=views.StorageView, summary="The database: size and spans kept")
    def storage() -> Response:
        return json_answer(services.health.storage())

    return router


def history_routes(services: Services) -> APIRouter:
    """Return the routes that read what was stored over a span."""
    router = APIRouter(prefix="/api/v1", tags=["history"], route_class=TableRoute)
    history = services.history

    @router.get("/window", response_model=list[views.WindowView], summary="Values over a span at a wanted number of points")
    def window(signal: Ids, from_us: Microseconds, to_us: Microseconds, points: Annotated[int, Query(ge=1, le=10_000)] = 1000) -> Response:
        found = history.window(signal, from_us, to_us, points)
        return json_answer(found, rows=(views.WindowRow, partial(views.window_rows, found)))

    @router.get("/signals/{signal}/texts", response_model=list[views.TextView], summary="Where a text signal changed, over a span")
    def texts(signal: int, from_us: Microseconds, to_us: Microseconds, most: Annotated[int, Query(ge=1, le=100_000)] = 1000) -> Response:
        return json_answer(history.texts(signal, from_us, to_us, most))

    @router.get("/ledger", response_model=list[views.LedgerView], summary="Where samples went, by source and minute")
    def ledger(from_us: Microseconds, to_us: Microseconds, source: str | None = None) -> Response:
        found = history.ledger(from_us, to_us, source)
        return json_answer(found)

    @router.get("/ledger/totals", response_model=list[views.LedgerView], summary="Where samples went, by source, over the whole span")
    def totals(from_us: Microseconds, to_us: Microseconds) -> Response:
        return json_answer(history.ledger_totals(from_us, to_us))

    @router.get("/gaps", response_model=list[views.GapView], summary="Samples that could not be taken, the newest first")
    def gaps(
        from_us: Microseconds,
        to_us: Microseconds,
        source: str | None = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Response:
        found = history.gaps(from_us, to_us, source, most)
        return json_answer(found)

    return router


def source_routes(services: Services) -> APIRouter:
    """Return the routes that show, discover, check and change sources."""
    router = APIRouter(prefix="/api/v1/sources", tags=["sources"], route_class=TableRoute)
    sources = services.sources

    @router.get("", response_model=list[views.SourceView], summary="All sources and how they do")
    def show() -> Response:
        return json_answer(sources.sources())

    @router.post("/discover", response_model=list[views.FoundVariableView], summary="What an OPC UA server offers")
    def discover(draft: DiscoverDraft) -> Response:
        return json_answer(sources.discover(draft))

    @router.post("/check", response_model=views.CheckView, summary="What is wrong with a source, read with all other settings")
    def check(draft: SourceDraft) -> Response:
        return json_answer(sources.check(draft))

    @router.get("/{source}", response_model=SourceDraft, summary="The settings of a source made here")
    def read(source: str) -> Response:
        return json_answer(sources.read(source).model_dump(mode="json", exclude={"password"}))

    @router.put("/{source}", response_model=views.CheckView, summary="Check and save a source; it is read from then on")
    def save(request: Request, source: str, draft: SourceDraft) -> Response:
        if source != draft.source.id:
            raise Rejected(f"the address names '{source}', the draft '{draft.source.id}'")
        return json_answer(sources.save(person_of(request), draft))

    @router.delete("/{source}", status_code=204, summary="Take a source out; its samples stay")
    def delete(request: Request, source: str) -> Response:
        sources.delete(person_of(request), source)
        return Response(status_code=204)

    return router
