"""``leadhand nest``: parts from a file laid on a strip or on sheets from stock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def nest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parts and sheets, or a strip of sparrow's; docs/nesting.md.")],
    seconds: Annotated[float, typer.Option(min=0.01, max=86_400 * 7, help="How long to search at most.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Where chance begins.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=256, help="How many search side by side.")] = 2,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="NEST", help="Write the nest to this file besides, as JSON.", show_default=False)
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="DIR", help="Draw each layout into this folder.", show_default=False)] = None,
    dxf: Annotated[
        Path | None, typer.Option("--dxf", metavar="DIR", help="Write each layout for the machine into this folder.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the nest for programs instead of text for people.")] = False,
) -> None:
    """Lay parts on plates so that little is lost. What is printed was checked by code that shares no geometry with the search.

    A part that cannot be read or cut is told and left aside; the rest is laid. Ctrl-C ends the search and gives the best so far.
    Exit code: 0 parts are laid (also after Ctrl-C), 1 none could be, 2 a file or argument is wrong.

    Examples: leadhand nest week.json --svg drawings          leadhand nest swim.json --seconds 60 --json
    """
    from leadhand import nesting_files
    from leadhand.console import Console
    from plant.clock import SystemClock

    wanted = nesting_files.WantedNest(file, seconds, seed, workers, output, svg, dxf, as_json)
    with Console() as console:
        raise typer.Exit(nesting_files.nest_file(wanted, console, SystemClock()))
