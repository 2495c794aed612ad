"""Makes the report of each shift of each line once, when it has ended: kept, sent to whom settings name, and written into a folder.

A report and what sends it are written in one transaction, and a shift has one report by a rule of the database: killed at any point, none
is missing and none is there twice. A shift that ended while nothing ran is made up for. The folder is written after that, file by file,
and is what it would be without a kill: a file has the name of its line and shift, and takes its place whole.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from monitor.followers import Follower
from plant.calendars import Shift
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.notices import NoticeKind, report_id
from plant.report_document import report_document
from plant.shift_reports import Content, summary
from plant.site import Site
from storage.database import Connection, snapshot
from storage.notices import StoredNotice, add_notices
from storage.shift_gathering import gather_report
from storage.shift_reports import StoredReport, add_report, has_data, note_written, read_unwritten, reported

NAME: Final = "shift reports"
_log = structlog.get_logger(process="monitor")


def make_reporter(site: Site, clock: Clock) -> Follower | None:
    """Return the follower; None where no line has shifts."""
    lines = [line for line in site.reports.lines if site.calendars.of(line) is not None]
    return ShiftReporter(site, clock, lines) if lines else None


class ShiftReporter:
    """One report a step, so that a stop waits for one only."""

    name = NAME
    pause_seconds = 10.0

    def __init__(self, site: Site, clock: Clock, lines: list[EquipmentId]) -> None:
        self._site, self._clock, self._lines = site, clock, lines
        self._without: set[tuple[EquipmentId, int]] = set()
        self._folder_is_away = False

    def step(self, connection: Connection) -> bool:
        """Make one report that is due; when none is, write what the folder has not."""
        now_us = self._clock.now_us()
        for line in self._lines:
            for shift in self._due(connection, line, now_us):
                if not has_data(connection, line, shift.from_us, shift.to_us):
                    self._without.add((line, shift.from_us))
                    continue
                self._make(connection, line, shift, now_us)
                return True
        return self._write(connection, now_us)

    def _due(self, connection: Connection, line: EquipmentId, now_us: int) -> list[Shift]:
        """Return the shifts of a line that ended and have no report, the oldest first."""
        plan = self._site.reports
        calendar = self._site.calendars.of(line)
        until_us = now_us - plan.after_us
        from_us = until_us - max(plan.catch_up_us, 86_400_000_000)
        ended = [] if calendar is None else [one for one in calendar.shifts(from_us, until_us) if from_us <= one.to_us <= until_us]
        ended = [one for one in ended if (line, one.from_us) not in self._without]
        if not ended:
            return []
        known = reported(connection, line, ended[0].from_us, ended[-1].to_us)
        return [one for one in ended if one.from_us not in known]

    def _make(self, connection: Connection, line: EquipmentId, shift: Shift, now_us: int) -> None:
        with snapshot(connection):
            content = gather_report(connection, self._site, line, shift, now_us)
        with connection.transaction():
            number = add_report(connection, line, shift, now_us, content)
            if number is not None:
                add_notices(connection, self._notices(line, shift, content, now_us))
        _log.info("the report of a shift is made", line=line, shift=f"{shift.day} {shift.name}", report=number)

    def _notices(self, line: EquipmentId, shift: Shift, content: Content, now_us: int) -> list[StoredNotice]:
        said = {
            "kind": NoticeKind.REPORT.value,
            "site": self._site.name,
            "rule": "",
            "step": 0,
            "time": datetime.fromtimestamp(now_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "time_us": now_us,
            "count": 0,
            "alarms": [],
            "summary": summary(content),
            "report": content,
        }
        found = []
        for name in self._site.reports.to:
            receiver = self._site.notices.receiver(name)
            for channel in () if receiver is None else receiver.channels:
                fixed = ("", name, NoticeKind.REPORT, 0, (), None, None, said, now_us, now_us)
                found.append(StoredNotice(report_id(name, line, shift.from_us), channel, *fixed))
        return found

    def _write(self, connection: Connection, now_us: int) -> bool:
        folder = self._site.reports.folder
        if folder is None:
            return False
        waiting = read_unwritten(connection)
        for report in waiting:
            try:
                _write_file(folder / file_name(report), report_document(report.content, self._site.reports.language))
            except OSError as error:
                if not self._folder_is_away:
                    _log.warning("reports cannot be written", folder=str(folder), reason=error.strerror or str(error))
                self._folder_is_away = True
                return False
            note_written(connection, report.id, now_us)
        if self._folder_is_away and waiting:
            _log.info("reports are written again", folder=str(folder), reports=len(waiting))
            self._folder_is_away = False
        return bool(waiting)


def file_name(report: StoredReport) -> str:
    """Return what the file of a report is called: day, begin, line and shift, of letters that each file system takes."""
    begin = datetime.fromtimestamp(report.from_us / 1e6, UTC).strftime("%H%MZ")
    words = re.sub(r"[^\w.-]+", "_", f"{report.line}_{report.shift}")
    return f"{report.day.isoformat()}_{begin}_{words}"[:180] + ".html"


def _write_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.part")
    with fresh.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
