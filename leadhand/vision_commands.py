"""The commands below ``leadhand vision`` and ``leadhand inspect``: detectors trained and judged, and anyone's pictures looked at."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from leadhand.model_commands import models_app
from plant.inspections import Subject

vision_app = typer.Typer(help="Teach a station by labelled pictures, and say how good a model is: train, evaluate.", no_args_is_help=True)
inspect_app = typer.Typer(help="Look at pictures: 'leadhand inspect welds DIR'.", no_args_is_help=True)
vision_app.add_typer(models_app, name="models")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder with 'images' and 'labels' (YOLO), perhaps index.csv with clusters.")
]


class Task(StrEnum):
    """What a station is taught."""

    DETECT = "detect"
    PRESENCE = "presence"
    MARKS = "marks"


class Shipped(StrEnum):
    """The models that come with Leadhand, by what they look at."""

    WELDS = "welds"


@inspect_app.command()
def welds(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pictures.")],
    as_json: JsonOption = False,
) -> None:
    """Judge each picture of a weld in a folder: findings, decision, reasons. Without settings of a seam it is judged as level B.

    Example: leadhand inspect welds pictures/ --json
    """
    from leadhand import inspecting

    told = inspecting.inspect_welds(folder)
    typer.echo(inspecting.shown(told, as_json=as_json, lines=inspecting.inspection_lines(told)))


@inspect_app.command()
def bolts(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pictures: whole views, or crops of one bolt.")],
    diameter: Annotated[float | None, typer.Option(help="Pitch diameter of the circle, mm.", show_default=False)] = None,
    count: Annotated[int | None, typer.Option(help="Bolts on the whole circle.", show_default=False)] = None,
    focal: Annotated[float | None, typer.Option(help="Focal length in pixels; then bolts are located in mm.", show_default=False)] = None,
    middle: Annotated[int, typer.Option(help="Number of the bolt nearest to the picture's middle.")] = 1,
    flats: Annotated[float, typer.Option(help="Width across flats, mm.")] = 36.0,
    washer: Annotated[float, typer.Option(help="Diameter of the washer, mm; 0: there is none.")] = 44.0,
    limit: Annotated[float, typer.Option(help="A mark turned by more degrees is not OK.")] = 3.5,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="The camera looks into a mirror.")] = False,
    marks: Annotated[
        Path | None,
        typer.Option("--marks", metavar="M.onnx", help="A net of marks of your own ('train --task marks').", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the bolts in each picture of a folder: there, washer, mark, angle of the mark. NAME.json beside a picture may say more.

    Example: leadhand inspect bolts pictures/ --mirrored --json
    """
    from leadhand import inspecting
    from leadhand.inspecting_bolts import inspect_bolts
    from plant.settings_bolts import BoltCircleSettings

    settings = BoltCircleSettings(
        diameter_mm=diameter,
        count=count,
        focal_px=focal,
        middle_bolt=middle,
        across_flats_mm=flats,
        washer_mm=washer,
        loosened_deg=limit,
        mirrored=mirrored,
    )
    told = inspect_bolts(folder, settings, marks)
    typer.echo(inspecting.shown(told, as_json=as_json, lines=inspecting.inspection_lines(told)))


@vision_app.command()
def evaluate(
    data: DataOption,
    shipped: Annotated[Shipped | None, typer.Argument(help="A model that comes with Leadhand.", show_default=False)] = None,
    model: Annotated[Path | None, typer.Option("--model", metavar="M.onnx", help="Else a model file.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how good a model is on labelled pictures that it never saw: precision, recall, missed and false calls, with their bounds.

    Examples: leadhand vision evaluate welds --data DIR --json          leadhand vision evaluate --model M.onnx --data DIR
    """
    from leadhand import inspecting

    told = inspecting.evaluate(shipped is not None, model, data)
    typer.echo(inspecting.shown(told, as_json=as_json, lines=inspecting.figure_lines(told)))


@vision_app.command()
def train(
    task: Annotated[
        Task,
        typer.Option(
            help="detect finds things anywhere (extra 'train'); presence: what is in fixed places; marks: witness marks ('train')."
        ),
    ],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="M.onnx", help="Where the model goes.")],
    classes: Annotated[str, typer.Option(help="Names of the classes, with commas; else from classes.txt.", show_default=False)] = "",
    sound: Annotated[str, typer.Option(help="detect: the class that is no fault.", show_default=False)] = "",
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="detect, marks: how often each picture is seen.")] = 40,
    size: Annotated[int, typer.Option(min=64, max=1280, help="detect: pixels a side.")] = 320,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 1,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to begin with: detect .pt, marks .onnx.", show_default=False)
    ] = None,
    trust: Annotated[str, typer.Option(metavar="SHA256", help="detect: hash of a start that you trust.", show_default=False)] = "",
    work: Annotated[Path | None, typer.Option(metavar="DIR", help="detect: keeps what lies between.", show_default=False)] = None,
    precise: Annotated[bool, typer.Option("--precise", help="detect: not in 8 bits; twice the time, hardly better.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a station by labelled pictures; the model says inside how good it was on pictures held out.

    Example: leadhand vision train --task presence --data station/ --out slots.onnx
    """
    from leadhand import inspecting, teaching

    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    if task is Task.PRESENCE:
        told = teaching.presence(data, out, names, seed)
    elif task is Task.MARKS:
        told = teaching.marks(data, out, epochs, seed, start)
    else:
        told = teaching.detector(data, out, teaching.DetectorWish(names, sound, epochs, size, seed, start, trust, work, precise))
    typer.echo(inspecting.shown(told, as_json=as_json, lines=inspecting.figure_lines(told)))


@vision_app.command("import-labels")
def import_labels(
    source: Annotated[Path, typer.Argument(metavar="LABELS", help="Folder of Pascal VOC files (.xml), or a COCO file (.json).")],
    pictures: Annotated[Path, typer.Option("--pictures", metavar="DIR", help="Folder of the pictures.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where images, labels and classes.txt go; empty or not there.")],
    classes: Annotated[str, typer.Option(help="Names of the classes in order, with commas; else all found.", show_default=False)] = "",
) -> None:
    """Take labels over from VOC or COCO; stops, with the names, where a picture or box would be left out.

    Example: leadhand vision import-labels annotations/ --pictures photos/ --out station/
    """
    from vision.importing import import_labels as take

    report = take(source, pictures, out, tuple(name.strip() for name in classes.split(",") if name.strip()))
    typer.echo(
        f"{report.pictures} pictures, {report.boxes} boxes of {len(report.classes)} classes in {out}; "
        f"{report.turned} boxes had exchanged corners, {report.cut} reached beyond their picture"
    )


@vision_app.command()
def export(
    weights: Annotated[Path, typer.Argument(metavar="FILE.pt", help="Weights of a detector of ultralytics.")],
    out: Annotated[Path, typer.Option("--out", metavar="M.onnx", help="Where the model goes.")],
    size: Annotated[int, typer.Option(min=64, max=1280, help="Pixels a side.")] = 320,
    trust: Annotated[str, typer.Option(metavar="SHA256", help="Hash of weights that you trust.", show_default=False)] = "",
) -> None:
    """Write weights as ONNX; needs the extra 'train'. A .pt file can run code: it is read only when its hash is known or trusted.

    Example: leadhand vision export best.pt --trust SHA256 --out best.onnx
    """
    from vision.training import export_onnx

    export_onnx(weights, out, size, trust)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, without thresholds; 'leadhand vision train' makes models that hold theirs")


@vision_app.command("export-labels")
def export_labels(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where images, labels and classes.txt go.")],
    subject: Annotated[Subject, typer.Option(help="What the pictures were looked at for.")] = Subject.WELDS,
    home: Annotated[Path | None, typer.Option("--home", metavar="DIR", help="Folder of settings, data, logs.", show_default=False)] = None,
) -> None:
    """Write the pictures that inspectors answered, with their boxes, in YOLO's layout: what 'leadhand vision train' learns from.

    Example: leadhand vision export-labels labels/
    """
    from leadhand.home import used_home
    from leadhand.labelling import export_of

    count, classes = export_of(used_home(home), out, subject)
    typer.echo(f"{count} pictures of {len(classes)} classes in {out}")
