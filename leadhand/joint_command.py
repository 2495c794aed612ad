"""``leadhand joint``: what torque and angle say of tightenings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plant.joints import Risk


def joint(
    curves: Annotated[list[Path], typer.Argument(metavar="CURVE.json...", help="Files of a tightening controller.")],
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE", help="Good runs of the same program, or what --learn wrote; else what is shipped.", show_default=False
        ),
    ] = None,
    risk: Annotated[Risk, typer.Option(help="Risk category of VDI/VDE 2862: what must be monitored.")] = Risk.A,
    learn: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Take all these as good runs, and write their reference.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Judge tightenings by torque and angle: ok, nok, review or not_decidable, with the reasons.

    Exit codes: 0 all are ok, 1 one is not, 2 a file cannot be read.

    Example: leadhand joint curve.json --reference good-runs/
    """
    from leadhand import jointing

    if learn is not None:
        raise typer.Exit(jointing.learn_files(curves, learn))
    raise typer.Exit(jointing.judge_files(curves, reference, risk, as_json=as_json))
