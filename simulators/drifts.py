"""A machine that makes part after part, and twenty ways in which it can slowly or suddenly change; for measuring what finds them.

Each part has four steps, each step twenty-four samples of four signals: current and power, which follow the same load, vibration, and
temperature. In control nothing of it is white noise: load and each signal follow from the part before, machines differ in how much, one
part in five hundred is strange, and the temperature wanders. Drifts begin at a part and grow to a size told in deviations from part to
part, or in those within a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

SIGNALS: Final = ("current", "power", "vibration", "temperature")
STEPS: Final = ("approach", "rough", "finish", "retract")
SAMPLES: Final = 24
_CURRENT, _POWER, _VIBRATION, _TEMPERATURE = range(4)
_ROUGH, _FINISH = 1, 2

_LEVELS: Final = np.array([[4.0, 1.1, 0.6, 30.0], [18.0, 5.2, 2.4, 34.0], [11.0, 3.1, 1.5, 36.0], [3.0, 0.9, 0.5, 33.0]])
"""(steps, signals)"""
_SECONDS: Final = np.array([3.0, 20.0, 14.0, 4.0])
_PART_SHARE = 0.03
"""Deviation from part to part, as a share of the level."""
_SIZE = 3.5
"""How far most drifts go, in deviations from part to part."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts in the order they were made."""

    value: npt.NDArray[np.float64]
    """(parts, steps, samples, signals)"""
    seconds: Numbers
    """(parts, steps): how long each step took."""

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(slots=True)
class _Making:
    """What a drift may touch while parts are made."""

    draw: np.random.Generator
    past: Numbers
    """Parts since the drift began, 0 before."""
    on: Numbers
    """1 from the drift's begin on, 0 before."""
    side: float
    """1 or -1."""
    z: Numbers
    """(parts, steps, signals): deviations from part to part."""
    scatter: Numbers
    """(parts, steps, 1, signals): how strong the noise within steps is."""
    extra: Numbers
    """(parts, steps, samples, signals): added to that noise."""
    duration: Numbers
    """(parts, steps): deviations of the durations."""
    late: Numbers
    """How much later than usual the load comes."""
    stuck: int = -1
    """A signal that stands still."""


def make_parts(seed: int, count: int, drift: str = "", begin: int = 0) -> Parts:
    """Return what a machine made: the same seed gives the same machine and the same noise, with or without a drift.

    ``drift`` is one of ``DRIFTS`` and begins with part number ``begin``; without one the machine is in control for ever.
    """
    draw = np.random.default_rng([seed, 20])
    steps, signals = _LEVELS.shape
    traits = draw.uniform(0.7, 1.3, (steps, signals))
    load = _following(draw, (count, 1, 1), draw.uniform(0.0, 0.5))
    own = _following(draw, (count, steps, signals), draw.uniform(0.0, 0.6, (1, steps, signals)))
    follows_load = np.array([0.97, 0.97, 0.3, 0.0])
    z = follows_load * load + np.sqrt(1 - follows_load**2) * own
    wander = _following(draw, (count, 1), 0.9)
    z[:, :, _TEMPERATURE] = 0.8 * wander + 0.6 * z[:, :, _TEMPERATURE]
    noise = draw.normal(size=(count, steps, SAMPLES, signals))
    strange = draw.random(count) < 0.002
    z[strange] += draw.normal(0, 4, (int(strange.sum()), 1, signals))
    duration = _following(draw, (count, steps), 0.2)
    of_fault = np.random.default_rng([seed, 21])
    number = np.arange(count)
    making = _Making(
        of_fault,
        np.maximum(number - begin, 0).astype(float),
        (number >= begin).astype(float),
        1.0 if of_fault.random() < 0.5 else -1.0,
        z,
        np.ones((count, steps, 1, signals)),
        np.zeros((count, steps, SAMPLES, signals)),
        duration,
        np.zeros(count),
    )
    if drift:
        _WAYS[drift](making)
    level = _LEVELS * traits * (1 + _PART_SHARE * making.z)
    time = (np.arange(SAMPLES) + 0.5) / SAMPLES
    shape = np.minimum(1, 0.75 + 2.5 * time)[None, :] - making.late[:, None] * 0.12 * (time < 0.5)
    value = level[:, :, None, :] * shape[:, None, :, None]
    value += (noise * making.scatter + making.extra) * 0.04 * _LEVELS[None, :, None, :]
    if making.stuck >= 0:
        held = value[max(begin - 1, 0), _FINISH, SAMPLES // 2, making.stuck]
        value[:, :, :, making.stuck] = np.where(making.on[:, None, None] > 0, held, value[:, :, :, making.stuck])
    return Parts(value, _SECONDS * np.exp(0.02 * making.duration))


def _shift(m: _Making, steps: slice, signals: slice, size: Numbers) -> None:
    m.z[:, steps, signals] += size[:, None, None]


def _more_scatter(m: _Making) -> None:
    m.z[:, :, :_VIBRATION] += m.draw.normal(0, _SIZE, (*m.z.shape[:2], 1)) * m.on[:, None, None]


def _noise_within(m: _Making) -> None:
    m.scatter[:, :, 0, _CURRENT] *= (1 + 1.5 * m.on)[:, None]


def _chatter(m: _Making) -> None:
    m.extra[:, _FINISH, :, _VIBRATION] += 2.2 * m.on[:, None] * np.sin(2 * np.pi * np.arange(SAMPLES) / 3)


def _stuck(m: _Making) -> None:
    m.stuck = _VIBRATION


def _bursts(m: _Making, signal: int, width: int, size: float) -> None:
    count = len(m.on)
    hit = m.on * (m.draw.random(count) < 0.5)
    place = m.draw.integers(0, SAMPLES - width, count)
    for shift in range(width):
        m.extra[np.arange(count), _ROUGH, place + shift, signal] += size * hit


def _pair_breaks(m: _Making) -> None:
    alone = _following(m.draw, (len(m.on), 1), 0.3)
    m.z[:, :, _POWER] = np.where(m.on[:, None] > 0, alone, m.z[:, :, _POWER])


def _longer_step(m: _Making) -> None:
    m.duration[:, _ROUGH] += _SIZE * m.on


def _scattering_duration(m: _Making) -> None:
    m.duration[:, _FINISH] *= 1 + 4 * m.on


def _late_load(m: _Making) -> None:
    m.late = m.on


_ALL, _CUTTING = slice(None), slice(_ROUGH, _FINISH + 1)
_TOOL, _ELECTRIC = slice(_CURRENT, _TEMPERATURE), slice(_CURRENT, _VIBRATION)
_VIBRATES, _WARM = slice(_VIBRATION, _TEMPERATURE), slice(_TEMPERATURE, None)
_WAYS: Final[Mapping[str, Callable[[_Making], None]]] = {
    "step up": lambda m: _shift(m, _CUTTING, _TOOL, _SIZE * m.on),
    "step down": lambda m: _shift(m, _CUTTING, _TOOL, -_SIZE * m.on),
    "step of one signal": lambda m: _shift(m, _ALL, _VIBRATES, m.side * _SIZE * m.on),
    "ramp": lambda m: _shift(m, _ALL, _ELECTRIC, m.side * _SIZE * np.minimum(m.past / 10, 2)),
    "slow ramp": lambda m: _shift(m, _ALL, _VIBRATES, _SIZE * np.minimum(m.past / 15, 3)),
    "wear that speeds up": lambda m: _shift(m, _CUTTING, _TOOL, 0.4 * np.expm1(np.minimum(m.past, 60) / 9)),
    "more scatter between parts": _more_scatter,
    "oscillation": lambda m: _shift(m, _ALL, _ELECTRIC, 1.2 * _SIZE * np.sin(2 * np.pi * m.past / 6) * m.on),
    "noise within steps": _noise_within,
    "chatter": _chatter,
    "stuck sensor": _stuck,
    "spike bursts": lambda m: _bursts(m, _CURRENT, 3, 25),
    "dropouts": lambda m: _bursts(m, _POWER, 6, -25),
    "slow thermal": lambda m: _shift(m, _ALL, _WARM, 2.2 * _SIZE * -np.expm1(-m.past / 12)),
    "intermittent": lambda m: _shift(m, _CUTTING, _ELECTRIC, 2 * _SIZE * m.on * (m.past % 4 == 3)),
    "one step only": lambda m: _shift(m, slice(_FINISH, _FINISH + 1), _TOOL, _SIZE * m.on),
    "pair that breaks": _pair_breaks,
    "longer step": _longer_step,
    "scattering duration": _scattering_duration,
    "load comes late": _late_load,
}
DRIFTS: Final = tuple(_WAYS)
"""The kinds, by name."""


def _following(draw: np.random.Generator, shape: tuple[int, ...], phi: float | Numbers) -> Numbers:
    """Return numbers of deviation 1, each following from the one before along the first axis."""
    fresh: Numbers = draw.normal(size=shape) * np.sqrt(1 - np.asarray(phi) ** 2)
    fresh[0] = draw.normal(size=shape[1:])
    for row in range(1, len(fresh)):
        fresh[row] += phi * fresh[row - 1] if np.ndim(phi) == 0 else np.asarray(phi)[0] * fresh[row - 1]
    return fresh
