"""Recommendations: lists, one with its history, approvals; products, routes, models and how well their intervals cover."""

from __future__ import annotations

from typing import Any

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_recommendations import (
    ApprovalDraft,
    CoverageView,
    DeclineDraft,
    ModelView,
    ProductView,
    RealisedView,
    RecommendationLine,
    RecommendationView,
    RouteView,
    StageView,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.recommendations import Answer, Comparison, Declined, Recommendation, Stage
from storage import process_networks, products, recommendation_lists, recommendations
from storage.audit import add_audit
from storage.database import Connection, Pool
from storage.people import Role
from storage.recommendation_lists import ListedRecommendation
from storage.recommendations import StoredRecommendation
from storage.write_keys import write_once


class RecommendationService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def recommendations(
        self,
        *,
        product: str | None = None,
        stage: str | None = None,
        answer: str | None = None,
        newest: bool = False,
        realised: bool = False,
        before: int | None = None,
        most: int = 200,
    ) -> list[RecommendationLine]:
        """Return recommendations, the newest first. ``newest``: only the last of each product; ``realised``: those with a measured gain."""
        if stage and stage not in set(Stage):
            raise Rejected(f"there is no stage '{stage}'; there are: {', '.join(Stage)}")
        if answer and answer not in set(Answer):
            raise Rejected(f"there is no answer '{answer}'; there are: {', '.join(Answer)}")
        with self._pool.connection() as connection:
            found = recommendation_lists.list_recommendations(
                connection,
                product=_clean(product),
                stages=[Stage(stage)] if stage else None,
                answer=Answer(answer) if answer else None,
                newest=newest,
                realised=realised,
                before=before,
                most=most,
            )
        now_us = self._clock.now_us()
        return [_line(one, now_us) for one in found]

    def mark(self) -> str:
        """Return text that differs once anything came that lists show."""
        with self._pool.connection() as connection:
            return recommendation_lists.recommendations_mark(connection)

    def recommendation(self, number: int) -> RecommendationView:
        """Return one recommendation, whole."""
        with self._pool.connection() as connection:
            one = _found(connection, number)
            told = recommendations.read_stage_changes(connection, number)
            (listed,) = recommendation_lists.list_recommendations(connection, before=number + 1, most=1)
        return RecommendationView(
            line=_line(listed, self._clock.now_us()),
            stage_us=one.stage_us,
            stage_actor=one.stage_actor,
            stage_reason=one.stage_reason,
            stage_note=one.stage_note,
            request=one.request,
            history=tuple(StageView(c.time_us, c.before, c.after, c.actor, c.reason, c.note) for c in told),
            recommendation=one.recommendation,
        )

    def approve(self, who: Person, number: int, draft: ApprovalDraft, key: str = "") -> None:
        """Approve a proposal: the optimizer puts it in force, and delivery carries it on. For approvers; it is audited."""
        self._decide(who, number, Stage.APPROVED, "", draft.note, key)

    def decline(self, who: Person, number: int, draft: DeclineDraft, key: str = "") -> None:
        """Decline a proposal for a reason. For approvers; it is audited."""
        if draft.reason is Declined.OTHER and not draft.note.strip():
            raise Rejected("say in words why: the reason is 'other'")
        self._decide(who, number, Stage.DECLINED, draft.reason.value, draft.note, key)

    def models(self, most: int = 20) -> list[ModelView]:
        """Return models, the newest first."""
        with self._pool.connection() as connection:
            found = recommendations.read_models(connection, most)
        return [ModelView(m.version, m.made_us, m.operations, m.products, m.from_us, m.to_us, m.figures) for m in found]

    def coverage(self, model: str | None = None, most: int = 500) -> list[CoverageView]:
        """Return how well intervals covered what was measured, the newest of each step and family."""
        with self._pool.connection() as connection:
            found = recommendations.read_coverage(connection, model_version=_clean(model), most=most)
        return [
            CoverageView(
                *(one.time_us, one.model_version, one.operation, one.family, one.measure, one.n, one.inside),
                *(one.inside / one.n if one.n else None, one.width),
            )
            for one in found
        ]

    def products(self) -> list[ProductView]:
        """Return all products with their features and current routes; those that lack a feature of the network are not there."""
        with self._pool.connection() as connection:
            table, _ = products.read_products(connection, process_networks.read_features(connection))
            current = products.read_current_routes(connection)
        found = []
        for at in range(len(table)):
            one = table.at(at)
            now = current.get(one.id)
            found.append(
                ProductView(
                    *(one.id, one.family, dict(one.features), () if now is None else now.alternatives),
                    *("" if now is None else now.route, None if now is None else now.time_us),
                )
            )
        return found

    def routes(self, product: str | None = None, most: int = 1000) -> list[RouteView]:
        """Return the routes that the network in force names."""
        with self._pool.connection() as connection:
            stored = process_networks.read_network(connection)
        found = () if stored is None else stored.network.routes
        return [RouteView(one.id, one.product, one.alternatives) for one in found if not product or one.product == product][:most]

    def _decide(self, who: Person, number: int, stage: Stage, reason: str, note: str, key: str) -> None:
        require(who, Role.APPROVER)
        now_us, act = self._clock.now_us(), "recommendation.approve" if stage is Stage.APPROVED else "recommendation.decline"

        def write(connection: Connection) -> Any:
            before = _found(connection, number)
            if before.stage is not Stage.PROPOSED:
                raise Rejected(_decided_words(before))
            if stage is Stage.APPROVED and before.asked_by == who.name:
                raise Rejected("who asked for a recommendation does not approve it: somebody else must")
            if stage is Stage.APPROVED and now_us > before.recommendation.valid_until.timestamp() * 1e6:
                raise Rejected("this recommendation is not valid any more: wait for the next one")
            recommendations.change_stage(connection, number, stage, time_us=now_us, actor=who.name, reason=reason, note=note.strip())
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act=act,
                subject=f"{before.recommendation.product} {number}",
                previous={"stage": before.stage.value},
                next_={"stage": stage.value, "reason": reason, "note": note.strip(), "route": list(before.recommendation.route)},
                address=who.address,
            )
            return {"id": number}

        body = {"number": number, "reason": reason, "note": note}
        with self._pool.connection() as connection:
            write_once(connection, actor=who.name, key=key, act=act, body=body, time_us=now_us, write=write)


def compared_with(one: Recommendation) -> Comparison | None:
    """Return the route that a recommendation's gain is against, None where there is none."""
    against = one.against
    named = {"current": against.current, "nearest": against.nearest, "proposed": against.proposed}
    if one.gain is not None and named.get(one.gain.against) is not None:
        return named[one.gain.against]
    return against.current or against.nearest


def _found(connection: Connection, number: int) -> StoredRecommendation:
    one = recommendations.read_recommendation(connection, number) if 0 < number < 2**62 else None
    if one is None:
        raise Rejected(f"there is no recommendation {number}")
    return one


def _decided_words(one: StoredRecommendation) -> str:
    if one.stage is None:
        return "nothing is proposed here, so there is nothing to decide"
    return f"this recommendation is {one.stage.value.replace('_', ' ')} already"


def _line(one: ListedRecommendation, now_us: int) -> RecommendationLine:
    realised = None
    if one.realised is not None:
        r = one.realised
        realised = RealisedView(r.time_us, r.orders, r.operations, r.from_us, r.to_us, r.gain, r.low, r.high)
    until_us = now_us if one.valid_until_us is None else one.valid_until_us
    return RecommendationLine(
        id=one.id,
        product=one.product,
        family=one.family,
        answer=one.answer.value,
        reason=one.reason,
        stage=None if one.stage is None else one.stage.value,
        made_us=one.made_us,
        valid_until_us=until_us,
        is_valid=now_us <= until_us,
        asked_by=one.asked_by,
        route=one.route,
        compared=one.compared,
        changed_steps=len(set(one.route) - set(one.compared)) if one.compared else 0,
        against=one.against,
        gain=one.gain,
        gain_low=one.gain_low,
        gain_high=one.gain_high,
        cost=one.cost,
        duration_min=one.duration_min,
        first_pass=one.first_pass,
        least_count=one.least_count,
        measurements=one.measurements,
        model_version=one.model_version,
        superseded_by=one.superseded_by,
        realised=realised,
    )


def _clean(word: str | None) -> str | None:
    return (word or "").replace("\0", "") or None
