"""How long one look takes without torch on one core: CPU milliseconds from the bytes of a picture to the decision; memory of the process.

python -m benchmarks.vision_speed --looks 100 [--model M.onnx]

Frames of 320 and of 640 px are looked at by the shipped model of welds (320 px a side, 8 bits), or by another detector of ``--model``, e.g.
one exported at 640 px. Figures are medians of CPU time on one thread; the parts are told beside.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from plant.inspections import frame_hash
from vision import frame_checks
from vision.frames import Frame
from vision.images import ImageLimits, decode
from vision.model_sheets import DataSheet, ModelSheet
from vision.onnx_models import DetectionModel, load_model
from vision.welds import SHIPPED, WeldInspector

MOST_MS = {320: 15.0, 640: 40.0}
MOST_MB = 300.0
SEED = 1


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--looks", type=int, default=100)
    wanted.add_argument("--model", type=Path, default=SHIPPED)
    options = wanted.parse_args()
    cv2.setNumThreads(1)
    model = load_model(options.model)
    inspector = WeldInspector(_told(model))
    print(f"load {os.getloadavg()[0]:.1f}, seed {SEED}, {options.looks} looks, model of {model.size_px} px")
    missed = 0
    for side, most in MOST_MS.items():
        missed += _measured(model, inspector, side, options.looks) > most
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory {memory:.0f} MB : limit {MOST_MB:.0f} MB; CPU {time.process_time():.1f} s")
    return int(bool(missed) or memory > MOST_MB or "torch" in sys.modules)


def _measured(model: DetectionModel, inspector: WeldInspector, side: int, looks: int) -> float:
    """Return the median from bytes to decision, and print it with its parts."""
    rng = np.random.default_rng(SEED)
    noise = cv2.resize(rng.integers(0, 255, (40, 40, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    content = cv2.imencode(".jpg", noise)[1].tobytes()
    spent: dict[str, list[float]] = {"decode": [], "checks": [], "detect": [], "inspect (checks and detect in it)": []}
    for _ in range(looks + 5):
        marks = [time.thread_time()]
        pixels = decode(content, ImageLimits())
        marks.append(time.thread_time())
        frame_checks.measure(pixels)
        marks.append(time.thread_time())
        model.detect(pixels)
        marks.append(time.thread_time())
        inspector.inspect(Frame(pixels, frame_hash(content), "", "", "", 0))
        marks.append(time.thread_time())
        for name, begin, end in zip(spent, marks, marks[1:], strict=False):
            spent[name].append((end - begin) * 1e3)
    medians = {name: float(np.median(values[5:])) for name, values in spent.items()}
    whole = medians["decode"] + medians["inspect (checks and detect in it)"]
    parts = ", ".join(f"{name} {value:.1f} ms" for name, value in medians.items())
    print(f"frames of {side} px: bytes to decision {whole:.1f} ms : limit {MOST_MS[side]:.0f} ms ({parts})")
    return whole


def _told(model: DetectionModel) -> DetectionModel:
    """Return a model that has a sheet; one without gets a plain one, as only its time is asked."""
    if model.sheet is None:
        data = DataSheet(name="", manifest_sha256="", pictures=0, split_by="")
        thresholds = (0.25,) * len(model.classes)
        model.sheet = ModelSheet(task="detect", classes=model.classes, thresholds=thresholds, data=data, figures={}, seed=SEED)
    return model


if __name__ == "__main__":
    sys.exit(main())
