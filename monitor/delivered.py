"""Alarms of what delivery cannot mend by itself: controllers that are not heard, messages in doubt, closed loops that ended.

Delivery writes rows of what begins and ends; an alarm is registered when it first begins. Nothing is asked of delivery, nor sent to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from monitor.told import Heard
from plant.alarms import AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, Priority
from plant.equipment import EquipmentId
from plant.signals import SignalPath
from plant.site import Site
from storage.alarm_inputs import Observation
from storage.database import Connection
from storage.delivery_troubles import StandingTrouble, TroubleKind, last_trouble, standing_troubles, troubles_after
from storage.progress import read_progress, write_progress

NAME: Final = "delivered"
_KINDS: Final[Mapping[TroubleKind, tuple[Priority, str, str]]] = {
    TroubleKind.HEARTBEAT: (
        Priority.MEDIUM,
        "The controller of {unit} is not heard any more; nothing is sent to it",
        "Look at the controller and at the network; what was approved waits, or expires",
    ),
    TroubleKind.COUNTER: (
        Priority.HIGH,
        "The controller of {unit} has taken messages that were not sent from here",
        "Find out who else sends to it, or whether the database is an older copy; nothing is sent to it until then",
    ),
    TroubleKind.IN_DOUBT: (
        Priority.HIGH,
        "Nobody knows whether {unit} does what it was sent",
        "Look at the machine, and say on the page of deliveries what is so",
    ),
    TroubleKind.READ_BACK: (
        Priority.HIGH,
        "{unit} does not do what its controller says",
        "Look at the machine, and say on the page of deliveries what is so",
    ),
    TroubleKind.MODE_DROP: (
        Priority.MEDIUM,
        "The closed loop of {unit} ended by itself",
        "See on the page of modes why, and set the mode that shall hold",
    ),
    TroubleKind.CHANGEOVER: (
        Priority.HIGH,
        "{unit} was not switched over as one; its first part stays held",
        "See on the page of deliveries which device is where, and switch it over by hand or plan it anew",
    ),
}


class DeliveryAlarms:
    """Follows what delivery tells; goes on from where it stood last."""

    def __init__(self, site: Site) -> None:
        self._site = site.path
        self._wanted = bool(site.delivery)
        self._places = {str(one.id).rpartition("/")[2]: one.id for one in reversed(site.equipment)}
        self._places |= {str(one.id): one.id for one in site.equipment}
        self._after: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is delivered at this site."""
        return self._wanted

    def read(self, connection: Connection) -> list[StandingTrouble]:
        """Return what was told since; on the first run what stands."""
        if not self._wanted:
            return []
        if self._after is None:
            known = read_progress(connection, NAME)
            if known is None:
                # what begins while this is read comes again with the next look, and changes nothing more
                self._after, standing = last_trouble(connection), standing_troubles(connection)
                if not standing:
                    write_progress(connection, NAME, 0, msgspec.msgpack.encode(self._after))
                return standing
            self._after = msgspec.msgpack.decode(known.state, type=int)
        return troubles_after(connection, self._after)

    def hear(self, told: Sequence[StandingTrouble]) -> Heard:
        """Return what that says of alarms."""
        definitions: dict[AlarmId, AlarmDefinition] = {}
        for one in told:
            made = self._definition(one)
            definitions[made.id] = made
        return Heard(tuple(definitions.values()), tuple(self._observations(told)))

    def done(self, connection: Connection, told: Sequence[StandingTrouble]) -> None:
        """Remember that these were taken; within the transaction of what followed from them."""
        self._after = max([self._after or 0, *(one.number for one in told)])
        write_progress(connection, NAME, max(one.time_us for one in told), msgspec.msgpack.encode(self._after))

    def _observations(self, told: Iterable[StandingTrouble]) -> Iterable[Observation]:
        for one in told:
            event = AlarmEvent.ACTIVE if one.active else AlarmEvent.INACTIVE
            yield Observation(self._name(one), event, one.time_us, one.time_us, None, one.words or None)

    def _definition(self, one: StandingTrouble) -> AlarmDefinition:
        priority, message, response = _KINDS[one.kind]
        return AlarmDefinition(
            self._name(one),
            SignalPath(""),
            AlarmKind.TOLD,
            priority=priority,
            message=message.format(unit=one.work_unit),
            response=response,
            equipment=self._places.get(one.work_unit, ""),
        )

    def _name(self, one: StandingTrouble) -> AlarmId:
        place: EquipmentId | str = self._places.get(one.work_unit) or f"{self._site}/{one.work_unit}"
        return AlarmId(f"{place}:delivery-{one.kind.value.replace('_', '-')}")
