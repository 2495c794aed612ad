"""Logging in by a provider: going there, and coming back."""

from __future__ import annotations

from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from dashboard.gate import cookies_of
from dashboard.login import TOO_MANY, Asker, Door, asker_of, local
from dashboard.oidc import Provider
from plant.errors import Rejected, Unavailable

_COOKIE = "leadhand_login"
_PATH = "/login/oidc"
_BACK = "/login/oidc/back"
_LONGEST_SECONDS = 600


def oidc_routes(door: Door, provider: Provider) -> APIRouter:
    """Return the two routes of a provider."""
    router = APIRouter(include_in_schema=False)

    @router.get(_PATH)
    async def go(request: Request) -> Response:
        target = local(request.query_params.get("next"))
        if not door.throttle.allows(asker_of(request).address):
            return door.page(target, wrong=TOO_MANY, status=429)
        try:
            begun = await run_in_threadpool(provider.begin, door.address(request, _BACK))
        except (Rejected, Unavailable) as error:
            return door.page(target, wrong=str(error), status=503)
        answer = RedirectResponse(begun.url, 303)
        kept = f"{begun.secret}.{quote(target, safe='')}"
        answer.set_cookie(_COOKIE, kept, max_age=_LONGEST_SECONDS, httponly=True, samesite="lax", secure=door.secure, path=_PATH)
        return answer

    @router.get(_BACK)
    async def come_back(request: Request) -> Response:
        secret, _, kept = cookies_of(request.headers).get(_COOKIE, "").partition(".")
        target, asker = local(unquote(kept)), asker_of(request)
        if not door.throttle.allows(asker.address):
            return door.page(target, wrong=TOO_MANY, status=429)
        try:
            answer = door.let_in(target, await run_in_threadpool(_admitted, door, provider, request, secret, asker))
        except Rejected as error:
            door.throttle.note_failure(asker.address)
            answer = door.page(target, wrong=str(error), status=403)
        except Unavailable as error:
            answer = door.page(target, wrong=str(error), status=503)
        answer.delete_cookie(_COOKIE, path=_PATH)
        return answer

    return router


def _admitted(door: Door, provider: Provider, request: Request, secret: str, asker: Asker) -> str:
    arrived = provider.finish(dict(request.query_params), secret, door.address(request, _BACK))
    make = provider.settings.accounts == "make"
    return door.desk.admit(arrived.identity, arrived.role, arrived.id_token, asker, make=make)
