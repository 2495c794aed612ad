"""The one command of Leadhand: ``leadhand --help`` explains it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from plant.errors import Rejected, SettingsError, Unavailable

OK, FAILED, WRONG_SETTINGS = 0, 1, 2

_HELP = """Leadhand sees every machine of a factory each 30 ms, remembers it, and shows it.

[bold]First steps[/bold]

  leadhand demo                       a whole simulated factory on this machine, nothing else needed

  leadhand check site.toml            is my description of the factory right?

  leadhand up site.toml               the real thing

  leadhand status                     is all well?

Exit codes: 0 all is well, 1 it failed, 2 settings or arguments are wrong."""

app = typer.Typer(
    name="leadhand", help=_HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False
)
export_app = typer.Typer(help="Take data out: 'leadhand export samples --help'.", no_args_is_help=True)
people_app = typer.Typer(help="Local accounts: add people, set passwords, list them.", no_args_is_help=True)
app.add_typer(export_app, name="export")
app.add_typer(people_app, name="people")

HomeOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--home", metavar="DIR", help="Folder of settings, data and logs. Else $XDG_DATA_HOME/leadhand.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


@app.command()
def check(site: Annotated[Path, typer.Argument(metavar="SITE", help="The site.toml to read, with all it includes.")]) -> None:
    """Read the description of a factory and tell all that is wrong with it. Connects to nothing.

    Example: leadhand check site.toml
    """
    from leadhand.checking import summary
    from plant.site import load_site

    typer.echo(summary(load_site(site), site))


@app.command()
def schema(
    settings: Annotated[bool, typer.Option("--settings", help="The schema of settings.toml instead of site.toml.")] = False,
) -> None:
    """Print the JSON schema of site.toml, for editors that check while you type.

    Example: leadhand schema > site.schema.json
    """
    from leadhand.settings import settings_schema
    from plant.site import site_schema

    typer.echo(json.dumps(settings_schema() if settings else site_schema(), indent=2))


def main() -> None:
    """Run the command line; each error becomes a sentence and an exit code."""
    try:
        app(prog_name="leadhand")
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        sys.exit(WRONG_SETTINGS)
    except (Unavailable, Rejected) as error:
        typer.echo(str(error), err=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
