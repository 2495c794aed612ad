"""The gate in front of everything: who asks, may they, is it really their own browser, and what the answer tells the browser to guard.

It stands outside of FastAPI and Dash, so that no route made later, by them or by us, is open by being forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

import anyio.to_thread
import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.context import LANGUAGE_COOKIE, THEME_COOKIE, Language, PageContext, Person, set_context
from dashboard.permissions import Kind, Route, route_of
from dashboard.sessions import Sessions
from dashboard.texts import preferred_language
from dashboard.views import SiteView
from plant.errors import Unavailable

SESSION_COOKIE = "leadhand_session"
LARGEST_BODY = 2_000_000
LARGEST_PICTURE = 50_000_000
"""The settings of the factory may allow less."""
_PICTURES = frozenset({"image/jpeg", "image/png", "image/bmp", "application/octet-stream"})
_SAFE = {"GET", "HEAD"}
_FORMS = {"/login", "/screen"}
"""Pages without scripts, whose form the browser sends by itself."""
_OF_SCREENS = {"/_dash-update-component", "/api/v1/screens/here"}
"""What a screen on the wall may ask beside looking; what callbacks change needs more than its rights."""
_NOBODY = Person("", "", None)
_log = structlog.get_logger("gate")


class Gate:
    """ASGI application that lets through what ``dashboard.permissions`` allows, with the page context set."""

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        site: Callable[[], SiteView],
        *,
        policy: Callable[[], str],
        hosts: frozenset[str] | None,
        secure: bool,
        count: Callable[[str, int], None],
    ) -> None:
        """``policy`` gives the Content-Security-Policy, ``hosts`` the names answered to (None: any), ``count`` counts answers."""
        self._app, self._sessions, self._site = app, sessions, site
        self._policy, self._hosts, self._secure, self._count = policy, hosts, secure, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        headers = Headers(scope=scope)
        guarded = self._guard(scope, send)
        route = route_of(scope["method"], scope["path"])
        refusal = self._refuse_form(scope, headers, pictures=route is not None and route.pictures)
        if refusal is None and route is None:
            refusal = _problem(404, "there is nothing here")
        if refusal is not None or route is None:
            await (refusal or _problem(404, "there is nothing here"))(scope, receive, guarded)
            return
        try:
            person = await self._who(headers, scope, route)
        except Unavailable as error:
            refusal = _problem(503, str(error), {"Retry-After": "5"})
            await refusal(scope, receive, guarded)
            return
        refusal = self._refuse_person(person, route, scope, headers)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        set_context(self._context(person or _NOBODY, headers, scope))
        scope.setdefault("state", {})["person"] = person
        await self._app(scope, receive, guarded)

    # -- refusing ----------------------------------------------------------------------------------------------------

    def _refuse_form(self, scope: Scope, headers: Headers, *, pictures: bool) -> Response | None:
        """Refuse what no browser or client of ours sends: other hosts, foreign origins, bodies that are too big or of another kind."""
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return _problem(421, f"this server does not answer to the name '{_name(host)[:100]}'")
        if scope["method"] in _SAFE:
            return None
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            return _problem(411, "a body needs a Content-Length")
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        pictured = pictures and kind in _PICTURES
        largest = LARGEST_PICTURE if pictured else LARGEST_BODY
        if int(length) > largest:
            return _problem(413, f"a body may have at most {largest:,} bytes")
        wanted = "application/x-www-form-urlencoded" if scope["path"] in _FORMS else "application/json"
        if kind != wanted and not pictured and (int(length) > 0 or kind):
            return _problem(415, f"a body must be {wanted}")
        if "authorization" in headers and SESSION_COOKIE not in headers.get("cookie", ""):
            return None  # a program: no browser adds this header by itself
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return _problem(403, "this must come from a page of this server")
        if origin is None and site is None:
            return _problem(403, "this needs the header Origin or a token")
        if origin is not None and (urlsplit(origin).netloc.lower() != host.lower() or origin == "null"):
            return _problem(403, "this must come from a page of this server")
        return None

    def _refuse_person(self, person: Person | None, route: Route, scope: Scope, headers: Headers) -> Response | None:
        if route.kind is Kind.PUBLIC:
            return None
        if person is None:
            if route.kind is Kind.PAGE and scope["method"] in _SAFE and "authorization" not in headers:
                query = scope["query_string"].decode("latin-1")
                target = scope["path"] + ("?" + query if query else "")
                return RedirectResponse("/login?next=" + quote(target, safe=""), 303, {"Cache-Control": "no-store"})
            return _problem(401, "log in first, or send a token", {"WWW-Authenticate": "Bearer"})
        if person.screen is not None and scope["method"] not in _SAFE and scope["path"] not in _OF_SCREENS:
            return _problem(403, "a screen may look only")
        if not person.may(route.role, route.scope):
            _log.warning("refused", person=person.name, method=scope["method"], path=scope["path"], needs=str(route.role))
            wanted = ([f"the role '{route.role}'"] if route.role else []) + ([f"a token with '{route.scope}'"] if route.scope else [])
            return _problem(403, f"this needs {' or '.join(wanted)}")
        return None

    # -- knowing -----------------------------------------------------------------------------------------------------

    async def _who(self, headers: Headers, scope: Scope, route: Route) -> Person | None:
        if route.kind is Kind.PUBLIC:
            return None
        address = scope["client"][0] if scope.get("client") else ""
        given = headers.get("authorization")
        if given is not None:
            kind, _, secret = given.partition(" ")
            found = await anyio.to_thread.run_sync(self._sessions.of_token, secret.strip()) if kind.lower() == "bearer" else None
        else:
            secret = cookies_of(headers).get(SESSION_COOKIE, "")
            if not secret:
                return None
            found = await anyio.to_thread.run_sync(lambda: self._sessions.of_cookie(secret, touch=route.path != "/live"))
        return None if found is None else self._sessions.at(found, address)

    def _context(self, person: Person, headers: Headers, scope: Scope) -> PageContext:
        cookies, site = cookies_of(headers), self._site()
        language: Language = "zh" if preferred_language(cookies.get(LANGUAGE_COOKIE), headers.get("accept-language")) == "zh" else "en"
        theme = "dark" if cookies.get(THEME_COOKIE) == "dark" else "light"
        return PageContext(person, language, "dark" if theme == "dark" else "light", site.time_zone, site.name, scope["path"])

    # -- guarding ----------------------------------------------------------------------------------------------------

    def _guard(self, scope: Scope, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS:
                    headers[name] = value
                headers["Content-Security-Policy"] = self._policy()
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-cache" if scope["path"].startswith("/assets/") else "no-store"
                self._count(scope["method"], message["status"])
            await send(message)

        return guarded


_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def content_policy(script_hashes: Iterable[str]) -> str:
    """Return the Content-Security-Policy: only this server, inline scripts only by their hash; inline styles, which the components set."""
    scripts = " ".join(["'self'", *script_hashes])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def cookies_of(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request; none where they cannot be read."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _name(host: str) -> str:
    """Return the host name without its port."""
    return (host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and ":" in host else host).lower()


def _problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps({"error": message}), status, headers, "application/json")
