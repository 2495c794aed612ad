"""How vision/models/edges.onnx is made: a small net that tells how far an edge of a bolt is from where it was thought to be.

``python -m benchmarks.edges_training --cache DIR --out edges.onnx [--shards 20] [--minutes 15]`` needs the extra ``train``. It learns
from the crops of ``benchmarks.marks_training`` (the same cache); the last shard is for validation alone. Poses are jittered, by much and
by little; of bolts without washer it learns that there is no edge. Measured on other seeds (``benchmarks.bolts``).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from scipy.optimize import least_squares
from torch import nn
from torch.nn import functional

from benchmarks.marks_training import FIRST_SEED, SHARD, framed, shard
from plant.bolts import BoltState
from simulators.bolt_lens import project
from simulators.bolt_scenes import Scene
from simulators.bolt_surfaces import WASHER_MM
from vision.bolt_edges import ACROSS, PLACES, POSE, WASHER, patches, pieces, places, planes, projected
from vision.mark_net import RADIUS_PX

BATCH, LOOKS = 256, 3
_SPREAD = np.array([2.4, 2.4, 0.05, 0.07, 0.07, 0.07, 0.0006, 0.0, 0.0])
"""How far a pose is jittered at most, one sigma; heights are drawn by themselves."""


def true_pose(scene: Scene, corner: Any, scale: float) -> Any:
    """Return the pose that is truest of what the scene's lens makes of nut and flange, in px of the square."""
    shape = scene.places[1].shape
    around = np.arange(12) * np.pi / 6
    turn = np.deg2rad(shape.turn_deg)
    ring = np.column_stack([np.cos(around), np.sin(around)])
    flip = np.array([1.0, 1.0])
    middles = np.array([shape.x_mm, shape.y_mm, shape.top_mm]) + np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]])
    seen = (project(scene.lens, middles) - corner) / scale
    if np.linalg.det(seen[1:] - seen[0]) < 0:
        flip = np.array([1.0, -1.0])
    flat = np.concatenate([ring * 20, ring * 20, ring * 24])
    high = np.repeat([0.0, -shape.nut_mm, -shape.top_mm], 12)
    world = np.column_stack([flat * flip, high + shape.top_mm]) + np.array([shape.x_mm, shape.y_mm, 0])
    wanted = (project(scene.lens, world) - corner) / scale
    cos, sin = np.cos(flip[1] * turn), np.sin(flip[1] * turn)
    own = np.column_stack([flat @ [cos, sin], flat @ [-sin, cos], high])  # in the hexagon's own directions
    along = seen[1:] - seen[0]
    first = np.cos(turn) * along[0] + np.sin(turn) * along[1]
    start = np.array([*seen[0], np.log(RADIUS_PX / 20.8), 0.0, 0.0, np.arctan2(first[1], first[0]), 1 / 450])

    def off(pose: Any) -> Any:
        return (projected(np.append(pose, [0, 0]), own) - wanted).ravel()

    best = least_squares(off, start, method="lm", x_scale=[1, 1, 0.02, 0.1, 0.1, 0.1, 1e-3])
    return np.append(best.x, [shape.nut_mm, shape.washer_mm if shape.washer else 0.0])


def looks_at(square: Any, true: Any, washer: bool, rng: np.random.Generator) -> list[tuple[Any, Any, Any, Any]]:
    """Return pieces seen from jittered poses: planes, how far the edge is outwards (px), whether it is there, which places count."""
    rows = []
    for _ in range(LOOKS):
        wide = np.exp(rng.uniform(math.log(0.07), math.log(1.2)))
        pose = true + rng.normal(size=POSE) * _SPREAD * wide
        share = min(wide, 1.0)
        pose[6] = np.clip(pose[6], 5e-4, 6e-3)
        pose[7] = true[7] + share * (rng.uniform(13.5, 22.5) - true[7]) if rng.random() < 0.5 else true[7] + rng.normal() * share
        aim = true.copy()
        if washer:
            pose[8] = np.clip(true[8] + rng.normal() * 0.6 * wide, 1.5, 7)
        else:
            pose[8] = rng.uniform(3.2, 5.2)
            aim[8] = pose[8]
            if rng.random() < 0.5:  # a fit that takes it for one stands on the flange with its washer's foot
                pose[7] = max(pose[7] - pose[8] * rng.uniform(0, 1), 8.0)
        some = pieces(pose, WASHER_MM / 2)
        px, outwards = places(pose, some)
        off = ((places(aim, some)[0] - px) * outwards).sum(-1)
        there = np.broadcast_to(((some.kind < WASHER) | washer)[:, None], off.shape)
        rows.append((planes(patches(square, px, outwards), some).astype(np.float16), off, there, some.seen))
    return rows


def learnt(folder: Path, number: int) -> list[torch.Tensor]:
    """Return all pieces of one shard of crops."""
    file = folder / f"edges-{number}.npz"
    if not file.exists():
        crops, truth = shard(folder, number)
        rng = np.random.default_rng(number)
        rows: list[tuple[Any, Any, Any, Any]] = []
        for i in range(SHARD):
            if truth[i, -1] > 0.6:
                continue
            scene, corner, scale = framed(FIRST_SEED + number * SHARD + i)
            pose = true_pose(scene, corner, scale)
            square = np.ascontiguousarray(crops[i].numpy().transpose(1, 2, 0))
            rows += looks_at(square, pose, scene.places[1].state is not BoltState.WASHER_MISSING, rng)
        x, off, there, seen = (np.concatenate(each) for each in zip(*rows, strict=True))
        fresh = folder / f"edges-{number}.tmp.npz"
        np.savez(fresh, x=x, off=off.astype(np.float16), there=there, seen=seen)
        fresh.rename(file)
    loaded = np.load(file)
    return [torch.from_numpy(loaded[name]) for name in ("x", "off", "there", "seen")]


class EdgeNet(nn.Module):  # type: ignore[misc]
    """Pieces (n, 8, 16, 25) -> (n, 16, 3): how far the edge is outwards, px; log of its sigma; logit of whether it is there."""

    def __init__(self, wide: int = 20) -> None:
        super().__init__()

        def layer(a: int, b: int, stride: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(a, b, 3, (1, stride), 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

        self.near = nn.Sequential(layer(8, wide, 1), layer(wide, 2 * wide, 2), layer(2 * wide, 2 * wide, 1), layer(2 * wide, 2 * wide, 2))
        self.join = nn.Conv1d(2 * wide * 7, 64, 1)
        self.along = nn.Conv1d(128, 64, 3, padding=1)
        self.told = nn.Conv1d(64, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is told of each place."""
        x = self.near(x)
        x = functional.relu(self.join(x.permute(0, 1, 3, 2).flatten(1, 2)))
        x = torch.cat([x, x.mean(-1, keepdim=True).expand(-1, -1, PLACES)], 1)
        out: torch.Tensor = self.told(functional.relu(self.along(x))).permute(0, 2, 1)
        return out.float()


def begun(net: EdgeNet, file: Path, pieces_seen: torch.Tensor) -> None:
    """Give a net the weights of an earlier run: its ``.pt``, or the ``.onnx`` that was made of it.

    There the norms are folded into the convolutions: they are set anew by some pieces, and to change nothing of what the net tells.
    """
    if file.suffix != ".onnx":
        net.load_state_dict(torch.load(file, weights_only=True))
        return
    graph = onnx.load(file).graph
    kept = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in graph.initializer}
    folded = [[kept[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    seen = pieces_seen.float()
    with torch.no_grad():
        for (conv, norm, relu), (weight, bias) in zip(net.near, folded, strict=False):
            conv.weight.copy_(weight)
            seen = conv(seen)
            variance, mean = torch.var_mean(seen, (0, 2, 3))
            for one, value in ((norm.running_mean, mean), (norm.running_var, variance), (norm.bias, bias + mean)):
                one.copy_(value)
            norm.weight.copy_((variance + norm.eps).sqrt())
            seen = relu(seen + bias[:, None, None])
        for name in ("join", "along", "told"):
            layer = getattr(net, name)
            layer.weight.copy_(kept[f"{name}.weight"])
            layer.bias.copy_(kept[f"{name}.bias"])


def loss_of(told: torch.Tensor, off: torch.Tensor, there: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return how wrong the net is."""
    use = (seen & there).float()
    sigma = told[..., 1].clamp(-3.5, 3)
    wrong = ((told[..., 0] - off.clamp(-7, 7)).abs() / sigma.exp() + sigma) * use
    exists = functional.binary_cross_entropy_with_logits(told[..., 2], there.float(), reduction="none") * seen.float()
    return wrong.sum() / use.sum().clamp(min=1) + 0.3 * exists.sum() / seen.sum().clamp(min=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=15, help="CPU minutes")
    parser.add_argument("--begin-with", type=Path, help="weights of an earlier run: OUT.pt, or edges.onnx as shipped")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    parts = [learnt(wanted.cache, number) for number in range(wanted.shards)]
    held, net = parts.pop(), EdgeNet()
    x, off, there, seen = (torch.cat(each) for each in zip(*parts, strict=True))
    print(f"{len(x)} pieces", flush=True)
    if wanted.begin_with:
        begun(net, wanted.begin_with, x[:: max(len(x) // 1000, 1)])
    steady = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    began, step, done = time.process_time(), 0, 0.0
    while done < 1:
        done = (time.process_time() - began) / 60 / wanted.minutes
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 100) * (0.502 + 0.5 * math.cos(math.pi * min(done, 1)))
        at = torch.randint(len(x), (BATCH,))
        some, turned = x[at].float(), torch.rand(BATCH) < 0.5
        some = torch.where(turned[:, None, None, None], some.flip(2), some)
        aims = [torch.where(turned[:, None], each[at].flip(1), each[at]) for each in (off.float(), there, seen)]
        gain = torch.exp(torch.randn(BATCH, 1, 1, 1) * 0.2 + torch.randn(BATCH, 3, 1, 1) * 0.1)
        some[:, :3] = (some[:, :3] + 1.83) * gain - 1.83 + torch.randn(BATCH, 1, 1, 1) * 0.15
        some = torch.cat([some[:, torch.randperm(3)] if step % 3 == 0 else some[:, :3], some[:, 3:]], 1)
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            told = net(some)
        loss = loss_of(told, *aims)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        steady.update_parameters(net)
        step += 1
        if step % 200 == 0:
            print(f"{step} steps, {100 * done:.0f} %: loss {float(loss.detach()):.3f}", flush=True)
    best = steady.module.eval()
    with torch.no_grad():
        told = best(held[0].float())
    use = held[2] & held[3]
    error = (told[..., 0] - held[1].float()).abs()[use].numpy()
    gone = told[..., 2].sigmoid()
    print(f"held out: median {np.median(error):.2f} px, 95 % within {np.quantile(error, 0.95):.2f}")
    print(
        f"seen as a washer's: {float(gone[held[3] & ~held[2]].mean()):.3f} where there is none, {float(gone[use].mean()):.3f} of all others"
    )
    torch.save(best.state_dict(), wanted.out.with_suffix(".pt"))
    names = {"input_names": ["pieces"], "output_names": ["told"], "dynamic_axes": {"pieces": {0: "n"}, "told": {0: "n"}}}
    torch.onnx.export(best, (torch.zeros(2, 8, PLACES, ACROSS),), wanted.out, dynamo=False, opset_version=17, **names)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
