"""Reports of shifts and tables as services return them: frozen, without NaN or infinity, times as ``*_us``, ratios from 0 on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class ReportLineView:
    """A line whose shifts have reports."""

    line: str
    name: str
    shift: str
    """The shift that runs now; empty outside of all."""
    day: str
    team: str
    from_us: int | None
    to_us: int | None


@dataclass(frozen=True, slots=True)
class ShiftReportLine:
    """One report as it stands in a list."""

    id: int
    line: str
    line_name: str
    shift: str
    day: str
    team: str
    from_us: int
    to_us: int
    made_us: int
    oee: float | None
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    produced: int | None
    good: int | None
    scrap: int | None
    alarms: int
    not_ok: int
    missed: int
    """Samples in gaps."""


@dataclass(frozen=True, slots=True)
class ShiftReportView:
    """One report whole."""

    id: int | None
    """None for the shift that runs: nothing is kept of it yet."""
    content: dict[str, Any]
    """A ``shift-report/1``: docs/reports.md tells of it."""


@dataclass(frozen=True, slots=True)
class ShiftNoteView:
    """What somebody wrote for those who come after."""

    id: int
    line: str
    time_us: int
    actor: str
    text: str


class ShiftNoteDraft(Strict):
    """A note for the next shift."""

    line: Annotated[str, Field(min_length=1, max_length=1000, description="path of the line")]
    text: Annotated[str, Field(min_length=1, max_length=4000)]


@dataclass(frozen=True, slots=True)
class TableColumnView:
    """One column of a table."""

    name: str
    kind: str
    """text, whole number, number, yes or no, moment (UTC), or pieces (JSON)."""


@dataclass(frozen=True, slots=True)
class TableView:
    """One table that can be taken away: a stable view of the database."""

    name: str
    title: str
    columns: list[TableColumnView]
    time: str | None
    """The column that from and to mean; None where the table knows no time."""


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The newest rows of a table."""

    table: TableView
    rows: list[list[Any]]
    """Moments as microseconds since 1970."""
