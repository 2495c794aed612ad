"""``/api/v1/openapi.json``: what FastAPI finds, and what it cannot know: who may ask, how errors look, what common parameters mean."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dashboard.permissions import ROUTES, Kind, Route

_ABOUT: Final = (
    "Everything that the pages of Leadhand show and do. Times are microseconds since 1970-01-01 UTC in fields that end in `_us`. "
    "JSON never holds NaN or infinity. What goes wrong is told as `Problem`: what happened, where, and what to do. "
    "A list of rows comes as CSV, workbook or Parquet with `format`."
)
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What happened, where, and what to do."},
        "problems": {"type": "array", "items": {"type": "string"}, "description": "Each thing that is wrong, where there are several."},
    },
    "description": "What went wrong.",
    "examples": [{"error": "signal: Input should be a valid integer", "problems": ["signal: Input should be a valid integer"]}],
}
_ERRORS: Final = {
    "400": "No request can be read from this",
    "401": "Nobody has logged in, and no token was sent",
    "403": "Whoever asks may not do this",
    "404": "There is nothing here",
    "409": "Refused for good: it is not there, or not in a state that allows it",
    "422": "What was sent is wrong; each problem is told",
    "503": "Something needed is away; try again",
}
_ERRORS_OF_BODIES: Final = {
    "411": "A body needs a Content-Length",
    "413": "The body is too large",
    "415": "The body is of another type than this takes",
}
_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token from the page People and tokens, with a scope and an end."},
    "session": {"type": "apiKey", "in": "cookie", "name": "leadhand_session", "description": "What a browser has after its login."},
}
_WORDS: Final = {
    "most": "how many at most",
    "language": "language of the words in the answer: en or zh",
    "product": "only this product",
    "order": "only this order",
    "number": "number of the order or change",
    "source": "id of a source",
    "name": "a name, as it was given",
    "nest": "number of a nest",
    "chart": "number of a control chart",
    "inspection": "number of an inspection",
    "joint": "number of a joint",
    "draft": "number of a draft",
    "delivery": "number of a delivery",
    "equipment": "path of equipment: enterprise/site/area/line/unit",
    "recommendation": "number of a recommendation",
    "change": "number of a design change",
    "work_unit": "path of a work unit, or its last name where only one has it",
    "proposal": "number of a proposed trial",
    "signal": "number of a signal",
    "tightening": "number of a tightening",
    "only_open": "leave out what is settled",
    "only_now": "leave out what was",
    "station": "only this camera station",
    "group": "a group of joints, as settings name it",
    "job": "what is made, as the process window names it; or number of a job",
    "version": "number of a version",
    "session": "number of a session",
    "call": "number of a call",
    "below": "take what is below the equipment too",
    "glob": "only signals whose path fits: * within a level, ** over levels",
    "points": "how many points are wanted; smallest and largest values are never lost",
    "spindle": "only this spindle",
    "least_severity": "only events of this severity or more, 1 to 1000",
    "treat_uncertain_as_bad": "OPC UA part 13",
    "percent_bad": "OPC UA part 13",
    "percent_good": "OPC UA part 13",
    "sloped_extrapolation": "OPC UA part 13",
    "reason": "only this reason",
    "format": "form of the answer",
    "alarm": "only this alarm",
    "event": "only this kind of event",
    "who": "only what this person did",
    "operators": "how many operators share the alarms",
    "id": "id of what was asked for",
    "stream": "number of a stream of values",
    "parts": "how many parts back",
    "subject": "only this subject of inspection",
    "part": "only this part",
    "model": "only this version of the models",
    "request": "number of a request",
    "serial": "a serial number",
    "program": "only this program",
    "customer": "only this customer",
    "unit": "only this work unit",
    "plan": "only edits of this plan",
    "disturbance": "number of a disturbance",
    "older": "number of the version before",
    "newer": "number of the version after",
    "factory": "only this factory",
    "note": "why, in words",
    "material": "only this material",
    "centre": "only this shared centre",
    "last-event-id": "the last event that was heard: what came after it is told first",
    "answer": "number of an answer",
    "view": "only this view",
    "came_from": "only frames that came this way",
    "frame": "sha256 of a picture",
    "receiver": "name of a receiver of notices",
    "notice": "id of a notice",
    "channel": "mail or webhook",
    "token": "number of a token",
    "before": "only entries before this number",
    "from_us": "begin, microseconds since 1970-01-01 UTC",
    "to_us": "end, microseconds since 1970-01-01 UTC",
    "screen": "number of a screen",
    "report": "number of a shift report",
    "table": "name of a stable view, without v_",
    "file": "path of a settings file, from the folder of the site's",
}


class DescribedApi(FastAPI):
    """FastAPI whose description is complete."""

    def openapi(self) -> dict[str, Any]:
        """Return the description of all routes of ``/api/v1``; it is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _described(self)
        return self.openapi_schema


def _described(api: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=api.title, version=api.version, description=_ABOUT, routes=api.routes)
    _plain_tuples(schema)
    parts = schema.setdefault("components", {})
    parts["securitySchemes"] = _SECURITY
    parts["schemas"]["Problem"] = _PROBLEM
    for left in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(left, None)
    guarded = {(route.method, route.path.replace(":path}", "}")): route for route in ROUTES}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            _complete(operation, guarded.get((method.upper(), path)))
    return schema


def _plain_tuples(part: Any) -> None:
    """Write a pair of numbers as a list of two numbers: few programs that read descriptions know ``prefixItems``."""
    if isinstance(part, dict):
        items = part.get("prefixItems")
        if items and all(item == items[0] for item in items):
            del part["prefixItems"]
            part["items"] = items[0]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _plain_tuples(inner)


def _complete(operation: dict[str, Any], route: Route | None) -> None:
    errors = _ERRORS | (_ERRORS_OF_BODIES if "requestBody" in operation else {})
    operation["responses"] |= {
        status: {"description": words, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for status, words in errors.items()
    }
    for parameter in operation.get("parameters", ()):
        parameter.setdefault("description", _WORDS.get(parameter["name"], ""))
    if route is not None and route.kind is not Kind.PUBLIC:
        ways = {"token": route.scope, "session": route.role}
        operation["security"] = [{way: []} for way, needed in ways.items() if needed is not None]
        operation["description"] = " ".join((operation.get("description", ""), _who(route))).strip()


def _who(route: Route) -> str:
    person = f"People from {route.role} upwards." if route.role is not None else "No person."
    return f"{person} Tokens of scope {route.scope}." if route.scope is not None else f"{person} No token."
