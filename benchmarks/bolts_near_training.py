"""How vision/models/bolts.onnx is brought to its end: bolts of one size, whose parts, paint and state it tells more closely.

``python -m benchmarks.bolts_near_training --cache DIR --out bolts.onnx --begin-with FIRST.onnx --far DIR [--minutes 40]`` needs the extra
``train``; FIRST.onnx and the second folder come from ``benchmarks.bolts_training``. Shards of 500 pictures are kept in the cache; others
may be laid there meanwhile (``--only-shards FIRST LAST``); shard 0 is for validation alone. The pace falls with the clock. Seeds from
40,000,000; measured on others (``benchmarks.bolts``).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from torch import nn

from benchmarks.bolts_training import PARTS, BoltNet, upright
from benchmarks.bolts_training import shard as shard_far
from benchmarks.bolts_training import varied as varied_far
from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_lens import project
from simulators.bolt_scenes import CORNER_MM, crop_scene, render

SIDE, WINDOW, RADIUS, SHARD, FIRST_SEED, STATES = 176, 144, 40.0, 500, 40_000_000, 5
_ORDER = (BoltState.PRESENT, BoltState.LOOSENED, BoltState.WASHER_MISSING, BoltState.MISSING, BoltState.MARK_ABSENT, BoltState.MARK_SMEARED)
_DRAWN = [0] * 5 + [1] * 6 + [2] * 5 + [3] * 2 + [4] + [5]


class NearNet(nn.Module):  # type: ignore[misc]
    """Colour picture, any size in sixteens -> (13, h / 2, w / 2): seven parts, paint, and everywhere the same five states."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = BoltNet()
        self.state = nn.Sequential(nn.Linear(2 * 56 + 2 * 24, 64), nn.ReLU(), nn.Linear(64, STATES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits of parts and paint, and of the states."""
        levels = self.maps.levels(pixels)
        maps = self.maps.head(levels[-1])
        pooled = torch.cat([each for level in (levels[0], levels[2]) for each in (level.mean((2, 3)), level.amax((2, 3)))], 1)
        logits: torch.Tensor = torch.cat([maps, self.state(pooled)[:, :, None, None] + torch.zeros_like(maps[:, :STATES])], 1)
        return logits


def taken_over(net: BoltNet, file: Path, pictures: torch.Tensor) -> None:
    """Begin with the weights of a net that was written as ONNX, its norms set by pictures so that it says the same."""
    graph = onnx.load(str(file)).graph
    weights = {each.name: torch.tensor(onnx.numpy_helper.to_array(each)) for each in graph.initializer}
    told = iter([[weights[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"])
    net.eval()

    def placed(module: nn.Module, given: tuple[torch.Tensor, ...], _out: torch.Tensor) -> torch.Tensor:
        weight, bias = next(told)
        module.weight.data.copy_(weight)
        plain = nn.functional.conv2d(given[0], weight, None, module.stride, module.padding)
        if module.bias is not None:
            module.bias.data.copy_(bias)
            return plain + bias[None, :, None, None]
        norm = norms[module]
        norm.running_mean.copy_(plain.mean((0, 2, 3)))
        norm.running_var.copy_(plain.var((0, 2, 3)))
        norm.weight.data.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.data.copy_(norm.running_mean + bias)
        return plain

    norms = {pair[0]: pair[1] for pair in net.modules() if isinstance(pair, nn.Sequential) and isinstance(pair[0], nn.Conv2d)}
    hooks = [module.register_forward_hook(placed) for module in net.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        net(pictures)
    for hook in hooks:
        hook.remove()


def drawn(seed: int) -> tuple[Any, Any, Any, int]:
    """Return a picture of one bolt brought to one size, its parts, its paint every second pixel, and its state's number."""
    rng = np.random.default_rng(seed)
    state = _DRAWN[seed % len(_DRAWN)]
    profile = "sloppy" if rng.random() < 0.6 else "usual"
    scene = crop_scene(seed, Crop(radius_px=(32, 60), margin=(1.9, 2.3), off_centre=0.1), profile, _ORDER[state])
    shown, shape = render(scene), scene.places[1].shape
    at = np.array([[shape.x_mm, shape.y_mm, high] for high in ((shape.top_mm if shape.nut else 0.0), 0.0)])
    around = np.arange(24) * np.pi / 12
    ring = at[0] + CORNER_MM * np.column_stack([np.cos(around), np.sin(around), np.zeros(24)])
    px = project(scene.lens, at)
    radius = float(np.median(np.hypot(*(project(scene.lens, ring) - px[0]).T)))
    scale = radius / RADIUS * float(np.exp(rng.normal(0, 0.07)))
    left, top = (px[0] + px[1]) / 2 + rng.uniform(-0.12, 0.12, 2) * radius - SIDE * scale / 2 + scale / 2 - 0.5
    turn = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale]])
    source = shown.pixels if scale < 1.3 else cv2.GaussianBlur(shown.pixels, (0, 0), 0.4 * scale)

    def cut(each: Any, how: int, move: float = 0.0) -> Any:
        return cv2.warpAffine(each, turn + np.array([[0, 0, move], [0, 0, move]]), (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REPLICATE)

    paint = cv2.resize(cut(shown.paint, cv2.INTER_LINEAR), (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    # the renderer tells the part at a quarter pixel right of and below each pixel's middle
    parts = cut(shown.parts, cv2.INTER_NEAREST, 0.25 / scale)
    return cut(source, cv2.INTER_LINEAR), parts, np.round(paint * 255).astype(np.uint8), state


def shard(folder: Path, number: int) -> tuple[Any, Any, Any, Any]:
    """Return pictures, parts, paint and states of one shard, rendered once."""
    file = folder / f"{number}.npz"
    if not file.exists():
        rows = [drawn(FIRST_SEED + number * SHARD + i) for i in range(SHARD)]
        fresh = folder / f"{number}.tmp.npz"
        np.savez(fresh, X=[r[0] for r in rows], P=[r[1] for r in rows], M=[r[2] for r in rows], S=[r[3] for r in rows])
        fresh.rename(file)
    loaded = np.load(file)
    return loaded["X"], loaded["P"], loaded["M"], loaded["S"]


def varied(x: Any, p: Any, m: Any, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return windows of a batch, turned, mirrored, lighter, darker and tinted; parts as shares."""
    left, top = (2 * int(rng.integers(5, 12)) for _ in range(2))
    x, p = (each[:, top : top + WINDOW, left : left + WINDOW] for each in (x, p))
    m = m[:, top // 2 : (top + WINDOW) // 2, left // 2 : (left + WINDOW) // 2]
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    x, p, m = (np.rot90(each, turns, (1, 2)) for each in (x, p, m))
    if mirror:
        x, p, m = (each[:, :, ::-1] for each in (x, p, m))
    tint = (np.exp(rng.normal(0, 0.12, (len(x), 1, 1, 3))) * np.exp(rng.normal(0, 0.2, (len(x), 1, 1, 1)))).astype(np.float32)
    x = x.astype(np.float32) * tint + rng.normal(0, 8, (len(x), 1, 1, 1)).astype(np.float32)
    x += rng.standard_normal(x.shape, dtype=np.float32) * rng.uniform(0, 5, (len(x), 1, 1, 1)).astype(np.float32)
    x = np.clip(x, 0, 255)
    half = WINDOW // 2
    fine = torch.from_numpy(np.ascontiguousarray(p)).reshape(-1, half, 2, half, 2)
    shares = torch.stack([(fine == part).sum((2, 4)).float() / 4 for part in range(PARTS)], 1)
    return upright(x), shares, torch.from_numpy(np.ascontiguousarray(m).astype(np.float32) / 255)


def loss_of(logits: torch.Tensor, shares: torch.Tensor, m: torch.Tensor, states: torch.Tensor | None) -> torch.Tensor:
    """Return how wrong the net is on parts, on paint, and on the bolt's state."""
    weights = torch.tensor([1.0, 2.0, 1.5, 1.5, 1.0, 2.0, 1.5])[None, :, None, None]
    parts = -(shares * weights * nn.functional.log_softmax(logits[:, :PARTS], 1)).sum(1).mean()
    paint = nn.functional.binary_cross_entropy_with_logits(logits[:, PARTS], m)
    total: torch.Tensor = parts + 4 * paint
    if states is not None:
        total = total + 0.15 * nn.functional.cross_entropy(logits[:, PARTS + 1 :, 0, 0], states)
    return total


def loss_far(net: nn.Module, shards: list[tuple[Any, Any, Any]], rng: np.random.Generator) -> torch.Tensor:
    """Return how wrong the net is on some smaller bolts, some of them off the middle: what finding takes."""
    x, p, m = shards[int(rng.integers(len(shards)))]
    chosen = rng.choice(len(x), 32, replace=False)
    pictures, parts, paint = varied_far(x[chosen], p[chosen], m[chosen], rng)
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(pictures).float()
    shares = nn.functional.one_hot(parts, PARTS).permute(0, 3, 1, 2).float()
    return loss_of(logits, shares, paint, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--shards", type=int, default=14)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--begin-with", type=Path, help="a net of benchmarks.bolts_training")
    parser.add_argument("--far", type=Path, help="cache of benchmarks.bolts_training, to stay able to find")
    parser.add_argument("--only-shards", type=int, nargs=2)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    if wanted.only_shards:
        for number in range(*wanted.only_shards):
            shard(wanted.cache, number)
        return 0
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng, began = np.random.default_rng(1), time.monotonic()
    net = NearNet().to(memory_format=torch.channels_last)
    held = shard(wanted.cache, 0)
    far = [shard_far(wanted.far, number) for number in range(23)] if wanted.far else []
    if wanted.begin_with:
        taken_over(net.maps, wanted.begin_with, upright(held[0][200:264]))
    print(f"begins with {validation(net.eval(), held)}", flush=True)
    learned: dict[int, tuple[Any, Any, Any, Any]] = {}
    descent = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    share, passes = 0.0, 0
    while share < 1:
        for number in range(1, wanted.shards):  # those that are there yet
            if number not in learned and (wanted.cache / f"{number}.npz").exists():
                learned[number] = shard(wanted.cache, number)
        net.train()
        order = [(number, i) for number in learned for i in range(SHARD)]
        rng.shuffle(order)
        total, steps = 0.0, 0
        for at in range(0, len(order) - 31, 32):
            share = (time.monotonic() - began) / 60 / wanted.minutes
            if share >= 1:
                break
            for group in descent.param_groups:
                group["lr"] = 3e-3 * min(1.0, (passes + 1) / 2000) * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-5
            loss = _taught(net, descent, learned, order[at : at + 32], far, rng)
            total, steps, passes = total + loss, steps + 1, passes + 32
        net.eval()
        told = f"loss {total / max(steps, 1):.4f}, {validation(net, held)}, {time.process_time():.0f} CPU-s"
        print(f"{passes} passes over {len(order)}, {100 * share:.0f} %: {told}", flush=True)
        export(net, wanted.out)
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0


def _taught(
    net: nn.Module, descent: Any, learned: dict[int, tuple[Any, Any, Any, Any]], chosen: list[tuple[int, int]], far: list[Any], rng: Any
) -> float:
    """Teach the net some bolts and, where there are any, some far ones; return its loss."""
    x, p, m = (np.stack([learned[number][i][place] for number, place in chosen]) for i in range(3))
    states = torch.tensor([max(int(learned[number][3][place]) - 1, 0) for number, place in chosen])
    pictures, shares, paint = varied(x, p, m, rng)
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(pictures)
    loss = loss_of(logits.float(), shares, paint, states)
    if far:
        loss = loss + 0.4 * loss_far(net, far, rng)
    descent.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    descent.step()
    return float(loss.detach())


def validation(net: nn.Module, held: tuple[Any, Any, Any, Any]) -> str:
    """Return the overlap by part and of paint, and of how many bolts the state is right."""
    edge, half = (SIDE - WINDOW) // 2, WINDOW // 2
    with torch.no_grad():
        logits = net(upright(held[0][:200, edge:-edge, edge:-edge].astype(np.float32))).numpy()
    true = held[1][:200, edge:-edge:2, edge:-edge:2]
    part = logits[:, :PARTS].argmax(1)
    overlap = [((part == i) & (true == i)).sum() / max(((part == i) | (true == i)).sum(), 1) for i in range(PARTS)]
    painted, paint = logits[:, PARTS] > 0, held[2][:200, edge // 2 : edge // 2 + half, edge // 2 : edge // 2 + half] > 127
    state, right = logits[:, PARTS + 1 :, 0, 0].argmax(1), np.maximum(held[3][:200].astype(int) - 1, 0)
    by_state = [round(float((state == i)[right == i].mean()), 2) for i in range(STATES)]
    of_paint = (painted & paint).sum() / (painted | paint).sum()
    return f"IoU by part {np.round(overlap, 3).tolist()}, paint {of_paint:.3f}, right by state {by_state}"


def export(net: nn.Module, out: Path) -> None:
    """Write the net as ONNX."""
    sizes = {2: "height", 3: "width"}
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, WINDOW, WINDOW),),
        str(out),
        input_names=["pixels"],
        output_names=["maps"],
        dynamic_axes={"pixels": sizes, "maps": {2: "h", 3: "w"}},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
