"""``GET /live?topics=overview,signal:12``: the stream of live values (server-sent events), one connection a page.

Each message is a JSON object with ``topic``, ``time_us`` (the server's clock), ``read_us`` (when the database was last read) and
``database`` (``ok`` or ``away``), and what ``dashboard/topics.py`` says of the topic. A message of topic ``clock`` comes each second
whatever happens: when it stops coming, the server is gone. The first messages hold the whole state; what follows holds
what changed, merged by the page into what it has. ``Last-Event-ID``, which browsers send by themselves, goes on where the stream broke.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from dashboard.gate import SESSION_COOKIE, cookies_of
from dashboard.hub import Hub
from dashboard.sessions import Sessions
from dashboard.topics import MOST_TOPICS
from plant.clock import Clock
from plant.errors import Rejected, Unavailable

_CHECK_SECONDS = 10.0
_DEFAULT_TOPICS = "latest,sources"


def live_routes(hub: Hub, sessions: Sessions, clock: Clock) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter()

    @router.head("/live", include_in_schema=False)
    async def head() -> Response:
        return Response(media_type="text/event-stream")

    @router.get("/live", include_in_schema=False)
    async def live(request: Request, topics: str = _DEFAULT_TOPICS) -> Response:
        names = [name for name in topics.split(",") if name]
        if not 1 <= len(names) <= MOST_TOPICS:
            raise Rejected(f"a stream takes 1 to {MOST_TOPICS} topics")
        cursor = request.headers.get("last-event-id") or request.query_params.get("cursor")
        hub.check(names)

        async def blocks() -> AsyncIterator[bytes]:
            checked = clock.monotonic()
            client = hub.subscribe(names, cursor)
            try:
                yield b"retry: 2000\n\n"
                while not hub.stopping:
                    block = await hub.next_block(client, 2.0)
                    if block is not None:
                        yield block
                    if clock.monotonic() - checked > _CHECK_SECONDS:
                        checked = clock.monotonic()
                        if not await anyio.to_thread.run_sync(_still_known(request, sessions)):
                            yield b'data: {"topic":"session","ended":true}\n\n'
                            return
            finally:
                hub.unsubscribe(client)

        return StreamingResponse(blocks(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    return router


def _still_known(request: Request, sessions: Sessions) -> Callable[[], bool]:
    def known() -> bool:
        try:
            given = request.headers.get("authorization")
            if given is not None:
                return sessions.of_token(given.partition(" ")[2].strip()) is not None
            return sessions.of_cookie(cookies_of(request.headers).get(SESSION_COOKIE, ""), touch=False) is not None
        except Unavailable:
            return True  # who was let in stays in while nobody can be asked

    return known
