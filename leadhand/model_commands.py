"""The commands below ``leadhand vision models``: which models judge, and who answers for them."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.clock import SystemClock
from plant.inspections import Subject

if TYPE_CHECKING:
    from leadhand.home import Home
    from storage.database import Connection

models_app = typer.Typer(help="Which models judge pictures, and who answers for them: list, add, compare, approve.", no_args_is_help=True)

HomeOption = Annotated[Path | None, typer.Option("--home", metavar="DIR", help="Folder of settings, data, logs.", show_default=False)]
ModelArgument = Annotated[str, typer.Argument(metavar="SHA256", help="Its hash, or some first digits of it.")]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for it; else who is logged in.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


@models_app.command("list")
def show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the models with stage, approver and figures; those in charge first.

    Example: leadhand vision models list
    """
    from leadhand import model_register
    from storage.models import read_models

    with _opened(home) as (_, connection):
        found = read_models(connection)
    typer.echo(json.dumps([model_register.record(one) for one in found], indent=2) if as_json else "\n".join(model_register.lines(found)))


@models_app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="M.onnx", help="A model that 'leadhand vision train' made.")],
    subject: Annotated[Subject, typer.Option(help="What it looks at.")] = Subject.WELDS,
    by: ByOption = "",
    home: HomeOption = None,
) -> None:
    """Let a model judge in the shadow: its verdicts are kept beside those that decide, and decide nothing.

    Example: leadhand vision models add new.onnx --subject welds --by 'Li Wei'
    """
    from leadhand import model_register

    with _opened(home) as (used, connection):
        made = model_register.add(connection, used, file, subject, by or getpass.getuser(), SystemClock())
    typer.echo(f"{made.file.sha256[:12]} judges {subject.value} in the shadow; 'leadhand vision models compare {made.file.sha256[:12]}'")


@models_app.command()
def compare(model: ModelArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say how a model's verdicts in the shadow stand to those that decided, and both to what inspectors answered.

    Example: leadhand vision models compare 3a4f981c6a46
    """
    from leadhand import model_register
    from storage.models import compare_shadow

    with _opened(home) as (_, connection):
        found = compare_shadow(connection, model)
    typer.echo(json.dumps(model_register.compared_record(found), indent=2) if as_json else "\n".join(model_register.compared_lines(found)))


@models_app.command()
def approve(model: ModelArgument, by: ByOption = "", home: HomeOption = None) -> None:
    """Put a model in charge; the one that was is retired. It judges within seconds, without a restart.

    Example: leadhand vision models approve 3a4f981c6a46 --by 'Li Wei'
    """
    from storage.models import approve_model

    with _opened(home) as (_, connection):
        made = approve_model(connection, model, approver=by or getpass.getuser(), time_us=SystemClock().now_us())
    typer.echo(f"{made.file.sha256[:12]} is in charge of {made.file.subject.value}, approved by {made.approver}")


@models_app.command()
def retire(model: ModelArgument, by: ByOption = "", home: HomeOption = None) -> None:
    """Take a model out; where it was in charge, the one that came with Leadhand judges again.

    Example: leadhand vision models retire 3a4f981c6a46 --by 'Li Wei'
    """
    from storage.models import retire_model

    with _opened(home) as (_, connection):
        made = retire_model(connection, model, actor=by or getpass.getuser(), time_us=SystemClock().now_us())
    typer.echo(f"{made.file.sha256[:12]} is retired")


@contextmanager
def _opened(home: Path | None) -> Iterator[tuple[Home, Connection]]:
    from leadhand.databases import connected, open_database
    from leadhand.home import used_home
    from leadhand.settings import load_settings

    used = used_home(home)
    with open_database(used, load_settings(used.settings), SystemClock()) as url, connected(url) as connection:
        yield used, connection
