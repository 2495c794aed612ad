"""What an alarm is and how it lives (ISA-18.2, IEC 62682): values and one pure function, no samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final, NewType

from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.signals import SignalPath, SourceId

AlarmId = NewType("AlarmId", str)
"""The path of the signal, a colon and the kind or a name, e.g. ``acme/north/welding/cell-1/robot-3/current:high_high``."""


class AlarmKind(StrEnum):
    """What makes an alarm active (IEC 62682 alarm types)."""

    HIGH_HIGH = "high_high"
    HIGH = "high"
    LOW = "low"
    LOW_LOW = "low_low"
    RATE = "rate"
    """The value changes faster than the limit, either way, in units per second over a window."""
    DEVIATION = "deviation"
    """The value is further from a set point, constant or measured, than the limit."""
    DISCRETE = "discrete"
    """The value or text is one of those named."""
    STALE = "stale"
    """No sample came for longer than the limit, in seconds."""
    SILENT = "silent"
    """Nothing is heard of a source or of who reads it, for longer than the limit, in seconds."""
    DISCONNECTED = "disconnected"
    """Who reads a source tells that it cannot, for longer than the limit, in seconds."""
    GAP = "gap"
    """Samples of a source are missing; returns when for the limit, in seconds, none more are."""
    TOLD = "told"
    """A controller tells of it (OPC UA alarms and conditions)."""
    CHART = "chart"
    """The newest point of a control chart violates a rule."""
    CONDITION = "condition"
    """An equipment does not work as is usual of it."""


FOUND: Final = frozenset({AlarmKind.CHART, AlarmKind.CONDITION})
"""Kinds that are found by other parts of the monitor, which judge whole parts and not single samples."""


class Priority(IntEnum):
    """How soon an operator must act; EEMUA 191 wants about 5 % high, 15 % medium and 80 % low."""

    URGENT = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


class AlarmState(StrEnum):
    """The states of ISA-18.2, letters in brackets."""

    NORMAL = "normal"
    """(A)"""
    UNACKNOWLEDGED = "unacknowledged"
    """(B) active, nobody has seen it."""
    ACKNOWLEDGED = "acknowledged"
    """(C) active, seen."""
    RETURNED = "returned"
    """(D) not active any more, nobody has seen it."""
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"
    """(E) not active any more, held until reset, nobody has seen it."""
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"
    """(F) not active any more, seen, held until reset."""
    SHELVED = "shelved"
    """(G) silenced by a person for a time."""
    SUPPRESSED = "suppressed"
    """(H) silenced by design: what it tells means nothing in the state the equipment is in."""
    OUT_OF_SERVICE = "out_of_service"
    """(I) silenced by a person until put back."""

    @property
    def annunciated(self) -> bool:
        """Whether an operator must see it."""
        return self not in {AlarmState.NORMAL, AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE}


class AlarmEvent(StrEnum):
    """What may happen to an alarm."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    REMOVE = "remove_from_service"
    RETURN = "return_to_service"


class ActionKind(StrEnum):
    """What a person may ask for; the values are those of the events."""

    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    REMOVE = "remove_from_service"
    RETURN = "return_to_service"


@dataclass(frozen=True, slots=True)
class Suppression:
    """When an alarm means nothing by design: while a signal has one of some values or texts."""

    signal: SignalPath
    values: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """One alarm as configured. Limits and deadband in the signal's unit (per second for RATE, seconds for STALE and of sources)."""

    id: AlarmId
    signal: SignalPath
    """Empty for an alarm of a source."""
    kind: AlarmKind
    limit: float = 0.0
    deadband: float = 0.0
    """How far the value must come back before the alarm returns; 0 returns it at the limit."""
    on_delay_us: int = 0
    off_delay_us: int = 0
    priority: Priority = Priority.MEDIUM
    latching: bool = False
    window_us: int = 1_000_000
    """RATE: the span over which the change is taken."""
    set_point: float = 0.0
    """DEVIATION: what the value should be, where no signal tells."""
    set_point_signal: SignalPath | None = None
    values: tuple[float, ...] = ()
    """DISCRETE: numbers that mean the alarm."""
    texts: tuple[str, ...] = ()
    """DISCRETE: texts that mean the alarm; CHART: rules whose violation does, all where empty; CONDITION: severities that do."""
    message: str = ""
    response: str = ""
    """What the operator shall do (IEC 62682: an alarm without a response is none)."""
    equipment: EquipmentId | str = ""
    """Whose alarm it is; empty for an alarm of a source."""
    source: SourceId | None = None
    """The source that gives the signal, or that is watched."""
    suppressed_while: Suppression | None = None
    chart: str = ""
    """CHART: the name of the chart, as ``ChartId``."""


@dataclass(frozen=True, slots=True)
class AlarmLife:
    """Where one alarm stands. What silences it lies over what it is, so that nothing is forgotten meanwhile."""

    active: bool = False
    annunciation: AlarmState = AlarmState.NORMAL
    """The state with nothing silencing it: NORMAL to LATCHED_ACKNOWLEDGED."""
    shelved_until_us: int | None = None
    suppressed: bool = False
    out_of_service: bool = False

    @property
    def state(self) -> AlarmState:
        """The one state shown."""
        if self.out_of_service:
            return AlarmState.OUT_OF_SERVICE
        if self.suppressed:
            return AlarmState.SUPPRESSED
        if self.shelved_until_us is not None:
            return AlarmState.SHELVED
        return self.annunciation


_LATCHED = {AlarmState.UNACKNOWLEDGED: AlarmState.LATCHED_UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED: AlarmState.LATCHED_ACKNOWLEDGED}
_RETURNED = {AlarmState.UNACKNOWLEDGED: AlarmState.RETURNED, AlarmState.ACKNOWLEDGED: AlarmState.NORMAL}
_SEEN = {
    AlarmState.UNACKNOWLEDGED: AlarmState.ACKNOWLEDGED,
    AlarmState.RETURNED: AlarmState.NORMAL,
    AlarmState.LATCHED_UNACKNOWLEDGED: AlarmState.LATCHED_ACKNOWLEDGED,
}


def lived(life: AlarmLife, event: AlarmEvent, *, latching: bool = False, until_us: int | None = None) -> AlarmLife:
    """Return where an alarm stands after an event; the same where the event changes nothing (ISA-18.2, figure of states).

    ``until_us``: when shelving ends; needed by SHELVE. Raises Rejected for what a person may not do to an alarm in this state.
    """
    match event:
        case AlarmEvent.ACTIVE | AlarmEvent.INACTIVE:
            return _judged(life, event is AlarmEvent.ACTIVE, latching)
        case AlarmEvent.ACKNOWLEDGE:
            return _acknowledged(life)
        case AlarmEvent.RESET:
            return _reset(life)
        case AlarmEvent.SHELVE:
            return _shelved(life, until_us)
        case AlarmEvent.SUPPRESS:
            return replace(life, suppressed=True)
        case AlarmEvent.REMOVE:
            return replace(life, out_of_service=True, shelved_until_us=None)
        case _:
            return _heard_again(life, event, latching)


def _silenced(life: AlarmLife) -> bool:
    return life.out_of_service or life.suppressed or life.shelved_until_us is not None


def _judged(life: AlarmLife, active: bool, latching: bool) -> AlarmLife:
    if active == life.active:
        return life
    now = replace(life, active=active)
    if _silenced(life):
        return now
    if active:
        return replace(now, annunciation=AlarmState.UNACKNOWLEDGED)
    gone = _LATCHED if latching else _RETURNED
    return replace(now, annunciation=gone.get(life.annunciation, life.annunciation))


def _heard_again(life: AlarmLife, event: AlarmEvent, latching: bool) -> AlarmLife:
    """Return the life after one silence ended: what is active now is announced anew, what passed meanwhile is not, but for a latch."""
    if event is AlarmEvent.UNSHELVE:
        now = replace(life, shelved_until_us=None)
    elif event is AlarmEvent.UNSUPPRESS:
        now = replace(life, suppressed=False)
    else:
        now = replace(life, out_of_service=False)
    if now == life or _silenced(now):
        return now
    if now.active:
        return replace(now, annunciation=AlarmState.UNACKNOWLEDGED)
    latched = life.annunciation in _LATCHED.values() or (latching and life.annunciation in _LATCHED)
    return replace(now, annunciation=_LATCHED.get(life.annunciation, life.annunciation) if latched else AlarmState.NORMAL)


def _acknowledged(life: AlarmLife) -> AlarmLife:
    if _silenced(life):
        raise Rejected(f"the alarm is {life.state.value.replace('_', ' ')}: there is nothing to acknowledge")
    return replace(life, annunciation=_SEEN.get(life.annunciation, life.annunciation))


def _reset(life: AlarmLife) -> AlarmLife:
    if life.state is AlarmState.LATCHED_UNACKNOWLEDGED:
        raise Rejected("acknowledge the alarm before resetting it")
    if life.state is not AlarmState.LATCHED_ACKNOWLEDGED:
        raise Rejected("only a latched alarm that is not active any more can be reset")
    return replace(life, annunciation=AlarmState.NORMAL)


def _shelved(life: AlarmLife, until_us: int | None) -> AlarmLife:
    if until_us is None:
        raise Rejected("an alarm is shelved for a time only: say until when")
    if life.out_of_service or life.suppressed:
        raise Rejected(f"the alarm is {life.state.value.replace('_', ' ')} already")
    return replace(life, shelved_until_us=until_us)
