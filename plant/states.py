"""What equipment does: states by PackML and OPC 40001-1, operation modes, what time in them is lost to, and the rules that tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from plant import patterns
from plant.equipment import EquipmentId
from plant.signals import SignalPath


class EquipmentState(StrEnum):
    """The states of PackML (ISA-TR88.00.02-2022), one for equipment that is off, and UNKNOWN where samples are missing."""

    CLEARING = "clearing"
    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    SUSPENDED = "suspended"
    """Able to run, but something outside holds it up: starved or blocked."""
    EXECUTE = "execute"
    STOPPING = "stopping"
    ABORTING = "aborting"
    ABORTED = "aborted"
    """Stopped by a fault."""
    HOLDING = "holding"
    HELD = "held"
    """Able to run, but something inside holds it up."""
    UNHOLDING = "unholding"
    SUSPENDING = "suspending"
    UNSUSPENDING = "unsuspending"
    RESETTING = "resetting"
    COMPLETING = "completing"
    COMPLETE = "complete"
    NOT_AVAILABLE = "not_available"
    """Switched off or saving energy (OPC 40001-1)."""
    UNKNOWN = "unknown"
    """Nobody can tell: samples are missing, or bad."""

    @property
    def machinery(self) -> str:
        """The MachineryItemState of OPC 40001-1 that says the same, empty for UNKNOWN."""
        return _MACHINERY[self]


class OperationMode(StrEnum):
    """What equipment is operated for (MachineryOperationMode of OPC 40001-1)."""

    NONE = "none"
    MAINTENANCE = "maintenance"
    SETUP = "setup"
    PROCESSING = "processing"


S = EquipmentState
_MACHINERY: Final[Mapping[EquipmentState, str]] = {
    **dict.fromkeys((S.EXECUTE, S.STARTING, S.COMPLETING, S.UNHOLDING, S.UNSUSPENDING), "Executing"),
    **dict.fromkeys((S.IDLE, S.STOPPED, S.STOPPING, S.COMPLETE, S.RESETTING), "NotExecuting"),
    **dict.fromkeys((S.HELD, S.HOLDING, S.SUSPENDED, S.SUSPENDING), "NotExecuting"),
    **dict.fromkeys((S.ABORTED, S.ABORTING, S.CLEARING), "OutOfService"),
    S.NOT_AVAILABLE: "NotAvailable",
    S.UNKNOWN: "",
}
MACHINERY_STATES: Final[Mapping[str, EquipmentState]] = {
    "executing": S.EXECUTE,
    "not_executing": S.IDLE,
    "out_of_service": S.ABORTED,
    "not_available": S.NOT_AVAILABLE,
}
"""The four of OPC 40001-1 as rules may name them, and how they are kept."""


class Loss(StrEnum):
    """What a moment of planned time went to. Each belongs to one time element of ISO 22400-2."""

    PRODUCTION = "production"
    """No loss: it produces (APT)."""
    SETUP = "setup"
    """Prepared for an order (AUST)."""
    BREAKDOWN = "breakdown"
    """Malfunction (ADET)."""
    MINOR_STOP = "minor_stop"
    """A stop shorter than the limit that the settings name (ADET: the standard counts minor stoppages there)."""
    WAITING = "waiting"
    """Starved, blocked or held (ADET)."""
    MAINTENANCE = "maintenance"
    """Maintained in planned time (ADOT)."""
    IDLE = "idle"
    """Available, but without an order (ADOT)."""
    OFF = "off"
    """Switched off (ADOT)."""
    UNKNOWN = "unknown"
    """Nobody can tell."""


_LOSSES: Final[Mapping[EquipmentState, Loss]] = {
    **dict.fromkeys((S.EXECUTE, S.COMPLETING), Loss.PRODUCTION),
    **dict.fromkeys((S.HELD, S.HOLDING, S.UNHOLDING, S.SUSPENDED, S.SUSPENDING, S.UNSUSPENDING), Loss.WAITING),
    **dict.fromkeys((S.ABORTED, S.ABORTING, S.CLEARING), Loss.BREAKDOWN),
    **dict.fromkeys((S.IDLE, S.STOPPED, S.STOPPING, S.STARTING, S.RESETTING, S.COMPLETE), Loss.IDLE),
    S.NOT_AVAILABLE: Loss.OFF,
    S.UNKNOWN: Loss.UNKNOWN,
}


def loss_of(state: EquipmentState, mode: OperationMode) -> Loss:
    """Return what time in a state and mode goes to, where no reason says otherwise."""
    if state is S.UNKNOWN:
        return Loss.UNKNOWN
    if mode is OperationMode.SETUP:
        return Loss.SETUP
    if mode is OperationMode.MAINTENANCE:
        return Loss.MAINTENANCE
    return _LOSSES[state]


@dataclass(frozen=True, slots=True)
class Reason:
    """One node of the tree of reasons; the path is its place in it: ``breakdown/hydraulics/hose``."""

    path: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Shown name by language; the last word of the path where none is given."""
    loss: Loss | None = None
    """What time with this reason, or one below, goes to; None leaves it to the state."""


@dataclass(frozen=True, slots=True)
class ReasonTree:
    """The reasons of a site."""

    reasons: tuple[Reason, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def knows(self, path: str) -> bool:
        """Return whether there is such a reason."""
        return any(reason.path == path for reason in self.reasons)

    def loss(self, path: str) -> Loss | None:
        """Return what the reason, or the nearest one above that says it, counts time as; None where none says it."""
        losses = {reason.path: reason.loss for reason in self.reasons}
        while path:
            found = losses.get(path)
            if found is not None:
                return found
            path = path.rpartition("/")[0]
        return None

    def name(self, path: str, language: str) -> str:
        """Return a reason as people read it: the shown names from the top down."""
        names = {reason.path: reason.names for reason in self.reasons}
        parts = path.split("/") if path else []
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        return " / ".join(names.get(p, {}).get(language) or names.get(p, {}).get("en") or p.rpartition("/")[2] for p in above)


class Test(StrEnum):
    """How a condition looks at its signal."""

    __test__ = False
    TEXTS = "texts"
    EQUALS = "equals"
    ABOVE = "above"
    BELOW = "below"
    RISES = "rises"
    """It rose within the last ``window_us``."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A question to one signal."""

    signal: SignalPath
    test: Test
    texts: tuple[str, ...] = ()
    """Globs of which one must fit the whole text; ``*`` and ``?`` as in paths."""
    numbers: tuple[float, ...] = ()
    limit: float = 0.0
    window_us: int = 0


@dataclass(frozen=True, slots=True)
class StateRule:
    """What it means when all conditions hold."""

    conditions: tuple[Condition, ...]
    state: EquipmentState
    mode: OperationMode = OperationMode.PROCESSING
    reason: str = ""
    reason_signal: SignalPath | None = None
    reason_of: Mapping[str, str] = field(default_factory=dict)
    """Reason by the text or number of ``reason_signal``; ``reason`` where it names none."""
    may_be_missing: bool = False
    """Where the signal tells nothing, the next rule is asked; otherwise the state is UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of pieces that rises."""

    signal: SignalPath
    rollover: int | None = None
    """It goes on from 0 after ``rollover - 1``; None: what falls was reset."""
    most: float = 1000.0
    """A rise above this at once is no production: the counter was set; it is noted and not counted."""
    worth: int = 1
    """Pieces for each count."""


class MicroStops(StrEnum):
    """Which factor minor stops lower."""

    AVAILABILITY = "availability"
    """As ISO 22400-2 has it: they are delay time."""
    EFFECTIVENESS = "effectiveness"
    """As TPM has it: they are a loss of speed; APT holds them."""


@dataclass(frozen=True, slots=True)
class StateModel:
    """How the state of one equipment is told, and what it produces."""

    equipment: EquipmentId
    rules: tuple[StateRule, ...]
    otherwise: StateRule | None = None
    """Where all signals tell something and no rule holds; None: UNKNOWN."""
    hold_us: int = 5_000_000
    """How long the last value stands while samples are missing."""
    silent_us: int | None = None
    """Without a sample for so long a signal tells nothing, though nothing is known to be missing; None: it stands."""
    micro_stop_us: int = 0
    micro_stops: MicroStops = MicroStops.AVAILABILITY
    good: tuple[Counter, ...] = ()
    scrap: tuple[Counter, ...] = ()
    rework: tuple[Counter, ...] = ()
    produced: tuple[Counter, ...] = ()
    """Pieces of any quality; good ones are then what is left after scrap and rework."""
    count_tightenings: bool = False
    """Each tightening at this equipment is a piece: good where it is OK."""
    product: SignalPath | None = None
    order: SignalPath | None = None
    part: SignalPath | None = None
    run_times: tuple[tuple[str, int], ...] = ()
    """Planned run time per item PRI in microseconds by glob over products; the first that fits holds."""

    def run_time_us(self, product: str) -> int | None:
        """Return the planned run time per item of a product, None where none is planned."""
        return next((us for glob, us in self.run_times if fits(glob, product)), None)

    def signals(self) -> tuple[SignalPath, ...]:
        """Return the signals that must be read, each once."""
        rules = [*self.rules, *([self.otherwise] if self.otherwise else [])]
        wanted = [condition.signal for rule in rules for condition in rule.conditions]
        wanted += [rule.reason_signal for rule in rules if rule.reason_signal is not None]
        wanted += [counter.signal for counter in (*self.good, *self.scrap, *self.rework, *self.produced)]
        wanted += [signal for signal in (self.product, self.order, self.part) if signal is not None]
        return tuple(dict.fromkeys(wanted))


@dataclass(frozen=True, slots=True)
class StatePlan:
    """All of a site: models by equipment, and the reasons."""

    models: tuple[StateModel, ...] = ()
    reasons: ReasonTree = field(default_factory=ReasonTree)

    def model(self, equipment: EquipmentId | str) -> StateModel | None:
        """Return the model of one equipment."""
        return next((model for model in self.models if model.equipment == equipment), None)


@lru_cache(maxsize=4096)
def fits(glob: str, text: str) -> bool:
    """Return whether a text fits a glob in which ``*`` stands for anything."""
    return patterns.compile_glob(glob.replace("/", "\x1f").replace("**", "*")).match(text.replace("/", "\x1f")) is not None


@dataclass(frozen=True, slots=True)
class StateInterval:
    """A span in which equipment was in one state, with what it made."""

    equipment: EquipmentId
    from_us: int
    to_us: int
    state: EquipmentState
    mode: OperationMode
    reason: str
    """As the rules told it."""
    product: str = ""
    order: str = ""
    part: str = ""
    since_us: int = 0
    """Since when state, mode and reason are the same, though product or part changed."""
