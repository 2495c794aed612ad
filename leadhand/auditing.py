"""``leadhand audit``: whether the audit trail is as it was written, and anchors to hold it against."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadhand.home import used_home
from plant.clock import SystemClock
from plant.errors import Rejected

if TYPE_CHECKING:
    from storage.database import Connection

CHANGED = 1
audit_app = typer.Typer(help="The audit trail: check it, anchor it.", no_args_is_help=True)
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Folder of settings, data, logs. Else $XDG_DATA_HOME/leadhand.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


@audit_app.command("verify")
def verify(
    home: HomeOption = None,
    anchors: Annotated[Path | None, typer.Option(metavar="FILE", help="Anchors to hold it against; else those of the home.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at every entry of the audit trail; exit 1 where one was changed or taken away.

    Example: leadhand audit verify
    """
    from leadhand.databases import opened

    place = used_home(home)
    with opened(place) as connection:
        code, told = checked(connection, place.anchors if anchors is None else anchors)
    typer.echo(json.dumps(told) if as_json else told["words"])
    raise typer.Exit(code)


@audit_app.command("anchor")
def anchor(
    home: HomeOption = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Add it to this file; else to that of the home.")] = None,
) -> None:
    """Write down how the audit trail stands now. Keep a copy where nobody who may write to the database may write.

    Example: leadhand audit anchor --to /mnt/worm/leadhand.jsonl
    """
    from leadhand.databases import opened
    from storage.audit import audit_anchor
    from storage.audit_anchors import add_anchor

    place = used_home(home)
    with opened(place) as connection:
        made = audit_anchor(connection, SystemClock().now_us())
        if made is None:
            raise Rejected("the audit trail has no entry yet")
        path = place.anchors if to is None else to
        add_anchor(path, made)
    typer.echo(f"entry {made.id:,}: {made.hash}, added to {path}")


def checked(connection: Connection, path: Path) -> tuple[int, dict[str, object]]:
    """Return exit code and what was found, for programs, with a sentence for people as ``words``."""
    from storage.audit import audit_state
    from storage.audit_anchors import read_anchors

    anchors = read_anchors(path)
    found = audit_state(connection, anchors)
    if found.broken_at is not None:
        words = f"the audit trail was CHANGED: entry {found.broken_at:,} is not what was written, or follows one that was taken away"
    elif found.other is not None:
        words = f"the audit trail was REWRITTEN: entry {found.other.id:,} is not what it was when it was anchored in {path}"
    else:
        words = f"the audit trail holds: {found.entries:,} entries, {len(anchors):,} anchors, newest hash {found.head or '-'}"
    told = {"holds": found.holds, "anchors": len(anchors), "words": words} | asdict(found)
    return (0 if found.holds else CHANGED), told
