"""Routes whose answer is a list of rows: each gives it as JSON, CSV, workbook or Parquet, without a line of its own for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import orjson
from fastapi import Depends, Query, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dashboard.exports import MEDIA, FileForm, table_bytes
from dashboard.tables import has_columns, table_of

Form = Literal["json", "csv", "xlsx", "parquet"]
OtherRows = tuple[type[Any], Callable[[], Sequence[Any]]]
"""The kind of what stands in files, and what gives it."""
_OK: Final = 200


class JsonAnswer(Response):
    """JSON that never holds NaN or infinity, and what it was made of."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = _OK, rows: OtherRows | None = None) -> None:
        self.content, self.rows = content, rows
        super().__init__(orjson.dumps(content), status)


class TableRoute(APIRoute):
    """A route that, where its model is a list of views, takes ``format`` and answers in it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        self._row = _row_of(given.get("response_model"), given.get("methods"))
        if self._row is not None:
            given["dependencies"] = [*(given.get("dependencies") or ()), Depends(_wanted)]
            content: dict[str, Any] = {media.partition(";")[0]: {} for media in MEDIA.values()}
            given["responses"] = {_OK: {"content": content}, **(given.get("responses") or {})}
        super().__init__(path, endpoint, **given)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle, row = super().get_route_handler(), self._row
        if row is None:
            return handle

        async def answer(request: Request) -> Response:
            found = await handle(request)
            form = _FORMS.get(request.query_params.get("format", "json"))
            if form is None or not isinstance(found, JsonAnswer) or found.status_code != _OK:
                return found
            kind, rows = found.rows if found.rows is not None else (row, lambda: found.content)
            return await run_in_threadpool(_in_form, file_name(request.url.path), kind, rows, form)

        return answer


def _in_form(name: str, kind: type[Any], rows: Callable[[], Sequence[Any]], form: FileForm) -> Response:
    return file_answer(table_bytes(table_of(name, kind, rows()), form), name, form)


def file_answer(content: bytes, name: str, form: FileForm) -> Response:
    """Return a file to be saved under its name."""
    return Response(content, media_type=MEDIA[form], headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'})


def file_of(*media: str) -> dict[int | str, dict[str, Any]]:
    """Return what ``responses`` of a route are that gives a file of one of these media types."""
    return {_OK: {"content": {each: {"schema": {"type": "string", "format": "binary"}} for each in media}}}


def file_name(path: str) -> str:
    """Return what a file is called that comes from a route: its path, of letters that each file system takes."""
    words = path.removeprefix("/api/v1/").strip("/").replace("/", "-")
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in words)[:100] or "table"


def _wanted(
    format: Annotated[Form, Query(description="csv, xlsx and parquet give the rows as a file, times as times in UTC")] = "json",  # noqa: A002
) -> None:
    """Take ``format``: what it says is done when the rows are there."""


def _row_of(model: Any, methods: Any) -> type[Any] | None:
    """Return the kind of the rows of a route; None where it gives no list of them."""
    if set(methods or ()) != {"GET"} or get_origin(model) is not list:
        return None
    row = get_args(model)[0]
    return row if has_columns(row) else None


_FORMS: Final[dict[str, FileForm]] = {"csv": "csv", "xlsx": "xlsx", "parquet": "parquet"}
