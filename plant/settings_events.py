"""What ``site.toml`` may say about events of controllers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from plant.patterns import expand
from plant.strict import Strict


class EventEquipmentSettings(Strict):
    """Whose the events of some names are."""

    name: Annotated[str, Field(description="glob over the event's source name or the address of its source node; {1..20} for many")]
    equipment: Annotated[str, Field(description="path below the site, with as many {1..20} as the name")]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each name with its equipment."""
        return list(zip(expand(self.name), expand(self.equipment), strict=True))

    @model_validator(mode="after")
    def _as_many(self) -> EventEquipmentSettings:
        names, paths = len(expand(self.name)), len(expand(self.equipment))
        if names != paths:
            raise ValueError(f"'name' stands for {names}, 'equipment' for {paths}: each name has one equipment")
        return self


class EventPrioritySettings(Strict):
    """From which severity on a condition has which priority as an alarm, by the levels of OPC 10000-9; below ``medium`` it is low."""

    urgent: Annotated[int, Field(ge=1, le=1001)] = 801
    high: Annotated[int, Field(ge=1, le=1001)] = 601
    medium: Annotated[int, Field(ge=1, le=1001)] = 401

    @model_validator(mode="after")
    def _falling(self) -> EventPrioritySettings:
        if not self.urgent >= self.high >= self.medium:
            raise ValueError("urgent must not begin below high, nor high below medium")
        return self


class EventSettings(Strict):
    """Which events of an OPC UA server are taken in (alarms and conditions, OPC 10000-9)."""

    notifiers: Annotated[
        tuple[str, ...], Field(min_length=1, description="addresses of the objects that tell events; the server itself")
    ] = ("ns=0;i=2253",)
    least_severity: Annotated[int, Field(ge=0, le=1000, description="events below it are counted as filtered; 1 to 1000")] = 0
    conditions_only: Annotated[bool, Field(description="events that are of no condition are counted as filtered")] = False
    equipment: Annotated[tuple[EventEquipmentSettings, ...], Field(description="whose they are: the first rule that fits counts")] = ()
    alarms: Annotated[bool, Field(description="conditions become alarms, with all that alarms have")] = True
    alarm_severity: Annotated[int, Field(ge=1, le=1000, description="of those from this severity on")] = 1
    priorities: EventPrioritySettings = EventPrioritySettings()
    queue_size: Annotated[int, Field(ge=1, le=100_000, description="events that the server is asked to keep while we are away")] = 5000
