"""What ``[optimizer.share]`` in ``site.toml`` may say: centres that cut and stamp for several factories, and what is fair among them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from plant.part_orders import WorkKind
from plant.strict import Strict

Name = Annotated[str, Field(min_length=1, max_length=200)]
Millimetres = Annotated[float, Field(ge=0, le=1e5)]
ALWAYS_OPEN = "always"


class FactorySettings(Strict):
    """A factory that the centres serve."""

    name: Name
    weight: Annotated[float, Field(gt=0, le=1e6, description="its reserved share of each centre is its part of all weights")] = 1.0
    own: Annotated[bool, Field(description="the factory of this site: its plan waits for its parts, and keeps to its hours")] = False


class SpeedSettings(Strict):
    """How fast plates of some thickness are cut."""

    up_to_mm: Annotated[float, Field(gt=0, le=1000, description="thickness")]
    mm_per_minute: Annotated[float, Field(gt=0, le=1e6)]
    pierce_seconds: Annotated[float, Field(ge=0, le=3600, description="for each outline and each hole")] = 0.0
    kerf_mm: Millimetres = 2.0
    gap_mm: Annotated[float, Field(ge=0, le=1e4, description="least distance between two parts; the kerf where that is more")] = 0.0
    margin_mm: Annotated[float, Field(ge=0, le=1e4, description="least distance from a part to the edge of the sheet")] = 10.0


class CentreSettings(Strict):
    """A centre: machines of one kind that work for all factories."""

    name: Name
    kind: WorkKind
    equipment: Annotated[str | None, Field(description="path below the site: its shifts hold")] = None
    calendar: Annotated[str | None, Field(description="name of the calendar, where it is not the equipment's; 'always': none")] = None
    machines: Annotated[int, Field(ge=1, le=1000)] = 1
    availability: Annotated[float, Field(gt=0, le=1, description="part of planned time in which a machine works")] = 0.85
    thickness_up_to_mm: Annotated[float | None, Field(gt=0, le=1000, description="thicker plates are not taken; all where not given")] = (
        None
    )
    longest_mm: Annotated[float | None, Field(gt=0, le=1e5, description="parts that are longer are not taken; all where not given")] = None
    sheet_minutes: Annotated[float, Field(ge=0, le=1440, description="to bring a sheet and to take parts off")] = 0.0
    usual_sheet_m2: Annotated[float, Field(gt=0, le=1000, description="parts of so much area are one sheet, for its minutes")] = 20.0
    piece_seconds: Annotated[float, Field(ge=0, le=86_400, description="besides its cut, for each piece")] = 0.0
    speeds: Annotated[tuple[SpeedSettings, ...], Field(description="by rising thickness; a cutting centre needs them")] = ()
    least_remnant_mm: Annotated[
        tuple[Millimetres, Millimetres], Field(description="longer and shorter side of what is worth to go back into stock")
    ] = (800.0, 300.0)
    unit: Annotated[str | None, Field(description="glob over the work units of this site's plan that stand in this centre")] = None

    @model_validator(mode="after")
    def _cuts(self) -> CentreSettings:
        thick = [one.up_to_mm for one in self.speeds]
        if thick != sorted(set(thick)):
            raise ValueError("speeds must rise in 'up_to_mm'")
        if self.kind is WorkKind.CUTTING and not thick:
            raise ValueError("a cutting centre needs 'speeds'")
        if self.equipment is None and self.calendar is None:
            raise ValueError(f"say when it works: 'equipment', or 'calendar' (a calendar's name, or '{ALWAYS_OPEN}')")
        return self


class ShareSettings(Strict):
    """How centres are shared, and how plates are nested."""

    factories: Annotated[tuple[FactorySettings, ...], Field(min_length=1)]
    centres: Annotated[tuple[CentreSettings, ...], Field(min_length=1)]
    rule: Annotated[Literal["max_min", "proportional"], Field(description="see docs/sharing.md")] = "max_min"
    keeps: Annotated[Literal["in_time", "pace"], Field(description="what of its own reserve each factory keeps: see docs/sharing.md")] = (
        "in_time"
    )
    period_hours: Annotated[Literal[4, 6, 8, 12, 24], Field(description="hours are shared out period by period, from the day's begin")] = 24
    day_begins_hour: Annotated[int, Field(ge=0, le=23, description="by the site's clock")] = 6
    horizon_days: Annotated[int, Field(ge=1, le=60)] = 7
    nest_days: Annotated[int, Field(ge=1, le=60, description="what is cut within so many days is nested")] = 2
    nest_seconds: Annotated[float, Field(ge=1, le=3600, description="search for one nest at most")] = 20.0
    workers: Annotated[int, Field(ge=1, le=64, description="processes that search")] = 1
    enabled: bool = True
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1

    @model_validator(mode="after")
    def _once(self) -> ShareSettings:
        for what, names in (("factories", [one.name for one in self.factories]), ("centres", [one.name for one in self.centres])):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{what}: '{name}' is there twice")
        if sum(one.own for one in self.factories) > 1:
            raise ValueError("factories: only one can be this site's own")
        return self
