"""The words a machine model is written in: its signals, its faults, and the moments it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from plant.signals import DataType
from simulators import noise

Columns = npt.NDArray[np.float64]
"""Shape (machines, instants)."""
Steps = npt.NDArray[np.int64]
"""Shape (machines, instants): which step each is in."""
BAD_SENSOR_FAILURE = 0x808C0000
SHIFT_SLOTS: Final = 10
"""Takts of a shift: with a takt of a minute, a shift is ten minutes."""


class UnitState(IntEnum):
    """What a machine is in, by the words of PackML (OPC 30050)."""

    STOPPED = 0
    EXECUTE = 1
    SUSPENDED = 2
    """For a reason outside the machine."""
    HELD = 3
    """For a reason inside the machine."""
    ABORTED = 4


class Reason(IntEnum):
    """Why a machine stands; from BREAKDOWN on, one for each fault of its kind."""

    NONE = 0
    STARVED = 1
    BLOCKED = 2
    BREAK = 3
    CHANGEOVER = 4
    TOOL_CHANGE = 5
    SHORT_STOP = 6
    BREAKDOWN = 7


@dataclass(frozen=True, slots=True)
class Work:
    """What machines of one kind are at; all of shape (machines, instants)."""

    part: Columns
    """How far the work on the part is, 0 to 1; it stands still while the machine stands."""
    works: npt.NDArray[np.bool_]
    state: Steps
    reason: Steps
    number: Steps
    """Which part is worked on, or comes next: parts made before it."""
    present: npt.NDArray[np.bool_]
    """Whether the part is in the machine."""
    made: Steps
    """Good and scrap."""
    scrap: Steps
    was_scrap: npt.NDArray[np.bool_]
    """Whether the part that was finished last was scrap."""
    tool_parts: Steps
    """Parts that the tool has made before this one."""


@dataclass(frozen=True, slots=True)
class SignalModel:
    """One signal of a machine. Text signals are numbers in the model; ``text`` says what a number reads as."""

    name: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    limits: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    """low_low, low, high, high_high."""
    data_type: DataType = DataType.DOUBLE
    decimals: int = 2
    description: str = ""
    text: Callable[[int], str] | None = None
    rests: bool = False
    """Whether it stays the same for long: what is stored of it are its changes."""


@dataclass(frozen=True, slots=True)
class FaultModel:
    """One way a machine can be unwell.

    ``gradual`` grows from nothing to full over its time; otherwise it is there at once. A ``sensor`` fault touches one signal only,
    whatever the machine does: it stands still (``stuck``) or has a bad status (``bad_status``).
    """

    name: str
    description: str
    gradual: bool = False
    sensor: Literal["", "stuck", "bad_status"] = ""
    signal: str = ""


@dataclass(frozen=True, slots=True)
class MachineKind:
    """A kind of machine: what it measures, what can be wrong, and its values at any moments."""

    name: str
    title: str
    signals: tuple[SignalModel, ...]
    faults: tuple[FaultModel, ...]
    values: Callable[[Moments], Mapping[str, Columns]]
    tool_life: int = 0
    """Parts that a tool makes before it is changed; 0 for a machine without a tool that wears."""
    pauses: tuple[float, float] = (0.2, 0.8)
    """Between which shares of the work a short stop may come."""
    short_stops: float = 0.12
    """Chance of one for each part."""


class Moments:
    """Instants of several machines of one kind, what they are at, and random numbers that depend on nothing else.

    ``time_us`` has the shape (machines, instants); ``severity`` holds, by name, how strong each fault is (0 to 1).
    """

    def __init__(
        self,
        kind: MachineKind,
        seeds: noise.Hashes,
        time_us: npt.NDArray[np.int64],
        takt_seconds: float,
        severity: Mapping[str, Columns],
        work: Work,
    ) -> None:
        self.seeds = seeds[:, None]
        self.time_us = time_us
        self.takt = takt_seconds
        self.work = work
        self.part = work.part
        self.works: Columns = work.works.astype(np.float64)
        """1 while the machine works, 0 while it stands."""
        self._severity = severity
        self._tool_life = max(kind.tool_life, 1)
        self.seconds: Columns = time_us / 1e6
        self._ticks = time_us // 1000
        self._shape = time_us.shape

    @property
    def wear(self) -> Columns:
        """How worn the tool is, 0 to 1: fast at first, then slow, fast again at its end."""
        return worn((self.work.tool_parts + self.part) / self._tool_life)

    @property
    def wear_before(self) -> Columns:
        """The same when the part that was measured last was made."""
        return worn(((self.work.tool_parts - (self.work.made == self.work.number)) % self._tool_life + 0.5) / self._tool_life)

    def fault(self, name: str) -> Columns:
        """Return how strong a fault is, 0 to 1."""
        found = self._severity.get(name)
        return np.zeros(self._shape) if found is None else found

    def hiss(self, key: int) -> Columns:
        """Return measuring noise: new at each instant, deviation 1."""
        return noise.bell(noise.mixed(noise.mixed(self.seeds, 1000 + key), self._ticks))

    def wander(self, key: int, seconds: float) -> Columns:
        """Return a slow random curve within [-1, 1] that turns every so many seconds."""
        return noise.wander(noise.mixed(self.seeds, 2000 + key), self.seconds / seconds)

    def draw(self, key: int, step: Any = 0) -> Columns:
        """Return a number in [0, 1) for each part (and step of it)."""
        return noise.unit(noise.mixed(noise.mixed(self.seeds, 3000 + key), self.work.number * 64 + step))

    def draw_of(self, key: int, number: Any) -> Columns:
        """Return a number in [0, 1) for each number of something."""
        return noise.unit(noise.mixed(noise.mixed(self.seeds, 3000 + key), number))

    def measured(self, key: int) -> Columns:
        """Return measuring noise of the part that was finished last: deviation 1, the same until the next one is."""
        return noise.bell(noise.mixed(noise.mixed(self.seeds, 5000 + key), self.work.made - 1))

    def wander_before(self, key: int, parts: float) -> Columns:
        """Return a slow random curve within [-1, 1] over the parts that were finished, which turns every so many of them."""
        return noise.wander(noise.mixed(self.seeds, 6000 + key), self.work.made / parts)

    def trait(self, key: int) -> Columns:
        """Return a number in [0, 1) that each machine is born with."""
        return noise.unit(noise.mixed(self.seeds, 4000 + key)) + np.zeros(self._shape)


def step_of(part: Columns, starts: Sequence[float]) -> tuple[Steps, Columns]:
    """Return in which step a part is and how far through it (0 to 1), for steps that start at the given fractions of the cycle."""
    edges = np.array([*starts, 1.0])
    step = np.clip(np.searchsorted(edges, part, side="right") - 1, 0, len(starts) - 1)
    return step, (part - edges[step]) / (edges[step + 1] - edges[step])


def worn(use: Columns) -> Columns:
    """Return how worn a tool is after a share of its life."""
    curve: Columns = 0.15 * (1 - np.exp(-8 * use)) + 0.35 * use + 0.5 * use**6
    return curve


def ramp(value: Columns, start: float, end: float) -> Columns:
    """Return 0 before start, 1 after end, and a straight line between."""
    line: Columns = np.clip((value - start) / (end - start), 0.0, 1.0)
    return line


def words(*texts: str) -> Callable[[int], str]:
    """Return what names the numbers 0, 1, 2 ... by these words."""
    return lambda number: texts[int(number) % len(texts)]


def numbered(template: str, count: int = 0, start: int = 0) -> Callable[[int], str]:
    """Return what puts a number into a text such as ``SY-{:06d}``, counted round where ``count`` is given."""
    return lambda number: template.format(start + (int(number) % count if count else int(number)))


def boolean(name: str, description: str) -> SignalModel:
    """Return a signal that is true or false."""
    return SignalModel(name, data_type=DataType.BOOLEAN, low=0, high=1, decimals=0, description=description)


def words_signal(name: str, text: Callable[[int], str], description: str) -> SignalModel:
    """Return a text signal."""
    return SignalModel(name, data_type=DataType.STRING, decimals=0, description=description, text=text)
