"""A mix of models as a file that people write: strict JSON, names instead of rows; and an order of machines as a file."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from plant.errors import SettingsError
from plant.model_mix import Mix, Option, Station, Weights
from plant.strict import Strict
from plant.strict_json import read_pieces

FORMAT: Final = "mix/1"
_MOST: Final = 5_000
_WEIGHTS: Final = Weights()
Name = Annotated[str, Field(min_length=1, max_length=100)]
Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class _Option(Strict):
    name: Name
    at_most: Annotated[int, Field(strict=True, ge=0)]
    of: Annotated[int, Field(strict=True, ge=1, le=1000)]

    @model_validator(mode="after")
    def _sound(self) -> _Option:
        if self.at_most > self.of:
            raise ValueError(f"at_most ({self.at_most}) must not be above of ({self.of})")
        return self


class _Station(Strict):
    name: Name
    drift_s: Seconds = 0.0


class _Model(Strict):
    name: Name
    count: Annotated[int, Field(strict=True, ge=0, le=_MOST)] = 0
    options: tuple[Name, ...] = ()
    work_s: dict[Name, Seconds] = Field(default_factory=dict, description="by station; none where it is not named")
    state: dict[Name, Name] = Field(default_factory=dict, description="by what is set up between models: how it must stand for this one")


class _Setup(Strict):
    name: Name
    states: Annotated[tuple[Name, ...], Field(min_length=1)]
    seconds: Annotated[tuple[tuple[Seconds, ...], ...], Field(description="from the state of the row to the state of the column")]

    @model_validator(mode="after")
    def _square(self) -> _Setup:
        if len(self.seconds) != len(self.states) or any(len(row) != len(self.states) for row in self.seconds):
            raise ValueError(f"'seconds' must have {len(self.states)} rows of {len(self.states)} numbers, one for each state")
        return self


class _Machine(Strict):
    name: Name
    model: Name
    earliest: Annotated[int, Field(strict=True, ge=1, description="first place it may have, from 1")] = 1
    latest: Annotated[int | None, Field(strict=True, ge=1, description="last place it should have; any where not given")] = None

    @model_validator(mode="after")
    def _sound(self) -> _Machine:
        if self.latest is not None and self.latest < self.earliest:
            raise ValueError(f"latest ({self.latest}) must not be before earliest ({self.earliest})")
        return self


class _Weights(Strict):
    level: Weight = _WEIGHTS.level
    options: Weight = _WEIGHTS.options
    ratio: Weight = _WEIGHTS.ratio
    utility: Weight = _WEIGHTS.utility
    setup: Weight = _WEIGHTS.setup
    window: Weight = _WEIGHTS.window


class _File(Strict):
    leadhand: Literal["mix/1"]
    name: Name = "mix"
    takt_s: Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]
    options: tuple[_Option, ...] = ()
    stations: tuple[_Station, ...] = ()
    setups: tuple[_Setup, ...] = ()
    models: Annotated[tuple[_Model, ...], Field(min_length=1)]
    machines: Annotated[tuple[_Machine, ...], Field(description="besides what 'count' says of the models", max_length=_MOST)] = ()
    before: Annotated[tuple[Name, ...], Field(description="models that went onto the line just before, the last one last")] = ()
    weights: _Weights = _Weights()


def read_mix(text: str, place: str) -> Mix:
    """Return the mix that a text says. Raises SettingsError with a sentence for each wrong key."""
    file = read_pieces(text, place, FORMAT, _File, "docs/changeover.md")
    problems = [f"{place}: {one}" for one in _unknown(file)]
    if problems:
        raise SettingsError(problems)
    return _mix(file)


def _unknown(file: _File) -> list[str]:
    """Return what names nothing that is there, and what is there twice."""
    models = {one.name for one in file.models}
    options, stations = {one.name for one in file.options}, {one.name for one in file.stations}
    setups = {one.name: set(one.states) for one in file.setups}
    found = []
    for kind, listed in (("options", file.options), ("stations", file.stations), ("setups", file.setups), ("models", file.models)):
        names = [one.name for one in listed]
        found += [f"{kind}: '{name}' is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for at, model in enumerate(file.models, 1):
        where = f"models[{at}] {model.name}"
        found += [f"{where}: there is no option '{one}'" for one in model.options if one not in options]
        found += [f"{where}: there is no station '{one}'" for one in model.work_s if one not in stations]
        found += [f"{where}: there is no setup '{one}'" for one in model.state if one not in setups]
        found += [
            f"{where}: setup '{name}' has no state '{state}'"
            for name, state in model.state.items()
            if state not in setups.get(name, {state})
        ]
    found += [
        f"machines[{at}] {one.name}: there is no model '{one.model}'" for at, one in enumerate(file.machines, 1) if one.model not in models
    ]
    found += [f"before[{at}]: there is no model '{one}'" for at, one in enumerate(file.before, 1) if one not in models]
    names = [one.name for one in file.machines]
    found += [f"machines: '{name}' is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    count = len(file.machines) + sum(one.count for one in file.models)
    if not 1 <= count <= _MOST:
        found.append(f"there are {count} machines to put in order; 1 to {_MOST:,} can be")
    return found


def _mix(file: _File) -> Mix:
    row = {one.name: at for at, one in enumerate(file.models)}
    given = {one.name for one in file.machines}
    made = [(f"{one.name} #{n}", row[one.name], 0, None) for one in file.models for n in range(1, one.count + 1)]
    made = [(name if name not in given else f"{name}'", model, earliest, latest) for name, model, earliest, latest in made]
    machines = [(one.name, row[one.model], one.earliest - 1, one.latest) for one in file.machines] + made
    setup = np.zeros((len(row), len(row)))
    for unit in file.setups:
        state = np.array([unit.states.index(one.state[unit.name]) if unit.name in one.state else -1 for one in file.models])
        between = np.array(unit.seconds)[np.maximum(state, 0)[:, None], np.maximum(state, 0)[None, :]]
        setup += np.where((state[:, None] >= 0) & (state[None, :] >= 0), between, 0.0)
    return Mix(
        name=file.name,
        takt_s=file.takt_s,
        models=tuple(row),
        options=tuple(Option(one.name, one.at_most, one.of) for one in file.options),
        has=np.array([[option.name in one.options for option in file.options] for one in file.models], bool).reshape(
            len(row), len(file.options)
        ),
        stations=tuple(Station(one.name, one.drift_s) for one in file.stations),
        work_s=np.array([[one.work_s.get(station.name, 0.0) for one in file.models] for station in file.stations]).reshape(
            len(file.stations), len(row)
        ),
        setup_s=setup,
        machines=tuple(one[0] for one in machines),
        model=np.array([one[1] for one in machines], np.int32),
        earliest=np.array([one[2] for one in machines], np.int32),
        latest=np.array([len(machines) - 1 if one[3] is None else one[3] - 1 for one in machines], np.int32),
        before=np.array([row[one] for one in file.before], np.int32),
        weights=Weights(**file.weights.model_dump()),
    )
