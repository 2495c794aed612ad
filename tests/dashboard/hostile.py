"""Texts that somebody might send to take over a page, a spreadsheet, a database or a file; and bodies that hold them everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CORPUS = {
    "html": '"\'><img src=x onerror="window.hit=1"><svg/onload=window.hit=1>',
    "script": "</script><script>window.hit=1</script>",
    "link": "javascript:window.hit=1",
    "markdown": "[x](javascript:window.hit=1)",
    "sql": "'; DROP TABLE account; --",
    "sql like": "%_\\' OR '1'='1",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "plus": "+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd",
    "at": "@SUM(1+1)*cmd",
    "tab": "\t=1+1",
    "path": "../../../../etc/passwd",
    "path encoded": "..%2f..%2fetc%2fpasswd\\..\\x",
    "format": "{0.__class__} {x} %s %(x)s ${7*7} {{7*7}}",
    "header": "x\r\nSet-Cookie: hit=1",
    "null": "a\0b",
    "right to left": "a\u202egnp.exe\u2066",
    "unicode": "焊接 🤖 e\u0301 \ufeff\u200b \uffff",
    "long": "x" * 20_000,
}
ALL_AT_ONCE = '=\'"><img src=x onerror="window.hit=1">{x}%s;--../焊'
"""What the normal tests send."""


def body_of(schema: dict[str, Any], text: str, whole: dict[str, Any]) -> Any:
    """Return a body that a schema allows, ``text`` wherever it takes any; ``whole``: the OpenAPI document, for references."""
    if "$ref" in schema:
        return body_of(whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]], text, whole)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return body_of(next(one for one in schema[name] if one.get("type") != "null"), text, whole)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "string":
        return _string(schema, text)
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
    if kind == "array":
        items = schema.get("items") or (schema.get("prefixItems") or [{"type": "string"}])[0]
        return [body_of(items, text, whole) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "boolean":
        return False
    if kind == "object" or "properties" in schema:
        named = {name: body_of(one, text, whole) for name, one in schema.get("properties", {}).items()}
        return named or ({text: text} if schema.get("additionalProperties") else {})
    return text


def _string(schema: dict[str, Any], text: str) -> str:
    if schema.get("format") == "date-time":
        return "2026-11-23T10:00:00Z"
    if schema.get("format") == "date":
        return "2026-11-23"
    longest = schema.get("maxLength")
    return text if longest is None else text[:longest]


def writes(whole: dict[str, Any], text: str) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path pattern and body of each route that takes JSON."""
    for path, methods in whole["paths"].items():
        for method, route in methods.items():
            content = route.get("requestBody", {}).get("content", {})
            if method in {"post", "put", "patch"} and "application/json" in content:
                yield method.upper(), path, body_of(content["application/json"]["schema"], text, whole)


def reads(whole: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield path pattern and the names of parameters in the query that take any text, of each route that is read."""
    for path, methods in whole["paths"].items():
        if "get" in methods:
            given = methods["get"].get("parameters", [])
            yield path, [one["name"] for one in given if one["in"] == "query" and _free(one["schema"])]


def _free(schema: dict[str, Any]) -> bool:
    kinds = schema.get("anyOf", [schema])
    return any(one.get("type") in {"string", "array"} and "enum" not in one for one in kinds)
