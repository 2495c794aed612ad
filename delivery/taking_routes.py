"""Approved recommendations of routes become messages to the one that takes routes, and follow what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from delivery.places import Places
from plant.deliveries import Draft, Kind
from plant.recommendations import Answer, Stage, may_become
from storage.database import Connection
from storage.deliveries import Delivery, Step, read_deliveries, read_steps, step
from storage.delivery_origins import newest_operation_us, propose_new
from storage.products import write_current_routes
from storage.recommendations import RealisedGain, StoredRecommendation, change_stage, read_models, read_recommendation, read_recommendations

ACTOR: Final = "delivery"
_FOLLOWING: Final = (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED, Stage.IN_DOUBT)
_LATELY: Final = 500
"""Recommendations looked at, the newest: what is older than so many has come to its end."""
_MOST_STEPS: Final = 500


def source_of(number: int) -> str:
    """Return what a delivery says that comes from a recommendation."""
    return f"recommendation:{number}"


def take_routes(connection: Connection, places: Places, now_us: int) -> int:
    """Propose a message for each recommendation that was approved and not yet delivered; return how many are new."""
    taker = places.taker(Kind.ROUTE)
    if taker is None:
        return 0
    work_unit, controller = taker
    found = read_recommendations(connection, stages=[Stage.APPROVED], answer=Answer.RECOMMENDED, most=_LATELY)
    if not found:
        return 0
    basis = {model.version: (model.from_us, model.to_us) for model in read_models(connection, most=1000)}
    # what came after a model was learned is held against it row by row, and changes it where machines work otherwise
    newest_us = newest_operation_us(connection)
    drafts = [
        _draft(one, work_unit, controller.valid_seconds, *basis.get(one.model_version, (None, None)), newest_us)
        for one in reversed(found)
        if 0 < len(one.recommendation.route) <= _MOST_STEPS
    ]
    return propose_new(connection, drafts, now_us)


def _draft(
    one: StoredRecommendation, work_unit: str, valid_seconds: float, from_us: int | None, to_us: int | None, newest_us: int
) -> Draft:
    said = one.recommendation
    known = from_us is not None and to_us is not None
    return Draft(
        kind=Kind.ROUTE,
        work_unit=work_unit,
        source=source_of(one.id),
        slot=f"route:{said.product}",
        valid_seconds=valid_seconds,
        product=said.product,
        steps=said.route,
        reason=_why(one),
        basis_from_us=from_us if known else None,
        basis_to_us=max(to_us or 0, min(newest_us, one.stage_us)) if known else None,
        approved_by=one.stage_actor,
    )


def _why(one: StoredRecommendation) -> str:
    gain = one.recommendation.gain
    words = one.recommendation.reason or ""
    if gain is not None:
        words = f"costs {gain.mean:.4g} less per order than the {gain.against} route ({gain.low:.4g} to {gain.high:.4g}). {words}"
    return words.strip()[:2000]


def follow_routes(connection: Connection, now_us: int) -> int:
    """Bring recommendations to where their deliveries are, and tell deliveries what was measured; return how many steps that were."""
    found = read_recommendations(connection, stages=_FOLLOWING, answer=Answer.RECOMMENDED, most=_LATELY)
    pairs = [(one, delivery) for one in found for delivery in read_deliveries(connection, source=source_of(one.id), most=1)]
    for delivery in read_deliveries(connection, kinds=[Kind.ROUTE], stages=[Stage.EXECUTED], most=_LATELY):
        executed = read_recommendation(connection, int(delivery.draft.source.partition(":")[2]))
        if executed is not None and executed.stage not in _FOLLOWING:
            pairs.append((executed, delivery))
    return sum(_follow(connection, one, delivery) + _measure(connection, one, delivery, now_us) for one, delivery in pairs)


def _follow(connection: Connection, one: StoredRecommendation, delivery: Delivery) -> int:
    """Take the steps of a delivery that its recommendation has not taken yet."""
    if one.stage is delivery.stage or one.stage is None:
        return 0
    taken, now = 0, one.stage
    for said in missing(now, [each.after for each in read_steps(connection, delivery.number)]):
        step_of = next(each for each in reversed(read_steps(connection, delivery.number)) if each.after is said)
        if not may_become(now, said):
            continue
        reason = step_of.reason or ("delivery" if said in {Stage.REFUSED, Stage.DECLINED} else "")
        note = f"delivery {delivery.number}" + (f": {step_of.note}" if step_of.note else "")
        change_stage(connection, one.id, said, time_us=step_of.time_us, actor=step_of.actor, reason=reason, note=note)
        if said is Stage.EXECUTED:
            route = one.recommendation.route
            write_current_routes(
                connection, {one.recommendation.product: (one.recommendation.route_id or "", route)}, actor=ACTOR, now_us=step_of.time_us
            )
        now, taken = said, taken + 1
    return taken


def missing(now: Stage, stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that a delivery went through since it was last where its origin is; all after APPROVED where it never was."""
    told = [stage for stage in stages if stage is not Stage.PROPOSED]
    last = max((at for at, stage in enumerate(told) if stage is now), default=-1)
    return [stage for stage in told[last + 1 :] if stage is not Stage.APPROVED]


def _measure(connection: Connection, one: StoredRecommendation, delivery: Delivery, now_us: int) -> int:
    """Tell a delivery that was executed what it brought, once that is known."""
    if one.stage is not Stage.MEASURED or delivery.stage is not Stage.EXECUTED or one.realised is None:
        return 0
    detail = measured_record(one.realised)
    return sum(step(connection, [Step(delivery.number, Stage.MEASURED, now_us, ACTOR, detail=detail)]))


def measured_record(gain: RealisedGain) -> Mapping[str, Any]:
    """Return what was measured, as deliveries keep it: quantities per order, and from how many orders."""
    quantities = [{"name": "gain", "value": gain.gain, "unit": "1"}]
    if gain.low is not None and gain.high is not None:
        quantities += [{"name": "gain_low", "value": gain.low, "unit": "1"}, {"name": "gain_high", "value": gain.high, "unit": "1"}]
    return {"measured": quantities, "orders": gain.orders, "from_us": gain.from_us, "to_us": gain.to_us}
