"""What ``[[condition]]`` in ``site.toml`` may say: which equipment is watched for wear, drift and energy, and by which signals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from plant.condition import OnToolChange
from plant.strict import Strict


class EnergySettings(Strict):
    """Where the energy of a part is read."""

    signal: Annotated[str, Field(description="a power, or a counter of energy")]
    reads: Annotated[Literal["power", "meter"], Field(description="power: integrated over time; meter: how far it rose")] = "power"
    factor: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="kW of one unit of a power, kWh of one of a meter; 0.001 for W or Wh")
    ] = 1.0


class WearSettings(Strict):
    """What tells that a tool wears."""

    signal: Annotated[str, Field(description="its mean in the step rises as the tool wears")]
    step: Annotated[str, Field(description="in this step; of the whole part where not given")] = ""
    worn_percent: Annotated[
        float | None,
        Field(gt=0, le=1000, description="so far above what the tool began with it is worn; learned from answers where not given"),
    ] = None


class ConditionWatchSettings(Strict):
    """Watches each equipment that fits a glob, part by part."""

    equipment: Annotated[str, Field(description="glob over equipment paths below the site")]
    signals: Annotated[tuple[str, ...], Field(min_length=1, max_length=50, description="names of signals that are watched")]
    parts: Annotated[str, Field(description="signal that changes with each part: a counter or a serial number")]
    step: Annotated[str | None, Field(description="signal that names the step; without it a part is one step")] = None
    program: Annotated[str | None, Field(description="signal that names the program; each has baselines of its own")] = None
    running: Annotated[str | None, Field(description="signal that tells whether the machine works")] = None
    running_values: Annotated[tuple[str, ...], Field(description="its values while it works")] = ()
    tool_life: Annotated[
        str | None, Field(description="signal that falls (a count of parts) or changes (a serial number) when a new tool is put in")
    ] = None
    on_tool_change: Annotated[
        OnToolChange, Field(description="keep: baselines hold whole lives of tools; new_baseline: each has its own")
    ] = OnToolChange.KEEP
    least_parts: Annotated[int, Field(ge=8, le=5000, description="parts from which there is a baseline; below it: not enough evidence")] = (
        100
    )
    parts_per_false_call: Annotated[float, Field(ge=100, le=1e9, description="wanted: at most one false call in so many parts")] = 5000
    longest_part_minutes: Annotated[float, Field(gt=0, le=10_080, description="what takes longer is a standstill and is not judged")] = 60
    energy: EnergySettings | None = None
    wear: WearSettings | None = None

    @model_validator(mode="after")
    def _whole(self) -> ConditionWatchSettings:
        if (self.running is None) != (not self.running_values):
            raise ValueError("'running' and 'running_values' belong together: give both or neither")
        if self.wear is not None and self.wear.step and self.step is None:
            raise ValueError("'wear.step' needs 'step', the signal that names the step")
        return self
