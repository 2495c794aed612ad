"""A tightening's curve with the program that drew it: what a judgement of a joint starts from.

Torque and angle come as columns; the steps of the program say what the tool stopped on and between which limits it should end. The
windows are the tool's own, as its controller tells them; what a joint is judged by besides stands in ``plant/joints.py``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.errors import Rejected

Column = npt.NDArray[np.float64]

MOST_CURVE_SAMPLES: Final = 99_999


class Quantity(StrEnum):
    """What a window or a stop is about."""

    TORQUE = "torque_nm"
    ANGLE = "angle_deg"
    TIME = "seconds"


@dataclass(frozen=True, slots=True)
class CurveWindow:
    """Between which values a step should end, by the tool's program, and what the tool says it ended with."""

    quantity: Quantity
    low: float | None
    high: float | None
    reached: float | None = None
    """As the controller reports it; None where it does not say."""


@dataclass(frozen=True, slots=True)
class CurveStep:
    """One step of the program."""

    name: str
    first: int
    """Its first sample."""
    control: Quantity
    """What the tool stops on: the control variable (VDI/VDE 2862)."""
    target: float
    reached: float | None
    """What the control variable ended with, as the controller reports it."""
    speed: float
    """As the program says, in its own unit; 0 where it does not."""
    windows: tuple[CurveWindow, ...] = ()
    ok: bool = True
    """Whether the tool calls this step OK."""


@dataclass(frozen=True, slots=True)
class JointCurve:
    """One tightening: columns of equal length, time rising, and the steps that cover them."""

    program: str
    """Name or number of the parameter set."""
    elapsed_s: Column
    torque_nm: Column
    angle_deg: Column
    steps: tuple[CurveStep, ...]
    tool_ok: bool
    part: str = ""
    taken: str = ""
    """When it was drawn, as the controller writes it."""
    spindle: str = ""
    tool: str = ""
    release_s: float | None = None
    """From when on the tool is let go and torque falls; None where the controller does not say."""
    gradient: Column | None = None
    """Torque over angle as the controller itself worked it out, N.m a degree; None where it does not say."""
    errors: tuple[str, ...] = field(default=())
    """What the tool says went wrong."""
    unread: tuple[str, ...] = field(default=())
    """What the tool tells and nobody here understands: such a curve is never released unseen."""

    def __post_init__(self) -> None:
        """Raise Rejected for columns that do not fit together."""
        size = len(self.elapsed_s)
        if not len(self.torque_nm) == len(self.angle_deg) == size:
            raise Rejected(f"time, torque and angle have {size}, {len(self.torque_nm)} and {len(self.angle_deg)} samples")
        if self.gradient is not None and len(self.gradient) != size:
            raise Rejected(f"the gradient has {len(self.gradient)} samples, torque has {size}")
        if not 0 < size <= MOST_CURVE_SAMPLES:
            raise Rejected(f"a curve of {size} samples cannot be judged")
        if not all(np.isfinite(column).all() for column in (self.elapsed_s, self.torque_nm, self.angle_deg)):
            raise Rejected("a sample of time, torque or angle is no number")
        if np.any(np.diff(self.elapsed_s) < 0):
            raise Rejected("time runs backwards")
        firsts = [step.first for step in self.steps]
        if not firsts or firsts[0] != 0 or sorted(set(firsts)) != firsts or firsts[-1] >= size:
            raise Rejected("the steps do not cover the curve from its first sample on, one after the other")

    def samples_of(self, number: int) -> slice:
        """Return the samples of one step, counted from 0."""
        ahead = self.steps[number + 1].first if number + 1 < len(self.steps) else len(self.elapsed_s)
        return slice(self.steps[number].first, ahead)

    @property
    def target_nm(self) -> float:
        """The torque that the program aims at: the last target of torque, or the greatest torque there is where none is aimed at."""
        targets = [step.target for step in self.steps if step.control is Quantity.TORQUE and step.target > 0]
        return targets[-1] if targets else float(np.max(self.torque_nm))


def program_print(curve: JointCurve) -> str:
    """Return what tells one program from another: its name, steps, targets, speeds and windows, as a short hash."""
    told = [
        [step.name, step.control.value, step.target, step.speed, [[w.quantity.value, w.low, w.high] for w in step.windows]]
        for step in curve.steps
    ]
    content = json.dumps([curve.program, told], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
