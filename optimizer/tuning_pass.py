"""One look at everything that is tuned: trials that came are judged, and what to try next is proposed. Called again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
import structlog

from optimizer.tuning import best_tried, learn, propose
from optimizer.tuning_rollback import drifted, weigh_counts
from plant.errors import Rejected, Unavailable
from plant.process_windows import ProcessWindow, WindowSet
from plant.recommendations import Stage
from plant.tuning import Outcome, Proposal, Refusal, Refused, Trial, TuningTarget, refusal_record
from storage import trials as kept
from storage.database import Connection
from storage.process_windows import read_windows, windows_version
from storage.trials import StoredProposal, StoredTrial
from storage.tuning_policies import read_policy

NEWEST: Final = 60
"""Trials that are learned from: older ones were made with another state of the machine."""
_UNLIMITED: Final = 1_000_000
_BETTER: Final = 2.0
"""Logarithm of the likelihood ratio of as good to worse, from which on a trial that also counts more good parts is called better."""


def tuning_pass(connection: Connection, now_us: int, *, seed: int = 0) -> int:
    """Judge what came and propose what is due; return how many proposals are new. Without process windows nothing is ever proposed."""
    windows, version = read_windows(connection), windows_version(connection)
    made = 0
    for target in kept.tuned_targets(connection):
        try:
            made += _one(connection, windows, version, target, now_us, seed)
        except Unavailable:
            raise
        except Rejected as error:
            structlog.get_logger(process="optimizer").warning("fine-tuning passed over", program=target.words, why=str(error))
        except Exception:  # noqa: BLE001 - one program that cannot be tuned must not keep others from theirs
            structlog.get_logger(process="optimizer").exception("fine-tuning failed", program=target.words)
    return made


def _one(connection: Connection, windows: WindowSet | None, version: int, target: TuningTarget, now_us: int, seed: int) -> int:
    stored = kept.read_trials(connection, target, NEWEST)
    for one in stored:
        if one.proposal is not None and one.outcome is None:
            _judge(connection, one, now_us)
    accepted = kept.read_accepted(connection, target)
    busy = kept.open_proposal(connection, target)
    if busy is not None and busy.stage is Stage.PROPOSED and busy.windows_version != version:
        kept.change_proposal(connection, busy.id, Stage.EXPIRED, actor="leadhand", reason="the process windows changed", now_us=now_us)
        busy = None
    newest = kept.read_proposals(connection, target, 1)
    policy = read_policy(connection, target, now_us)
    facts = (stored[-1].id if stored else 0, version, accepted.id if accepted else 0, policy.id if policy else 0)
    before = kept.read_standing(connection, target)
    if before is not None and before[0] == _basis(facts, newest):
        return 0
    trials = [one.trial for one in stored]
    recipe = None if accepted is None else accepted.parameters
    answer = _answer(windows, target, trials, recipe, now_us, seed + (newest[0].id if newest else 0))
    document: dict[str, object] = {"refusal": refusal_record(answer) if isinstance(answer, Refusal) else None}
    if windows is not None and trials:
        document |= _standing(windows, target, trials, answer)
    made = 0
    if isinstance(answer, Proposal) and (busy is None or busy.stage is Stage.PROPOSED):
        if busy is None or dict(busy.proposal.parameters) != dict(answer.parameters):
            number = kept.add_proposal(connection, answer, windows_version=version, now_us=now_us)
            made = 1
        else:
            number = busy.id
        steps = _steps(windows, target)
        if policy is not None and policy.policy.approves(answer, steps, now_us, policy.used):
            who = f"policy {policy.id} of {policy.policy.enabled_by}"
            kept.change_proposal(connection, number, Stage.APPROVED, actor=who, reason="policy", now_us=now_us, policy=policy.id)
    # what was just made is part of what the standing was made from
    basis = _basis(facts, kept.read_proposals(connection, target, 1))
    kept.write_standing(connection, target, basis, document, now_us)
    return made


def _basis(facts: tuple[int, ...], newest: list[StoredProposal]) -> str:
    """Return what a standing is made from, as a short word: while it is the same nothing is proposed anew."""
    last = (newest[0].id, newest[0].stage.value) if newest else ()
    return hashlib.sha256(repr((facts, last)).encode()).hexdigest()[:16]


def _answer(
    windows: WindowSet | None, target: TuningTarget, trials: list[Trial], accepted: Mapping[str, float] | None, now_us: int, seed: int
) -> Proposal | Refusal:
    if windows is None:
        return Refusal(target, Refused.NO_WINDOW, "no process windows were imported: nothing is ever proposed without", len(trials))
    if accepted is not None:
        runs = [(one.good, one.parts) for one in trials if dict(one.parameters) == dict(accepted)]
        first = sum(good for good, _ in runs[:3]) / max(1, sum(parts for _, parts in runs[:3]))
        if len(runs) > 3 and drifted(first, runs[3:]):
            words = "the accepted recipe itself has become worse than it was: look at material, tool and fixture first"
            return Refusal(target, Refused.ROLLED_BACK, words, len(trials))
    return propose(windows, target, trials, accepted=accepted, now_us=now_us, budget=_UNLIMITED, seed=seed)


def _standing(windows: WindowSet, target: TuningTarget, trials: list[Trial], answer: Proposal | Refusal) -> dict[str, object]:
    """Return which recipe of those tried is the best beyond doubt, and what is expected of it."""
    if isinstance(answer, Refusal) and answer.reason is Refused.NO_WINDOW:
        return {}
    window: ProcessWindow = windows.of(target.work_unit, target.program, target.job)
    if any(one.name not in trial.parameters for one in window.parameters for trial in trials):
        return {}
    known = learn(window, trials)
    if any(limit.name not in known.qualities for limit in window.responses):
        return {}
    best = best_tried(known, trials)
    place = known.placed(np.array([[best[name] for name in window.names]]))
    mean, low, high = known.objective.shares(place)
    return {"best": best, "best_first_pass": {"mean": float(mean[0]), "low": float(low[0]), "high": float(high[0])}}


def _steps(windows: WindowSet | None, target: TuningTarget) -> dict[str, float]:
    if windows is None:
        return {}
    return {one.name: one.step for one in windows.of(target.work_unit, target.program, target.job).parameters}


def _judge(connection: Connection, stored: StoredTrial, now_us: int) -> None:
    proposal = None if stored.proposal is None else kept.read_proposal(connection, stored.proposal)
    if proposal is None:
        return
    expected = proposal.proposal.accepted_first_pass.mean
    evidence, worse = weigh_counts(expected, stored.trial.good, stored.trial.parts)
    better = not worse and evidence < -_BETTER and stored.trial.good / stored.trial.parts > expected
    outcome = Outcome.WORSE if worse else Outcome.BETTER if better else Outcome.SAME
    kept.judge_trial(connection, stored, outcome, expected=expected, evidence=evidence, now_us=now_us)
