"""Plans as kept: each version whole, with what it was made from, why and by whom; which one stands; and what is asked of the optimizer.

A version is written in one transaction with all that it brings about, so that a killed optimizer leaves no half of one. The channel
``plans`` is told of each new version and of each that comes to stand; who asks for one writes a job (``storage.optimizer_jobs``) that the
optimizer takes up. What people ask for is on the audit trail; callers add nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.optimizer_jobs import ask_job

PLANNED: Final = "plans"
"""The channel; its payload is the number of the version that is new or has come to stand."""
PLAN_JOB: Final = "plan"
"""Kind of the optimizer's job that plans anew, and shows how far it is."""
UNDO_JOB: Final = "plan_undo"
WHAT_IF_JOB: Final = "plan_what_if"
ADOPT_JOB: Final = "plan_adopt"
PLAN_JOBS: Final = (PLAN_JOB, UNDO_JOB, WHAT_IF_JOB, ADOPT_JOB)
_KEPT: Final = 300
"""Versions that are kept whole, the newest; of older ones only the figures are."""
_REMEMBERED: Final = 20_000
_COLUMNS: Final = """
v.id, v.kind, v.name, v.parent_id, v.made_time, v.actor, v.reason, v.causes, v.measures, v.objective, v.bound, v.seconds, v.jobs,
v.operations, v.moved, v.from_time, v.to_time, v.plan IS NOT NULL AS whole,
(SELECT array_agg(s.role) FROM plan_standing s WHERE s.plan_version_id = v.id) AS roles
"""


class PlanKind(StrEnum):
    """What a plan is for."""

    LIVE = "live"
    """Made to be followed."""
    WHAT_IF = "what_if"
    """A copy that nobody follows."""


class PlanRole(StrEnum):
    """What a version stands for now."""

    LIVE = "live"
    """The plan that holds."""
    REFERENCE = "reference"
    """The one that others are compared with."""


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A plan that the independent check found without fault, to be kept."""

    kind: PlanKind
    reason: str
    """first, orders, shifted, repaired, improved, edit, undo, what_if, adopted, replan."""
    problem: str
    """A plan-problem/1 file."""
    plan: str
    """A plan/1 file."""
    objective: int
    bound: int | None
    seconds: float
    """It took the optimizer."""
    measures: Mapping[str, Any]
    """As ``plant.plan_check.measures`` has them, by name."""
    jobs: int
    operations: int
    moved: int | None = None
    from_us: int | None = None
    to_us: int | None = None
    name: str = ""
    actor: str = ""
    parent: int | None = None
    causes: Sequence[Mapping[str, Any]] = ()
    """What brought it about: ``{"what": "disturbance", "kind": ..., "subject": ...}``, ``{"what": "order", "number": ...}`` ..."""


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A plan with its number, without its content."""

    id: int
    kind: PlanKind
    name: str
    parent: int | None
    made_us: int
    actor: str
    """Who asked for it; empty: the optimizer by itself."""
    reason: str
    causes: tuple[Mapping[str, Any], ...]
    measures: Mapping[str, Any]
    objective: int
    bound: int | None
    seconds: float
    jobs: int
    operations: int
    moved: int | None
    """Operations that stand elsewhere than in its parent."""
    from_us: int | None
    to_us: int | None
    whole: bool
    """Whether its content is still kept."""
    roles: frozenset[PlanRole]
    """Empty: it stands for nothing now."""


@dataclass(frozen=True, slots=True)
class PlanContent:
    """Files of a version, for ``plant.plan_file``."""

    id: int
    problem: str
    plan: str


def add_plan(connection: Connection, new: NewPlan, *, now_us: int) -> int:
    """Keep a plan and return its number; one that is live stands from now on. Old ones are forgotten, but for their figures.

    Call it within a transaction where other rows belong to it. The caller has checked the plan: nothing unverified is kept.
    """
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO plan_version (kind, name, parent_id, made_time, actor, reason, causes, problem, plan, measures, objective, bound, "
            "seconds, jobs, operations, moved, from_time, to_time) VALUES (%(kind)s, %(name)s, %(parent)s, %(now)s, %(actor)s, %(reason)s, "
            "%(causes)s, %(problem)s, %(plan)s, %(measures)s, %(objective)s, %(bound)s, %(seconds)s, %(jobs)s, %(operations)s, %(moved)s, "
            "%(from)s, %(to)s) RETURNING id",
            {
                "kind": new.kind.value,
                "name": new.name,
                "parent": new.parent,
                "now": moment(now_us),
                "actor": new.actor,
                "reason": new.reason,
                "causes": Jsonb([dict(cause) for cause in new.causes]),
                "problem": new.problem,
                "plan": new.plan,
                "measures": Jsonb(dict(new.measures)),
                "objective": new.objective,
                "bound": new.bound,
                "seconds": new.seconds,
                "jobs": new.jobs,
                "operations": new.operations,
                "moved": new.moved,
                "from": None if new.from_us is None else moment(new.from_us),
                "to": None if new.to_us is None else moment(new.to_us),
            },
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        number = int(row[0])
        if new.kind is PlanKind.LIVE:
            _stand(connection, PlanRole.LIVE, number, new.actor, now_us)
        _forget(connection)
        notify(connection, PLANNED, str(number))
    return number


def read_plans(
    connection: Connection, *, kind: PlanKind | None = None, name: str | None = None, before: int | None = None, most: int = 100
) -> list[PlanVersion]:
    """Return versions without their content, the newest first; ``name``: of this what-if."""
    given = {"kind": None if kind is None else kind.value, "name": name, "before": before, "most": max(1, min(most, 1000))}
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM plan_version v WHERE (%(kind)s::text IS NULL OR v.kind = %(kind)s) "  # noqa: S608
            "AND (%(name)s::text IS NULL OR v.name = %(name)s) AND (%(before)s::bigint IS NULL OR v.id < %(before)s) "
            "ORDER BY v.id DESC LIMIT %(most)s",
            given,
        ).fetchall()
    return [_version(row) for row in rows]


def read_plan(connection: Connection, number: int) -> PlanVersion | None:
    """Return one version without its content, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM plan_version v WHERE v.id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _version(row)


def read_standing(connection: Connection, role: PlanRole) -> PlanVersion | None:
    """Return the version that is live now, or the reference; None where there is none."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM plan_standing w JOIN plan_version v ON v.id = w.plan_version_id WHERE w.role = %s",  # noqa: S608
            [role.value],
        ).fetchone()
    return None if row is None else _version(row)


def read_plan_content(connection: Connection, number: int) -> PlanContent | None:
    """Return a version's problem and plan as files; None where there is none, or it was forgotten but for its figures."""
    with translate_errors():
        row = connection.execute("SELECT id, problem, plan FROM plan_version WHERE id = %s AND plan IS NOT NULL", [number]).fetchone()
    return None if row is None else PlanContent(*row)


def set_reference(connection: Connection, number: int | None, *, actor: str, now_us: int, address: str = "") -> None:
    """Make a version the one that others are compared with, or none. Raises Rejected where it is not kept whole."""
    with translate_errors(), connection.transaction():
        before = connection.execute("SELECT plan_version_id FROM plan_standing WHERE role = 'reference'").fetchone()
        if number is None:
            connection.execute("DELETE FROM plan_standing WHERE role = 'reference'")
        else:
            _whole(connection, number)
            _stand(connection, PlanRole.REFERENCE, number, actor, now_us)
        notify(connection, PLANNED, "" if number is None else str(number))
        previous = None if before is None else before[0]
        add_audit(
            connection,
            time_us=now_us,
            actor=actor,
            act="change",
            subject="reference plan",
            previous=previous,
            next_=number,
            address=address,
        )


def ask_replan(connection: Connection, *, actor: str, now_us: int, address: str = "") -> int:
    """Ask the optimizer to plan anew, and return the job's number; how far it is stands in the job."""
    return _asked(connection, PLAN_JOB, "", {"by": "person"}, actor, now_us, address)


def ask_undo(connection: Connection, *, actor: str, now_us: int, address: str = "", number: int | None = None) -> int:
    """Ask that an earlier live version holds again (the one before, where none is told), and return the job's number.

    What has begun since, and what the plant cannot do any more, is put right in it: it comes back as a new version.
    """
    with translate_errors(), connection.transaction():
        live = read_standing(connection, PlanRole.LIVE)
        if live is None:
            raise Rejected("there is no plan yet")
        wanted = number if number is not None else live.parent
        if wanted is None:
            raise Rejected("there is no plan before this one")
        _whole(connection, wanted, PlanKind.LIVE)
        return _asked(connection, UNDO_JOB, str(wanted), {"version": wanted, "instead": live.id}, actor, now_us, address)


def ask_what_if(
    connection: Connection,
    name: str,
    *,
    actor: str,
    now_us: int,
    address: str = "",
    of: int | None = None,
    disturbances: Sequence[Mapping[str, Any]] = (),
    edits: Sequence[Mapping[str, Any]] = (),
    orders: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Ask for a copy that nobody follows, with something else in it, and return the job's number.

    ``of``: a version; the live one where none is told. ``disturbances``: records as in ``plant.disturbances``; ``edits``: as in
    ``plant.plan_edits``; ``orders``: rows as ``plant.customer_orders.read_orders`` takes them. Raises Rejected for a name that is empty.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise Rejected("give the what-if a name of at most 200 letters")
    with translate_errors(), connection.transaction():
        if of is not None:
            _whole(connection, of)
        asked = {
            "name": name.strip(),
            "of": of,
            "disturbances": [dict(one) for one in disturbances],
            "edits": [dict(one) for one in edits],
            "orders": [dict(one) for one in orders],
        }
        return _asked(connection, WHAT_IF_JOB, name.strip(), asked, actor, now_us, address)


def ask_adopt(connection: Connection, number: int, *, actor: str, now_us: int, address: str = "") -> int:
    """Ask that a what-if's plan is followed, as far as the plant stands now, and return the job's number."""
    with translate_errors(), connection.transaction():
        _whole(connection, number, PlanKind.WHAT_IF)
        return _asked(connection, ADOPT_JOB, str(number), {"version": number}, actor, now_us, address)


def forget_what_if(connection: Connection, name: str, *, actor: str, now_us: int, address: str = "") -> int:
    """Take all versions of a what-if away, but for their figures; returns how many there were."""
    with translate_errors(), connection.transaction():
        gone = connection.execute(
            "UPDATE plan_version SET problem = NULL, plan = NULL WHERE kind = 'what_if' AND name = %s AND plan IS NOT NULL "
            "AND id NOT IN (SELECT plan_version_id FROM plan_standing)",
            [name],
        ).rowcount
        notify(connection, PLANNED)
        add_audit(connection, time_us=now_us, actor=actor, act="remove", subject=f"what-if {name}", address=address)
    return gone


def plans_mark(connection: Connection) -> str:
    """Return text that differs once a version came or another one stands."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT max(id) FROM plan_version), (SELECT string_agg(role || plan_version_id, ' ' ORDER BY role) FROM plan_standing)"
        ).fetchone()
    return str(row)


def _asked(connection: Connection, kind: str, subject: str, request: Mapping[str, Any], actor: str, now_us: int, address: str) -> int:
    with translate_errors(), connection.transaction():
        number = ask_job(connection, kind, subject, request, actor=actor, now_us=now_us)
        words = {
            PLAN_JOB: "plan",
            UNDO_JOB: f"plan version {subject}",
            WHAT_IF_JOB: f"what-if {subject}",
            ADOPT_JOB: f"plan version {subject}",
        }
        acts = {PLAN_JOB: "replan", UNDO_JOB: "undo", WHAT_IF_JOB: "what-if", ADOPT_JOB: "adopt"}
        add_audit(connection, time_us=now_us, actor=actor, act=acts[kind], subject=words[kind], next_=dict(request), address=address)
    return number


def _whole(connection: Connection, number: int, kind: PlanKind | None = None) -> None:
    row = connection.execute("SELECT kind, plan IS NOT NULL FROM plan_version WHERE id = %s", [number]).fetchone()
    if row is None or (kind is not None and row[0] != kind.value):
        raise Rejected(f"there is no {'plan' if kind is None else kind.value.replace('_', '-') + ' plan'} of number {number}")
    if not row[1]:
        raise Rejected(f"of plan {number} only the figures are still kept")


def _stand(connection: Connection, role: PlanRole, number: int, actor: str, now_us: int) -> None:
    connection.execute(
        "INSERT INTO plan_standing (role, plan_version_id, since_time, actor) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (role) DO UPDATE SET plan_version_id = excluded.plan_version_id, since_time = excluded.since_time, "
        "actor = excluded.actor",
        [role.value, number, moment(now_us), actor],
    )


def _forget(connection: Connection) -> None:
    """Give up the content of old versions, and very old versions whole: what stands, and what people did, stays."""
    connection.execute(
        "UPDATE plan_version SET problem = NULL, plan = NULL WHERE plan IS NOT NULL AND id <= (SELECT id FROM plan_version "
        "WHERE plan IS NOT NULL ORDER BY id DESC OFFSET %s LIMIT 1) AND id NOT IN (SELECT plan_version_id FROM plan_standing)",
        [_KEPT],
    )
    connection.execute(
        "DELETE FROM plan_version v WHERE v.id <= (SELECT max(id) FROM plan_version) - %s "
        "AND v.id NOT IN (SELECT plan_version_id FROM plan_standing) "
        "AND NOT EXISTS (SELECT FROM plan_edit e WHERE v.id IN (e.plan_version_id, e.became_id)) "
        "AND NOT EXISTS (SELECT FROM plan_disturbance d WHERE d.what_if_id = v.id)",
        [_REMEMBERED],
    )


def _version(row: Mapping[str, Any]) -> PlanVersion:
    return PlanVersion(
        row["id"],
        PlanKind(row["kind"]),
        row["name"],
        row["parent_id"],
        micros(row["made_time"]),
        row["actor"],
        row["reason"],
        tuple(row["causes"]),
        row["measures"],
        row["objective"],
        row["bound"],
        row["seconds"],
        row["jobs"],
        row["operations"],
        row["moved"],
        _micros(row["from_time"]),
        _micros(row["to_time"]),
        row["whole"],
        frozenset(PlanRole(role) for role in row["roles"] or ()),
    )


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
