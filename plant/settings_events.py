"""What ``site.toml`` may say about events of controllers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plant.strict import Strict


class EventEquipmentSettings(Strict):
    """Whose the events of some names are."""

    name: Annotated[str, Field(description="glob over the event's source name or the address of its source node")]
    equipment: Annotated[str, Field(description="path below the site")]


class EventSettings(Strict):
    """Which events of an OPC UA server are taken in (alarms and conditions, OPC 10000-9)."""

    notifiers: Annotated[
        tuple[str, ...], Field(min_length=1, description="addresses of the objects that tell events; the server itself")
    ] = ("ns=0;i=2253",)
    least_severity: Annotated[int, Field(ge=0, le=1000, description="events below it are counted as filtered; 1 to 1000")] = 0
    conditions_only: Annotated[bool, Field(description="events that are of no condition are counted as filtered")] = False
    equipment: Annotated[tuple[EventEquipmentSettings, ...], Field(description="whose they are: the first rule that fits counts")] = ()
    queue_size: Annotated[int, Field(ge=1, le=100_000, description="events that the server is asked to keep while we are away")] = 5000
