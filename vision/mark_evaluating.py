"""How well a net of marks reads marks that a person labelled: angles, and what is there. A label has its own error of a degree or two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vision.evaluating import Share
from vision.labelled import read_picture
from vision.mark_labels import MarkedCrop, MarkedSet, PoseNets, crops_of
from vision.mark_net import MarkNet

FLAGS = ("mark_on_nut", "mark_on_flange", "smeared", "no_washer")
_THERE = 0.5


def gathered(marked: MarkedSet, places: Sequence[int], nets: PoseNets) -> tuple[list[MarkedCrop], list[str]]:
    """Return the crops of the bolts in some pictures, and which bolts have none: ``NAME bolt NUMBER``, as their pose cannot be told."""
    found: list[MarkedCrop] = []
    passed: list[str] = []
    for place in places:
        path = marked.pictures.pictures[place].path
        for number, crop in enumerate(crops_of(read_picture(path), marked.bolts[place], nets), 1):
            if crop is None:
                passed.append(f"{path.name} bolt {number}")
            else:
                found.append(crop)
    return found, passed


def mark_figures(net: MarkNet, crops: Sequence[MarkedCrop]) -> dict[str, Any]:
    """Return figures of a net on crops: how far its angles are from the labels', and how often each flag is right, with bounds."""
    errors: list[float] = []
    right = dict.fromkeys(FLAGS, 0)
    for crop in crops:
        look = net.look_at(crop.square, crop.planes, mirrored=True, turns=0)
        told = (look.nut_there, look.flange_there, look.smeared, look.no_washer)
        for name, likely, is_so in zip(FLAGS, told, (*crop.seen, crop.smeared, crop.no_washer), strict=True):
            right[name] += (likely > _THERE) == is_so
        if all(crop.seen) and not crop.smeared:
            true = np.rad2deg(crop.directions[0] - crop.directions[1])
            errors.append(abs((look.angle_deg - true + 180) % 360 - 180))
    return {
        "bolts": len(crops),
        "angles": len(errors),
        "angle_error_median_deg": round(float(np.median(errors)), 2) if errors else None,
        "angle_error_p95_deg": round(float(np.quantile(errors, 0.95)), 2) if errors else None,
        **{name: Share(hits, len(crops)).record() for name, hits in right.items()},
    }
