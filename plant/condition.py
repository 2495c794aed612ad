"""What is watched for wear and drift: which signals of an equipment, part by part and step by step, and what its energy is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plant.equipment import EquipmentId
from plant.signals import SignalPath


class OnToolChange(StrEnum):
    """What a new tool means to baselines."""

    KEEP = "keep"
    """They hold the whole life of tools: what is called is what no tool did before."""
    NEW_BASELINE = "new_baseline"
    """Each tool has its own, learned from its first parts."""


class Answer(StrEnum):
    """What a person says to a finding."""

    CONFIRMED = "confirmed"
    """It is so."""
    FALSE_CALL = "false_call"
    """It is usual: the baseline becomes wide enough for it."""
    TOOL_CHANGED = "tool_changed"
    """The tool was changed, or the machine repaired: baselines are learned anew."""


class Severity(StrEnum):
    """How much a finding asks for, by how far beyond the limit it is."""

    SLIGHT = "slight"
    CLEAR = "clear"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class EnergySignal:
    """Where energy is read."""

    signal: SignalPath
    is_meter: bool
    """A counter of energy instead of a power."""
    kwh_per_unit: float
    """kW of one unit of a power, or kWh of one of a counter."""


@dataclass(frozen=True, slots=True)
class WearRule:
    """Which number tells the wear of a tool."""

    signal: SignalPath
    step: str
    worn_percent: float | None
    """Above what the tool began with; None where it is learned from tools that people called worn."""


@dataclass(frozen=True, slots=True)
class ConditionPlan:
    """How one equipment is watched."""

    equipment: EquipmentId
    signals: tuple[SignalPath, ...]
    parts: SignalPath
    """A counter, serial number or any other value that changes from part to part."""
    step: SignalPath | None
    program: SignalPath | None
    """Each program has baselines of its own."""
    running: tuple[SignalPath, tuple[str, ...]] | None
    """Signal and its values while the machine works; what is measured in other time belongs to no step."""
    tool_life: SignalPath | None
    """Falls when a new tool is put in, as a count of its parts does; or changes, as a serial number does."""
    on_tool_change: OnToolChange
    least_parts: int
    parts_per_false_call: float
    longest_part_us: int
    energy: EnergySignal | None
    wear: WearRule | None

    def all_signals(self) -> tuple[SignalPath, ...]:
        """Return every signal that is read, each once."""
        several = [*self.signals, self.parts]
        several += [path for path in (self.step, self.program, self.tool_life) if path is not None]
        several += [self.running[0]] if self.running is not None else []
        several += [self.energy.signal] if self.energy is not None else []
        several += [self.wear.signal] if self.wear is not None else []
        return tuple(dict.fromkeys(several))
