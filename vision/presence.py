"""Is each thing in its place? Taught from some hundred pictures of a station, in a minute, without torch.

Boxes that stand in the same place in most pictures are slots. Channels of the first layers of a detector that has seen many things are
taken over each slot, their largest and their mean, so that it does not matter where in its slot a thing lies; a straight line between the
two classes is fitted in them. It is fitted again with each fifth left out: what comes out there fixes from where on a person is asked, and
is what is told of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from plant.errors import Rejected
from plant.inspections import Decision
from vision.detections import Floats, overlap
from vision.evaluating import Share
from vision.familiarity import distance, learn_familiar
from vision.frames import Pixels
from vision.labelled import Labelled, LabelledSet, folds, read_picture
from vision.model_sheets import DataSheet, Head, ModelSheet, with_sheet
from vision.onnx_models import ChannelModel, load_channels

BACKBONE: Final = Path(__file__).parent / "models" / "backbone.onnx"
_SAME_PLACE: Final = 0.5
_PARTS: Final = 5
_LEAST_PICTURES: Final = 10
_LIGHTS: Final = 3
"""Each picture is learned as it is, and twice in another light."""
_ROOM: Final = 1.3
"""A picture may be so much farther from the familiar ones than those held out were."""


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """What is in one slot of a picture."""

    box: tuple[float, float, float, float]
    """As shares of the picture."""
    class_id: int
    score: float
    """Below 0 the first class, above 0 the second; the farther the surer."""
    asked: bool
    """Whether a person is asked."""


class PresenceModel:
    """Tells of each slot of a picture which of two things it shows."""

    def __init__(self, model: ChannelModel) -> None:
        if model.sheet is None or model.sheet.head is None:
            raise Rejected("this model was not taught: it holds no sheet of a station")
        self._model = model
        self.sheet: ModelSheet = model.sheet
        self._head: Head = model.sheet.head
        self.sha256 = model.sha256

    def look(self, pixels: Pixels) -> list[SlotAnswer]:
        """Return one answer for each slot, in order."""
        channels = self._model.channels(pixels)
        familiar = self.sheet.familiar
        strange = familiar is not None and distance(familiar, whole_features(channels)) > familiar.limit
        found = scores(self._head, np.stack([slot_features(channels, slot) for slot in self.sheet.slots]))
        return [
            SlotAnswer(slot, int(score > 0), float(score), bool(strange or abs(score) < self._head.unsure))
            for slot, score in zip(self.sheet.slots, found, strict=True)
        ]


def load_presence(path: Path) -> PresenceModel:
    """Return the taught model in a file. Raises Rejected for a file that holds none."""
    return PresenceModel(load_channels(path))


def train_presence(pictures: LabelledSet, out: Path, name: str, seed: int = 1) -> ModelSheet:
    """Write a model that tells what is in each slot, and return its sheet. Raises Rejected for pictures that show no fixed slots."""
    if len(pictures.classes) != 2:
        raise Rejected(f"presence has two classes, e.g. present and missing; here are {len(pictures.classes)}")
    if len(pictures.pictures) < _LEAST_PICTURES:
        raise Rejected(f"{len(pictures.pictures)} pictures are too few to learn from; {_LEAST_PICTURES} at least")
    slots = find_slots([one.truth.xyxy for one in pictures.pictures])
    if not slots:
        raise Rejected(
            "things do not stand in the same places in these pictures; 'leadhand vision train --task detect' finds them anywhere"
        )
    backbone = load_channels(BACKBONE)
    rng = np.random.default_rng(seed)
    rows, whole = [], []
    for one in pictures.pictures:
        told = slot_classes(one, slots)
        pixels = read_picture(one.path)
        for light in range(_LIGHTS):
            channels = backbone.channels(pixels if not light else in_other_light(pixels, rng))
            if not light:
                whole.append(whole_features(channels))
            rows.append([(slot_features(channels, slots[slot]), class_id, light) for slot, class_id in told])
    parts = folds(pictures.pictures, _PARTS)
    held, true, place = _held_out(rows, parts)
    if len(set(true.tolist())) < 2:
        raise Rejected("all things in these pictures are of one class; both must be shown")
    margins = held * (2 * true - 1)
    wrong = margins[margins <= 0]
    right = margins[margins > 0]
    unsure = float(max(np.abs(wrong).max(initial=0.0) * 1.1, 0.3 * np.quantile(right, 0.01))) if len(right) else 0.0
    features, classes = _learned(rows, range(len(pictures.pictures)))
    familiar = learn_familiar(np.stack(whole), parts)
    sheet = ModelSheet(
        task="presence",
        classes=pictures.classes,
        thresholds=(0.5, 0.5),
        slots=tuple(slots),
        head=fit_head(features, classes, unsure),
        familiar=familiar.model_copy(update={"limit": familiar.limit * _ROOM}),
        data=DataSheet(name=name, manifest_sha256=pictures.manifest(), pictures=len(pictures.pictures), split_by=pictures.split_by),
        figures=_figures(margins, unsure, place),
        seed=seed,
        note="figures: each fifth judged by a model that never saw it",
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(with_sheet(BACKBONE.read_bytes(), sheet))
    return sheet


def evaluate_presence(model: PresenceModel, pictures: LabelledSet) -> dict[str, Any]:
    """Return how many slots of labelled pictures are told right, wrong, and asked about."""
    right = wrong = asked = pictures_asked = 0
    mistakes = []
    for one in pictures.pictures:
        answers = model.look(read_picture(one.path))
        told = dict(slot_classes(one, model.sheet.slots))
        open_ = False
        for slot, answer in enumerate(answers):
            if slot not in told:
                continue
            if answer.asked:
                asked, open_ = asked + 1, True
            elif answer.class_id == told[slot]:
                right += 1
            else:
                wrong += 1
                mistakes.append({"picture": one.path.name, "slot": slot, "told": answer.class_id, "true": told[slot]})
        pictures_asked += open_
    total = right + wrong + asked
    return {
        "pictures": len(pictures.pictures),
        "slots": total,
        "wrong": Share(wrong, right + wrong).record(),
        "right": Share(right, total).record(),
        "review": Share(asked, total).record(),
        "pictures_in_review": Share(pictures_asked, len(pictures.pictures)).record(),
        "mistakes": mistakes,
    }


def slot_decision(answers: Sequence[SlotAnswer], sound: int = 0) -> Decision:
    """Return what becomes of a picture: NOK when a slot surely shows another class than ``sound``."""
    if any(not one.asked and one.class_id != sound for one in answers):
        return Decision.NOK
    return Decision.REVIEW if any(one.asked for one in answers) else Decision.OK


def find_slots(boxes: Sequence[Floats]) -> list[tuple[float, float, float, float]]:
    """Return the places where boxes stand in at least half of the pictures: the median of those that overlap there."""
    groups: list[list[Floats]] = []
    for of_picture in boxes:
        for box in of_picture:
            near = [float(overlap(np.median(group, axis=0)[None], box[None])[0, 0]) for group in groups]
            best = int(np.argmax(near)) if near else -1
            if near and near[best] >= _SAME_PLACE:
                groups[best].append(box)
            else:
                groups.append([box])
    kept = [np.median(group, axis=0) for group in groups if len(group) >= len(boxes) / 2]
    slots = [(float(box[0]), float(box[1]), float(box[2]), float(box[3])) for box in kept]
    return sorted(slots, key=lambda slot: (round(slot[1] + slot[3], 1), slot[0]))


def slot_classes(one: Labelled, slots: Sequence[tuple[float, float, float, float]]) -> list[tuple[int, int]]:
    """Return slot and class of each label of a picture. Raises Rejected for a label that is in no slot."""
    shared = overlap(one.truth.xyxy, np.array(slots, np.float32))
    found = []
    for place, class_id in enumerate(one.truth.class_id.tolist()):
        slot = int(shared[place].argmax())
        if shared[place, slot] < _SAME_PLACE / 2:
            raise Rejected(f"{one.path.name}: label {place + 1} is in none of the {len(slots)} slots that the other pictures show")
        found.append((slot, class_id))
    return found


def slot_features(channels: Sequence[Floats], slot: tuple[float, float, float, float]) -> npt.NDArray[np.float64]:
    """Return the largest and the mean value of each channel over a slot."""
    parts = []
    for one in channels:
        rows, columns = one.shape[1:]
        left, right = _cells(slot[0], slot[2], columns)
        top, bottom = _cells(slot[1], slot[3], rows)
        inside = one[:, top:bottom, left:right].astype(np.float64)
        parts += [inside.max(axis=(1, 2)), inside.mean(axis=(1, 2))]
    return np.concatenate(parts)


def whole_features(channels: Sequence[Floats]) -> Floats:
    """Return the mean of each of the last channels over the whole picture."""
    return np.asarray(channels[-1].mean(axis=(1, 2)), np.float32)


def in_other_light(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a picture in a light of another strength, colour and contrast."""
    curve = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.7, 1.4) * rng.uniform(0.7, 1.3) * rng.uniform(0.85, 1.15, 3)
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def fit_head(features: npt.NDArray[np.float64], classes: npt.NDArray[np.int64], unsure: float) -> Head:
    """Return the line between two classes."""
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    line = LogisticRegression(C=0.05, max_iter=2000).fit((features - mean) / scale, classes)
    return Head(
        mean=tuple(np.round(mean, 6).tolist()),
        scale=tuple(np.round(scale, 6).tolist()),
        weights=tuple(np.round(line.coef_[0], 6).tolist()),
        offset=float(line.intercept_[0]),
        unsure=unsure,
    )


def scores(head: Head, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return on which side of the line features (n, d) are, and how far."""
    return np.asarray((features - np.array(head.mean)) / np.array(head.scale) @ np.array(head.weights) + head.offset, np.float64)


Row = tuple[npt.NDArray[np.float64], int, int]


def _held_out(rows: Sequence[list[Row]], parts: Sequence[list[int]]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return score, class and picture of each slot, by lines that never saw the picture in any light."""
    found: list[tuple[float, int, int]] = []
    for part in parts:
        rest = [place for place in range(len(rows) // _LIGHTS) if place not in set(part)]
        features, classes = _learned(rows, rest)
        if not part or len(set(classes.tolist())) < 2:
            continue
        head = fit_head(features, classes, 0.0)
        for place in part:
            for feature, class_id, _ in rows[place * _LIGHTS]:
                found.append((float(scores(head, feature[None])[0]), class_id, place))
    columns = np.array(found, np.float64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _learned(rows: Sequence[list[Row]], places: Sequence[int] | range) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    chosen = [row for place in places for light in range(_LIGHTS) for row in rows[place * _LIGHTS + light]]
    return np.stack([row[0] for row in chosen]), np.array([row[1] for row in chosen], np.int64)


def _figures(margins: npt.NDArray[np.float64], unsure: float, place: npt.NDArray[np.float64]) -> dict[str, Any]:
    asked = np.abs(margins) < unsure
    decided = int((~asked).sum())
    return {
        "slots": len(margins),
        "wrong": Share(int(((margins <= 0) & ~asked).sum()), decided).record(),
        "wrong_if_none_were_asked": Share(int((margins <= 0).sum()), len(margins)).record(),
        "review": Share(int(asked.sum()), len(margins)).record(),
        "pictures_in_review": Share(len(set(place[asked].tolist())), len(set(place.tolist()))).record(),
    }


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    first = min(count - 1, max(0, round(low * count)))
    return first, max(first + 1, min(count, round(high * count)))
