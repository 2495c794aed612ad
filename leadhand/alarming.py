"""``leadhand alarms``: the alarms of a site as a table, out and in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plant.errors import SettingsError

alarms_app = typer.Typer(
    help="Alarms of a site: list them, edit them in a spreadsheet: 'leadhand alarms export --help'.", no_args_is_help=True
)
SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="The site.toml to read, with all it includes.")]


@alarms_app.command("list")
def show(site: SiteArgument) -> None:
    """List the alarms that a site has, with limits and priorities.

    Example: leadhand alarms list site.toml
    """
    from plant.alarm_table import COLUMNS, cells_of
    from plant.site import load_site

    loaded = load_site(site)
    wanted = [COLUMNS.index(name) for name in ("alarm", "kind", "priority", "limit", "message")]
    for definition in loaded.alarms:
        cells = cells_of(loaded.path, definition)
        typer.echo("\t".join(" ".join(cells[n].split()) for n in wanted))


@alarms_app.command("export")
def write(
    site: SiteArgument, file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write: .csv or .xlsx, or - for CSV to stdout.")]
) -> None:
    """Write all alarms of a site to a table that spreadsheets open.

    Example: leadhand alarms export site.toml alarms.xlsx
    """
    from dashboard.alarm_files import export_csv, export_xlsx, rows_of
    from plant.site import load_site

    loaded = load_site(site)
    content = (export_xlsx if file.suffix == ".xlsx" else export_csv)(loaded.alarms, loaded.path)
    if str(file) == "-":
        typer.echo(content.decode("utf-8-sig"), nl=False)
    else:
        file.write_bytes(content)
        typer.echo(f"{len(rows_of(loaded.alarms, loaded.path))} alarms written to {file}")


@alarms_app.command("import")
def read(
    site: SiteArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table: .csv or .xlsx.")],
    apply: Annotated[bool, typer.Option("--apply", help="Change the site; else only what would change is said.")] = False,
    complete: Annotated[bool, typer.Option("--complete", help="Alarms that the table does not name are taken away.")] = False,
) -> None:
    """Say what a table would change, and with --apply change it, in one stroke: in alarms.csv beside site.toml.

    Example: leadhand alarms import site.toml alarms.xlsx --apply
    """
    from dashboard.alarm_files import apply_import, plan_import

    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror or error}") from error
    planned = plan_import(site, content, complete=complete)
    found = planned.difference
    for sign, names in (("+", found.added), ("-", found.removed)):
        for name in names:
            typer.echo(f"{sign} {name}")
    for change in found.changed:
        words = ", ".join(f"{column} {old or 'empty'} -> {new or 'empty'}" for column, old, new in change.cells)
        typer.echo(f"~ {change.alarm}: {words}")
    typer.echo(f"{len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} removed")
    if found and apply:
        apply_import(site, planned)
        typer.echo("applied; the monitor takes it up within seconds")
    elif found:
        typer.echo("nothing is changed yet: say --apply")
