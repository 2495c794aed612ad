"""What ``[optimizer]`` in ``site.toml`` may say: what counts as better, when people are asked again, and who does which operation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from plant.route_costs import CostWeights
from plant.settings_plan import PlanSettings
from plant.settings_share import ShareSettings
from plant.strict import Strict


class CostSettings(Strict):
    """Prices, where others than the network's shall hold; the network's are taken for those not given."""

    per_minute: Annotated[float | None, Field(ge=0, le=1e9, description="of a minute of work")] = None
    per_kwh: Annotated[float | None, Field(ge=0, le=1e9, description="of a kilowatt hour")] = None
    per_wear: Annotated[float | None, Field(ge=0, le=1e9, description="of one unit of wear as the history counts it")] = None
    rework_fixed_min: Annotated[float | None, Field(ge=0, le=1e6, description="minutes that each rework takes")] = None
    rework_share: Annotated[float | None, Field(ge=0, le=100, description="share of its own duration that a rework takes besides")] = None
    per_scrap: Annotated[float | None, Field(ge=0, le=1e12, description="of a part that is scrapped")] = None

    def over(self, weights: CostWeights) -> dict[str, float]:
        """Return the prices that hold: these, and those of the network where none is given here."""
        given = {name: value for name, value in self.model_dump().items() if value is not None}
        return {name: getattr(weights, name) for name in type(self).model_fields} | given


class PerformsSettings(Strict):
    """Which alternative of the network is at work when equipment reports an operation done."""

    alternative: Annotated[str, Field(min_length=1, max_length=200, description="id of the alternative in the process network")]
    equipment: Annotated[str, Field(description="path below the site of the equipment that does it")]
    program: Annotated[str | None, Field(description="glob over program names; all where not given")] = None


class OptimizerSettings(Strict):
    """How routes are recommended."""

    inbox: Annotated[
        str | None,
        Field(min_length=1, description="folder, relative to this file, whose files of products and history are imported as they come"),
    ] = None
    cost: CostSettings = CostSettings()
    risk_aversion: Annotated[
        float | None, Field(ge=0, le=100, description="how much of what can go wrong counts; the network's where not given")
    ] = None
    least_gain_percent: Annotated[
        float, Field(ge=0, le=100, description="another route is proposed only when it saves so much for certain, of the expected cost")
    ] = 0.5
    valid_hours: Annotated[float, Field(gt=0, le=8760, description="how long a recommendation holds")] = 168.0
    least_rows: Annotated[int, Field(ge=50, le=10_000_000, description="fewer operations than these are nothing to learn from")] = 500
    train_share_percent: Annotated[
        float, Field(gt=0, le=1000, description="train anew when so much history has come since, of what was learned from")
    ] = 5.0
    train_least_seconds: Annotated[float, Field(ge=1, le=604_800, description="time between two trainings at least")] = 600.0
    most_rows: Annotated[int, Field(ge=1000, le=50_000_000, description="of a longer history the newest rows are learned from")] = (
        20_000_000
    )
    performs: tuple[PerformsSettings, ...] = ()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="the same seed and the same history give the same recommendations")] = 1
    plan: PlanSettings = PlanSettings()
    share: ShareSettings | None = None

    @model_validator(mode="after")
    def _enough(self) -> OptimizerSettings:
        if self.most_rows < self.least_rows:
            raise ValueError(f"most_rows ({self.most_rows:,}) must not be below least_rows ({self.least_rows:,})")
        return self

    def weights(self, weights: CostWeights) -> CostWeights:
        """Return what counts: the network's weights with those given here in their place."""
        risk = weights.risk_aversion if self.risk_aversion is None else self.risk_aversion
        return CostWeights(**self.cost.over(weights), risk_aversion=risk)
