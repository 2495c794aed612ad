"""Alarms that controllers tell of: from their events (OPC UA alarms and conditions) to what happens to an alarm here.

An alarm is registered when its condition is first active at a severity that counts. What is acknowledged at the controller is acknowledged
here too, by whom the controller names; shelved or suppressed there it is not active here. Nothing is sent to the controller.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from plant.alarms import AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, Priority
from plant.equipment import EquipmentId
from plant.events import ControllerEvent, Told
from plant.settings import OpcUaSourceSettings
from plant.settings_events import EventSettings
from plant.signals import SignalPath, SourceId
from plant.site import Site
from storage.alarm_inputs import Observation
from storage.database import Connection
from storage.events import StoredEvent, events_after, newest_events, read_conditions
from storage.progress import read_progress, write_progress

NAME: Final = "told"
_MOST: Final = 1000
_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Heard:
    """What events say of alarms: those that are to be registered, and what happens to which."""

    definitions: tuple[AlarmDefinition, ...]
    observations: tuple[Observation, ...]


class ToldAlarms:
    """Follows the events of a site's sources; goes on from where it stood last."""

    def __init__(self, site: Site) -> None:
        self._site = site.path
        self._wanted = event_sources(site)
        self._after: dict[SourceId, int] | None = None

    def __bool__(self) -> bool:
        """Whether any source tells events that become alarms."""
        return bool(self._wanted)

    def read(self, connection: Connection) -> list[StoredEvent]:
        """Return what was told since; on the first run how all conditions stand."""
        if not self._wanted:
            return []
        if self._after is None:
            known = read_progress(connection, NAME)
            if known is None:
                newest = newest_events(connection, self._wanted)
                standing = [one.last for one in read_conditions(connection) if one.last.source in self._wanted]
                found = [StoredEvent(newest.get(event.source, 0), event) for event in standing]
                self._after = {source: newest.get(source, 0) for source in self._wanted}
                if not found:
                    write_progress(connection, NAME, 0, msgspec.msgpack.encode(self._after))
                return found
            self._after = msgspec.msgpack.decode(known.state, type=dict[SourceId, int])
        return events_after(connection, {source: self._after.get(source, 0) for source in self._wanted}, _MOST)

    def hear(self, told: Sequence[StoredEvent], known: Collection[AlarmId]) -> Heard:
        """Return what events say of alarms, some of which are known."""
        return heard((one.event for one in told), self._wanted, known, self._site)

    def done(self, connection: Connection, told: Sequence[StoredEvent]) -> None:
        """Remember that these were taken; within the transaction of what followed from them."""
        after = dict(self._after or {})
        for one in told:
            after[one.event.source] = max(after.get(one.event.source, 0), one.id)
        self._after = after
        write_progress(connection, NAME, max(one.event.received_us for one in told), msgspec.msgpack.encode(after))


def event_sources(site: Site) -> dict[SourceId, EventSettings]:
    """Return the sources of a site whose conditions become alarms, with their settings."""
    return {
        SourceId(source.id): source.events
        for source in site.sources
        if isinstance(source, OpcUaSourceSettings) and source.tells_events and source.events.alarms
    }


def heard(events: Iterable[ControllerEvent], wanted: dict[SourceId, EventSettings], known: Collection[AlarmId], site: EquipmentId) -> Heard:
    """Return what events say of alarms. Branches, former states that somebody has still to see, are left aside."""
    definitions: dict[AlarmId, AlarmDefinition] = {}
    observations: list[Observation] = []
    for event in events:
        settings = wanted.get(event.source)
        if settings is None or not event.is_condition or event.branch:
            continue
        alarm = alarm_of(event, site)
        active = is_active(event)
        if active and event.severity >= settings.alarm_severity:
            definitions[alarm] = _definition(alarm, event, settings)
        elif alarm not in known and alarm not in definitions:
            continue
        observations += _observations(alarm, event, active=active)
    return Heard(tuple(definitions.values()), tuple(observations))


def alarm_of(event: ControllerEvent, site: EquipmentId) -> AlarmId:
    """Return the id of a condition's alarm: the same for the same condition of the same source, wherever it stands."""
    place = event.equipment or f"{site}/{event.source}"
    words = _NOT_A_WORD.sub("-", (event.condition_name or event.source_name or "condition").lower()).strip("-")[:60] or "condition"
    digest = hashlib.blake2s(f"{event.source}|{event.condition}".encode(), digest_size=3).hexdigest()
    return AlarmId(f"{place}:{words}-{digest}")


def is_active(event: ControllerEvent) -> bool:
    """Return whether a condition is active and not silenced at its controller; one that does not say so is while it is retained."""
    if event.enabled is False or event.suppressed or event.shelved:
        return False
    return bool(event.retain) if event.active is None else event.active


def priority_of(severity: int, settings: EventSettings) -> Priority:
    """Return how soon an operator must act."""
    levels = settings.priorities
    for priority, from_severity in ((Priority.URGENT, levels.urgent), (Priority.HIGH, levels.high), (Priority.MEDIUM, levels.medium)):
        if severity >= from_severity:
            return priority
    return Priority.LOW


def _definition(alarm: AlarmId, event: ControllerEvent, settings: EventSettings) -> AlarmDefinition:
    named = event.condition_name or event.message
    of_whom = f" ({event.source_name})" if event.source_name and event.source_name not in named else ""
    return AlarmDefinition(
        alarm,
        SignalPath(""),
        AlarmKind.TOLD,
        priority=priority_of(event.severity, settings),
        message=f"{named}{of_whom}",
        equipment=event.equipment,
        source=event.source,
    )


def _observations(alarm: AlarmId, event: ControllerEvent, *, active: bool) -> list[Observation]:
    what = AlarmEvent.ACTIVE if active else AlarmEvent.INACTIVE
    reason = "it ended while nobody listened" if event.told is Told.UNSEEN else ""
    found = [
        Observation(
            *(alarm, what, event.time_us, event.received_us),
            value=float(event.severity),
            text=event.message or None,
            reason=reason,
            source_acknowledged=event.acknowledged,
        )
    ]
    if event.acknowledged:
        who = f"{event.user} at the controller" if event.user else "at the controller"
        found.append(Observation(alarm, AlarmEvent.ACKNOWLEDGE, event.time_us, event.received_us, who=who, reason=event.comment))
    return found
