"""Recommendations and what stands behind them as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from plant.recommendations import Declined, Recommendation
from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class RealisedView:
    """What a recommendation really brought so far, per order, in the unit of cost."""

    time_us: int
    orders: int
    operations: int
    from_us: int
    to_us: int
    gain: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class RecommendationLine:
    """One recommendation in a list."""

    id: int
    product: str
    family: str
    answer: str
    """recommended, keep_current or not_enough_evidence."""
    reason: str
    """Why nothing is proposed, in words; empty where something is."""
    stage: str | None
    """None where there is nothing to decide."""
    made_us: int
    valid_until_us: int
    is_valid: bool
    asked_by: str
    route: tuple[str, ...]
    compared: tuple[str, ...]
    """The route it is compared with."""
    changed_steps: int
    """Steps that the proposed route does otherwise."""
    against: str | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    cost: float | None
    duration_min: float | None
    first_pass: float | None
    least_count: int
    """Measurements behind the step that has the fewest."""
    measurements: int
    """Behind all steps together."""
    model_version: str
    superseded_by: int | None
    realised: RealisedView | None


@dataclass(frozen=True, slots=True)
class StageView:
    """One thing that happened to a recommendation."""

    time_us: int
    before: str | None
    after: str | None
    actor: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class RecommendationView:
    """One recommendation, whole."""

    line: RecommendationLine
    stage_us: int
    stage_actor: str
    stage_reason: str
    stage_note: str
    request: int | None
    history: tuple[StageView, ...]
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model that predicted; its version is a hash of what it learned."""

    version: str
    made_us: int
    operations: int
    products: int
    from_us: int | None
    to_us: int | None
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CoverageView:
    """How many measured values lay inside the 90 % intervals predicted for them before."""

    time_us: int
    model_version: str
    operation: str
    family: str
    measure: str
    n: int
    inside: int
    coverage: float | None
    width: float | None


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product: its features, and the route by which it is made now."""

    product: str
    family: str
    features: dict[str, str | float]
    current_route: tuple[str, ...]
    route_id: str
    since_us: int | None


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route of the factory: an alternative for each operation."""

    id: str
    product: str
    alternatives: tuple[str, ...]


class ApprovalDraft(Strict):
    """What an approver says with a yes."""

    note: Annotated[str, Field(max_length=1000)] = ""


class DeclineDraft(Strict):
    """Why an approver says no."""

    reason: Declined
    note: Annotated[str, Field(max_length=1000, description="in words; needed where the reason is 'other'")] = ""
