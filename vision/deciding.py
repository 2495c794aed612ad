"""What becomes of a picture by what was found in it; thresholds for that are fixed on pictures held out, never by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plant.inspections import Decision
from vision.detections import Detections, thinned
from vision.evaluating import Compared, matches

MOST_MISSED = 0.01
MOST_FALSE = 0.025
"""What thresholds are fixed for: half of what AIAG allows (2 % missed, 5 % false), as a new set is never quite like the old one."""
MOST_ASKED = 0.10
MOST_SOUND_ASKED = 0.05
"""Of sound pictures, what a person may be asked for the sake of a lower ``ok_below``: a look costs less than a fault let through."""
OVERLAPS_TRIED = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_STEPS = np.round(np.arange(0.1, 0.81, 0.025), 3)


def fault_score(found: Detections, sound: int | None) -> float:
    """Return how sure the surest fault in a picture is; 0 where none was found."""
    faults = found.confidence if sound is None else found.confidence[found.class_id != sound]
    return float(faults.max(initial=0.0))


def decide(found: Detections, sound: int | None, least_sound: float, ok_below: float, nok_from: float) -> Decision:
    """Return what becomes of a picture. OK needs more than silence: where there is a sound class, it must have been found."""
    score = fault_score(found, sound)
    if score >= nok_from:
        return Decision.NOK
    if score >= ok_below:
        return Decision.REVIEW
    if sound is not None and not bool((found.confidence[found.class_id == sound] >= least_sound).any()):
        return Decision.REVIEW
    return Decision.OK


def choose_limits(scores: Sequence[float], faulty: Sequence[bool]) -> tuple[float, float]:
    """Return ``ok_below`` and ``nok_from`` by pictures held out.

    The lowest ``ok_below`` that sends at most 5 % of the sound pictures on, and never one that misses more than 1 % of the faulty ones; the
    lowest ``nok_from`` that stops at most 2.5 % of the sound ones; where more than a tenth of the pictures would lie between them,
    ``nok_from`` comes down.
    """
    values, bad = np.asarray(scores, np.float64), np.asarray(faulty, np.bool_)
    ok_below = min(_below(values[bad], MOST_MISSED), _above(values[~bad], MOST_SOUND_ASKED))
    nok_from = _above(values[~bad], MOST_FALSE)
    if nok_from <= ok_below:
        return float(nok_from), float(max(ok_below, nok_from))
    between = np.sort(values[(values >= ok_below) & (values < nok_from)])
    most = int(MOST_ASKED * len(values))
    if len(between) > most:
        nok_from = float(between[most])
    return float(ok_below), float(nok_from)


def choose_thresholds(compared: Sequence[Compared], classes: int) -> tuple[float, ...]:
    """Return for each class the confidence from which its boxes count: where F1 at IoU .50 is best on pictures held out."""
    return tuple(step for step, _ in _best_steps(compared, classes))


def choose_overlap(compared: Sequence[Compared], classes: int) -> float:
    """Return how much a box may overlap a surer one of its class, by pictures held out; ``compared`` holds every box, none gave way."""
    scores = []
    for most in OVERLAPS_TRIED:
        left = [Compared(thinned(one.found, most), one.true_xyxy, one.true_class) for one in compared]
        scores.append(float(np.mean([score for _, score in _best_steps(left, classes)])))
    return OVERLAPS_TRIED[int(np.argmax(scores))]


def _best_steps(compared: Sequence[Compared], classes: int) -> list[tuple[float, float]]:
    """Return for each class the threshold where F1 is best, smoothed over five steps, and that F1."""
    counted = [Compared(one.found[one.found.confidence >= _STEPS[0]], one.true_xyxy, one.true_class) for one in compared]
    confidence = np.concatenate([one.found.confidence for one in counted])
    class_id = np.concatenate([one.found.class_id for one in counted])
    right = np.concatenate([matches(one)[:, 0] for one in counted])
    best = []
    for number in range(classes):
        labels = sum(int((one.true_class == number).sum()) for one in counted)
        over = confidence[class_id == number][:, None] >= _STEPS[None, :]
        called, hits = over.sum(axis=0), (over & right[class_id == number][:, None]).sum(axis=0)
        scores = 2 * hits / np.maximum(called + labels, 1)
        smooth = np.convolve(np.pad(scores, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        best.append((float(_STEPS[int(smooth.argmax())]), float(smooth.max())))
    return best


def _below(bad: npt.NDArray[np.float64], share: float) -> float:
    """Return a value that all but ``share`` of the scores of faulty pictures reach, in the middle of the gap there."""
    ordered = np.sort(bad)
    if not len(ordered):
        return 0.1
    place = int(share * len(ordered))
    return float(max(0.01, ordered[place] * 0.9))


def _above(good: npt.NDArray[np.float64], share: float) -> float:
    """Return a value that all but ``share`` of the scores of sound pictures stay below."""
    ordered = np.sort(good)[::-1]
    if not len(ordered):
        return 0.5
    place = int(share * len(ordered))
    return float(min(0.95, ordered[place] * 1.05 + 0.005))
