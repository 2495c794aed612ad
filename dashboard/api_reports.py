"""``/api/v1/reports``: reports of shifts, notes for the next shift, and every table as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from dashboard.api import Microseconds, json_answer, person_of
from dashboard.exports import MEDIA, FileForm
from dashboard.services import Services
from dashboard.table_route import TableRoute, file_of
from dashboard.views_reports import (
    ReportLineView,
    ShiftNoteDraft,
    ShiftNoteView,
    ShiftReportLine,
    ShiftReportView,
    TablePreview,
    TableView,
)
from storage.tables import Span

_AT_ONCE: Final = 256 * 1024
Line = Annotated[str, Query(min_length=1, max_length=1000, description="path of the line")]
MaybeLine = Annotated[str | None, Query(max_length=1000, description="path of the line")]
Moment = Annotated[int | None, Query(ge=0, lt=2**53, description="microseconds since 1970-01-01 UTC")]
Language = Annotated[Literal["en", "zh"], Query()]


def report_routes(services: Services) -> APIRouter:
    """Return the routes about reports of shifts."""
    router = APIRouter(prefix="/api/v1/reports", tags=["reports"], route_class=TableRoute)
    service = services.reports

    @router.get("/lines", response_model=list[ReportLineView], summary="Lines whose shifts have reports, and the shift that runs")
    def lines() -> Response:
        return json_answer(service.lines())

    @router.get("/shifts", response_model=list[ShiftReportLine], summary="Reports of shifts, the newest first")
    def shifts(
        line: MaybeLine = None,
        from_us: Moment = None,
        to_us: Moment = None,
        before: Annotated[int | None, Query(ge=0, le=2**62, description="the id of the last one of the page before")] = None,
        most: Annotated[int, Query(ge=1, le=5000)] = 100,
    ) -> Response:
        return json_answer(service.reports(line=line, from_us=from_us, to_us=to_us, before=before, most=most))

    @router.get("/shifts/now", response_model=ShiftReportView, summary="The shift that runs, up to now; nothing is kept of it")
    def now(line: Line) -> Response:
        return json_answer(service.running(line))

    @router.get("/shifts/now/document", response_class=HTMLResponse, summary="The shift that runs as a page to print")
    def now_document(line: Line, language: Language = "en") -> Response:
        return HTMLResponse(service.document(service.running(line).content, language))

    @router.get("/shifts/{report}", response_model=ShiftReportView, summary="One report, as it was made")
    def one(report: int) -> Response:
        return json_answer(service.report(report))

    @router.get("/shifts/{report}/document", response_class=HTMLResponse, summary="One report as a page to print, to PDF too")
    def document(report: int, language: Language = "en") -> Response:
        return HTMLResponse(service.document(service.report(report).content, language))

    @router.get("/notes", response_model=list[ShiftNoteView], summary="What people wrote for the next shift")
    def notes(line: Line, from_us: Microseconds, to_us: Microseconds) -> Response:
        return json_answer(service.notes(line, from_us, to_us))

    @router.post(
        "/notes", response_model=ShiftNoteView, status_code=201, summary="Write a note; it stands in the report of the shift that runs"
    )
    def write(request: Request, draft: ShiftNoteDraft) -> Response:
        return json_answer(service.note(person_of(request), draft), 201)

    return router


def table_routes(services: Services) -> APIRouter:
    """Return the routes that give every table."""
    router = APIRouter(prefix="/api/v1/reports/tables", tags=["reports"], route_class=TableRoute)
    service = services.reports

    @router.get("", response_model=list[TableView], summary="The tables there are: the stable views of the database")
    def tables() -> Response:
        return json_answer(service.tables())

    @router.get("/{table}", response_model=TablePreview, summary="The newest rows of a table")
    def preview(table: str, from_us: Moment = None, to_us: Moment = None, most: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        return json_answer(service.preview(table, Span(from_us, to_us), most))

    @router.get(
        "/{table}/file",
        response_class=Response,
        responses=file_of(*(media.partition(";")[0] for media in MEDIA.values())),
        summary="A whole table as a file: at most 20,000,000 rows, 1,048,575 as xlsx",
    )
    def file(table: str, format: FileForm = "csv", from_us: Moment = None, to_us: Moment = None) -> Response:  # noqa: A002
        out = service.file(table, Span(from_us, to_us), format)
        named = {
            "Content-Disposition": f'attachment; filename="{table}.{format}"',
            "Content-Length": str(out.seek(0, 2)),
            "Content-Encoding": "identity",  # to gzip it would hold up the event loop
        }
        out.seek(0)
        return StreamingResponse(_chunks(out), media_type=MEDIA[format], headers=named)

    return router


def _chunks(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        while chunk := out.read(_AT_ONCE):
            yield chunk
