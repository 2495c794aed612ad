"""How vision/models/marks.onnx is made: renders of bolts near by, unrolled about the axis, and a small net that tells where the mark is.

``python -m benchmarks.marks_training --cache DIR --out marks.onnx [--shards 20] [--minutes 30] [--begin-with marks.onnx]`` needs the extra
``train``. Shards of 500 crops are kept in the cache; the last is for validation alone. Seeds from 46,000,000; measured on others
(``benchmarks.bolts``). The net and how it learns stand in ``vision/mark_training.py``, as ``leadhand vision train --task marks`` has them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_lens import project
from simulators.bolt_scenes import CORNER_MM, Scene, crop_scene, render
from vision.mark_net import RADIUS_PX, SIDE_PX
from vision.mark_training import BATCH, StripNet, begin_with, cpu_minutes, learned, loss_of, strips, write_onnx

SHARD, FIRST_SEED, RATE = 500, 46_000_000, 2.5e-3
_STATES = (
    *[BoltState.PRESENT] * 3,
    *[BoltState.LOOSENED] * 4,
    *(BoltState.WASHER_MISSING, BoltState.MARK_ABSENT, BoltState.MARK_SMEARED),
)


def framed(seed: int) -> tuple[Scene, Any, float]:
    """Return a scene of one bolt, and the corner and scale of the square that is cut from its picture."""
    rng = np.random.default_rng(seed)
    state = _STATES[seed % len(_STATES)]
    scene = crop_scene(seed, Crop((42, 64), (1.9, 2.3), 0.1), "sloppy" if rng.random() < 0.6 else "usual", state)
    shape = scene.places[1].shape
    middles = np.array([[shape.x_mm, shape.y_mm, high] for high in (shape.top_mm, 0.0)])
    around = np.arange(24) * np.pi / 12
    ring = middles[0] + CORNER_MM * np.column_stack([np.cos(around), np.sin(around), np.zeros(24)])
    px = project(scene.lens, middles)
    radius = float(np.median(np.hypot(*(project(scene.lens, ring) - px[0]).T)))
    scale = radius / RADIUS_PX * float(np.exp(rng.normal(0, 0.07)))
    return scene, px.mean(axis=0) + rng.uniform(-0.12, 0.12, 2) * radius - SIDE_PX * scale / 2 + scale / 2 - 0.5, scale


def drawn(seed: int) -> tuple[Any, Any]:
    """Return a crop of one bolt brought to one size, and its truth: poses of both planes, directions of the mark, what is there."""
    scene, corner, scale = framed(seed)
    shape, stroke, state = scene.places[1].shape, scene.places[1].stroke, scene.places[1].state
    middles = np.array([[shape.x_mm, shape.y_mm, high] for high in (shape.top_mm, 0.0)])
    px = project(scene.lens, middles)
    maps, recede, angles = [], [], []
    for middle, degrees in zip(middles, (stroke.direction_deg + stroke.turned_deg, stroke.direction_deg), strict=True):
        one, away, flip = _plane(scene, middle, corner, scale)
        direction = flip @ [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]
        maps.append(one)
        recede.append(away)
        angles.append(np.arctan2(direction[1], direction[0]))
    shown = render(scene)
    source = shown.pixels if scale < 1.3 else cv2.GaussianBlur(shown.pixels, (0, 0), 0.4 * scale)
    turn = np.array([[1 / scale, 0, -corner[0] / scale], [0, 1 / scale, -corner[1] / scale]])
    crop = cv2.warpAffine(source, turn, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = max((truth.covered for truth in shown.truths if truth.number == scene.places[1].number), default=0.0)
    there = [stroke.on_nut, stroke.on_flange, state is BoltState.MARK_SMEARED, state is BoltState.WASHER_MISSING, covered]
    return crop, np.concatenate([((px - corner) / scale).ravel(), np.ravel(maps), np.ravel(recede), angles, there]).astype(np.float32)


def _plane(scene: Scene, middle: Any, corner: Any, scale: float) -> tuple[Any, Any, Any]:
    """Return a plane's affine map without reflection, how it recedes, and the reflection that was taken out."""

    def seen(mm: Any) -> Any:
        return (project(scene.lens, np.column_stack([mm, np.zeros(len(mm))]) + middle) - corner) / scale

    near = seen(np.array([[2.0, 0], [-2, 0], [0, 2], [0, -2]]))
    one = np.stack([(near[0] - near[1]) / 4, (near[2] - near[3]) / 4], axis=1)
    flip = np.diag([1.0, -1.0]) if np.linalg.det(one) < 0 else np.eye(2)
    one, at, away = one @ flip, seen(np.zeros((1, 2)))[0], []
    for axis in range(2):
        step = flip[:, axis] * 15.0
        ends = seen(np.stack([step, -step]))
        ratio = -((ends[1] - at) @ one[:, axis]) / ((ends[0] - at) @ one[:, axis])
        away.append((ratio - 1) / (ratio + 1) / 15.0)
    return one, away, flip


def shard(folder: Path, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return crops (n, 3, side, side) and truths of one shard, rendered once."""
    file = folder / f"{number}.npz"
    if not file.exists():
        rows = [drawn(FIRST_SEED + number * SHARD + i) for i in range(SHARD)]
        fresh = folder / f"{number}.tmp.npz"
        np.savez(fresh, X=[row[0] for row in rows], T=[row[1] for row in rows])
        fresh.rename(file)
    loaded = np.load(file)
    return torch.from_numpy(loaded["X"].transpose(0, 3, 1, 2).copy()), torch.from_numpy(loaded["T"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=30, help="CPU minutes")
    parser.add_argument("--begin-with", type=Path, help="a net of an earlier run, as ONNX")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    shards = [shard(wanted.cache, number) for number in range(wanted.shards)]
    held, net = shards.pop(), StripNet()
    if wanted.begin_with:
        begin_with(net, wanted.begin_with)

    def chosen(_step: int) -> tuple[torch.Tensor, torch.Tensor]:
        crops, truth = shards[int(torch.randint(len(shards), ()))]
        rows = (truth[:, 22] < 0.5).nonzero()[:, 0]
        rows = rows[torch.randint(len(rows), (BATCH,))]
        return crops[rows], truth[rows]

    def told(step: int, loss: float) -> None:
        print(f"{step} steps: loss {loss:.2f}", flush=True)

    best = learned(net, chosen, cpu_minutes(wanted.minutes), RATE, told, steady_norms=bool(wanted.begin_with))
    with torch.no_grad():
        x, *aims = strips(*held)
        logits, row = best(x)
        error = loss_of(logits, row, tuple(aims))[1].numpy()
    print(f"held out, poses jittered: median error {np.median(error):.2f} degrees, 95 % within {np.quantile(error, 0.95):.2f}")
    write_onnx(best, wanted.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
