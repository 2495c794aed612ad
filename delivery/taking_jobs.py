"""What the plan starts next is told to the units that make it: only what is frozen, once, and again where the plan moved it after all."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from delivery.live_plan import LivePlan, Start
from delivery.places import Places
from plant.deliveries import UNDER_WAY, Draft, Kind
from plant.delivery_messages import time_text
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import OPEN, Delivery, Step, read_deliveries, step
from storage.delivery_origins import MOST_REVISIONS, newest_revisions, propose_new

ACTOR: Final = "delivery"
MOVED: Final = "plan"
"""Why a job is not asked for any more: the plan that holds has it elsewhere, later, or not at all."""
_WAITING: Final = (Stage.PROPOSED, Stage.APPROVED)
_ASKS: Final = (*OPEN, Stage.EXECUTED, Stage.MEASURED, Stage.REFUSED, Stage.ROLLED_BACK)
"""Where a job of this revision stands as it was told: it is not told again."""
_WITHDRAWN: Final = "withdrawn:"
_OVER: Final = ":over"
_MINUTE_US: Final = 60_000_000
_LEAST_US: Final = _MINUTE_US


def take_jobs(connection: Connection, places: Places, live: LivePlan, now_us: int) -> int:
    """Propose the jobs that start soon, and take back those that the plan moved away; return how many steps that was."""
    if not any(Kind.JOB in one.takes for one in places.plan.settings.controllers):
        return 0
    within_us = max(_LEAST_US, round(places.planning.settings.frozen_minutes * _MINUTE_US))
    found = live.starts(connection, now_us, within_us)
    if found is None:
        return 0
    _, starts = found
    wanted = {origin_of(one): one for one in starts if places.takes(one.work_unit, Kind.JOB) is not None}
    taken = _taken_back(connection, places, wanted, now_us) + _proposed(connection, places, wanted, now_us)
    return taken + _let_go(connection, places, now_us)


def origin_of(one: Start) -> str:
    """Return what a delivery says that comes from an operation of a job, before its revision."""
    return f"job:{one.job}:{one.operation}"


def _proposed(connection: Connection, places: Places, wanted: dict[str, Start], now_us: int) -> int:
    known = newest_revisions(connection, list(wanted))
    drafts = []
    for origin, one in wanted.items():
        revision, before = known.get(origin, (0, None))
        if before is not None and (_stands(before, one) or revision >= MOST_REVISIONS):
            continue
        drafts.append(_draft(places, one, f"{origin}:{revision + 1}"))
    return propose_new(connection, drafts, now_us)


def _stands(before: Delivery, one: Start) -> bool:
    """Whether what was told last is still what is to be told: a person's no counts too, and what a controller has begun."""
    declined = before.stage is Stage.DECLINED and before.stage_actor != ACTOR
    same = before.draft.work_unit == one.work_unit and (before.stage not in _WAITING or before.draft.reason == _reason(one))
    return declined or (same and before.stage in _ASKS)


def _draft(places: Places, one: Start, source: str) -> Draft:
    controller = places.takes(one.work_unit, Kind.JOB)
    assert controller is not None  # noqa: S101 - asked before
    return Draft(
        kind=Kind.JOB,
        work_unit=one.work_unit,
        source=source,
        slot=f"job:{one.job}:{one.operation}",
        valid_seconds=controller.valid_seconds,
        job=one.job,
        program=one.program,
        product=one.product,
        serial=one.serial,
        steps=(one.alternative,) if one.alternative else (),
        reason=_reason(one),
    )


def _reason(one: Start) -> str:
    return f"{one.operation}, planned to start at {time_text(one.start_us)}"


def _taken_back(connection: Connection, places: Places, wanted: dict[str, Start], now_us: int) -> int:
    """Take back what waits and is not made there any more; a part whose job a controller has already is held, so that it stays away."""
    steps, holds = [], []
    for one in read_deliveries(connection, kinds=[Kind.JOB], stages=(*_WAITING, *UNDER_WAY), most=1000):
        origin, _, revision = one.draft.source.rpartition(":")
        meant = wanted.get(origin)
        if meant is not None and meant.work_unit == one.draft.work_unit:
            continue
        if one.stage in _WAITING:
            stage = Stage.DECLINED
            steps.append(Step(one.number, stage, now_us, ACTOR, MOVED, "the plan that holds has it elsewhere, later, or not at all"))
        elif meant is not None and one.draft.serial and places.takes(one.draft.work_unit, Kind.HOLD) is not None:
            holds.append(_hold(one, meant, revision))
    taken = sum(step(connection, steps)) if steps else 0
    return taken + propose_new(connection, holds, now_us)


def _hold(one: Delivery, meant: Start, revision: str) -> Draft:
    return Draft(
        kind=Kind.HOLD,
        work_unit=one.draft.work_unit,
        source=f"{_WITHDRAWN}{one.draft.source.removeprefix('job:').rpartition(':')[0]}:{revision}",
        slot=f"part:{one.draft.serial}",
        valid_seconds=max(3600.0, one.draft.valid_seconds),
        job=one.draft.job,
        serial=one.draft.serial,
        reason=f"job {one.draft.job} is made at {meant.work_unit} after all: do not begin it",
        approved_by=ACTOR,
    )


def _let_go(connection: Connection, places: Places, now_us: int) -> int:
    """Let go a part that was held because its job went elsewhere: once it was made there, or is made here after all."""
    taken, drafts = 0, []
    standing = read_deliveries(connection, kinds=[Kind.HOLD], stages=(*OPEN, Stage.EXECUTED, Stage.MEASURED), most=1000)
    held = {
        one.draft.source.removeprefix(_WITHDRAWN).rpartition(":")[0]: one for one in standing if one.draft.source.startswith(_WITHDRAWN)
    }
    newest = newest_revisions(connection, [f"job:{name}" for name in held])
    for name, hold in held.items():
        _, job = newest.get(f"job:{name}", (0, None))
        if job is None or not (job.stage in {Stage.EXECUTED, Stage.MEASURED} or job.draft.work_unit == hold.draft.work_unit):
            continue
        known = read_deliveries(connection, source=hold.draft.source + _OVER, most=1)
        if not known and places.takes(hold.draft.work_unit, Kind.RELEASE) is not None:
            drafts.append(
                replace(hold.draft, kind=Kind.RELEASE, source=hold.draft.source + _OVER, reason=f"job {hold.draft.job} is decided")
            )
        elif known and known[0].stage is Stage.EXECUTED and hold.stage is Stage.EXECUTED:
            over = Step(hold.number, Stage.ROLLED_BACK, now_us, ACTOR, "released", f"delivery {known[0].number}")
            taken += sum(step(connection, [over]))
    return taken + propose_new(connection, drafts, now_us)
