"""The only pages without a session: logging in by name and password or by a one-time link, and logging out."""

from __future__ import annotations

import threading
from collections import deque
from html import escape
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard.context import LANGUAGE_COOKIE, PageContext, Person, current_context
from dashboard.gate import SESSION_COOKIE, cookies_of
from dashboard.sessions import Sessions
from dashboard.texts import LANGUAGE_NAMES, LANGUAGES, texts_of
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from storage import audit, people
from storage.database import Connection, Pool

_ATTEMPTS, _WITHIN_SECONDS = 10, 60.0
_MOST_ADDRESSES = 10_000
_AT_ONCE = 2
"""Passwords tried at the same time: each costs 64 MiB for a moment."""


class _Throttle:
    """Counts failed attempts by network address: one address may fail ten times a minute, whatever names it tries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def allows(self, address: str) -> bool:
        """Return whether this address may try now."""
        now = self._clock.monotonic()
        with self._lock:
            failed = self._failed.get(address, deque())
            while failed and now - failed[0] > _WITHIN_SECONDS:
                failed.popleft()
            return len(failed) < _ATTEMPTS

    def note_failure(self, address: str) -> None:
        """Count an attempt that failed."""
        with self._lock:
            if len(self._failed) >= _MOST_ADDRESSES:
                self._failed.clear()
            self._failed.setdefault(address, deque(maxlen=_ATTEMPTS)).append(self._clock.monotonic())


class _Desk:
    """Checks names, passwords and links, and opens and closes sessions; its calls block."""

    def __init__(self, pool: Pool, sessions: Sessions, clock: Clock) -> None:
        self._pool, self._sessions, self._clock = pool, sessions, clock
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def check(self, name: str, password: str, address: str) -> str:
        """Return the secret of a new session. Raises Rejected in words for the person."""
        if not self._places.acquire(timeout=10):
            raise Unavailable("too many are logging in: try again")
        try:
            with self._pool.connection() as connection:
                try:
                    account = people.check_login(connection, name, password, self._clock)
                except Rejected:
                    self._note(connection, name[:64], "login.refused", address)
                    raise
                return self._open(connection, account, address)
        finally:
            self._places.release()

    def use(self, link: str, address: str) -> str:
        """Return the secret of a new session for whom a one-time link was made. Raises Rejected."""
        with self._pool.connection() as connection:
            return self._open(connection, people.use_login_link(connection, link, self._clock), address)

    def close(self, secret: str, person: Person) -> None:
        """End a session."""
        with self._pool.connection() as connection:
            people.close_session(connection, secret)
            self._note(connection, person.name, "logout", person.address)
        self._sessions.forget_all()

    def _open(self, connection: Connection, account: people.Account, address: str) -> str:
        people.clear_expired(connection, self._sessions.rules, self._clock)
        self._note(connection, account.name, "login", address)
        return people.open_session(connection, account, address, self._clock)

    def _note(self, connection: Connection, name: str, act: str, address: str) -> None:
        audit.add_audit(connection, time_us=self._clock.now_us(), actor=name, act=act, subject=name, address=address)


def login_routes(pool: Pool, sessions: Sessions, clock: Clock, *, secure: bool) -> APIRouter:
    """Return the routes of logging in and out."""
    router = APIRouter(include_in_schema=False)
    throttle, desk = _Throttle(clock), _Desk(pool, sessions, clock)

    @router.get("/login")
    async def show(request: Request) -> Response:
        target, language = _local(request.query_params.get("next")), request.query_params.get("language")
        if language in LANGUAGES:
            answer: Response = RedirectResponse("/login?next=" + quote(target, safe=""), 303)
            answer.set_cookie(LANGUAGE_COOKIE, str(language), max_age=31_536_000, samesite="lax", secure=secure)
            return answer
        # A link is used up only by the button's POST: what previews links, or fetches them ahead, must not use it.
        return HTMLResponse(_page(current_context(), target, link=request.query_params.get("link")))

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        address, target, context = request.client.host if request.client else "", _local(form.get("next")), current_context()
        if not throttle.allows(address):
            return HTMLResponse(_page(context, target, wrong="Too many attempts: wait a minute."), 429, {"Retry-After": "60"})
        try:
            if "link" in form:
                secret = await run_in_threadpool(desk.use, form["link"], address)
            else:
                secret = await run_in_threadpool(desk.check, form.get("name", "").strip().lower(), form.get("password", ""), address)
        except Rejected as error:
            throttle.note_failure(address)
            return HTMLResponse(_page(context, target, wrong=str(error)), 403)
        except Unavailable:
            return HTMLResponse(_page(context, target, wrong="The database is away: try again in a moment."), 503)
        answer = RedirectResponse(target, 303)
        longest = sessions.rules.longest_seconds
        answer.set_cookie(SESSION_COOKIE, secret, max_age=longest, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        await run_in_threadpool(desk.close, cookies_of(request.headers).get(SESSION_COOKIE, ""), current_context().person)
        answer = Response(status_code=204)
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    return router


def _local(target: str | None) -> str:
    """Return where to go after logging in: only ever a path of this server."""
    target = target or "/"
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\", "/login")) and not parts.netloc and not parts.scheme
    return target if safe and target.isprintable() and "\\" not in target else "/"


def _page(context: PageContext, target: str, *, wrong: str = "", link: str | None = None) -> str:
    t = texts_of(context.language)
    problem = f'<p class="wrong" role="alert">{escape(t(wrong))}</p>' if wrong else ""
    if link is not None:
        fields = f'<p>{escape(t("This link logs you in once."))}</p><input type="hidden" name="link" value="{escape(link)}">'
    else:
        fields = (
            f'<label for="name">{escape(t("Name"))}</label>'
            '<input id="name" name="name" autocomplete="username" autocapitalize="none" required autofocus maxlength="64">'
            f'<label for="password">{escape(t("Password"))}</label>'
            '<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">'
        )
    languages = "".join(
        f'<a class="tool" lang="{code}" href="/login?language={code}&amp;next={quote(target, safe="")}">{LANGUAGE_NAMES[code]}</a>'
        for code in LANGUAGES
        if code != context.language
    )
    return f"""<!DOCTYPE html>
<html lang="{context.language}" data-mantine-color-scheme="{context.theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(t("Log in"))} · Leadhand</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/leadhand.css"><link rel="stylesheet" href="/assets/login.css"></head>
<body class="login"><main class="login-box"><h1>Leadhand</h1>{problem}
<form method="post" action="/login"><input type="hidden" name="next" value="{escape(target)}">{fields}
<button class="main" type="submit">{escape(t("Log in"))}</button></form>
<div class="login-tools">{languages}</div></main></body></html>"""
