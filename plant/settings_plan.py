"""What ``[optimizer.plan]`` in ``site.toml`` may say: what a good plan is, what stays as it is, and what units and people can do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from plant.strict import Strict

Name = Annotated[str, Field(min_length=1, max_length=200)]
Minutes = Annotated[float, Field(ge=0, le=1e6)]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]


class PlanWeights(Strict):
    """What counts how much; times in ticks."""

    makespan: Annotated[Weight, Field(description="of each tick until all is done")] = 1
    tardiness: Annotated[Weight, Field(description="of each tick that an order is late, times 4 at priority 5 and 16 at priority 9")] = 2
    setup: Annotated[Weight, Field(description="of each tick of setup")] = 1
    flow: Annotated[Weight, Field(description="of each tick that a part is in the works")] = 0
    moved: Annotated[Weight, Field(description="of each operation that leaves its place in the plan that holds")] = 60

    @model_validator(mode="after")
    def _something(self) -> PlanWeights:
        if not (self.makespan or self.tardiness or self.setup or self.flow):
            raise ValueError("nothing counts; give one of makespan, tardiness, setup, flow a weight")
        return self


class SetupSettings(Strict):
    """What a change takes, where it is another time than usual."""

    before: Annotated[Name, Field(alias="from", description="family, program or product; '*' for any")]
    after: Annotated[Name, Field(alias="to")]
    minutes: Minutes


class UnitPlanSettings(Strict):
    """How a work unit is planned. Of several entries the last one that fits a work unit holds."""

    unit: Annotated[Name, Field(description="glob over the network's work units")]
    equipment: Annotated[
        str | None, Field(description="path below the site: its shifts hold, and its state says when the unit is down; {unit} is put in")
    ] = None
    calendar: Annotated[str | None, Field(description="name of the calendar, where it is not the equipment's; 'always': none")] = None
    pauses: Annotated[bool, Field(description="work pauses at the end of a shift and goes on in the next; else it must end before")] = True
    setup_by: Annotated[Literal["nothing", "family", "program", "product"], Field(description="what the unit is set up for")] = "nothing"
    setup_minutes: Annotated[Minutes, Field(description="of a change that 'setups' does not name")] = 0.0
    setups: tuple[SetupSettings, ...] = ()
    setup_with_part: Annotated[bool, Field(description="the part must be there while the unit is set up")] = False
    buffer: Annotated[int | None, Field(ge=0, le=10_000, description="parts that can wait before it; as many as come where not given")] = (
        None
    )
    group: Annotated[str, Field(max_length=200, description="line or area, for people; else the first part of the unit's name")] = ""


class ResourceSettings(Strict):
    """People with a skill, or fixtures, that operations need besides a work unit."""

    name: Name
    kind: Literal["skill", "fixture"] = "skill"
    capacity: Annotated[int, Field(ge=1, le=10_000)] = 1
    calendar: Annotated[str | None, Field(description="name of the calendar in which they are there; always where not given")] = None


class NeedSettings(Strict):
    """What needs a resource; all that is given must fit."""

    resource: Name
    amount: Annotated[int, Field(ge=1, le=10_000)] = 1
    operation: Annotated[str | None, Field(description="glob over the network's operations")] = None
    unit: Annotated[str | None, Field(description="glob over its work units")] = None
    alternative: Annotated[str | None, Field(description="glob over its alternatives")] = None

    @model_validator(mode="after")
    def _something(self) -> NeedSettings:
        if self.operation is None and self.unit is None and self.alternative is None:
            raise ValueError("say which 'operation', 'unit' or 'alternative' needs it")
        return self


class TravelSettings(Strict):
    """How long a way takes."""

    before: Annotated[Name, Field(alias="from", description="a place")]
    after: Annotated[Name, Field(alias="to")]
    minutes: Minutes
    both_ways: bool = True


class TransportSettings(Strict):
    """How parts come from unit to unit."""

    vehicles: Annotated[int | None, Field(ge=1, le=1000, description="None: always one there when it is needed")] = None
    start: Annotated[Name, Field(description="the place where parts come in")]
    places: Annotated[dict[str, str], Field(description="by glob over work units: the place where they stand")] = Field(
        default_factory=dict
    )
    minutes: Annotated[Minutes, Field(description="of a way that 'travel' does not name")] = 0.0
    travel: tuple[TravelSettings, ...] = ()


class PlanSettings(Strict):
    """How orders are planned."""

    enabled: Annotated[bool, Field(description="whether orders are planned")] = True
    frozen_minutes: Annotated[Minutes, Field(description="what starts within this time from now is not moved any more")] = 30.0
    tick_seconds: Annotated[float, Field(ge=1, le=3600, description="times of the plan are multiples of it")] = 1.0
    most_jobs: Annotated[int, Field(ge=1, le=20_000, description="job orders planned at once: the most urgent ones")] = 1000
    alternatives: Annotated[
        Literal["free", "route"], Field(description="whether the planner chooses among the network's alternatives, or keeps to one route")
    ] = "free"
    spread_percent: Annotated[
        float, Field(ge=0, le=1000, description="alternatives that take so much longer than the shortest are no choice")
    ] = 40.0
    caution: Annotated[
        float,
        Field(ge=0, le=1, description="what is planned for an operation: 0 its expected time, 1 the upper bound of its 90 % interval"),
    ] = 0.0
    standard_minutes: Annotated[
        dict[str, Annotated[float, Field(gt=0, le=1e6)]],
        Field(description="by alternative: what it takes, where nothing was measured yet"),
    ] = Field(default_factory=dict)
    reports: Annotated[
        bool, Field(description="the plant reports each operation: what is not reported is not done. Else what is planned is taken as done")
    ] = False
    first_seconds: Annotated[float, Field(gt=0, le=60, description="for a first plan, and where orders change")] = 2.0
    improve_seconds: Annotated[float, Field(ge=0, le=3600, description="for making it better in the background afterwards; 0: not")] = 20.0
    improve_every_seconds: Annotated[float, Field(ge=0, le=86_400, description="time between two such searches at least")] = 60.0
    workers: Annotated[int, Field(ge=1, le=64, description="threads that search")] = 1
    least_gain_percent: Annotated[
        float, Field(ge=0, le=100, description="a plan that is better by less does not take the place of the one that holds")
    ] = 1.0
    least_down_seconds: Annotated[float, Field(ge=0, le=86_400, description="a unit that is down for less does not disturb")] = 60.0
    assumed_down_minutes: Annotated[Minutes, Field(description="that a unit stays down, while nobody says how long")] = 30.0
    shared_variance: Annotated[
        float, Field(ge=0, le=1, description="part of the variance of durations that all parts of a product have in common")
    ] = 0.5
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    weights: PlanWeights = PlanWeights()
    units: tuple[UnitPlanSettings, ...] = ()
    resources: tuple[ResourceSettings, ...] = ()
    needs: tuple[NeedSettings, ...] = ()
    transport: TransportSettings | None = None

    @model_validator(mode="after")
    def _known(self) -> PlanSettings:
        names = [one.name for one in self.resources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"resources: '{name}' is there twice")
        for number, need in enumerate(self.needs, 1):
            if need.resource not in names:
                raise ValueError(f"needs[{number}].resource: there is no resource '{need.resource}'; name it in 'resources'")
        return self
