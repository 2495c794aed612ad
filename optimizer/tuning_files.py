"""Trials of a factory from CSV, XLSX or Parquet, and what fine-tuning says of them as JSON."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from plant.errors import Rejected, SettingsError
from plant.process_windows import ProcessWindow, WindowSet
from plant.table_rows import RowProblem, row_words
from plant.tuning import TUNING, Proposal, Refusal, Trial, TuningTarget, proposal_record, refusal_record

_MOST_ROWS: Final = 100_000
_WORDS: Final = ("trial", "work_unit", "program", "job")
_COUNTS: Final = ("parts", "good", "scrapped")
_OTHER: Final = ("ended_at", "accepted")
_YES: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class TrialTable:
    """Trials by what they were made on, oldest first, and the recipe that a person marked as accepted."""

    trials: Mapping[TuningTarget, tuple[Trial, ...]]
    accepted: Mapping[TuningTarget, Mapping[str, float]]


def read_trials(path: Path, windows: WindowSet) -> TrialTable:
    """Return the trials of a file. Raises SettingsError with a sentence for each wrong row: file, row, column, what is wrong."""
    header, rows = _table(path)
    _check_header(path, header, windows)
    problems: list[RowProblem] = []
    found: dict[TuningTarget, list[Trial]] = {}
    accepted: dict[TuningTarget, Mapping[str, float]] = {}
    seen: dict[str, int] = {}
    only = windows.windows[0] if len(windows.windows) == 1 else None
    for number, cells in enumerate(rows, 2):
        row = _Row(number, dict(zip(header, cells, strict=False)), problems)
        if row.blank:
            continue
        before = len(problems)
        target = row.target(only)
        name = row.text("trial") or f"row {number}"
        if name in seen:
            row.wrong("trial", f"'{name}' stands in row {seen[name]} already; give each trial a name of its own")
        seen[name] = number
        try:
            window = windows.of(target.work_unit, target.program, target.job)
        except Rejected as error:
            row.wrong("program", str(error))
            continue
        parameters = {one: row.number(one, needed=True) for one in window.names}
        responses = {one.name: value for one in window.responses if (value := row.number(one.name)) is not None}
        parts, good, scrapped = row.count("parts", needed=True), row.count("good", needed=True), row.count("scrapped")
        ended_us, is_accepted = row.time("ended_at"), row.yes("accepted")
        if len(problems) > before or parts is None or good is None:
            continue
        kept = {one: value for one, value in parameters.items() if value is not None}
        try:
            trial = Trial(name, target, kept, parts, good, scrapped, responses, ended_us)
        except Rejected as error:
            row.wrong("good", str(error))
            continue
        found.setdefault(target, []).append(trial)
        if is_accepted:
            accepted[target] = kept
    if problems:
        raise SettingsError(row_words(str(path), problems))
    if not found:
        raise SettingsError(f"{path}: holds no trial")
    # rows stand in the order in which they were made; where each of a target has a time, the time says so
    ordered = {
        target: tuple(sorted(trials, key=lambda one: one.ended_us or 0) if all(one.ended_us for one in trials) else trials)
        for target, trials in found.items()
    }
    return TrialTable(ordered, accepted)


def answers_record(answers: Sequence[Proposal | Refusal], *, history: str, windows: str, seed: int) -> dict[str, Any]:
    """Return what is written: the same for the same trials, windows and seed."""
    items = [proposal_record(one) if isinstance(one, Proposal) else refusal_record(one) for one in answers]
    return {"leadhand": TUNING, "history": history, "windows": windows, "seed": seed, "items": items}


def _check_header(path: Path, header: list[str], windows: WindowSet) -> None:
    names = {name for window in windows.windows for name in (*window.names, *(one.name for one in window.responses))}
    known = {*_WORDS, *_COUNTS, *_OTHER, *names}
    problems = [
        f"{path}: column '{name}' is neither a parameter nor a response of a window in windows.toml; remove it, or begin its name with 'x_'"
        for name in header
        if name not in known and not name.startswith("x_")
    ]
    problems += [f"{path}: column '{name}' is there twice" for name in sorted({name for name in header if header.count(name) > 1})]
    needed: list[str] = ["parts", "good"]
    if len(windows.windows) > 1 or any(letter in windows.windows[0].program for letter in "*?"):
        needed += ["work_unit", "program"]
    problems += [f"{path}: column '{name}' is missing" for name in needed if name not in header]
    if problems:
        raise SettingsError(problems)


class _Row:
    """One row while it is read: what is wrong with it goes to ``problems``."""

    def __init__(self, number: int, cells: Mapping[str, Any], problems: list[RowProblem]) -> None:
        self._number, self._cells, self._problems = number, cells, problems

    @property
    def blank(self) -> bool:
        return all(value is None or not str(value).strip() for value in self._cells.values())

    def wrong(self, column: str, reason: str) -> None:
        self._problems.append(RowProblem(self._number, column, reason))

    def text(self, column: str) -> str:
        value = self._cells.get(column)
        return "" if value is None else str(value).strip()

    def target(self, only: ProcessWindow | None) -> TuningTarget:
        work_unit, program = self.text("work_unit"), self.text("program")
        if only is not None:
            work_unit, program = work_unit or only.work_unit, program or only.program
        for column, value in (("work_unit", work_unit), ("program", program)):
            if not value:
                self.wrong(column, "is empty; write what the trial was made on")
        return TuningTarget(work_unit, program, self.text("job"))

    def number(self, column: str, *, needed: bool = False) -> float | None:
        value = self._cells.get(column)
        text = self.text(column)
        if not text or (isinstance(value, float) and math.isnan(value)):
            if needed:
                self.wrong(column, "is empty; each parameter of the window needs a number")
            return None
        try:
            found = float(text)
        except ValueError:
            hint = "; write a point, not a comma" if text.count(",") == 1 else ""
            self.wrong(column, f"'{text[:40]}' is no number{hint}")
            return None
        if not math.isfinite(found) or isinstance(value, bool):
            self.wrong(column, f"'{text[:40]}' is no finite number")
            return None
        return found

    def count(self, column: str, *, needed: bool = False) -> int | None:
        if needed and not self.text(column):
            self.wrong(column, "is empty; write how many parts")
            return None
        found = self.number(column)
        if found is None:
            return None
        if found != int(found) or found < 0:
            self.wrong(column, f"{found:g} is no count of parts")
            return None
        return int(found)

    def time(self, column: str) -> int | None:
        value = self._cells.get(column)
        text = self.text(column)
        if not text:
            return None
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(text)
        except ValueError:
            self.wrong(column, f"'{text[:40]}' is no time; write 2026-11-01T06:30:00Z")
            return None
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)

    def yes(self, column: str) -> bool:
        word = self.text(column).casefold()
        if word not in _YES:
            self.wrong(column, f"'{word[:40]}' is neither true nor false")
        return _YES.get(word, False)


def _table(path: Path) -> tuple[list[str], list[Sequence[Any]]]:
    """Return header and rows of a file, by its ending."""
    readers: Mapping[str, Callable[[Path], list[Sequence[Any]]]] = {".csv": _csv, ".xlsx": _xlsx, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise SettingsError(f"{path}: give trials as .csv, .xlsx or .parquet")
    if not path.is_file():
        raise SettingsError(f"{path}: there is no such file")
    try:
        rows = reader(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, csv.Error, pa.ArrowException) as error:
        raise SettingsError(f"{path}: cannot be read as {path.suffix[1:].upper()}: {error}") from error
    except Exception as error:  # openpyxl lets through whatever zip and XML readers raise
        raise SettingsError(f"{path}: cannot be read as {path.suffix[1:].upper()}: {error!r}") from error
    if not rows:
        raise SettingsError(f"{path}: is empty; its first row must name the columns")
    if len(rows) > _MOST_ROWS:
        raise SettingsError(f"{path}: {len(rows):,} rows are too many for trials ({_MOST_ROWS:,} at most); give one row for each trial")
    header = ["" if one is None else str(one).strip() for one in rows[0]]
    while header and not header[-1]:
        header.pop()
    if "" in header:
        raise SettingsError(f"{path}: column {header.index('') + 1} has no name")
    return header, rows[1:]


def _csv(path: Path) -> list[Sequence[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row, _ in zip(csv.reader(file, strict=True), range(_MOST_ROWS + 2), strict=False)]


def _xlsx(path: Path) -> list[Sequence[Any]]:
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        return list(sheet.iter_rows(values_only=True, max_row=_MOST_ROWS + 2))
    finally:
        book.close()


def _parquet(path: Path) -> list[Sequence[Any]]:
    table = pq.read_table(path)
    if table.num_rows > _MOST_ROWS:
        raise ValueError(f"{table.num_rows:,} rows are too many for trials")
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return [table.column_names, *zip(*columns, strict=True)]
