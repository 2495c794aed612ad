"""Reports of shifts, and every table as a file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Final

from dashboard.context import Person
from dashboard.export_tables import columns_of, write_view
from dashboard.exports import FileForm
from dashboard.services_losses import SiteReader
from dashboard.services_people import require
from dashboard.table_words import TABLE_TITLES
from dashboard.views_reports import (
    ReportLineView,
    ShiftNoteDraft,
    ShiftNoteView,
    ShiftReportLine,
    ShiftReportView,
    TableColumnView,
    TablePreview,
    TableView,
)
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.errors import Rejected, Unavailable
from plant.report_document import report_document
from plant.shift_reports import summary
from plant.site import Site
from storage import shift_reports, tables
from storage.audit import add_audit
from storage.database import Pool
from storage.people import Role
from storage.shift_gathering import gather_report
from storage.tables import Span, StableView

_EXPORTS_AT_ONCE: Final = 2
_FRESH_US: Final = 15_000_000
"""What is younger is not judged yet."""


class ReportService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away, Rejected for what is not there."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._settings = pool, clock, SiteReader(site_file)
        self._exporting = BoundedSemaphore(_EXPORTS_AT_ONCE)

    def lines(self) -> list[ReportLineView]:
        """Return the lines that have shifts, with the shift that runs now."""
        site, now_us = self._settings.site(), self._clock.now_us()
        names = {node.id: node.name for node in site.equipment}
        found = []
        for line in site.reports.lines:
            calendar = site.calendars.of(line)
            if calendar is None:
                continue
            shift = calendar.shift_at(now_us)
            told = (
                ("", "", "", None, None) if shift is None else (shift.name, shift.day.isoformat(), shift.team, shift.from_us, shift.to_us)
            )
            found.append(ReportLineView(line, names.get(line, line), *told))
        return found

    def reports(
        self,
        *,
        line: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        most: int = 100,
    ) -> list[ShiftReportLine]:
        """Return the reports that are kept, the newest shift first."""
        with self._pool.connection() as connection:
            found = shift_reports.read_reports(connection, line=line, from_us=from_us, to_us=to_us, before=before, most=most)
        return [_line(one) for one in found]

    def report(self, number: int) -> ShiftReportView:
        """Return one report as it was made."""
        with self._pool.connection() as connection:
            found = shift_reports.read_report(connection, number)
        if found is None:
            raise Rejected(f"there is no report {number}")
        return ShiftReportView(found.id, dict(found.content))

    def running(self, line: str) -> ShiftReportView:
        """Return the report of the shift that runs, up to now; nothing is kept of it."""
        site, now_us = self._settings.site(), self._clock.now_us()
        place = self._known(site, line)
        calendar = site.calendars.of(place)
        shift = None if calendar is None else calendar.shift_at(now_us)
        if shift is None:
            raise Rejected(f"no shift of '{line}' runs now")
        with self._pool.connection() as connection:
            return ShiftReportView(None, gather_report(connection, site, place, shift, now_us, now_us - _FRESH_US))

    def document(self, content: dict[str, object], language: str) -> str:
        """Return a report as one HTML file, to be read, printed or kept."""
        return report_document(content, language)

    def notes(self, line: str, from_us: int, to_us: int) -> list[ShiftNoteView]:
        """Return what people wrote of a line in a span."""
        with self._pool.connection() as connection:
            found = shift_reports.read_notes(connection, line, from_us, to_us)
        return [ShiftNoteView(one.id, one.line, one.time_us, one.actor, one.text) for one in found]

    def note(self, who: Person, draft: ShiftNoteDraft) -> ShiftNoteView:
        """Keep what somebody writes for the next shift. All but viewers; it is audited."""
        require(who, Role.INSPECTOR)
        text = draft.text.strip()
        if not text:
            raise Rejected("a note says something")
        line, now_us = self._known(self._settings.site(), draft.line), self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction():
            number = shift_reports.add_note(connection, line, now_us, who.name, text)
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act="shift.note",
                subject=line,
                next_={"note": number, "text": text[:400]},
                address=who.address,
            )
        return ShiftNoteView(number, line, now_us, who.name, text)

    def tables(self) -> list[TableView]:
        """Return the tables that can be taken away, by name."""
        with self._pool.connection() as connection:
            return [_table(view) for view in tables.read_views(connection)]

    def preview(self, name: str, span: Span, most: int = 50) -> TablePreview:
        """Return the newest rows of a table within a span."""
        _ordered(span)
        with self._pool.connection() as connection:
            view = tables.read_view(connection, name)
            rows = tables.read_newest(connection, view, span, most)
        return TablePreview(_table(view), [list(row) for row in rows])

    def file(self, name: str, span: Span, form: FileForm) -> IO[bytes]:
        """Return a table as a file that is gone once it is closed, open at its begin; its length costs disk, not memory."""
        _ordered(span)
        if not self._exporting.acquire(timeout=20):
            raise Unavailable(f"{_EXPORTS_AT_ONCE} tables are being exported already: try again when one is done")
        out = tempfile.TemporaryFile(prefix="leadhand-export-")  # noqa: SIM115 - who sends it closes it
        try:
            with self._pool.connection() as connection:
                write_view(connection, tables.read_view(connection, name), span, form, out)
        except BaseException:
            out.close()
            raise
        finally:
            self._exporting.release()
        out.seek(0)
        return out

    def _known(self, site: Site, line: str) -> EquipmentId:
        found = next((one for one in site.reports.lines if one == line), None)
        if found is None:
            raise Rejected(f"there is no line '{line}' that has shifts; there are: {', '.join(site.reports.lines) or 'none'}")
        return found


def _line(one: shift_reports.StoredReport) -> ShiftReportLine:
    told = summary(one.content)
    figures = [told[key] for key in ("oee", "availability", "effectiveness", "quality_ratio", "produced", "good", "scrap")]
    counts = [told[key] for key in ("alarms", "not_ok", "missed")]
    head = (one.id, one.line, told["line_name"], one.shift, one.day.isoformat(), one.team, one.from_us, one.to_us, one.made_us)
    return ShiftReportLine(*head, *figures, *counts)


def _table(view: StableView) -> TableView:
    columns = [TableColumnView(column.name, column.kind.value) for column in columns_of(view)]
    return TableView(view.name, TABLE_TITLES.get(view.name, view.name), columns, view.time)


def _ordered(span: Span) -> None:
    if span.from_us is not None and span.to_us is not None and span.from_us >= span.to_us:
        raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
