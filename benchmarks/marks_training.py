"""How vision/models/marks.onnx is made: renders of bolts near by, unrolled about the axis, and a small net that tells where the mark is.

``python -m benchmarks.marks_training --cache DIR --out marks.onnx [--shards 20] [--minutes 30] [--begin-with W.pt]`` needs the extra
``train``. Shards of 500 crops are kept in the cache; the last is for validation alone. Seeds from 46,000,000; measured on others
(``benchmarks.bolts``). The pose is jittered, the strip mirrored, and the flange turned against the nut at random: no angle is likelier.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_lens import project
from simulators.bolt_scenes import CORNER_MM, Scene, crop_scene, render
from vision.mark_net import COLUMNS, FLANGE_MM, NUT_MM, RADIUS_PX, SIDE_PX

SHARD, FIRST_SEED, BATCH, PLACES = 500, 46_000_000, 32, COLUMNS // 2
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


def strips(crops: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return strips cut by jittered poses, mirrored, in other light, and what the net is to tell of each."""
    count = len(crops)
    centres, maps, recede = truth[:, :4].reshape(-1, 2, 2), truth[:, 4:12].reshape(-1, 2, 2, 2), truth[:, 12:16].reshape(-1, 2, 2)
    wide = torch.exp(torch.empty(count, 1).uniform_(math.log(0.12), math.log(4)))
    step = torch.randn(count, 2) * 0.45 * wide
    moves = torch.stack([step, step * 0.7 + torch.randn(count, 2) * 0.5 * wide], 1)
    px = maps[:, 0].det().abs().sqrt()[:, None, None]
    cut_at = centres + moves * px
    bent = torch.eye(2) + torch.randn(count, 2, 2) * 0.02 * wide[..., None]
    lower = bent + (torch.randn(count, 2, 2) * 0.01 + torch.eye(2) * torch.randn(count, 1, 1) * 0.025) * wide[..., None]
    cut_by = maps @ torch.stack([bent, lower], 1)
    rolls = torch.rand(count, 1) * 2 * math.pi + torch.stack([torch.zeros(count), torch.randn(count) * 0.3], 1)
    pieces, beside, stretch = [], [], []
    for k, rings in enumerate((NUT_MM, FLANGE_MM)):
        around = (torch.arange(COLUMNS) + 0.5) * 2 * math.pi / COLUMNS - math.pi + rolls[:, k, None]
        mm = torch.tensor(rings, dtype=torch.float32)[None, :, None, None] * torch.stack([around.cos(), around.sin()], -1)[:, None]
        mm = mm / (1 + torch.einsum("bi,brci->brc", recede[:, k], mm))[..., None]
        at = torch.einsum("bij,brcj->brci", cut_by[:, k], mm) + cut_at[:, k, None, None]
        pieces.append(functional.grid_sample(crops.float(), (at + 0.5) / SIDE_PX * 2 - 1, padding_mode="border", align_corners=False))
        off = torch.linalg.solve(cut_by[:, k], (centres - cut_at)[:, k, :, None])[..., 0]
        more = torch.linalg.solve(cut_by[:, k], maps[:, k]) - torch.eye(2)
        odd = torch.stack([more[:, 0, 0] - more[:, 1, 1], more[:, 0, 1] + more[:, 1, 0]], 1) / 2
        beside.append(_turned(off, -rolls[:, k]))
        stretch.append(torch.cat([(more[:, 0, 0] + more[:, 1, 1])[:, None] / 2, _turned(odd, -2 * rolls[:, k])], 1))
    x, way = torch.cat(pieces, 2), torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    x = torch.where(way[:, None, None, None] < 0, x.flip(-1), x)
    x = x * torch.exp(torch.randn(count, 3, 1, 1) * 0.1 + torch.randn(count, 1, 1, 1) * 0.15) + torch.randn(count, 1, 1, 1) * 6
    x = (x + torch.randn_like(x) * torch.rand(count, 1, 1, 1) * 4).clamp(0, 255)
    ones = torch.ones(count)
    angles = (truth[:, 16:18] - rolls) * way[:, None]
    off = torch.stack(beside, 1) * torch.stack([ones, way], 1)[:, None]
    return x, angles, off, torch.stack(stretch, 1) * torch.stack([ones, ones, way], 1)[:, None], truth[:, 18:22]


def _turned(rows: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    cos, sin = by.cos(), by.sin()
    return torch.stack([rows[:, 0] * cos - rows[:, 1] * sin, rows[:, 0] * sin + rows[:, 1] * cos], 1)


class Round(nn.Module):  # type: ignore[misc]
    """A convolution whose columns go round, with its norm."""

    def __init__(self, layer: nn.Module, norm: nn.Module, reach: int) -> None:
        super().__init__()
        self.layer, self.norm, self.reach = layer, norm, reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features of a strip, or of a ring."""
        return functional.relu(self.norm(self.layer(torch.cat([x[..., -self.reach :], x, x[..., : self.reach]], -1))))


def _rows(wide: int, out: int, stride: tuple[int, int]) -> Round:
    return Round(nn.Conv2d(wide, out, 3, stride, (1, 0), bias=False), nn.BatchNorm2d(out), 1)


class StripNet(nn.Module):  # type: ignore[misc]
    """Strip (n, 3, 46, 256) -> chances of the direction on nut and flange, and one row of numbers as ``vision/mark_net.py`` reads it."""

    def __init__(self, wide: int = 16, ring: int = 96) -> None:
        super().__init__()
        strides = ((5, 1, (2, 1)), (1, 2, (1, 2)), (2, 3, (2, 1)), (3, 3, (2, 1)))
        self.rows = nn.Sequential(*[_rows(a if a == 5 else a * wide, b * wide, stride) for a, b, stride in strides])
        self.join = nn.Conv1d(18 * wide, ring, 1)
        self.rings = nn.ModuleList(
            [Round(nn.Conv1d(ring, ring, 3, dilation=far, bias=False), nn.BatchNorm1d(ring), far) for far in (1, 2, 4, 8, 16, 1)]
        )
        self.places = nn.Conv1d(ring, 12, 1)
        self.whole = nn.Sequential(nn.Linear(2 * ring, 48), nn.ReLU(), nn.Linear(48, 5))
        plane = torch.cat([torch.zeros(len(NUT_MM)), torch.ones(len(FLANGE_MM))])
        height = torch.cat([torch.linspace(-1, 0, len(NUT_MM)), torch.linspace(0.2, 1, len(FLANGE_MM))])
        self.register_buffer("where", torch.stack([height, plane])[None, :, :, None].repeat(1, 1, 1, COLUMNS))
        around = (torch.arange(PLACES) + 0.5) * 2 * math.pi / PLACES - math.pi
        self.register_buffer("waves", torch.stack([around.cos(), around.sin(), (2 * around).cos(), (2 * around).sin()]))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (n, 2, 128), and (n, 19): sines, cosines, beside, stretch, log of sigma, logits of what is there."""
        x = self.rows(torch.cat([(pixels - 110) / 60, self.where.expand(len(pixels), -1, -1, -1)], 1))
        x = functional.relu(self.join(x.flatten(1, 2)))
        for ring in self.rings:
            x = x + ring(x)
        told, whole = self.places(x).float(), self.whole(torch.cat([x.mean(-1), x.amax(-1)], 1)).float()
        cos, sin, cos2, sin2 = self.waves
        chance, z = told[:, :2].softmax(-1), told[:, 2:].reshape(-1, 2, 5, PLACES)
        beside = 2 * torch.stack([(z[:, :, 0] * cos - z[:, :, 1] * sin).mean(-1), (z[:, :, 0] * sin + z[:, :, 1] * cos).mean(-1)], -1)
        odd = [(z[:, :, 3] * cos2 - z[:, :, 4] * sin2).mean(-1), (z[:, :, 3] * sin2 + z[:, :, 4] * cos2).mean(-1)]
        stretch = 0.05 * torch.stack([z[:, :, 2].mean(-1), *odd], -1)
        row = [(chance * sin).sum(-1), (chance * cos).sum(-1), beside.flatten(1), stretch.flatten(1), whole]
        return told[:, :2], torch.cat(row, 1)


def loss_of(logits: torch.Tensor, row: torch.Tensor, wanted: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how wrong the net is, and by how many degrees each angle is."""
    angles, beside, stretch, flags = wanted
    there = flags[:, :2] * (1 - flags[:, 2:3])
    around = (torch.arange(PLACES) + 0.5) * 2 * math.pi / PLACES - math.pi
    target = torch.softmax(-0.5 * (_wrapped(around - angles[..., None]) / 0.06) ** 2, -1)
    seen = torch.atan2(row[:, 0:2], row[:, 2:4])
    each = _wrapped(seen - angles).abs().rad2deg()
    error = _wrapped(_wrapped(seen[:, 0] - seen[:, 1]) - (angles[:, 0] - angles[:, 1])).abs().rad2deg()
    sigma, both = row[:, 14].clamp(-3, 4), there.prod(1)
    loss = -((target * logits.log_softmax(-1)).sum(-1) * there).mean() + 0.4 * ((error / sigma.exp() + sigma) * both).mean()
    loss = loss + 0.1 * (error.clamp(max=8) * both).mean() + 0.05 * (each.clamp(max=8) * there).mean()
    loss = loss + 4 * (row[:, 4:8] - beside.flatten(1)).abs().mean() + 40 * (row[:, 8:14] - stretch.flatten(1)).abs().mean()
    return loss + 0.2 * functional.binary_cross_entropy_with_logits(row[:, 15:19], flags), error.detach()[both > 0]


def _wrapped(angle: torch.Tensor) -> torch.Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


class _Row(nn.Module):  # type: ignore[misc]
    def __init__(self, net: StripNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, strip: torch.Tensor) -> torch.Tensor:
        return self.net(strip)[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=30, help="CPU minutes")
    parser.add_argument("--begin-with", type=Path, help="weights of an earlier run (OUT.pt)")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    shards = [shard(wanted.cache, number) for number in range(wanted.shards)]
    held, net = shards.pop(), StripNet()
    if wanted.begin_with:
        net.load_state_dict(torch.load(wanted.begin_with, weights_only=True))
    steady = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    began, step, done = time.process_time(), 0, 0.0
    while done < 1:
        done = (time.process_time() - began) / 60 / wanted.minutes
        for group in optimizer.param_groups:
            group["lr"] = 2.5e-3 * min(1, (step + 1) / 150) * (0.502 + 0.5 * math.cos(math.pi * min(done, 1)))
        crops, truth = shards[int(torch.randint(len(shards), ()))]
        chosen = (truth[:, 22] < 0.5).nonzero()[:, 0]
        chosen = chosen[torch.randint(len(chosen), (BATCH,))]
        x, *aims = strips(crops[chosen], truth[chosen])
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits, row = net(x)
        loss, error = loss_of(logits, row, tuple(aims))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        steady.update_parameters(net)
        step += 1
        if step % 200 == 0:
            print(
                f"{step} steps, {100 * done:.0f} %: loss {float(loss.detach()):.2f}, median error {float(error.median()):.2f} degrees",
                flush=True,
            )
    best = steady.module.eval()
    with torch.no_grad():
        x, *aims = strips(*held)
        logits, row = best(x)
        error = loss_of(logits, row, tuple(aims))[1].numpy()
    print(f"held out, poses jittered: median error {np.median(error):.2f} degrees, 95 % within {np.quantile(error, 0.95):.2f}")
    torch.save(best.state_dict(), wanted.out.with_suffix(".pt"))
    torch.onnx.export(_Row(best), (torch.zeros(1, 3, 46, COLUMNS),), wanted.out, input_names=["strip"], dynamo=False, opset_version=17)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
