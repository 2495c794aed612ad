"""Tables that people bring, CSV or workbook: the head checked, each row with its number, so that what is wrong is told by line."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.spreadsheets import read_xlsx
from plant.alarm_table import read_csv
from plant.errors import SettingsError


def cells_of(content: bytes, place: str) -> list[list[str]]:
    """Return the cells of a CSV file or workbook, head first. Raises SettingsError, with ``place``, where it is neither."""
    try:
        return read_xlsx(content) if content.startswith(b"PK") else read_csv(content)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from error


def rows_of(content: bytes, place: str, columns: Sequence[str], needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return each row that is not empty as its number (the head is 1) and its cells by column.

    Raises SettingsError for columns that are unknown, twice there or missing.
    """
    table = cells_of(content, place)
    head = [name.strip().lower() for name in table[0]] if table else []
    while head and not head[-1]:
        head.pop()
    wrong = [f"there is no column '{name}'" for name in head if name not in columns]
    wrong += [f"column '{name}' is there twice" for name in dict.fromkeys(head) if head.count(name) > 1]
    wrong += [f"column '{name}' is missing" for name in needed if name not in head]
    if wrong:
        raise SettingsError([f"{place}: row 1: {one}; there are: {', '.join(columns)}" for one in wrong])
    return [
        (number, {name: cell.strip() for name, cell in zip(head, row, strict=False)})
        for number, row in enumerate(table[1:], 2)
        if any(cell.strip() for cell in row)
    ]
