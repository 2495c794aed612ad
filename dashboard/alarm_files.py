"""The table of alarms beside ``site.toml``: out as CSV or workbook; back in with all that is wrong, what would change, and at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.site_files import write_durable
from dashboard.spreadsheets import read_xlsx, write_xlsx
from plant.alarm_rules import with_table
from plant.alarm_table import (
    CHOICES,
    COLUMNS,
    NUMBERS,
    Difference,
    TableRow,
    cells_of,
    difference,
    load_table,
    read_csv,
    read_rows,
    write_table,
)
from plant.alarms import FOUND, AlarmDefinition, AlarmId, AlarmKind
from plant.errors import SettingsError
from plant.signals import SourceId
from plant.site import Site, load_site

TABLE = "alarms.csv"
_NO_ROWS = FOUND | {AlarmKind.TOLD}
"""Kinds whose alarms no table gives: they come from rules over equipment, or from controllers."""
_NAMED = re.compile(r"^\s*alarm_table\s*=\s*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Import:
    """What a table would do, and the file that would then stand beside ``site.toml``."""

    difference: Difference
    content: str
    before: str | None
    """The file as it stood when the difference was made; None where there was none."""


def export_csv(definitions: Sequence[AlarmDefinition], root: str) -> bytes:
    """Return alarms as CSV that spreadsheets open as UTF-8."""
    return ("\N{ZERO WIDTH NO-BREAK SPACE}" + write_table(rows_of(definitions, root))).encode()


def export_xlsx(definitions: Sequence[AlarmDefinition], root: str) -> bytes:
    """Return alarms as a workbook."""
    return write_xlsx("alarms", COLUMNS, rows_of(definitions, root), NUMBERS, CHOICES)


def rows_of(definitions: Sequence[AlarmDefinition], root: str) -> list[tuple[str, ...]]:
    """Return the rows of a table; alarms that no table gives have none."""
    return [cells_of(root, definition) for definition in definitions if definition.kind not in _NO_ROWS]


def plan_import(site_file: Path, content: bytes, *, complete: bool = False) -> Import:
    """Return what a CSV file or workbook would change; nothing is written.

    Alarms that the table does not name stay as they are, or with ``complete`` are taken away.
    Raises SettingsError that names, for each thing wrong, row, column and what is expected.
    """
    site = load_site(site_file)
    try:
        table = read_xlsx(content) if content.startswith(b"PK") else read_csv(content)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    rows, wrong = read_rows(table)
    if wrong:
        raise SettingsError([str(problem) for problem in wrong])
    path = site_file.parent / TABLE
    before = path.read_text("utf-8-sig") if path.exists() else None
    kept = {row.alarm: row for row in (load_table(path, []) if before is not None else [])}
    wanted = {**kept, **{row.alarm: row for row in rows}}
    if complete:
        below = len(site.path) + 1
        missing = [one for one in site.alarms if one.id[below:] not in {row.alarm for row in rows} and one.kind not in _NO_ROWS]
        wanted |= {one.id[below:]: _away(site, one) for one in missing}
    after, needed = _apply(site, wanted)
    return Import(difference(site.path, site.alarms, after), write_table([row.cells for row in needed]), before)


def _apply(site: Site, wanted: dict[str, TableRow]) -> tuple[tuple[AlarmDefinition, ...], list[TableRow]]:
    """Return the alarms with rows in place, and the rows that say something else than limits and rules do."""
    problems: list[str] = []
    sources = [SourceId(source.id) for source in site.sources]
    placed = [(f"row {row.row}", row.settings) for row in wanted.values()]
    after = with_table(site.path, sources, site.signals, site.alarms_by_rules, placed, problems)
    if problems:
        raise SettingsError([problem.replace(".", ", ", 1) if problem.startswith("row ") else problem for problem in problems])
    base = {one.id: one for one in site.alarms_by_rules}
    made = {one.id: one for one in after}
    needed = [row for name, row in wanted.items() if base.get(_id(site, name)) != made.get(_id(site, name))]
    return after, needed


def _id(site: Site, name: str) -> AlarmId:
    return AlarmId(f"{site.path}/{name}")


def _away(site: Site, definition: AlarmDefinition) -> TableRow:
    cells = list(cells_of(site.path, definition))
    cells[COLUMNS.index("enabled")] = "no"
    return read_rows([list(COLUMNS), cells])[0][0]


def apply_import(site_file: Path, planned: Import) -> None:
    """Write the table in one stroke, and name it in ``site.toml`` where that does not yet.

    Raises SettingsError where the table changed meanwhile.
    """
    path = site_file.parent / TABLE
    now = path.read_text("utf-8-sig") if path.exists() else None
    if now != planned.before:
        raise SettingsError(f"{path}: was changed meanwhile; look at the difference again")
    write_durable(path, planned.content, 0o644)
    text = site_file.read_text("utf-8")
    if not _NAMED.search(text):
        write_durable(site_file, f'alarm_table = "{TABLE}"\n\n{text}', site_file.stat().st_mode & 0o777)
    load_site(site_file)
