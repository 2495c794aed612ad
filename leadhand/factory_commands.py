"""``leadhand simulate factory`` and ``leadhand evaluate``: a factory whose truth is known, and how good recommendations are by it."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from leadhand.child import import_path

simulate_app = typer.Typer(help="Write what a simulated factory would have: 'leadhand simulate factory'.", no_args_is_help=True)


class TruthName(StrEnum):
    """Which hidden truth."""

    PLAIN = "plain"
    HARSH = "harsh"


@simulate_app.callback()
def _simulate() -> None:
    """Write what a simulated factory would have."""


@simulate_app.command("factory")
def factory(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same factory.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; empty or not there.")],
    truth: Annotated[
        TruthName, typer.Option(help="harsh: with influences and outliers that no model of single operations holds.")
    ] = TruthName.PLAIN,
    rows: Annotated[int, typer.Option(min=1000, max=50_000_000, help="About so many operations in the history.")] = 190_000,
) -> None:
    """Write a route set of a simulated factory: network.json, products.csv, history.parquet, and its hidden truth in DIR/truth.

    100 models were made by 6,000 routes that biased planners chose; 60 products were never made, 4 lie far outside.

    Example: leadhand simulate factory --seed 1001 --out works/
    """
    arguments = ["--seed", str(seed), "--out", str(out), "--truth", truth.value, "--rows", str(rows)]
    raise typer.Exit(_run("simulators.factory", arguments))


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What 'leadhand simulate factory' wrote.")],
    answers: Annotated[Path, typer.Argument(metavar="R.json", help="What 'leadhand recommend' wrote, or another maker's.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Say how good recommendations are by the hidden truth: regret, coverage of intervals, gains, rules. Exit code 1 when a must is missed.

    Example: leadhand evaluate works/ R.json
    """
    raise typer.Exit(_run("simulators.factory_score", [str(folder), str(answers), *(["--json"] if as_json else [])]))


def _run(module: str, arguments: list[str]) -> int:
    """Run a module of the simulators, which nothing of ours imports, and return its exit code."""
    environment = {**os.environ, **import_path(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = subprocess.Popen([sys.executable, "-P", "-m", module, *arguments], env=environment)
    while True:
        try:
            return running.wait()
        except KeyboardInterrupt:
            continue  # the terminal told it too
