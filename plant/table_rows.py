"""What is wrong with a row of a table that somebody gave us: told by row, column and what to do, all rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One wrong cell, or one wrong row where ``column`` is empty."""

    row: int
    """Counted as a spreadsheet does: the header is row 1, the first data row is row 2."""
    column: str
    reason: str

    def words(self, place: str) -> str:
        """Return a sentence that names file, row and column."""
        column = f", column '{self.column}'" if self.column else ""
        return f"{place}: row {self.row}{column}: {self.reason}"


def row_words(place: str, problems: Iterable[RowProblem], *, most: int = _SHOWN) -> list[str]:
    """Return a sentence for each problem by row, and one for all that are more than ``most``."""
    ordered = sorted(problems, key=lambda problem: (problem.row, problem.column))
    told = [problem.words(place) for problem in ordered[:most]]
    if len(ordered) > most:
        told.append(f"{place}: {len(ordered) - most:,} further problems in {len({p.row for p in ordered[most:]}):,} rows")
    return told
