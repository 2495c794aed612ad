"""The words a machine model is written in: its signals, its faults, and the moments it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from plant.signals import DataType
from simulators import noise

Columns = npt.NDArray[np.float64]
"""Shape (machines, instants)."""
Steps = npt.NDArray[np.int64]
"""Shape (machines, instants): which step each is in."""
BAD_SENSOR_FAILURE = 0x808C0000


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


class Moments:
    """Instants of several machines of one kind, and random numbers that depend on nothing else.

    ``time_us`` has the shape (machines, instants); ``severity`` holds, by name, how strong each fault is (0 to 1).
    """

    def __init__(self, seeds: noise.Hashes, time_us: npt.NDArray[np.int64], takt_seconds: float, severity: Mapping[str, Columns]) -> None:
        self.seeds = seeds[:, None]
        self.time_us = time_us
        self.takt = takt_seconds
        self._severity = severity
        takt_us = round(takt_seconds * 1e6)
        shifted = time_us + (noise.unit(noise.mixed(self.seeds, 1)) * takt_us).astype(np.int64)
        self.cycle: npt.NDArray[np.int64] = shifted // takt_us
        """Which part is worked on."""
        self.part: Columns = (shifted % takt_us) / takt_us
        """How far its work is, 0 to 1."""
        self.seconds: Columns = time_us / 1e6
        self._ticks = time_us // 1000
        self._shape = time_us.shape

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
        return noise.unit(noise.mixed(noise.mixed(self.seeds, 3000 + key), self.cycle * 64 + step))

    def trait(self, key: int) -> Columns:
        """Return a number in [0, 1) that each machine is born with."""
        return noise.unit(noise.mixed(self.seeds, 4000 + key)) + np.zeros(self._shape)


def step_of(part: Columns, starts: Sequence[float]) -> tuple[Steps, Columns]:
    """Return in which step a part is and how far through it (0 to 1), for steps that start at the given fractions of the cycle."""
    edges = np.array([*starts, 1.0])
    step = np.clip(np.searchsorted(edges, part, side="right") - 1, 0, len(starts) - 1)
    return step, (part - edges[step]) / (edges[step + 1] - edges[step])


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
