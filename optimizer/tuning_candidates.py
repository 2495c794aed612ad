"""Points that may be tried: inside the window, a step from what is in use, near the accepted recipe, on a grid that a person can set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import numpy as np

from optimizer.tuning_regression import Floats
from plant.process_windows import ParameterWindow, ProcessWindow, Setpoints, WindowSet, check

_HOUR_US: Final = 3_600_000_000


def grid_of(one: ParameterWindow) -> float:
    """Return the smallest difference that is proposed: a power of ten, some twentieth of a step."""
    return float(10.0 ** math.floor(math.log10(one.step / 8)))


def snapped(value: float, grid: float) -> float:
    """Return the nearest value on a grid, as people write it."""
    places = Decimal(repr(grid))
    return float((Decimal(repr(float(value))) / places).to_integral_value() * places)


class Reach:
    """What can be reached from what is in use, for one window."""

    def __init__(
        self, window: ProcessWindow, accepted: Mapping[str, float], base: Mapping[str, float], trust: float, waited_us: int | None = None
    ) -> None:
        self.window = window
        self.steps = np.array([one.step for one in window.parameters])
        self.accepted = np.array([accepted[name] for name in window.names])
        self.base = np.array([base[name] for name in window.names])
        self._grid = np.array([grid_of(one) for one in window.parameters])
        self._dead = np.array([one.dead_band for one in window.parameters])
        most = self.steps.copy()
        for at, one in enumerate(window.parameters):
            if one.rate is not None and waited_us is not None:
                most[at] = min(most[at], one.rate * max(0, waited_us) / _HOUR_US)
        self._low = np.maximum.reduce([[one.low for one in window.parameters], self.base - most, self.accepted - trust * self.steps])
        self._high = np.minimum.reduce([[one.high for one in window.parameters], self.base + most, self.accepted + trust * self.steps])

    def points(self, around: Floats, random: np.random.Generator, count: int) -> Floats:
        """Return points that can be reached, as rows of parameters: steps of one parameter, and random ones around and over the whole."""
        size = len(self.steps)
        axes = np.concatenate([sign * part * np.eye(size) for part in (0.15, 0.35, 0.7, 1.0) for sign in (1, -1)]) * self.steps
        corners = random.choice([-0.6, 0.0, 0.6], size=(4 * size, size)) * self.steps
        wide = random.uniform(self._low, np.maximum(self._low, self._high), (count, size))
        near = around + random.normal(0, 0.2, (count // 2, size)) * self.steps
        return self.settled(np.concatenate([axes + self.accepted, axes + around, corners + self.accepted, wide, near]))

    def settled(self, points: Floats) -> Floats:
        """Return points moved to where they can be set, without those that cannot."""
        inside = np.clip(points, self._low, self._high)
        on_grid = np.round(inside / self._grid) * self._grid
        # a grid point beyond the bound is the next one inside
        on_grid = np.where(on_grid > self._high, np.floor(self._high / self._grid) * self._grid, on_grid)
        on_grid = np.where(on_grid < self._low, np.ceil(self._low / self._grid) * self._grid, on_grid)
        still = np.abs(on_grid - self.base) < np.maximum(self._dead, self._grid / 2)
        on_grid = np.where(still, self.base, on_grid)
        # rounding in binary must not carry a point over a limit: it is judged as it will be written
        kept = on_grid[((on_grid >= self._low - 1e-9) & (on_grid <= self._high + 1e-9) | still).all(axis=1)]
        for limit in self.window.joint_limits:
            with np.errstate(all="ignore"):
                values = np.asarray(limit.value(dict(zip(self.window.names, kept.T, strict=True))))
            fits = np.isfinite(values)
            fits &= (values >= limit.low) if limit.low is not None else True
            fits &= (values <= limit.high) if limit.high is not None else True
            kept = kept[fits]
        return np.unique(kept, axis=0) if len(kept) else kept

    def written(self, point: Floats) -> dict[str, float]:
        """Return a point by names, each value as people write it; what does not change stays to the last digit."""
        return {
            name: float(now) if value == now else snapped(float(value), float(grid))
            for name, value, now, grid in zip(self.window.names, point, self.base, self._grid, strict=True)
        }


def judged(windows: WindowSet, proposed: Setpoints, in_use: Setpoints) -> bool:
    """Whether the one judge lets a proposal pass."""
    return not check(windows, proposed, in_use)
