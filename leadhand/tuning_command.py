"""``leadhand tune``: what to try next near the accepted recipe, from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tune(
    history: Annotated[Path, typer.Option("--history", metavar="H", help="Trials: CSV, XLSX or Parquet.")],
    windows: Annotated[Path, typer.Option("--windows", metavar="W.toml", help="Process windows.")],
    out: Annotated[Path, typer.Option("--out", metavar="R.json", help="Where the proposals are written.")],
    cell: Annotated[
        str | None, typer.Option("--cell", metavar="ID", help="Only this work unit, or 'work unit/program'.", show_default=False)
    ] = None,
    budget: Annotated[int, typer.Option(min=1, max=1000, help="Trials of a program after which nothing more is proposed.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The same trials, windows and seed give the same proposals.")] = 0,
) -> None:
    """Propose the next trial of each program: inside its window, safe beyond doubt, better or telling more; or say why none.

    Example: leadhand tune --history trials.csv --windows windows.toml --out proposals.json
    """
    from leadhand import tuning

    tuning.tune_files(history, windows, out, cell=cell, budget=budget, seed=seed)
