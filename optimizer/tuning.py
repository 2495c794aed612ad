"""Fine-tuning near an accepted recipe: what to try next, or why nothing. A pure function of trials, window and seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from optimizer.one_thread import one_thread
from optimizer.tuning_candidates import Reach, judged
from optimizer.tuning_models import Z90, Believed, QualityModel, YieldModel, quality_model, yield_model
from optimizer.tuning_regression import Floats
from plant.errors import Rejected
from plant.process_windows import ProcessWindow, ResponseLimit, Setpoints, WindowSet
from plant.recommendations import Estimate
from plant.tuning import Proposal, Purpose, Refusal, Refused, Safety, Trial, TuningTarget

MODEL: Final = "surface+gp/1"
CAUTION: Final = 0.5
"""Deviations between the expected objective and the bound that points are chosen by."""
_COUNT: Final = 160
_CONFIRMATIONS: Final = 12
_SCRAP_MORE: Final = 1.25
"""By how much a trial may scrap more than the accepted recipe, where that one scraps as much as the window allows."""
_WORTH: Final = 0.003
"""A gain below this share of parts is not worth a trial."""
_DARE: Final = 0.6
"""By how much the logarithm of odds may be expected to be below the accepted one while learning."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the trials of one program say."""

    window: ProcessWindow
    origin: Floats
    points: Floats
    """Of the trials, in steps from the origin."""
    objective: YieldModel
    qualities: Mapping[str, QualityModel]
    scrap_of_bad: float
    """Share of scrapped parts among those that are not good."""

    def placed(self, points: Floats) -> Floats:
        """Return parameters in steps from the origin."""
        return np.asarray((points - self.origin) / np.array([one.step for one in self.window.parameters]))


@one_thread()
def learn(window: ProcessWindow, trials: Sequence[Trial]) -> Learned:
    """Return the models of trials. Rejected where one of them lacks a parameter of the window."""
    for trial in trials:
        missing = [name for name in window.names if name not in trial.parameters]
        if missing:
            raise Rejected(f"trial {trial.id}: parameter '{missing[0]}' is missing")
    raw = np.array([[trial.parameters[name] for name in window.names] for trial in trials])
    steps = np.array([one.step for one in window.parameters])
    points = (raw - raw[0]) / steps
    qualities = {}
    for limit in window.responses:
        seen = np.array([limit.name in trial.responses for trial in trials])
        if seen.any():
            values = np.array([trial.responses[limit.name] for trial in trials if limit.name in trial.responses])
            qualities[limit.name] = quality_model(points[seen], values)
    good = np.array([float(trial.good) for trial in trials])
    parts = np.array([float(trial.parts) for trial in trials])
    told = [(trial.scrapped, trial.parts - trial.good) for trial in trials if trial.scrapped is not None]
    scrap = (sum(scrapped for scrapped, _ in told) + 1) / (sum(bad for _, bad in told) + 4) if told else 1.0
    return Learned(window, raw[0], points, yield_model(points, good, parts), qualities, scrap)


@one_thread()
def propose(
    windows: WindowSet,
    target: TuningTarget,
    trials: Sequence[Trial],
    *,
    accepted: Mapping[str, float] | None = None,
    in_use: Setpoints | None = None,
    now_us: int | None = None,
    budget: int = 40,
    seed: int = 0,
    learned: Learned | None = None,
) -> Proposal | Refusal:
    """Return what to try next at a program, or why nothing is to be tried.

    ``trials``: those of the target, oldest first. ``accepted``: the recipe that a person accepted; where none is given, the one of those
    tried that is best beyond doubt. ``in_use``: what is set now, from which a step is counted; the accepted recipe where not given.
    """
    try:
        window = windows.of(target.work_unit, target.program, target.job)
    except Rejected as error:
        return Refusal(target, Refused.NO_WINDOW, str(error), len(trials))
    if not trials:
        return Refusal(target, Refused.NO_BASELINE, "no trial is known: run the accepted recipe first, and measure it")
    if len(trials) >= budget:
        return Refusal(target, Refused.BUDGET, f"{len(trials)} of {budget} trials are done", len(trials))
    known = learn(window, trials) if learned is None else learned
    for limit in window.responses:
        if limit.name not in known.qualities:
            words = f"{limit.name} has a limit, but was never measured"
            return Refusal(target, Refused.NOTHING_SAFE, words, len(trials))
    kept = best_tried(known, trials) if accepted is None else dict(accepted)
    base = kept if in_use is None else in_use.parameters
    for one in window.parameters:
        value = base.get(one.name)
        if value is None or not one.low <= value <= one.high:
            words = f"{one.name} in use is {'not known' if value is None else f'{value:g} {one.unit}'}, outside {one.low:g} to {one.high:g}"
            return Refusal(target, Refused.BASELINE_OUTSIDE, words, len(trials))
    return _Search(windows, target, known, trials, kept, base, in_use, now_us, seed).answer()


def best_tried(known: Learned, trials: Sequence[Trial]) -> dict[str, float]:
    """Return the recipe of those tried that is best beyond doubt and inside the window; the first one where none is."""
    names = known.window.names
    tried = np.unique(np.array([[trial.parameters[name] for name in names] for trial in trials]), axis=0)
    low = np.array([one.low for one in known.window.parameters])
    high = np.array([one.high for one in known.window.parameters])
    first = np.array([[trials[0].parameters[name] for name in names]])
    fits = ((tried >= low) & (tried <= high)).all(axis=1) & _safe(known, tried, Z90, _scrap_most(known, first, 1.0))[0]
    if not fits.any():
        return {name: trials[0].parameters[name] for name in names}
    tried = tried[fits]
    best = tried[int(np.argmax(known.objective.predict(known.placed(tried)).low(1.0)))]
    return dict(zip(names, best.tolist(), strict=True))


def trust_of(known: Learned, trials: Sequence[Trial], accepted: Mapping[str, float]) -> float:
    """Return how far from the accepted recipe is tried, in steps: less while it stays the best, whole again when it moves."""
    names = known.window.names
    first = next((at for at, one in enumerate(trials) if all(one.parameters[name] == accepted[name] for name in names)), 0)
    since = len(trials) - 1 - first
    return max(0.4, min(1.0, 1.0 if first else 0.8) * 0.9 ** max(0, since - 2 * len(names)))


def _scrap(known: Learned, points: Floats) -> Floats:
    """Return the share of parts that may be scrapped at points: of the expected share of bad ones, one deviation up."""
    return np.asarray(known.scrap_of_bad * (1 - expit(known.objective.predict(known.placed(points)).low(1.0))))


def _scrap_most(known: Learned, accepted: Floats, more: float) -> float:
    """Return how much may be scrapped: what the window says, or so many times what the accepted recipe itself scraps, if that is more."""
    return max(known.window.objective.scrap_max, more * float(_scrap(known, accepted)[0]))


def _safe(known: Learned, points: Floats, deviations: float, scrap_most: float) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], str]:
    """Return at which points every quality and the scrap are inside their limits beyond doubt, and what excludes the most."""
    placed = known.placed(points)
    found = np.ones(len(points), bool)
    worst, most = "", -1
    for limit in known.window.responses:
        believed = known.qualities[limit.name].predict(placed)
        outside = np.zeros(len(points), bool)
        if limit.low is not None:
            outside |= believed.low(deviations) < limit.low
        if limit.high is not None:
            outside |= believed.high(deviations) > limit.high
        found &= ~outside
        if outside.sum() > most:
            worst, most = limit.name, int(outside.sum())
    too_much = _scrap(known, points) > scrap_most
    if too_much.sum() > most:
        worst = "scrap"
    return found & ~too_much, worst


class _Search:
    """One search for a point."""

    def __init__(
        self,
        windows: WindowSet,
        target: TuningTarget,
        known: Learned,
        trials: Sequence[Trial],
        accepted: Mapping[str, float],
        base: Mapping[str, float],
        in_use: Setpoints | None,
        now_us: int | None,
        seed: int,
    ) -> None:
        self._windows, self._target, self._known, self._trials = windows, target, known, trials
        self._accepted, self._base = accepted, base
        since = None if in_use is None else in_use.since_us
        self._in_use = Setpoints(target.work_unit, target.program, base, target.job, since_us=since)
        self._now_us = now_us
        waited = None if now_us is None or since is None else now_us - since
        self._trust = trust_of(known, trials, accepted)
        self._reach = Reach(known.window, accepted, base, self._trust, waited)
        self._random = np.random.default_rng([seed, len(trials)])
        self._seed = seed

    def answer(self) -> Proposal | Refusal:
        known, trials = self._known, self._trials
        home = np.array([[self._accepted[name] for name in known.window.names]])
        at_home = known.objective.predict(known.placed(home))
        points = self._reach.points(self._uphill(home), self._random, _COUNT)
        if not len(points):
            return self._refusal(Refused.NOTHING_SAFE, "no point of the grid lies inside the window, one step from what is in use")
        safe, worst = _safe(known, points, Z90, _scrap_most(known, home, _SCRAP_MORE))
        points = points[safe & (points != home[0]).any(axis=1)]
        if not len(points):
            same = sum(all(one.parameters[name] == self._accepted[name] for name in known.window.names) for one in trials)
            # measuring once more helps where the accepted recipe is inside as far as is known
            if same < _CONFIRMATIONS and _safe(known, home, 0.0, 1.0)[0][0]:
                words = f"{worst} is not yet known well enough beside the accepted recipe: measure it once more"
                return self._proposal(home[0], Purpose.CONFIRM, (words,)) or self._refusal(Refused.NOTHING_SAFE, words)
            return self._refusal(Refused.NOTHING_SAFE, f"no point within reach keeps {worst} inside its limit beyond doubt")
        believed = known.objective.predict(known.placed(points))
        ordered, purpose, reasons = self._ordered(believed, at_home)
        for at in ordered[:20]:
            found = self._proposal(points[at], purpose, reasons)
            if found is not None:
                return found
        if not len(ordered):
            return self._refusal(Refused.NO_GAIN, "no point within reach is expected to be better by what is worth a trial")
        return self._refusal(Refused.NOTHING_SAFE, "no point within reach passes the judge of process windows")

    def _ordered(self, believed: Believed, home: Believed) -> tuple[list[int], Purpose, tuple[str, ...]]:
        """Return which points to try, the best first, and why."""
        size = len(self._known.window.names)
        daring = believed.mean >= home.mean[0] - _DARE
        if len(self._trials) < 2 + 2 * size:
            wanted = np.where(daring, believed.sd, -np.inf)
            words = f"{len(self._trials)} trials are few: a small step that tells the most"
            return [int(at) for at in np.argsort(-wanted) if daring[at]], Purpose.LEARN, (words,)
        bound = believed.low(CAUTION)
        best = int(np.argmax(bound))
        now = float(home.low(CAUTION)[0])
        if expit(bound[best]) > expit(now) + _WORTH:
            words = f"the bound of the expected share rises from {expit(now):.1%} to {expit(bound[best]):.1%}"
            return [int(at) for at in np.argsort(-bound) if bound[at] > now], Purpose.IMPROVE, (words,)
        hope = believed.high(1.0)
        promising = daring & (expit(hope) > expit(home.mean[0]) + _WORTH)
        words = f"nothing is better beyond doubt; this may be ({expit(float(hope.max())):.1%} at best), and tells more"
        return [int(at) for at in np.argsort(-hope) if promising[at]], Purpose.LEARN, (words,)

    def _uphill(self, home: Floats) -> Floats:
        """Return where the objective is expected to be best within reach, whatever is known of qualities: where points are gathered."""
        some = self._reach.points(home[0], self._random, _COUNT // 2)
        if not len(some):
            return np.asarray(home[0])
        return np.asarray(some[int(np.argmax(self._known.objective.predict(self._known.placed(some)).low(CAUTION)))])

    def _proposal(self, point: Floats, purpose: Purpose, reasons: tuple[str, ...]) -> Proposal | None:
        known, window = self._known, self._known.window
        parameters = self._reach.written(point)
        target = self._target
        asked = Setpoints(target.work_unit, target.program, parameters, target.job, window.version, self._now_us)
        if not judged(self._windows, asked, self._in_use):
            return None
        both = known.placed(np.array([[parameters[name] for name in window.names], [self._accepted[name] for name in window.names]]))
        mean, low, high = known.objective.shares(both)
        return Proposal(
            target=target,
            purpose=purpose,
            parameters=parameters,
            base={name: self._base[name] for name in window.names},
            accepted={name: self._accepted[name] for name in window.names},
            first_pass=Estimate(float(mean[0]), float(low[0]), float(high[0])),
            accepted_first_pass=Estimate(float(mean[1]), float(low[1]), float(high[1])),
            safety=tuple(self._safety(limit, both[:1]) for limit in window.responses),
            reasons=reasons,
            window_version=window.version,
            model=f"{MODEL}:{self._print()}",
            trials=len(self._trials),
            trust=self._trust,
        )

    def _safety(self, limit: ResponseLimit, place: Floats) -> Safety:
        believed = self._known.qualities[limit.name].predict(place)
        expected = Estimate(float(believed.mean[0]), float(believed.low()[0]), float(believed.high()[0]))
        return Safety(limit.name, limit.unit, expected, limit.low, limit.high)

    def _refusal(self, reason: Refused, words: str) -> Refusal:
        return Refusal(self._target, reason, words, len(self._trials))

    def _print(self) -> str:
        told = [[one.id, dict(one.parameters), one.parts, one.good, one.scrapped, dict(one.responses)] for one in self._trials]
        text = json.dumps([told, self._known.window.model_dump(), self._seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
