"""Requests that nobody thought of: made from the description of REST, fitting and wrong ones, answered as described."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
import schemathesis
import schemathesis.specs.openapi.checks  # registers what is said about answers below
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok

from dashboard.gate import SESSION_COOKIE
from storage import people
from storage.database import connect
from storage.people import Role, Scope
from tests.dashboard.running import RunningDashboard

_HELD: Final = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
_REFUSED: Final = "negative_data_rejection"
_NOT_ASKED: Final = {
    ("POST", "/api/v1/sources/discover"): "it speaks with other machines",
    ("PUT", "/api/v1/me/password"): "it ends the session that asks",
    ("DELETE", "/api/v1/me/sessions"): "likewise",
    ("GET", "/api/v1/controllers/{work_unit}/live"): "it never ends",
    ("GET", "/api/v1/controllers/{work_unit}/deliveries"): "it waits for up to a minute",
}
_TAKEN_ROW_BY_ROW: Final = {"/api/v1/part-orders", "/api/v1/orders"}
"""Wrong rows are told in an answer that is 200."""
_SHORT: Final = {"plant", "alarms", "tuning"}


@dataclass(frozen=True, slots=True)
class Asking:
    """What a request needs, by who sends it."""

    base: str
    admin: requests.Session
    controller: requests.Session


@pytest.fixture(scope="module")
def asking(dashboard: RunningDashboard) -> Iterator[Asking]:
    """An administrator's browser, and a controller with a token for every work unit."""
    with connect(dashboard.database_url, application="test") as connection:
        _, secret = people.issue_token(
            connection,
            name="fuzz",
            scopes=(Scope.CONTROLLER,),
            valid_seconds=86_400,
            created_by="test",
            clock=dashboard.clock,
            work_units=("*",),
        )
    with requests.Session() as admin, requests.Session() as controller:
        admin.cookies.set(SESSION_COOKIE, dashboard.session(Role.ADMIN))
        admin.headers["Origin"] = dashboard.url
        controller.headers["Authorization"] = f"Bearer {secret}"
        yield Asking(dashboard.url, admin, controller)


def _described(asking: Asking) -> schemathesis.BaseSchema:
    """The description without who may ask: all is asked by somebody who may."""
    description = asking.admin.get(f"{asking.base}/api/v1/openapi.json", timeout=60).json()
    for methods in description["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    description["components"].pop("securitySchemes")
    return schemathesis.openapi.from_dict(description)


def _one(asking: Asking, names: tuple[str, ...], found: set[str]) -> Callable[[Case[Any]], None]:
    """What asks one request and notes what is wrong with the answer."""
    checks: list[Any] = list(CHECKS.get_by_names(names))

    def ask(case: Case[Any]) -> None:
        session = asking.controller if "/controllers/" in case.path else asking.admin
        answer = case.call(base_url=asking.base, session=session, timeout=60)
        if answer.content == b"Invalid HTTP request received.":
            return  # an address longer than HTTP allows: it reached no route
        if answer.status_code == 413:
            return  # refused by its length, before anything was read
        try:
            case.validate_response(answer, checks=checks)
        except (Failure, FailureGroup) as failure:
            found.add(f"{case.method} {case.path}: {str(failure)[:700]}")

    return ask


def _fuzz(asking: Asking, tags: set[str] | None, examples: int) -> tuple[set[str], int]:
    """What was found wrong, and how many routes were asked."""
    found: set[str] = set()
    routes = 0
    for result in _described(asking).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        key = (operation.method.upper(), operation.path)
        if key in _NOT_ASKED or (tags is not None and not tags & set(operation.tags or ())):
            continue
        routes += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            wrong = mode is GenerationMode.NEGATIVE
            if wrong and not _can_be_wrong(operation.definition.raw):
                continue
            names = (*_HELD, _REFUSED) if wrong and operation.path not in _TAKEN_ROW_BY_ROW else _HELD
            asked = given(case=operation.as_strategy(generation_mode=mode))(_one(asking, names, found))
            with contextlib.suppress(Unsatisfiable):  # some routes take anything
                _often(examples)(asked)()
    return found, routes


def _often(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def _can_be_wrong(operation: dict[str, Any]) -> bool:
    return bool(operation.get("parameters") or operation.get("requestBody"))


def test_answers_are_as_described_whatever_is_asked(asking: Asking, dashboard: RunningDashboard) -> None:
    found, routes = _fuzz(asking, _SHORT, 1)
    assert sorted(found) == []
    assert routes > 20
    assert "a request failed" not in dashboard.log.read_text()


@pytest.mark.heavy
def test_answers_of_all_routes_are_as_described_whatever_is_asked(asking: Asking, dashboard: RunningDashboard) -> None:
    found, routes = _fuzz(asking, None, 20)
    assert sorted(found) == []
    assert routes > 200
    assert "a request failed" not in dashboard.log.read_text()


def test_a_body_that_is_no_json_is_refused_in_the_words_of_the_house(asking: Asking) -> None:
    answer = asking.admin.post(
        f"{asking.base}/api/v1/alarms/actions", data=b"{\xff", headers={"Content-Type": "application/json"}, timeout=60
    )
    assert answer.status_code in {400, 422}
    assert json.loads(answer.text)["error"]
    assert asking.admin.post(f"{asking.base}/api/v1/alarms/actions", json={"action": "reset", "alarms": 1}, timeout=60).status_code == 422
