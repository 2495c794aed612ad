"""The one table of who may ask what. What stands not in it is refused to everybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from storage.people import Role, Scope


class Kind(StrEnum):
    """How a route answers somebody it does not know."""

    PUBLIC = "public"
    """It serves everybody."""
    PAGE = "page"
    """It sends to the login page."""
    PROGRAM = "program"
    """It says 401."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path, and what is needed for it: a role, or a token's scope where programs may come too."""

    method: str
    path: str
    """``{name}`` stands for one segment, ``{name:path}`` for any rest."""
    role: Role | None
    scope: Scope | None = None
    kind: Kind = Kind.PROGRAM
    pictures: bool = False
    """Whether its body may be a picture instead of JSON."""


def _get(path: str, role: Role = Role.VIEWER, scope: Scope | None = Scope.READ) -> Route:
    return Route("GET", path, role, scope)


def _controller(method: str, rest: str) -> Route:
    """A route for tokens of controllers, and for no person."""
    return Route(method, "/api/v1/controllers/{work_unit:path}/" + rest, None, Scope.CONTROLLER)


_PUBLIC = (
    Route("GET", "/login", None, kind=Kind.PUBLIC),
    Route("POST", "/login", None, kind=Kind.PUBLIC),
    Route("GET", "/login/oidc", None, kind=Kind.PUBLIC),
    Route("GET", "/login/oidc/back", None, kind=Kind.PUBLIC),
    Route("GET", "/screen", None, kind=Kind.PUBLIC),
    Route("POST", "/screen", None, kind=Kind.PUBLIC),
    Route("GET", "/healthz", None, kind=Kind.PUBLIC),
    Route("GET", "/readyz", None, kind=Kind.PUBLIC),
    Route("GET", "/assets/leadhand.css", None, kind=Kind.PUBLIC),
    Route("GET", "/assets/login.css", None, kind=Kind.PUBLIC),
    Route("GET", "/assets/favicon.svg", None, kind=Kind.PUBLIC),
)
_REST = (
    _get("/api/v1/openapi.json"),
    _get("/api/v1/me"),
    _get("/api/v1/site"),
    _get("/api/v1/clock"),
    _get("/api/v1/equipment"),
    _get("/api/v1/signals"),
    _get("/api/v1/signals/{signal}"),
    _get("/api/v1/signals/{signal}/texts"),
    _get("/api/v1/latest"),
    _get("/api/v1/exceptions"),
    _get("/api/v1/window"),
    _get("/api/v1/ledger"),
    _get("/api/v1/ledger/totals"),
    _get("/api/v1/gaps"),
    _get("/api/v1/events"),
    _get("/api/v1/conditions"),
    _get("/api/v1/tightenings"),
    _get("/api/v1/tightenings/spindles"),
    _get("/api/v1/tightenings/{tightening}"),
    _get("/api/v1/tightenings/{tightening}/curve"),
    _get("/api/v1/joints"),
    _get("/api/v1/joints/groups"),
    _get("/api/v1/joints/groups/{group}/spindles"),
    _get("/api/v1/joints/{joint}"),
    _get("/api/v1/joints/{joint}/revisions"),
    _get("/api/v1/joints/{joint}/band"),
    Route("POST", "/api/v1/joints/{joint}/decision", Role.INSPECTOR),
    _get("/api/v1/alarms"),
    _get("/api/v1/alarms/counts"),
    _get("/api/v1/alarms/journal"),
    _get("/api/v1/alarms/rates"),
    _get("/api/v1/alarms/actions"),
    Route("POST", "/api/v1/alarms/actions", Role.INSPECTOR, Scope.ALARMS),
    _get("/api/v1/alarms/definitions"),
    Route("POST", "/api/v1/alarms/definitions/check", Role.ENGINEER),
    Route("POST", "/api/v1/alarms/definitions", Role.ENGINEER),
    _get("/api/v1/notices"),
    _get("/api/v1/notices/receivers"),
    Route("POST", "/api/v1/notices/receivers/{receiver}/test", Role.ENGINEER),
    Route("POST", "/api/v1/notices/{notice}/{channel}/again", Role.INSPECTOR),
    _get("/api/v1/andon"),
    _get("/api/v1/andon/calls"),
    _get("/api/v1/andon/answers"),
    Route("POST", "/api/v1/andon/calls", Role.INSPECTOR, Scope.ALARMS),
    Route("POST", "/api/v1/andon/calls/{call}/answer", Role.INSPECTOR, Scope.ALARMS),
    Route("POST", "/api/v1/andon/calls/{call}/done", Role.INSPECTOR, Scope.ALARMS),
    _get("/api/v1/screens", Role.ADMIN, None),
    Route("POST", "/api/v1/screens", Role.ADMIN),
    Route("POST", "/api/v1/screens/here", Role.VIEWER),
    Route("DELETE", "/api/v1/screens/{screen}", Role.ADMIN),
    _get("/api/v1/states"),
    _get("/api/v1/states/intervals"),
    _get("/api/v1/states/reasons"),
    _get("/api/v1/states/words"),
    Route("POST", "/api/v1/states/words", Role.INSPECTOR),
    _get("/api/v1/shifts"),
    _get("/api/v1/pieces"),
    _get("/api/v1/pieces/faults"),
    _get("/api/v1/oee"),
    _get("/api/v1/oee/waterfall"),
    _get("/api/v1/oee/pareto"),
    _get("/api/v1/oee/six-losses"),
    _get("/api/v1/charts"),
    _get("/api/v1/charts/violations"),
    _get("/api/v1/charts/{chart}"),
    _get("/api/v1/charts/{chart}/points"),
    Route("POST", "/api/v1/charts/{chart}/notes", Role.INSPECTOR),
    Route("POST", "/api/v1/charts/{chart}/limits", Role.ENGINEER),
    _get("/api/v1/aggregates"),
    _get("/api/v1/aggregates/names"),
    _get("/api/v1/condition"),
    _get("/api/v1/condition/findings"),
    Route("POST", "/api/v1/condition/answers", Role.INSPECTOR, Scope.ALARMS),
    _get("/api/v1/condition/streams"),
    _get("/api/v1/condition/trends/{stream}"),
    _get("/api/v1/condition/parts"),
    _get("/api/v1/condition/tools"),
    Route("POST", "/api/v1/frames", Role.INSPECTOR, Scope.FRAMES, pictures=True),
    _get("/api/v1/frames/refused"),
    _get("/api/v1/frames/drift"),
    _get("/api/v1/frames/{frame}"),
    _get("/api/v1/inspections"),
    _get("/api/v1/inspections/review"),
    _get("/api/v1/inspections/{inspection}"),
    _get("/api/v1/inspections/{inspection}/overlay"),
    _get("/api/v1/inspections/{inspection}/labels"),
    Route("POST", "/api/v1/inspections/{inspection}/labels", Role.INSPECTOR),
    _get("/api/v1/tuning"),
    _get("/api/v1/tuning/program"),
    Route("POST", "/api/v1/tuning/proposals/{proposal}/approve", Role.APPROVER),
    Route("POST", "/api/v1/tuning/proposals/{proposal}/decline", Role.APPROVER),
    Route("POST", "/api/v1/tuning/proposals/{proposal}/readback", Role.INSPECTOR),
    Route("POST", "/api/v1/tuning/trials", Role.INSPECTOR),
    Route("POST", "/api/v1/tuning/accept", Role.APPROVER),
    Route("POST", "/api/v1/tuning/policy", Role.APPROVER),
    Route("POST", "/api/v1/tuning/policy/end", Role.APPROVER),
    _get("/api/v1/recommendations"),
    _get("/api/v1/recommendations/models"),
    _get("/api/v1/recommendations/coverage"),
    _get("/api/v1/recommendations/{recommendation}"),
    Route("POST", "/api/v1/recommendations/{recommendation}/approve", Role.APPROVER),
    Route("POST", "/api/v1/recommendations/{recommendation}/decline", Role.APPROVER),
    _get("/api/v1/products"),
    _get("/api/v1/routes"),
    Route("POST", "/api/v1/new-product", Role.ENGINEER, Scope.ROUTES),
    _get("/api/v1/new-product"),
    _get("/api/v1/new-product/features"),
    _get("/api/v1/new-product/{request}"),
    _get("/api/v1/design-changes"),
    Route("POST", "/api/v1/design-changes", Role.ENGINEER, Scope.DESIGN),
    _get("/api/v1/design-changes/version"),
    _get("/api/v1/design-changes/{change}"),
    Route("POST", "/api/v1/design-changes/{change}/acknowledge", Role.INSPECTOR, Scope.STATIONS),
    Route("POST", "/api/v1/design-changes/{change}/withdraw", Role.ENGINEER, Scope.DESIGN),
    _get("/api/v1/changeovers"),
    _get("/api/v1/changeovers/next"),
    Route("POST", "/api/v1/changeovers/check", Role.VIEWER),
    _get("/api/v1/modes"),
    _get("/api/v1/modes/changes"),
    Route("POST", "/api/v1/modes", Role.INSPECTOR),
    Route("POST", "/api/v1/modes/ask", Role.APPROVER),
    Route("POST", "/api/v1/modes/confirm", Role.APPROVER),
    Route("POST", "/api/v1/modes/drop", Role.INSPECTOR),
    _get("/api/v1/windows"),
    _get("/api/v1/windows/versions"),
    _get("/api/v1/windows/file"),
    _get("/api/v1/windows/changes"),
    _get("/api/v1/windows/drafts"),
    Route("POST", "/api/v1/windows/drafts", Role.ENGINEER),
    _get("/api/v1/windows/drafts/{draft}"),
    Route("POST", "/api/v1/windows/drafts/{draft}/approve", Role.APPROVER),
    Route("POST", "/api/v1/windows/drafts/{draft}/decline", Role.APPROVER),
    Route("POST", "/api/v1/windows/drafts/{draft}/withdraw", Role.ENGINEER),
    _get("/api/v1/orders"),
    Route("POST", "/api/v1/orders", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/orders/table"),
    _get("/api/v1/orders/{number}"),
    Route("PUT", "/api/v1/orders/{number}", Role.ENGINEER, Scope.ORDERS),
    Route("PATCH", "/api/v1/orders/{number}", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/orders/{number}/parts"),
    Route("POST", "/api/v1/orders/{number}/cancel", Role.ENGINEER, Scope.ORDERS),
    Route("POST", "/api/v1/orders/{number}/split", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/plan"),
    _get("/api/v1/plan/versions"),
    _get("/api/v1/plan/versions/{version}"),
    _get("/api/v1/plan/versions/{version}/drawing"),
    _get("/api/v1/plan/versions/{version}/measures"),
    _get("/api/v1/plan/versions/{version}/operations"),
    _get("/api/v1/plan/versions/{version}/operations/{row}"),
    _get("/api/v1/plan/versions/{version}/operations/{row}/alternatives"),
    Route("POST", "/api/v1/plan/versions/{version}/check", Role.VIEWER, Scope.READ),
    Route("POST", "/api/v1/plan/versions/{version}/adopt", Role.ENGINEER),
    _get("/api/v1/plan/compare"),
    _get("/api/v1/plan/edits"),
    Route("POST", "/api/v1/plan/edits", Role.ENGINEER),
    Route("POST", "/api/v1/plan/what-if", Role.ENGINEER),
    Route("DELETE", "/api/v1/plan/what-if/{name}", Role.ENGINEER),
    _get("/api/v1/plan/jobs"),
    _get("/api/v1/plan/jobs/{job}"),
    Route("POST", "/api/v1/plan/jobs", Role.ENGINEER, Scope.PLAN),
    Route("POST", "/api/v1/plan/undo", Role.ENGINEER),
    Route("PUT", "/api/v1/plan/reference", Role.ENGINEER),
    _get("/api/v1/plan/disturbances"),
    Route("POST", "/api/v1/plan/disturbances", Role.ENGINEER, Scope.PLAN),
    Route("POST", "/api/v1/plan/disturbances/{disturbance}/end", Role.ENGINEER, Scope.PLAN),
    _get("/api/v1/part-orders"),
    Route("POST", "/api/v1/part-orders", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/part-orders/table"),
    _get("/api/v1/part-orders/{number}"),
    Route("DELETE", "/api/v1/part-orders/{number}", Role.ENGINEER, Scope.ORDERS),
    Route("POST", "/api/v1/part-orders/{number}/made", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/stock"),
    Route("POST", "/api/v1/stock", Role.ENGINEER, Scope.ORDERS),
    Route("PATCH", "/api/v1/stock/{name}", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/nests"),
    _get("/api/v1/nests/{nest}"),
    Route("POST", "/api/v1/nests/{nest}/release", Role.ENGINEER),
    Route("POST", "/api/v1/nests/{nest}/withdraw", Role.ENGINEER),
    Route("POST", "/api/v1/nests/{nest}/cut", Role.ENGINEER, Scope.ORDERS),
    _get("/api/v1/nests/{nest}/sheets/{place}/sheet.svg"),
    _get("/api/v1/nests/{nest}/sheets/{place}/sheet.dxf"),
    _get("/api/v1/shares"),
    _get("/api/v1/shares/versions"),
    _get("/api/v1/shares/orders"),
    _get("/api/v1/shares/{version}"),
    _get("/api/v1/genealogy/search"),
    _get("/api/v1/genealogy/serial"),
    _get("/api/v1/genealogy/order"),
    _get("/api/v1/genealogy/part-at"),
    _get("/api/v1/genealogy/made-by"),
    _get("/api/v1/genealogy/lot"),
    _get("/api/v1/genealogy/made-of"),
    _get("/api/v1/genealogy/where-used"),
    _get("/api/v1/genealogy/recall"),
    _get("/api/v1/genealogy/built-in/table"),
    Route("POST", "/api/v1/genealogy/built-in", Role.ENGINEER, Scope.ORDERS),
    Route("POST", "/api/v1/genealogy/lots", Role.ENGINEER, Scope.ORDERS),
    Route("POST", "/api/v1/genealogy/taken-out", Role.INSPECTOR, Scope.ORDERS),
    _get("/api/v1/deliveries"),
    _get("/api/v1/deliveries/waiting"),
    _get("/api/v1/deliveries/{delivery}"),
    Route("POST", "/api/v1/deliveries/{delivery}/approve", Role.APPROVER),
    Route("POST", "/api/v1/deliveries/{delivery}/decline", Role.APPROVER),
    Route("POST", "/api/v1/deliveries/{delivery}/settle", Role.INSPECTOR),
    _controller("GET", "deliveries"),
    _controller("GET", "live"),
    _controller("POST", "deliveries/{message}/accept"),
    _controller("POST", "deliveries/{message}/refuse"),
    _controller("POST", "deliveries/{message}/report"),
    _controller("GET", "answers/{answer}"),
    _controller("POST", "heartbeat"),
    _get("/api/v1/reports/lines"),
    _get("/api/v1/reports/shifts"),
    _get("/api/v1/reports/shifts/now"),
    _get("/api/v1/reports/shifts/now/document"),
    _get("/api/v1/reports/shifts/{report}"),
    _get("/api/v1/reports/shifts/{report}/document"),
    _get("/api/v1/reports/notes"),
    Route("POST", "/api/v1/reports/notes", Role.INSPECTOR),
    _get("/api/v1/reports/tables"),
    _get("/api/v1/reports/tables/{table}"),
    _get("/api/v1/reports/tables/{table}/file"),
    _get("/api/v1/processes"),
    _get("/api/v1/storage"),
    _get("/api/v1/sources"),
    _get("/api/v1/sources/{source}", Role.ENGINEER, Scope.SOURCES),
    Route("POST", "/api/v1/sources/discover", Role.ENGINEER, Scope.SOURCES),
    Route("POST", "/api/v1/sources/check", Role.ENGINEER, Scope.SOURCES),
    Route("PUT", "/api/v1/sources/{source}", Role.ENGINEER, Scope.SOURCES),
    Route("DELETE", "/api/v1/sources/{source}", Role.ENGINEER, Scope.SOURCES),
    Route("PUT", "/api/v1/me/password", Role.VIEWER),
    _get("/api/v1/me/sessions", scope=None),
    Route("DELETE", "/api/v1/me/sessions", Role.VIEWER),
    Route("DELETE", "/api/v1/me/sessions/{session}", Role.VIEWER),
    _get("/api/v1/sessions", Role.ADMIN, None),
    Route("DELETE", "/api/v1/sessions/{session}", Role.ADMIN),
    _get("/api/v1/settings/files", Role.ENGINEER, None),
    _get("/api/v1/settings/parts", Role.ENGINEER, None),
    _get("/api/v1/settings/file", Role.ENGINEER, None),
    Route("PUT", "/api/v1/settings/file", Role.ENGINEER),
    _get("/api/v1/settings/limits", Role.ENGINEER, None),
    Route("POST", "/api/v1/settings/limits", Role.ENGINEER),
    _get("/api/v1/settings/shifts", Role.ENGINEER, None),
    Route("POST", "/api/v1/settings/shifts", Role.ENGINEER),
    Route("POST", "/api/v1/settings/check", Role.ENGINEER),
    _get("/api/v1/settings/versions", Role.ENGINEER, None),
    _get("/api/v1/settings/versions/{version}", Role.ENGINEER, None),
    Route("POST", "/api/v1/settings/versions/{version}/restore", Role.ENGINEER),
    _get("/api/v1/accounts", Role.ADMIN, None),
    Route("POST", "/api/v1/accounts", Role.ADMIN),
    Route("PUT", "/api/v1/accounts/{name}", Role.ADMIN),
    Route("PUT", "/api/v1/accounts/{name}/password", Role.ADMIN),
    Route("POST", "/api/v1/accounts/{name}/unlock", Role.ADMIN),
    Route("POST", "/api/v1/accounts/{name}/provider", Role.ADMIN),
    _get("/api/v1/tokens", Role.ADMIN, None),
    Route("POST", "/api/v1/tokens", Role.ADMIN),
    Route("DELETE", "/api/v1/tokens/{token}", Role.ADMIN),
    _get("/api/v1/audit", Role.ADMIN, None),
    _get("/api/v1/audit/head", Role.ADMIN, None),
    _get("/api/v1/audit/check", Role.ADMIN, None),
    _get("/live"),
    _get("/metrics", Role.VIEWER, Scope.METRICS),
    Route("POST", "/logout", Role.VIEWER),
)
_PAGES = (
    Route("GET", "/_dash-layout", Role.VIEWER),
    Route("GET", "/_dash-dependencies", Role.VIEWER),
    Route("GET", "/_dash-component-suites/{file:path}", Role.VIEWER),
    Route("GET", "/_favicon.ico", Role.VIEWER),
    Route("POST", "/_dash-update-component", Role.VIEWER),
    Route("GET", "/assets/{file:path}", Role.VIEWER),
    Route("GET", "/bundle/{name}", Role.VIEWER),
    Route("GET", "/", Role.VIEWER, kind=Kind.PAGE),
    Route("GET", "/equipment/{path:path}", Role.VIEWER, kind=Kind.PAGE),
    Route("GET", "/{page}", Role.VIEWER, kind=Kind.PAGE),
)
ROUTES: tuple[Route, ...] = (*_PUBLIC, *_REST, *_PAGES)
"""The first one that fits decides. Callbacks of pages declare their role beside this, where they are registered (``PageApp``)."""

_NEVER_PAGES = re.compile(r"/(_|api\b|assets\b|live\b|metrics\b|logout\b)")


def _pattern(path: str) -> re.Pattern[str]:
    words = re.sub(r"\\{\w+:path\\}", ".*", re.escape(path))
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", words) + r"\Z", re.DOTALL)


_COMPILED = tuple((route, _pattern(route.path)) for route in ROUTES)


def route_of(method: str, path: str) -> Route | None:
    """Return the entry that decides about a request, None where there is none. HEAD counts as GET."""
    asked = "GET" if method == "HEAD" else method
    for route, pattern in _COMPILED:
        if route.method == asked and pattern.match(path) and not (route.kind is Kind.PAGE and _NEVER_PAGES.match(path)):
            return route
    return None
