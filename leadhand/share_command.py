"""``leadhand share``: who gets which hours of the centres that several factories share, and why."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class RuleName(StrEnum):
    """The rules, by name."""

    MAX_MIN = "max_min"
    PROPORTIONAL = "proportional"


class KeepsName(StrEnum):
    """What can be kept of what each has alone, by name."""

    IN_TIME = "in_time"
    PACE = "pace"


def share(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Centres, factories, orders; docs/sharing.md.")],
    rule: Annotated[
        RuleName | None, typer.Option(help="How hours are divided; as the file says where not given.", show_default=False)
    ] = None,
    keeps: Annotated[
        KeepsName | None, typer.Option(help="What each keeps of what it has alone; as the file says where not given.", show_default=False)
    ] = None,
    why: Annotated[str | None, typer.Option(metavar="ORDER", help="Tell why this order gets what it gets.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="SHARES", help="Write the shares to this file besides, as JSON.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the shares for programs instead of text for people.")] = False,
) -> None:
    """Share the hours of centres fairly among factories. What is printed was checked by code that shares nothing with what made it.

    No order ends after it is due, or it ends no later than with its factory's reserved hours alone.
    Exit code: 0 hours are shared, 2 a file or argument is wrong.

    Examples: leadhand share week.json --rule proportional --json          leadhand share week.json --why P-00017
    """
    from leadhand import sharing_files

    wanted = sharing_files.WantedShares(
        file, None if rule is None else rule.value, None if keeps is None else keeps.value, why, output, as_json
    )
    raise typer.Exit(sharing_files.share_file(wanted))
