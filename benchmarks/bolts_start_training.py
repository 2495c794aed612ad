"""How vision/models/starts.onnx is made: a small net that tells roughly how a bolt stands, where the fit of its edges begins.

``python -m benchmarks.bolts_start_training --cache DIR --out starts.onnx [--shards 6] [--minutes 10]`` needs the extra ``train``. It learns
from the crops of ``benchmarks.marks_training`` (the same cache), turned, mirrored, moved and brought to other sizes at random; the last
shard is for validation alone. Measured on other seeds (``benchmarks.bolts``).
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

from benchmarks.marks_training import FIRST_SEED, SHARD, framed, shard
from vision.bolt_pose import started
from vision.bolt_start import SEEN_PX, SMALLER
from vision.mark_net import RADIUS_PX, SIDE_PX

BATCH, MOST_MOVED_PX, SIZES = 48, 26.0, 0.14
_USUAL_LOG = math.log(RADIUS_PX / 20.785)


def learnt(folder: Path, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the crops of one shard, and of each: top, base (px from the middle), log of scale, turn, share covered."""
    file = folder / f"starts-{number}.npz"
    if not file.exists():
        crops, truth = shard(folder, number)
        rows, seen = [], []
        for i, one in enumerate(truth.numpy().astype(np.float64)):
            if one[-1] > 0.6:
                continue
            place = framed(FIRST_SEED + number * SHARD + i)[0].places[1]
            drawn = np.deg2rad(place.stroke.direction_deg)
            way = 1.0 if np.cos(one[17] - drawn) > np.cos(one[17] + drawn) else -1.0  # pictures are reflections but where a mirror is
            turn = way * np.deg2rad(place.shape.turn_deg)
            spun = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            pose = started(one[:2], one[4:8].reshape(2, 2) @ spun, one[2:4])
            middle = (SIDE_PX - 1) / 2
            rows.append([*(one[:4] - middle), pose[2] - _USUAL_LOG, pose[5], one[-1]])
            seen.append(crops[i].numpy())
        np.savez(file, x=np.stack(seen), rows=np.array(rows, np.float32))
    loaded = np.load(file)
    return torch.from_numpy(loaded["x"]), torch.from_numpy(loaded["rows"])


def varied(crops: torch.Tensor, rows: torch.Tensor, most: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return crops as the net sees them, turned, mirrored, moved, in other sizes and other light, and what it is to tell."""
    count = len(crops)
    turn, way = torch.rand(count) * 2 * math.pi, torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    size = torch.randn(count) * SIZES * most
    move = torch.randn(count, 2) * MOST_MOVED_PX / 2 * most
    cos, sin = turn.cos(), turn.sin()
    spun = torch.stack([torch.stack([cos, -sin * way], 1), torch.stack([sin, cos * way], 1)], 1)  # old = spun @ new * e^-size + move
    y, x = torch.meshgrid(*[(torch.arange(SEEN_PX) - (SEEN_PX - 1) / 2) * SMALLER] * 2, indexing="ij")
    new = torch.stack([x, y], -1)
    old = torch.einsum("bij,rcj->brci", spun, new) * (-size).exp()[:, None, None, None] + move[:, None, None]
    soft = functional.avg_pool2d(crops.float(), SMALLER, 1)  # what it shows of a place is that of the middle of its pixels
    shift = (SMALLER - 1) / 2
    at = (old + (SIDE_PX - 1) / 2 - shift + 0.5) / soft.shape[-1] * 2 - 1
    pixels = functional.grid_sample(soft, at, padding_mode="border", align_corners=False)
    pixels = pixels * torch.exp(torch.randn(count, 3, 1, 1) * 0.12 + torch.randn(count, 1, 1, 1) * 0.2) + torch.randn(count, 1, 1, 1) * 6
    pixels = pixels[:, torch.randperm(3)].clamp(0, 255)
    ends = torch.einsum("bji,bkj->bki", spun, rows[:, :4].reshape(-1, 2, 2) - move[:, None]) * size.exp()[:, None, None]
    angle = 6 * way * (rows[:, 5] - turn)
    told = [ends.flatten(1) / RADIUS_PX, (rows[:, 4] + size)[:, None], angle.cos()[:, None], angle.sin()[:, None]]
    return pixels, torch.cat(told, 1)


class StartNet(nn.Module):  # type: ignore[misc]
    """Squares (n, 3, 76, 76) -> (n, 8): top and base from the middle in radii, log of scale, cosine and sine of six turns, log of sigma."""

    def __init__(self, wide: int = 16) -> None:
        super().__init__()

        def layer(a: int, b: int, stride: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

        strides = ((3, 1, 1), (1, 2, 2), (2, 3, 2), (3, 3, 1), (3, 4, 2), (4, 4, 1))
        self.seen = nn.Sequential(*[layer(3 if at == 0 else a * wide, b * wide, step) for at, (a, b, step) in enumerate(strides)])
        side = math.ceil(math.ceil(math.ceil(SEEN_PX / 2) / 2) / 2)
        self.joined = nn.Sequential(layer(4 * wide, 32, 1), nn.Flatten(), nn.Linear(32 * side * side, 128), nn.ReLU(), nn.Linear(128, 8))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what is told of each square."""
        out: torch.Tensor = self.joined(self.seen((pixels - 110) / 60))
        return out.float()


def loss_of(told: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return how wrong the net is: ends and size with their sigma, and the turn."""
    sigma = told[:, 7].clamp(-5, 1)
    off = (told[:, :5] - wanted[:, :5]).abs().sum(1)
    turn = (told[:, 5:7] - wanted[:, 5:7]).square().sum(1)
    return (0.3 * off / sigma.exp() + sigma).mean() + 4 * off.mean() + 0.6 * turn.mean()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=10, help="CPU minutes")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    parts = [learnt(wanted.cache, number) for number in range(wanted.shards)]
    held, net = parts.pop(), StartNet()
    crops, rows = (torch.cat(each) for each in zip(*parts, strict=True))
    print(f"{len(crops)} crops", flush=True)
    steady = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    began, step, done = time.process_time(), 0, 0.0
    while done < 1:
        done = (time.process_time() - began) / 60 / wanted.minutes
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (0.502 + 0.5 * math.cos(math.pi * min(done, 1)))
        chosen = torch.randint(len(crops), (BATCH,))
        pixels, aims = varied(crops[chosen], rows[chosen])
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            told = net(pixels)
        loss = loss_of(told, aims)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        steady.update_parameters(net)
        step += 1
        if step % 100 == 0:
            off = 20.785 * (told[:, :4] - aims[:, :4]).reshape(-1, 2, 2).norm(dim=-1).median()
            print(f"{step} steps, {100 * done:.0f} %: loss {float(loss.detach()):.3f}, median {float(off.detach()):.2f} mm", flush=True)
        if step % 500 == 0 or done >= 1:
            _kept(steady.module, held, wanted.out)
    return 0


def _kept(net: Any, held: tuple[torch.Tensor, torch.Tensor], out: Path) -> None:
    """Write the net, and tell how it does on crops it did not learn from."""
    net = net.eval()
    with torch.no_grad():
        pixels, aims = varied(*held)
        told = net(pixels)
    ends = 20.785 * (told[:, :4] - aims[:, :4]).reshape(-1, 2, 2).norm(dim=-1).amax(1)
    turn = torch.rad2deg(torch.atan2(told[:, 6], told[:, 5]) - torch.atan2(aims[:, 6], aims[:, 5]))
    turn = (torch.remainder(turn + 180, 360) - 180).abs() / 6
    each = [f"{float(ends.quantile(q)):.2f} mm, {float(turn.quantile(q)):.1f} degrees" for q in (0.5, 0.9, 0.97)]
    print(f"held out, moved and turned: 50, 90 and 97 of 100 within {'; '.join(each)}", flush=True)
    torch.save(net.state_dict(), out.with_suffix(".pt"))
    names = {"input_names": ["square"], "output_names": ["told"]}
    torch.onnx.export(net, (torch.zeros(1, 3, SEEN_PX, SEEN_PX),), out, dynamo=False, opset_version=17, **names)
    net.train()


if __name__ == "__main__":
    raise SystemExit(main())
