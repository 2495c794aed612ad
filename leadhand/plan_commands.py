"""``leadhand plan`` and ``leadhand verify``: a plan for the instance in a file, and whether a plan keeps every rule."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FormatName(StrEnum):
    """The formats, by name."""

    FJSP = "fjsp"
    SDST = "sdst"
    IPPS = "ipps"
    TRANSPORT = "transport"
    LEADHAND = "leadhand"


_FormatOption = Annotated[
    FormatName | None,
    typer.Option("--format", help="How the file says it; told by what it holds where not given.", show_default=False),
]
_JobsOption = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="The first N jobs of the file only.", show_default=False)
]
_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The instance: what is to be planned.")]


def plan(
    file: _FileArgument,
    form: _FormatOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.01, max=86_400 * 7, help="How long to search at most; less where a plan is proved best.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Where chance begins.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=256, help="How many search side by side.")] = 2,
    jobs: _JobsOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="PLAN", help="Write the plan to this file besides.", show_default=False)
    ] = None,
    begin_with: Annotated[
        Path | None, typer.Option("--begin-with", metavar="PLAN", help="A plan to begin from, as --output wrote it.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan for programs instead of text for people.")] = False,
) -> None:
    """Plan what a file asks for: which operation is done where and when. What is printed was checked by code of no solver.

    While it searches, the best so far is shown; Ctrl-C ends the search and gives the best plan so far.
    Exit code: 0 there is a plan (also after Ctrl-C), 1 there is none, 2 a file or argument is wrong.

    Examples: leadhand plan mk01.txt          leadhand plan shop.json --format transport --seconds 30 --json
    """
    from leadhand import planning_files
    from leadhand.console import Console
    from plant.clock import SystemClock

    wanted = planning_files.WantedPlan(
        file=file,
        form=None if form is None else form.value,
        seconds=seconds,
        seed=seed,
        workers=workers,
        jobs=jobs,
        output=output,
        begin_with=begin_with,
        as_json=as_json,
    )
    with Console() as console:
        raise typer.Exit(planning_files.plan_file(wanted, console, SystemClock()))


def verify(
    file: _FileArgument,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, as 'leadhand plan --output' writes it.")],
    form: _FormatOption = None,
    jobs: _JobsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Check whether a plan keeps every rule of an instance, and is worth what it says.

    Exit code: 0 it does, 1 it does not and each fault is told, 2 a file or argument is wrong.

    Example: leadhand verify mk01.txt plan.json
    """
    from leadhand import planning_files

    raise typer.Exit(planning_files.verify_file(file, plan, None if form is None else form.value, jobs, as_json=as_json))
