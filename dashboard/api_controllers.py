"""``/api/v1/controllers/{work_unit}``: for line controllers that fetch their messages, each with a token for its own work units.

A controller waits by a long poll or a stream of server-sent events; both cost neither a thread nor a database connection while nothing
comes. What it says of a message needs the header ``Idempotency-Key``: said again with the same key it is the same answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
import orjson
from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from dashboard.api import json_answer, person_of
from dashboard.context import Person
from dashboard.delivery_board import DeliveryBoard
from dashboard.services_controllers import ControllerService
from dashboard.sessions import Sessions
from dashboard.table_route import file_of
from dashboard.views_controllers import (
    AcceptDraft,
    HeartbeatDraft,
    OffersView,
    OutcomeView,
    RefuseDraft,
    ReportDraft,
    SaidBackView,
)
from plant.clock import Clock
from plant.errors import Unavailable

_PULSE_SECONDS = 5.0
_CHECK_SECONDS = 10.0
_LONGEST_WAIT = 60.0
WorkUnit = Annotated[str, Path(max_length=400, description="the token must be for it")]
MessageId = Annotated[str, Path(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="id of the message")]
After = Annotated[int, Query(ge=0, le=2**62, description="number of the last delivery that was fetched")]
Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for one where there is none")]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="made by the controller for this answer; the same where it is sent again",
    ),
]


def controller_routes(service: ControllerService, board: DeliveryBoard, sessions: Sessions, clock: Clock) -> APIRouter:
    """Return the routes of controllers that fetch."""
    router = APIRouter(prefix="/api/v1/controllers", tags=["controllers"])

    @router.get("/{work_unit:path}/deliveries", response_model=OffersView, summary="What waits for a controller; with wait a long poll")
    async def fetch(request: Request, work_unit: WorkUnit, after: After = 0, wait: Wait = 0) -> Response:
        person = person_of(request)
        service.check(person, work_unit)
        if not wait:
            return json_answer(await anyio.to_thread.run_sync(service.offers, person, work_unit, after))
        waiter = board.wait(work_unit)
        try:
            found = await anyio.to_thread.run_sync(service.offers, person, work_unit, after)
            if not found.deliveries:
                fresh = await waiter.next(after, wait)
                found = await anyio.to_thread.run_sync(service.give, person, work_unit, fresh)
        finally:
            board.leave(waiter)
        return json_answer(found)

    @router.get(
        "/{work_unit:path}/live",
        response_class=StreamingResponse,
        responses=file_of("text/event-stream"),
        summary="What comes for a controller, as server-sent events",
    )
    async def live(
        request: Request, work_unit: WorkUnit, after: After = 0, last_event_id: Annotated[str, Header(max_length=40)] = ""
    ) -> Response:
        person = person_of(request)
        service.check(person, work_unit)
        seen = max(after, int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else 0)
        blocks = _stream(service, board, person, work_unit, seen, _Known(sessions, clock, request))
        return StreamingResponse(blocks, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    @router.post("/{work_unit:path}/deliveries/{message}/accept", response_model=SaidBackView, summary="Take a message")
    def accept(
        request: Request, work_unit: WorkUnit, message: MessageId, idempotency_key: Key, draft: AcceptDraft | None = None
    ) -> Response:
        del draft
        return json_answer(service.accept(person_of(request), work_unit, message, idempotency_key))

    @router.post("/{work_unit:path}/deliveries/{message}/refuse", response_model=SaidBackView, summary="Do not take a message, and why")
    def refuse(request: Request, work_unit: WorkUnit, message: MessageId, idempotency_key: Key, draft: RefuseDraft) -> Response:
        return json_answer(service.refuse(person_of(request), work_unit, message, draft, idempotency_key))

    @router.post("/{work_unit:path}/deliveries/{message}/report", response_model=SaidBackView, summary="Say what became of a message")
    def report(request: Request, work_unit: WorkUnit, message: MessageId, idempotency_key: Key, draft: ReportDraft) -> Response:
        return json_answer(service.report(person_of(request), work_unit, message, draft, idempotency_key))

    @router.get("/{work_unit:path}/answers/{answer}", response_model=OutcomeView, summary="What became of what a controller said")
    def outcome(request: Request, work_unit: WorkUnit, answer: int) -> Response:
        return json_answer(service.outcome(person_of(request), work_unit, answer))

    @router.post("/{work_unit:path}/heartbeat", response_model=OffersView, summary="A sign of life; the answer says how Leadhand stands")
    def heartbeat(request: Request, work_unit: WorkUnit, draft: HeartbeatDraft) -> Response:
        return json_answer(service.heartbeat(person_of(request), work_unit, draft))

    return router


class _Known:
    """Whether a token still holds, asked now and then."""

    def __init__(self, sessions: Sessions, clock: Clock, request: Request) -> None:
        self._sessions, self._clock = sessions, clock
        self._secret = request.headers.get("authorization", "").partition(" ")[2].strip()
        self._checked = clock.monotonic()

    async def holds(self) -> bool:
        if self._clock.monotonic() - self._checked < _CHECK_SECONDS:
            return True
        self._checked = self._clock.monotonic()
        try:
            return await anyio.to_thread.run_sync(self._sessions.of_token, self._secret) is not None
        except Unavailable:
            return True  # who was let in stays in while nobody can be asked


async def _stream(
    service: ControllerService, board: DeliveryBoard, person: Person, work_unit: str, seen: int, known: _Known
) -> AsyncIterator[bytes]:
    """Give what is offered as events ``delivery``, and each few seconds an event ``pulse`` that says how Leadhand stands."""
    waiter = board.wait(work_unit)
    try:
        yield b"retry: 2000\n\n"
        found = await _away_is_none(service, person, work_unit, seen)
        while not waiter.ended and await known.holds():
            for one in () if found is None else found.deliveries:
                seen = max(seen, one.number)
                yield b"event: delivery\nid: " + str(one.number).encode() + b"\ndata: " + orjson.dumps(one) + b"\n\n"
            if found is not None:
                told = {"now_us": found.now_us, "mode": found.mode, "told_us": found.told_us}
                yield b"event: pulse\ndata: " + orjson.dumps(told) + b"\n\n"
            await waiter.next(seen, _PULSE_SECONDS)
            found = await _away_is_none(service, person, work_unit, seen)
    finally:
        board.leave(waiter)


async def _away_is_none(service: ControllerService, person: Person, work_unit: str, seen: int) -> OffersView | None:
    try:
        return await anyio.to_thread.run_sync(service.offers, person, work_unit, seen)
    except Unavailable:
        return None  # no pulse comes: the controller sees by that how old it all is
