"""A simulated tightening cell: snug torque, angle and speed against hidden clamp force, seating and stick-slip."""

from __future__ import annotations

import math

import numpy as np

from simulators.weld_cell_truth import Cell, CellTruth, Floats, PartLimit, Setting, mean_yield

NOMINAL = np.array([120.0, 90.0, 60.0])
_SPAN = np.array([0.2, 0.2, 0.4])


def torque_cell(seed: int) -> Cell:
    """Return the tightening cell of a seed, new."""
    return Cell(torque_truth(seed), seed, f"bolt-{seed}", "bolting-cell")


def torque_truth(seed: int) -> CellTruth:
    """Return what is hidden in the tightening cell of a seed."""
    random = np.random.default_rng([seed, 13])
    power = random.uniform(0.9, 1.1, 4)
    k_seat, k_slip, k_both = random.uniform(0.5, 0.9), random.uniform(0.5, 0.9), random.uniform(-0.5, 0.5)
    size = 110.0 * random.uniform(0.9, 1.1)
    optimum = NOMINAL * np.exp(random.normal(0, [0.03, 0.03, 0.08]))
    shape = np.log(optimum / NOMINAL)

    def means(points: Floats) -> Floats:
        t, a, s = np.log(points / NOMINAL).T
        clamp = size * np.exp(0.35 * power[0] * t + 0.6 * power[1] * a - 0.05 * s + 0.5 * t * a)
        peak = 2.4 * np.exp(0.6 * power[2] * t + 0.35 * power[3] * a + 0.08 * s) * NOMINAL[0]
        seat = (t - shape[0]) / 0.11
        slip = (s - shape[2] + 0.6 * (t - shape[0])) / 0.25
        return np.column_stack([clamp, peak, 1 + k_seat * seat**2 + k_slip * slip**2 + k_both * seat * slip])

    at = means(optimum[None, :])[0]
    scatter = np.array([0.055, 0.06]) * at[:2]
    wide = random.uniform(2.35, 2.7, 2)
    limits = (
        PartLimit(
            *("clamp_force", "kN", at[0] - wide[0] * scatter[0], at[0] + 2.7 * scatter[0], scatter[0], 0.5),
            *(round(float(at[0] - 2.0 * scatter[0]), 1), round(float(at[0] + 2.2 * scatter[0]), 1)),
        ),
        PartLimit(
            *("peak_torque", "N.m", at[1] - wide[1] * scatter[1], at[1] + wide[1] * scatter[1], scatter[1], 0.1),
            *(None, round(float(at[1] + 2.1 * scatter[1]), 1)),
        ),
        PartLimit("unevenness", "1", -math.inf, 3.2, 0.9, 0.05, None, None),
    )
    draft = CellTruth(
        settings=(),
        limits=limits,
        means=means,
        start=optimum,
        joint=None,
        worn=0,
        wear=float(random.uniform(0.01, 0.02)),
        wear_parts=int(random.integers(1500, 2500)),
        creep=np.array([0.0, 0.0, 0.03]) * random.uniform(0.5, 1.5),
        batch=float(random.uniform(0.10, 0.18)),
    )
    start = _start(draft, optimum, random)
    grid = np.array([1.0, 1.0, 1.0])
    low, high = np.ceil(start * (1 - _SPAN) / grid) * grid, np.floor(start * (1 + _SPAN) / grid) * grid
    start = np.round(start / grid) * grid
    rows = [("snug_torque", "N.m", 6, 12, 1), ("angle", "deg", 4, 8, 1), ("speed", "/min", 6, 12, 1)]
    settings = tuple(
        Setting(name, unit, float(low[at]), float(high[at]), step, rate, dead) for at, (name, unit, step, rate, dead) in enumerate(rows)
    )
    return CellTruth(settings, limits, means, start, None, draft.worn, draft.wear, draft.wear_parts, draft.creep, draft.batch)


def _start(truth: CellTruth, optimum: Floats, random: np.random.Generator) -> Floats:
    """Return a recipe some way off the optimum, whose means are allowed."""
    wanted = random.uniform(0.80, 0.87)
    for _ in range(200):
        points = optimum * np.exp(np.linspace(0, 2.2, 200)[:, None] * random.normal(0, [0.07, 0.06, 0.16]))
        reached = np.flatnonzero(mean_yield(truth, points) <= wanted)
        if not len(reached):
            continue
        here: Floats = points[reached[0]]
        means = truth.means(here[None, :])[0]
        fits = all(
            (limit.mean_low is None or mean >= limit.mean_low + 0.5 * limit.scatter)
            and (limit.mean_high is None or mean <= limit.mean_high - 0.5 * limit.scatter)
            for limit, mean in zip(truth.limits, means, strict=True)
        )
        if fits and (np.abs(here / optimum - 1) < 0.8 * _SPAN).all():
            return here
    raise AssertionError("no start was found")
