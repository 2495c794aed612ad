"""Robot and tool programs as "optimal + delta": the accepted base program, by how much each parameter differs, and what was read back.

A change counts only when the device itself says it: values that were read back equal what was written within each parameter's tolerance,
and the device says that it stores them. Anything else is not confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from plant.errors import Rejected
from plant.tuning import difference


@dataclass(frozen=True, slots=True)
class BaseProgram:
    """The accepted program that deltas are counted from."""

    work_unit: str
    program: str
    version: str
    values: Mapping[str, float]
    units: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.values) != set(self.units):
            raise Rejected(f"program {self.program}: each value needs a unit")
        if not all(math.isfinite(value) for value in self.values.values()):
            raise Rejected(f"program {self.program}: a value is no finite number")


@dataclass(frozen=True, slots=True)
class Delta:
    """By how much one parameter differs from the base, and how exactly a device is able to hold it."""

    name: str
    value: float
    unit: str
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class ProgramRecord:
    """A base program and its deltas."""

    base: BaseProgram
    deltas: tuple[Delta, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.deltas]
        if len(names) != len(set(names)):
            raise Rejected(f"program {self.base.program}: a parameter has two deltas")
        for one in self.deltas:
            if one.name not in self.base.values:
                raise Rejected(f"program {self.base.program}: the base has no parameter '{one.name}'")
            if one.unit != self.base.units[one.name]:
                raise Rejected(f"{one.name}: the delta is in {one.unit}, the base in {self.base.units[one.name]}")
            if not math.isfinite(one.value) or not 0 <= one.tolerance < math.inf:
                raise Rejected(f"{one.name}: delta and tolerance must be finite numbers")

    @property
    def values(self) -> Mapping[str, float]:
        """What the device is to hold: base and delta."""
        deltas = {one.name: one.value for one in self.deltas}
        return {name: difference(value, -deltas.get(name, 0.0)) for name, value in self.base.values.items()}


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a device says of a program after it was written."""

    program: str
    version: str
    values: Mapping[str, float]
    units: Mapping[str, str]
    stored: bool | None
    """Whether it is in storage that outlives a power cut; None: the device does not say."""


class NotConfirmed(StrEnum):
    """Why a change does not count."""

    OTHER_PROGRAM = "other_program"
    OTHER_VERSION = "other_version"
    MISSING = "missing"
    OTHER_UNIT = "other_unit"
    OTHER_VALUE = "other_value"
    NOT_STORED = "not_stored"


@dataclass(frozen=True, slots=True)
class Unlike:
    """One thing that a device holds otherwise."""

    kind: NotConfirmed
    name: str
    wanted: float | str | None = None
    found: float | str | None = None


def unlike(record: ProgramRecord, read: ReadBack) -> tuple[Unlike, ...]:
    """Return everything by which what was read back differs from what was meant; nothing: the change is confirmed."""
    found: list[Unlike] = []
    if read.program != record.base.program:
        found.append(Unlike(NotConfirmed.OTHER_PROGRAM, "program", record.base.program, read.program))
    if read.version != record.base.version:
        found.append(Unlike(NotConfirmed.OTHER_VERSION, "version", record.base.version, read.version))
    tolerances = {one.name: one.tolerance for one in record.deltas}
    for name, wanted in record.values.items():
        value = read.values.get(name)
        if value is None:
            found.append(Unlike(NotConfirmed.MISSING, name, wanted))
        elif read.units.get(name) != record.base.units[name]:
            found.append(Unlike(NotConfirmed.OTHER_UNIT, name, record.base.units[name], read.units.get(name)))
        elif not math.isfinite(value) or abs(difference(value, wanted)) > tolerances.get(name, 0.0):
            found.append(Unlike(NotConfirmed.OTHER_VALUE, name, wanted, value))
    if read.stored is not True:
        found.append(Unlike(NotConfirmed.NOT_STORED, "storage"))
    return tuple(found)


def delta_of(base: BaseProgram, parameters: Mapping[str, float], tolerances: Mapping[str, float]) -> ProgramRecord:
    """Return the record that makes a base program what parameters say. Rejected where a parameter is not the base's."""
    unknown = [name for name in parameters if name not in base.values]
    if unknown:
        raise Rejected(f"program {base.program}: the base has no parameter '{unknown[0]}'")
    return ProgramRecord(
        base,
        tuple(
            Delta(name, difference(value, base.values[name]), base.units[name], tolerances.get(name, 0.0))
            for name, value in parameters.items()
            if value != base.values[name]
        ),
    )
