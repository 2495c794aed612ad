"""Fine-tuning: which programs are tuned, what is proposed and why, trials, roll-backs; what approvers decide, what is measured."""

from __future__ import annotations

import math
from typing import Any

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_tuning import (
    AcceptDraft,
    ParameterView,
    PolicyDraft,
    PolicyView,
    ProposalChangeView,
    ProposalView,
    ReadBackDraft,
    ReadBackView,
    RollbackView,
    SafetyView,
    TargetDraft,
    TrialDraft,
    TrialView,
    TuningApprovalDraft,
    TuningDeclineDraft,
    TuningLine,
    TuningView,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.process_windows import ProcessWindow, Setpoints, WindowSet, check
from plant.program_deltas import BaseProgram, ReadBack, delta_of
from plant.recommendations import Estimate, Stage
from plant.tuning import Policy, Trial, TuningTarget
from storage import trials
from storage.database import Connection, Pool
from storage.people import Role
from storage.process_windows import read_windows
from storage.trials import StoredProposal
from storage.tuning_policies import enable_policy, end_policy, read_policy
from storage.tuning_readbacks import add_readback, read_readbacks

_HOUR_US = 3_600_000_000


class TuningService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def programs(self) -> list[TuningLine]:
        """Return the programs that are tuned, those to decide first."""
        with self._pool.connection() as connection:
            found = [self._line(connection, target) for target in trials.tuned_targets(connection)]
        return sorted(found, key=lambda one: (one.stage != Stage.PROPOSED, one.work_unit, one.program, one.job))

    def program(self, work_unit: str, program: str, job: str = "") -> TuningView:
        """Return all about one program."""
        target = _target(work_unit, program, job)
        with self._pool.connection() as connection:
            if target not in trials.tuned_targets(connection):
                raise Rejected(f"{target.words} is not tuned: no trial of it is known")
            return _whole(connection, target, self._clock.now_us())

    def approve(self, who: Person, number: int, draft: TuningApprovalDraft) -> None:
        """Approve a proposal; its process window is judged once more. For approvers; audited."""
        require(who, Role.APPROVER)
        with self._pool.connection() as connection:
            stored = _proposal(connection, number)
            one = stored.proposal
            windows = read_windows(connection)
            if windows is None:
                raise Rejected("there are no process windows: nothing may be tried")
            asked = Setpoints(one.target.work_unit, one.target.program, one.parameters, one.target.job, one.window_version)
            in_use = Setpoints(one.target.work_unit, one.target.program, one.base, one.target.job)
            broken = check(windows, asked, in_use)
            if broken:
                raise Rejected("the process window does not allow it: " + "; ".join(each.words for each in broken))
            self._change(connection, who, number, Stage.APPROVED, draft.note)

    def decline(self, who: Person, number: int, draft: TuningDeclineDraft) -> None:
        """Decline a proposal, for a reason; one that was approved is taken back so. For approvers; audited."""
        require(who, Role.APPROVER)
        reason = draft.reason.value if not draft.note else f"{draft.reason.value}: {draft.note}"
        with self._pool.connection() as connection:
            self._change(connection, who, number, Stage.DECLINED, reason)

    def add_trial(self, who: Person, draft: TrialDraft) -> int:
        """Keep a trial as measured and return its number. For inspectors; audited."""
        require(who, Role.INSPECTOR)
        target, now_us = _target_of(draft), self._clock.now_us()
        trial = Trial(
            *(_clean(draft.trial), target, draft.parameters, draft.parts, draft.good, draft.scrapped, draft.responses),
            draft.ended_us or now_us,
        )
        with self._pool.connection() as connection:
            window = _window(read_windows(connection), target)
            if window is None:
                raise Rejected(f"there is no process window for {target.words}")
            missing = [name for name in window.names if name not in draft.parameters]
            unknown = [name for name in draft.parameters if name not in window.names]
            if missing or unknown:
                raise Rejected(f"the trial lacks '{missing[0]}'" if missing else f"the process window has no parameter '{unknown[0]}'")
            return trials.add_trial(connection, trial, actor=who.name, now_us=now_us, proposal=draft.proposal, address=who.address)

    def accept(self, who: Person, draft: AcceptDraft) -> int:
        """Make a recipe the accepted one, and return its version. For approvers; audited."""
        require(who, Role.APPROVER)
        target = _target_of(draft)
        with self._pool.connection() as connection:
            windows = read_windows(connection)
            asked = Setpoints(target.work_unit, target.program, draft.parameters, target.job)
            broken = check(windows or WindowSet(()), asked, None)
            if broken:
                raise Rejected("the process window does not allow it: " + "; ".join(each.words for each in broken))
            return trials.accept_recipe(
                *(connection, target, draft.parameters),
                actor=who.name,
                reason=_clean(draft.reason),
                now_us=self._clock.now_us(),
                address=who.address,
            )

    def enable_policy(self, who: Person, draft: PolicyDraft) -> int:
        """Let trials run for a while without asking for each one, and return the policy's number. For approvers; audited."""
        require(who, Role.APPROVER)
        now_us = self._clock.now_us()
        until = now_us + round(draft.hours * _HOUR_US)
        policy = Policy(_target_of(draft), who.name, now_us, until, draft.budget, draft.largest_delta)
        with self._pool.connection() as connection:
            return enable_policy(connection, policy, address=who.address)

    def end_policy(self, who: Person, draft: TargetDraft) -> None:
        """Ask a person for each trial again. For approvers; audited."""
        require(who, Role.APPROVER)
        with self._pool.connection() as connection:
            end_policy(connection, _target_of(draft), actor=who.name, now_us=self._clock.now_us(), address=who.address)

    def read_back(self, who: Person, number: int, draft: ReadBackDraft) -> bool:
        """Keep what a device says of the program of a proposal; return whether that confirms it. For inspectors; audited."""
        require(who, Role.INSPECTOR)
        with self._pool.connection() as connection:
            stored = _proposal(connection, number)
            one, target = stored.proposal, stored.proposal.target
            accepted = trials.read_accepted(connection, target)
            window = _window(read_windows(connection), target)
            if window is None:
                raise Rejected(f"there is no process window for {target.words}")
            units = {each.name: each.unit for each in window.parameters}
            base = BaseProgram(target.work_unit, target.program, str(accepted.id if accepted else 0), dict(one.accepted), units)
            # a device may round by half of what is no change at all
            record = delta_of(base, one.parameters, {each.name: each.dead_band / 2 for each in window.parameters})
            read = ReadBack(draft.program, draft.version, draft.values, draft.units, draft.stored)
            return add_readback(connection, number, target, record, read, actor=who.name, now_us=self._clock.now_us())

    def _change(self, connection: Connection, who: Person, number: int, stage: Stage, reason: str) -> None:
        trials.change_proposal(
            *(connection, number, stage), actor=who.name, reason=_clean(reason), now_us=self._clock.now_us(), address=who.address
        )

    def _line(self, connection: Connection, target: TuningTarget) -> TuningLine:
        done = trials.read_trials(connection, target)
        busy = trials.open_proposal(connection, target)
        standing = trials.read_standing(connection, target)
        refusal = None if standing is None or not standing[1].get("refusal") else standing[1]["refusal"]["reason"]
        return TuningLine(
            *(target.work_unit, target.program, target.job, len(done)),
            None if busy is None else busy.stage.value,
            None if busy is None else busy.proposal.purpose.value,
            refusal if busy is None else None,
            None if busy is None else busy.proposal.accepted_first_pass,
        )


def _whole(connection: Connection, target: TuningTarget, now_us: int) -> TuningView:
    window = _window(read_windows(connection), target)
    accepted = trials.read_accepted(connection, target)
    busy = trials.open_proposal(connection, target)
    standing = trials.read_standing(connection, target)
    told: dict[str, Any] = {} if standing is None else standing[1]
    refusal = told.get("refusal") or {}
    policy = read_policy(connection, target, now_us)
    recipe = accepted.parameters if accepted else busy.proposal.accepted if busy else told.get("best", {})
    return TuningView(
        work_unit=target.work_unit,
        program=target.program,
        job=target.job,
        window_version=None if window is None else window.version,
        author="" if window is None else window.author,
        approver="" if window is None else window.approver,
        parameters=_parameters(window, recipe, busy),
        accepted_version=None if accepted is None else accepted.id,
        accepted_by="" if accepted is None else accepted.actor,
        accepted_us=None if accepted is None else accepted.time_us,
        proposal=None if busy is None else _view(connection, busy, whole=True),
        refusal=None if busy is not None else refusal.get("reason"),
        refusal_words="" if busy is not None else refusal.get("words", ""),
        best=told.get("best"),
        best_first_pass=Estimate(**told["best_first_pass"]) if told.get("best_first_pass") else None,
        trials=tuple(
            TrialView(
                *(one.id, one.trial.id, one.ended_us, dict(one.trial.parameters), one.trial.parts, one.trial.good, one.trial.scrapped),
                *(dict(one.trial.responses), one.proposal, None if one.outcome is None else one.outcome.value, one.actor),
            )
            for one in trials.read_trials(connection, target, 100)
        ),
        proposals=tuple(_view(connection, one, whole=False) for one in trials.read_proposals(connection, target, 30)),
        rollbacks=tuple(
            RollbackView(
                *(one.time_us, one.proposal, dict(one.parameters), dict(one.back_to), one.parts, one.good, one.expected),
                math.exp(min(50.0, one.evidence)),
            )
            for one in trials.read_rollbacks(connection, target)
        ),
        policy=None
        if policy is None
        else PolicyView(
            *(policy.id, policy.policy.enabled_by, policy.policy.until_us, policy.policy.budget, policy.used),
            policy.policy.largest_delta,
        ),
    )


def _parameters(window: ProcessWindow | None, recipe: Any, busy: StoredProposal | None) -> tuple[ParameterView, ...]:
    if window is None:
        return ()
    return tuple(
        ParameterView(
            *(one.name, one.unit, one.low, one.high, one.step, recipe.get(one.name)),
            None if busy is None else busy.proposal.parameters.get(one.name),
            None if busy is None else busy.proposal.deltas.get(one.name),
        )
        for one in window.parameters
    )


def _view(connection: Connection, stored: StoredProposal, *, whole: bool) -> ProposalView:
    one = stored.proposal
    changes = trials.read_proposal_changes(connection, stored.id) if whole else []
    readbacks = read_readbacks(connection, stored.id) if whole else []
    return ProposalView(
        id=stored.id,
        made_us=stored.made_us,
        stage=stored.stage.value,
        purpose=one.purpose.value,
        parameters=dict(one.parameters),
        deltas=dict(one.deltas),
        accepted=dict(one.accepted),
        first_pass=one.first_pass,
        accepted_first_pass=one.accepted_first_pass,
        safety=tuple(SafetyView(each.name, each.unit, each.expected, each.low, each.high) for each in one.safety),
        reasons=one.reasons,
        trials=one.trials,
        trust=one.trust,
        model=one.model,
        windows_version=stored.windows_version,
        history=tuple(
            ProposalChangeView(
                *(each.time_us, None if each.before is None else each.before.value, each.after.value, each.actor, each.reason)
            )
            for each in changes
        ),
        readbacks=tuple(ReadBackView(each.time_us, each.actor, each.confirmed, each.differences) for each in readbacks),
    )


def _proposal(connection: Connection, number: int) -> StoredProposal:
    found = trials.read_proposal(connection, number)
    if found is None:
        raise Rejected(f"there is no proposal {number}")
    return found


def _window(windows: WindowSet | None, target: TuningTarget) -> ProcessWindow | None:
    try:
        return None if windows is None else windows.of(target.work_unit, target.program, target.job)
    except Rejected:
        return None


def _target(work_unit: str, program: str, job: str) -> TuningTarget:
    return TuningTarget(_clean(work_unit), _clean(program), _clean(job))


def _target_of(draft: TargetDraft) -> TuningTarget:
    return _target(draft.work_unit, draft.program, draft.job)


def _clean(words: str) -> str:
    return words.replace("\0", "").strip()
