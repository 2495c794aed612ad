"""REST is described so that a stranger, or a program, can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard.permissions import ROUTES
from dashboard.server import ServerSettings, build_server
from dashboard.views import SiteView
from plant.clock import SystemClock
from storage.people import SessionRules

_NO_BODY = {"204"}


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description of the server as it is built; nothing is asked of a database."""
    folder = tmp_path_factory.mktemp("described")
    settings = ServerSettings("postgresql://nobody@127.0.0.1:1/none", folder, folder / "site.toml", None, False, SessionRules())
    server = build_server(settings, SystemClock(), lambda: SiteView("a/b", "b", "UTC"), lambda _pages, _services: None)
    try:
        return server.api.openapi()
    finally:
        server.hub.stop()


def _operations(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation) for path, methods in description["paths"].items() for method, operation in methods.items()
    ]


def test_each_route_says_what_it_gives_whom_and_in_which_form(description: dict[str, Any]) -> None:
    wrong = []
    for name, operation in _operations(description):
        good = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        schemas = [content.get("schema") for answer in good.values() for content in answer.get("content", {}).values()]
        missing = {
            "summary": len(operation.get("summary", "").split()) < 2,
            "tag": not operation.get("tags"),
            "who may": "People from" not in operation.get("description", "") and "No person" not in operation.get("description", ""),
            "security": not operation.get("security"),
            "form of the answer": not set(good) <= _NO_BODY and (not schemas or {} in schemas[:1]),
        }
        wrong += [f"{name}: no {what}" for what, lacks in missing.items() if lacks]
        wrong += [f"{name}: no words about {p['name']}" for p in operation.get("parameters", ()) if not p.get("description")]
    assert wrong == []


def test_each_route_says_how_it_refuses(description: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for name, operation in _operations(description):
        answers = operation["responses"]
        wanted = {"401", "403", "409", "422", "503"} | ({"411", "413", "415"} if "requestBody" in operation else set())
        assert wanted <= set(answers), name
        for status in wanted:
            assert answers[status]["content"]["application/json"]["schema"] == problem, name
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_names_of_operations_are_of_their_own_and_each_form_has_words(description: dict[str, Any]) -> None:
    numbers = [operation["operationId"] for _, operation in _operations(description)]
    assert len(set(numbers)) == len(numbers)
    without = [name for name, schema in description["components"]["schemas"].items() if not schema.get("description")]
    assert without == []


def test_the_description_names_all_routes_of_programs(description: dict[str, Any]) -> None:
    written = {(route.method, route.path.replace(":path}", "}")) for route in ROUTES if route.path.startswith("/api/")}
    told = {tuple(name.split(" ")) for name, _ in _operations(description)}
    assert written - told == {("GET", "/api/v1/openapi.json")}


def test_the_document_of_rest_names_each_subject(description: dict[str, Any]) -> None:
    told = (Path(__file__).parents[2] / "docs" / "rest.md").read_text("utf-8")
    subjects = {tag for _, operation in _operations(description) for tag in operation["tags"]}
    assert [subject for subject in sorted(subjects) if f"| {subject} |" not in told] == []
