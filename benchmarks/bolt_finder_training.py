"""How vision/models/bolt_places.onnx is made: rendered views of bolt circles, and a YOLO detector that tells where bolts and holes are.

``python -m benchmarks.bolt_finder_training --cache DIR --out bolt_places.onnx [--count 1500] [--epochs 20]`` needs the extra ``train``. The
pictures are kept in the cache, and a training that was stopped goes on there. Every eighth picture is held out: for them the share of bolts
and holes that are found is printed, and what is called one and is none. Seeds from 233,000,000; measured on others
(``benchmarks.bolt_views``).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from plant.bolts import BoltState
from simulators.bolt_lens import Lens, project, rays
from simulators.bolt_scenes import CORNER_MM, Place, Scene, render, view_scene
from vision.bolt_finding import LEAST_SURE, PLACE_CLASSES, PLACES_PX
from vision.detections import Floats
from vision.evaluating import Compared, detector_figures
from vision.labelled import label_path, read_truth, truth_line
from vision.onnx_models import load_model
from vision.training import TrainPlan, export_onnx, installed_start, train_detector

FIRST_SEED: Final = 233_000_000
_WIDE, _HIGH = 640, 480
_ZOOM: Final = (0.6, 2.2)
_LEAST_SEEN: Final = 0.5
_HOLE_TO_CORNER: Final = 0.62
_HELD_OUT: Final = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    began = time.process_time()
    pictures = [file for number in range(given.count) if (file := _drawn(given.cache, FIRST_SEED + number)) is not None]
    held = pictures[::_HELD_OUT]
    learned = [each for number, each in enumerate(pictures) if number % _HELD_OUT]
    start = installed_start()
    print(
        f"{len(learned)} pictures to learn from, {len(held)} held out; begins with {'COCO' if start else 'random'} weights; load {_load()}"
    )
    plan = TrainPlan(tuple(learned), PLACE_CLASSES, PLACES_PX, given.epochs, threads=given.threads, start=start, mosaic=0.3)
    weights = train_detector(plan, given.cache / "training", lambda epoch, loss: print(f"epoch {epoch}: loss {loss:.3f}", flush=True))
    ranges = [np.asarray(cv2.imread(str(file)), np.uint8) for file in learned[::20]]
    export_onnx(weights, given.out, PLACES_PX, trusted_sha256=_hash(weights), ranges_by=ranges)
    _judge(given.out, held)
    print(f"{time.process_time() - began:.0f} CPU-s, load {_load()}, {given.out.stat().st_size / 1e6:.1f} MB")


def _drawn(cache: Path, seed: int) -> Path | None:
    """Return the picture of a seed, rendered once; None where it shows no bolt at all, or cannot be rendered."""
    picture = cache / "images" / f"v{seed}.jpg"
    if picture.exists():
        return picture
    scene = _scene(seed)
    lines = [line for place in scene.places if (line := _line(scene, place))]
    if not lines or _horizon_in_view(scene.lens):
        return None
    pixels = render(scene).pixels
    picture.parent.mkdir(parents=True, exist_ok=True)
    label_path(picture).parent.mkdir(parents=True, exist_ok=True)
    label_path(picture).write_text("".join(lines), encoding="utf-8")
    cv2.imwrite(str(picture), pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return picture


def _scene(seed: int) -> Scene:
    zoom = 0.5 * float(np.exp(np.random.default_rng(seed).uniform(*np.log(_ZOOM))))
    scene = view_scene(seed, profile="usual" if seed % 3 else "sloppy", good=seed % 2 == 0)
    lens = scene.lens
    middle = np.array([_WIDE - 1, _HIGH - 1]) / 2
    centre = middle + (np.array(lens.centre_px) - (np.array([lens.width, lens.height]) - 1) / 2) * zoom
    small = replace(lens, width=_WIDE, height=_HIGH, focal_px=lens.focal_px * zoom, centre_px=(float(centre[0]), float(centre[1])))
    return replace(scene, lens=small)


def _horizon_in_view(lens: Lens) -> bool:
    """Return whether the flange goes on without end in the picture, or is bent so: so far from the focus there is no end of blur."""
    away = rays(lens, 0, 0, lens.width, lens.height, 1 / 16)
    return bool((away[..., 2] > -0.15 * np.linalg.norm(away, axis=-1)).any())


def _line(scene: Scene, place: Place) -> str:
    """Return the label of a bolt or hole; none where less than half of it is in view."""
    hole = place.state is BoltState.MISSING
    around = np.arange(24) * np.pi / 12
    ring = np.column_stack([np.cos(around), np.sin(around)]) * CORNER_MM * (_HOLE_TO_CORNER if hole else 1.0)
    heights = (0.0,) if hole else (0.0, place.shape.top_mm)
    ring = ring + np.array([place.shape.x_mm, place.shape.y_mm])
    px = np.vstack([project(scene.lens, np.column_stack([ring, np.full(24, height)])) for height in heights])
    low, high = px.min(axis=0), px.max(axis=0)
    seen = np.clip(np.stack([low, high]), 0, [_WIDE - 1, _HIGH - 1])
    if np.prod(seen[1] - seen[0]) < _LEAST_SEEN * np.prod(high - low):
        return ""
    return truth_line(int(hole), (seen / [_WIDE, _HIGH]).ravel().tolist())


def _judge(model: Path, held: list[Path]) -> None:
    """Print what a detector finds in pictures it never saw, as it is used."""
    detector = load_model(model)
    compared = []
    for picture in held:
        pixels = np.asarray(cv2.imread(str(picture)), np.uint8)
        truth = read_truth(label_path(picture))
        size: Floats = np.tile(np.array(pixels.shape[1::-1], np.float32), 2)
        compared.append(Compared(detector.detect(pixels, 0.001), truth.xyxy * size, truth.class_id))
    figures = detector_figures(compared, PLACE_CLASSES, [LEAST_SURE] * len(PLACE_CLASSES))
    for one in figures.classes:
        print(f"{one.name}: {one.labels} held out, found {one.recall}, right {one.precision}, AP50 {one.ap50:.3f}")


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
