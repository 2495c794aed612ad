"""How good a detector is, in plain figures: nothing here knows where pictures or boxes come from.

Average precision is what COCO and ultralytics understand by it: boxes in order of confidence, each matched with the free true box of its
class that it overlaps most; the envelope of precision over recall at 101 points; IoU .50, or .50 to .95 in ten steps. A share is never told
without its Clopper-Pearson bounds: 0 missed of 100 means at most 3.6 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from plant.inspections import Decision
from vision.detections import Classes, Detections, Floats, overlap

OVERLAPS: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_RECALLS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What was found in one picture, beside what is there; both in the same units."""

    found: Detections
    true_xyxy: Floats
    true_class: Classes


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the bounds between which the true share is with 95 %."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; not a number for none of none."""
        return self.hits / self.of if self.of else math.nan

    def bounds(self, sure: float = 0.95) -> tuple[float, float]:
        """Return the Clopper-Pearson bounds."""
        if not self.of:
            return 0.0, 1.0
        tail = (1 - sure) / 2
        low = 0.0 if not self.hits else float(betaincinv(self.hits, self.of - self.hits + 1, tail))
        high = 1.0 if self.hits == self.of else float(betaincinv(self.hits + 1, self.of - self.hits, 1 - tail))
        return low, high

    def record(self) -> dict[str, float | int | None]:
        """Return it as JSON values."""
        low, high = self.bounds()
        return {"hits": self.hits, "of": self.of, "share": self.value if self.of else None, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How well one class is found."""

    name: str
    labels: int
    ap50: float
    ap50_95: float
    precision: Share
    recall: Share
    """Both at the threshold of the class and IoU .50."""

    @property
    def f1(self) -> float:
        """Twice the right ones, by all found and all true ones."""
        both = self.precision.of + self.recall.of
        return 2 * self.recall.hits / both if both else math.nan


@dataclass(frozen=True, slots=True)
class DetectorFigures:
    """How well a detector finds and places what is there. Classes without a label count in no mean."""

    pictures: int
    classes: tuple[ClassFigures, ...]

    @property
    def map50(self) -> float:
        """Mean average precision at IoU .50."""
        return _mean([one.ap50 for one in self.classes if one.labels])

    @property
    def map50_95(self) -> float:
        """Mean average precision over IoU .50 to .95."""
        return _mean([one.ap50_95 for one in self.classes if one.labels])

    @property
    def macro_f1(self) -> float:
        """Mean over the classes of F1 at their thresholds and IoU .50."""
        return _mean([one.f1 for one in self.classes if one.labels])


@dataclass(frozen=True, slots=True)
class DecisionFigures:
    """What became of whole pictures: how many faulty ones passed, how many sound ones were stopped, how many a person is asked about."""

    missed: Share
    """Faulty pictures that were called OK."""
    false_calls: Share
    """Sound pictures that were called NOK."""
    asked: Share
    """Pictures that go to review, or cannot be decided."""


def detector_figures(compared: Sequence[Compared], names: Sequence[str], thresholds: Sequence[float]) -> DetectorFigures:
    """Return the figures of what was found in pictures.

    ``found`` holds boxes down to a very low confidence (ultralytics takes .001), or average precision comes out too low; precision,
    recall and F1 count those from the class's threshold on.
    """
    confidence = np.concatenate([one.found.confidence for one in compared]) if compared else np.zeros(0, np.float32)
    class_id = np.concatenate([one.found.class_id for one in compared]) if compared else np.zeros(0, np.int64)
    right = np.concatenate([matches(one) for one in compared]) if compared else np.zeros((0, len(OVERLAPS)), np.bool_)
    labels = np.bincount(np.concatenate([one.true_class for one in compared]), minlength=len(names)) if compared else np.zeros(len(names))
    order = np.argsort(-confidence, kind="stable")
    figures = []
    for number, name in enumerate(names):
        mine = order[class_id[order] == number]
        steps = [average_precision(right[mine, step], int(labels[number])) for step in range(len(OVERLAPS))]
        hits, called = _at_threshold(compared, number, thresholds[number])
        count = int(labels[number])
        figures.append(ClassFigures(name, count, steps[0], _mean(steps), Share(hits, called), Share(hits, count)))
    return DetectorFigures(len(compared), tuple(figures))


def matches(one: Compared) -> npt.NDArray[np.bool_]:
    """Return for each box found whether it is right, shape (n, 10) by the ten overlaps: each true box is found once, by the surest box."""
    right = np.zeros((len(one.found), len(OVERLAPS)), np.bool_)
    if not len(one.found) or not len(one.true_class):
        return right
    shared = overlap(one.found.xyxy, one.true_xyxy) * (one.found.class_id[:, None] == one.true_class[None, :])
    least = np.array(OVERLAPS)
    taken = np.zeros((len(one.true_class), len(OVERLAPS)), np.bool_)
    steps = np.arange(len(OVERLAPS))
    for place in np.argsort(-one.found.confidence, kind="stable"):
        free = np.where(taken, 0.0, shared[place][:, None])
        best = free.argmax(axis=0)
        right[place] = free[best, steps] >= least
        taken[best, steps] |= right[place]
    return right


def average_precision(right: npt.NDArray[np.bool_], labels: int) -> float:
    """Return the area under the envelope of precision over recall; ``right`` tells of each box, the surest first, whether it is right."""
    if not labels or not len(right):
        return 0.0
    good = np.cumsum(right)
    recall, precision = good / labels, good / np.arange(1, len(right) + 1)
    along = np.concatenate(([0.0], recall, [recall[-1], 1.0]))
    envelope = np.maximum.accumulate(np.concatenate(([1.0], precision, [0.0, 0.0]))[::-1])[::-1]
    return float(np.trapezoid(np.interp(_RECALLS, along, envelope), _RECALLS))


def true_pairs(found: Floats, true: Floats, least_overlap: float = 0.5) -> int:
    """Return how many boxes belong together, one to one, those that overlap most first: how two people's boxes are compared."""
    shared = overlap(found, true)
    places = np.argwhere(shared >= least_overlap)
    left: set[int] = set()
    right: set[int] = set()
    for one, other in places[np.argsort(-shared[places[:, 0], places[:, 1]], kind="stable")].tolist():
        if one not in left and other not in right:
            left.add(one)
            right.add(other)
    return len(left)


def decision_figures(decided: Sequence[Decision], faulty: Sequence[bool]) -> DecisionFigures:
    """Return what became of pictures of which it is known whether they show a fault."""
    pairs = list(zip(decided, faulty, strict=True))
    bad, good = [one for one, fault in pairs if fault], [one for one, fault in pairs if not fault]
    asked = sum(one in {Decision.REVIEW, Decision.NOT_DECIDABLE} for one in decided)
    return DecisionFigures(
        Share(sum(one is Decision.OK for one in bad), len(bad)),
        Share(sum(one is Decision.NOK for one in good), len(good)),
        Share(asked, len(pairs)),
    )


def figures_record(figures: DetectorFigures) -> dict[str, object]:
    """Return the figures of a detector as JSON values."""
    return {
        "pictures": figures.pictures,
        "map50": _told(figures.map50),
        "map50_95": _told(figures.map50_95),
        "macro_f1": _told(figures.macro_f1),
        "classes": {
            one.name: {
                "labels": one.labels,
                "ap50": _told(one.ap50) if one.labels else None,
                "ap50_95": _told(one.ap50_95) if one.labels else None,
                "precision": one.precision.record(),
                "recall": one.recall.record(),
                "f1": _told(one.f1),
            }
            for one in figures.classes
        },
    }


def _at_threshold(compared: Sequence[Compared], number: int, threshold: float) -> tuple[int, int]:
    hits = called = 0
    for one in compared:
        mine = one.found.xyxy[(one.found.class_id == number) & (one.found.confidence >= threshold)]
        hits += true_pairs(mine, one.true_xyxy[one.true_class == number])
        called += len(mine)
    return hits, called


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _told(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
