"""Alarm definitions as a table that people edit in a spreadsheet: rows out, rows in, each error with its row and column.

A row gives one alarm whole. What a text begins with must not make a spreadsheet take it for a formula: such a text gets an apostrophe
in front, which is taken off again when the table is read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plant.alarms import FOUND, AlarmDefinition, AlarmKind, Priority
from plant.equipment import EquipmentId
from plant.settings_alarms import OF_SOURCES, AlarmSettings

COLUMNS = (
    *("alarm", "enabled", "kind", "priority", "limit", "deadband", "on_delay_seconds", "off_delay_seconds", "latching", "window_seconds"),
    *("set_point", "set_point_signal", "values", "texts", "suppressed_while_signal", "suppressed_while_values", "suppressed_while_texts"),
    *("message", "response"),
)
NUMBERS = frozenset({"limit", "deadband", "on_delay_seconds", "off_delay_seconds", "window_seconds", "set_point"})
CHOICES = {
    "enabled": ("yes", "no"),
    "latching": ("yes", "no"),
    "kind": tuple(kind.value for kind in AlarmKind if kind not in FOUND | {AlarmKind.TOLD}),
    "priority": tuple(each.name.lower() for each in Priority),
}
_SIDED = {AlarmKind.HIGH_HIGH, AlarmKind.HIGH, AlarmKind.LOW, AlarmKind.LOW_LOW}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
MOST_ROWS = 200_000
MOST_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class TableProblem:
    """What is wrong in one cell."""

    row: int
    """As a spreadsheet numbers it: 1 is the head."""
    column: str
    words: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"row {self.row}, {self.column}: {self.words}" if self.column else f"row {self.row}: {self.words}"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row that reads well: the alarm's name below the site, the cells as given, and what they mean."""

    row: int
    alarm: str
    cells: tuple[str, ...]
    settings: AlarmSettings


@dataclass(frozen=True, slots=True)
class Change:
    """What a table changes of one alarm: (column, before, after)."""

    alarm: str
    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a table would do."""

    added: tuple[str, ...]
    changed: tuple[Change, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def cells_of(root: EquipmentId | str, definition: AlarmDefinition) -> tuple[str, ...]:
    """Return an alarm as the texts of a row."""
    kind, below = definition.kind, len(root) + 1
    delays = kind not in OF_SOURCES | FOUND and kind is not AlarmKind.STALE
    given: dict[str, str] = {
        "alarm": definition.id[below:],
        "enabled": "yes",
        "kind": kind.value,
        "priority": definition.priority.name.lower(),
        "limit": "" if kind in FOUND | {AlarmKind.DISCRETE} else _number(definition.limit),
        "deadband": _number(definition.deadband) if kind in _SIDED | {AlarmKind.RATE, AlarmKind.DEVIATION} else "",
        "on_delay_seconds": _number(definition.on_delay_us / 1e6) if delays else "",
        "off_delay_seconds": _number(definition.off_delay_us / 1e6) if delays else "",
        "latching": "yes" if definition.latching else "no",
        "window_seconds": _number(definition.window_us / 1e6) if kind is AlarmKind.RATE else "",
        "message": definition.message,
        "response": definition.response,
        "values": _joined([_number(value) for value in definition.values]),
        "texts": _joined(definition.texts),
    }
    if kind is AlarmKind.DEVIATION and definition.set_point_signal is None:
        given["set_point"] = _number(definition.set_point)
    if definition.set_point_signal is not None:
        given["set_point_signal"] = definition.set_point_signal[below:]
    if definition.suppressed_while is not None:
        given["suppressed_while_signal"] = definition.suppressed_while.signal[below:]
        given["suppressed_while_values"] = _joined([_number(value) for value in definition.suppressed_while.values])
        given["suppressed_while_texts"] = _joined(definition.suppressed_while.texts)
    return tuple(given.get(column, "") for column in COLUMNS)


def write_table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([cell if column in NUMBERS else _harmless(cell) for column, cell in zip(COLUMNS, row, strict=True)])
    return text.getvalue()


def read_csv(content: bytes) -> list[list[str]]:
    """Return the cells of a CSV file, head first, whatever separates them. Raises ValueError for what is none."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"the file is larger than {MOST_BYTES // 1_000_000} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("the file is not UTF-8: save it as 'CSV UTF-8', or as .xlsx") from error
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise ValueError(f"the file is no CSV: {error}") from error
    if separator == ";":  # a spreadsheet of a country that writes 1,5
        numbers = {n for n, name in enumerate(rows[0]) if name.strip().lower() in NUMBERS} if rows else set()
        rows = [[cell.replace(",", ".") if n in numbers else cell for n, cell in enumerate(row)] for row in rows]
    return [[_plain(cell) for cell in row] for row in rows]


def read_rows(table: Sequence[Sequence[str]]) -> tuple[list[TableRow], list[TableProblem]]:
    """Return the rows that read well, and all that is wrong with the others. The first row of the table names its columns."""
    if not table:
        return [], [TableProblem(1, "", f"is missing: the first row names the columns {', '.join(COLUMNS)}")]
    head = [name.strip().lower() for name in table[0]]
    problems = [TableProblem(1, name, "there is no such column") for name in head if name and name not in COLUMNS]
    problems += [TableProblem(1, name, "stands there twice") for name in dict.fromkeys(head) if name and head.count(name) > 1]
    problems += [TableProblem(1, name, "is missing") for name in ("alarm", "kind") if name not in head]
    if len(table) > MOST_ROWS:
        problems.append(TableProblem(MOST_ROWS, "", f"more than {MOST_ROWS:,} rows"))
    if problems:
        return [], problems
    rows: list[TableRow] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(table[1:], 2):
        cells = dict(zip(head, row, strict=False))
        if not any(cell.strip() for cell in row):
            continue
        if any(cell.strip() for cell in row[len(head) :]):
            problems.append(TableProblem(number, "", "has more cells than the head"))
            continue
        found = _row(number, {column: cells.get(column, "") for column in COLUMNS})
        if isinstance(found, list):
            problems += found
        elif found.alarm in seen:
            problems.append(TableProblem(number, "alarm", f"'{found.alarm}' stands in row {seen[found.alarm]} already"))
        else:
            seen[found.alarm] = number
            rows.append(found)
    return rows, problems


def difference(root: EquipmentId | str, before: Iterable[AlarmDefinition], after: Iterable[AlarmDefinition]) -> Difference:
    """Return what changes from some alarms to others."""
    old, new = ({definition.id: definition for definition in some} for some in (before, after))
    below = len(root) + 1
    changed = [
        Change(name[below:], _changes(cells_of(root, old[name]), cells_of(root, definition)))
        for name, definition in new.items()
        if name in old and old[name] != definition
    ]
    return Difference(
        tuple(name[below:] for name in new if name not in old), tuple(changed), tuple(name[below:] for name in old if name not in new)
    )


def load_table(path: Path, problems: list[str]) -> list[TableRow]:
    """Return the rows of a site's own table; what is wrong is added to ``problems``."""
    try:
        rows, wrong = read_rows(read_csv(path.read_bytes()))
    except FileNotFoundError:
        problems.append(f"{path}: there is no such file")
        return []
    except (OSError, ValueError) as error:
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
        return []
    problems.extend(f"{path}: {problem}" for problem in wrong)
    return rows


def _changes(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((column, old, new) for column, old, new in zip(COLUMNS, before, after, strict=True) if old != new)


def _row(number: int, cells: Mapping[str, str]) -> TableRow | list[TableProblem]:
    problems: list[TableProblem] = []

    def wrong(column: str, words: str) -> None:
        problems.append(TableProblem(number, column, words))

    alarm = cells["alarm"].strip()
    given: dict[str, Any] = {"message": cells["message"], "response": cells["response"]}
    given |= _place(alarm, cells["kind"].strip().lower(), wrong)
    given |= {column: _yes(cells, column, wrong) for column in ("enabled", "latching")}
    given |= _numbers(cells, wrong)
    for column in ("values", "texts"):
        _several(cells, column, given, wrong)
    if cells["priority"].strip():
        given["priority"] = cells["priority"].strip().lower()
    if cells["set_point_signal"].strip():
        given["set_point_signal"] = cells["set_point_signal"].strip()
    if cells["suppressed_while_signal"].strip():
        meanwhile: dict[str, Any] = {"signal": cells["suppressed_while_signal"].strip()}
        for column in ("suppressed_while_values", "suppressed_while_texts"):
            _several(cells, column, meanwhile, wrong)
        given["suppressed_while"] = {key.removeprefix("suppressed_while_"): value for key, value in meanwhile.items()}
    if problems:
        return problems
    try:
        settings = AlarmSettings.model_validate(given)
    except ValidationError as error:
        return [
            TableProblem(number, _column(each["loc"]), str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors(include_url=False)
        ]
    return TableRow(number, alarm, tuple(cells[column] for column in COLUMNS), settings)


def _place(alarm: str, kind: str, wrong: Callable[[str, str], None]) -> dict[str, Any]:
    """Return what the name of an alarm says: its signal or source, and what stands behind the colon."""
    where, colon, name = alarm.rpartition(":")
    place, slash, signal = where.rpartition("/")
    given = {"kind": kind, "name": name}
    if not colon or not where or not name:
        wrong("alarm", "write the path of the signal below the site, a colon and a name, e.g. welding/cell-1/robot-1/current:high")
    elif kind in {each.value for each in OF_SOURCES}:
        return given | {"source": where}
    elif not slash:
        wrong("alarm", "names no equipment: write e.g. welding/cell-1/robot-1/current:high")
    return given | {"equipment": place, "signal": signal}


def _yes(cells: Mapping[str, str], column: str, wrong: Callable[[str, str], None]) -> bool:
    said = cells[column].strip().lower()
    if said not in {"", "yes", "no", "true", "false", "1", "0"}:
        wrong(column, f"'{cells[column]}' is neither yes nor no")
    return said in {"yes", "true", "1"} or (said == "" and column == "enabled")


def _numbers(cells: Mapping[str, str], wrong: Callable[[str, str], None]) -> dict[str, float]:
    given = {}
    for column in NUMBERS:
        if cells[column].strip():
            try:
                given[column] = float(cells[column])
            except ValueError:
                wrong(column, f"'{cells[column]}' is no number; write e.g. 12.5")
    return given


def _column(location: tuple[int | str, ...]) -> str:
    words = [str(step) for step in location if not isinstance(step, int)]
    return {"equipment": "alarm", "signal": "alarm", "source": "alarm", "name": "alarm"}.get("_".join(words), "_".join(words))


def _several(cells: Mapping[str, str], column: str, given: dict[str, Any], wrong: Callable[[str, str], None]) -> None:
    text = cells[column]
    if not text.strip():
        return
    try:
        parts = json.loads(text) if text.lstrip().startswith("[") else [part.strip() for part in text.split(";")]
        given[column] = tuple(float(part) for part in parts) if column.endswith("values") else tuple(str(part) for part in parts)
    except (ValueError, TypeError):
        wrong(column, f"'{text}' is no list of {'numbers' if column.endswith('values') else 'texts'}; separate them by ';'")


def _joined(parts: Sequence[str]) -> str:
    if all(part and part == part.strip() and ";" not in part and not part.startswith("[") for part in parts):
        return "; ".join(parts)
    return json.dumps(list(parts), ensure_ascii=False)


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
