"""``/api/v1/alarms`` and ``/api/v1/notices``: lists, the journal, actions and figures over REST."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.exports import MEDIA
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.views_alarms import (
    AlarmActionDraft,
    AlarmActionView,
    AlarmCountsView,
    AlarmLineView,
    AlarmRatesView,
    AlarmView,
    DifferenceView,
    NoticeView,
    ReceiverView,
    TableDraft,
)
from plant.alarms import Priority
from plant.errors import Rejected
from storage.alarm_rates import LineFilter

MaybeMicroseconds = Annotated[int | None, Query(ge=0, le=2**62, description="microseconds since 1970-01-01 UTC")]
Below = Annotated[str | None, Query(max_length=1000, description="path; all below it too")]
AtLeast = Annotated[str | None, Query(description="urgent, high, medium or low; this and more urgent ones")]


def alarm_routes(services: Services) -> APIRouter:
    """Return the routes about alarms."""
    router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], route_class=TableRoute)
    service = services.alarms

    @router.get("", response_model=list[AlarmView], summary="How alarms stand, the most urgent first, then the newest")
    def show(
        which: Annotated[str, Query(description="annunciated, silenced, all, or a state")] = "annunciated",
        equipment: Below = None,
        priority: AtLeast = None,
        alarm: Annotated[str | None, Query(max_length=1000, description="name of one alarm")] = None,
        most: Annotated[int, Query(ge=1, le=100_000)] = 1000,
    ) -> Response:
        found = service.alarms(which=which, equipment=equipment, priority=priority, alarm=alarm, most=most)
        return json_answer(found)

    @router.get("/counts", response_model=AlarmCountsView, summary="How many alarms there are")
    def counts() -> Response:
        return json_answer(service.counts())

    @router.get("/journal", response_model=list[AlarmLineView], summary="What happened to alarms, the newest first")
    def journal(
        from_us: MaybeMicroseconds = None,
        to_us: MaybeMicroseconds = None,
        equipment: Below = None,
        priority: AtLeast = None,
        alarm: Annotated[str | None, Query(max_length=1000)] = None,
        state: Annotated[str | None, Query(description="the state after the event")] = None,
        event: str | None = None,
        who: Annotated[str | None, Query(max_length=200)] = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the seq of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        names = {each.name.lower(): int(each) for each in Priority}
        if priority is not None and priority not in names:
            raise Rejected(f"there is no priority '{priority}'; there are: {', '.join(names)}")
        least = None if priority is None else names[priority]
        wanted = LineFilter(from_us, to_us, before, alarm, equipment, least, state, event, who, most)
        found = service.journal(wanted)
        return json_answer(found)

    @router.get("/rates", response_model=AlarmRatesView, summary="How much alarms asked of operators, against EEMUA 191 and ISA-18.2")
    def rates(from_us: Microseconds, to_us: Microseconds, operators: Annotated[int, Query(ge=1, le=1000)] = 1) -> Response:
        return json_answer(service.rates(from_us, to_us, operators))

    @router.post(
        "/actions",
        response_model=list[AlarmActionView],
        status_code=202,
        summary="Acknowledge, reset, shelve, unshelve, take out of service or return; asked twice it is done once",
    )
    def act(
        request: Request, draft: AlarmActionDraft, wait_seconds: Annotated[float, Query(ge=0, le=10, description="for the outcome")] = 0.0
    ) -> Response:
        asked = service.act(person_of(request), draft)
        return json_answer(service.wait(asked, wait_seconds), 202)

    @router.get("/actions", response_model=list[AlarmActionView], summary="What became of actions")
    def actions(id: Annotated[list[int], Query(max_length=5000)]) -> Response:  # noqa: A002
        return json_answer(service.actions(id))

    return router


def definition_routes(services: Services) -> APIRouter:
    """Return the routes that give and take alarm definitions as tables."""
    router = APIRouter(prefix="/api/v1/alarms/definitions", tags=["alarms"], route_class=TableRoute)
    service = services.alarms

    @router.get(
        "",
        response_class=Response,
        responses=file_of("text/csv", MEDIA["xlsx"]),
        summary="All alarms of the site as a table, for a spreadsheet",
    )
    def definitions(format: Annotated[Literal["csv", "xlsx"], Query()] = "csv") -> Response:  # noqa: A002
        kind = "text/csv; charset=utf-8" if format == "csv" else "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        named = {"Content-Disposition": f'attachment; filename="alarms.{format}"'}
        return Response(service.definitions(format), media_type=kind, headers=named)

    @router.post("/check", response_model=DifferenceView, summary="What a CSV file or .xlsx workbook would change")
    def check(request: Request, draft: TableDraft) -> Response:
        return json_answer(service.plan(person_of(request), draft.content, complete=draft.complete))

    @router.post("", response_model=DifferenceView, summary="Change the alarms as a CSV file or .xlsx workbook says, in one stroke")
    def take_in(request: Request, draft: TableDraft) -> Response:
        return json_answer(service.take_in(person_of(request), draft.content, complete=draft.complete))

    return router


def notice_routes(services: Services) -> APIRouter:
    """Return the routes about who was told of alarms."""
    router = APIRouter(prefix="/api/v1/notices", tags=["notices"], route_class=TableRoute)
    service = services.alarms

    @router.get("", response_model=list[NoticeView], summary="What was sent to whom, the newest first")
    def show(
        state: Annotated[str | None, Query(description="pending, gathered, in_digest, sent or failed")] = None,
        receiver: Annotated[str | None, Query(max_length=200)] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 200,
    ) -> Response:
        return json_answer(service.notices(state=state, receiver=receiver, most=most))

    @router.get("/receivers", response_model=list[ReceiverView], summary="Who can be told")
    def receivers() -> Response:
        return json_answer(service.receivers())

    @router.post("/receivers/{receiver}/test", response_model=list[NoticeView], status_code=202, summary="Send a notice that says nothing")
    def test(request: Request, receiver: str) -> Response:
        return json_answer(service.try_notice(person_of(request), receiver), 202)

    @router.post("/{notice}/{channel}/again", status_code=204, summary="Send a notice once more that was given up")
    def again(request: Request, notice: UUID, channel: str) -> Response:
        service.send_again(person_of(request), notice, channel)
        return Response(status_code=204)

    return router
