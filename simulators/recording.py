"""A recording: a CSV file as columns, each number exactly as it is written there."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plant.errors import SettingsError

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """The rows of a file: number columns as doubles, text columns as they are."""

    names: tuple[str, ...]
    """Column names made fit to be signal names."""
    columns: tuple[str, ...]
    """Column names as the file has them."""
    is_text: tuple[bool, ...]
    number: npt.NDArray[np.float64]
    """Shape (rows, columns); NaN in text columns and where a cell is empty."""
    empty: npt.NDArray[np.bool_]
    """Shape (rows, columns): cells without anything in them, in number columns."""
    text: tuple[tuple[str, ...], ...]
    """For each row the texts of the text columns."""
    skipped: tuple[str, ...]
    """What was left out, in words for people."""

    def __len__(self) -> int:
        return len(self.text)

    @property
    def is_finite(self) -> bool:
        """Whether no number is infinite or not a number (JSON cannot carry those)."""
        told = np.isfinite(self.number) | self.empty
        return bool(told[:, ~np.array(self.is_text)].all())


def read_recording(path: Path) -> Recording:
    """Return the recording in a CSV file with a header. Raises SettingsError that says what is wrong with the file.

    A first column without a name that counts the rows is left out. A column is text when one of its cells is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: cannot be read as CSV: {error}") from error
    if len(lines) < 2:
        raise SettingsError(f"{path}: holds no rows; expected a header and at least one row below it")
    header, rows = lines[0], lines[1:]
    wrong = [number for number, row in enumerate(rows, 2) if len(row) != len(header)]
    if wrong:
        raise SettingsError(f"{path}: line {wrong[0]} has {len(rows[wrong[0] - 2])} cells, the header has {len(header)}")
    skipped = []
    if not header[0].strip() and all(row[0] == str(n) for n, row in enumerate(rows, int(rows[0][0]) if rows[0][0].isdigit() else 0)):
        skipped.append("the first column has no name and counts the rows")
        header, rows = header[1:], [row[1:] for row in rows]
    columns = list(zip(*rows, strict=True))
    parsed = [_numbers(cells) for cells in columns]
    is_text = tuple(numbers is None for numbers in parsed)
    nothing = np.full(len(rows), math.nan)
    return Recording(
        _signal_names(path, header),
        tuple(header),
        is_text,
        np.column_stack([nothing if numbers is None else numbers for numbers in parsed]),
        np.array([[not text and cell == "" for cell, text in zip(row, is_text, strict=True)] for row in rows], np.bool_),
        tuple(tuple(cell for cell, text in zip(row, is_text, strict=True) if text) for row in rows),
        tuple(skipped),
    )


def _numbers(cells: tuple[str, ...]) -> npt.NDArray[np.float64] | None:
    if any("_" in cell for cell in cells):
        return None  # Python reads 1_0 as ten; a file does not mean that
    try:
        numbers = np.array([float(cell) if cell else math.nan for cell in cells])
    except ValueError:
        return None
    return numbers if any(cells) else None


def _signal_names(path: Path, header: list[str]) -> tuple[str, ...]:
    names = [_ILLEGAL.sub("-", column.strip()).strip("-_") for column in header]
    for position, name in enumerate(names, 1):
        if not name:
            raise SettingsError(f"{path}: column {position} ('{header[position - 1]}') has no name that a signal could have")
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        raise SettingsError(f"{path}: more than one column gives the signal name '{min(doubles)}': rename one")
    return tuple(names)
