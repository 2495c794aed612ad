"""``leadhand sequence``: the order in which a mix of models goes onto the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sequence(
    file: Annotated[Path, typer.Argument(metavar="MIX.json", help="Models, how many, options with ratios, stations, takt.")],
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="At most so long.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same file and seed give the same order.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Put a mix of models in order for a line: spread evenly, ratios of options kept, no station overrun, few setups.

    Exit code 1 where a ratio or a machine's window could not be kept; the order then has the fewest breaks that were found.

    Example: leadhand sequence mix.json --json
    """
    from leadhand.sequencing import sequence_file

    raise typer.Exit(sequence_file(file, seconds, seed, as_json=as_json))
