"""How good a detector is on labelled pictures: one look at each, figures and decisions from what was found; and a sheet made from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from plant.inspections import Decision, frame_hash
from vision.deciding import choose_limits, choose_overlap, choose_thresholds, decide, fault_score
from vision.detections import Classes, Detections, Floats, thinned
from vision.evaluating import Compared, decision_figures, detector_figures, figures_record
from vision.familiarity import colour_statistics, learn_colours, learn_familiar
from vision.frames import Frame
from vision.labelled import Labelled, LabelledSet, folds, read_picture
from vision.model_sheets import DataSheet, ModelSheet
from vision.onnx_models import DetectionModel
from vision.welds import WeldInspector

_LEAST: Final = 0.001
"""From which confidence boxes are taken for average precision, as ultralytics takes them."""
_ULTRALYTICS_OVERLAP: Final = 0.7
_FAMILIAR_PARTS: Final = 5
_ROOM: Final = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a model found in one labelled picture."""

    found: Detections
    """In pixels of the picture."""
    true_xyxy: Floats
    true_class: Classes
    features: Floats | None

    @property
    def compared(self) -> Compared:
        """What was found beside what is there."""
        return Compared(self.found, self.true_xyxy, self.true_class)

    def thinned(self, most_overlap: float) -> Looked:
        """Return the same without boxes that a surer one overlaps more."""
        return replace(self, found=thinned(self.found, most_overlap))


@dataclass(frozen=True, slots=True)
class Fixed:
    """What pictures that were held out fix: how boxes thin each other out, which count, what becomes of a picture."""

    most_overlap: float
    thresholds: tuple[float, ...]
    ok_below: float
    nok_from: float


def look_at(model: DetectionModel, pictures: Sequence[Labelled], most_overlap: float = 1.0) -> list[Looked]:
    """Return what a model finds in pictures, down to a very low confidence; each box, where no overlap is told."""
    found = []
    for one in pictures:
        pixels = read_picture(one.path)
        boxes, features = model.look(pixels, _LEAST, most_overlap)
        found.append(Looked(boxes, one.truth.in_pixels(pixels), one.truth.class_id, features))
    return found


def evaluate_detector(model: DetectionModel, pictures: LabelledSet) -> dict[str, Any]:
    """Return the figures of a detector at the thresholds it holds; of whole pictures too where it has a sound class.

    Of welds the decisions are those of the very inspector that judges them, with its checks of the picture.
    """
    sheet = model.sheet
    thresholds = (0.25,) * len(model.classes) if sheet is None else sheet.thresholds
    looked = look_at(model, pictures.pictures, _ULTRALYTICS_OVERLAP if sheet is None else sheet.most_overlap)
    record = figures_record(detector_figures([one.compared for one in looked], model.classes, thresholds))
    record["model_sha256"] = model.sha256
    record["thresholds"] = dict(zip(model.classes, thresholds, strict=True))
    if sheet is None:
        return record
    sound = model.classes.index(sheet.sound) if sheet.sound else None
    faulty = [is_faulty(one.true_class, sound) for one in looked]
    if sheet.subject == "welds":
        decided = [_weld_decision(WeldInspector(model), one) for one in pictures.pictures]
    else:
        least = 0.0 if sound is None else thresholds[sound]
        decided = [decide(one.found, sound, least, sheet.ok_below, sheet.nok_from) for one in looked]
    record.update(decisions_record(decided, faulty))
    return record


def is_faulty(true_class: Classes, sound: int | None) -> bool:
    """Return whether a person saw a fault."""
    return bool(len(true_class)) if sound is None else bool((true_class != sound).any())


def decisions_record(decided: Sequence[Decision], faulty: Sequence[bool]) -> dict[str, Any]:
    """Return what became of whole pictures, as JSON values."""
    figures = decision_figures(decided, faulty)
    return {"missed": figures.missed.record(), "false_calls": figures.false_calls.record(), "review": figures.asked.record()}


def cross_fitted(looked: Sequence[Looked], parts: Sequence[list[int]], names: Sequence[str], sound: int | None) -> dict[str, Any]:
    """Return figures and decisions in which no picture is judged by thresholds that were fixed with its help.

    ``parts`` divides the pictures; those of each part are judged by thresholds fixed on all other parts.
    """
    decided: list[Decision | None] = [None] * len(looked)
    thin = list(looked)
    per_class = [[0, 0, 0] for _ in names]
    for part in parts:
        fixed = fixed_on([one for place, one in enumerate(looked) if place not in set(part)], len(names), sound)
        for place in part:
            thin[place] = looked[place].thinned(fixed.most_overlap)
            least = 0.0 if sound is None else fixed.thresholds[sound]
            decided[place] = decide(thin[place].found, sound, least, fixed.ok_below, fixed.nok_from)
        mine = [thin[place].compared for place in part]
        for number, one in enumerate(detector_figures(mine, names, fixed.thresholds).classes):
            for place, value in enumerate((one.recall.hits, one.precision.of, one.recall.of)):
                per_class[number][place] += value
    known = [one for one in decided if one is not None]
    if len(known) != len(looked):
        raise ValueError("the parts do not hold every picture")
    f1 = {name: 2 * hits / (called + true) for name, (hits, called, true) in zip(names, per_class, strict=True) if true}
    whole = figures_record(detector_figures([one.compared for one in thin], names, fixed_on(looked, len(names), sound).thresholds))
    whole["macro_f1"] = round(sum(f1.values()) / len(f1), 4) if f1 else None
    whole["f1"] = {name: round(value, 4) for name, value in f1.items()}
    return {**whole, **decisions_record(known, [is_faulty(one.true_class, sound) for one in looked])}


def fixed_on(looked: Sequence[Looked], classes: int, sound: int | None) -> Fixed:
    """Return what pictures fix; in ``looked`` no box gave way to another."""
    most_overlap = choose_overlap([one.compared for one in looked], classes)
    thresholds = choose_thresholds([one.thinned(most_overlap).compared for one in looked], classes)
    scores = [fault_score(one.found, sound) for one in looked]
    return Fixed(most_overlap, thresholds, *choose_limits(scores, [is_faulty(one.true_class, sound) for one in looked]))


def make_sheet(
    model: DetectionModel, held_out: LabelledSet, learned: LabelledSet, name: str, sound: str, seed: int, subject: str = "", note: str = ""
) -> ModelSheet:
    """Return the sheet of a detector: thresholds and figures from pictures it never saw, what is familiar from those it learned from."""
    looked = look_at(model, held_out.pictures)
    number = model.classes.index(sound) if sound else None
    figures = cross_fitted(looked, folds(held_out.pictures, 2), model.classes, number)
    fixed = fixed_on(looked, len(model.classes), number)
    return sheet_with(model, fixed, figures, learned, DataNames(name, sound, subject, note), seed)


@dataclass(frozen=True, slots=True)
class DataNames:
    """What a sheet says in words."""

    data: str
    sound: str
    subject: str = ""
    note: str = ""


def sheet_with(
    model: DetectionModel, fixed: Fixed, figures: dict[str, Any], learned: LabelledSet, names: DataNames, seed: int
) -> ModelSheet:
    """Return the sheet of a detector with what was fixed and found; what is familiar comes from the pictures it learned from."""
    features, colours = [], []
    for one in learned.pictures:
        pixels = read_picture(one.path)
        features.append(model.look(pixels)[1])
        colours.append(colour_statistics(pixels))
    known = np.stack([one for one in features if one is not None]) if features and features[0] is not None else None
    familiar = None
    if known is not None and len(known) > 2:
        familiar = learn_familiar(known, folds(learned.pictures, _FAMILIAR_PARTS))
        familiar = familiar.model_copy(update={"limit": familiar.limit * _ROOM})
    return ModelSheet(
        task="detect",
        subject=names.subject,
        classes=model.classes,
        sound=names.sound,
        thresholds=fixed.thresholds,
        ok_below=round(fixed.ok_below, 4),
        nok_from=round(fixed.nok_from, 4),
        most_overlap=fixed.most_overlap,
        familiar=familiar,
        colours=learn_colours(np.stack(colours)) if len(colours) > 2 else (),
        data=DataSheet(name=names.data, manifest_sha256=learned.manifest(), pictures=len(learned.pictures), split_by=learned.split_by),
        figures=figures,
        seed=seed,
        note=names.note,
    )


def _weld_decision(inspector: WeldInspector, one: Labelled) -> Decision:
    return inspector.inspect(frame_of(one)).decision


def frame_of(one: Labelled) -> Frame:
    """Return a labelled picture as a frame of no station."""
    return Frame(read_picture(one.path), frame_hash(one.path.read_bytes()), one.path.stem, "", "", 0)
