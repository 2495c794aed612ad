"""``/api/v1/screens`` and ``/screen``: links for screens on the wall, and the page on which such a link is opened, once."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard.api import json_answer, person_of
from dashboard.context import PageContext, current_context
from dashboard.gate import SESSION_COOKIE, cookies_of
from dashboard.services import Services
from dashboard.table_route import TableRoute
from dashboard.texts import texts_of
from dashboard.views_andon import NewScreenView, ScreenDraft, ScreenView
from plant.errors import Rejected, Unavailable

_LONGEST_COOKIE_SECONDS = 400 * 86_400
"""No browser keeps a cookie for longer; each day's visits of the board begin it anew."""


def screen_routes(services: Services, *, secure: bool) -> APIRouter:
    """Return these routes; ``secure``: cookies are sent over https only."""
    router = APIRouter(tags=["screens"], route_class=TableRoute)
    screens = services.screens

    def keep(answer: Response, secret: str) -> Response:
        answer.set_cookie(SESSION_COOKIE, secret, max_age=_LONGEST_COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @router.get("/api/v1/screens", response_model=list[ScreenView], summary="Screens on the wall")
    def show(request: Request) -> Response:
        return json_answer(screens.screens(person_of(request)))

    @router.post("/api/v1/screens", response_model=NewScreenView, status_code=201, summary="Make a link for a screen, shown this once")
    def add(request: Request, draft: ScreenDraft) -> Response:
        return json_answer(screens.add(person_of(request), draft), 201)

    @router.delete("/api/v1/screens/{screen}", response_model=ScreenView, summary="End a screen: it shows nothing from now on")
    def end(request: Request, screen: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
        return json_answer(screens.end(person_of(request), screen))

    @router.post("/api/v1/screens/here", status_code=204, summary="Say that a screen is there; its session goes on")
    def here(request: Request) -> Response:
        who, answer = person_of(request), Response(status_code=204)
        screens.here(who)
        return answer if who.screen is None else keep(answer, cookies_of(request.headers).get(SESSION_COOKIE, ""))

    @router.get("/screen", include_in_schema=False)
    async def ask(request: Request) -> Response:
        # The link is used up only by the button's POST: what previews links, or fetches them ahead, must not use it.
        return HTMLResponse(_page(current_context(), request.query_params.get("link", "")))

    @router.post("/screen", include_in_schema=False)
    async def open_(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        client, context = request.client.host if request.client else "", current_context()
        try:
            screen, secret = await run_in_threadpool(screens.open, form.get("link", [""])[0], client)
        except Rejected as error:
            return HTMLResponse(_page(context, "", wrong=str(error)), 403)
        except Unavailable:
            return HTMLResponse(_page(context, form.get("link", [""])[0], wrong="The database is away: try again in a moment."), 503)
        return keep(RedirectResponse(screen.address, 303), secret)

    return router


def _page(context: PageContext, link: str, *, wrong: str = "") -> str:
    t = texts_of(context.language)
    problem = f'<p class="wrong" role="alert">{escape(t(wrong))}</p>' if wrong else ""
    button = f'<button class="main" type="submit">{escape(t("Show it on this screen"))}</button>' if link else ""
    return f"""<!DOCTYPE html>
<html lang="{context.language}" data-mantine-color-scheme="{context.theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(t("Screen"))} · Leadhand</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/leadhand.css"><link rel="stylesheet" href="/assets/login.css"></head>
<body class="login"><main class="login-box"><h1>Leadhand</h1>{problem}
<p>{escape(t("This link makes of this browser a screen that shows the andon board, without anybody logged in."))}</p>
<form method="post" action="/screen"><input type="hidden" name="link" value="{escape(link)}">{button}</form></main></body></html>"""
