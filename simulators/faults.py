"""What is wrong when: faults that a seed spreads over a machine's time, the same whenever they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators import noise
from simulators.machines.model import SHIFT_SLOTS, Columns, FaultModel, MachineKind

_SPAN_CYCLES = SHIFT_SLOTS
"""A machine has at most one fault in each shift."""
_CHANCE = 0.45
"""With the reference line one machine or another becomes unwell within a minute or two."""
_SPAN_KEY = 7001


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one machine for a while."""

    equipment: str
    """Path below the site."""
    kind: str
    name: str
    from_us: int
    to_us: int
    description: str


@dataclass(frozen=True, slots=True)
class Course:
    """Which fault is on at which moment, for machines of one kind; all of shape (machines, instants)."""

    number: npt.NDArray[np.int64]
    """Position in the kind's faults, -1 for none."""
    severity: Columns
    start_us: npt.NDArray[np.int64]
    """When the fault that is on began."""


def offset_us(seeds: npt.NDArray[np.uint64], takt_us: int) -> npt.NDArray[np.int64]:
    """Return how far each machine is ahead in its cycle."""
    return (noise.unit(noise.mixed(seeds, 1)) * takt_us).astype(np.int64)


def course(kind: MachineKind, seeds: npt.NDArray[np.uint64], time_us: npt.NDArray[np.int64], takt_us: int) -> Course:
    """Return the faults of machines at moments; ``time_us`` has the shape (machines, instants)."""
    offset = offset_us(seeds, takt_us)[:, None]
    span_us = takt_us * _SPAN_CYCLES
    span = (time_us + offset) // span_us
    number, first, cycles = planned(kind, seeds[:, None], span)
    start_us = span * span_us + first * takt_us - offset
    past = time_us - start_us
    is_on = (number >= 0) & (past >= 0) & (past < cycles * takt_us)
    gradual = np.array([fault.gradual for fault in kind.faults])[np.maximum(number, 0)]
    severity = np.where(is_on, np.where(gradual, past / np.maximum(cycles * takt_us, 1), 1.0), 0.0)
    return Course(np.where(is_on, number, -1), severity, start_us)


def faults_of(kind: MachineKind, path: str, seed: np.uint64, from_us: int, to_us: int, takt_us: int) -> list[Fault]:
    """Return the faults of one machine that touch [from, to), in order of time."""
    seeds = np.array([seed], np.uint64)
    offset = int(offset_us(seeds, takt_us)[0])
    span_us = takt_us * _SPAN_CYCLES
    spans = np.arange((from_us + offset) // span_us, (to_us + offset) // span_us + 1, dtype=np.int64)
    found = []
    for span, number, first, cycles in zip(
        spans.tolist(), *(column[0].tolist() for column in planned(kind, seeds[:, None], spans[None, :])), strict=True
    ):
        start = span * span_us + first * takt_us - offset
        end = start + cycles * takt_us
        if number >= 0 and end > from_us and start < to_us:
            fault: FaultModel = kind.faults[number]
            found.append(Fault(path, kind.name, fault.name, start, end, fault.description))
    return found


def planned(
    kind: MachineKind, seeds: npt.NDArray[np.uint64], span: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each span which fault it holds (-1 for none), its first cycle and how many cycles it lasts."""
    dice = noise.mixed(noise.mixed(seeds, _SPAN_KEY), span)
    happens = noise.unit(dice) < _CHANCE
    number = np.where(happens, (noise.unit(noise.mixed(dice, 1)) * len(kind.faults)).astype(np.int64), -1)
    first = (noise.unit(noise.mixed(dice, 2)) * 6).astype(np.int64)
    cycles = 2 + (noise.unit(noise.mixed(dice, 3)) * 4).astype(np.int64)
    return number, first, cycles
