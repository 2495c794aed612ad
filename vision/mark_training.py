"""The net of marks, as torch trains it: strips cut by jittered poses from crops of bolts, and a small net that tells where the mark is.

It needs the extra ``train``. What it makes, ``vision/mark_net.py`` runs without. The pose is jittered, the strip mirrored, and the flange
turned against the nut at random: no angle is likelier, so the net has to measure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from plant.errors import Rejected, Unavailable
from vision.mark_labels import MarkedCrop
from vision.mark_net import COLUMNS, FLANGE_MM, MODEL_FILE, NUT_MM, SIDE_PX

try:
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import nn
    from torch.nn import functional
except ImportError as missing:
    raise Unavailable(f"training needs the extra 'train': pip install 'leadhand[train]' ({missing})") from missing

BATCH: Final = 32
PLACES: Final = COLUMNS // 2
_TOLD_EACH: Final = 100


@dataclass(frozen=True, slots=True)
class MarkPlan:
    """How a net of marks is trained."""

    steps: int = 1500
    """Of 32 strips each."""
    rate: float = 5e-4
    seed: int = 1
    start: Path | None = MODEL_FILE
    """A net of marks to begin with; None begins with random weights, which need some 50,000 steps and many thousand bolts."""


def train_marks(
    crops: Sequence[MarkedCrop], plan: MarkPlan, out: Path, told: Callable[[int, float], None] = lambda _step, _loss: None
) -> None:
    """Write a net of marks that learned from these crops; ``told`` hears step and loss. Raises Rejected for a start that does not fit."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    pixels = torch.from_numpy(np.stack([each.square for each in crops]).transpose(0, 3, 1, 2).copy())
    truth = torch.from_numpy(np.stack([each.row() for each in crops]).astype(np.float32))
    net = StripNet()
    if plan.start is not None:
        begin_with(net, plan.start)

    def drawn(_step: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.randint(len(pixels), (BATCH,))
        return pixels[chosen], truth[chosen]

    best = learned(net, drawn, lambda step: step / plan.steps, plan.rate, told, steady_norms=plan.start is not None)
    write_onnx(best, out)


def learned(
    net: StripNet,
    drawn: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    done: Callable[[int], float],
    rate: float,
    told: Callable[[int, float], None] = lambda _step, _loss: None,
    *,
    steady_norms: bool = False,
) -> StripNet:
    """Return the running mean of a net while it learns from what is drawn for each step, until ``done`` tells 1.

    ``steady_norms`` keeps the means and spreads it came with: a few bolts do not tell them better.
    """
    mean = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    steady = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=mean, use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    step = 0
    while (share := done(step)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 150) * (0.502 + 0.5 * math.cos(math.pi * share))
        x, *aims = strips(*drawn(step))
        net.train(not steady_norms)
        with torch.autocast("cpu", torch.bfloat16):
            logits, row = net(x)
        loss, _ = loss_of(logits, row, tuple(aims))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        steady.update_parameters(net)
        step += 1
        if step % _TOLD_EACH == 0:
            told(step, float(loss.detach()))
    best: StripNet = steady.module.eval()
    return best


def cpu_minutes(minutes: float) -> Callable[[int], float]:
    """Return what share of some minutes of this process's CPU is used, whatever the step."""
    began = time.process_time()
    return lambda _step: (time.process_time() - began) / 60 / minutes


def strips(crops: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return strips cut by jittered poses, mirrored, in other light, and what the net is to tell of each.

    ``crops`` is (n, 3, side, side), ``truth`` a row for each as ``MarkedCrop.row`` gives it.
    """
    count = len(crops)
    centres, maps, recede = truth[:, :4].reshape(-1, 2, 2), truth[:, 4:12].reshape(-1, 2, 2, 2), truth[:, 12:16].reshape(-1, 2, 2)
    cut_at, cut_by = _jittered(centres, maps)
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
    way = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    x = torch.cat(pieces, 2)
    x = _otherwise_lit(torch.where(way[:, None, None, None] < 0, x.flip(-1), x))
    ones = torch.ones(count)
    angles = (truth[:, 16:18] - rolls) * way[:, None]
    off = torch.stack(beside, 1) * torch.stack([ones, way], 1)[:, None]
    return x, angles, off, torch.stack(stretch, 1) * torch.stack([ones, ones, way], 1)[:, None], truth[:, 18:22]


def _jittered(centres: torch.Tensor, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return centres and maps of poses that are wrong, by much and by little."""
    count = len(centres)
    wide = torch.exp(torch.empty(count, 1).uniform_(math.log(0.12), math.log(4)))
    step = torch.randn(count, 2) * 0.45 * wide
    moves = torch.stack([step, step * 0.7 + torch.randn(count, 2) * 0.5 * wide], 1)
    px = maps[:, 0].det().abs().sqrt()[:, None, None]
    bent = torch.eye(2) + torch.randn(count, 2, 2) * 0.02 * wide[..., None]
    lower = bent + (torch.randn(count, 2, 2) * 0.01 + torch.eye(2) * torch.randn(count, 1, 1) * 0.025) * wide[..., None]
    return centres + moves * px, maps @ torch.stack([bent, lower], 1)


def _otherwise_lit(x: torch.Tensor) -> torch.Tensor:
    count = len(x)
    x = x * torch.exp(torch.randn(count, 3, 1, 1) * 0.1 + torch.randn(count, 1, 1, 1) * 0.15) + torch.randn(count, 1, 1, 1) * 6
    return (x + torch.randn_like(x) * torch.rand(count, 1, 1, 1) * 4).clamp(0, 255)


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


def write_onnx(net: StripNet, out: Path) -> None:
    """Write a net as ``vision/mark_net.py`` runs it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(_Row(net), (torch.zeros(1, 3, 46, COLUMNS),), out, input_names=["strip"], dynamo=False, opset_version=17)


def begin_with(net: StripNet, path: Path) -> None:
    """Give a net the weights of one that was written as ONNX. Raises Rejected where they do not fit.

    An exported net has its norms inside its convolutions: they begin anew as norms that change nothing.
    """
    held, nodes = _weights(path)
    layers: list[tuple[Any, Any]] = [(each.layer, each.norm) for each in net.rows]
    layers += [
        (net.join, None),
        *((each.layer, each.norm) for each in net.rings),
        (net.places, None),
        (net.whole[0], None),
        (net.whole[2], None),
    ]
    wanted = [tuple(layer.weight.shape) for layer, _ in layers]
    found = [held[weight].shape for weight, _ in nodes]
    if wanted != found:
        raise Rejected(f"{path} is no net of marks of this make: its layers are {found[:3]} ..., not {wanted[:3]} ...")
    with torch.no_grad():
        for (layer, norm), (weight, offset) in zip(layers, nodes, strict=True):
            layer.weight.copy_(torch.from_numpy(held[weight].copy()))
            (layer.bias if norm is None else norm.bias).copy_(torch.from_numpy(held[offset].copy()))
            if norm is not None:
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
                norm.weight.fill_(1)


def _weights(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what an ONNX file holds by name, and the names of weights and offsets of its layers in order."""
    try:
        graph: Any = onnx.load(path).graph
    except Exception as error:  # its errors have no common base
        raise Rejected(f"{path} is no ONNX file: {str(error)[:200]}") from error
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    layers = [node for node in graph.node if node.op_type in {"Conv", "Gemm"}]
    nodes = [(node.input[1], node.input[2]) for node in layers if len(node.input) == 3]
    if len(nodes) != len(layers) or any(name not in held for pair in nodes for name in pair):
        raise Rejected(f"{path} is no net of marks of this make")
    return held, nodes
