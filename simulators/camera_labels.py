"""Simulated pictures of bolts with labels as a person would give them: what a net of marks is taught on before a plant has its own.

``python -m simulators.camera_labels --out DIR --count 200 --seed 1`` writes ``images``, ``labels`` and ``classes.txt``. A label has a line
for a bolt: class, box of the nut, and the ends of its mark on the nut (inner, outer) and on the flange (inner, outer), each x, y and
whether it is to be seen. Ends are those of the drawn line; a person who clicks is a pixel or two off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_lens import Numbers, project
from simulators.bolt_scenes import CORNER_MM, Scene, crop_scene, render

FIRST_SEED: Final = 61_000_000
"""Of these pictures: no shipped model learned from them, no figure is taken from them."""
STATES: Final = (BoltState.PRESENT, BoltState.LOOSENED, BoltState.WASHER_MISSING, BoltState.MARK_ABSENT, BoltState.MARK_SMEARED)
_TURNS: Final = (0, 1, 0, 1, 0, 1, 2, 0, 1, 3, 1, 4)
"""Which state each picture's bolt has, in turn: most are there and have a mark."""
_NUT_MM: Final = (13.5, 17.0)
_FLANGE_MM: Final = (26.0, 34.0)
_CROP: Final = Crop(radius_px=(46, 62), margin=(1.8, 2.1), off_centre=0.06)


def label_line(scene: Scene) -> str:
    """Return the label of the bolt in the middle of a scene."""
    place = scene.places[1]
    shape, stroke = place.shape, place.stroke
    size = np.array([scene.lens.width, scene.lens.height])
    around = np.arange(24) * np.pi / 12
    ring = np.column_stack([np.cos(around), np.sin(around), np.zeros(24)]) * CORNER_MM + np.array([shape.x_mm, shape.y_mm, shape.top_mm])
    px = project(scene.lens, ring)
    low, high = px.min(axis=0), px.max(axis=0)
    words = [f"{STATES.index(place.state)}", *(f"{each:.6f}" for each in np.concatenate([(low + high) / 2 / size, (high - low) / size]))]
    smeared = place.state is BoltState.MARK_SMEARED
    for ends, height, turned, there in (
        (_NUT_MM, shape.top_mm, stroke.turned_deg, stroke.on_nut and not smeared),
        (_FLANGE_MM, 0.0, 0.0, stroke.on_flange and not smeared),
    ):
        mm = _ends(ends, height, stroke.direction_deg + turned, stroke.beside_mm)
        for at in project(scene.lens, mm + np.array([shape.x_mm, shape.y_mm, 0.0])):
            words += [f"{at[0] / size[0]:.6f}", f"{at[1] / size[1]:.6f}", "2" if there else "0"]
    return " ".join(words) + "\n"


def _ends(reach_mm: tuple[float, float], height_mm: float, degrees: float, beside_mm: float) -> Numbers:
    """Return both ends (2, 3) of a line that points this way and passes the axis so far."""
    way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    across = beside_mm * np.array([-way[1], way[0]])
    return np.array([[*(reach * way + across), height_mm] for reach in reach_mm])


def write_folder(out: Path, count: int, seed: int) -> None:
    """Write so many pictures of one bolt each, with their labels; the same seed gives the same."""
    for name in ("images", "labels"):
        (out / name).mkdir(parents=True, exist_ok=True)
    (out / "classes.txt").write_text("".join(f"{state.value}\n" for state in STATES), "utf-8")
    for number in range(count):
        scene = crop_scene(FIRST_SEED + seed * 100_000 + number, _CROP, "sloppy", STATES[_TURNS[number % len(_TURNS)]])
        pixels: Any = render(scene).pixels
        cv2.imwrite(str(out / "images" / f"{number:05d}.png"), pixels)
        (out / "labels" / f"{number:05d}.txt").write_text(label_line(scene), "utf-8")


def main() -> int:
    """Write a folder as the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m simulators.camera_labels", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where images, labels and classes.txt go")
    parser.add_argument("--count", type=int, default=200, help="pictures (default 200)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    write_folder(given.out, given.count, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
