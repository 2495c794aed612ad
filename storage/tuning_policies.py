"""Policies as kept: a person's leave to run trials for a while without being asked for each one."""

from __future__ import annotations

from dataclasses import dataclass

from plant.errors import Rejected
from plant.tuning import Policy, TuningTarget
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.trials import TUNED


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy with its number, and how many trials it has approved."""

    id: int
    policy: Policy
    used: int


def enable_policy(connection: Connection, policy: Policy, *, address: str = "") -> int:
    """Keep a policy and return its number; one that held before for the same target ends. Audited."""
    target = policy.target
    with translate_errors(), connection.transaction():
        connection.execute(
            "UPDATE tuning_policy SET ended_time = %s, ended_by = %s "
            "WHERE work_unit = %s AND program = %s AND job = %s AND ended_time IS NULL",
            [moment(policy.enabled_us), policy.enabled_by, target.work_unit, target.program, target.job],
        )
        row = connection.execute(
            "INSERT INTO tuning_policy (work_unit, program, job, enabled_by, enabled_time, until_time, budget, largest_delta) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                *(target.work_unit, target.program, target.job, policy.enabled_by, moment(policy.enabled_us)),
                *(moment(policy.until_us), policy.budget, policy.largest_delta),
            ],
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        told = {"policy": row[0], "until_us": policy.until_us, "budget": policy.budget, "largest_delta": policy.largest_delta}
        _told(connection, policy.enabled_us, policy.enabled_by, "tuning.policy", target, told, address)
    return int(row[0])


def end_policy(connection: Connection, target: TuningTarget, *, actor: str, now_us: int, address: str = "") -> None:
    """End the policy that holds for a target. Raises Rejected where none does."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE tuning_policy SET ended_time = %s, ended_by = %s "
            "WHERE work_unit = %s AND program = %s AND job = %s AND ended_time IS NULL RETURNING id",
            [moment(now_us), actor, target.work_unit, target.program, target.job],
        ).fetchone()
        if row is None:
            raise Rejected(f"no policy holds for {target.words}")
        _told(connection, now_us, actor, "tuning.policy_end", target, {"policy": row[0]}, address)


def read_policy(connection: Connection, target: TuningTarget, now_us: int) -> StoredPolicy | None:
    """Return the policy that holds for a target now, None where each trial is for a person."""
    with translate_errors():
        row = connection.execute(
            "SELECT p.id, p.enabled_by, p.enabled_time, p.until_time, p.budget, p.largest_delta, "
            "(SELECT count(*) FROM tuning_proposal t WHERE t.policy_id = p.id) FROM tuning_policy p "
            "WHERE work_unit = %s AND program = %s AND job = %s AND ended_time IS NULL AND until_time > %s ORDER BY p.id DESC LIMIT 1",
            [target.work_unit, target.program, target.job, moment(now_us)],
        ).fetchone()
    if row is None:
        return None
    return StoredPolicy(row[0], Policy(target, row[1], micros(row[2]), micros(row[3]), row[4], row[5]), row[6])


def _told(connection: Connection, now_us: int, actor: str, act: str, target: TuningTarget, told: dict[str, object], address: str) -> None:
    add_audit(connection, time_us=now_us, actor=actor, act=act, subject=target.words, next_=told, address=address)
    notify(connection, TUNED, target.work_unit)
