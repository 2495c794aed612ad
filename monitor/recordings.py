"""Recordings of milling as tables: read, checked, cut into pieces of even cutting, each with numbers that may tell the wear of a tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from plant.errors import SettingsError

Numbers = npt.NDArray[np.float64]

LABEL: Final = "tool_condition"
PIECE: Final = 30
"""Rows of even cutting in one piece; 3 s at 100 ms."""
_WORN: Final = {"worn": 1, "unworn": 0}
_SPINDLE: Final = ("OutputPower", "CurrentFeedback", "OutputCurrent", "OutputVoltage", "DCBusVoltage")
_AXIS: Final = ("CurrentFeedback", "OutputCurrent", "DCBusVoltage", "OutputPower")
_NEEDED: Final = (
    *(f"S1_{name}" for name in (*_SPINDLE, "ActualVelocity", "ActualAcceleration")),
    *(f"{axis}1_{name}" for axis in "XY" for name in (*_AXIS, "ActualVelocity", "CommandVelocity", "ActualAcceleration")),
)
_TURNING, _MOVING = 0.75, 0.5
"""Share of the spindle's usual speed, and path speed in the recording's unit, above which a row counts as cutting."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One recording."""

    name: str
    worn: int | None
    """1 for a worn tool, 0 for one that is not, None where the file does not say."""
    pieces: Numbers
    """(pieces, features)"""
    names: tuple[str, ...]
    raw_means: Numbers
    """Mean of every number column over the whole recording: what a comparison without any thought would take."""


def read_experiments(folder: Path) -> list[Experiment]:
    """Return the recordings in a folder, by name. Raises SettingsError that names the file and what is wrong with it."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise SettingsError(f"{folder}: there is no .csv file")
    return [read_experiment(file) for file in files]


def read_experiment(file: Path) -> Experiment:
    """Return one recording: columns as those of the CNC mill of the University of Michigan's SMART testbed, one row each 100 ms."""
    try:
        rows = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: cannot be read as CSV: {error}") from error
    missing = [name for name in _NEEDED if name not in rows.columns]
    if missing:
        raise SettingsError(f"{file}: column '{missing[0]}' is missing, and {len(missing) - 1} others")
    worn: int | None = None
    if LABEL in rows.columns:
        labels = {str(label) for label in rows[LABEL].unique()}
        if len(labels) != 1 or not labels <= set(_WORN):
            raise SettingsError(f"{file}: '{LABEL}' must be worn or unworn, the same in all rows, not {', '.join(sorted(labels))}")
        worn = _WORN[labels.pop()]
    columns = {name: rows[name].to_numpy(np.float64) for name in _NEEDED}
    pieces, names = _pieces(columns)
    plain = rows.drop(columns=[rows.columns[0], LABEL], errors="ignore").select_dtypes("number")
    return Experiment(file.stem, worn, pieces, names, plain.mean().to_numpy(np.float64))


def _pieces(columns: dict[str, Numbers]) -> tuple[Numbers, tuple[str, ...]]:
    """Return the features of each piece of even cutting.

    What the file calls the step is not used: spindle and axes stand still in long stretches that are named as layers.
    """
    turning = columns["S1_ActualVelocity"] > _TURNING * np.quantile(columns["S1_ActualVelocity"], 0.95)
    path = np.hypot(columns["X1_ActualVelocity"], columns["Y1_ActualVelocity"])
    cutting = np.flatnonzero(turning & (path > _MOVING))
    if len(cutting) < PIECE:
        # too short a cut for one piece: what there is makes one, where there is anything at all
        cutting = np.resize(cutting if len(cutting) else np.arange(len(path)), PIECE)
    rows = cutting[: len(cutting) // PIECE * PIECE].reshape(-1, PIECE)
    found: dict[str, Numbers] = {"log feed": np.log(np.maximum(np.median(path[rows], axis=1), 1e-3))}
    for name in _SPINDLE:
        value = columns[f"S1_{name}"][rows]
        found[f"spindle {name} level"] = np.median(value, axis=1)
        found[f"spindle {name} scatter"] = _scatter(value, 1e-4 * float(np.abs(value).mean()))
    found["spindle acceleration scatter"] = _scatter(columns["S1_ActualAcceleration"][rows], 1.0)
    for axis in "XY":
        speed = columns[f"{axis}1_ActualVelocity"][rows]
        way = np.sign(speed)
        force = columns[f"{axis}1_CurrentFeedback"][rows] * way
        found[f"{axis} force level"] = force.mean(axis=1)
        found[f"{axis} force scatter"] = _scatter(force, 0.01)
        for name in ("OutputCurrent", "DCBusVoltage", "OutputPower"):
            found[f"{axis} {name} level"] = columns[f"{axis}1_{name}"][rows].mean(axis=1)
        found[f"{axis} OutputCurrent scatter"] = _scatter(columns[f"{axis}1_OutputCurrent"][rows], 0.1)
        found[f"{axis} acceleration scatter"] = _scatter(columns[f"{axis}1_ActualAcceleration"][rows], 1.0)
        found[f"{axis} following error scatter"] = _scatter(speed - columns[f"{axis}1_CommandVelocity"][rows], 0.01)
    return np.column_stack(list(found.values())), tuple(found)


def _scatter(value: Numbers, floor: float) -> Numbers:
    told: Numbers = np.log(value.std(axis=1) + floor + 1e-9)
    return told


def labelled(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return those that say whether the tool was worn. Raises SettingsError where not both kinds are there, twice each."""
    known = [one for one in experiments if one.worn is not None]
    counts = [sum(one.worn == kind for one in known) for kind in (0, 1)]
    if min(counts, default=0) < 2:
        raise SettingsError(f"{counts[0]} recordings of tools that are not worn and {counts[1]} of worn ones: two of each at least")
    return known
