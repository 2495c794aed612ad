"""What is random in a simulated plant, drawn before anything begins, so that every policy meets the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import PlanProblem

_DRAWN = 400


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """How long things really take, and when what breaks down."""

    factor: NDArray[np.float64]
    """(operations,): how much longer each takes than planned, wherever it is done."""
    down: tuple[tuple[tuple[int, int], ...], ...]
    """Of each unit from when to when it is broken down; work goes on afterwards."""


def no_chance(problem: PlanProblem) -> Chance:
    """Return a world in which everything takes as long as planned."""
    return Chance(np.ones(len(problem.operation_job)), ((),) * len(problem.units))


def chance_of(
    problem: PlanProblem,
    seed: int,
    *,
    spread: float = 0.05,
    hours_between: float = 20.0,
    minutes_down: float = 15.0,
    sound: frozenset[int] = frozenset(),
    steady: frozenset[int] = frozenset(),
    until: int = 4 * 24 * 3600,
) -> Chance:
    """Return durations and breakdowns by seed; ticks must be seconds. ``sound``: units that vary in time, but do not break down.

    ``steady``: units that take as long as planned.
    """
    random = np.random.default_rng([11, seed])
    factor = np.exp(random.normal(-spread * spread / 2, spread, len(problem.operation_job)))
    first = problem.mode_unit[np.searchsorted(problem.mode_operation, np.arange(len(factor)))]
    factor[np.isin(first, list(steady))] = 1.0
    down: list[tuple[tuple[int, int], ...]] = []
    for unit in range(len(problem.units)):
        gaps = random.exponential(hours_between * 3600, _DRAWN)
        lengths = np.maximum(60, random.exponential(minutes_down * 60, _DRAWN))
        begins = np.cumsum(gaps) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        spans = [(round(begin), round(begin + length)) for begin, length in zip(begins, lengths, strict=True) if begin < until]
        down.append(() if unit in sound else tuple(spans))
    return Chance(factor, tuple(down))
