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
from plant.tuning import Trial, TuningTarget
from storage.database import Connection
from storage.deliveries import OPEN, Delivery, Step, read_deliveries, step
from storage.delivery_origins import propose_new
from storage.process_windows import read_windows
from storage.trials import (
    StoredProposal,
    add_trial,
    change_proposal,
    read_accepted,
    read_proposals,
    read_trials,
    tuned_targets,
)
from storage.tuning_readbacks import add_readback

ACTOR: Final = "delivery"
_DONE: Final = (Stage.EXECUTED, Stage.MEASURED)
_COUNTS: Final = frozenset({"parts", "good", "scrapped", "first_pass", "gain"})
_REFUSED_WORDS: Final = {
    Stage.REFUSED: "refused",
    Stage.DECLINED: "declined",
    Stage.EXPIRED: "not delivered in time",
    Stage.ROLLED_BACK: "rolled back",
}


def source_of(number: int) -> str:
    """Return what a delivery says that comes from a proposal."""
    return f"tuning:{number}"


def back_source_of(recipe: int, after: int) -> str:
    """Return what a delivery says that puts an accepted recipe in force after another delivery."""
    return f"recipe:{recipe}:after:{after}"


def take_tuning(connection: Connection, places: Places, now_us: int) -> int:
    """Propose parameters for each approved proposal, and the accepted recipe where a trial is over; return how many are new."""
    targets = [one for one in tuned_targets(connection) if places.takes(one.work_unit, Kind.PARAMETERS) is not None]
    if not targets:
        return 0
    windows = read_windows(connection) or WindowSet(())
    drafts = [draft for target in targets for draft in _of_target(connection, places, windows, target)]
    return propose_new(connection, drafts, now_us)


def _of_target(connection: Connection, places: Places, windows: WindowSet, target: TuningTarget) -> list[Draft]:
    """Return what is to be sent next: the accepted recipe where a trial is over and left another in force, else what was approved."""
    window = _window(windows, target)
    newest = next(iter(read_proposals(connection, target, 1)), None)
    if window is None or newest is None or newest.stage is Stage.EXECUTED:
        return []
    accepted, left = read_accepted(connection, target), _in_force(connection, target)
    if left is not None and accepted is not None and {one.name: one.value for one in left.draft.parameters} != dict(accepted.parameters):
        source = back_source_of(accepted.id, left.number)
        known = read_deliveries(connection, source=source, most=1)
        if not known:
            why = f"the trial of delivery {left.number} is over: the accepted recipe {accepted.id} again"
            return [_draft(connection, places, target, window, newest, accepted.parameters, source, accepted.actor, why)]
        if known[0].stage in OPEN:
            return []  # a trial begins from the accepted recipe
    if newest.stage is not Stage.APPROVED:
        return []
    said = newest.proposal
    return [_draft(connection, places, target, window, newest, said.parameters, source_of(newest.id), newest.stage_actor, "")]


def _in_force(connection: Connection, target: TuningTarget) -> Delivery | None:
    """Return the parameters of a program that were put in force last; None where none were, as far as is known."""
    done = read_deliveries(connection, work_unit=target.work_unit, kinds=[Kind.PARAMETERS], stages=_DONE, most=200)
    return next((one for one in done if one.draft.slot == _slot(target)), None)


def _slot(target: TuningTarget) -> str:
    return f"parameters:{target.program}" + (f":{target.job}" if target.job else "")


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
        slot=_slot(target),
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
                steps += _tried(connection, stored, found[0])
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


def _tried(connection: Connection, stored: StoredProposal, delivery: Delivery) -> int:
    """Keep what the controller measured as the trial's result: parts, good, scrapped, and responses by their names."""
    if stored.stage is not Stage.EXECUTED or delivery.stage is not Stage.MEASURED:
        return 0
    told = {name: one.value for name, one in quantities_of(delivery.stage_detail, "measured").items()}
    if not {"parts", "good"} <= set(told) or any(one.proposal == stored.id for one in read_trials(connection, stored.proposal.target)):
        return 0
    trial = Trial(
        id=f"delivery-{delivery.number}",
        target=stored.proposal.target,
        parameters=dict(stored.proposal.parameters),
        parts=int(told["parts"]),
        good=int(told["good"]),
        scrapped=int(told["scrapped"]) if "scrapped" in told else None,
        responses={name: value for name, value in told.items() if name not in _COUNTS},
        ended_us=delivery.stage_us,
    )
    add_trial(connection, trial, actor=delivery.stage_actor, now_us=delivery.stage_us, proposal=stored.id)
    return 1


def _measure(connection: Connection, stored: StoredProposal, delivery: Delivery, now_us: int) -> int:
    """Tell a delivery that was executed what the trial gave: measured, or worse and rolled back once the recipe before is in force."""
    if delivery.stage not in {Stage.EXECUTED, Stage.MEASURED}:
        return 0
    if stored.stage is Stage.MEASURED and delivery.stage is Stage.EXECUTED:
        detail = _measured(connection, stored)
        return sum(step(connection, [Step(delivery.number, Stage.MEASURED, now_us, ACTOR, detail=detail)]))
    if stored.stage is Stage.ROLLED_BACK:
        later = read_deliveries(
            connection, work_unit=delivery.draft.work_unit, kinds=[Kind.PARAMETERS], stages=_DONE, after=delivery.number
        )
        back = [one for one in later if one.draft.source.endswith(f":after:{delivery.number}")]
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
