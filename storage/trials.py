"""Fine-tuning as kept: trials, what was proposed and who decided, roll-backs, accepted recipes. The database guards the order of stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.recommendations import Stage
from plant.tuning import Outcome, Proposal, Trial, TuningTarget, proposal_of, proposal_record
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

TUNED: Final = "tuning"
"""The channel; its payload is the work unit that something is new of."""
_OPEN: Final = (Stage.PROPOSED, Stage.APPROVED, Stage.EXECUTED)
_MOST: Final = 1000
_WHERE: Final = "work_unit = %s AND program = %s AND job = %s"


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial, what it was proposed by, and what became of it."""

    id: int
    trial: Trial
    ended_us: int
    proposal: int | None
    outcome: Outcome | None
    """None: of the accepted recipe, or not judged yet."""
    evidence: float | None
    expected: float | None
    actor: str


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposal with its number and how far it has come."""

    id: int
    made_us: int
    stage: Stage
    stage_us: int
    stage_actor: str
    stage_reason: str
    policy: int | None
    windows_version: int
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class AcceptedRecipe:
    """The recipe that a person accepted; its number is the version of the base program."""

    id: int
    time_us: int
    parameters: Mapping[str, float]
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """A trial that was worse: taken back to the accepted recipe."""

    time_us: int
    proposal: int
    parameters: Mapping[str, float]
    back_to: Mapping[str, float]
    parts: int
    good: int
    expected: float
    evidence: float


@dataclass(frozen=True, slots=True)
class ProposalChange:
    """One thing that happened to a proposal."""

    time_us: int
    before: Stage | None
    after: Stage
    actor: str
    reason: str


def tuned_targets(connection: Connection) -> list[TuningTarget]:
    """Return what has trials or an accepted recipe, in order of name."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, program, job FROM tuning_trial UNION SELECT work_unit, program, job FROM tuning_recipe ORDER BY 1, 2, 3"
        ).fetchall()
    return [TuningTarget(*row) for row in rows]


def add_trial(connection: Connection, trial: Trial, *, actor: str, now_us: int, proposal: int | None = None, address: str = "") -> int:
    """Keep a trial with its line in the audit trail, and return its number.

    Raises Rejected for a name that is there already, and for a proposal that was not approved, or whose recipe is another one.
    """
    target = trial.target
    with translate_errors(), connection.transaction():
        _lock(connection, target)
        if proposal is not None:
            stored = read_proposal(connection, proposal)
            if stored is None or stored.proposal.target != target:
                raise Rejected(f"there is no proposal {proposal} for {target.words}")
            if stored.stage not in {Stage.APPROVED, Stage.EXECUTED}:
                raise Rejected(f"proposal {proposal} is {stored.stage.value}: only what was approved may be tried")
            if dict(stored.proposal.parameters) != dict(trial.parameters):
                raise Rejected(f"the trial was not made with the parameters of proposal {proposal}")
        row = connection.execute(
            "INSERT INTO tuning_trial (name, work_unit, program, job, ended_time, parameters, parts, good, scrapped, responses, "
            "proposal_id, actor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (work_unit, program, job, name) DO NOTHING RETURNING id",
            [
                *(trial.id, target.work_unit, target.program, target.job, moment(trial.ended_us or now_us)),
                *(Jsonb(dict(trial.parameters)), trial.parts, trial.good, trial.scrapped, Jsonb(dict(trial.responses))),
                *(proposal, actor),
            ],
        ).fetchone()
        if row is None:
            raise Rejected(f"there is a trial '{trial.id}' of {target.words} already")
        told = {"trial": trial.id, "parts": trial.parts, "good": trial.good, "scrapped": trial.scrapped, "proposal": proposal}
        _audit(connection, now_us, actor, "tuning.trial", target, None, told, address)
    return int(row[0])


def read_trials(connection: Connection, target: TuningTarget, most: int = _MOST) -> list[StoredTrial]:
    """Return the newest trials of a target, oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT * FROM (SELECT t.id, t.name, t.parameters, t.parts, t.good, t.scrapped, t.responses, t.ended_time, t.proposal_id, "  # noqa: S608
            "o.outcome, o.evidence, o.expected, t.actor FROM tuning_trial t LEFT JOIN tuning_outcome o ON o.trial_id = t.id "
            f"WHERE {_WHERE} ORDER BY t.id DESC LIMIT %s) newest ORDER BY id",
            [*_words(target), max(1, min(most, _MOST))],
        ).fetchall()
    return [
        StoredTrial(
            *(row[0], Trial(row[1], target, row[2], row[3], row[4], row[5], row[6], micros(row[7])), micros(row[7]), row[8]),
            *(None if row[9] is None else Outcome(row[9]), row[10], row[11], row[12]),
        )
        for row in rows
    ]


def accept_recipe(
    connection: Connection,
    target: TuningTarget,
    parameters: Mapping[str, float],
    *,
    actor: str,
    reason: str,
    now_us: int,
    address: str = "",
) -> int:
    """Make a recipe the accepted one and return its version. An open proposal for the target expires: it was made beside another."""
    with translate_errors(), connection.transaction():
        _lock(connection, target)
        before = read_accepted(connection, target)
        if before is not None and dict(before.parameters) == dict(parameters):
            return before.id
        row = connection.execute(
            "INSERT INTO tuning_recipe (work_unit, program, job, time, parameters, actor, reason) VALUES (%s, %s, %s, %s, %s, %s, %s) "
            "RETURNING id",
            [*_words(target), moment(now_us), Jsonb(dict(parameters)), actor, reason],
        ).fetchone()
        _expire(connection, target, now_us, "another recipe was accepted")
        previous = None if before is None else {"version": before.id, "parameters": dict(before.parameters)}
        _audit(connection, now_us, actor, "tuning.accept", target, previous, {"parameters": dict(parameters), "reason": reason}, address)
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def read_accepted(connection: Connection, target: TuningTarget) -> AcceptedRecipe | None:
    """Return the accepted recipe of a target, None where a person accepted none yet."""
    with translate_errors():
        row = connection.execute(
            f"SELECT id, time, parameters, actor, reason FROM tuning_recipe WHERE {_WHERE} ORDER BY id DESC LIMIT 1",  # noqa: S608
            _words(target),
        ).fetchone()
    return None if row is None else AcceptedRecipe(row[0], micros(row[1]), row[2], row[3], row[4])


def add_proposal(connection: Connection, proposal: Proposal, *, windows_version: int, now_us: int) -> int:
    """Keep a proposal and return its number. One that still waits to be decided expires; one being tried keeps others away."""
    target = proposal.target
    with translate_errors(), connection.transaction():
        _lock(connection, target)
        busy = connection.execute(
            f"SELECT id FROM tuning_proposal WHERE {_WHERE} AND stage IN ('approved', 'executed')",  # noqa: S608
            _words(target),
        ).fetchone()
        if busy is not None:
            raise Rejected(f"proposal {busy[0]} is being tried: its result comes first")
        _expire(connection, target, now_us, "superseded")
        row = connection.execute(
            "INSERT INTO tuning_proposal (work_unit, program, job, made_time, purpose, document, windows_version, stage, stage_time) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, 'proposed', %s) RETURNING id",
            [
                *(*_words(target), moment(now_us), proposal.purpose.value, Jsonb(proposal_record(proposal)), windows_version),
                moment(now_us),
            ],
        ).fetchone()
        notify(connection, TUNED, target.work_unit)
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def change_proposal(
    connection: Connection,
    number: int,
    stage: Stage,
    *,
    actor: str,
    reason: str = "",
    now_us: int,
    policy: int | None = None,
    address: str = "",
) -> None:
    """Bring a proposal to another stage, with its line in the audit trail. Raises Rejected where it may not come there from where it is."""
    with translate_errors(), connection.transaction():
        stored = read_proposal(connection, number)
        if stored is None:
            raise Rejected(f"there is no proposal {number}")
        row = connection.execute(
            "UPDATE tuning_proposal SET stage = %s, stage_time = %s, stage_actor = %s, stage_reason = %s, "
            "policy_id = coalesce(%s, policy_id) WHERE id = %s AND stage = %s RETURNING id",
            [stage.value, moment(now_us), actor, reason.replace("\0", ""), policy, number, stored.stage.value],
        ).fetchone()
        if row is None:
            raise Rejected(f"proposal {number} was decided by somebody else meanwhile")
        told = {"proposal": number, "stage": stage.value, "reason": reason}
        _audit(connection, now_us, actor, "tuning.stage", stored.proposal.target, {"stage": stored.stage.value}, told, address)


def read_proposal(connection: Connection, number: int) -> StoredProposal | None:
    """Return one proposal, None where there is none of this number."""
    with translate_errors():
        row = connection.execute(f"SELECT {_COLUMNS} FROM tuning_proposal WHERE id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _stored(row)


def read_proposals(connection: Connection, target: TuningTarget, most: int = 50) -> list[StoredProposal]:
    """Return the proposals of a target, the newest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM tuning_proposal WHERE {_WHERE} ORDER BY id DESC LIMIT %s",  # noqa: S608
            [*_words(target), max(1, min(most, _MOST))],
        ).fetchall()
    return [_stored(row) for row in rows]


def open_proposal(connection: Connection, target: TuningTarget) -> StoredProposal | None:
    """Return the proposal that waits to be decided, or is being tried; None where there is none."""
    newest = read_proposals(connection, target, 1)
    return newest[0] if newest and newest[0].stage in _OPEN else None


def read_proposal_changes(connection: Connection, number: int) -> list[ProposalChange]:
    """Return all that happened to a proposal, in order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT time, before, after, actor, reason FROM tuning_proposal_change WHERE proposal_id = %s ORDER BY id", [number]
        ).fetchall()
    return [ProposalChange(micros(row[0]), None if row[1] is None else Stage(row[1]), Stage(row[2]), row[3], row[4]) for row in rows]


def judge_trial(connection: Connection, stored: StoredTrial, outcome: Outcome, *, expected: float, evidence: float, now_us: int) -> None:
    """Keep what became of a proposed trial: measured, or rolled back to the accepted recipe. Said once; a second time changes nothing."""
    if stored.proposal is None:
        raise Rejected(f"trial {stored.trial.id} was not proposed: there is nothing to roll back")
    target = stored.trial.target
    with translate_errors(), connection.transaction():
        _lock(connection, target)
        row = connection.execute(
            "INSERT INTO tuning_outcome (trial_id, time, outcome, expected, evidence) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING RETURNING trial_id",
            [stored.id, moment(now_us), outcome.value, expected, evidence],
        ).fetchone()
        if row is None:
            return
        proposal = read_proposal(connection, stored.proposal)
        assert proposal is not None  # noqa: S101 - the trial refers to it
        if outcome is Outcome.WORSE:
            connection.execute(
                "INSERT INTO tuning_rollback (proposal_id, trial_id, time, parameters, back_to, parts, good, expected, evidence) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    *(stored.proposal, stored.id, moment(now_us), Jsonb(dict(proposal.proposal.parameters))),
                    *(Jsonb(dict(proposal.proposal.accepted)), stored.trial.parts, stored.trial.good, expected, evidence),
                ],
            )
        stage = Stage.ROLLED_BACK if outcome is Outcome.WORSE else Stage.MEASURED
        change_proposal(connection, stored.proposal, stage, actor="leadhand", reason=outcome.value, now_us=now_us)


def read_rollbacks(connection: Connection, target: TuningTarget, most: int = 20) -> list[Rollback]:
    """Return the roll-backs of a target, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT r.time, r.proposal_id, r.parameters, r.back_to, r.parts, r.good, r.expected, r.evidence FROM tuning_rollback r "
            "JOIN tuning_proposal p ON p.id = r.proposal_id WHERE work_unit = %s AND program = %s AND job = %s ORDER BY r.id DESC LIMIT %s",
            [*_words(target), max(1, min(most, _MOST))],
        ).fetchall()
    return [Rollback(micros(row[0]), *row[1:]) for row in rows]


def write_standing(connection: Connection, target: TuningTarget, basis: str, document: Mapping[str, Any], now_us: int) -> None:
    """Keep where a target stands."""
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO tuning_standing (work_unit, program, job, time, basis, document) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (work_unit, program, job) DO UPDATE SET time = excluded.time, basis = excluded.basis, "
            "document = excluded.document",
            [*_words(target), moment(now_us), basis, Jsonb(dict(document))],
        )
        notify(connection, TUNED, target.work_unit)


def read_standing(connection: Connection, target: TuningTarget) -> tuple[str, dict[str, Any]] | None:
    """Return what a target's standing was made from, and the standing; None before the first."""
    with translate_errors():
        row = connection.execute(f"SELECT basis, document FROM tuning_standing WHERE {_WHERE}", _words(target)).fetchone()  # noqa: S608
    return None if row is None else (str(row[0]), row[1])


def _expire(connection: Connection, target: TuningTarget, now_us: int, why: str) -> None:
    connection.execute(
        "UPDATE tuning_proposal SET stage = 'expired', stage_time = %s, stage_actor = '', stage_reason = %s "  # noqa: S608
        f"WHERE stage = 'proposed' AND {_WHERE}",
        [moment(now_us), why, *_words(target)],
    )


def _lock(connection: Connection, target: TuningTarget) -> None:
    """Let those who write about one target take turns, until their transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 73))", [target.words])


def _audit(
    connection: Connection, now_us: int, actor: str, act: str, target: TuningTarget, previous: Any, next_: Any, address: str
) -> None:
    add_audit(connection, time_us=now_us, actor=actor, act=act, subject=target.words, previous=previous, next_=next_, address=address)
    notify(connection, TUNED, target.work_unit)


def _words(target: TuningTarget) -> list[str]:
    return [target.work_unit, target.program, target.job]


_COLUMNS: Final = "id, made_time, stage, stage_time, stage_actor, stage_reason, policy_id, windows_version, document"


def _stored(row: Sequence[Any]) -> StoredProposal:
    return StoredProposal(
        *(row[0], micros(row[1]), Stage(row[2]), micros(row[3]), row[4], row[5], row[6], row[7]),
        proposal_of(row[8]),
    )
