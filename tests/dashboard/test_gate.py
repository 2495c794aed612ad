"""The gate: who gets what, route by route and role by role, and what a foreign page cannot make a browser do."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from typing import Any

import httpx
import pytest

from dashboard.permissions import ROUTES, Kind, Route, route_of
from dashboard.server import Server, ServerSettings, build_server
from dashboard.shell import build_shell
from dashboard.views import SiteView
from plant.clock import SystemClock
from storage.people import Role, Scope, SessionRules
from tests.dashboard.running import RunningDashboard

_EXAMPLES = {
    "signal": "1",
    "tightening": "1",
    "source": "robots",
    "name": "nobody",
    "token": "999999",
    "session": "999999",
    "receiver": "nobody",
    "notice": "0c7c1cbe-1f0e-4d8a-9c39-0e6f6a5f2a11",
    "channel": "mail",
    "chart": "1",
    "stream": "1",
    "inspection": "1",
    "group": "bearing",
    "joint": "1",
    "recommendation": "1",
    "request": "1",
    "proposal": "1",
    "change": "1",
    "draft": "1",
    "frame": "0" * 64,
    "number": "SO-1",
    "version": "1",
    "row": "0",
    "job": "1",
    "disturbance": "1",
    "delivery": "1",
    "nest": "1",
    "place": "1",
    "work_unit": "cell",
    "message": "0c7c1cbe-1f0e-4d8a-9c39-0e6f6a5f2a11",
    "answer": "1",
    "call": "999999",
    "screen": "999999",
    "report": "1",
    "table": "v_latest",
    "page": "health",
    "path": "acme/north",
    "file": "10_stream.js",
}
_REFUSED = {401, 403}
_CALLBACK = "/_dash-update-component"


def _example(route: Route) -> str:
    if route.path == "/_dash-component-suites/{file:path}":
        return "/_dash-component-suites/dash/dcc/dash_core_components.js"
    return re.sub(r"\{(\w+)(?::path)?\}", lambda match: _EXAMPLES[match[1]], route.path)


def _ask(dashboard: RunningDashboard, client: httpx.Client, route: Route) -> httpx.Response:
    path = _example(route)
    if path.endswith("/live"):
        with client.stream("GET", path) as answer:
            return answer
    if path == _CALLBACK:
        return client.post(path, json=_empty_call(dashboard, _built(dashboard).pages.declared[0].output))
    if route.method in {"GET", "DELETE"}:
        return client.request(route.method, path)
    return client.request(route.method, path, json={})


@pytest.mark.parametrize("who", [None, *Role], ids=str)
def test_each_route_serves_who_may_and_nobody_else(dashboard: RunningDashboard, who: Role | None) -> None:
    wrong = []
    with dashboard.client(who) as client:
        for route in ROUTES:
            if route.path in {"/logout", "/login"}:
                continue
            status = _ask(dashboard, client, route).status_code
            allowed = route.kind is Kind.PUBLIC or (who is not None and route.role is not None and who.includes(route.role))
            refused = status in _REFUSED or (status == 303 and route.kind is Kind.PAGE)
            if allowed == refused or status >= 500:
                wrong.append(f"{who}: {route.method} {_example(route)}: {status}")
    assert wrong == []


@pytest.mark.parametrize("scope", list(Scope), ids=str)
def test_a_token_opens_its_scope_only(dashboard: RunningDashboard, scope: Scope) -> None:
    wrong = []
    with dashboard.program(scope) as client:
        for route in ROUTES:
            if route.kind is Kind.PUBLIC:
                continue
            status = _ask(dashboard, client, route).status_code
            if (route.scope is scope) == (status in _REFUSED) or status >= 500:
                wrong.append(f"{scope}: {route.method} {_example(route)}: {status}")
    assert wrong == []


def test_each_callback_serves_who_may_and_nobody_else(dashboard: RunningDashboard) -> None:
    declared = {callback.output: callback.role for callback in _built(dashboard).pages.declared}
    assert {Role.VIEWER, Role.ENGINEER, Role.ADMIN} <= set(declared.values())
    wrong = []
    calls = _empty_calls(dashboard)
    for who in (None, *Role):
        with dashboard.client(who) as client:
            for output, needed in declared.items():
                status = client.post(_CALLBACK, json=calls[output]).status_code
                expected = (
                    {401} if who is None else {403} if not who.includes(needed) else {200, 204, 500}
                )  # empty inputs may be too little
                if status not in expected:
                    wrong.append(f"{who}: {output}: {status}")
    assert wrong == []


def test_a_callback_that_does_not_exist_is_refused_without_a_trace(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ADMIN) as client:
        call = _empty_call(dashboard, _built(dashboard).pages.declared[0].output)
        for body in ({**call, "inputs": []}, {**call, "output": "nothing.children"}, {}):
            answer = client.post(_CALLBACK, json=body)
            assert answer.status_code in {400, 500}
            assert "Traceback" not in answer.text
            assert ".py" not in answer.text


def test_the_callbacks_the_browser_is_told_of_are_those_declared(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        told = {c["output"] for c in client.get("/_dash-dependencies").json() if not c["clientside_function"]}
    assert told == {callback.output for callback in _built(dashboard).pages.declared}


def _built(dashboard: RunningDashboard) -> Server:
    settings = ServerSettings(dashboard.database_url, dashboard.home, dashboard.site_file, None, False, SessionRules())
    return build_server(settings, SystemClock(), lambda: SiteView("a/b", "b", "UTC"), build_shell)


def _empty_call(dashboard: RunningDashboard, output: str) -> dict[str, Any]:
    return _empty_calls(dashboard)[output]


def _empty_calls(dashboard: RunningDashboard) -> dict[str, dict[str, Any]]:
    with dashboard.client(Role.VIEWER) as client:
        return {told["output"]: _call_of(told) for told in client.get("/_dash-dependencies").json()}


def _call_of(told: dict[str, Any]) -> dict[str, Any]:
    output = told["output"]
    names = [name.split("@")[0].rpartition(".") for name in output.strip(".").split("...")]
    outputs = [{"id": name, "property": key} for name, _, key in names]
    return {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": [{**given, "value": None} for given in told["inputs"]],
        "state": [{**given, "value": None} for given in told["state"]],
        "changedPropIds": [f"{told['inputs'][0]['id']}.{told['inputs'][0]['property']}"],
    }


def test_each_route_of_the_server_stands_in_the_table(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        described = client.get("/api/v1/openapi.json").json()["paths"]
    asked = {(method.upper(), path) for path, methods in described.items() for method in methods}
    written = {(r.method, r.path.replace(":path}", "}")) for r in ROUTES if r.path.startswith("/api/")} - {("GET", "/api/v1/openapi.json")}
    assert asked == written


@pytest.mark.parametrize(
    "path", ["/_mcp", "/_reload-hash", "/_alive_x", "/api", "/api/v2/site", "/api/v1/nothing", "/metrics/x", "/_dash-x", "/a/b/c"]
)
def test_what_is_not_in_the_table_is_not_there(dashboard: RunningDashboard, path: str) -> None:
    for who in (None, Role.ADMIN):
        with dashboard.client(who) as client:
            assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_no_documentation_page_calls_out(dashboard: RunningDashboard, path: str) -> None:
    with dashboard.client(Role.ADMIN) as client:
        page = client.get(path).text
    assert "leadhand-texts" in page, "an ordinary page, which says that there is no such page"
    assert "cdn" not in page


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/%2e%2e/api/v1/accounts", "/assets/../api/v1/audit", "/login/../metrics", "/LOGIN", "/login/"]
)
def test_no_spelling_of_a_path_leads_past_the_gate(dashboard: RunningDashboard, path: str) -> None:
    with socket.create_connection(("127.0.0.1", dashboard.port), 5) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        status = int(raw.recv(4096).split()[1])
    assert status in {303, 400, 401, 404}


def test_pages_send_to_the_login_and_back(dashboard: RunningDashboard) -> None:
    with dashboard.client() as nobody:
        answer = nobody.get("/equipment/acme/north?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fequipment%2Facme%2Fnorth%3Fx%3D1")
        assert nobody.get("/api/v1/site").status_code == 401
        assert nobody.post("/_dash-update-component", json={}).status_code == 401


def test_websockets_are_refused(dashboard: RunningDashboard) -> None:
    with socket.create_connection(("127.0.0.1", dashboard.port), 5) as raw:
        raw.sendall(
            b"GET /_dash-ws-callback HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert int(raw.recv(4096).split()[1]) in {403, 404}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
@pytest.mark.parametrize("path", [_CALLBACK, "/api/v1/sources/check", "/logout", "/api/v1/tokens"])
def test_a_foreign_page_cannot_write_through_a_browser(
    dashboard: RunningDashboard, path: str, headers: dict[str, str], status: int
) -> None:
    with dashboard.client(Role.ADMIN) as client:
        given = {"Content-Type": "application/json", **headers}
        assert client.post(path, content=b"{}", headers=given).status_code == status
        assert client.get("/api/v1/me").status_code == 200, "nothing happened"


def test_a_write_needs_an_origin_or_a_token(dashboard: RunningDashboard) -> None:
    with httpx.Client(base_url=dashboard.url, cookies={"leadhand_session": dashboard.session(Role.ADMIN)}) as bare:
        assert bare.post("/api/v1/sources/check", json={}).status_code == 403
        assert bare.post("/api/v1/sources/check", json={}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 422
        forged = {"Authorization": "Bearer x", "Origin": "http://evil.example"}
        assert bare.post("/api/v1/sources/check", json={}, headers=forged).status_code in {401, 403}


def test_bodies_are_bounded(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ENGINEER) as client:
        assert (
            client.post("/api/v1/sources/check", content=b" " * 2_000_001, headers={"Content-Type": "application/json"}).status_code == 413
        )
        chunks = (b"{}" for _ in range(1))
        assert client.post("/api/v1/sources/check", content=chunks, headers={"Content-Type": "application/json"}).status_code == 411


def test_another_host_name_is_not_answered(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        assert client.get("/api/v1/site", headers={"Host": "rebound.example"}).status_code == 421
        assert client.get("/api/v1/site", headers={"Host": f"localhost:{dashboard.port}"}).status_code == 200


def test_answers_tell_the_browser_what_to_guard(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        for path in ("/", "/login", "/api/v1/site", "/nothing/x", "/assets/leadhand.css"):
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
            assert "unsafe" not in scripts
            assert "http" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
        assert client.get("/").headers["cache-control"] == "no-store"
        assert client.get("/api/v1/site").headers["cache-control"] == "no-store"


def test_each_inline_script_of_the_index_is_allowed_by_its_hash(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        page = client.get("/sources")
        scripts = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>(.*?)</script>", page.text, re.DOTALL)
        inline = [body for attributes, body in scripts if "application/json" not in attributes]
    assert inline
    for body in inline:
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.headers["content-security-policy"], body[:200]


def test_head_is_get_without_a_body(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client:
        assert client.head("/live").status_code == 200
    with dashboard.client() as nobody:
        assert nobody.head("/live").status_code == 401
        assert nobody.head("/").status_code == 303


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_no_entry_of_the_table_hides_behind_another(route: Route) -> None:
    assert route_of(route.method, _example(route)) in {route, *(r for r in ROUTES if r.kind is Kind.PUBLIC and r.path == _example(route))}
    if route.kind is not Kind.PUBLIC:
        assert route.role is not None or route.scope is Scope.CONTROLLER, "a controller is no person"
