"""Fine-tuning near an accepted recipe: trials, proposals, refusals and policies. Values and pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from plant.errors import Rejected
from plant.recommendations import Estimate, Stage

TUNING: Final = "tuning/1"
_MICROS_DAY: Final = 86_400_000_000


def difference(value: float, base: float) -> float:
    """Return what a person gets who subtracts: 9.03 - 8.9 is 0.13."""
    return float(Decimal(repr(float(value))) - Decimal(repr(float(base))))


@dataclass(frozen=True, slots=True)
class TuningTarget:
    """What is tuned: a program, for a job where it matters, of a work unit."""

    work_unit: str
    program: str
    job: str = ""

    @property
    def words(self) -> str:
        """As people name it."""
        return " / ".join(one for one in (self.work_unit, self.program, self.job) if one)


@dataclass(frozen=True, slots=True)
class Trial:
    """Parts made at one recipe, and what was measured of them."""

    id: str
    target: TuningTarget
    parameters: Mapping[str, float]
    parts: int
    good: int
    scrapped: int | None = None
    responses: Mapping[str, float] = field(default_factory=dict)
    """Mean of what was measured; a quality that was not measured is not there."""
    ended_us: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.good <= self.parts or self.parts < 1:
            raise Rejected(f"trial {self.id}: {self.good} of {self.parts} parts cannot be good")
        if self.scrapped is not None and not 0 <= self.scrapped <= self.parts - self.good:
            raise Rejected(f"trial {self.id}: {self.scrapped} of {self.parts - self.good} parts that were not good cannot be scrapped")
        if not all(math.isfinite(value) for value in (*self.parameters.values(), *self.responses.values())):
            raise Rejected(f"trial {self.id}: a value is no finite number")


class Purpose(StrEnum):
    """Why a point is proposed."""

    LEARN = "learn"
    """A small step of a designed experiment: too little is known yet."""
    IMPROVE = "improve"
    """The best point that is safe beyond doubt."""
    CONFIRM = "confirm"
    """The accepted recipe once more, or a promising one, to be surer of it."""
    RETURN = "return"
    """Back to the accepted recipe, or a step towards it."""


@dataclass(frozen=True, slots=True)
class Safety:
    """What is expected of one quality at a proposed point, and what it must be inside."""

    name: str
    unit: str
    expected: Estimate
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recipe to try next: how it differs from what is in use, what is expected, and why."""

    target: TuningTarget
    purpose: Purpose
    parameters: Mapping[str, float]
    base: Mapping[str, float]
    """What is in use; ``deltas`` are against it."""
    accepted: Mapping[str, float]
    """The recipe that a roll-back goes to."""
    first_pass: Estimate
    accepted_first_pass: Estimate
    safety: tuple[Safety, ...]
    reasons: tuple[str, ...]
    window_version: int
    model: str
    """What it was made with: kind of model and hash of trials, window and seed."""
    trials: int
    trust: float
    """Half width of the trust region, in steps."""

    @property
    def deltas(self) -> Mapping[str, float]:
        """By how much each parameter differs from what is in use; those that do not are left out."""
        return {name: difference(value, self.base[name]) for name, value in self.parameters.items() if value != self.base[name]}


class Refused(StrEnum):
    """Why nothing is proposed."""

    NO_WINDOW = "no_window"
    NO_BASELINE = "no_baseline"
    """No trial, or none at the accepted recipe."""
    BASELINE_OUTSIDE = "baseline_outside"
    """What is in use lies outside its window: a person must put that right."""
    NOTHING_SAFE = "nothing_safe"
    """No point within reach is inside all limits beyond doubt."""
    NO_GAIN = "no_gain"
    """No point is expected to be better by what is worth a trial: the accepted recipe stays."""
    BUDGET = "budget"
    """The trials that were allowed are used up."""
    ROLLED_BACK = "rolled_back"
    """The accepted recipe itself has become worse: a person must look before anything else is tried."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is proposed, in a word and in a sentence."""

    target: TuningTarget
    reason: Refused
    words: str
    trials: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A person's leave to run trials without being asked for each one: for how long, how many, and how far from the accepted recipe."""

    target: TuningTarget
    enabled_by: str
    enabled_us: int
    until_us: int
    budget: int
    largest_delta: float = 1.0
    """Largest distance from what is in use, in steps of the window."""

    def __post_init__(self) -> None:
        if not self.enabled_by.strip():
            raise Rejected("a policy names the person who enabled it")
        if not self.enabled_us < self.until_us <= self.enabled_us + 31 * _MICROS_DAY:
            raise Rejected("a policy holds for 31 days at most, and ends after it begins")
        if not 1 <= self.budget <= 100 or not 0 < self.largest_delta <= 1:
            raise Rejected("a policy allows 1 to 100 trials, each at most one step from what is in use")

    def approves(self, proposal: Proposal, steps: Mapping[str, float], now_us: int, used: int) -> bool:
        """Whether a proposal may be tried without asking, after ``used`` trials under this policy."""
        near = all(abs(delta) <= self.largest_delta * steps[name] * (1 + 1e-12) for name, delta in proposal.deltas.items())
        return proposal.target == self.target and self.enabled_us <= now_us < self.until_us and used < self.budget and near


class Outcome(StrEnum):
    """What became of a trial."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    """Rolled back."""


def may_decide(stage: Stage) -> bool:
    """Whether a person can still approve or decline a proposal."""
    return stage is Stage.PROPOSED


def proposal_record(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON: what ``leadhand tune`` writes and what storage keeps."""
    return {
        "answer": "proposal",
        **_target_record(proposal.target),
        "purpose": proposal.purpose.value,
        "parameters": dict(proposal.parameters),
        "base": dict(proposal.base),
        "deltas": dict(proposal.deltas),
        "accepted": dict(proposal.accepted),
        "first_pass": _estimate_record(proposal.first_pass),
        "accepted_first_pass": _estimate_record(proposal.accepted_first_pass),
        "gain": round(proposal.first_pass.mean - proposal.accepted_first_pass.mean, 6),
        "safety": [
            {"name": one.name, "unit": one.unit, "expected": _estimate_record(one.expected), "low": one.low, "high": one.high}
            for one in proposal.safety
        ],
        "reasons": list(proposal.reasons),
        "window_version": proposal.window_version,
        "model": proposal.model,
        "trials": proposal.trials,
        "trust": round(proposal.trust, 6),
    }


def proposal_of(record: Mapping[str, Any]) -> Proposal:
    """Return the proposal that ``proposal_record`` wrote. Raises Rejected for anything else."""
    try:
        return Proposal(
            target=TuningTarget(record["work_unit"], record["program"], record["job"]),
            purpose=Purpose(record["purpose"]),
            parameters=dict(record["parameters"]),
            base=dict(record["base"]),
            accepted=dict(record["accepted"]),
            first_pass=Estimate(**record["first_pass"]),
            accepted_first_pass=Estimate(**record["accepted_first_pass"]),
            safety=tuple(
                Safety(one["name"], one["unit"], Estimate(**one["expected"]), one["low"], one["high"]) for one in record["safety"]
            ),
            reasons=tuple(record["reasons"]),
            window_version=record["window_version"],
            model=record["model"],
            trials=record["trials"],
            trust=record["trust"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"this is no proposal: {error!r}") from error


def refusal_record(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as JSON."""
    return {
        "answer": "refused",
        **_target_record(refusal.target),
        "reason": refusal.reason.value,
        "words": refusal.words,
        "trials": refusal.trials,
    }


def _target_record(target: TuningTarget) -> dict[str, str]:
    return {"work_unit": target.work_unit, "program": target.program, "job": target.job}


def _estimate_record(one: Estimate) -> dict[str, float]:
    return {"mean": round(one.mean, 6), "low": round(one.low, 6), "high": round(one.high, 6)}
