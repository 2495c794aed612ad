"""What is built into what, from a table that somebody filled in: each wrong row told by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from dashboard.brought_tables import rows_of
from dashboard.views_genealogy import MOST_ROWS, BuiltInDraft
from plant.errors import SettingsError

_WORDS: Final = ("into", "into_kind", "component", "component_kind", "relation", "place", "unit", "work_unit", "operation", "job_order")
COLUMNS: Final = (*_WORDS[:6], "quantity", "unit", "built", *_WORDS[7:])
_EXAMPLES: Final = (
    {"into": "BOOM-77", "component": "PLATE-4", "relation": "made_from"},
    {"into": "EX-7", "component": "BOOM-77", "component_kind": "serial", "place": "boom", "built": "2026-12-24 14:00"},
    {"into": "EX-7", "component": "BOLT-LOT-9", "place": "slewing bearing", "quantity": "36", "unit": "1", "job_order": "SO-7-1"},
)


@dataclass(frozen=True, slots=True)
class BuiltInRow:
    """A row of a table: what it tells, or why it tells nothing."""

    row: int
    """Of the table; the head is 1."""
    name: str
    draft: BuiltInDraft | None
    problems: tuple[str, ...] = ()


def built_in_of_table(content: bytes, place: str, zone: str) -> list[BuiltInRow]:
    """Return the rows of a CSV file or workbook. Raises SettingsError where it is no table of what is built in."""
    rows = [_row(number, cells, zone) for number, cells in rows_of(content, place, COLUMNS, ("into", "component"))]
    if not rows:
        raise SettingsError(f"{place}: there is no row that tells what is built in")
    if len(rows) > MOST_ROWS:
        raise SettingsError(f"{place}: has {len(rows):,} rows; bring {MOST_ROWS:,} at once at most")
    return rows


def empty_table() -> bytes:
    """Return a CSV file with the columns, and three rows as examples."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_EXAMPLES)
    return ("\N{ZERO WIDTH NO-BREAK SPACE}" + text.getvalue()).encode()


def _row(number: int, cells: Mapping[str, str], zone: str) -> BuiltInRow:
    problems: list[str] = []
    given: dict[str, Any] = {name: cells[name] for name in _WORDS if cells.get(name)}
    for name in ("into_kind", "component_kind", "relation"):
        if name in given:
            given[name] = given[name].lower()
    if cells.get("quantity"):
        given["quantity"] = _quantity(cells["quantity"], problems)
    if cells.get("built"):
        given["built_us"] = _time_us(cells["built"], zone, problems)
    name = f"{cells.get('component', '')} → {cells.get('into', '')}"
    draft = None
    try:
        draft = BuiltInDraft.model_validate(given, strict=False)
    except ValidationError as error:
        problems += [f"{str(each['loc'][0]).removesuffix('_us')}: {each['msg']}" for each in error.errors(include_url=False)]
    return BuiltInRow(number, name, None if problems else draft, tuple(problems))


def _quantity(text: str, problems: list[str]) -> float | None:
    try:
        return float(text)
    except ValueError:
        problems.append(f"quantity: write a number such as 2.5, not '{text[:40]}'")
        return None


def _time_us(text: str, zone: str, problems: list[str]) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        problems.append(f"built: write a time such as 2026-12-24 14:00, not '{text[:40]}'")
        return None
    return round((time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1e6)
