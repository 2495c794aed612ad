"""Wide views of bolt circles, rendered and never seen: which bolts are found, how they are counted, where they are, how they are judged.

Must: places within 0.5 mm at 95 %. Told beside it: how many views are located at all; how many of the bolts that are wholly in view are
found, once, with their right number; what is called a bolt and is none; what is called OK and is not. All of it is simulation.
``python -m benchmarks.bolt_views [--views 100] [--seed 277000000]``; one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from functools import partial

import cv2
import numpy as np

from plant.bolts import BoltState
from plant.inspections import Decision, Finding, frame_hash
from simulators.bolt_lens import project
from simulators.bolt_scenes import VERSION, BoltTruth, Rendered, Scene, render, view_scene
from vision.bolt_circle import CameraLens, CircleDrawing
from vision.bolt_looks import BoltView
from vision.bolts import BoltInspector
from vision.frames import Frame
from vision.shipped import nets_with

LOOSENED_DEG = 5.0
_HIDDEN = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=int, default=100)
    parser.add_argument("--seed", type=int, default=277_000_000)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, seeds from {given.seed}, renderer {VERSION}; all of it is simulation")
    nets = nets_with(None)
    counts: Counter[str] = Counter()
    errors: list[float] = []
    used = 0.0
    for seed in range(given.seed, given.seed + given.views):
        scene = view_scene(seed, good=seed % 2 == 0)
        shown = render(scene)
        began = time.process_time()
        frame = Frame(shown.pixels, frame_hash(shown.pixels.tobytes()), "", "", "", 0)
        found = BoltInspector(nets, partial(_as_set, _view(scene))).inspect(frame).findings
        used += time.process_time() - began
        errors += _compared(scene, shown, found, counts)
    _tell(counts, errors, used, given.views)
    right = bool(errors) and float(np.quantile(errors, 0.95)) <= 0.5
    print(f"load {os.getloadavg()[0]:.1f}; must {'met' if right else 'MISSED'}")
    return 0 if right else 1


def _view(scene: Scene) -> BoltView:
    """Return what a person would have set: drawing, camera, and the number of the place nearest to the picture's middle."""
    lens = scene.lens
    places = np.array([[place.shape.x_mm, place.shape.y_mm, 0.0] for place in scene.places])
    away = np.hypot(*(project(lens, places) - [lens.width / 2, lens.height / 2]).T)
    return BoltView(
        mirrored=lens.mirrored,
        circle=CircleDrawing(scene.diameter_mm, scene.count),
        lens=CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored),
        middle_bolt=scene.places[int(np.argmin(away))].number,
    )


def _as_set(view: BoltView, _frame: Frame) -> BoltView:
    return view


def _compared(scene: Scene, shown: Rendered, found: tuple[Finding, ...], counts: Counter[str]) -> list[float]:
    """Count what became of a view; return how far off its bolts are told, mm."""
    located = any("x_mm" in each.measures for each in found)
    counts["views located"] += located
    errors: list[float] = []
    left = list(found)
    for truth in shown.truths:
        if not _wholly_in_view(scene, truth):
            continue
        mine = [each for each in left if _away(each, truth) < 0.6 * truth.radius_px]
        left = [each for each in left if all(each is not one for one in mine)]
        kind = "bolts" if truth.state is not BoltState.MISSING else "holes"
        kind = f"hidden {kind}" if truth.covered > _HIDDEN else kind
        counts[kind] += 1
        counts[f"{kind} found"] += bool(mine)
        counts["twice"] += max(len(mine) - 1, 0)
        for each in mine[:1]:
            counts[f"{kind} judged"] += each.decision is not Decision.NOT_DECIDABLE
            counts["numbered"] += "bolt_number" in each.measures
            counts["numbered wrong"] += each.measures.get("bolt_number", truth.number) != truth.number
            _count_verdict(truth, each, counts)
            if "x_mm" in each.measures:
                errors.append(float(np.hypot(each.measures["x_mm"] - truth.x_mm, each.measures["y_mm"] - truth.y_mm)))
                counts["inside 2.45 sigma"] += errors[-1] <= 2.45 * each.measures["sigma_mm"]
    known = project(scene.lens, np.array([[place.shape.x_mm, place.shape.y_mm, 0.0] for place in scene.places]))
    for each in left:
        at = np.array(
            [each.measures.get("base_x_px", np.mean(each.box_px[::2])), each.measures.get("base_y_px", np.mean(each.box_px[1::2]))]
        )
        counts["none there"] += bool(np.hypot(*(known - at).T).min() > each.measures["radius_px"])
    return errors


def _count_verdict(truth: BoltTruth, each: Finding, counts: Counter[str]) -> None:
    good = truth.state is BoltState.PRESENT
    faulty = truth.state is not BoltState.LOOSENED or abs(truth.angle_deg) >= LOOSENED_DEG
    if good or faulty:
        counts["good" if good else "faulty"] += 1
        counts[f"{'good' if good else 'faulty'} {each.decision.value}"] += 1


def _away(each: Finding, truth: BoltTruth) -> float:
    if "base_x_px" in each.measures:
        return float(np.hypot(each.measures["base_x_px"] - truth.base_px[0], each.measures["base_y_px"] - truth.base_px[1]))
    middle = (np.array(truth.base_px) + np.array(truth.top_px)) / 2
    return float(np.hypot((each.box_px[0] + each.box_px[2]) / 2 - middle[0], (each.box_px[1] + each.box_px[3]) / 2 - middle[1]))


def _wholly_in_view(scene: Scene, truth: BoltTruth) -> bool:
    (x, y), room = truth.base_px, 1.2 * truth.radius_px
    return room < x < scene.lens.width - room and room < y < scene.lens.height - room


def _tell(counts: Counter[str], errors: list[float], used: float, views: int) -> None:
    print(
        f"wholly in view: {counts['bolts found']} of {counts['bolts']} bolts found, {counts['holes found']} of {counts['holes']} holes; "
        f"over {100 * _HIDDEN:.0f} % hidden: {counts['hidden bolts found'] + counts['hidden holes found']} of "
        f"{counts['hidden bolts'] + counts['hidden holes']}; {counts['twice']} told twice, {counts['none there']} told where none is"
    )
    print(f"circle located in {counts['views located']} of {views} views; {counts['numbered']} numbered, {counts['numbered wrong']} wrong")
    if errors:
        print(
            f"places of {len(errors)} bolts: mean {np.mean(errors):.2f} mm, 95 % within {np.quantile(errors, 0.95):.2f} (must 0.5), "
            f"at most {max(errors):.2f}; {100 * counts['inside 2.45 sigma'] / len(errors):.0f} % within 2.45 of their sigma"
        )
    for kind in ("good", "faulty"):
        said = {one.value: counts[f"{kind} {one.value}"] for one in Decision}
        print(f"{kind}, by one picture: {said} of {counts[kind]}")
    print(f"{used / views:.2f} CPU-s a view")


if __name__ == "__main__":
    sys.exit(main())
