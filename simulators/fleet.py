"""Machines of one kind, asked about many instants at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from plant.signals import Range
from simulators import noise
from simulators.faults import Course, Fault, course, faults_of
from simulators.feed import Variable
from simulators.machines.model import BAD_SENSOR_FAILURE, Columns, MachineKind, Moments
from simulators.work import work_of


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machines of one kind: pure functions of seed and time, whatever is asked in whatever order."""

    kind: MachineKind
    paths: tuple[str, ...]
    """Equipment paths below the site."""
    seed: int
    takt_seconds: float
    seeds: npt.NDArray[np.uint64] = field(init=False, compare=False, repr=False)
    """The seed of each machine: its path's, so it stays the same when the fleet grows."""

    def __post_init__(self) -> None:
        """Make the seeds."""
        names = [noise.mixed(self.seed, sum(ord(c) * 257**n for n, c in enumerate(path)) % 2**63) for path in self.paths]
        object.__setattr__(self, "seeds", np.array(names, np.uint64))

    @property
    def takt_us(self) -> int:
        """One part each so many microseconds."""
        return round(self.takt_seconds * 1e6)

    def variables(self) -> list[Variable]:
        """Return what the machines offer, one machine after the other: the order of the columns."""
        return [
            Variable(
                tuple(path.split("/")),
                signal.name,
                signal.data_type,
                signal.unit,
                None if signal.low is None or signal.high is None else Range(signal.low, signal.high),
                signal.description,
            )
            for path in self.paths
            for signal in self.kind.signals
        ]

    def values(self, time_us: npt.NDArray[np.int64]) -> tuple[Columns, npt.NDArray[np.uint32]]:
        """Return numbers and statuses at the instants; both of shape (instants, machines x signals)."""
        seeds = self.seeds
        times = np.broadcast_to(time_us, (len(seeds), len(time_us)))
        trouble = course(self.kind, seeds, times, self.takt_us)
        number = self._numbers(seeds, times, trouble)
        status = np.zeros(number.shape, np.uint32)
        self._spoil(number, status, seeds, trouble)
        flat = (len(time_us), number.shape[0] * number.shape[1])
        return number.transpose(2, 0, 1).reshape(flat), status.transpose(2, 0, 1).reshape(flat)

    def faults(self, from_us: int, to_us: int) -> list[Fault]:
        """Return what is wrong with which machine when, as far as it touches [from, to)."""
        pairs = zip(self.paths, self.seeds, strict=True)
        return [fault for path, seed in pairs for fault in faults_of(self.kind, path, seed, from_us, to_us, self.takt_us)]

    def _numbers(self, seeds: npt.NDArray[np.uint64], times: npt.NDArray[np.int64], trouble: Course) -> Columns:
        """Return the values that the machines really have, shape (machines, signals, instants): rounded to what a sensor resolves."""
        severity = {
            fault.name: np.where(trouble.number == position, trouble.severity, 0.0)
            for position, fault in enumerate(self.kind.faults)
            if not fault.sensor and (trouble.number == position).any()
        }
        work = work_of(self.kind, seeds, times, self.takt_us)
        found = self.kind.values(Moments(self.kind, seeds, times, self.takt_seconds, severity, work))
        number = np.stack([np.broadcast_to(found[signal.name], times.shape) for signal in self.kind.signals], axis=1)
        scale = np.array([10.0**signal.decimals for signal in self.kind.signals])[:, None]
        low = np.array([-np.inf if signal.low is None else signal.low for signal in self.kind.signals])[:, None]
        high = np.array([np.inf if signal.high is None else signal.high for signal in self.kind.signals])[:, None]
        rounded: Columns = np.clip(np.rint(number * scale) / scale, low, high) + 0.0  # + 0.0 turns -0.0 into 0.0
        return rounded

    def _spoil(self, number: Columns, status: npt.NDArray[np.uint32], seeds: npt.NDArray[np.uint64], trouble: Course) -> None:
        """Let broken sensors stand still or fail, in place."""
        names = [signal.name for signal in self.kind.signals]
        for position, fault in enumerate(self.kind.faults):
            if not fault.sensor:
                continue
            for machine in np.flatnonzero((trouble.number == position).any(axis=1)):
                is_on = trouble.number[machine] == position
                signal = names.index(fault.signal)
                if fault.sensor == "bad_status":
                    status[machine, signal, is_on] = BAD_SENSOR_FAILURE
                    continue
                start = trouble.start_us[machine, is_on][:1]
                begun = course(self.kind, seeds[machine : machine + 1], start[None, :], self.takt_us)
                number[machine, signal, is_on] = self._numbers(seeds[machine : machine + 1], start[None, :], begun)[0, signal, 0]


def fleet_sizes(units: int, usual: Sequence[int]) -> list[int]:
    """Return how many machines of each kind make ``units`` in all, in the usual proportion; at least one each."""
    total = sum(usual)
    if units <= 0:
        return list(usual)
    exact = [max(1.0, units * share / total) for share in usual]
    sizes = [int(size) for size in exact]
    by_rest = sorted(range(len(usual)), key=lambda n: exact[n] - sizes[n], reverse=True)
    for n in by_rest[: max(0, units - sum(sizes))]:
        sizes[n] += 1
    while sum(sizes) > max(units, len(usual)):
        sizes[sizes.index(max(sizes))] -= 1
    return sizes
