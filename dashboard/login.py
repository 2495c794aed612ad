"""The only pages without a session: logging in by name and password, by a one-time link or by a provider, and logging out."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from dashboard.context import LANGUAGE_COOKIE, PageContext, Person, current_context
from dashboard.gate import SESSION_COOKIE, cookies_of
from dashboard.sessions import Sessions
from dashboard.texts import LANGUAGE_NAMES, LANGUAGES, texts_of
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from storage import audit, people
from storage.database import Connection, Pool
from storage.identities import Identity, account_of
from storage.login_sessions import end_surplus_sessions
from storage.people import Role

if TYPE_CHECKING:
    from dashboard.oidc import Provider

_ATTEMPTS, _WITHIN_SECONDS = 10, 60.0
_MOST_ADDRESSES = 10_000
TOO_MANY = "Too many attempts: wait a minute."
DATABASE_AWAY = "The database is away: try again in a moment."
_AT_ONCE = 2
"""Passwords tried at the same time: each costs 64 MiB for a moment."""


class Throttle:
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


@dataclass(frozen=True, slots=True)
class Asker:
    """Where somebody comes from who is not known yet."""

    address: str
    agent: str


def asker_of(request: Request) -> Asker:
    """Return the network address and the browser of a request."""
    return Asker(request.client.host if request.client else "", request.headers.get("user-agent", ""))


class Desk:
    """Checks names, passwords and links, and opens and closes sessions; its calls block."""

    def __init__(self, pool: Pool, sessions: Sessions, clock: Clock) -> None:
        self._pool, self._sessions, self._clock = pool, sessions, clock
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def check(self, name: str, password: str, asker: Asker) -> str:
        """Return the secret of a new session. Raises Rejected in words for the person."""
        if not self._places.acquire(timeout=10):
            raise Unavailable("too many are logging in: try again")
        try:
            with self._pool.connection() as connection:
                try:
                    account = people.check_login(connection, name, password, self._clock)
                except Rejected:
                    self._note(connection, name[:64], "login.refused", asker.address)
                    raise
                return self._open(connection, account, asker)
        finally:
            self._places.release()

    def use(self, link: str, asker: Asker) -> str:
        """Return the secret of a new session for whom a one-time link was made. Raises Rejected."""
        with self._pool.connection() as connection:
            return self._open(connection, people.use_login_link(connection, link, self._clock), asker)

    def admit(self, identity: Identity, role: Role | None, id_token: str, asker: Asker, *, make: bool) -> str:
        """Return the secret of a new session for who came from the provider. Raises Rejected in words for the person."""
        with self._pool.connection() as connection:
            try:
                account = account_of(connection, identity, role=role, make=make, clock=self._clock)
            except Rejected:
                self._note(connection, identity.name[:64].replace("\0", ""), "login.refused", asker.address)
                raise
            self._sessions.forget_all()  # the provider may have given another role
            return self._open(connection, account, asker, id_token)

    def close(self, secret: str, person: Person) -> str | None:
        """End a session; return the provider's token where it was opened by one."""
        with self._pool.connection() as connection:
            id_token = people.close_session(connection, secret)
            self._note(connection, person.name, "logout", person.address)
        self._sessions.forget_all()
        return id_token

    def _open(self, connection: Connection, account: people.Account, asker: Asker, id_token: str | None = None) -> str:
        people.clear_expired(connection, self._sessions.rules, self._clock)
        self._note(connection, account.name, "login" if id_token is None else "login.provider", asker.address)
        secret = people.open_session(connection, account, asker.address, self._clock, agent=asker.agent, id_token=id_token)
        if end_surplus_sessions(connection, account, self._sessions.rules.most):
            self._sessions.forget_all()
        return secret

    def _note(self, connection: Connection, name: str, act: str, address: str) -> None:
        audit.add_audit(connection, time_us=self._clock.now_us(), actor=name, act=act, subject=name, address=address)


@dataclass(frozen=True, slots=True)
class Door:
    """How people are let in here."""

    desk: Desk
    throttle: Throttle
    sessions: Sessions
    secure: bool
    """Whether cookies are sent over https only."""
    provider: Provider | None = None
    public_url: str | None = None

    def let_in(self, target: str, secret: str) -> Response:
        """Return the answer that gives a browser its session."""
        answer = RedirectResponse(target, 303)
        longest = self.sessions.rules.longest_seconds
        answer.set_cookie(SESSION_COOKIE, secret, max_age=longest, httponly=True, samesite="lax", secure=self.secure, path="/")
        return answer

    def page(self, target: str, *, wrong: str = "", link: str | None = None, status: int = 200) -> Response:
        """Return the page to log in, with what went wrong."""
        name = None if self.provider is None else self.provider.settings.name
        headers = {"Retry-After": "60"} if status == 429 else None
        return HTMLResponse(login_page(current_context(), target, wrong=wrong, link=link, provider=name), status, headers)

    def address(self, request: Request, path: str) -> str:
        """Return an address of this server as the provider may send browsers to; the gate has checked the host's name."""
        return (self.public_url or f"http://{request.headers['host']}").rstrip("/") + path


def login_routes(door: Door) -> APIRouter:
    """Return the routes of logging in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def show(request: Request) -> Response:
        target, language = local(request.query_params.get("next")), request.query_params.get("language")
        if language in LANGUAGES:
            answer: Response = RedirectResponse("/login?next=" + quote(target, safe=""), 303)
            answer.set_cookie(LANGUAGE_COOKIE, str(language), max_age=31_536_000, samesite="lax", secure=door.secure)
            return answer
        # A link is used up only by the button's POST: what previews links, or fetches them ahead, must not use it.
        return door.page(target, link=request.query_params.get("link"))

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        return await _log_in(door, form, asker_of(request))

    async def no_provider() -> Response:
        return RedirectResponse("/login", 303)

    if door.provider is None:
        for path in ("/login/oidc", "/login/oidc/back"):
            router.add_api_route(path, no_provider)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        id_token = await run_in_threadpool(door.desk.close, cookies_of(request.headers).get(SESSION_COOKIE, ""), current_context().person)
        further = None
        if id_token is not None and door.provider is not None:
            further = await run_in_threadpool(door.provider.logout_url, id_token, door.address(request, "/login"))
        answer = Response(status_code=204) if further is None else JSONResponse({"next": further})
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    return router


async def _log_in(door: Door, form: dict[str, str], asker: Asker) -> Response:
    """Return the answer to a form with name and password, or with the secret of a link."""
    target, desk = local(form.get("next")), door.desk
    if not door.throttle.allows(asker.address):
        return door.page(target, wrong=TOO_MANY, status=429)
    try:
        if "link" in form:
            secret = await run_in_threadpool(desk.use, form["link"], asker)
        else:
            secret = await run_in_threadpool(desk.check, form.get("name", "").strip().lower(), form.get("password", ""), asker)
    except Rejected as error:
        door.throttle.note_failure(asker.address)
        return door.page(target, wrong=str(error), status=403)
    except Unavailable:
        return door.page(target, wrong=DATABASE_AWAY, status=503)
    return door.let_in(target, secret)


def local(target: str | None) -> str:
    """Return where to go after logging in: only ever a path of this server."""
    target = target or "/"
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\", "/login")) and not parts.netloc and not parts.scheme
    return target if safe and target.isprintable() and "\\" not in target else "/"


def login_page(context: PageContext, target: str, *, wrong: str, link: str | None, provider: str | None) -> str:
    """Return the page as HTML; ``provider``: its name, where there is one."""
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
    by_provider = ""
    if provider is not None and link is None:
        words = t("Log in with {provider}", provider=provider) if provider else t("Log in with your company account")
        by_provider = f'<p><a class="main" href="/login/oidc?next={quote(target, safe="")}">{escape(words)}</a></p>'
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
<body class="login"><main class="login-box"><h1>Leadhand</h1>{problem}{by_provider}
<form method="post" action="/login"><input type="hidden" name="next" value="{escape(target)}">{fields}
<button class="main" type="submit">{escape(t("Log in"))}</button></form>
<div class="login-tools">{languages}</div></main></body></html>"""
