"""Alarms of a simulated device as OPC UA conditions, told as events and told anew when a client asks how they stand (OPC 10000-9)."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from simulators.opcua_values import node_id, time_of


@dataclass(frozen=True, slots=True)
class DeviceAlarm:
    """How one alarm stands."""

    source: str
    """Path of the equipment, which is also its folder's node."""
    name: str
    message: str
    severity: int
    active: bool
    acknowledged: bool
    time_us: int
    user: str = ""
    """Who acknowledged it at the machine."""

    @property
    def retained(self) -> bool:
        """Whether it is of interest still."""
        return self.active or not self.acknowledged


class DeviceConditions:
    """The conditions of one server; asyncua tells them anew at ConditionRefresh."""

    def __init__(self, server: Server, namespace: int) -> None:
        self._server = server
        self._namespace = namespace
        self._events: dict[tuple[str, str], Any] = {}
        self._model: Any = None

    async def start(self) -> None:
        """Make ready to tell."""
        generator = await self._server.get_event_generator(node_id(ObjectIds.AlarmConditionType), node_id(ObjectIds.Server))
        self._model = generator.event
        await self._server.iserver.setup_condition_methods()

    async def tell(self, alarm: DeviceAlarm) -> None:
        """Tell all who listen how an alarm stands now."""
        # each condition has an object of its own: asyncua keeps it and tells it anew when asked
        event = copy.deepcopy(self._model)
        time = time_of(alarm.time_us)
        told = {
            "EventId": uuid.uuid5(uuid.NAMESPACE_OID, f"{alarm!r}").bytes,
            "Time": time,
            "ReceiveTime": time,
            "SourceNode": node_id(alarm.source, self._namespace),
            "SourceName": alarm.source.rpartition("/")[2],
            "NodeId": node_id(f"{alarm.source}/alarms/{alarm.name}", self._namespace),
            "ConditionName": alarm.name,
            "Message": ua.LocalizedText(alarm.message),
            "Severity": alarm.severity,
            "Retain": alarm.retained,
            "EnabledState": ua.LocalizedText("Enabled"),
            "EnabledState/Id": True,
            "ActiveState": ua.LocalizedText("Active" if alarm.active else "Inactive"),
            "ActiveState/Id": alarm.active,
            "AckedState": ua.LocalizedText("Acknowledged" if alarm.acknowledged else "Unacknowledged"),
            "AckedState/Id": alarm.acknowledged,
            "SuppressedOrShelved": False,
            "ClientUserId": alarm.user,
        }
        for name, value in told.items():
            setattr(event, name, value)
        for name, kind in (("EnabledState/Id", "Boolean"), ("ActiveState/Id", "Boolean"), ("AckedState/Id", "Boolean")):
            event.data_types[name] = ua.VariantType[kind]
        await self._server.iserver.subscription_service.trigger_event(event)
