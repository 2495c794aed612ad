"""Design changes are told to each station that must acknowledge them, by serial, and the stations' yes or no comes back."""

from __future__ import annotations

from typing import Final

import structlog

from delivery.places import Places
from plant.deliveries import Draft, Kind
from plant.design_changes import EFFECT_WORDS, ChangeStage
from plant.errors import Rejected
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import Delivery, read_deliveries, read_steps
from storage.deliveries import Step as DeliveryStep
from storage.deliveries import step as take_steps
from storage.delivery_origins import propose_new
from storage.design_changes import StoredDesignChange, answer_design_change, mark_sent, read_design_changes

ACTOR: Final = "delivery"
_MOST: Final = 1000
_YES: Final = (Stage.ACCEPTED, Stage.EXECUTED, Stage.MEASURED)
_NO: Final = (Stage.REFUSED, Stage.ROLLED_BACK)
_OPEN: Final = (Stage.PROPOSED, Stage.APPROVED)


def source_of(number: int) -> str:
    """Return what a delivery says that comes from a design change."""
    return f"design_change:{number}"


def take_changes(connection: Connection, places: Places, now_us: int) -> int:
    """Propose a message for each station that has not answered and whose controller takes design changes; return how many are new."""
    if not any(Kind.DESIGN_CHANGE in one.takes for one in places.plan.settings.controllers):
        return 0
    drafts = []
    for one in reversed(read_design_changes(connection, stage=ChangeStage.WAITING, most=_MOST)):
        for answer in one.stations:
            unit = places.unit_of(answer.station)
            controller = places.takes(unit, Kind.DESIGN_CHANGE)
            if answer.accepted is None and controller is not None:
                drafts.append(_draft(one, answer.station, unit, controller.valid_seconds))
    return propose_new(connection, drafts, now_us)


def _draft(one: StoredDesignChange, station: str, unit: str, valid_seconds: float) -> Draft:
    change = one.change
    told = [effect for effect in one.effects if not effect.stations or station in effect.stations]
    effects = " ".join(EFFECT_WORDS[effect.code].format(**effect.values) for effect in told if effect.code in EFFECT_WORDS)
    programs = {str(effect.values["after"]) for effect in told if effect.kind == "program"}
    return Draft(
        kind=Kind.DESIGN_CHANGE,
        work_unit=unit,
        source=source_of(one.id),
        slot=f"design_change:{one.id}",
        valid_seconds=valid_seconds,
        program=programs.pop() if len(programs) == 1 else "",
        product=change.product,
        # the first part that is made so
        serial=change.effective_from,
        reason=f"{change.number}, version {change.version} from {change.effective_from}: {change.title}. {effects}".strip()[:2000],
        approved_by=one.sent_by,
    )


def follow_changes(connection: Connection, places: Places, now_us: int) -> int:
    """Bring what stations said back to their design changes; return how many answers that were. A change that is over asks nobody more."""
    answers = 0
    for one in read_design_changes(connection, most=_MOST):
        if one.stage is ChangeStage.WAITING:
            answers += _answers(connection, places, one)
        elif any(station.accepted is None for station in one.stations):
            _withdraw(connection, one, now_us)
    return answers


def _answers(connection: Connection, places: Places, one: StoredDesignChange) -> int:
    found = {delivery.draft.work_unit: delivery for delivery in read_deliveries(connection, source=source_of(one.id), most=_MOST)}
    answers = 0
    for station in one.stations:
        delivery = found.get(places.unit_of(station.station))
        if delivery is None or station.accepted is not None:
            continue
        if station.sent_us is None and delivery.issued_us is not None:
            mark_sent(connection, one.id, station.station, delivery.issued_us)
        said = _said(connection, delivery)
        if said is None:
            continue
        accepted, actor, note = said
        try:
            answer_design_change(
                *(connection, one.id, station.station), accepted=accepted, time_us=delivery.stage_us, actor=actor, note=note
            )
            answers += 1
        except Rejected as error:  # a person answered for the station meanwhile
            structlog.get_logger(process="delivery").info("an answer came too late", change=one.change.number, reason=str(error))
    return answers


def _said(connection: Connection, delivery: Delivery) -> tuple[bool, str, str] | None:
    """Return yes or no, who said it and why; None while nobody did, and where our own check kept the message back."""
    if delivery.stage in _YES:
        actor = next((one.actor for one in read_steps(connection, delivery.number) if one.after in _YES), delivery.stage_actor)
        return True, actor, ""
    if delivery.stage in _NO and delivery.issued_us is not None:
        return False, delivery.stage_actor, ": ".join(word for word in (delivery.stage_reason, delivery.stage_note) if word)
    return None


def _withdraw(connection: Connection, one: StoredDesignChange, now_us: int) -> None:
    """Take back what waits of a change that was withdrawn, or refused by another station."""
    waiting = read_deliveries(connection, source=source_of(one.id), stages=_OPEN, most=_MOST)
    reason, note = "withdrawn", f"the design change is {one.stage.value}"
    if waiting:
        take_steps(connection, [DeliveryStep(each.number, _ends(each.stage), now_us, ACTOR, reason, note) for each in waiting])


def _ends(stage: Stage) -> Stage:
    return Stage.DECLINED if stage is Stage.APPROVED else Stage.EXPIRED
