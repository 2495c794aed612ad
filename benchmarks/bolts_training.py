"""How vision/models/bolts.onnx is made: renders of bolt circles, and a small net that tells part and paint of each pixel.

``python -m benchmarks.bolts_training --cache DIR --out bolts.onnx [--shards 12] [--epochs 15]`` needs the extra ``train``. Shards of 500
pictures are kept in the cache; the last is for validation alone. Seeds from 5,000,000; measured on others (``benchmarks.bolts``).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene, render

SIDE, WINDOW, SHARD, FIRST_SEED, PARTS = 96, 64, 500, 5_000_000, 7


class BoltNet(nn.Module):  # type: ignore[misc]
    """Colour picture, any size in sixteens -> (8, h / 2, w / 2): seven parts, and paint."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([_block(3, 12), _block(12, 24), _block(24, 40), _block(40, 56)])
        self.thin = nn.ModuleList([nn.Conv2d(56, 32, 1), nn.Conv2d(32, 16, 1), nn.Conv2d(24, 12, 1)])
        self.up = nn.ModuleList([_conv(72, 32), _conv(40, 24), _conv(24, 12)])
        self.head = nn.Conv2d(12, PARTS + 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits of parts and paint."""
        logits: torch.Tensor = self.head(self.levels(pixels)[-1])
        return logits

    def levels(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return the features from the coarsest, a sixteenth of the picture, to the finest, half of it."""
        x = (pixels - 110.0) / 60.0
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        found = [x]
        for thin, up, beside in zip(self.thin, self.up, reversed(levels[:-1]), strict=True):
            x = up(torch.cat([nn.functional.interpolate(thin(x), scale_factor=2.0, mode="bilinear"), beside], 1))
            found.append(x)
        return found


def _conv(wide: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _block(wide: int, out: int) -> nn.Sequential:
    return nn.Sequential(_conv(wide, out, 2), _conv(out, out))


def shard(folder: Path, number: int) -> tuple[Any, Any, Any]:
    """Return pictures, parts and paint of one shard, rendered once."""
    file = folder / f"{number}.npz"
    if not file.exists():
        x, p, m = (np.zeros((SHARD, side, side, *rest), np.uint8) for side, rest in ((SIDE, (3,)), (SIDE // 2, ()), (SIDE // 2, ())))
        for i in range(SHARD):
            shown = render(
                crop_scene(FIRST_SEED + number * SHARD + i, Crop(radius_px=(15, 34), margin=(1.45, 3.2), off_centre=0.6), "sloppy")
            )
            kind = cv2.INTER_AREA if len(shown.pixels) > SIDE else cv2.INTER_LINEAR
            x[i] = cv2.resize(shown.pixels, (SIDE, SIDE), interpolation=kind)
            p[i] = cv2.resize(shown.parts, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_NEAREST_EXACT)
            m[i] = np.round(cv2.resize(shown.paint, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA) * 255)
        np.savez(file, X=x, P=p, M=m)
    loaded = np.load(file)
    return loaded["X"], loaded["P"], loaded["M"]


def varied(x: Any, p: Any, m: Any, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return windows of a batch, turned, mirrored, lighter, darker and tinted."""
    left, top = (2 * int(rng.integers(0, (SIDE - WINDOW) // 2 + 1)) for _ in range(2))
    x = x[:, top : top + WINDOW, left : left + WINDOW]
    p, m = (each[:, top // 2 : (top + WINDOW) // 2, left // 2 : (left + WINDOW) // 2] for each in (p, m))
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    x, p, m = (np.rot90(each, turns, (1, 2)) for each in (x, p, m))
    if mirror:
        x, p, m = (each[:, :, ::-1] for each in (x, p, m))
    x = x.astype(np.float32)
    tint = np.exp(rng.normal(0, 0.12, (len(x), 1, 1, 3))) * np.exp(rng.normal(0, 0.2, (len(x), 1, 1, 1)))
    x = np.clip(x * tint + rng.normal(0, 8, (len(x), 1, 1, 1)) + rng.normal(0, 1, x.shape) * rng.uniform(0, 6, (len(x), 1, 1, 1)), 0, 255)
    grey = rng.random(len(x)) < 0.03
    x[grey] = x[grey].mean(-1, keepdims=True)

    def as_tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values))

    return upright(x), as_tensor(p.astype(np.int64)), as_tensor(m.astype(np.float32) / 255)


def upright(x: Any) -> torch.Tensor:
    """Return pictures (n, h, w, 3) as a net takes them."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2).astype(np.float32)))


def loss_of(logits: torch.Tensor, p: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    """Return how wrong the net is on parts and on paint."""
    weights = torch.tensor([1.0, 1.5, 1.5, 1.5, 1.0, 2.0, 1.5])
    parts = nn.functional.cross_entropy(logits[:, :PARTS], p, weights)
    total: torch.Tensor = parts + 2 * nn.functional.binary_cross_entropy_with_logits(logits[:, PARTS], m, pos_weight=torch.tensor(2.0))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=15)
    wanted = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng, net, began = np.random.default_rng(1), BoltNet(), time.process_time()
    shards = [shard(wanted.cache, number) for number in range(wanted.shards)]
    x, p, m = (np.concatenate([each[i] for each in shards[:-1]]) for i in range(3))
    steps, step = wanted.epochs * (len(x) // 32), 0
    descent = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
    pace = torch.optim.lr_scheduler.OneCycleLR(descent, 4e-3, steps + 1)
    for epoch in range(wanted.epochs):
        net.train()
        order, total = rng.permutation(len(x)), 0.0
        for at in range(0, len(x) - 31, 32):
            chosen = order[at : at + 32]
            pictures, parts, paint = varied(x[chosen], p[chosen], m[chosen], rng)
            loss = loss_of(net(pictures), parts, paint)
            descent.zero_grad()
            loss.backward()
            descent.step()
            pace.step()
            total, step = total + float(loss.detach()), step + 1
        net.eval()
        print(
            f"epoch {epoch + 1}: loss {total / (len(x) // 32):.4f}, {validation(net, shards[-1])}, {time.process_time() - began:.0f} CPU-s",
            flush=True,
        )
        export(net, wanted.out)
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0


def validation(net: BoltNet, held: tuple[Any, Any, Any]) -> str:
    """Return the share of pixels right by part, and of paint found and right."""
    with torch.no_grad():
        logits = net(torch.from_numpy(held[0][:200].transpose(0, 3, 1, 2).astype(np.float32))).numpy()
    part = logits[:, :PARTS].argmax(1)
    overlap = [((part == i) & (held[1][:200] == i)).sum() / max(((part == i) | (held[1][:200] == i)).sum(), 1) for i in range(PARTS)]
    painted, true = logits[:, PARTS] > 0, held[2][:200] > 127
    return f"IoU by part {np.round(overlap, 3).tolist()}, paint {(painted & true).sum() / (painted | true).sum():.3f}"


def export(net: BoltNet, out: Path) -> None:
    """Write the net as ONNX."""
    sizes = {2: "height", 3: "width"}
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(out),
        input_names=["pixels"],
        output_names=["parts"],
        dynamic_axes={"pixels": sizes, "parts": {2: "h", 3: "w"}},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
