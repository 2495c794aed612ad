"""What ``[[charts]]`` in ``site.toml`` may say: which characteristics have a control chart, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from plant.charts import ChartKind, RuleSet, Taken, Tightened
from plant.strict import Strict, segment

_GROUPED = {ChartKind.XBAR_R, ChartKind.XBAR_S}


class ChartSettings(Strict):
    """A control chart for each equipment that fits a glob; of tightenings one for each spindle and program."""

    id: Annotated[str, Field(description="first part of the name of each chart it gives")]
    name: Annotated[str, Field(description="shown name; {path} and {unit} are replaced")] = ""
    equipment: Annotated[str, Field(description="glob over equipment paths below the site")]
    kind: Annotated[ChartKind, Field(description="individuals, xbar_r, xbar_s, ewma, cusum or p")] = ChartKind.INDIVIDUALS
    signal: Annotated[str | None, Field(description="signal that is charted; of a p chart a counter of defective parts")] = None
    take: Annotated[Taken, Field(description="which of the values of one part: last, mean, max, min")] = Taken.LAST
    trigger: Annotated[
        str | None, Field(description="signal whose change ends a part, e.g. a part counter; of a p chart a counter of all parts")
    ] = None
    step: Annotated[str | None, Field(description="value of 'trigger' while which values count; a part ends when it is left")] = None
    every_seconds: Annotated[
        float | None, Field(ge=1, le=7 * 86_400, description="without a trigger, and for p charts: one value each so many seconds")
    ] = None
    tightening: Annotated[Tightened | None, Field(description="torque, angle or verdict of the tightenings of the equipment")] = None
    program: Annotated[int | None, Field(ge=0, description="of tightenings: this program only")] = None
    subgroup: Annotated[int | None, Field(ge=1, le=1000, description="values in a point; 5 for xbar_r, 10 for xbar_s, 1 for others")] = None
    phase_1: Annotated[int, Field(ge=5, le=1000, description="points from which limits are estimated; then they stay")] = 25
    phase_1_leave_out: Annotated[bool, Field(description="points of phase 1 beyond their trial limits do not count")] = True
    low: Annotated[float | None, Field(allow_inf_nan=False, description="lower specification limit")] = None
    high: Annotated[float | None, Field(allow_inf_nan=False, description="upper specification limit")] = None
    target: Annotated[float | None, Field(allow_inf_nan=False, description="what the value should be: for Cpm, and centre of a cusum")] = (
        None
    )
    rules: RuleSet = RuleSet.NELSON
    weight: Annotated[float, Field(gt=0, le=1, description="ewma: of the newest value")] = 0.2
    width: Annotated[float, Field(gt=0, le=10, description="ewma: sigmas from centre to limit")] = 3.0
    allowance: Annotated[float, Field(ge=0, le=10, description="cusum: k, in sigmas; half the shift that is to be found")] = 0.5
    decision: Annotated[float, Field(gt=0, le=100, description="cusum: h, in sigmas")] = 5.0
    mean: Annotated[float | None, Field(allow_inf_nan=False, description="known mean of the process: with 'sigma', no phase 1")] = None
    sigma: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description="known standard deviation of single values")] = None
    tool: Annotated[bool, Field(description="capability of a tool, Cm and Cmk of the last 50 runs, instead of a process")] = False

    _id = field_validator("id")(segment)

    @model_validator(mode="after")
    def _one_origin(self) -> ChartSettings:
        if (self.signal is None) == (self.tightening is None):
            raise ValueError("give 'signal' or 'tightening', one of them")
        if self.tightening is not None and (self.trigger is not None or self.step is not None):
            raise ValueError("a tightening is a part by itself: take out 'trigger' and 'step'")
        if self.tightening is None and self.program is not None:
            raise ValueError("'program' is that of a tightening")
        if (self.tightening is Tightened.VERDICT) != (self.kind is ChartKind.P and self.tightening is not None):
            raise ValueError('a p chart of tightenings takes tightening = "verdict", the other kinds torque or angle')
        return self

    @model_validator(mode="after")
    def _parts(self) -> ChartSettings:
        if self.kind is ChartKind.P:
            if self.every_seconds is None:
                raise ValueError("a p chart needs 'every_seconds': over how long parts are counted for a point")
            if self.signal is not None and self.trigger is None:
                raise ValueError("a p chart of a counter needs 'trigger': a counter of all parts")
            if self.subgroup is not None:
                raise ValueError("a p chart takes all parts of its time: take out 'subgroup'")
        elif self.signal is not None and (self.trigger is None) == (self.every_seconds is None):
            raise ValueError("give 'trigger' or 'every_seconds', one of them: what ends a part")
        elif self.tightening is not None and self.every_seconds is not None:
            raise ValueError("a tightening is a part by itself: take out 'every_seconds'")
        if self.step is not None and self.trigger is None:
            raise ValueError("'step' is a value of 'trigger'")
        if self.kind in _GROUPED and self.subgroup == 1:
            raise ValueError("subgroups of this kind hold 2 values or more")
        if self.kind is ChartKind.INDIVIDUALS and self.subgroup not in {None, 1}:
            raise ValueError("a chart of individuals has subgroups of 1")
        return self

    @model_validator(mode="after")
    def _limits(self) -> ChartSettings:
        given = [value for value in (self.low, self.target, self.high) if value is not None]
        if given != sorted(given) or (self.low is not None and self.low == self.high):
            raise ValueError("'low' must lie below 'high', and 'target' between them")
        if (self.mean is None) != (self.sigma is None) and self.kind is not ChartKind.P:
            raise ValueError("give 'mean' and 'sigma' together, or neither")
        if self.kind is ChartKind.P and (self.sigma is not None or (self.mean is not None and not 0 < self.mean < 1)):
            raise ValueError("of a p chart only 'mean' can be known, a share between 0 and 1")
        if self.tool and self.low is None and self.high is None and self.tightening is None:
            raise ValueError("the capability of a tool needs 'low' or 'high'")
        return self
