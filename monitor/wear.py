"""Worn or not, learned from recordings whose labels say so; and what so few recordings can prove.

Rows of one recording are no independent samples: they share a tool, a block, a clamping. So a recording is what is left out, scored and
counted, and all intervals are over recordings.
"""

from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.recordings import Experiment, Numbers
from plant.errors import SettingsError

MODEL_KIND: Final = "leadhand worn or not 1"
_TREES = 300
_MOST_ORDERS = 20_000
Scorer = Callable[[Sequence[Experiment], Experiment], float]
"""From recordings to learn from and one to judge: how worn it is, 0.5 being undecided."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What leaving out one recording after the other gave."""

    names: tuple[str, ...]
    worn: npt.NDArray[np.int64]
    score: Numbers
    balanced_accuracy: float
    balanced_low: float
    balanced_high: float
    """95 %, exact (Clopper and Pearson for each kind of tool, both together at 95 %)."""
    auroc: float
    auroc_low: float
    auroc_high: float
    """95 % by resampling of recordings within each kind; for so few it is rather too narrow."""
    chance: float
    """Of an AUROC at least as high if labels meant nothing: over all ways (or many) to hand the labels out anew."""


def trees(experiments: Sequence[Experiment], seed: int = 0) -> ExtraTreesClassifier:
    """Return a model learned from the pieces of recordings; each recording and each kind of tool weighs the same."""
    pieces = np.concatenate([one.pieces for one in experiments])
    worn = np.concatenate([np.full(len(one.pieces), one.worn) for one in experiments])
    model = ExtraTreesClassifier(_TREES, min_samples_leaf=5, random_state=seed, n_jobs=1)
    model.fit(pieces, worn, sample_weight=_weights(experiments))
    return model


def _weights(experiments: Sequence[Experiment]) -> Numbers:
    of_kind = {kind: sum(one.worn == kind for one in experiments) for kind in (0, 1)}
    weights = np.concatenate([np.full(len(one.pieces), 1 / (len(one.pieces) * of_kind[one.worn or 0])) for one in experiments])
    whole: Numbers = weights * len(weights) / weights.sum()
    return whole


def by_pieces(others: Sequence[Experiment], one: Experiment) -> float:
    """Score a recording by the mean over its pieces of trees learned from the others."""
    return float(trees(others).predict_proba(one.pieces)[:, 1].mean())


def by_raw_means(others: Sequence[Experiment], one: Experiment) -> float:
    """Score a recording by the means of its columns alone, with a logistic regression: the comparison that any model must beat."""
    columns = np.stack([other.raw_means for other in others])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000))
    model.fit(columns, [other.worn for other in others])
    return float(model.predict_proba(one.raw_means[None, :])[0, 1])


def leave_one_out(experiments: Sequence[Experiment], scorer: Scorer) -> Judged:
    """Return how well recordings are told apart that the model never saw."""
    score = np.array([scorer([other for other in experiments if other is not one], one) for one in experiments])
    worn = np.array([one.worn for one in experiments], np.int64)
    return judged(tuple(one.name for one in experiments), worn, score)


def judged(names: tuple[str, ...], worn: npt.NDArray[np.int64], score: Numbers, seed: int = 0) -> Judged:
    """Return the figures of scores, with bounds over recordings."""
    right = np.where(worn == 1, score > 0.5, score <= 0.5)
    lows, highs, shares = [], [], []
    for kind in (0, 1):
        hits, count = int(right[worn == kind].sum()), int((worn == kind).sum())
        low, high = exact_interval(hits, count, 1 - (1 - 0.95) / 2)
        lows.append(low)
        highs.append(high)
        shares.append(hits / count)
    area = auroc(worn, score)
    draw = np.random.default_rng(seed)
    places = [np.flatnonzero(worn == kind) for kind in (0, 1)]
    again = []
    for _ in range(2000):
        chosen = np.concatenate([draw.choice(place, len(place)) for place in places])
        again.append(auroc(worn[chosen], score[chosen]))
    low, high = np.quantile(again, [0.025, 0.975])
    return Judged(
        *(names, worn, score, float(np.mean(shares)), float(np.mean(lows)), float(np.mean(highs)), area, float(low), float(high)),
        _chance(worn, score, area, draw),
    )


def exact_interval(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for a share."""
    rest = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(rest, hits, count - hits + 1))
    high = 1.0 if hits == count else float(stats.beta.ppf(1 - rest, hits + 1, count - hits))
    return low, high


def auroc(worn: npt.NDArray[np.int64], score: Numbers) -> float:
    """Return the share of pairs of a worn and an unworn tool in which the worn one scores higher; ties count half."""
    pairs = score[worn == 1][:, None] - score[worn == 0][None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def _chance(worn: npt.NDArray[np.int64], score: Numbers, area: float, draw: np.random.Generator) -> float:
    n, k = len(worn), int(worn.sum())
    if math.comb(n, k) <= _MOST_ORDERS:
        ways = [np.isin(np.arange(n), chosen).astype(np.int64) for chosen in itertools.combinations(range(n), k)]
    else:
        ways = [draw.permutation(worn) for _ in range(_MOST_ORDERS // 4)]
    return float(np.mean([auroc(way, score) >= area - 1e-12 for way in ways]))


def save_model(file: Path, experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Learn from all recordings, write the model and, beside it, a card that says from what and how good; return the card."""
    model = trees(experiments)
    told = leave_one_out(experiments, by_pieces)
    card = {
        "kind": MODEL_KIND,
        "recordings": list(told.names),
        "worn": told.worn.tolist(),
        "features": list(experiments[0].names),
        "left_out": {
            "balanced_accuracy": told.balanced_accuracy,
            "balanced_accuracy_95": [told.balanced_low, told.balanced_high],
            "auroc": told.auroc,
            "auroc_95": [told.auroc_low, told.auroc_high],
            "chance_of_such_an_auroc": told.chance,
        },
    }
    file.write_bytes(pickle.dumps({"kind": MODEL_KIND, "features": experiments[0].names, "model": model}))
    file.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def load_model(file: Path) -> Any:
    """Return a model that ``save_model`` wrote. A model is a program: open only files of your own."""
    try:
        held = pickle.loads(file.read_bytes())  # noqa: S301 - the user's own file, as the docstring warns
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise SettingsError(f"{file}: cannot be read as a model: {error}") from error
    if not isinstance(held, dict) or held.get("kind") != MODEL_KIND:
        raise SettingsError(f"{file}: is no model of this version; train it anew with 'leadhand condition train'")
    return held["model"]
