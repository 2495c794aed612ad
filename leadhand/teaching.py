"""A station taught by labelled pictures, for the command line."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plant.errors import SettingsError
from vision.assessing import make_sheet
from vision.labelled import LabelledSet, folds, read_labelled, some_pictures
from vision.mark_evaluating import FLAGS, gathered, mark_figures
from vision.mark_labels import read_marked, shipped_poses
from vision.mark_net import MODEL_FILE, MarkNet, shipped_marks
from vision.model_sheets import DataSheet, ModelSheet, with_sheet
from vision.onnx_models import load_maps, load_model
from vision.presence import train_presence
from vision.training import TrainPlan, export_onnx, installed_start, train_detector

_PARTS = 5
_FEWEST_BOLTS = 20
_NAMED = 10


@dataclass(frozen=True, slots=True)
class DetectorWish:
    """How a detector is to be trained."""

    classes: tuple[str, ...]
    sound: str
    epochs: int
    size_px: int
    seed: int
    start: Path | None
    trusted_sha256: str
    work: Path | None
    precise: bool = False


def presence(data: Path, out: Path, classes: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Write a model that tells what is in fixed places, and return how good it was on pictures held out."""
    return _told(out, train_presence(read_labelled(data, classes), out, data.name, seed))


def detector(data: Path, out: Path, wish: DetectorWish) -> dict[str, Any]:
    """Write a detector that never saw a fifth of the pictures, and return how good it was on that fifth."""
    pictures = read_labelled(data, wish.classes)
    if wish.sound and wish.sound not in pictures.classes:
        raise SettingsError(f"--sound: '{wish.sound}' is none of the classes {', '.join(pictures.classes)}")
    parts = folds(pictures.pictures, _PARTS)
    held, learned = _chosen(pictures, parts[0]), _chosen(pictures, [place for part in parts[1:] for place in part])
    if not held.pictures or not learned.pictures:
        raise SettingsError(f"{data}: too few groups of pictures to hold a fifth out")
    start = wish.start or installed_start()
    with ExitStack() as open_things:
        work = wish.work or Path(open_things.enter_context(tempfile.TemporaryDirectory()))
        paths = tuple(one.path.resolve() for one in learned.pictures)
        plan = TrainPlan(
            paths, pictures.classes, wish.size_px, wish.epochs, seed=wish.seed, start=start, trusted_sha256=wish.trusted_sha256
        )
        weights = train_detector(plan, work)
        bare = work / "bare.onnx"
        ranges = None if wish.precise else some_pictures(learned.pictures)
        export_onnx(weights, bare, wish.size_px, hashlib.sha256(weights.read_bytes()).hexdigest(), ranges)
        note = "" if start else "began with random weights: it needs many more epochs than one that begins with COCO's"
        sheet = make_sheet(load_model(bare), held, learned, data.name, wish.sound, wish.seed, note=note)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(with_sheet(bare.read_bytes(), sheet))
    return _told(out, sheet)


def marks(data: Path, out: Path, epochs: int, seed: int, start: Path | None) -> dict[str, Any]:
    """Write a net of marks that never saw a fifth of the pictures, and return how good it is on that fifth beside the shipped one.

    It begins with the shipped net, or with ``start``. Raises Rejected for labels that cannot be used, SettingsError for too few of them.
    """
    from vision.mark_training import BATCH, MarkPlan, train_marks

    marked = read_marked(data)
    parts = folds(marked.pictures.pictures, _PARTS)
    nets = shipped_poses()
    held, passed = gathered(marked, parts[0], nets)
    learned, more = gathered(marked, sorted(place for part in parts[1:] for place in part), nets)
    if not held or len(learned) < _FEWEST_BOLTS:
        raise SettingsError(
            f"{data}: {len(learned)} bolts to learn from and {len(held)} to judge by; {_FEWEST_BOLTS} and 1 are needed, of several groups. "
            f"The pose of {len(passed) + len(more)} bolts cannot be told: {', '.join([*passed, *more][:_NAMED])}"
        )
    plan = MarkPlan(max(1, epochs * len(learned) // BATCH), seed=seed, start=start or MODEL_FILE)
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.onnx"
        train_marks(learned, plan, bare)
        figures = mark_figures(MarkNet(load_maps(bare)), held)
        figures["shipped"] = mark_figures(shipped_marks(), held)
        figures["passed_over"] = {"bolts": len(passed) + len(more), "some": [*passed, *more][:_NAMED]}
        pictures = marked.pictures
        sheet = ModelSheet(
            task="marks",
            subject="bolts",
            classes=FLAGS,
            thresholds=(0.5,) * len(FLAGS),
            data=DataSheet(
                name=data.name, manifest_sha256=pictures.manifest(), pictures=len(pictures.pictures), split_by=pictures.split_by
            ),
            figures=figures,
            seed=seed,
            note="figures: of a fifth of the pictures that it never saw, against labels, which have an error of their own",
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(with_sheet(bare.read_bytes(), sheet))
    return _told(out, sheet)


def _chosen(pictures: LabelledSet, places: list[int]) -> LabelledSet:
    return LabelledSet(tuple(pictures.pictures[place] for place in sorted(places)), pictures.classes, pictures.split_by)


def _told(out: Path, sheet: ModelSheet) -> dict[str, Any]:
    return {
        "model": str(out),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "task": sheet.task,
        "learned_from": sheet.data.pictures,
        "split_by": sheet.data.split_by,
        "note": sheet.note,
        **sheet.figures,
    }
