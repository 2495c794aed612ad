"""The commands below ``leadhand condition``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

condition_app = typer.Typer(help="Worn or not, learned from recordings of machining: train, evaluate, judge.", no_args_is_help=True)
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of recordings (.csv) with a column tool_condition.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


@condition_app.command()
def evaluate(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Judge each recording by a model that never saw it, and say what so many recordings can prove.

    Example: leadhand condition evaluate recordings/
    """
    from leadhand import conditioning

    told = conditioning.evaluate(folder)
    typer.echo(conditioning.shown(told, as_json=as_json, lines=conditioning.evaluation_lines(told)))


@condition_app.command()
def train(
    folder: FolderArgument,
    model: Annotated[Path, typer.Option("--model", metavar="FILE", help="Where the model goes; its card goes beside it as .json.")],
    as_json: JsonOption = False,
) -> None:
    """Learn from all recordings in a folder and write a model with its card.

    Example: leadhand condition train recordings/ --model wear.model
    """
    from leadhand import conditioning

    card = conditioning.train(folder, model)
    words = f"{model} learned from {len(card['recordings'])} recordings; {model.with_suffix('.json').name} says how good it is"
    typer.echo(conditioning.shown(card, as_json=as_json, lines=[words]))


@condition_app.command()
def judge(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="One recording, .csv.")],
    model: Annotated[Path, typer.Option("--model", metavar="FILE", help="A model of 'leadhand condition train'; open only your own.")],
    as_json: JsonOption = False,
) -> None:
    """Say how worn the tool of a recording looks, from 0 to 1; 0.5 is undecided.

    Example: leadhand condition judge today.csv --model wear.model
    """
    from leadhand import conditioning

    told = conditioning.judge(model, recording)
    words = f"{told['recording']}: {told['score']:.2f} from {told['pieces']} pieces (0 not worn, 1 worn)"
    typer.echo(conditioning.shown(told, as_json=as_json, lines=[words]))
