"""Recommendations: the proposed route of a product, what it is compared with, why, and how far it has come. Values and pure functions.

The same value is what ``leadhand recommend`` writes, what storage keeps and what the page shows: a line of JSON that is read back strictly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError

from plant.errors import SettingsError

RECOMMENDATIONS: Final = "recommendations/1"
_STRICT: Final = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answer(StrEnum):
    """What is said of a product."""

    RECOMMENDED = "recommended"
    KEEP_CURRENT = "keep_current"
    """No other route is better beyond doubt."""
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"
    """Too little was measured of what is like this product; no route is proposed."""


class Stage(StrEnum):
    """How far a recommendation has come."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DECLINED = "declined"
    SENT = "sent"
    ACCEPTED = "accepted"
    """By the line controller."""
    REFUSED = "refused"
    """By the line controller, or by the check before anything is sent."""
    EXPIRED = "expired"
    IN_DOUBT = "in_doubt"
    """Sent, and no answer came: nobody knows whether it is in use."""
    EXECUTED = "executed"
    MEASURED = "measured"
    ROLLED_BACK = "rolled_back"


_NEXT: Final[Mapping[Stage, frozenset[Stage]]] = {
    Stage.PROPOSED: frozenset({Stage.APPROVED, Stage.DECLINED, Stage.EXPIRED}),
    Stage.APPROVED: frozenset({Stage.SENT, Stage.REFUSED, Stage.EXECUTED, Stage.DECLINED, Stage.EXPIRED}),
    Stage.SENT: frozenset({Stage.ACCEPTED, Stage.REFUSED, Stage.IN_DOUBT, Stage.EXPIRED}),
    Stage.IN_DOUBT: frozenset({Stage.ACCEPTED, Stage.REFUSED, Stage.EXECUTED, Stage.ROLLED_BACK, Stage.EXPIRED}),
    Stage.ACCEPTED: frozenset({Stage.EXECUTED, Stage.REFUSED, Stage.IN_DOUBT, Stage.ROLLED_BACK, Stage.EXPIRED}),
    Stage.EXECUTED: frozenset({Stage.MEASURED, Stage.ROLLED_BACK}),
    Stage.MEASURED: frozenset({Stage.ROLLED_BACK}),
    Stage.DECLINED: frozenset(),
    Stage.REFUSED: frozenset(),
    Stage.EXPIRED: frozenset(),
    Stage.ROLLED_BACK: frozenset(),
}


def may_become(now: Stage, then: Stage) -> bool:
    """Return whether a recommendation may go from one stage to another."""
    return then in _NEXT[now]


def is_open(stage: Stage) -> bool:
    """Return whether anything may still become of a recommendation."""
    return bool(_NEXT[stage])


class Declined(StrEnum):
    """Why a person declines a recommendation."""

    CAPACITY = "capacity"
    """The work unit has no time for it."""
    NOT_READY = "not_ready"
    """Tool, program or fixture is not there yet."""
    QUALITY = "quality"
    """It is feared that parts become worse."""
    WRONG_FACTS = "wrong_facts"
    """Features, rules or measurements that it rests on are wrong."""
    NOT_WORTH_IT = "not_worth_it"
    """The gain is too small for the change."""
    NOT_NOW = "not_now"
    OTHER = "other"
    """As the note says."""


class _Value:
    """What all values here have in common when they are read from JSON: unknown keys and numbers that are none are refused."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = _STRICT


@dataclass(frozen=True, slots=True)
class Estimate(_Value):
    """An expected value with its 90 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RouteEstimate(_Value):
    """What is expected of a whole route."""

    cost: Estimate
    duration_min: Estimate
    first_pass: Estimate
    """Share of parts that pass all operations at the first go."""
    energy_kwh: Estimate | None = None
    """None where it was never measured."""
    wear: Estimate | None = None
    risk: float = 0.0
    """What the risk aversion of the factory adds to the expected cost."""


@dataclass(frozen=True, slots=True)
class Gain(_Value):
    """Expected cost that is saved, with its 90 % interval; positive is better."""

    mean: float
    low: float
    high: float
    against: str
    """``current``, ``nearest`` or ``proposed``: which of the comparisons."""


@dataclass(frozen=True, slots=True)
class Comparison(_Value):
    """Another route, what is expected of it for this product, and what the proposed one gains against it."""

    route: tuple[str, ...]
    predicted: RouteEstimate
    gain: Gain
    product: str | None = None
    """Whose route it is, where it is the best measured one of the nearest product."""
    distance: float | None = None
    """From the nearest product, in standard deviations of the features."""
    measured_cost: float | None = None
    """What the route cost the nearest product, as measured."""
    route_id: str | None = None


@dataclass(frozen=True, slots=True)
class Against(_Value):
    """What the proposed route is compared with; what there is none of is None."""

    current: Comparison | None = None
    nearest: Comparison | None = None
    proposed: Comparison | None = None
    """The route that was proposed before."""


@dataclass(frozen=True, slots=True)
class InsteadOf(_Value):
    """What another route has for an operation."""

    alternative: str
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReason(_Value):
    """One operation of the proposed route: what it costs, what that rests on, and what it saves against the compared route.

    ``difference`` is what the step adds to the gain; over all steps it sums up to the gain. An operation that only the compared
    route has stands here without an alternative.
    """

    operation: str
    alternative: str | None = None
    work_unit: str | None = None
    program: str | None = None
    tool: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    cost: Estimate | None = None
    duration_min: Estimate | None = None
    first_pass: Estimate | None = None
    count: int = 0
    """Measurements of this alternative, over all products."""
    nearest_count: int = 0
    """Those of the nearest products."""
    instead_of: InsteadOf | None = None
    """What the compared route has; None where it lacks the operation, or where nothing is compared."""
    difference: float = 0.0


@dataclass(frozen=True, slots=True)
class ParetoPoint(_Value):
    """A route that none beats in time, cost, yield and energy at once."""

    label: str
    """``recommended``, ``cheapest``, ``fastest``, ``highest_yield``, ``least_energy`` or ``balanced``."""
    route: tuple[str, ...]
    cost: float
    duration_min: float
    first_pass: float
    energy_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Removed(_Value):
    """An alternative that may not be used for this product, and the rule that says so."""

    alternative: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class NearestProduct(_Value):
    """A product that was made, how far its features are, and how many operations were measured on it."""

    product: str
    distance: float
    rows: int


@dataclass(frozen=True, slots=True)
class WatchPoint(_Value):
    """What to look at on the first parts."""

    operation: str
    alternative: str
    code: str
    """``wide_interval``, ``low_yield``, ``few_rows``, ``no_near_rows`` or ``near_window_edge``."""
    text: str
    values: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing(_Value):
    """What would have to be measured before anything can be recommended."""

    operation: str
    """Empty where it is the product as a whole."""
    code: str
    """``no_alternative`` (rules leave none), ``not_supported`` (features outside of what was made), ``never_measured``."""
    text: str


@dataclass(frozen=True, slots=True)
class MeasuredInterval(_Value):
    """What is known of one alternative for this product."""

    duration_min: tuple[float, float, float]
    """Mean, low, high."""
    count: int
    supported: bool


@dataclass(frozen=True, slots=True)
class Today(_Value):
    """The best route with today's queues and breakdowns."""

    route: tuple[str, ...]
    predicted: RouteEstimate
    waiting_min: float
    """Minutes in queues along it; they are part of the duration and of the cost."""
    of_recommended: float | None = None
    """What the recommended route would cost today; None where it cannot be used today."""
    avoided: Mapping[str, str] = field(default_factory=dict)
    """Work units of the recommended route that it avoids, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(_Value):
    """What is said of one product."""

    product: str
    answer: Answer
    reason: str | None = None
    """A sentence: why the current route is kept, or which evidence is missing."""
    missing: tuple[Missing, ...] = ()
    route: tuple[str, ...] = ()
    """Alternatives in the order of the network; the current ones where they are to be kept; none where evidence is missing."""
    route_id: str | None = None
    """Of the factory's own routes, where the proposed one is one of them."""
    predicted: RouteEstimate | None = None
    against: Against = Against()
    gain: Gain | None = None
    """Against the current route, or the nearest product's best where there is no current one."""
    shrinkage: float = 1.0
    """What predicted differences are multiplied by, so that gains are as large as they come out: a choice by measurement is a choice by
    luck too, and expectations believe some of it."""
    steps: tuple[StepReason, ...] = ()
    pareto: tuple[ParetoPoint, ...] = ()
    today: Today | None = None
    removed: tuple[Removed, ...] = ()
    nearest_products: tuple[NearestProduct, ...] = ()
    watch: tuple[WatchPoint, ...] = ()
    valid_until: AwareDatetime
    intervals: Mapping[str, MeasuredInterval] = field(default_factory=dict)
    propensity: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """How probable it was that this route was proposed; less than 1 where others were explored."""


@dataclass(frozen=True, slots=True)
class RecommendationFile(_Value):
    """Recommendations as they stand in a file."""

    leadhand: Literal["recommendations/1"]
    model_version: str
    made_at: AwareDatetime
    items: tuple[Recommendation, ...]


_FILE: Final = TypeAdapter(RecommendationFile)
_ONE: Final = TypeAdapter(Recommendation)


def write_recommendations(file: RecommendationFile) -> str:
    """Return JSON, always the same for the same value."""
    return json.dumps(_FILE.dump_python(file, mode="json", exclude_none=True), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_recommendations(text: str | bytes, name: str) -> RecommendationFile:
    """Return what a file holds. Raises SettingsError that names the file and each wrong key."""
    try:
        return _FILE.validate_json(text)
    except ValidationError as error:
        raise SettingsError(_problems(error, name)) from error


def recommendation_record(recommendation: Recommendation) -> dict[str, Any]:
    """Return one recommendation as JSON's own types, as storage keeps it."""
    record: dict[str, Any] = _ONE.dump_python(recommendation, mode="json", exclude_none=True)
    return record


def recommendation_of(record: Mapping[str, Any]) -> Recommendation:
    """Return the recommendation of a record. Raises SettingsError where it is none."""
    try:
        return _ONE.validate_python(record)
    except ValidationError as error:
        raise SettingsError(_problems(error, "recommendation")) from error


def recommendations_schema() -> dict[str, Any]:
    """Return the JSON schema of the file."""
    return _FILE.json_schema()


class Change(StrEnum):
    """What makes a proposal worth showing although there is one already."""

    FIRST = "first"
    EXPIRED = "expired"
    RULE = "rule"
    """A rule or a process window forbids what was proposed."""
    EVIDENCE = "evidence"
    """What was proposed is no longer covered by measurements."""
    MODEL = "model"
    """What was proposed is now expected to cost what was beyond its interval."""
    BETTER = "better"
    """Another route gains against the proposed one beyond doubt."""


def material_change(
    old: Recommendation | None, new: Recommendation, *, least_share: float = 0.005, now: datetime | None = None
) -> Change | None:
    """Return what is materially new, None where people need not be asked again.

    ``least_share`` of the expected cost is the gain, at the lower end of its interval, below which another route is no news.
    The new recommendation knows what it gains against the old route where it was made with that route as the one proposed before.
    """
    if old is None or old.answer is not Answer.RECOMMENDED:
        return Change.FIRST if new.answer is Answer.RECOMMENDED else None
    if {one.alternative for one in new.removed}.intersection(old.route):
        return Change.RULE
    if any(known is not None and not known.supported for known in map(new.intervals.get, old.route)):
        return Change.EVIDENCE
    if new.answer is not Answer.RECOMMENDED:
        return Change.MODEL if new.answer is Answer.KEEP_CURRENT and new.route != old.route else None
    if new.route != old.route:
        before = new.against.proposed
        gain = before.gain if before is not None and before.route == old.route else new.gain
        if gain is not None and new.predicted is not None and gain.low > least_share * abs(new.predicted.cost.mean):
            return Change.BETTER
    expected = _cost_of(new, old.route)
    if old.predicted is not None and expected is not None and not old.predicted.cost.low <= expected <= old.predicted.cost.high:
        return Change.MODEL
    return Change.EXPIRED if now is not None and now >= old.valid_until else None


def _cost_of(new: Recommendation, route: tuple[str, ...]) -> float | None:
    before = new.against.proposed
    if new.route == route and new.predicted is not None:
        return new.predicted.cost.mean
    return before.predicted.cost.mean if before is not None and before.route == route else None


def _problems(error: ValidationError, name: str) -> list[str]:
    return [f"{name}: {'.'.join(str(part) for part in one['loc']) or 'file'}: {one['msg']}" for one in error.errors()]
