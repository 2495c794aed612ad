"""Spindles that tighten the same joints at once, compared with each other: which one stands apart, since when, and what would even it out.

Of one round, lot, oil and temperature are the same for all spindles. A spindle is therefore compared with the median of the others of its
round, by the gradient of torque over angle: the joint's stiffness is the same for all, so a gradient that is 3 % steeper is a transducer
that reads 3 % too much (or an angle encoder that counts too little), and the tool then stops 3 % too early. Torque cannot tell that: the
tool stops at its own reading of it. What is advised is a check of the calibration first, an offset of the target only until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]

LEAST_ROUNDS: Final = 20
"""Rounds before anything is said of a spindle, and on each side of a change."""
RECENT_ROUNDS: Final = 100
SURE: Final = 0.99
"""Of all spindles together (Bonferroni)."""


class Standing(StrEnum):
    """How a spindle stands among the others."""

    EVEN = "even"
    APART = "apart"
    """It differs, and did so from the first round that is known."""
    DRIFTED = "drifted"
    """It differs, and did not before."""
    UNSURE = "unsure"
    """Too few rounds, or too few spindles to tell whose fault a difference is."""


@dataclass(frozen=True, slots=True)
class SpindleRuns:
    """Good tightenings as columns of one length, in order of time."""

    spindle: Keys
    round_us: Keys
    """When the tightening ended: the same for all spindles of a round."""
    gradient: Numbers
    """Torque over angle of the elastic line, N m/deg; NaN where it is not known."""

    def __post_init__(self) -> None:
        if not len(self.spindle) == len(self.round_us) == len(self.gradient):
            raise ValueError("the columns of runs must be of one length")


@dataclass(frozen=True, slots=True)
class SpindleStanding:
    """One spindle among the others."""

    spindle: int
    standing: Standing
    rounds: int
    apart: float = 0.0
    """Share by which it reads more than the others, over its newest rounds."""
    low: float = 0.0
    high: float = 0.0
    """Between which that share lies, 99 of 100 for all spindles together."""
    since_us: int | None = None
    """The first round after the change, where it drifted."""

    @property
    def target_offset(self) -> float | None:
        """Return the share by which its target would have to rise until it is calibrated; None where nothing is advised."""
        return self.apart if self.standing in {Standing.APART, Standing.DRIFTED} else None


def compare_spindles(runs: SpindleRuns, *, least_share: float = 0.01) -> tuple[SpindleStanding, ...]:
    """Return how each spindle stands among those that tightened with it; differences below ``least_share`` count as none."""
    spindles = np.unique(runs.spindle)
    if len(spindles) < 3:
        return tuple(SpindleStanding(int(one), Standing.UNSURE, int((runs.spindle == one).sum())) for one in spindles)
    rounds, table = _by_round(runs, spindles)
    return tuple(
        _standing(int(one), rounds, _against_others(table, place), len(spindles), least_share) for place, one in enumerate(spindles)
    )


def _by_round(runs: SpindleRuns, spindles: Keys) -> tuple[Keys, Numbers]:
    """Return the rounds and the logarithm of the gradient, (rounds, spindles), NaN where a spindle did not take part."""
    rounds, at = np.unique(runs.round_us, return_inverse=True)
    table = np.full((len(rounds), len(spindles)), np.nan)
    known = np.isfinite(runs.gradient) & (runs.gradient > 0)
    table[at[known], np.searchsorted(spindles, runs.spindle[known])] = np.log(runs.gradient[known])
    return rounds, table


def _against_others(table: Numbers, place: int) -> Numbers:
    """Return the difference to the median of at least two others, NaN where there is none."""
    others = np.delete(table, place, axis=1)
    compared = np.isfinite(others).sum(axis=1) >= 2
    middle = np.full(len(table), np.nan)
    middle[compared] = np.nanmedian(others[compared], axis=1)
    return np.asarray(table[:, place] - middle, np.float64)


def _standing(spindle: int, rounds: Keys, apart: Numbers, spindles: int, least: float) -> SpindleStanding:
    known = np.isfinite(apart)
    values, times = apart[known], rounds[known]
    if len(values) < LEAST_ROUNDS:
        return SpindleStanding(spindle, Standing.UNSURE, len(values))
    change = _change(values, spindles)
    newest = values[max(change or 0, len(values) - RECENT_ROUNDS) :]
    half = _half(newest, spindles)
    middle, low, high = (float(np.expm1(newest.mean() + side * half)) for side in (0, -1, 1))
    if low <= least and high >= -least:
        return SpindleStanding(spindle, Standing.EVEN, len(values), middle, low, high)
    standing = Standing.APART if change is None else Standing.DRIFTED
    return SpindleStanding(spindle, standing, len(values), middle, low, high, None if change is None else int(times[change]))


def _half(values: Numbers, spindles: int) -> float:
    """Return half the width of the interval of a mean, wider where neighbouring rounds are alike."""
    spread = values - values.mean()
    alike = float(np.clip((spread[1:] * spread[:-1]).mean() / max(spread.var(), 1e-300), 0, 0.9))
    effective = max(len(values) * (1 - alike) / (1 + alike), 8.0)
    return float(_student((1 - SURE) / (2 * spindles), effective - 1) * values.std(ddof=1) / np.sqrt(effective))


def _change(values: Numbers, spindles: int) -> int | None:
    """Return the first value after the clearest step of the mean, None where no step is beyond chance."""
    cuts = np.arange(LEAST_ROUNDS, len(values) - LEAST_ROUNDS + 1)
    if not len(cuts):
        return None
    sums = np.cumsum(values)
    before, after = sums[cuts - 1] / cuts, (sums[-1] - sums[cuts - 1]) / (len(values) - cuts)
    noise = float(np.median(np.abs(np.diff(values)))) / 0.9539  # of a difference of two normal values
    score = np.abs(after - before) / (max(noise, 1e-300) * np.sqrt(1 / cuts + 1 / (len(values) - cuts)))
    best = int(score.argmax())
    # as many places were tried as there are cuts, for each of the spindles
    beyond = _student((1 - SURE) / (2 * spindles * len(cuts)), len(values) - 2)
    return int(cuts[best]) if score[best] > beyond else None


def _student(tail: float, degrees: float) -> float:
    """Return what Student's t exceeds with a probability of ``tail``: Cornish-Fisher series, 0.5 % off at 0.001 and 7 degrees."""
    z = NormalDist().inv_cdf(1 - tail)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
