"""Approved trials of fine-tuning become parameters for a controller; what it did comes back to the proposal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from delivery.places import Places
from plant.deliveries import Draft, Kind, Quantity
from plant.errors import Rejected
from plant.process_windows import ProcessWindow, WindowSet
from plant.program_deltas import BaseProgram, ReadBack, delta_of
from plant.recommendations import Stage
from plant.tuning import TuningTarget
from storage.database import Connection
from storage.deliveries import Delivery, Step, read_deliveries, step
from storage.delivery_origins import propose_new
from storage.process_windows import read_windows
from storage.trials import (
    StoredProposal,
    change_proposal,
    read_accepted,
    read_proposals,
    read_trials,
    tuned_targets,
)
from storage.tuning_readbacks import add_readback

ACTOR: Final = "delivery"
_REFUSED_WORDS: Final = {
    Stage.REFUSED: "refused",
    Stage.DECLINED: "declined",
    Stage.EXPIRED: "not delivered in time",
    Stage.ROLLED_BACK: "rolled back",
}


def source_of(number: int) -> str:
    """Return what a delivery says that comes from a proposal."""
    return f"tuning:{number}"


def back_source_of(number: int) -> str:
    """Return what a delivery says that takes a proposal back."""
    return f"tuning:{number}:back"


def take_tuning(connection: Connection, places: Places, now_us: int) -> int:
    """Propose parameters for each approved proposal, and the accepted recipe where a trial was worse; return how many are new."""
    targets = [one for one in tuned_targets(connection) if places.takes(one.work_unit, Kind.PARAMETERS) is not None]
    if not targets:
        return 0
    windows = read_windows(connection) or WindowSet(())
    drafts = [draft for target in targets for draft in _of_target(connection, places, windows, target)]
    return propose_new(connection, drafts, now_us)


def _of_target(connection: Connection, places: Places, windows: WindowSet, target: TuningTarget) -> list[Draft]:
    window = _window(windows, target)
    newest = next(iter(read_proposals(connection, target, 1)), None)
    if window is None or newest is None:
        return []
    if newest.stage is Stage.APPROVED:
        said = newest.proposal
        return [_draft(connection, places, target, window, newest, said.parameters, source_of(newest.id), newest.stage_actor, "")]
    if newest.stage is Stage.ROLLED_BACK:
        tried = read_deliveries(connection, source=source_of(newest.id), most=1)
        accepted = read_accepted(connection, target)
        if not tried or tried[0].stage not in {Stage.EXECUTED, Stage.MEASURED, Stage.ROLLED_BACK} or accepted is None:
            return []
        why = f"the trial of proposal {newest.id} was worse: back to the accepted recipe {accepted.id}"
        return [_draft(connection, places, target, window, newest, accepted.parameters, back_source_of(newest.id), accepted.actor, why)]
    return []


def _draft(
    connection: Connection,
    places: Places,
    target: TuningTarget,
    window: ProcessWindow,
    stored: StoredProposal,
    parameters: Mapping[str, float],
    source: str,
    approved_by: str,
    why: str,
) -> Draft:
    controller = places.takes(target.work_unit, Kind.PARAMETERS)
    assert controller is not None  # noqa: S101 - asked before
    units = {one.name: one.unit for one in window.parameters}
    trials = read_trials(connection, target)
    return Draft(
        kind=Kind.PARAMETERS,
        work_unit=target.work_unit,
        source=source,
        slot=f"parameters:{target.program}" + (f":{target.job}" if target.job else ""),
        valid_seconds=controller.valid_seconds,
        job=target.job,
        program=target.program,
        parameters=tuple(Quantity(name, value, units[name]) for name, value in parameters.items() if name in units),
        reason=(why or f"trial of proposal {stored.id}: {stored.proposal.purpose.value}")[:2000],
        # of the window in force: a proposal made for another one is not delivered, and the check says why
        window_version=stored.proposal.window_version if not why else window.version,
        basis_from_us=trials[0].ended_us if trials else None,
        basis_to_us=trials[-1].ended_us if trials else None,
        approved_by=approved_by,
    )


def follow_tuning(connection: Connection, places: Places, now_us: int) -> int:
    """Bring proposals to where their deliveries are, with what was read back, and tell deliveries what was measured; return the steps."""
    steps = 0
    for target in tuned_targets(connection):
        if places.takes(target.work_unit, Kind.PARAMETERS) is None:
            continue
        for stored in read_proposals(connection, target, 3):
            found = read_deliveries(connection, source=source_of(stored.id), most=1)
            if found:
                steps += _follow(connection, stored, found[0], now_us)
                steps += _measure(connection, stored, found[0], now_us)
    return steps


def _follow(connection: Connection, stored: StoredProposal, delivery: Delivery, now_us: int) -> int:
    if stored.stage is not Stage.APPROVED:
        return 0
    if delivery.stage in {Stage.EXECUTED, Stage.MEASURED}:
        with connection.transaction():
            _read_back(connection, stored, delivery, now_us)
            change_proposal(connection, stored.id, Stage.EXECUTED, actor=delivery.stage_actor, reason=_by(delivery), now_us=now_us)
        return 1
    words = _REFUSED_WORDS.get(delivery.stage)
    if words is None:
        return 0
    # a proposal that waits no more gives way to the next one
    to = Stage.DECLINED if delivery.stage in {Stage.REFUSED, Stage.DECLINED, Stage.ROLLED_BACK} else Stage.EXPIRED
    why = ": ".join(word for word in (words, delivery.stage_reason, delivery.stage_note) if word)
    change_proposal(connection, stored.id, to, actor=delivery.stage_actor, reason=f"{_by(delivery)}: {why}", now_us=now_us)
    return 1


def _by(delivery: Delivery) -> str:
    return f"delivery {delivery.number}"


def _read_back(connection: Connection, stored: StoredProposal, delivery: Delivery, now_us: int) -> None:
    """Keep what the device said that it holds, where it said something, beside what was meant."""
    told = quantities_of(delivery.stage_detail, "read")
    said, target = stored.proposal, stored.proposal.target
    window = _window(read_windows(connection) or WindowSet(()), target)
    if not told or window is None:
        return
    units = {each.name: each.unit for each in window.parameters}
    if set(said.accepted) != set(units):
        return
    base = BaseProgram(target.work_unit, target.program, _version(connection, target), dict(said.accepted), units)
    record = delta_of(base, said.parameters, {each.name: each.dead_band / 2 for each in window.parameters})
    read = ReadBack(
        target.program,
        base.version,
        {name: one.value for name, one in told.items()},
        {name: one.unit for name, one in told.items()},
        stored=True,
    )
    add_readback(connection, stored.id, target, record, read, actor=delivery.stage_actor, now_us=now_us)


def _version(connection: Connection, target: TuningTarget) -> str:
    accepted = read_accepted(connection, target)
    return str(accepted.id if accepted else 0)


def _measure(connection: Connection, stored: StoredProposal, delivery: Delivery, now_us: int) -> int:
    """Tell a delivery that was executed what the trial gave: measured, or worse and rolled back once the recipe before is in force."""
    if delivery.stage not in {Stage.EXECUTED, Stage.MEASURED}:
        return 0
    if stored.stage is Stage.MEASURED and delivery.stage is Stage.EXECUTED:
        detail = _measured(connection, stored)
        return sum(step(connection, [Step(delivery.number, Stage.MEASURED, now_us, ACTOR, detail=detail)]))
    if stored.stage is Stage.ROLLED_BACK:
        back = read_deliveries(connection, source=back_source_of(stored.id), stages=[Stage.EXECUTED, Stage.MEASURED], most=1)
        if back:
            why = f"the trial was worse; {_by(back[0])} put the accepted recipe in force"
            return sum(step(connection, [Step(delivery.number, Stage.ROLLED_BACK, now_us, ACTOR, "worse", why)]))
    return 0


def _measured(connection: Connection, stored: StoredProposal) -> dict[str, Any]:
    trials = [one for one in read_trials(connection, stored.proposal.target) if one.proposal == stored.id]
    if not trials:
        return {"measured": []}
    trial = trials[-1].trial
    share = trial.good / trial.parts
    expected = stored.proposal.accepted_first_pass.mean
    return {
        "measured": [
            {"name": "first_pass", "value": share, "unit": "1"},
            {"name": "gain", "value": share - expected, "unit": "1"},
            {"name": "parts", "value": float(trial.parts), "unit": "1"},
        ]
    }


def quantities_of(detail: Mapping[str, Any] | None, key: str) -> dict[str, Quantity]:
    """Return the quantities that came with a step, by name; what is no quantity is left out."""
    found: dict[str, Quantity] = {}
    for one in (detail or {}).get(key) or ():
        if isinstance(one, Mapping) and isinstance(one.get("value"), int | float) and math.isfinite(one["value"]):
            found[str(one.get("name", ""))] = Quantity(str(one.get("name", "")), float(one["value"]), str(one.get("unit", "1")))
    return found


def _window(windows: WindowSet, target: TuningTarget) -> ProcessWindow | None:
    try:
        return windows.of(target.work_unit, target.program, target.job)
    except Rejected:
        return None
