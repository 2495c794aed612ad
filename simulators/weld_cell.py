"""A simulated robot welding cell: current, voltage, travel speed and wire feed against hidden penetration, width, height and arc.

``python -m simulators.weld_cell --seed 1001 --trials 12 --out DIR`` writes ``trials.csv`` and ``windows.toml`` as fine-tuning reads them.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from simulators.weld_cell_truth import Cell, CellTruth, Floats, PartLimit, Setting, mean_yield

NOMINAL = np.array([240.0, 27.0, 400.0, 9.0])
_SPAN = np.array([0.15, 0.12, 0.25, 0.20])


def weld_cell(seed: int) -> Cell:
    """Return the welding cell of a seed, new."""
    return Cell(weld_truth(seed), seed, f"WPS-{seed}", "welding-robot")


def weld_truth(seed: int) -> CellTruth:
    """Return what is hidden in the welding cell of a seed."""
    random = np.random.default_rng([seed, 11])
    power = random.uniform(0.9, 1.1, 9)
    k_wire, k_volt, k_both = random.uniform(0.5, 0.9), random.uniform(0.5, 0.9), random.uniform(-0.6, 0.6)
    size = np.array([4.0, 10.0, 2.2]) * random.uniform(0.9, 1.1, 3)
    optimum = NOMINAL * np.exp(random.normal(0, [0.03, 0.025, 0.04, 0.03]))
    shape = np.log(optimum / NOMINAL)
    wire_line = shape[3] - 1.1 * shape[0]
    volt_line = shape[1] - 0.5 * shape[0]

    def means(points: Floats) -> Floats:
        i, v, s, w = np.log(points / NOMINAL).T
        wire = (w - 1.1 * i - wire_line) / 0.09
        volt = (v - 0.5 * i - volt_line) / 0.06
        penetration = size[0] * np.exp(1.3 * power[0] * i - 0.2 * v - 0.45 * power[1] * s + 0.8 * i * s)
        width = size[1] * np.exp(0.9 * power[2] * v + 0.3 * power[3] * i - 0.5 * power[4] * s)
        height = size[2] * np.exp(0.8 * power[5] * w - 0.6 * power[6] * s - 0.4 * power[7] * v)
        arc = 1 + k_wire * wire**2 + k_volt * volt**2 + k_both * wire * volt
        return np.column_stack([penetration, width, height, arc])

    at = means(optimum[None, :])[0]
    scatter = np.array([0.085, 0.05, 0.08]) * at[:3]
    wide = random.uniform(2.35, 2.7, 3)
    limits = (
        PartLimit(
            *("penetration", "mm", at[0] - wide[0] * scatter[0], at[0] + 2.9 * scatter[0], scatter[0], 0.5),
            *(round(float(at[0] - 2.0 * scatter[0]), 2), None),
        ),
        PartLimit(
            *("width", "mm", at[1] - wide[1] * scatter[1], at[1] + wide[1] * scatter[1], scatter[1], 0.05),
            *(round(float(at[1] - 2.1 * scatter[1]), 2), round(float(at[1] + 2.1 * scatter[1]), 2)),
        ),
        PartLimit(
            *("height", "mm", at[2] - wide[2] * scatter[2], at[2] + wide[2] * scatter[2], scatter[2], 0.05),
            *(None, round(float(at[2] + 2.1 * scatter[2]), 2)),
        ),
        PartLimit("spatter", "1", -math.inf, 3.2, 0.9, 0.1, None, None),
    )
    draft = CellTruth(
        settings=(),
        limits=limits,
        means=means,
        start=optimum,
        joint=None,
        worn=1,
        wear=float(random.uniform(0.01, 0.02)),
        wear_parts=int(random.integers(600, 1000)),
        creep=np.array([0.0, 0.0, 0.01, 0.04]) * random.uniform(0.5, 1.5),
        batch=float(random.uniform(0.10, 0.18)),
    )
    start = _start(draft, optimum, random)
    low, high = start * (1 - _SPAN), start * (1 + _SPAN)
    grid = np.array([1.0, 0.1, 5.0, 0.1])
    low, high = np.ceil(low / grid) * grid, np.floor(high / grid) * grid
    start = np.round(start / grid) * grid
    heat = start[0] * start[1] * 60 / (start[2] * 1000)
    settings = tuple(
        Setting(name, unit, float(low[at]), float(high[at]), step, rate, dead)
        for at, (name, unit, step, rate, dead) in enumerate(
            [
                ("current", "A", 10, 20, 1),
                ("voltage", "V", 0.8, 1.6, 0.1),
                ("travel_speed", "mm/min", 25, 50, 5),
                ("wire_feed", "m/min", 0.5, 1, 0.1),
            ]
        )
    )
    return CellTruth(
        *(settings, limits, means, start, ("heat_input", round(float(heat * 0.75), 3), round(float(heat * 1.3), 3))),
        *(draft.worn, draft.wear, draft.wear_parts, draft.creep, draft.batch),
    )


def _start(truth: CellTruth, optimum: Floats, random: np.random.Generator) -> Floats:
    """Return a recipe some way off the optimum, whose means are allowed, with a share of good parts as plants have it."""
    wanted = random.uniform(0.80, 0.87)
    for _ in range(200):
        way = random.normal(0, [0.05, 0.04, 0.08, 0.06])
        lengths = np.linspace(0, 2.2, 200)
        points = optimum * np.exp(lengths[:, None] * way)
        shares = mean_yield(truth, points)
        reached = np.flatnonzero(shares <= wanted)
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


def write_files(folder: Path, seed: int, trials: int, parts: int) -> None:
    """Write ``trials.csv`` and ``windows.toml`` of a new cell: its accepted recipe first, then small steps beside it."""
    cell = weld_cell(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "windows.toml").write_text(cell.windows_toml(), "utf-8")
    start = cell.start
    steps = {one.name: one.step for one in weld_truth(seed).settings}
    order = [start, start]
    for name in cell.names:
        order += [{**start, name: start[name] + sign * 0.5 * steps[name]} for sign in (1, -1)]
    with (folder / "trials.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for number in range(trials):
            recipe = order[number % len(order)]
            run = cell.run(recipe, parts)
            if number == 0:
                rows.writerow(["trial", "work_unit", "program", *cell.names, "parts", "good", "scrapped", *run.responses])
            seen = [f"{value:.3f}" for value in run.responses.values()]
            made = [f"{recipe[name]:g}" for name in cell.names]
            rows.writerow(
                [f"t-{number + 1}", cell.work_unit, cell.program, *made, parts, int(run.good.sum()), int(run.scrapped.sum()), *seen]
            )


def serve(seed: int, asked: Iterable[str], say: Callable[[str], object]) -> None:
    """Be a new cell that others ask: say its recipe and window, then make the parts of each line asked, until there is none."""
    cell = weld_cell(seed)
    facts = {"work_unit": cell.work_unit, "program": cell.program, "start": cell.start, "windows": cell.windows_toml()}
    say(json.dumps(facts))
    for line in asked:
        order = json.loads(line)
        run = cell.run(order["parameters"], order["parts"])
        told = {"good": run.good.tolist(), "scrapped": run.scrapped.tolist(), "responses": dict(run.responses)}
        say(json.dumps(told))


def main() -> None:
    """Write the files that the command line asks for, or be a cell on standard input and output."""
    wanted = argparse.ArgumentParser(
        description="A simulated welding cell: its trials and its process window, as 'leadhand tune' reads them."
    )
    wanted.add_argument("--seed", type=int, default=1001)
    wanted.add_argument("--trials", type=int, default=10)
    wanted.add_argument("--parts", type=int, default=60, help="parts of each trial")
    what = wanted.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path)
    what.add_argument("--serve", action="store_true", help="make parts as standard input asks, one JSON object a line")
    given = wanted.parse_args()
    if given.serve:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it by closing its input
        serve(given.seed, sys.stdin, lambda line: print(line, flush=True))  # noqa: T201 - this is the answer
        return
    write_files(given.out, given.seed, given.trials, given.parts)


if __name__ == "__main__":
    main()
