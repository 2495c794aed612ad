"""Five ways in which a machine of the AI4I set fails, each told from numbers that physics suggests; thresholds come from training parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from plant.errors import SettingsError

Numbers = npt.NDArray[np.float64]

MODES: Final = {
    "TWF": "tool wear",
    "HDF": "heat dissipation",
    "PWF": "power",
    "OSF": "overstrain",
    "RNF": "random",
}
PREDICTABLE: Final = ("TWF", "HDF", "PWF", "OSF")
"""Random failures have no cause among the columns: whoever calls one has only luck."""
_AIR, _PROCESS, _SPEED = "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]"
_TORQUE, _WEAR, _TYPE = "Torque [Nm]", "Tool wear [min]", "Type"
_COLUMNS: Final = (_AIR, _PROCESS, _SPEED, _TORQUE, _WEAR)
_LEAST_FAILURES, _TREES = 5, 150


@dataclass(frozen=True, slots=True)
class Parts:
    """A table of parts."""

    raw: Numbers
    """(parts, columns): as the file has them; the type as 0, 1, 2 for L, M, H."""
    physics: Numbers
    """And power, temperature difference, strain, strain for each type besides."""
    failed: npt.NDArray[np.int64]
    """(parts, modes)"""

    def __len__(self) -> int:
        return len(self.raw)


def read_parts(file: Path) -> Parts:
    """Return the parts in a file with the columns of AI4I 2020. Raises SettingsError that says what is wrong with it."""
    try:
        rows = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: cannot be read as CSV: {error}") from error
    missing = [name for name in (*_COLUMNS, _TYPE, *MODES) if name not in rows.columns]
    if missing:
        raise SettingsError(f"{file}: column '{missing[0]}' is missing")
    air, process, speed, torque, wear = (rows[name].to_numpy(np.float64) for name in _COLUMNS)
    kind = rows[_TYPE].map({"L": 0, "M": 1, "H": 2}).to_numpy(np.float64)
    raw = np.column_stack([air, process, speed, torque, wear, kind])
    power_w = torque * speed * 2 * np.pi / 60
    strain = torque * wear
    of_type = [np.where(kind == number, strain, 0.0) for number in range(3)]
    physics = np.column_stack([raw, power_w, process - air, strain, *of_type])
    return Parts(raw, physics, rows[list(MODES)].to_numpy(np.int64))


def chances(parts: Parts, mode: int, training: npt.NDArray[np.int64], judged: npt.NDArray[np.int64], seed: int) -> tuple[Numbers, Numbers]:
    """Return how likely each part fails in a mode: of the training parts (each by a model that did not see it), and of those to judge."""
    x, y = parts.physics[training], parts.failed[training, mode]
    if y.sum() < _LEAST_FAILURES:
        return np.zeros(len(training)), np.zeros(len(judged))
    # Bagged trees: each training part is judged by the trees that did not draw it. No class weights: they decide what is drawn,
    # and then hardly a tree is without the rare failures.
    model = RandomForestClassifier(_TREES, min_samples_leaf=2, max_features=None, oob_score=True, random_state=seed, n_jobs=1)
    model.fit(x, y)
    own = np.nan_to_num(model.oob_decision_function_[:, 1])
    return own, model.predict_proba(parts.physics[judged])[:, 1]


def plain_calls(
    parts: Parts, mode: int, training: npt.NDArray[np.int64], judged: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.bool_]:
    """Return the calls of gradient boosting on the columns as they are, as anybody would begin."""
    y = parts.failed[training, mode]
    if not y.any():
        return np.zeros(len(judged), np.bool_)
    model = HistGradientBoostingClassifier(random_state=seed).fit(parts.raw[training], y)
    called: npt.NDArray[np.bool_] = model.predict(parts.raw[judged]).astype(np.bool_)
    return called


def threshold(chance: Numbers, failed: npt.NDArray[np.int64], false_per_part: float) -> float:
    """Return from which chance on to call: where F1 is best among those with at most so many false calls a part; above 1 for never."""
    order = np.argsort(-chance, kind="stable")
    hits = np.cumsum(failed[order])
    false = np.arange(1, len(order) + 1) - hits
    ends = np.append(np.diff(chance[order]) < 0, True)
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + max(int(failed.sum()), 1))
    fit = np.where(ends & (false <= false_per_part * len(order)) & (chance[order] > 0), f1, 0.0)
    best = int(np.argmax(fit))
    if fit[best] <= 0:
        return 2.0
    after = chance[order][best + 1] if best + 1 < len(order) else 0.0
    return float((chance[order][best] + after) / 2)


def f1_score(called: npt.NDArray[np.bool_], failed: npt.NDArray[np.int64]) -> float:
    """Return the harmonic mean of precision and recall; 0 where nothing was called rightly."""
    hits = int((called & (failed == 1)).sum())
    return 2 * hits / max(int(called.sum()) + int(failed.sum()), 1)
