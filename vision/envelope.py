"""What good runs of one program look like, learned from themselves: how far a new one is from them, and from where on that is too far.

Each feature has a middle and a spread to either side; a run's distance is that of its most unusual feature. From which distance on a
person looks is taken from the runs themselves by cross-conformal prediction: each is judged by a reference that did not see it. Few runs
make a reference that is wide, and says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plant.errors import Rejected
from plant.joint_curves import Column, JointCurve, program_print
from vision.curve_features import Features, features

FEWEST_RUNS: Final = 3
THIN_RUNS: Final = 30
"""Below so many runs a reference is thin: its bounds are wide, and what it lets through is said to be so."""
_REVIEW_SHARE: Final = 0.01
"""Of good runs that go to a person by the reference alone."""
_FOLDS: Final = 10
_GRID: Final = 160
_LARGEST: Final = 1e9
_LEAST: Final = (
    *(("begin_angle_deg", 2.0), ("angle_back_deg", 0.5), ("_deg", 0.4), ("still_seconds", 0.006), ("seconds", 0.004), ("samples", 6.0)),
    *(
        ("roughness", 0.12),
        ("drop", 0.15),
        ("spike", 0.25),
        ("speed", 1.0),
        (".torque_low", 0.0015),
        (".torque_middle", 0.0015),
        (".torque_high", 0.0015),
        ("", 0.003),
    ),
)
"""By the end of a feature's name: how much of it means nothing."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Good runs of one program."""

    program: str
    """``program_print`` of its curves."""
    name: str
    runs: int
    names: tuple[str, ...]
    middle: Column
    below: Column
    above: Column
    """Spread to either side, shape (features,)."""
    review_at: float
    """Distance from which on a person looks."""
    nok_at: float
    angle_deg: Column
    """Angle before the end, negative, of the band that is drawn."""
    low_nm: Column
    high_nm: Column

    @property
    def thin(self) -> bool:
        """Whether so few runs stand behind it that it finds coarse faults only."""
        return self.runs < THIN_RUNS


@dataclass(frozen=True, slots=True)
class Unusual:
    """A feature that is not as in good runs."""

    name: str
    value: float
    low: float
    high: float
    distance: float


def learn(curves: Sequence[JointCurve]) -> Reference:
    """Return the reference of good runs of one program. Raises Rejected for too few, or for runs of different programs."""
    prints = {program_print(curve) for curve in curves}
    if len(prints) > 1:
        raise Rejected("these runs are of different programs: names, targets, speeds or windows differ")
    if len(curves) < FEWEST_RUNS:
        raise Rejected(f"a reference needs {FEWEST_RUNS} good runs at least, these are {len(curves)}")
    told = [features(curve) for curve in curves]
    table = np.array([one.values for one in told])
    kept = np.isfinite(table).all(axis=1)
    if np.count_nonzero(kept) < max(FEWEST_RUNS, math.ceil(0.7 * len(curves))):
        raise Rejected("too many of these runs never reach their target torque: they are no reference")
    kept &= _believable(table, kept, np.array([_least(name) for name in told[0].names]))
    rows, chosen = table[kept], [curve for curve, good in zip(curves, kept, strict=True) if good]
    least = np.array([_least(name) for name in told[0].names])
    middle, below, above = _spread(rows, least)
    review_at = _conformal(_crossed(rows, least))
    grid, low, high = _band(chosen)
    return Reference(
        *(
            prints.pop(),
            curves[0].program,
            len(rows),
            told[0].names,
            middle,
            below,
            above,
            review_at,
            max(1.6 * review_at, review_at + 2.0),
        ),
        *(grid, low, high),
    )


def distances(reference: Reference, told: Features) -> Column:
    """Return how far each feature is from those of good runs; infinite where the curve never comes so far. Raises Rejected for others."""
    if told.names != reference.names:
        raise Rejected("the reference is of a program with other steps")
    return _distances(told.values, reference.middle, reference.below, reference.above)


def unusual(reference: Reference, told: Features) -> tuple[Unusual, ...]:
    """Return the features that are farther away than good ones are, the farthest first."""
    away = distances(reference, told)
    order = sorted(np.flatnonzero(away > reference.review_at), key=lambda at: (-float(away[at]), int(at)))
    return tuple(
        Unusual(
            reference.names[at],
            float(told.values[at]),
            float(reference.middle[at] - reference.review_at * reference.below[at]),
            float(reference.middle[at] + reference.review_at * reference.above[at]),
            float(away[at]),
        )
        for at in order
    )


def _distances(values: Column, middle: Column, below: Column, above: Column) -> Column:
    away = np.where(values >= middle, (values - middle) / above, (middle - values) / below)
    return np.asarray(np.where(np.isfinite(values), away, _LARGEST), np.float64)


def _spread(rows: Column, least: Column) -> tuple[Column, Column, Column]:
    """Return the middle of each feature and its spread to either side; no spread is smaller than what so many runs can tell."""
    count = len(rows)
    middle = np.median(rows, axis=0)
    all_round = np.std(rows, axis=0, ddof=1)
    lowest, highest = np.quantile(rows, [0.02, 0.98], axis=0)
    small = least * (1 + (30 if count < THIN_RUNS else 8) / count) + np.abs(middle) * float(
        np.clip(1 / count, 0.0, 0.25) if count < 2 * THIN_RUNS else 0.0
    )
    below = np.maximum(np.maximum((middle - lowest) / 2.2, 0.7 * all_round), small)
    above = np.maximum(np.maximum((highest - middle) / 2.2, 0.7 * all_round), small)
    return middle, below, above


def _least(name: str) -> float:
    """Return how much of a feature means nothing, however alike all good runs are."""
    return next(least for end, least in _LEAST if name.endswith(end))


def _crossed(rows: Column, least: Column) -> Column:
    """Return how far each run is from the others, each judged by a reference that did not see it."""
    count = len(rows)
    folds = np.arange(count) % min(_FOLDS, count)
    away = np.empty(count)
    for fold in range(int(folds.max()) + 1):
        own = folds == fold
        middle, below, above = _spread(rows[~own], least)
        away[own] = [float(np.max(_distances(row, middle, below, above))) for row in rows[own]]
    return away


def _conformal(away: Column) -> float:
    """Return the distance that a new good run exceeds with a chance of ``_REVIEW_SHARE`` at most, where the runs are enough to tell."""
    count = len(away)
    rank = math.ceil((1 - _REVIEW_SHARE) * (count + 1))
    if rank <= count:
        return max(3.0, float(np.sort(away)[rank - 1]))
    return max(4.0 + 12.0 / count, 1.1 * float(np.sort(away)[count - 1 - count // 20]) if count >= THIN_RUNS else 0.0)


def _believable(table: Column, kept: npt.NDArray[np.bool_], least: Column) -> npt.NDArray[np.bool_]:
    """Return which runs belong together: of many, some far away from all others were no good runs, whatever the tool said."""
    if np.count_nonzero(kept) < THIN_RUNS:
        return kept
    middle, below, above = _spread(table[kept], least)
    robust = 1.4826 * np.median(np.abs(table[kept] - middle), axis=0)
    narrow = np.maximum(robust, 0.35 * np.minimum(below, above)) + 1e-9
    away = np.array([np.max(np.abs(row - middle) / narrow) if np.isfinite(row).all() else _LARGEST for row in table])
    limit = 3.0 * float(np.quantile(away[kept], 0.9))
    return np.asarray(away <= limit, np.bool_)


def _band(curves: Sequence[JointCurve]) -> tuple[Column, Column, Column]:
    """Return the band of torque over the angle before the end, for drawing."""
    from vision.curve_consistency import ended_at

    ends = [ended_at(curve) for curve in curves]
    span = min(400.0, float(np.median([curve.angle_deg[end - 1] - curve.angle_deg[0] for curve, end in zip(curves, ends, strict=True)])))
    grid = np.linspace(-max(span, 1.0), 0.0, _GRID)
    drawn = np.array(
        [
            np.interp(grid, np.maximum.accumulate(curve.angle_deg[:end]) - np.max(curve.angle_deg[:end]), curve.torque_nm[:end])
            for curve, end in zip(curves, ends, strict=True)
        ]
    )
    room = 0.01 * curves[0].target_nm
    return grid, np.quantile(drawn, 0.005, axis=0) - room, np.quantile(drawn, 0.995, axis=0) + room


def reference_record(reference: Reference) -> dict[str, Any]:
    """Return a reference as JSON values; ``reference_of`` reads it again."""
    return {
        "format": "leadhand joint reference 1",
        "program": reference.program,
        "name": reference.name,
        "runs": reference.runs,
        "review_at": round(reference.review_at, 4),
        "nok_at": round(reference.nok_at, 4),
        "features": [
            [name, _short(middle), _short(below), _short(above)]
            for name, middle, below, above in zip(reference.names, reference.middle, reference.below, reference.above, strict=True)
        ],
        "band": {
            "angle_deg": [_short(value) for value in reference.angle_deg],
            "low_nm": [_short(value) for value in reference.low_nm],
            "high_nm": [_short(value) for value in reference.high_nm],
        },
    }


def reference_of(record: Any) -> Reference:
    """Return the reference that a record holds. Raises Rejected for what is none."""
    try:
        if record["format"] != "leadhand joint reference 1":
            raise Rejected(f"format {record['format']!r} is not known")
        spread = np.array([[float(value) for value in values] for _, *values in record["features"]])
        band = [np.array([float(value) for value in record["band"][name]]) for name in ("angle_deg", "low_nm", "high_nm")]
        read = Reference(
            str(record["program"]),
            str(record["name"]),
            int(record["runs"]),
            tuple(str(name) for name, *_ in record["features"]),
            *(spread[:, 0], spread[:, 1], spread[:, 2]),
            review_at=float(record["review_at"]),
            nok_at=float(record["nok_at"]),
            angle_deg=band[0],
            low_nm=band[1],
            high_nm=band[2],
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Rejected(f"this is no reference of good runs: {error!r}") from error
    numbers = np.concatenate([spread.ravel(), [read.review_at, read.nok_at], *band])
    sound = spread.shape[1] == 3 and np.isfinite(numbers).all() and np.all(spread[:, 1:] > 0) and 0 < read.review_at < read.nok_at
    if not sound or len({len(column) for column in band}) != 1 or read.runs < FEWEST_RUNS:
        raise Rejected("this is no reference of good runs: its numbers do not fit together")
    return read


def read_reference(path: Path) -> Reference:
    """Return the reference in a file. Raises Rejected for what is none."""
    try:
        return reference_of(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected(f"{path}: {error}") from error
    except Rejected as error:
        raise Rejected(f"{path}: {error}") from error


def _short(value: float) -> float:
    return float(f"{value:.7g}")
