"""What ``[[joint_groups]]`` in ``site.toml`` may say: bolts that are judged together, and what each needs to be released."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from plant.joints import Risk
from plant.strict import Strict, segment


class JointGroupSettings(Strict):
    """A flange: so many bolts, tightened at one station, seen by the cameras of one."""

    id: str
    name: str = ""
    equipment: Annotated[str, Field(description="path below the site of the station that tightens them")]
    bolts: Annotated[int, Field(ge=1, le=500)]
    risk: Annotated[Risk, Field(description="risk category of VDI/VDE 2862: a, b or c")] = Risk.A
    programs: Annotated[tuple[int, ...], Field(description="programs that may be used; any where not given")] = ()
    order: Annotated[
        tuple[tuple[int, ...], ...], Field(description="numbers of the bolts, round by round; those of one round are tightened at once")
    ] = ()
    places: Annotated[
        tuple[int, ...], Field(description="where each bolt stands on the circle, clockwise from 1; bolt 1 at place 1 where not given")
    ] = ()
    picture: Annotated[bool, Field(description="the mark of each bolt must be seen before it is released")] = True
    camera_station: Annotated[str, Field(description="the station whose pictures show the marks")] = ""
    calibration_days: Annotated[float, Field(gt=0, le=3660, description="how old the calibration of a tool may be")] = 365.0
    learn_runs: Annotated[int, Field(ge=30, le=5000, description="good runs from which the reference of a program is learned")] = 100

    _id = field_validator("id")(segment)

    @model_validator(mode="after")
    def _bolts_there(self) -> JointGroupSettings:
        planned = [bolt for bolts in self.order for bolt in bolts]
        if planned and sorted(planned) != list(range(1, self.bolts + 1)):
            raise ValueError(f"'order' must name each bolt from 1 to {self.bolts} once")
        if self.places and sorted(self.places) != list(range(1, self.bolts + 1)):
            raise ValueError(f"'places' must name each place from 1 to {self.bolts} once")
        if self.picture and not self.camera_station:
            raise ValueError("'picture' needs 'camera_station': whose pictures show the marks; or picture = false")
        return self
