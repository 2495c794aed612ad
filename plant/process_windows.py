"""Process windows: the hard, versioned limits of what may be recommended for a work unit and job, and the one judge of them.

Windows are written by a person and approved by another. They are read from ``windows.toml``; nothing here, or anywhere, learns them.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator

from plant.errors import Rejected, SettingsError
from plant.strict import Strict

_HOUR_US: Final = 3_600_000_000
_UNIT = re.compile(r"[!-~]{1,40}\Z")
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Above = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class ParameterWindow(Strict):
    """What one parameter may be, and how fast it may change."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    unit: Annotated[str, Field(description="UCUM code, 1 where there is none")]
    low: Number
    high: Number
    step: Annotated[Above, Field(description="largest change at once")]
    rate: Annotated[Above | None, Field(description="largest change in an hour; not limited where not given")] = None
    dead_band: Annotated[
        float, Field(strict=True, ge=0, allow_inf_nan=False, description="a smaller change is none, and is not proposed")
    ] = 0.0

    @model_validator(mode="after")
    def _sound(self) -> ParameterWindow:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.dead_band > self.step:
            raise ValueError(f"dead_band ({self.dead_band:g}) must not be above step ({self.step:g}): else nothing can ever change")
        if not _UNIT.match(self.unit):
            raise ValueError(f"unit '{self.unit}' is no UCUM code; write 1 where there is none")
        return self


class JointLimit(Strict):
    """A limit that several parameters keep together."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    formula: Annotated[
        Literal["heat_input", "linear", "ratio"],
        Field(description="voltage * current * 60 / (speed * 1000) * efficiency in kJ/mm; sum of weights times parameters; over / under"),
    ]
    unit: str = "1"
    low: Number | None = None
    high: Number | None = None
    voltage: str | None = None
    current: str | None = None
    speed: Annotated[str | None, Field(description="parameter in mm/min")] = None
    efficiency: Annotated[
        float, Field(strict=True, gt=0, le=1, description="thermal efficiency, EN 1011-1; 1 gives the energy of the arc")
    ] = 1.0
    weights: dict[str, Number] = Field(default_factory=dict)
    over: str | None = None
    under: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> JointLimit:
        needed = {"heat_input": ("voltage", "current", "speed"), "linear": ("weights",), "ratio": ("over", "under")}
        for formula, keys in needed.items():
            for key in keys:
                if formula == self.formula and not getattr(self, key):
                    raise ValueError(f"formula '{self.formula}' needs '{key}'")
                if formula != self.formula and getattr(self, key):
                    raise ValueError(f"formula '{self.formula}' takes no '{key}'")
        if self.low is None and self.high is None:
            raise ValueError("give 'low', 'high' or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that it ties."""
        if self.formula == "linear":
            return tuple(self.weights)
        return tuple(name for name in (self.voltage, self.current, self.speed, self.over, self.under) if name is not None)

    def value(self, parameters: Mapping[str, Any]) -> Any:
        """Return what is limited, of numbers or of columns; NaN where it cannot be told."""
        try:
            if self.formula == "linear":
                return sum(weight * parameters[name] for name, weight in self.weights.items())
            if self.formula == "ratio":
                return parameters[self.over or ""] / parameters[self.under or ""]
            energy = parameters[self.voltage or ""] * parameters[self.current or ""] * 60
            return energy / (parameters[self.speed or ""] * 1000) * self.efficiency
        except (ZeroDivisionError, OverflowError):
            return math.nan


class ResponseLimit(Strict):
    """What the mean of a measured quality must be inside: penetration, width, clamp force."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    unit: str = "1"
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _sound(self) -> ResponseLimit:
        if self.low is None and self.high is None:
            raise ValueError("give 'low', 'high' or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self


class Objective(Strict):
    """What fine-tuning makes better."""

    name: Annotated[Literal["first_pass"], Field(description="share of parts that are good at the first go")] = "first_pass"
    scrap_max: Annotated[
        float,
        Field(
            strict=True,
            gt=0,
            le=1,
            description="largest share of scrapped parts that a trial may be expected to have, unless the accepted recipe has more",
        ),
    ] = 1.0


class ProcessWindow(Strict):
    """What may be recommended for the jobs and programs of a work unit."""

    work_unit: Annotated[str, Field(min_length=1, max_length=400)]
    program: Annotated[str, Field(min_length=1, max_length=200, description="program that it holds for; * and ? stand for any letters")] = (
        "*"
    )
    job: Annotated[str, Field(min_length=1, max_length=200, description="job that it holds for; * and ? stand for any letters")] = "*"
    version: Annotated[int, Field(strict=True, ge=1)]
    author: Annotated[str, Field(min_length=1, max_length=100)]
    approver: Annotated[str, Field(min_length=1, max_length=100)]
    parameters: Annotated[tuple[ParameterWindow, ...], Field(min_length=1, max_length=20)]
    joint_limits: tuple[JointLimit, ...] = ()
    responses: tuple[ResponseLimit, ...] = ()
    objective: Objective = Objective()

    @model_validator(mode="after")
    def _sound(self) -> ProcessWindow:
        if self.author.strip().casefold() == self.approver.strip().casefold():
            raise ValueError(f"'approver' must be another person than 'author' ({self.author}): nobody approves what he wrote")
        names = [one.name for one in self.parameters]
        for name in {name for name in names if names.count(name) > 1}:
            raise ValueError(f"parameter '{name}' is given twice")
        for limit in self.joint_limits:
            unknown = [name for name in limit.parameters if name not in names]
            if unknown:
                raise ValueError(f"joint limit '{limit.name}': there is no parameter '{unknown[0]}'; there are: {', '.join(names)}")
        answers = [one.name for one in self.responses]
        for name in {name for name in answers if answers.count(name) > 1 or name in names}:
            raise ValueError(f"response '{name}' has the name of another one or of a parameter")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(one.name for one in self.parameters)

    def fits(self, work_unit: str, program: str, job: str = "") -> bool:
        """Whether it holds for a program and a job of a work unit."""
        return self.work_unit == work_unit and fnmatchcase(program, self.program) and (self.job == "*" or fnmatchcase(job, self.job))


class _File(Strict):
    windows: Annotated[tuple[ProcessWindow, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class WindowSet:
    """All process windows of a factory."""

    windows: tuple[ProcessWindow, ...]

    def of(self, work_unit: str, program: str, job: str = "") -> ProcessWindow:
        """Return the one window that holds; of several, the one that names the most letters. Rejected where none does, or two alike."""
        found = sorted(
            (one for one in self.windows if one.fits(work_unit, program, job)), key=lambda one: (_letters(one), one.version), reverse=True
        )
        if not found:
            raise Rejected(f"there is no process window for program '{program}' of '{work_unit}'")
        if len(found) > 1 and (_letters(found[0]), found[0].version) == (_letters(found[1]), found[1].version):
            raise Rejected(f"two process windows hold alike for program '{program}' of '{work_unit}'; make one of them more exact")
        return found[0]


def _letters(window: ProcessWindow) -> int:
    return sum(len(pattern.replace("*", "").replace("?", "")) for pattern in (window.program, window.job))


@dataclass(frozen=True, slots=True)
class Setpoints:
    """Parameters for a program and job of a work unit: those in use, or those proposed."""

    work_unit: str
    program: str
    parameters: Mapping[str, float]
    job: str = ""
    window_version: int | None = None
    """The version of the window that a proposal was made for."""
    since_us: int | None = None
    """When they came into use, or would; None: not known, and no rate is judged."""


class Broken(StrEnum):
    """What a proposal breaks."""

    NO_WINDOW = "no_window"
    OTHER_TARGET = "other_target"
    """What is in use is that of another work unit, program or job."""
    OTHER_VERSION = "other_version"
    """The window has changed since the proposal was made."""
    UNKNOWN_PARAMETER = "unknown_parameter"
    MISSING_PARAMETER = "missing_parameter"
    NO_NUMBER = "no_number"
    BELOW = "below"
    ABOVE = "above"
    STEP = "step"
    RATE = "rate"
    DEAD_BAND = "dead_band"
    JOINT_LIMIT = "joint_limit"


@dataclass(frozen=True, slots=True)
class Violation:
    """One limit that is broken: which, by what value, and what was allowed."""

    kind: Broken
    name: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""

    @property
    def words(self) -> str:
        """A sentence for people."""
        value, limit = f"{_shown(self.value)} {self.unit}".strip(), f"{_shown(self.limit)} {self.unit}".strip()
        return {
            Broken.NO_WINDOW: self.name,
            Broken.OTHER_TARGET: f"what is in use is of another {self.name}",
            Broken.OTHER_VERSION: f"the process window is of version {_shown(self.limit)}, the proposal was made for {_shown(self.value)}",
            Broken.UNKNOWN_PARAMETER: f"the process window has no parameter '{self.name}'",
            Broken.MISSING_PARAMETER: f"parameter '{self.name}' is missing",
            Broken.NO_NUMBER: f"{self.name} is no finite number",
            Broken.BELOW: f"{self.name} would be {value}, below {limit}",
            Broken.ABOVE: f"{self.name} would be {value}, above {limit}",
            Broken.STEP: f"{self.name} would change by {value}, more than {limit} at once",
            Broken.RATE: f"{self.name} would change by {value}, more than {limit} since it last changed",
            Broken.DEAD_BAND: f"{self.name} would change by {value}, less than its dead band of {limit}",
            Broken.JOINT_LIMIT: f"{self.name} would be {value}, beyond {limit}",
        }[self.kind]


def _shown(value: float | None) -> str:
    return "?" if value is None else f"{value:.6g}"


def check(windows: WindowSet, proposal: Setpoints, current: Setpoints | None) -> tuple[Violation, ...]:
    """Return every limit that a proposal breaks against what is in use; none: it may be set.

    What is in use may lie outside its window (a window may be made narrower): then a proposal must still keep the step. Without anything
    in use (``None``: a program's first parameters) neither step, rate nor dead band is judged.
    """
    try:
        window = windows.of(proposal.work_unit, proposal.program, proposal.job)
    except Rejected as error:
        return (Violation(Broken.NO_WINDOW, str(error)),)
    found = [
        Violation(Broken.OTHER_TARGET, name)
        for name in ("work_unit", "program", "job")
        if current is not None and getattr(current, name) != getattr(proposal, name)
    ]
    if proposal.window_version is not None and proposal.window_version != window.version:
        found.append(Violation(Broken.OTHER_VERSION, "version", proposal.window_version, window.version))
    found += [Violation(Broken.UNKNOWN_PARAMETER, name) for name in proposal.parameters if name not in window.names]
    whole = True
    for one in window.parameters:
        value = proposal.parameters.get(one.name)
        if value is None:
            found.append(Violation(Broken.MISSING_PARAMETER, one.name))
        elif not math.isfinite(value):
            found.append(Violation(Broken.NO_NUMBER, one.name, value))
        else:
            found += _of_parameter(one, float(value), proposal, current)
            continue
        whole = False
    if whole:
        found += _of_joint_limits(window, proposal.parameters)
    return tuple(found)


def _of_parameter(one: ParameterWindow, value: float, proposal: Setpoints, current: Setpoints | None) -> list[Violation]:
    found = []
    if value < one.low:
        found.append(Violation(Broken.BELOW, one.name, value, one.low, one.unit))
    if value > one.high:
        found.append(Violation(Broken.ABOVE, one.name, value, one.high, one.unit))
    if current is None:
        return found
    found_now = current.parameters.get(one.name)
    if found_now is None or not math.isfinite(found_now):
        return [*found, Violation(Broken.NO_NUMBER, f"{one.name} in use", found_now)]
    now = float(found_now)
    # as a person subtracts: 0.3 - 0.2 is 0.1, not below it
    change = float(abs(Decimal(repr(value)) - Decimal(repr(now))))
    if change > one.step:
        found.append(Violation(Broken.STEP, one.name, change, one.step, one.unit))
    if 0 < change < one.dead_band:
        found.append(Violation(Broken.DEAD_BAND, one.name, change, one.dead_band, one.unit))
    if one.rate is not None and change > 0 and current.since_us is not None and proposal.since_us is not None:
        most = one.rate * max(0, proposal.since_us - current.since_us) / _HOUR_US
        if change > most:
            found.append(Violation(Broken.RATE, one.name, change, most, one.unit))
    return found


def _of_joint_limits(window: ProcessWindow, parameters: Mapping[str, float]) -> list[Violation]:
    found = []
    for limit in window.joint_limits:
        value = float(limit.value(parameters))
        if not math.isfinite(value):
            found.append(Violation(Broken.NO_NUMBER, limit.name, value))
        elif limit.low is not None and value < limit.low:
            found.append(Violation(Broken.JOINT_LIMIT, limit.name, value, limit.low, limit.unit))
        elif limit.high is not None and value > limit.high:
            found.append(Violation(Broken.JOINT_LIMIT, limit.name, value, limit.high, limit.unit))
    return found


def read_windows(path: Path) -> WindowSet:
    """Return the windows of a file. Raises SettingsError that names each wrong key, and Rejected never."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return parse_windows(text, str(path))


def parse_windows(text: str, place: str = "windows.toml") -> WindowSet:
    """Return the windows that a text says. Raises SettingsError with a sentence for each wrong key."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{place}: no TOML: {error}") from error
    try:
        file = _File.model_validate(told)
    except ValidationError as error:
        raise SettingsError([_sentence(place, one["loc"], one["msg"]) for one in error.errors()]) from error
    seen: dict[tuple[str, str, str], int] = {}
    problems = []
    for number, window in enumerate(file.windows, 1):
        key = window.work_unit, window.program, window.job
        if key in seen:
            problems.append(
                f"{place}: windows[{number}]: the same work_unit, program and job as windows[{seen[key]}]; keep the newest version only"
            )
        seen.setdefault(key, number)
    if problems:
        raise SettingsError(problems)
    return WindowSet(file.windows)


def _sentence(place: str, where: tuple[int | str, ...], message: str) -> str:
    key = ""
    for one in where:
        key += f"[{one + 1}]" if isinstance(one, int) else f".{one}" if key else one
    return f"{place}: {key or 'file'}: {message.removeprefix('Value error, ')}"
